#!/bin/sh
# Would the tests notice? Changes one thing in one place of the named files, at one place after the other (a comparison turned round,
# a condition taken away, a function that gives a fixed answer), and looks whether a unit test fails. Each change is judged by
# the tests of its own file first, and by all unit tests only if it survives those. What survives both is a gap, or no change at all:
# RESULTS.md tells which.
#
#   tests/mutants/run.sh                             the files that decide about trust
#   tests/mutants/run.sh src/access/path.rs …        these files ('src/access/**' works too)
#   AGAIN=1 tests/mutants/run.sh src/access/path.rs  only what survived the last time: after a test was written
#
# Needed: a Rust toolchain. cargo-mutants is taken from the PATH if its version is the one below, else built once under
# target/mutants. Nothing is written anywhere else but to copies of the tree in $TMPDIR. About five seconds for each change.
set -eu
cd "$(dirname "$0")/../.."
VERSION=27.1.0
out=target/mutants

say() { echo "mutants: $*" >&2; }

PATH=$PWD/$out/tool/bin:$PATH
if [ "$(cargo mutants --version 2>/dev/null)" != "cargo-mutants $VERSION" ]; then
    say "building cargo-mutants $VERSION under $out/tool"
    cargo install --quiet --locked --version $VERSION --root $out/tool --target-dir $out/tool/build cargo-mutants
fi

if [ $# = 0 ]; then
    set -- 'src/access/**' src/session/attempt.rs src/session/tombstone.rs src/oidc/id_token.rs src/oidc/access_token.rs
fi

# Changes are made in copies that stay where they are, and so does what is built of them: only what changed is built again. In one copy
# there is no room above those that are judged, because they need none: it builds in half the time.
copy() {
    mkdir -p $out/"$1"
    git ls-files -z --cached --others --exclude-standard | tar -c --null -T - -f - | tar -x -m -f - -C $out/"$1"
}
copy whole
copy low
sed '/^pub mod flow;/d; /^pub mod config;/d' src/lib.rs >$out/low/src/lib.rs

# Without debug information it links sooner.
export CARGO_TARGET_DIR="${MUTANTS_TARGET:-$PWD/$out/build}" CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=1
# A change may make a loop endless, and what it collects too.
ulimit -v 8388608 2>/dev/null || :

# Judges the changes that the arguments before `--` choose by the tests that those behind it choose. cargo-mutants ends with 2 or 3
# when something survived, or hung; that is an answer.
judge() { # COPY OUTPUT ARGUMENT…
    copy=$1; shift
    rm -rf "$1"
    mkdir -p "$1"
    cargo mutants --dir "$out/$copy" --in-place --colors never --no-shuffle --cargo-arg=--locked --cargo-arg=--lib --output "$@" ||
        [ $? = 2 ] || [ $? = 3 ]
}

# Judges what a list of changes names, and nothing else, by all tests.
judge_listed() { # LIST OUTPUT
    list=$1; shift
    while read -r name; do
        set -- "$@" --re "^$(printf %s "$name" | sed 's/[][\.*^$()+?{}|]/\\&/g')\$"
    done <"$list"
    judge whole "$@"
}

all=$out/all survivors=$out/survivors.txt
if [ -z "${AGAIN:-}" ]; then
    : >$survivors
    for file in $(for files in "$@"; do cargo mutants --list-files --file "$files"; done); do
        tests=$(echo "$file" | sed 's|^src/||; s|\.rs$|::|; s|/|::|g')
        here=$out/own/$(echo "$file" | tr / -)
        say "$file: by its own tests"
        judge low "$here" --file "$file" -- "$tests"
        cat "$here/mutants.out/missed.txt" >>$survivors
    done
fi
if [ -s $survivors ]; then
    say "what survived, by all unit tests"
    judge_listed $survivors $all
    cp $all/mutants.out/missed.txt $survivors
fi
say "$(wc -l <$survivors) survived"
cat $survivors
