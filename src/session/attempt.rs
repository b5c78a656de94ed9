//! One sign-in under way: what we must still know when the provider sends the browser back. It travels in a sealed cookie of
//! its own, so that tabs do not disturb each other and any replica can finish what another began.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::crypto::seal::{Purpose, Sealer};
use crate::session::cookie::CookieSettings;
use crate::words::cookie::{Attributes, SameSite, delete, pairs, set};
use crate::words::demand::Demand;
use crate::words::message::Headers;
use crate::words::reason::Reason;
use crate::words::secret::Secret;
use crate::words::time::Timestamp;
use crate::words::world::{NoRandomness, World};

/// A browser keeps at most this many sign-ins under way; a further one replaces the oldest.
pub const MOST_ATTEMPTS: usize = 5;

/// So many attempt cookies are opened to find the youngest. A browser that restores many tabs at once may have more.
const MOST_COOKIES_LOOKED_AT: usize = 20;

/// So many attempt cookies are deleted with one answer; the next one goes on.
const MOST_DELETED: usize = 60;

const ID_BYTES: usize = 6;
const ID_LENGTH: usize = 8;

/// A sign-in under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// `state`: the attempt's id, a dot, 256 random bits.
    #[serde(rename = "s")]
    pub state: Secret,
    /// `nonce`, to be found in the ID token.
    #[serde(rename = "n")]
    pub nonce: Secret,
    /// `code_verifier` (RFC 7636).
    #[serde(rename = "v")]
    pub code_verifier: Secret,
    /// The configured provider's name: with several, an answer counts only from the one that was asked.
    #[serde(rename = "p")]
    pub provider: String,
    /// The redirect URI that was sent; the token request repeats it.
    #[serde(rename = "u")]
    pub redirect_uri: String,
    /// Where the visit began.
    #[serde(rename = "r")]
    pub return_to: String,
    /// When.
    #[serde(rename = "c")]
    pub created: Timestamp,
    /// What was asked of the authentication: the ID token must show that it was done.
    #[serde(rename = "d", default, skip_serializing_if = "Demand::is_nothing")]
    pub demand: Demand,
}

