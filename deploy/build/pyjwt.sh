#!/bin/sh
# Prints the path of a Python that has PyJWT, in a virtual environment under the user's cache: a JWT library of another language, for
# the tests that ask whether others can read our tokens. Nothing is fetched twice.
. "$(dirname "$0")/lib.sh"
VERSION=2.10.1

venv=${XDG_CACHE_HOME:-$HOME/.cache}/accredit/pyjwt-$VERSION
python=$venv/bin/python
[ -x "$python" ] && "$python" -c 'import jwt, cryptography' 2>/dev/null && { echo "$python"; exit; }

say "fetching PyJWT $VERSION from PyPI into $venv (once)"
# Debian ships Python without what makes virtual environments.
python3 -c 'import ensurepip, venv' 2>/dev/null || { has apt-get && debian_install python3-venv; }
python3 -m venv --clear "$venv" >&2
"$python" -m pip install --quiet --disable-pip-version-check "PyJWT[crypto]==$VERSION" >&2 || die "PyPI does not give PyJWT $VERSION"
echo "$python"
