#!/bin/sh
# Builds the filter: `wasm.sh [OUTPUT]`, by default target/accredit.wasm. ACCREDIT_FEATURES names cargo features (tests build a
# module that panics on request). Refuses a module over 1 MB: every Envoy worker compiles it before it serves.
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
output=${1:-$root/target/accredit.wasm}
limit=1000000

# --message-format names the file that cargo wrote, whichever toolchain it took.
module=$("$here/cargo-wasm.sh" build --release --lib --features "${ACCREDIT_FEATURES:-}" \
    --message-format=json-render-diagnostics | sed -n 's/.*"\([^"]*accredit\.wasm\)".*/\1/p' | tail -n 1)
[ -n "$module" ] || die "the build failed"

# Optimizing takes longer than building: what was optimized before stays, while all that it came of is still what the stamp tells.
sum() { if has sha256sum; then sha256sum; elif has shasum; then shasum -a 256; else cksum; fi <"$1"; }
exports=$here/exports.mjs
lock=$here/package-lock.json
all() { sum "$module" && sum "$output" && sum "$0" && sum "$exports" && if [ -e "$lock" ]; then sum "$lock"; fi; }
stamp=$output.from
if [ ! -e "$output" ] || ! all | cmp -s - "$stamp"; then
    [ -x "$here/node_modules/.bin/wasm-opt" ] || { say "npm ci in deploy/build"; (cd "$here" && npm ci >/dev/null); }
    say "wasm-opt"
    mkdir -p "$(dirname "$output")"
    # Callbacks that Envoy shall not call go first, so that what only they need goes with them.
    node "$exports" "$module" "$output.less"
    # The features that rustc's target has anyway, and SIMD; never -all, which Envoy refuses. What is used most gets the shortest numbers.
    # The first kilobyte of the memory is the far end of the stack: nothing that works has an address there.
    "$here/node_modules/.bin/wasm-opt" -Oz --converge --low-memory-unused --reorder-functions --reorder-locals --enable-simd --enable-bulk-memory --enable-sign-ext --enable-mutable-globals \
        --enable-nontrapping-float-to-int "$output.less" -o "$output.new"
    rm "$output.less"
    # It appears at once, for an Envoy that may be reading the old one.
    mv "$output.new" "$output"
    all >"$stamp"
fi

size=$(($(wc -c <"$output")))
[ "$size" -le $limit ] || { rm -f "$output"; die "the module has $size bytes, more than the $limit that are allowed"; }
say "${output#"$root"/} has $size bytes"
