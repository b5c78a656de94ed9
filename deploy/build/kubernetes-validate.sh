#!/bin/sh
# Prints the path of kubernetes-validate, which holds the API schemas of Kubernetes 1.25 to 1.37, in a virtual environment under the user's cache.
# It needs no cluster. Nothing is fetched twice.
. "$(dirname "$0")/lib.sh"
VERSION=1.37.0

venv=${XDG_CACHE_HOME:-$HOME/.cache}/accredit/kubernetes-validate-$VERSION
program=$venv/bin/kubernetes-validate
[ -x "$program" ] && "$program" --version >/dev/null 2>&1 && { echo "$program"; exit; }

say "fetching kubernetes-validate $VERSION from PyPI into $venv (once)"
# Debian ships Python without what makes virtual environments.
python3 -c 'import ensurepip, venv' 2>/dev/null || { has apt-get && debian_install python3-venv; }
python3 -m venv --clear "$venv" >&2
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "kubernetes-validate==$VERSION" >&2 || die "PyPI does not give kubernetes-validate $VERSION"
echo "$program"
