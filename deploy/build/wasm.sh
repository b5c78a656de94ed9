#!/bin/sh
# Builds the filter: `wasm.sh [OUTPUT]`, by default target/accredit.wasm.
#
# QUICK=1 builds one for trying out, by default target/accredit-quick.wasm: the same code with neither wasm-opt nor optimization across
# crates, larger and slower, but within seconds when little has changed. It is never what a release packs or what `make wasm` leaves.
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
quick=${QUICK:+-quick}
output=${1:-$root/target/accredit$quick.wasm}

# --message-format names the file that cargo wrote, whichever toolchain it took.
module=$("$here/cargo-wasm.sh" build --release --lib \
    --message-format=json-render-diagnostics | sed -n 's/.*"\([^"]*accredit\.wasm\)".*/\1/p' | tail -n 1)
[ -n "$module" ] || die "the build failed"

# Optimizing takes longer than building: what was optimized before stays, while all that it came of is still what the stamp tells.
sum() { if has sha256sum; then sha256sum; elif has shasum; then shasum -a 256; else cksum; fi <"$1"; }
exports=$here/exports.mjs
lock=$here/package-lock.json
all() { echo "quick: ${QUICK:-no}" && sum "$module" && sum "$output" && sum "$0" && sum "$exports" && if [ -e "$lock" ]; then sum "$lock"; fi; }
stamp=$output.from
if [ ! -e "$output" ] || ! all | cmp -s - "$stamp"; then
    [ -x "$here/node_modules/.bin/wasm-opt" ] || { say "npm ci in deploy/build"; (cd "$here" && npm ci >/dev/null); }
    mkdir -p "$(dirname "$output")"
    # Names of this run's own, for somebody else may be building the same.
    less=$output.$$.less new=$output.$$.new
    # Callbacks that Envoy shall not call go first, so that what only they need goes with them.
    node "$exports" "$module" "$less"
    if [ -n "$quick" ]; then mv "$less" "$new"; else
        say "wasm-opt"
        # The features that rustc's target has anyway, and SIMD; never -all, which Envoy refuses. What is used most gets the shortest numbers.
        # The first kilobyte of the memory is the far end of the stack: nothing that works has an address there. A function with one caller
        # is copied into it if it is of moderate size, and tiny ones into all callers: fewer functions are fewer that Envoy's compiler
        # extends with copies of others, but large functions take it several times the memory of small ones (`make bench` shows both).
        "$here/node_modules/.bin/wasm-opt" -Oz --converge --low-memory-unused --reorder-functions --reorder-locals --enable-simd --enable-bulk-memory --enable-sign-ext --enable-mutable-globals \
            --enable-nontrapping-float-to-int --one-caller-inline-max-function-size=600 --always-inline-max-function-size=8 \
            --flexible-inline-max-function-size=10 "$less" -o "$new"
        rm "$less"
    fi
    # It appears at once, for an Envoy that may be reading the old one.
    mv "$new" "$output"
    all >"$stamp.$$" && mv "$stamp.$$" "$stamp"
fi

say "${output#"$root"/} has $(($(wc -c <"$output"))) bytes"
