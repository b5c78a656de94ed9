#!/bin/sh
# Prints the path of check-jsonschema, which includes the schema of the compose specification. Nothing is downloaded twice.
. "$(dirname "$0")/lib.sh"
VERSION=0.39.0

venv=$(pypi check-jsonschema $VERSION check-jsonschema check-jsonschema --version) || die "PyPI does not give check-jsonschema $VERSION"
echo "$venv/bin/check-jsonschema"