impl Attempt {
    /// Begins a sign-in, with fresh random values.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn begin(
        world: &mut dyn World,
        now: Timestamp,
        provider: &str,
        redirect_uri: String,
        return_to: String,
    ) -> Result<Self, NoRandomness> {
        let id = random_text::<ID_BYTES>(world)?;
        Ok(Self {
            state: Secret::new(format!("{id}.{}", random_text::<32>(world)?)),
            nonce: Secret::new(random_text::<32>(world)?),
            code_verifier: Secret::new(random_text::<32>(world)?),
            provider: provider.to_owned(),
            redirect_uri,
            return_to,
            created: now,
            demand: Demand::default(),
        })
    }

    /// The part of `state` that names the cookie.
    pub fn id(&self) -> &str {
        id_of(self.state.expose()).unwrap_or_default()
    }

    /// The `Set-Cookie` values that store this attempt, and delete those that have become too many or too old.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn store(
        &self,
        world: &mut dyn World,
        sealer: &Sealer,
        settings: &CookieSettings,
        timeout: Duration,
        came: &Headers,
    ) -> Result<Vec<String>, NoRandomness> {
        let plain = serde_json::to_vec(self).map_err(|_| NoRandomness)?;
        let sealed = sealer.seal(world, Purpose::Attempt, &plain)?;
        let attributes = Attributes { path: "/", same_site: SameSite::Lax, max_age: timeout };
        let mut cookies = vec![set(&cookie_name(settings, self.id()), &sealed, attributes)];
        let (mut alive, mut over) = (Vec::new(), BTreeSet::new());
        for (position, (id, value)) in cookies_of(settings, came).enumerate() {
            let attempt = if position < MOST_COOKIES_LOOKED_AT { open(sealer, value) } else { None };
            match attempt.filter(|attempt| self.created.since(attempt.created) < timeout) {
                Some(attempt) => alive.push((attempt.created, id)),
                None => drop(over.insert(id)),
            }
        }
        alive.sort_unstable();
        let surplus = (alive.len().saturating_add(1)).saturating_sub(MOST_ATTEMPTS);
        over.extend(alive.iter().take(surplus).map(|(_, id)| *id));
        cookies.extend(over.into_iter().take(MOST_DELETED).map(|id| delete(&cookie_name(settings, id), "/", SameSite::Lax)));
        Ok(cookies)
    }

    /// Finds the attempt that a callback's `state` belongs to: its cookie must have come, opened, hold that very `state`, and
    /// be young enough (RFC 6749, section 10.12).
    ///
    /// # Errors
    /// [`Reason::StateMissing`], [`Reason::AttemptMissing`], [`Reason::StateMismatch`], [`Reason::AttemptExpired`].
    pub fn find(
        sealer: &Sealer,
        settings: &CookieSettings,
        timeout: Duration,
        came: &Headers,
        state: &str,
        now: Timestamp,
    ) -> Result<Self, Reason> {
        if state.is_empty() {
            return Err(Reason::StateMissing);
        }
        let id = id_of(state).ok_or(Reason::AttemptMissing)?;
        let mut candidates = cookies_of(settings, came).filter(|(other, _)| *other == id);
        let (_, value) = candidates.next().ok_or(Reason::AttemptMissing)?;
        let attempt = open(sealer, value).ok_or(Reason::AttemptMissing)?;
        if attempt.state != Secret::new(state) {
            return Err(Reason::StateMismatch);
        }
        if now.since(attempt.created) >= timeout || attempt.created > now.plus(timeout) {
            return Err(Reason::AttemptExpired);
        }
        Ok(attempt)
    }

    /// The `Set-Cookie` value that ends this attempt.
    pub fn forget(&self, settings: &CookieSettings) -> String {
        delete(&cookie_name(settings, self.id()), "/", SameSite::Lax)
    }
}

/// The `Set-Cookie` value that ends whatever attempt a callback's `state` names, if it names one.
pub fn forget_named(settings: &CookieSettings, state: &str) -> Option<String> {
    id_of(state).map(|id| delete(&cookie_name(settings, id), "/", SameSite::Lax))
}

fn cookie_name(settings: &CookieSettings, id: &str) -> String {
    format!("{}-attempt-{id}", settings.name)
}

fn cookies_of<'a>(settings: &'a CookieSettings, came: &'a Headers) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    pairs(came).filter_map(|(name, value)| {
        let id = name.strip_prefix(settings.name.as_str())?.strip_prefix("-attempt-")?;
        is_id(id).then_some((id, value))
    })
}

fn open(sealer: &Sealer, value: &[u8]) -> Option<Attempt> {
    serde_json::from_slice(&sealer.open(Purpose::Attempt, value)?).ok()
}

fn id_of(state: &str) -> Option<&str> {
    state.split_once('.').map(|(id, _)| id).filter(|id| is_id(id))
}

