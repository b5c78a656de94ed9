#!/bin/sh
# Prints the path of an nginx for the tests: $NGINX, or an installed one, or Debian's, unpacked under the user's cache. It is unpacked and not installed,
# because installing the package would start a web server on port 80 of this machine.
. "$(dirname "$0")/lib.sh"

if [ -n "${NGINX:-}" ]; then
    found=$(command -v "$NGINX") || die "NGINX=$NGINX is not a program"
    echo "$found"; exit
fi
for name in nginx /usr/sbin/nginx; do command -v "$name" && exit; done
has apt-get || die "no nginx found: install one, or set NGINX to its path"

folder=${XDG_CACHE_HOME:-$HOME/.cache}/accredit/nginx
"$folder/usr/sbin/nginx" -v 2>/dev/null && { echo "$folder/usr/sbin/nginx"; exit; }
say "fetching Debian's nginx into $folder (once)"
rm -rf "$folder" && mkdir -p "$folder" && cd "$folder"
download() { apt-get -qq -o APT::Sandbox::User="$(id -un)" download nginx >&2; }
download || { say "refreshing the package lists"; apt_get update && download; } || die "apt-get could not download nginx"
dpkg-deb -x nginx_*.deb . && rm nginx_*.deb
# What the package needs is usually there; if it is not, Debian's whole package is installed.
usr/sbin/nginx -v 2>/dev/null || { debian_install nginx; folder=; }
echo "$folder/usr/sbin/nginx"
