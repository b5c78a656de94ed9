#!/bin/sh
# chacha20poly1305, the cipher of Rust's RustCrypto project: since 0.11 a cipher wipes its key from memory only if the feature `zeroize` is asked for.
#
# Expected         an update from 0.10, where every cipher wipes its key when it is dropped, keeps that, or the release notes say that it does not.
# What happens     with the same features, the key stays in memory. Nothing fails to compile, unless the program itself demands that the type is
#                  `ZeroizeOnDrop`; the notes of 0.11.0 do not name it. With the feature `zeroize` it is as before.
# Who is affected  authors of programs that seal cookies or tokens with this cipher, and chose it among other things because it wipes keys.
#
# It needs cargo, and access to its registry. It prints versions and the verdicts of the compiler, and fails when they change.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"

# verdict VERSION FEATURES: whether a program compiles that demands a cipher which wipes its key.
verdict() {
    rm -rf program && mkdir -p program/src && cd program
    cat >Cargo.toml <<TOML
[package]
name = "program"
version = "0.0.0"
edition = "2021"

[dependencies]
chacha20poly1305 = { version = "=$1", default-features = false, features = [$2] }
zeroize = "=1.9.0"
TOML
    cat >src/lib.rs <<'RUST'
const _: () = {
    const fn is_wiped<T: zeroize::ZeroizeOnDrop>() {}
    is_wiped::<chacha20poly1305::XChaCha20Poly1305>();
};
RUST
    if CARGO_TARGET_DIR=../target cargo check --quiet 2>../errors; then said="wipes its key"
    elif grep -q 'ZeroizeOnDrop.* is not satisfied' ../errors; then said="does not wipe its key"
    else cat ../errors; exit 1; fi
    cd ..
    echo "chacha20poly1305 $1, features [$2]: $said"
}

{
    verdict 0.10.1 '"alloc"'
    verdict 0.11.0 '"alloc"'
    verdict 0.11.0 '"alloc", "zeroize"'
} | tee seen

cat >expected <<'SEEN'
chacha20poly1305 0.10.1, features ["alloc"]: wipes its key
chacha20poly1305 0.11.0, features ["alloc"]: does not wipe its key
chacha20poly1305 0.11.0, features ["alloc", "zeroize"]: wipes its key
SEEN
cmp -s seen expected || { echo "this has changed"; exit 1; }
