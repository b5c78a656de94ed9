//! Envoy's foreign functions, which it offers beyond proxy-wasm's ABI: signing, verifying signatures, filter state with a life span.
//! What they are used for is not known here.

use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};
use zeroize::Zeroizing;

use crate::shell::host_calls;
use crate::words::world::{Hash, SignatureCheck, Signing};

/// The filter state for the next pass. Envoy makes one only under a name that it knows, and this is the only one for texts.
pub(super) const NEXT_PASS: &str = "envoy.string";

/// Writes the filter state [`NEXT_PASS`] for the stream in effect and all of its further passes. `None` if the host refuses; if
/// another filter has written it before, nothing changes, and the host does not tell.
pub(super) fn set_next_pass(text: &str) -> Option<()> {
    let mut arguments = protobuf(&[NEXT_PASS.as_bytes(), text.as_bytes()])?;
    // `span`: `DownstreamRequest`.
    encode_key(3, WireType::Varint, &mut arguments);
    encode_varint(1, &mut arguments);
    host_calls::call_foreign_function("set_envoy_filter_state", &arguments).ok().map(drop)
}

const fn hash_name(hash: Hash) -> &'static [u8] {
    match hash {
        Hash::Sha256 => b"sha256",
        Hash::Sha384 => b"sha384",
        Hash::Sha512 => b"sha512",
    }
}

/// Calls Envoy's foreign function `sign` with hash, private key and text; `None` if it does not sign, or not with this key.
pub(super) fn sign(signing: &Signing<'_>) -> Option<Vec<u8>> {
    // The arguments hold a private key, so that they are wiped.
    let arguments = protobuf(&[hash_name(signing.hash), signing.pkcs8, signing.message]).map(Zeroizing::new)?;
    call("sign", &arguments).and_then(|(signed, signature)| signed.then_some(signature))
}

/// Whether the host offers `verify_signature`, and it works: it is tried with a signature that is known to be good.
pub(super) fn verifies() -> bool {
    let known = SignatureCheck { hash: Hash::Sha256, spki: &KNOWN_KEY, signature: &KNOWN_SIGNATURE, message: b"accredit" };
    verify(&known) == Some(true)
}

/// Calls Envoy's foreign function `verify_signature` with hash, public key, signature and text; `None` if the call fails. The
/// result cannot say that the function does not work: [`verifies`] finds that out.
pub(super) fn verify(check: &SignatureCheck<'_>) -> Option<bool> {
    // The arguments hold no private key, only a token's text, and are not wiped.
    let arguments = protobuf(&[hash_name(check.hash), check.spki, check.signature, check.message])?;
    call("verify_signature", &arguments).map(|(good, _)| good)
}

/// A protobuf message whose fields 1, 2, 3 … are these texts or bytes; `None` if one is too long.
fn protobuf(fields: &[&[u8]]) -> Option<Vec<u8>> {
    // Allocated with its final length: growing would leave copies of a private key in memory.
    let mut message = Vec::with_capacity(fields.iter().map(|field| field.len().saturating_add(10)).sum());
    for (number, field) in (1_u32..).zip(fields) {
        encode_key(number, WireType::LengthDelimited, &mut message);
        encode_varint(field.len().try_into().ok()?, &mut message);
        message.extend_from_slice(field);
    }
    Some(message)
}

/// Calls a foreign function whose arguments are a protobuf message, and whose result is one with a boolean in field 1 and bytes
/// in field 2. `None` if the host refuses, or the result cannot be read.
fn call(function: &str, arguments: &[u8]) -> Option<(bool, Vec<u8>)> {
    let answer = host_calls::call_foreign_function(function, arguments).ok()?;
    let (mut rest, mut truth, mut bytes) = (answer.as_slice(), false, Vec::new());
    // Protobuf leaves a field out that is false or empty.
    while !rest.is_empty() {
        let (number, kind) = decode_key(&mut rest).ok()?;
        let value = decode_varint(&mut rest).ok()?;
        match (number, kind) {
            (1, WireType::Varint) => truth = value == 1,
            (_, WireType::LengthDelimited) => {
                let (field, after) = rest.split_at_checked(value.try_into().ok()?)?;
                rest = after;
                if number == 2 {
                    bytes = field.to_vec();
                }
            }
            _ => return None,
        }
    }
    Some((truth, bytes))
}

/// A P-256 public key whose private half was thrown away after one signature.
const KNOWN_KEY: [u8; 91] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07, 0x03, 0x42, 0x00, 0x04, 0x95, 0x32, 0xf3, 0x79, 0x03, 0x2d, 0x43, 0x19, 0xcd, 0xfb, 0x52, 0x23, 0x28, 0x0d, 0x11,
    0xe5, 0x59, 0xde, 0x94, 0xa7, 0x04, 0x88, 0xee, 0xd0, 0xac, 0x67, 0x85, 0x2d, 0x37, 0x4b, 0x62, 0x10, 0x83, 0x37, 0x85, 0x88,
    0xb7, 0x2c, 0xbb, 0x44, 0x01, 0x1a, 0xcf, 0x7b, 0xcd, 0x14, 0x13, 0xd4, 0x7a, 0xd4, 0x86, 0xfd, 0x81, 0x91, 0x6e, 0x81, 0xf6,
    0xaa, 0x7f, 0x8b, 0x79, 0x98, 0x4e, 0xa7,
];

/// The signature of the text `accredit` by the private half of [`KNOWN_KEY`].
const KNOWN_SIGNATURE: [u8; 71] = [
    0x30, 0x45, 0x02, 0x21, 0x00, 0xd7, 0x7d, 0xc2, 0x77, 0xab, 0xa0, 0xe8, 0x4c, 0xf1, 0x1f, 0x31, 0x00, 0x07, 0xce, 0x95, 0xde,
    0x72, 0xbe, 0x6b, 0xb9, 0x59, 0xe5, 0xa8, 0xdf, 0x0a, 0xd5, 0x53, 0x2a, 0x39, 0xbe, 0x91, 0xe2, 0x02, 0x20, 0x66, 0x3d, 0x16,
    0xfe, 0xa9, 0x96, 0x58, 0x2e, 0xc8, 0x8e, 0xba, 0x6b, 0xb7, 0x6b, 0xc6, 0x97, 0x00, 0x60, 0xbd, 0x20, 0x5c, 0x3b, 0xfa, 0x48,
    0x10, 0xa7, 0xcd, 0x90, 0x00, 0xd0, 0xa6, 0x47,
];
