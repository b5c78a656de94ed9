#!/bin/sh
# Prints the path of a Python that has PyJWT: a JWT library of another language, for the tests that ask whether others can read our
# tokens. Nothing is fetched twice.
. "$(dirname "$0")/lib.sh"
VERSION=2.10.1

venv=$(pypi pyjwt $VERSION 'PyJWT[crypto]' python -c 'import jwt, cryptography') || die "PyPI does not give PyJWT $VERSION"
echo "$venv/bin/python"
