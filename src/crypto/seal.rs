//! Sealing: authenticated encryption of what a browser keeps for us, and must neither read nor change.
//!
//! The cipher is XChaCha20-Poly1305 with a random nonce of 192 bits, so that any number of workers may seal with one key.
//! HKDF-SHA256 (RFC 5869) derives from every configured key one subkey for each [`Purpose`]: what was sealed for one purpose
//! never opens for another. What the content means, and when it expires, is not known here.

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, AeadInOut, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::crypto::base64url;
use crate::crypto::end_key::{EndKey, KEY_ID_BYTES};
use crate::crypto::pseudonym::Pseudonyms;
use crate::words::secret::Secret;
use crate::words::world::{NoRandomness, World};

/// The length of the shortest configured key, in bytes after decoding.
pub const SHORTEST_KEY: usize = 32;

const NONCE_BYTES: usize = 24;

/// What a sealed text is for. The subkey and the authenticated data depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A session cookie.
    Session,
    /// The cookie of a sign-in attempt that ends with a session.
    Attempt,
    /// The cookie of a sign-in attempt that ends with an access token for a page.
    TokenAttempt,
    /// The cookie of a sign-in attempt in a popup, which ends with a session and a message to the page that opened it.
    PopupAttempt,
    /// What is left in the cookie of a sign-in attempt that was used up.
    Place,
    /// The address within `state`, for a browser that lost the cookie of its sign-in attempt.
    StatePlace,
    /// The cookie with the ID token for `id_token_hint` at sign-out.
    LogoutHint,
    /// A provider's document in shared memory, where other plugins of the process might write.
    Document,
    /// A session with refreshed tokens, in the same shared memory until its cookie is set.
    Refreshed,
    /// What replicas leave for each other in the store about the refresh of a session.
    AgreedRefresh,
    /// The credential of a request, in Envoy's filter state for the pass after an internal redirect.
    NextPass,
}

impl Purpose {
    pub(crate) const ALL: [Self; 11] = [
        Self::Session,
        Self::Attempt,
        Self::TokenAttempt,
        Self::PopupAttempt,
        Self::Place,
        Self::StatePlace,
        Self::LogoutHint,
        Self::Document,
        Self::Refreshed,
        Self::AgreedRefresh,
        Self::NextPass,
    ];

    const fn label(self) -> &'static [u8] {
        match self {
            Self::Session => b"accredit 1 session cookie",
            Self::Attempt => b"accredit 1 attempt cookie",
            Self::TokenAttempt => b"accredit 1 token attempt cookie",
            Self::PopupAttempt => b"accredit 1 popup attempt cookie",
            Self::Place => b"accredit 1 place cookie",
            Self::StatePlace => b"accredit 1 place in state",
            Self::LogoutHint => b"accredit 1 logout hint cookie",
            Self::Document => b"accredit 1 shared document",
            Self::Refreshed => b"accredit 1 refreshed session",
            Self::AgreedRefresh => b"accredit 1 refresh among replicas",
            Self::NextPass => b"accredit 1 credential for the next pass",
        }
    }

    /// The authenticated data of what is bound to a text besides its purpose. No label has a zero byte.
    fn bound_label(self, bound_to: &str) -> Vec<u8> {
        [self.label(), b"\0", bound_to.as_bytes()].concat()
    }
}

/// Compiles only if the library wipes the subkeys, which is one of its optional features.
const _: () = {
    const fn is_wiped<T: ZeroizeOnDrop>() {}
    is_wiped::<XChaCha20Poly1305>();
};

/// Why a configured sealing key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnusableSealingKey {
    /// It is neither base64 nor base64url.
    NotBase64,
    /// It decodes to fewer than [`SHORTEST_KEY`] bytes.
    TooShort,
    /// The same key was listed before, perhaps in another spelling.
    Repeated,
}

/// Seals with the first of its keys, and opens with all of them.
pub struct Sealer {
    keys: Vec<DerivedKey>,
    end_keys: Vec<EndKey>,
}

struct DerivedKey {
    id: [u8; KEY_ID_BYTES],
    ciphers: Vec<(Purpose, XChaCha20Poly1305)>,
    pseudonyms: Pseudonyms,
}

