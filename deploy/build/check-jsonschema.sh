#!/bin/sh
# Prints the path of check-jsonschema, which brings the compose specification's schema along, in a virtual environment under the user's cache. Nothing is fetched
# twice.
. "$(dirname "$0")/lib.sh"
VERSION=0.39.0

venv=${XDG_CACHE_HOME:-$HOME/.cache}/accredit/check-jsonschema-$VERSION
[ -x "$venv/bin/check-jsonschema" ] && { echo "$venv/bin/check-jsonschema"; exit; }

say "fetching check-jsonschema $VERSION from PyPI into $venv (once)"
# Debian ships Python without what makes virtual environments.
python3 -c 'import ensurepip, venv' 2>/dev/null || { has apt-get && debian_install python3-venv; }
python3 -m venv --clear "$venv" >&2
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "check-jsonschema==$VERSION" >&2 || die "PyPI does not give check-jsonschema $VERSION"
echo "$venv/bin/check-jsonschema"
