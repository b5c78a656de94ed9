#!/bin/sh
# Builds the command line, target/cli/accredit, which contains no path of the machine that built it.
. "$(dirname "$0")/lib.sh"
cd "$(dirname "$0")/../.."

# Cargo takes these flags separated by a unit separator, so that a path may hold a space.
crates=${CARGO_HOME:-$HOME/.cargo}
CARGO_ENCODED_RUSTFLAGS=$(printf -- '--remap-path-prefix=%s=/accredit\037--remap-path-prefix=%s=/cargo' "$PWD" "$crates")
# The same for the cryptography that is written in C. An assertion would name its file.
CFLAGS="${CFLAGS:-} -DNDEBUG"
export CARGO_ENCODED_RUSTFLAGS CFLAGS
cargo build --locked --profile cli --bin accredit --target-dir target
say "target/cli/accredit has $(($(wc -c <target/cli/accredit))) bytes"
