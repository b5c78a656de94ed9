//! Decodes base64url without padding (RFC 4648, section 5), as the parts of a JWS and sealed texts are written, with vector
//! instructions. Encoding, and decoding what is rarely read, is left to the `base64` crate.

use base64_simd::URL_SAFE_NO_PAD;

/// The bytes that a text stands for. `None` if it is not base64url, is padded, or is not the one spelling of these bytes.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode_to_vec(text).ok()
}

// These tests run the library's code for the machine that runs them. The code for WebAssembly is tried by the end-to-end tests,
// with hostile tokens and sessions.
#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as SCALAR;
    use proptest::prelude::*;

    #[test]
    fn every_byte_at_every_position_is_accepted_or_refused_as_by_another_implementation() {
        for length in (0..=9).chain([15, 16, 17, 31, 32, 33, 63, 64, 65, 66, 67]) {
            for place in 0..length {
                for byte in 0..=u8::MAX {
                    let mut text = b"A".repeat(length);
                    text[place] = byte;
                    assert_eq!(decode(&text), SCALAR.decode(&text).ok(), "{}", String::from_utf8_lossy(&text));
                }
            }
        }
    }

    #[test]
    fn padding_spaces_and_a_second_spelling_are_refused() {
        for text in ["QQ==", "QQ=", "QR", "Q", "QUI=", "QUJ", " QUI", "QUI\n", "QU I", "QU+I", "QU/I", "\u{c4}QUI"] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
        assert_eq!(decode(b"QUI").as_deref(), Some(b"AB".as_slice()));
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded_and_a_changed_byte_is_accepted_or_refused_as_by_another_implementation(bytes: Vec<u8>, place: usize, byte: u8) {
            let mut text = SCALAR.encode(&bytes).into_bytes();
            prop_assert_eq!(decode(&text), Some(bytes));
            let length = text.len().max(1);
            if let Some(changed) = text.get_mut(place % length) {
                *changed = byte;
            }
            prop_assert_eq!(decode(&text), SCALAR.decode(&text).ok());
        }
    }
}
