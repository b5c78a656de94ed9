#!/bin/sh
# cargo for wasm32-wasip1: `cargo-wasm.sh build --release`, `cargo-wasm.sh clippy -- -D warnings`.
# `cargo-wasm.sh toolchain` prints what it would compile with: the version of rustc, and where it lies.
#
# It uses the first of these that works, and says when it downloads something:
#   installed  the toolchain on the PATH has the target's standard library
#   rustup     `rustup target add`; a failure is remembered in target/, so that the next run neither waits nor needs a network
#   debian     Debian's own compiler, with the standard library built from Debian's source package
# ACCREDIT_TOOLCHAIN=debian skips the first two.
#
# The output is in target/wasm, separate from native builds, so that neither invalidates the other.
# With QUICK=1, `build --release` uses the profile `quick`: no optimization across crates, and unchanged crates are not compiled again. Its output is in
# a folder named after the profile, separate from releases.
. "$(dirname "$0")/lib.sh"
cd "$(dirname "$0")/../.."

TARGET=wasm32-wasip1
REFUSED=target/.rustup-cannot-add-$TARGET
CLIPPY=; [ "$1" = clippy ] && CLIPPY=1

installed() { libdir=$(rustc --print target-libdir --target $TARGET 2>/dev/null) && ls "$libdir"/libstd-*.rlib >/dev/null 2>&1; }

rustup_adds_it() {
    has rustup && [ ! -e $REFUSED ] || return 1
    say "rustup target add $TARGET"
    limit=; has timeout && limit="timeout 180"
    $limit rustup target add $TARGET >&2 && installed && return
    mkdir -p target && touch $REFUSED
    say "rustup cannot add it here; remembered in $REFUSED"
    return 1
}

debian_has_it() {
    has dpkg && has apt-get || die "no $TARGET here: install it with 'rustup target add $TARGET'"
    debian_install rustc-web cargo-web rust-web-src rust-web-llvm wasi-libc ${CLIPPY:+rust-web-clippy}
    # rust-lld is a link to the linker of the LLVM that this compiler was built with; the package is named like the linker.
    [ -e /usr/bin/rust-lld ] || debian_install "$(basename "$(readlink /usr/bin/rust-lld)")"
}

# Cargo takes these flags separated by a unit separator, so that a path may hold a space.
flags() { us=$(printf '\037'); joined=; for flag in "$@"; do joined=${joined:+$joined$us}$flag; done; printf %s "$joined"; }
# The module contains no path of the machine that built it.
here="--remap-path-prefix=$PWD=/accredit"
crates="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
# Envoy compiles the whole module before it serves, which costs time and memory for each kilobyte. calls.mjs keeps its compiler from inlining
# again. So rustc inlines only small functions, larger ones only with #[inline], and none with a large stack frame: those read parts of the
# configuration. (Tested: thresholds of 10 to 70 and, with #[inline], 40 to 225; frames of 128 to 512 bytes. Higher thresholds make requests
# faster, until Envoy is ready too late. `make bench` measures what a worker and a request cost.) -inline-threshold would hold for the crates that are built small, too; this one
# leaves them LLVM's own, lower threshold.
inline=-Cllvm-args=-inlinedefault-threshold=45
hinted=-Cllvm-args=-inlinehint-threshold=160
frames=-Cllvm-args=-inline-max-stacksize=256
# Loops are neither unrolled nor vectorized: where this matters, the libraries do it by hand.
loops=-Cllvm-args=-unroll-threshold=0
vectors=-Cno-vectorize-loops
words=-Cno-vectorize-slp
# With SIMD, headers and cookies are searched sixteen bytes at a time, and base64url decoding and SHA-256 use vectors.
simd=-Ctarget-feature=+simd128

# rustc → its version, its folder
describe() { "$1" --version && "$1" --print sysroot; }

command=$1; shift
if [ -n "${QUICK:-}" ] && [ "$command" = build ]; then
    for word in "$@"; do shift; [ "$word" = --release ] || set -- "$@" "$word"; done
    set -- --profile quick "$@"
    CARGO_PROFILE_QUICK_INHERITS=release CARGO_PROFILE_QUICK_LTO=off CARGO_PROFILE_QUICK_CODEGEN_UNITS=16 CARGO_PROFILE_QUICK_INCREMENTAL=true
    export CARGO_PROFILE_QUICK_INHERITS CARGO_PROFILE_QUICK_LTO CARGO_PROFILE_QUICK_CODEGEN_UNITS CARGO_PROFILE_QUICK_INCREMENTAL
fi
if [ "${ACCREDIT_TOOLCHAIN:-}" != debian ] && { installed || rustup_adds_it; }; then
    [ "$command" != toolchain ] || { describe rustc; exit; }
    CARGO_ENCODED_RUSTFLAGS=$(flags "$here" "$crates" "$inline" "$hinted" "$frames" "$loops" "$vectors" "$words" "$simd"); export CARGO_ENCODED_RUSTFLAGS
    exec cargo "$command" --locked --target $TARGET --target-dir target/wasm "$@"
fi

debian_has_it
[ "$command" != toolchain ] || { describe /usr/bin/rustc; exit; }
# Stable compilers accept -Zbuild-std only with RUSTC_BOOTSTRAP. The compiler is called by its full path, because rustup's shims may come first on the PATH.
export RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc CARGO=/usr/bin/cargo
CARGO_ENCODED_RUSTFLAGS=$(flags "-Lnative=/usr/lib/wasm32-wasi" "$here" "$crates" "$inline" "$hinted" "$frames" "$loops" "$vectors" "$words" "$simd" "--remap-path-prefix=/usr/lib/rustlib/src=/rust")
export CARGO_ENCODED_RUSTFLAGS
program=/usr/bin/cargo; [ -z "$CLIPPY" ] || program=/usr/bin/cargo-clippy
exec $program "$command" --locked --target $TARGET --target-dir target/wasm-debian -Zbuild-std=std,panic_abort "$@"
