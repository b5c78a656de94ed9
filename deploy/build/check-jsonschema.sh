#!/bin/sh
# Prints the path of check-jsonschema, which brings the compose specification's schema along. Nothing is fetched twice.
. "$(dirname "$0")/lib.sh"
VERSION=0.39.0

venv=$(pypi check-jsonschema $VERSION check-jsonschema check-jsonschema --version) || die "PyPI does not give check-jsonschema $VERSION"
echo "$venv/bin/check-jsonschema"
