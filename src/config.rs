//! What an operator writes: its shape, and every way it can be wrong. What comes out are settings that make sense; what is wrong
//! is refused with a sentence that a person can act on. Nothing is looked up, fetched or defaulted later than here.

use std::cell::RefCell;
use std::fmt;

mod accounts;
mod bearer;
pub mod check;
mod conditions;
mod endpoints;
mod identity;
mod origins;
pub mod own_tokens;
mod password;
mod place;
pub mod popup;
mod providers;
pub mod read;
mod rules;
pub mod settings;
pub mod shapes;
pub mod spellings;
pub mod throttle;
mod values;

use settings::Settings;

use crate::words::secret::Secret;
use crate::words::world::{Hash, HostVerdict, SignatureCheck, World};

/// Why a configuration is refused: the field's path, and a sentence with the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Such as `rules[2].require.claim`.
    pub path: String,
    /// Such as `expected …, found …; write …`. Never the value of a secret.
    pub sentence: String,
}

impl Refusal {
    /// A refusal of the field at `path`. (Written out at each of its callers it would take nine thousand bytes of the module.)
    #[cold]
    #[inline(never)]
    pub fn new(path: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self { path: path.into(), sentence: sentence.into() }
    }

    /// The same without these texts. The shortest are no secrets, and would be found within words.
    fn without(mut self, mut texts: Vec<Secret>) -> Self {
        const SHORTEST: usize = 8;
        // One may be a part of another.
        texts.sort_unstable_by_key(|text| std::cmp::Reverse(text.len()));
        for text in texts.iter().filter(|text| text.len() >= SHORTEST) {
            for shown in [&mut self.path, &mut self.sentence] {
                *shown = shown.replace(text.expose(), "[what the environment variable holds]");
            }
        }
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return formatter.write_str(&self.sentence);
        }
        write!(formatter, "{}: {}", self.path, self.sentence)
    }
}

/// Reads and checks a plugin's configuration: JSON, or a `google.protobuf.Struct` in its wire form. Environment variables are
/// looked up where the configuration names them. What stands in them is taken out of refusals: it may be a secret.
///
/// # Errors
/// The first thing that is wrong.
pub fn load(bytes: &[u8], environment: &dyn Fn(&str) -> Option<String>) -> Result<Settings, Refusal> {
    let filled_in = RefCell::new(Vec::new());
    let remembered = |name: &str| {
        let text = environment(name)?;
        filled_in.borrow_mut().push(Secret::new(text.trim()));
        Some(text)
    };
    let settings = read::read(bytes, &remembered).and_then(check::check);
    settings.map_err(|refusal| refusal.without(filled_in.take()))
}

/// Refuses what a configuration asks for and this host cannot do.
///
/// # Errors
/// The first thing that it cannot do.
pub fn check_host(settings: &Settings, world: &dyn World) -> Result<(), Refusal> {
    let identity = settings.identity_jwt.as_ref().map(|identity| ("forward.identity_jwt", identity.keys.as_slice()));
    for (member, keys) in settings.session.signed().map(|jwt| ("session.jwt", jwt.keys.as_slice())).into_iter().chain(identity) {
        if let Some(index) = keys.iter().position(|key| !key.signs(world)) {
            let sentence = "expected a private key that signs what its public half verifies, found another (RS256 needs a host that signs, as Envoy does); make one with openssl genpkey, or write algorithm: ES256";
            return Err(Refusal::new(format!("{member}.keys[{index}]"), sentence));
        }
    }
    let known = SignatureCheck { hash: Hash::Sha384, spki: &KNOWN_KEY, signature: &KNOWN_SIGNATURE, message: b"accredit" };
    if world.verify_signature(&known) == HostVerdict::Valid {
        return Ok(());
    }
    let sentence =
        "expected algorithms that are verified without the host, because this one verifies no signatures, found ES384; remove it";
    for (index, provider) in settings.providers.iter().enumerate() {
        let of_bearer = provider.oidc.bearer.as_ref().map(|bearer| bearer.algorithms.as_slice()).unwrap_or_default();
        for (member, algorithms) in [("algorithms", provider.oidc.algorithms.as_slice()), ("bearer.algorithms", of_bearer)] {
            if algorithms.iter().any(|algorithm| algorithm.needs_the_host()) {
                return Err(Refusal::new(format!("providers[{index}].{member}"), sentence));
            }
        }
    }
    Ok(())
}

/// A P-384 public key whose private half was thrown away after one signature.
const KNOWN_KEY: [u8; 120] = [
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03,
    0x62, 0x00, 0x04, 0xac, 0x1d, 0x28, 0xa2, 0xd5, 0x5c, 0x36, 0x55, 0x22, 0x52, 0xb6, 0x91, 0x56, 0x79, 0xd1, 0x97, 0x2a, 0x61,
    0x77, 0x4e, 0x8a, 0xab, 0xd8, 0xbb, 0xca, 0x9b, 0xf8, 0xc2, 0xc6, 0x6e, 0x77, 0x4e, 0x58, 0xae, 0xe1, 0xec, 0x66, 0xb3, 0x53,
    0x72, 0xdd, 0x90, 0xc8, 0xee, 0xb3, 0x50, 0x71, 0x28, 0x4e, 0x79, 0x02, 0x75, 0xd0, 0x97, 0xf5, 0xa9, 0x5d, 0xfd, 0xe8, 0xe1,
    0xc6, 0x2b, 0x05, 0x82, 0x94, 0x96, 0xa3, 0x6f, 0xfe, 0xc9, 0xd7, 0x17, 0x4b, 0x2d, 0xd4, 0x95, 0x0a, 0x4d, 0xc9, 0xe0, 0x6d,
    0xad, 0x5c, 0xb3, 0x5d, 0x2b, 0x16, 0xef, 0x94, 0x33, 0xe5, 0x83, 0xfa, 0x2b, 0x3f, 0x7a,
];

/// Its signature of `accredit`.
const KNOWN_SIGNATURE: [u8; 102] = [
    0x30, 0x64, 0x02, 0x30, 0x17, 0xc4, 0x46, 0x48, 0x7f, 0xcb, 0x55, 0xb2, 0x8e, 0x95, 0xac, 0x63, 0x11, 0xe6, 0xf2, 0x3c, 0x8a,
    0xfa, 0x86, 0x62, 0x3a, 0xcb, 0xac, 0xf4, 0x81, 0x54, 0xe8, 0x2b, 0x91, 0xaa, 0x58, 0x84, 0x21, 0xb4, 0x79, 0xc1, 0x7b, 0xd8,
    0x32, 0xd1, 0xbb, 0x94, 0x5a, 0x65, 0x8d, 0xb9, 0xc9, 0x85, 0x02, 0x30, 0x43, 0x44, 0x71, 0xba, 0xd7, 0xe7, 0x66, 0xa9, 0x10,
    0x1c, 0x32, 0xa7, 0x1d, 0x0b, 0x15, 0x5a, 0x44, 0x98, 0x05, 0xe1, 0xd0, 0xfa, 0x26, 0x92, 0x71, 0x66, 0x82, 0x72, 0x64, 0x05,
    0x4c, 0xfa, 0x45, 0x90, 0x6f, 0x57, 0xbb, 0xb5, 0x73, 0x32, 0xfc, 0x7e, 0xdd, 0x48, 0xdd, 0xe5, 0x36, 0x9e,
];

#[cfg(test)]
mod tests;
