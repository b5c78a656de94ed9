#!/bin/sh
# Builds the filter that decides nothing, for `make bench`, and prints its path.
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)

module=$("$here/cargo-wasm.sh" build --release --manifest-path benches/noop/Cargo.toml \
    --message-format=json-render-diagnostics | sed -n 's/.*"\([^"]*noop\.wasm\)".*/\1/p' | tail -n 1)
[ -n "$module" ] || die "the build failed"
echo "$module"
