#!/bin/sh
# `provider.sh NAME` prints the path of a Python that has an OpenID provider, one that we did not write, for the end-to-end tests:
# tests/e2e/providers/NAME.txt lists its packages. Nothing is downloaded twice.
. "$(dirname "$0")/lib.sh"
list=$(dirname "$0")/../../tests/e2e/providers/$1.txt

[ -e "$list" ] || die "there is no $list"
venv=$(pypi_locked "$1" "$list") || die "PyPI does not give $1"
echo "$venv/bin/python"
