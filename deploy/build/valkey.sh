#!/bin/sh
# Prints the path of a valkey-server for the tests: $VALKEY_SERVER, or an installed one, or the one of Debian's backports, unpacked under the user's cache. It
# is unpacked and not installed, because installing the package would start a Valkey on port 6379 of this machine; and the machine's own package lists are not
# touched. Its valkey-cli lies beside it.
. "$(dirname "$0")/lib.sh"

if [ -n "${VALKEY_SERVER:-}" ]; then
    found=$(command -v "$VALKEY_SERVER") || die "VALKEY_SERVER=$VALKEY_SERVER is not a program"
    echo "$found"; exit
fi
command -v valkey-server && exit
has apt-get || die "no Valkey found: install it, or set VALKEY_SERVER to the path of valkey-server"

folder=${XDG_CACHE_HOME:-$HOME/.cache}/accredit/valkey
wrap() {
    cat >"$folder/$1.new" <<END
#!/bin/sh
LD_LIBRARY_PATH=\$(echo $folder/usr/lib/*-linux-gnu) exec $folder/usr/bin/$1 "\$@"
END
    chmod +x "$folder/$1.new" && mv "$folder/$1.new" "$folder/$1"
}
if "$folder/valkey-server" --version >/dev/null 2>&1; then
    [ -x "$folder/valkey-cli" ] || wrap valkey-cli
    echo "$folder/valkey-server"; exit
fi
say "fetching the valkey-server of Debian's backports into $folder (once)"
rm -rf "$folder" && mkdir -p "$folder/lists/partial" "$folder/archives/partial" && cd "$folder"
codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
# The mirror that this machine has its packages from.
mirror=$(apt-get indextargets --format '$(REPO_URI)' "Created-By: Packages" "Codename: $codename" | head -n 1)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
for suite in "$codename" "$codename-backports"; do echo "deb [signed-by=$keyring] $mirror $suite main" >>sources.list; done
apt() {
    apt-get -qq -o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$folder/lists" \
        -o Dir::Cache="$folder" -o APT::Sandbox::User="$(id -un)" "$@" >&2
}
# The program is in valkey-tools; what else it needs is usually there.
apt update && apt download valkey-tools valkey-server libjemalloc2 liblzf1 || die "apt-get could not download valkey-server"
for package in *.deb; do dpkg-deb -x "$package" . && rm "$package"; done
rm -rf lists archives pkgcache.bin srcpkgcache.bin
wrap valkey-server
wrap valkey-cli
./valkey-server --version >/dev/null || die "Debian's valkey-server does not run here: install Valkey, or set VALKEY_SERVER"
echo "$folder/valkey-server"
