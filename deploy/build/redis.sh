#!/bin/sh
# Prints the path of a redis-server for the tests: $REDIS_SERVER, or an installed one, or Debian's, unpacked under the user's cache. It is unpacked and not
# installed, because installing the package would start a Redis on port 6379 of this machine.
. "$(dirname "$0")/lib.sh"

if [ -n "${REDIS_SERVER:-}" ]; then
    found=$(command -v "$REDIS_SERVER") || die "REDIS_SERVER=$REDIS_SERVER is not a program"
    echo "$found"; exit
fi
for name in redis-server valkey-server; do command -v "$name" && exit; done
has apt-get || die "no Redis found: install one, or set REDIS_SERVER to the path of redis-server or valkey-server"

folder=${XDG_CACHE_HOME:-$HOME/.cache}/accredit/redis
"$folder/redis-server" --version >/dev/null 2>&1 && { echo "$folder/redis-server"; exit; }
say "fetching Debian's redis-server into $folder (once)"
rm -rf "$folder" && mkdir -p "$folder" && cd "$folder"
# The program is in redis-tools; what else it needs is usually there.
download() { apt-get -qq -o APT::Sandbox::User="$(id -un)" download redis-tools redis-server libjemalloc2 liblzf1 >&2; }
download || { say "refreshing the package lists"; apt_get update && download; } || die "apt-get could not download redis-server"
for package in *.deb; do dpkg-deb -x "$package" . && rm "$package"; done
cat >redis-server <<END
#!/bin/sh
LD_LIBRARY_PATH=\$(echo $folder/usr/lib/*-linux-gnu) exec $folder/usr/bin/redis-server "\$@"
END
chmod +x redis-server
./redis-server --version >/dev/null || die "Debian's redis-server does not run here: install redis, or set REDIS_SERVER"
echo "$folder/redis-server"