impl Sealer {
    /// Takes the configured keys. Each is base64 or base64url of at least [`SHORTEST_KEY`] random bytes; hexadecimal digits are
    /// base64, too.
    ///
    /// # Errors
    /// The index of the first key that cannot be used, and why.
    pub fn new(keys: &[Secret]) -> Result<Self, (usize, UnusableSealingKey)> {
        let mut derived: Vec<DerivedKey> = Vec::new();
        let mut end_keys = Vec::new();
        for (position, key) in keys.iter().enumerate() {
            let (key, end_key) = DerivedKey::new(key).map_err(|why| (position, why))?;
            if derived.iter().any(|earlier| earlier.id == key.id) {
                return Err((position, UnusableSealingKey::Repeated));
            }
            derived.push(key);
            end_keys.push(end_key);
        }
        if end_keys.is_empty() {
            end_keys.extend(EndKey::of_one_process());
        }
        Ok(Self { keys: derived, end_keys })
    }

    /// Names of the keys, in their order. They are no secrets: each sealed text begins with the name of its key.
    pub fn key_ids(&self) -> impl Iterator<Item = String> {
        self.keys.iter().map(|key| URL_SAFE_NO_PAD.encode(key.id))
    }

    /// Pseudonyms by the first key; `None` without any key.
    pub fn pseudonyms(&self) -> Option<&Pseudonyms> {
        self.keys.first().map(|key| &key.pseudonyms)
    }

    /// By which keys what has ended is named: one for each of these keys, in their order. Without any key, there is one that is no
    /// secret, for the workers of one process.
    pub fn end_keys(&self) -> &[EndKey] {
        &self.end_keys
    }

    /// Seals `plain` for one purpose. The result is the key's name, the nonce and the ciphertext in base64url, which is safe in a
    /// cookie.
    ///
    /// # Errors
    /// [`NoRandomness`] if the host gives no nonce, or if there is no key.
    pub fn seal(&self, world: &mut dyn World, purpose: Purpose, plain: &[u8]) -> Result<String, NoRandomness> {
        self.seal_with(world, purpose, purpose.label(), plain)
    }

    /// Seals `plain` as [`Sealer::seal`] does, so that it opens only together with `bound_to`, which is not in the result.
    ///
    /// # Errors
    /// As of [`Sealer::seal`].
    pub fn seal_bound(
        &self,
        world: &mut dyn World,
        purpose: Purpose,
        bound_to: &str,
        plain: &[u8],
    ) -> Result<String, NoRandomness> {
        self.seal_with(world, purpose, &purpose.bound_label(bound_to), plain)
    }

    fn seal_with(&self, world: &mut dyn World, purpose: Purpose, aad: &[u8], plain: &[u8]) -> Result<String, NoRandomness> {
        let key = self.keys.first().ok_or(NoRandomness)?;
        let mut nonce = [0; NONCE_BYTES];
        world.random(&mut nonce)?;
        let payload = Payload { msg: plain, aad };
        let sealed = key.cipher(purpose).ok_or(NoRandomness)?.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| NoRandomness)?;
        Ok(URL_SAFE_NO_PAD.encode([key.id.as_slice(), &nonce, &sealed].concat()))
    }

    /// Opens what was sealed with one of the keys for the same purpose; `None` for anything else.
    pub fn open(&self, purpose: Purpose, text: &[u8]) -> Option<Vec<u8>> {
        self.open_with(purpose, purpose.label(), text)
    }

    /// Opens what was sealed with one of the keys for the same purpose, and bound to the same text; `None` for anything else.
    pub fn open_bound(&self, purpose: Purpose, bound_to: &str, text: &[u8]) -> Option<Vec<u8>> {
        self.open_with(purpose, &purpose.bound_label(bound_to), text)
    }

    /// The name of the key that sealed a text, if it is none of these keys; `None` too for what is no sealed text at all. Whoever
    /// sends a text can write any name into it.
    pub fn unknown_key(&self, text: &[u8]) -> Option<String> {
        let bytes = base64url::decode(text)?;
        let (id, rest) = bytes.split_first_chunk::<KEY_ID_BYTES>()?;
        let is_unknown = rest.len() > NONCE_BYTES && self.keys.iter().all(|key| key.id != *id);
        is_unknown.then(|| URL_SAFE_NO_PAD.encode(id))
    }

    fn open_with(&self, purpose: Purpose, aad: &[u8], text: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = base64url::decode(text)?;
        let (id, rest) = bytes.split_first_chunk::<KEY_ID_BYTES>()?;
        let (nonce, _) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let (key, nonce) = (self.keys.iter().find(|key| key.id == *id)?, XNonce::from(*nonce));
        // What is left is the ciphertext, which becomes the plaintext in its place.
        bytes.drain(..KEY_ID_BYTES + NONCE_BYTES);
        key.cipher(purpose)?.decrypt_in_place(&nonce, aad, &mut bytes).ok()?;
        Some(bytes)
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Sealer with {} keys", self.keys.len())
    }
}

