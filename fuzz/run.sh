#!/bin/sh
# Runs the fuzz targets, or those in $FUZZ, for $EACH seconds each (20), beginning with the inputs in fuzz/corpus, and says how many inputs
# each has tried. It fails at the first input that breaks a promise, and says how to try that again. With RECORD=1 it adds the numbers to
# those in fuzz/README.md.
#
# It needs the compiler of rust-toolchain.toml (no nightly one, and no cargo-fuzz) and a C++ compiler, for libFuzzer's own code.
set -eu
cd "$(dirname "$0")/.."
. deploy/build/lib.sh

has c++ || has g++ || { has apt-get && debian_install g++; } || die "the fuzzers need a C++ compiler"

host=$(rustc -vV | sed -n 's/^host: //p')
# What cargo-fuzz passes without a sanitizer. Arithmetic that overflows panics, as in the tests. Only what is built for $host gets these flags:
# no build script does.
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
RUSTFLAGS="$coverage --cfg fuzzing -Cdebug-assertions -Coverflow-checks -Ccodegen-units=16" \
    cargo build --locked --release --quiet --manifest-path fuzz/Cargo.toml --target-dir target/fuzzing --target "$host" --bins

work=target/fuzzing/inputs
total=0
for target in ${FUZZ:-$(sed -n 's|^path = "fuzz_targets/\(.*\)\.rs"|\1|p' fuzz/Cargo.toml | sort)}; do
    program=target/fuzzing/$host/release/$target
    log=$work/$target.log
    mkdir -p "$work/$target"
    set -- "$work/$target" "fuzz/corpus/$target"
    [ -x "$program" ] || die "there is no target $target in fuzz/fuzz_targets"
    # What failed before is tried first.
    for failed in "$work/$target"-crash-* "$work/$target"-timeout-* "$work/$target"-oom-*; do
        if [ -e "$failed" ] && ! "$program" -timeout=10 "$failed" >"$log" 2>&1; then
            tail -n 40 "$log" | cut -c1-300 >&2
            die "$target still fails with $failed: mend that, make it a test, and remove the file"
        fi
    done
    [ ! -f "fuzz/$target.dict" ] || set -- "-dict=fuzz/$target.dict" "$@"
    if ! "$program" -max_total_time="${EACH:-20}" -max_len=4096 -timeout=10 -print_final_stats=1 \
        -artifact_prefix="$work/$target-" "$@" >"$log" 2>&1; then
        tail -n 40 "$log" | cut -c1-300 >&2
        die "$target failed: run $program with the file named above ($work/$target-…), and make it a test"
    fi
    tried=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    total=$((total + tried))
    printf '%-16s %12d inputs tried\n' "$target" "$tried"
    [ -z "${RECORD:-}" ] || fuzz/record.sh "$target" "$tried"
done
printf '%-16s %12d inputs tried\n' "all" "$total"
