#!/bin/sh
# Prints the path of wrk, the load generator of `make bench`: $WRK, or an installed one, or Debian's package.
. "$(dirname "$0")/lib.sh"

if [ -n "${WRK:-}" ]; then
    found=$(command -v "$WRK") || die "WRK=$WRK is not a program"
    echo "$found"; exit
fi
command -v wrk && exit
has apt-get || die "no wrk found: install it (for example by 'brew install wrk'), or set WRK to its path"
debian_install wrk
command -v wrk
