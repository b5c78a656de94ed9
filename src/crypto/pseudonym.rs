//! Pseudonyms: short texts in place of others, for a log. The same text always gets the same pseudonym, and without the key nobody
//! can tell what one stands for, not even by trying all addresses there are. What is told so is not decided here.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::ZeroizeOnDrop;

/// So many bytes of the MAC are told: 96 bits. Among a billion texts, two have the same pseudonym with a probability of 10^-11.
const TOLD: usize = 12;

/// Makes pseudonyms with one key. It prints as `[redacted]`.
#[derive(Clone)]
pub struct Pseudonyms(Hmac<Sha256>);

/// Compiles only if the library wipes the keyed state, which is one of its optional features.
const _: () = {
    const fn is_wiped<T: ZeroizeOnDrop>() {}
    is_wiped::<Sha256>();
};

impl Pseudonyms {
    /// The label by which the key is derived (RFC 5869, section 3.2).
    pub(super) const LABEL: &'static [u8] = b"accredit 1 audit pseudonym";

    /// Takes a derived key. `None` does not come: RFC 2104, section 3, allows keys of every length.
    pub(super) fn new(key: &[u8; 32]) -> Option<Self> {
        Hmac::new_from_slice(key).ok().map(Self)
    }

    /// The pseudonym of a text: 16 characters of base64url. `what` says what the text is; equal texts of two kinds have two
    /// pseudonyms.
    pub fn of(&self, what: &str, text: &str) -> String {
        let mac = self.0.clone().chain_update(what).chain_update([0]).chain_update(text).finalize().into_bytes();
        URL_SAFE_NO_PAD.encode(mac.get(..TOLD).unwrap_or_default())
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use crate::crypto::seal::Sealer;
    use crate::words::secret::Secret;

    const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
    const OTHER: &str = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";

    fn of(keys: &[&str], what: &str, text: &str) -> String {
        let keys: Vec<_> = keys.iter().map(|key| Secret::new(*key)).collect();
        Sealer::new(&keys).unwrap().pseudonyms().unwrap().of(what, text)
    }

    #[test]
    fn a_text_has_one_pseudonym_in_all_replicas_and_it_stays_the_same_in_later_versions() {
        assert_eq!(of(&[KEY], "address", "192.0.2.1"), of(&[KEY, OTHER], "address", "192.0.2.1"));
        assert_eq!(of(&[KEY], "address", "192.0.2.1"), "KxMo748me9CBRSJw");
    }

    #[test]
    fn another_text_another_kind_and_another_first_key_make_another_pseudonym() {
        let one = of(&[KEY], "address", "192.0.2.1");
        let others =
            [of(&[KEY], "address", "192.0.2.2"), of(&[KEY], "host", "192.0.2.1"), of(&[OTHER, KEY], "address", "192.0.2.1")];
        assert!(others.iter().all(|other| *other != one && other.len() == 16), "{one} {others:?}");
    }

    #[test]
    fn without_a_key_there_are_no_pseudonyms_and_the_key_is_not_printed() {
        assert!(Sealer::new(&[]).unwrap().pseudonyms().is_none());
        let sealer = Sealer::new(&[Secret::new(KEY)]).unwrap();
        assert_eq!(format!("{:?}", sealer.pseudonyms().unwrap()), "[redacted]");
    }
}
