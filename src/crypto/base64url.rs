//! base64url without padding (RFC 4648, section 5), as the parts of a JWS and sealed texts are written, read with vectors. It writes
//! nothing; that, and what is read rarely, is `base64`'s.

use base64_simd::URL_SAFE_NO_PAD;

/// What a text stands for; `None` when it is not base64url, is padded, or could be written in another way.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode_to_vec(text).ok()
}

// Here the library runs its code for this machine; the module's reads hostile tokens and sessions in the end-to-end tests.
#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as SCALAR;
    use proptest::prelude::*;

    #[test]
    fn every_byte_is_judged_at_every_place_as_another_implementation_judges_it() {
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
        fn what_was_written_is_read_back_and_one_changed_byte_is_judged_as_by_another_implementation(bytes: Vec<u8>, place: usize, byte: u8) {
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
