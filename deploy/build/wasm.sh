#!/bin/sh
# Builds the filter: `wasm.sh [OUTPUT]`, by default target/accredit.wasm. ACCREDIT_FEATURES names cargo features (tests build a
# module that panics on request). Refuses a module over 1 MB: every Envoy worker compiles it before it serves.
. "$(dirname "$0")/lib.sh"
root=$(cd "$(dirname "$0")/../.." && pwd)
output=${1:-$root/target/accredit.wasm}
limit=1000000

# --message-format names the file that cargo wrote, whichever toolchain it took.
module=$("$root/deploy/build/cargo-wasm.sh" build --release --lib --features "${ACCREDIT_FEATURES:-}" \
    --message-format=json-render-diagnostics | sed -n 's/.*"\([^"]*accredit\.wasm\)".*/\1/p' | tail -n 1)
[ -n "$module" ] || die "the build failed"

size=$(($(wc -c <"$module")))
[ "$size" -le $limit ] || die "the module has $size bytes, more than the $limit that are allowed"
# An unchanged module keeps its time stamp; a changed one appears at once, for an Envoy that may be reading the old one.
cmp -s "$module" "$output" || { mkdir -p "$(dirname "$output")" && cp "$module" "$output.new" && mv "$output.new" "$output"; }
say "${output#"$root"/} has $size bytes"
