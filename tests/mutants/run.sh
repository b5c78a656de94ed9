#!/bin/sh
# Would the tests notice? Changes one thing in the named files, at one place after the other (a comparison turned round, a condition
# taken away, a function that gives a fixed answer), and looks each time whether a unit test fails. A change is judged by the tests
# of its own file first, and by all unit tests if it survives those. What survives both is a gap in the tests, or no change at all;
# RESULTS.md tells which.
#
#   tests/mutants/run.sh                             the files that decide about trust
#   tests/mutants/run.sh src/access/path.rs …        these files; 'src/access/**' works too
#   AGAIN=1 tests/mutants/run.sh [FILE…]             only what survived the last time: after tests were written, and nothing else
#
# Needed: git, tar and a Rust toolchain. cargo-mutants is taken from the PATH if it is of the version below, else built once, under
# target/mutants; everything that is written stands there. A change takes three seconds or more, one that survives its own file's
# tests twenty; on a machine that others use, run it with nice.
set -eu
cd "$(dirname "$0")/../.."
VERSION=27.1.0
out=target/mutants
mkdir -p $out

say() { echo "mutants: $*" >&2; }

PATH=$PWD/$out/tool/bin:$PATH
if [ "$(cargo mutants --version 2>/dev/null)" != "cargo-mutants $VERSION" ]; then
    say "building cargo-mutants $VERSION"
    cargo install --quiet --locked --version $VERSION --root $out/tool --target-dir $out/tool/build cargo-mutants
fi

# Changes are made in a copy that stays where it is, and so does what is built of it: only what changed is built again. A file's own
# tests run with its room alone and those on the two lowest floors, which builds in a fraction of the time. (A room that needs others, as
# `gateway` does, cannot be judged so: it does not build.)
copy() { # [ROOM]
    mkdir -p $out/tree
    git ls-files -z --cached --others --exclude-standard | tar -c --null -T - -f - | tar -x -m -f - -C $out/tree
    [ -z "${1:-}" ] || sed "/^pub mod words;/b; /^pub mod crypto;/b; /^pub mod http;/b; /^pub mod $1;/b; /^pub mod /d" src/lib.rs >$out/tree/src/lib.rs
}

# Without debug information it links sooner.
export CARGO_TARGET_DIR="$PWD/$out/build" CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=1
# A change may make a loop endless, and fill the memory by it.
ulimit -v 8388608 2>/dev/null || :

# Judges the changes that the arguments choose by the tests whose names begin so (by all if that is empty). Ends with 2 or
# 3 where something survived, or hung; that is an answer too.
judge() { # TESTS OUTPUT ARGUMENT…
    tests=$1; shift
    rm -rf "$1"; mkdir -p "$1"
    cargo mutants --dir $out/tree --in-place --colors never --no-shuffle --cargo-arg=--locked --cargo-arg=--lib \
        --output "$@" -- ${tests:+"$tests"} || [ $? = 2 ] || [ $? = 3 ]
}

# The same for the changes that stand in a list. (Without its file, cargo-mutants takes changes to fields of other files along.)
judge_listed() { # LIST TESTS OUTPUT
    list=$1; shift
    while read -r name; do
        set -- "$@" --file "${name%%:*}" --re "^$(printf %s "$name" | sed 's/[][\.*^$()+?{}|]/\\&/g')\$"
    done <"$list"
    judge "$@"
}

if [ $# = 0 ]; then
    set -- 'src/access/**' 'src/answer/**' src/session/attempt.rs src/session/remembered/tombstone.rs src/oidc/id_token.rs \
        src/oidc/bearer/access_token.rs
fi
survivors=$out/survivors.txt left=$out/left.txt room=
: >$left
for file in $(for files in "$@"; do cargo mutants --list-files --file "$files"; done); do
    tests=$(echo "$file" | sed 's|^src/||; s|\.rs$|::|; s|/|::|g')
    [ "$room" = "$(echo "$file" | cut -d/ -f2)" ] || { room=$(echo "$file" | cut -d/ -f2); copy "$room"; }
    here=$out/own/$(echo "$file" | tr / -)
    if [ -z "${AGAIN:-}" ]; then
        say "$file: by its own tests"
        judge "$tests" "$here" --file "$file"
    else
        grep "^$file:" $survivors >$out/again.txt || continue
        say "$file: what survived, by its own tests"
        judge_listed $out/again.txt "$tests" "$here"
    fi
    cat "$here/mutants.out/missed.txt" >>$left
done
mv $left $survivors
if [ -s $survivors ]; then
    say "what survived, by all unit tests"
    copy
    judge_listed $survivors "" $out/all
    cp $out/all/mutants.out/missed.txt $survivors
fi
say "$(wc -l <$survivors) survived"
cat $survivors
