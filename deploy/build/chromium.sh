#!/bin/sh
# Prints the path of a Chromium for the browser tests: $CHROMIUM, or an installed one, or Debian's package.
. "$(dirname "$0")/lib.sh"

if [ -n "${CHROMIUM:-}" ]; then
    found=$(command -v "$CHROMIUM") || die "CHROMIUM=$CHROMIUM is not a program"
    echo "$found"; exit
fi
for name in chromium chromium-browser google-chrome google-chrome-stable \
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'; do
    command -v "$name" && exit
done
has apt-get || die "no Chromium found: install one, or set CHROMIUM to its path"
debian_install chromium
command -v chromium
