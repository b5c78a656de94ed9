#!/bin/sh
# Builds a filter without any decision, for `make bench`, and prints its path. Envoy calls it for the same callbacks as Accredit, and no others.
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
output=$(cd "$here/../.." && pwd)/target/noop.wasm

module=$("$here/cargo-wasm.sh" build --release --manifest-path benches/noop/Cargo.toml \
    --message-format=json-render-diagnostics | sed -n 's/.*"\([^"]*noop\.wasm\)".*/\1/p' | tail -n 1)
[ -n "$module" ] || die "the build failed"
node "$here/exports.mjs" "$module" "$output"
echo "$output"
