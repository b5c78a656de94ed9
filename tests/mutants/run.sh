#!/bin/sh
# Mutation testing: would the tests notice a fault? Makes one change at a time in the named files (reverses a comparison, removes a
# condition, lets a function return a fixed value), and looks whether a unit test fails. The tests of the file itself are run first (of a
# file without tests: those of the file that it belongs to, or whole journeys), and all unit tests if the change survives those. What
# survives both is a gap in the tests, or changes nothing that a program does; RESULTS.md says which.
#
#   tests/mutants/run.sh                             the files that decide whom to trust
#   tests/mutants/run.sh src/access/path.rs …        these files; 'src/access/**' works too
#   AGAIN=1 tests/mutants/run.sh [FILE…]             only the changes that survived the last time, after nothing but tests was changed
#
# It needs git, tar and a Rust toolchain. cargo-mutants is taken from the PATH if it has the version below; otherwise it is built once.
# Everything is written under target/mutants. A change takes three seconds or more, and twenty if it survives its own file's tests; on a
# machine that others use, run this with nice.
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

# Copies the sources to where the changes are made. The copy and what is built from it are kept, so that only what changed is built
# again. With ROOM, the copy has only this room and those on the two lowest floors, which builds in a fraction of the time. (That does
# not work for a room that needs others, such as `sign_in`.)
copy() { # [ROOM]
    mkdir -p $out/tree
    git ls-files -z --cached --others --exclude-standard | tar -c --null -T - -f - | tar -x -m -f - -C $out/tree
    [ -z "${1:-}" ] || sed "/^pub mod words;/b; /^pub mod crypto;/b; /^pub mod http;/b; /^pub mod $1;/b; /^pub mod /d" src/lib.rs >$out/tree/src/lib.rs
}

# Without debug information, linking is faster.
export CARGO_TARGET_DIR="$PWD/$out/build" CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=1
# A change may make a loop endless, which could fill the memory.
ulimit -v 8388608 2>/dev/null || :

# Runs cargo-mutants on the changes that the arguments choose, with the tests whose names begin with TESTS (all, if that is empty).
# Exit codes 2 and 3 mean that a change survived or a test hung; these are results, and no failure.
judge() { # TESTS OUTPUT ARGUMENT…
    tests=$1; shift
    rm -rf "$1"; mkdir -p "$1"
    cargo mutants --dir $out/tree --in-place --colors never --no-shuffle --cargo-arg=--locked --cargo-arg=--lib \
        --output "$@" -- ${tests:+"$tests"} || [ $? = 2 ] || [ $? = 3 ]
}

# The same for the changes in a list. (Each is named with its file: otherwise cargo-mutants also takes changes of other files whose
# names match.)
judge_listed() { # LIST TESTS OUTPUT
    list=$1; shift
    while read -r name; do
        set -- "$@" --file "${name%%:*}" --re "^$(printf %s "$name" | sed 's/[][\.*^$()+?{}|]/\\&/g')\$"
    done <"$list"
    judge "$@"
}

# The tests that a change in a file is judged by first. The journeys of a sign-in have none beside them.
own_tests() { # FILE
    case $1 in src/sign_in/*) echo gateway::tests; return ;; esac
    own=$1
    grep -q '^mod tests' "$own" || own=$(dirname "$own").rs
    grep -qs '^mod tests' "$own" || own=$1
    echo "$own" | sed 's|^src/||; s|\.rs$|::|; s|/|::|g'
}

if [ $# = 0 ]; then
    set -- 'src/access/**' 'src/answer/**' src/session/attempt.rs 'src/session/attempt/**' src/session/remembered/tombstone.rs \
        src/oidc/id_token.rs src/oidc/userinfo.rs 'src/oidc/userinfo/**' src/oidc/bearer/access_token.rs \
        src/oidc/bearer/introspection.rs src/crypto/jws.rs src/words/principal.rs src/sign_in/callback.rs \
        'src/sign_in/under_way/**' src/sign_in/redeem.rs 'src/sign_in/redeem/**'
fi
survivors=$out/survivors.txt left=$out/left.txt room=
: >$left
for file in $(for files in "$@"; do cargo mutants --list-files --file "$files"; done); do
    tests=$(own_tests "$file")
    if [ "$room" != "$(echo "$file" | cut -d/ -f2)" ]; then
        room=$(echo "$file" | cut -d/ -f2)
        case $room in sign_in) copy ;; *) copy "$room" ;; esac
    fi
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
