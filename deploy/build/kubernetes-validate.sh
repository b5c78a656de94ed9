#!/bin/sh
# Prints the path of kubernetes-validate, which contains the API schemas of Kubernetes 1.25 to 1.37. It needs no cluster. Nothing is downloaded twice.
. "$(dirname "$0")/lib.sh"
VERSION=1.37.0

venv=$(pypi kubernetes-validate $VERSION kubernetes-validate kubernetes-validate --version) || die "PyPI does not give kubernetes-validate $VERSION"
echo "$venv/bin/kubernetes-validate"