impl DerivedKey {
    fn new(key: &Secret) -> Result<(Self, EndKey), UnusableSealingKey> {
        let material = Zeroizing::new(decode(key.expose()).ok_or(UnusableSealingKey::NotBase64)?);
        if material.len() < SHORTEST_KEY {
            return Err(UnusableSealingKey::TooShort);
        }
        let hkdf = Hkdf::<Sha256>::new(Some(b"accredit"), &material);
        // HKDF fails only for outputs of more than 255 hashes; these are shorter.
        let mut id = [0; KEY_ID_BYTES];
        hkdf.expand(b"accredit 1 key id", &mut id).map_err(|_| UnusableSealingKey::TooShort)?;
        let subkey = |label: &[u8]| {
            let mut subkey = Zeroizing::new([0; 32]);
            hkdf.expand(label, subkey.as_mut()).map(|()| subkey).map_err(|_| UnusableSealingKey::TooShort)
        };
        let cipher = |purpose: Purpose| Ok((purpose, XChaCha20Poly1305::new((&*subkey(purpose.label())?).into())));
        let ciphers = Purpose::ALL.into_iter().map(cipher).collect::<Result<_, _>>()?;
        let pseudonyms = Pseudonyms::new(&*subkey(Pseudonyms::LABEL)?).ok_or(UnusableSealingKey::TooShort)?;
        let [naming, mac] = EndKey::LABELS;
        let end_key = EndKey::new(id, &*subkey(naming)?, &*subkey(mac)?).ok_or(UnusableSealingKey::TooShort)?;
        Ok((Self { id, ciphers, pseudonyms }, end_key))
    }

