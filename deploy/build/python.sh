#!/bin/sh
# `python.sh LIST` prints the path of a Python that has the packages of this file, which lists them with versions and hashes, for the end-to-end
# tests: OpenID providers and MCP clients that we did not write. Nothing is downloaded twice.
. "$(dirname "$0")/lib.sh"
name=$(basename "$1" .txt)

[ -e "$1" ] || die "there is no $1"
# Two test files may ask for the same packages at the same time: the second waits until the first has them.
if [ -z "${ACCREDIT_ALONE:-}" ]; then
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/accredit
    mkdir -p "$cache"
    export ACCREDIT_ALONE=1
    exec python3 -c 'import fcntl, os, sys; lock = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR); fcntl.flock(lock, fcntl.LOCK_EX)
os.set_inheritable(lock, True); os.execv(sys.argv[2], sys.argv[2:])' "$cache/$name.lock" "$0" "$@"
fi
venv=$(pypi_locked "$name" "$1") || die "PyPI does not give $1"
echo "$venv/bin/python"