fn is_id(text: &str) -> bool {
    text.len() == ID_LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn random_text<const BYTES: usize>(world: &mut dyn World) -> Result<String, NoRandomness> {
    let mut bytes = [0; BYTES];
    world.random(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::world::testing::Still;

    const TIMEOUT: Duration = Duration::from_secs(600);

    struct Desk {
        world: Still,
        sealer: Sealer,
        settings: CookieSettings,
    }

    impl Desk {
        fn new() -> Self {
            let key = Secret::new(URL_SAFE_NO_PAD.encode([7; 32]));
            let settings = CookieSettings::new("__Host-accredit".into(), SameSite::Lax);
            Self { world: Still::default(), sealer: Sealer::new(&[key]).ok().unwrap(), settings }
        }

        /// Begins an attempt in a browser that has these cookies; gives it and what the browser has then.
        fn begin(&mut self, seconds: u64, jar: &str) -> (Attempt, Vec<String>) {
            let now = Timestamp::from_seconds(seconds);
            let attempt = Attempt::begin(&mut self.world, now, "demo", "https://a/cb".into(), "/x".into()).unwrap();
            let set = attempt.store(&mut self.world, &self.sealer, &self.settings, TIMEOUT, &came(jar)).unwrap();
            (attempt, set)
        }

        fn find(&self, jar: &str, state: &str, seconds: u64) -> Result<Attempt, Reason> {
            Attempt::find(&self.sealer, &self.settings, TIMEOUT, &came(jar), state, Timestamp::from_seconds(seconds))
        }
    }

    fn came(cookies: &str) -> Headers {
        Headers::new(vec![("cookie".into(), cookies.as_bytes().to_vec())])
    }

    fn pair(set_cookie: &str) -> &str {
        set_cookie.split(';').next().unwrap()
    }

    #[test]
    fn an_attempt_is_found_by_its_own_state_while_it_is_young() {
        let mut desk = Desk::new();
        let (first, first_cookies) = desk.begin(0, "");
        let (second, second_cookies) = desk.begin(1, pair(&first_cookies[0]));
        let jar = format!("{}; {}", pair(&first_cookies[0]), pair(&second_cookies[0]));
        assert_eq!(desk.find(&jar, first.state.expose(), 599), Ok(first.clone()));
        assert_eq!(desk.find(&jar, second.state.expose(), 599), Ok(second));
        assert_eq!(desk.find(&jar, first.state.expose(), 600), Err(Reason::AttemptExpired));
    }

    #[test]
    fn a_state_without_its_cookie_or_with_another_is_refused() {
        let mut desk = Desk::new();
        let (attempt, cookies) = desk.begin(0, "");
        let state = attempt.state.expose();
        assert_eq!(desk.find("", state, 1), Err(Reason::AttemptMissing));
        let name = pair(&cookies[0]).split('=').next().unwrap();
        assert_eq!(desk.find(&format!("{name}=forged"), state, 1), Err(Reason::AttemptMissing));
        let forged = format!("{}.{}", attempt.id(), "A".repeat(43));
        assert_eq!(desk.find(pair(&cookies[0]), &forged, 1), Err(Reason::StateMismatch));
        for malformed in [".", "x", "abcdefgh", "abc=;fgh.x"] {
            assert_eq!(desk.find(pair(&cookies[0]), malformed, 1), Err(Reason::AttemptMissing), "{malformed}");
        }
        assert_eq!(desk.find(pair(&cookies[0]), "", 1), Err(Reason::StateMissing));
    }

    #[test]
    fn attempts_do_not_pile_up_the_oldest_go_first() {
        let mut desk = Desk::new();
        let mut jar: Vec<String> = Vec::new();
        for second in 0..20 {
            let (_, set) = desk.begin(second, &jar.join("; "));
            let deleted: Vec<_> = set[1..].iter().map(|cookie| pair(cookie).to_owned()).collect();
            jar.retain(|cookie| !deleted.iter().any(|name| cookie.starts_with(name.as_str())));
            jar.push(pair(&set[0]).to_owned());
            assert!(jar.len() <= MOST_ATTEMPTS);
        }
        let (newest, _) = desk.begin(19, "");
        assert_eq!(desk.find(&jar.join("; "), newest.state.expose(), 20), Err(Reason::AttemptMissing));
    }

    #[test]
    fn forged_attempt_cookies_are_deleted_at_the_next_sign_in() {
        let (_, set) = Desk::new().begin(0, "__Host-accredit-attempt-AAAAAAAA=junk; __Host-accredit-attempt-evil;x=1");
        assert_eq!(set.len(), 2);
        assert!(set[1].starts_with("__Host-accredit-attempt-AAAAAAAA=; "));
    }
}
