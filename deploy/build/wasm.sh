#!/bin/sh
# Builds the filter: `wasm.sh [OUTPUT]`, by default target/accredit.wasm.
#
# QUICK=1 builds a module for tests, by default target/accredit-quick.wasm: the same code without wasm-opt and without optimization across
# crates. It is larger and slower, but is built within seconds after a small change. A release never contains it.
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
quick=${QUICK:+-quick}
output=${1:-$root/target/accredit$quick.wasm}

# --message-format prints the name of the file that cargo wrote, with any toolchain.
module=$("$here/cargo-wasm.sh" build --release --lib \
    --message-format=json-render-diagnostics | sed -n 's/.*"\([^"]*accredit\.wasm\)".*/\1/p' | tail -n 1)
[ -n "$module" ] || die "the build failed"

# Optimizing takes longer than building: an optimized module is kept while the stamp shows that nothing it was made from has changed.
sum() { if has sha256sum; then sha256sum; elif has shasum; then shasum -a 256; else cksum; fi <"$1"; }
exports=$here/exports.mjs
calls=$here/calls.mjs
lock=$here/package-lock.json
all() { echo "quick: ${QUICK:-no}" && sum "$module" && sum "$output" && sum "$0" && sum "$exports" && sum "$calls" && if [ -e "$lock" ]; then sum "$lock"; fi; }
stamp=$output.from
if [ ! -e "$output" ] || ! all | cmp -s - "$stamp"; then
    [ -x "$here/node_modules/.bin/wasm-opt" ] || { say "npm ci in deploy/build"; (cd "$here" && npm ci >/dev/null); }
    mkdir -p "$(dirname "$output")"
    # File names with the process id, because another process may build the same module.
    less=$output.$$.less new=$output.$$.new
    # First remove the exports of callbacks that Envoy need not call, so that wasm-opt can remove the code that only they use.
    node "$exports" "$module" "$less"
    if [ -n "$quick" ]; then mv "$less" "$new"; else
        say "wasm-opt"
        # The features are those of rustc's target, and SIMD; never -all, which Envoy refuses. The functions and locals that are used most get
        # the shortest numbers. --low-memory-unused is safe because the first kilobyte of the memory is the far end of the stack: no valid
        # address is there. Tiny functions are inlined everywhere, and a function with one caller if it is small: Envoy's compiler
        # needs memory for the largest function, and keeps it (with 3000 instead of 300, a worker needs 25 MiB more).
        "$here/node_modules/.bin/wasm-opt" -Oz --converge --low-memory-unused --reorder-functions --reorder-locals --enable-simd --enable-bulk-memory --enable-sign-ext --enable-mutable-globals \
            --enable-nontrapping-float-to-int --one-caller-inline-max-function-size=300 --always-inline-max-function-size=4 \
            --flexible-inline-max-function-size=10 "$less" -o "$new"
        rm "$less"
    fi
    # Last, because wasm-opt would change these calls.
    node "$calls" "$new" "$new"
    # Replace the file in one step, because an Envoy may be reading the old one.
    mv "$new" "$output"
    all >"$stamp.$$" && mv "$stamp.$$" "$stamp"
fi

say "${output#"$root"/} has $(($(wc -c <"$output"))) bytes"
