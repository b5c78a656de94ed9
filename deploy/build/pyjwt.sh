#!/bin/sh
# Prints the path of a Python that has PyJWT: a JWT library for another language, for the tests that check whether other programs
# can read our tokens. Nothing is downloaded twice.
. "$(dirname "$0")/lib.sh"
VERSION=2.10.1

venv=$(pypi pyjwt $VERSION 'PyJWT[crypto]' python -c 'import jwt, cryptography') || die "PyPI does not give PyJWT $VERSION"
echo "$venv/bin/python"
