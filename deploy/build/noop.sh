#!/bin/sh
# Builds the filter that decides nothing, for `make bench`, and prints its path. It is called for what Accredit is called for, and no more.
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
output=$(cd "$here/../.." && pwd)/target/noop.wasm

module=$("$here/cargo-wasm.sh" build --release --manifest-path benches/noop/Cargo.toml \
    --message-format=json-render-diagnostics | sed -n 's/.*"\([^"]*noop\.wasm\)".*/\1/p' | tail -n 1)
[ -n "$module" ] || die "the build failed"
node "$here/exports.mjs" "$module" "$output"
echo "$output"