    fn cipher(&self, purpose: Purpose) -> Option<&XChaCha20Poly1305> {
        self.ciphers.iter().find(|(of, _)| *of == purpose).map(|(_, cipher)| cipher)
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = text.trim();
    let standard = GeneralPurpose::new(&alphabet::STANDARD, lenient).decode(text);
    standard.or_else(|_| GeneralPurpose::new(&alphabet::URL_SAFE, lenient).decode(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::world::testing::Still;

    #[test]
    fn a_key_that_is_not_here_is_named_and_what_is_not_sealed_names_none() {
        let (here, there) = (Sealer::new(&[key(1)]).unwrap(), Sealer::new(&[key(2)]).unwrap());
        let theirs = there.seal(&mut Still::default(), Purpose::Session, b"x").unwrap();
        assert_eq!(here.unknown_key(theirs.as_bytes()), there.key_ids().next());
        assert_eq!(there.unknown_key(theirs.as_bytes()), None);
        for other in ["", "AAAA", "not base64!", "AAAAAAAAAAAA"] {
            assert_eq!(here.unknown_key(other.as_bytes()), None, "{other}");
        }
    }

    fn key(byte: u8) -> Secret {
        Secret::new(URL_SAFE_NO_PAD.encode([byte; 32]))
    }

    fn sealer(keys: &[u8]) -> Sealer {
        Sealer::new(&keys.iter().copied().map(key).collect::<Vec<_>>()).ok().unwrap()
    }

    #[test]
    fn what_was_sealed_opens_for_the_same_purpose_only() {
        let (sealer, mut world) = (sealer(&[1]), Still::default());
        let sealed = sealer.seal(&mut world, Purpose::Session, b"content").unwrap();
        assert_eq!(sealer.open(Purpose::Session, sealed.as_bytes()).as_deref(), Some(b"content".as_slice()));
        assert_eq!(sealer.open(Purpose::Attempt, sealed.as_bytes()), None);
        assert_eq!(sealer.open(Purpose::LogoutHint, sealed.as_bytes()), None);
    }

    #[test]
    fn what_is_bound_to_a_text_opens_with_the_same_text_only() {
        let (sealer, mut world) = (sealer(&[1]), Still::default());
        let sealed = sealer.seal_bound(&mut world, Purpose::StatePlace, "a b", b"content").unwrap();
        assert_eq!(sealer.open_bound(Purpose::StatePlace, "a b", sealed.as_bytes()).as_deref(), Some(b"content".as_slice()));
        for other in ["a c", "a", "a b ", "", "\0a b"] {
            assert_eq!(sealer.open_bound(Purpose::StatePlace, other, sealed.as_bytes()), None, "{other:?}");
        }
        for purpose in Purpose::ALL {
            assert_eq!(sealer.open(purpose, sealed.as_bytes()), None, "{purpose:?}");
            let opened = sealer.open_bound(purpose, "a b", sealed.as_bytes()).is_some();
            assert_eq!(opened, purpose == Purpose::StatePlace, "{purpose:?}");
        }
        let unbound = sealer.seal(&mut world, Purpose::StatePlace, b"content").unwrap();
        assert_eq!(sealer.open_bound(Purpose::StatePlace, "", unbound.as_bytes()), None);
    }

    #[test]
    fn what_another_implementation_derived_and_sealed_opens() {
        // Sealed by another implementation: Node's HKDF and ChaCha20-Poly1305, and an HChaCha20 written out; the nonce is 24
        // times the byte 7. If a release derived keys differently, everybody would be signed out.
        let sealed = "XfO0fQcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwIEVaM4m3GD1xWednXAbm-3CwYRxK3E";
        let sealer = sealer(&[1]);
        assert_eq!(sealer.key_ids().collect::<Vec<_>>(), ["XfO0fQ"]);
        assert_eq!(sealer.open(Purpose::Session, sealed.as_bytes()).as_deref(), Some(b"content".as_slice()));
    }

    #[test]
    fn rotation_in_two_steps_keeps_everything_open() {
        let mut world = Still::default();
        let [old, both, new] = [sealer(&[1]), sealer(&[2, 1]), sealer(&[2])];
        let before = old.seal(&mut world, Purpose::Session, b"x").unwrap();
        let after = both.seal(&mut world, Purpose::Session, b"x").unwrap();
        assert!(both.open(Purpose::Session, before.as_bytes()).is_some());
        assert!(new.open(Purpose::Session, after.as_bytes()).is_some());
        assert!(new.open(Purpose::Session, before.as_bytes()).is_none());
    }

    #[test]
    fn every_changed_bit_and_every_cut_is_refused() {
        let (sealer, mut world) = (sealer(&[1]), Still::default());
        let sealed = URL_SAFE_NO_PAD.decode(sealer.seal(&mut world, Purpose::Session, b"content").unwrap()).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut forged = sealed.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(sealer.open(Purpose::Session, URL_SAFE_NO_PAD.encode(forged).as_bytes()).is_none(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(sealer.open(Purpose::Session, URL_SAFE_NO_PAD.encode(&sealed[..length]).as_bytes()).is_none());
        }
    }

    #[test]
    fn the_same_content_is_never_sealed_to_the_same_text() {
        let (sealer, mut world) = (sealer(&[1]), Still::default());
        let seals: Vec<_> = (0..2).map(|_| sealer.seal(&mut world, Purpose::Session, b"x").unwrap()).collect();
        assert_ne!(seals[0], seals[1]);
    }

    #[test]
    fn keys_come_as_base64_in_either_alphabet_and_must_be_long_enough() {
        let refusal = |text: &str| Sealer::new(&[key(1), Secret::new(text)]).err();
        assert_eq!(refusal("no base64!"), Some((1, UnusableSealingKey::NotBase64)));
        assert_eq!(refusal("c2hvcnQ="), Some((1, UnusableSealingKey::TooShort)));
        for good in
            ["+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/8=", "-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_8", &"0f".repeat(32)]
        {
            assert_eq!(refusal(good), None, "{good}");
        }
    }
}
