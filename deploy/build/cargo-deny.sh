#!/bin/sh
# Prints the path of cargo-deny: an installed one of this version, or one that is built in the user's cache (once; some minutes).
. "$(dirname "$0")/lib.sh"
VERSION=0.20.2

is_it() { [ "$("$1" --version 2>/dev/null)" = "cargo-deny $VERSION" ]; }
is_it cargo-deny && { command -v cargo-deny; exit; }
folder=${XDG_CACHE_HOME:-$HOME/.cache}/accredit/cargo-deny-$VERSION
is_it "$folder/bin/cargo-deny" && { echo "$folder/bin/cargo-deny"; exit; }
say "building cargo-deny $VERSION in $folder (once)"
cargo install --quiet --locked --version "$VERSION" --root "$folder" --target-dir "$folder/build" cargo-deny >&2
rm -rf "$folder/build"
echo "$folder/bin/cargo-deny"
