# What the build scripts share. Sourced, never run. Whatever is said goes to stderr, because stdout carries answers (paths).
set -eu

say() { echo "accredit: $*" >&2; }
die() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif has sudo; then sudo "$@"
    else die "this needs root, and there is no sudo: $*"; fi
}

# Installs Debian packages that are not there yet; the package lists are refreshed only if that fails without.
debian_install() {
    dpkg -s "$@" >/dev/null 2>&1 && return
    say "installing Debian packages: $*"
    apt_get install "$@" || { say "refreshing the package lists"; apt_get update && apt_get install "$@"; } ||
        die "apt-get could not install: $*"
}
apt_get() { # install PACKAGE… | update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends "$@" >/dev/null
}
