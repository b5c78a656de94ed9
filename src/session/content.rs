//! The content of a session, and whether it still counts. It is plain here; it is sealed, signed and put into cookies elsewhere.

use std::rc::Rc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::words::principal::{AssumedVerified, Claims, Principal, Proof};
use crate::words::reason::Reason;
use crate::words::record::{Reader, Writer};
use crate::words::secret::Secret;
use crate::words::time::Timestamp;
use crate::words::world::{NoRandomness, World};

/// The version of the content. No other version is read.
const VERSION: u8 = 3;

/// Separates the identifier and the origin, which are written as one text. Replicas of an earlier build know no origin: they take
/// this text for the identifier, and so read our sessions. Ours refuse theirs. If each refused the other's, people would have to
/// sign in again whenever the replica changes.
const ORIGIN_SEPARATOR: &str = "@";

/// A signed-in session.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// A random identifier that is made at sign-in, so that nobody can plant one before.
    pub id: String,
    /// The origin where the session began. Another gateway with the same key, but other origins, cannot make sessions for this
    /// one.
    pub origin: String,
    /// The configured name of the provider. Its issuer is part of the fingerprint.
    pub provider: String,
    /// The subject: the user service's, or else `sub` of the ID token.
    pub subject: String,
    /// `sub` of the ID token, if the subject is the user service's.
    pub provider_subject: Option<String>,
    /// `sid` of the ID token: the provider's own session.
    pub provider_session: Option<String>,
    /// `auth_time` of the ID token, in seconds since 1970.
    pub auth_time: Option<u64>,
    /// When the person signed in.
    pub created: Timestamp,
    /// When the cookie was last written.
    pub renewed: Timestamp,
    /// When it ends at the latest, however often it is renewed.
    pub ends: Timestamp,
    /// The claims that rules and headers name.
    pub claims: Rc<Claims>,
    /// Digest of the configuration under which the claims were chosen: provider, client, and which claims are kept.
    pub fingerprint: Fingerprint,
    /// The provider's tokens that the configuration needs.
    pub tokens: Tokens,
}

/// The tokens of a provider that a session keeps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tokens {
    /// To be forwarded as `x-forwarded-access-token`.
    pub access_token: Option<Secret>,
    /// To be forwarded as `x-forwarded-id-token`.
    pub id_token: Option<Secret>,
    /// To get new tokens; kept only if the session would end with the present ones.
    pub refresh_token: Option<Secret>,
    /// When the tokens should be refreshed. Without a refresh token, the session ends with them, and this and the next two are
    /// absent.
    pub due: Option<Timestamp>,
    /// When the tokens have ended: then nobody is let in before they are refreshed.
    pub end: Option<Timestamp>,
    /// When the forwarded ID token ends. It has a time of its own, because a refresh may bring no new one.
    pub id_token_end: Option<Timestamp>,
    /// How often the tokens were refreshed. Of two copies of a session, the one with the higher number has the valid refresh
    /// token.
    pub refreshed: u32,
}

impl Tokens {
    /// Whether the tokens should be refreshed now.
    pub fn are_due(&self, now: Timestamp) -> bool {
        self.due.is_some_and(|due| now >= due)
    }

    /// Whether the tokens have ended, so that nobody is let in before they are refreshed.
    pub fn have_ended(&self, now: Timestamp) -> bool {
        self.end.is_some_and(|end| now >= end)
    }
}

/// A digest of what something was made for. If a session's no longer matches, one must sign in again, because it may lack claims
/// that the rules need now, or belong to another client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Digests the parts, each with its length before it, so that no two lists have the same digest.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            digest.update(part.as_bytes());
        }
        let digest = digest.finalize();
        Self(URL_SAFE_NO_PAD.encode(digest.first_chunk::<12>().map_or(digest.as_slice(), |half| half.as_slice())))
    }

    /// A fingerprint that was read from its text.
    pub fn written(text: String) -> Self {
        Self(text)
    }

    /// The text of the fingerprint.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How long sessions last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// From the sign-in to the end, however often the session is renewed.
    pub absolute: Duration,
    /// From the last renewal to the end, if no request comes.
    pub idle: Duration,
}

impl Lifetimes {
    /// No limits, for sessions that contain their end, and are never renewed.
    pub const NONE: Self = Self { absolute: Duration::MAX, idle: Duration::MAX };

    /// How long after the last renewal a session that is in use is renewed: a quarter of the idle time, so that nobody is signed
    /// out while working.
    pub fn renew_after(&self) -> Duration {
        self.idle.checked_div(4).unwrap_or_default()
    }
}

/// The content of a new session. The fields without a comment are those of [`Session`].
#[expect(missing_docs, reason = "`Session` has the same fields, and says what they are")]
#[derive(Clone, Debug, Default)]
pub struct NewSession {
    pub origin: String,
    pub provider: String,
    pub subject: String,
    pub provider_subject: Option<String>,
    pub provider_session: Option<String>,
    pub auth_time: Option<u64>,
    pub claims: Claims,
    pub fingerprint: Fingerprint,
    pub tokens: Tokens,
    /// When the first token ends that the session depends on and that cannot be refreshed. The session ends then, too.
    pub tokens_end: Option<Timestamp>,
}

impl Session {
    /// Begins a session now, with a new random identifier.
    ///
    /// # Errors
    /// [`NoRandomness`] if the host gives none.
    pub fn begin(world: &mut dyn World, now: Timestamp, lifetimes: Lifetimes, new: NewSession) -> Result<Self, NoRandomness> {
        let mut id = [0; 16];
        world.random(&mut id)?;
        Ok(Self::of(URL_SAFE_NO_PAD.encode(id), now, now.plus(lifetimes.absolute), new))
    }

    /// A session with this identifier that begins now, and ends at `ends` or with its tokens.
    pub(super) fn of(id: String, now: Timestamp, ends: Timestamp, new: NewSession) -> Self {
        Self {
            id,
            origin: new.origin,
            provider: new.provider,
            subject: new.subject,
            provider_subject: new.provider_subject,
            provider_session: new.provider_session,
            auth_time: new.auth_time,
            created: now,
            renewed: now,
            ends: new.tokens_end.map_or(ends, |tokens_end| ends.min(tokens_end)),
            claims: Rc::new(new.claims),
            fingerprint: new.fingerprint,
            tokens: new.tokens,
        }
    }

    /// Reads the content of a session, even if it has expired.
    pub fn parse(plain: &[u8]) -> Option<Self> {
        let mut read = Reader::new(plain, VERSION)?;
        let named = read.borrowed_text()?;
        let (id, origin) = named.split_once(ORIGIN_SEPARATOR)?;
        // The fields stand here in the order in which they were written.
        let session = Self {
            id: id.to_owned(),
            origin: origin.to_owned(),
            provider: read.text()?,
            subject: read.text()?,
            fingerprint: Fingerprint(read.text()?),
            provider_subject: read.optional_text()?,
            provider_session: read.optional_text()?,
            auth_time: read.optional_number()?,
            created: Timestamp::from_millis(read.number()?),
            renewed: Timestamp::from_millis(read.number()?),
            ends: Timestamp::from_millis(read.number()?),
            claims: Rc::new(read.claims()?),
            tokens: Tokens {
                access_token: read.optional_text()?.map(Secret::new),
                id_token: read.optional_text()?.map(Secret::new),
                refresh_token: read.optional_text()?.map(Secret::new),
                due: read.optional_number()?.map(Timestamp::from_millis),
                end: read.optional_number()?.map(Timestamp::from_millis),
                id_token_end: read.optional_number()?.map(Timestamp::from_millis),
                refreshed: read.number()?.try_into().ok()?,
            },
        };
        read.is_empty().then_some(session)
    }

    /// Reads the content of a session that has not expired.
    ///
    /// # Errors
    /// [`Reason::SessionInvalid`] for another version or form, [`Reason::SessionExpired`] after the end of either lifetime.
    pub fn read(plain: &[u8], now: Timestamp, lifetimes: Lifetimes) -> Result<Self, Reason> {
        let session = Self::parse(plain).ok_or(Reason::SessionInvalid)?;
        if now >= session.expires(lifetimes) {
            return Err(Reason::SessionExpired);
        }
        Ok(session)
    }

    /// The content to seal.
    pub fn write(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let named = [self.id.as_str(), ORIGIN_SEPARATOR, &self.origin].concat();
        for text in [&named, &self.provider, &self.subject, &self.fingerprint.0] {
            writer.text(text);
        }
        writer.optional_text(self.provider_subject.as_deref());
        writer.optional_text(self.provider_session.as_deref());
        writer.optional_number(self.auth_time);
        for moment in [self.created, self.renewed, self.ends] {
            writer.number(moment.millis());
        }
        writer.claims(&self.claims);
        let tokens = &self.tokens;
        for token in [&tokens.access_token, &tokens.id_token, &tokens.refresh_token] {
            writer.optional_text(token.as_ref().map(Secret::expose));
        }
        for moment in [tokens.due, tokens.end, tokens.id_token_end] {
            writer.optional_number(moment.map(Timestamp::millis));
        }
        writer.number(tokens.refreshed.into());
        writer.finish(VERSION)
    }

    /// When the session expires unless it is renewed. Shorter lifetimes in a new configuration hold for old sessions, too.
    pub fn expires(&self, lifetimes: Lifetimes) -> Timestamp {
        self.ends.min(self.created.plus(lifetimes.absolute)).min(self.renewed.plus(lifetimes.idle))
    }

    /// When the cookie should be written again.
    pub fn renewal_due(&self, lifetimes: Lifetimes) -> Timestamp {
        self.renewed.plus(lifetimes.renew_after())
    }

    /// The same session, renewed now.
    pub fn renewed(&self, now: Timestamp) -> Self {
        Self { renewed: now, ..self.clone() }
    }

    /// The same session, last renewed at `renewed`.
    pub fn last_renewed(self, renewed: Timestamp) -> Self {
        Self { renewed, ..self }
    }

    /// `sub` at the provider, even if the subject is the user service's.
    pub fn subject_at_provider(&self) -> &str {
        self.provider_subject.as_ref().unwrap_or(&self.subject)
    }

    /// The person whose session this is. `assumed` are the claims that count as verified without a verdict.
    pub fn principal(&self, lifetimes: Lifetimes, assumed: AssumedVerified) -> Principal {
        Principal {
            provider: self.provider.clone(),
            subject: self.subject.clone(),
            claims: Rc::clone(&self.claims),
            assumed,
            proof: Proof::SessionCookie,
            expires: self.expires(lifetimes),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::words::world::testing::Still;

    pub(crate) const LIFETIMES: Lifetimes =
        Lifetimes { absolute: Duration::from_secs(8 * 3_600), idle: Duration::from_secs(1_800) };

    pub(crate) fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + seconds)
    }

    pub(crate) fn alice() -> NewSession {
        NewSession {
            origin: "https://app.example.com".into(),
            provider: "demo".into(),
            subject: "alice".into(),
            provider_subject: None,
            provider_session: Some("s1".into()),
            auth_time: Some(1),
            claims: serde_json::json!({"sub": "alice", "groups": ["staff"]}).as_object().unwrap().clone(),
            fingerprint: Fingerprint::of(["demo"]),
            tokens: Tokens::default(),
            tokens_end: None,
        }
    }

    pub(crate) fn session(new: NewSession) -> Session {
        Session::begin(&mut Still::default(), at(0), LIFETIMES, new).unwrap()
    }

    #[test]
    fn a_session_ends_when_idle_and_when_old_whichever_is_first() {
        let session = session(alice());
        let read = |now| Session::read(&session.write(), now, LIFETIMES);
        assert_eq!(read(at(1_799)), Ok(session.clone()));
        assert_eq!(read(at(1_800)), Err(Reason::SessionExpired));
        let kept_busy = session.renewed(at(8 * 3_600 - 10));
        assert_eq!(Session::read(&kept_busy.write(), at(8 * 3_600 - 1), LIFETIMES), Ok(kept_busy.clone()));
        assert_eq!(Session::read(&kept_busy.write(), at(8 * 3_600), LIFETIMES), Err(Reason::SessionExpired));
    }

    #[test]
    fn a_shorter_lifetime_in_a_new_configuration_holds_for_old_sessions() {
        let session = session(alice());
        let shorter = Lifetimes { absolute: Duration::from_secs(60), ..LIFETIMES };
        assert_eq!(Session::read(&session.write(), at(61), shorter), Err(Reason::SessionExpired));
    }

    #[test]
    fn a_session_does_not_outlive_the_access_token_it_forwards() {
        let session = session(NewSession { tokens_end: Some(at(300)), ..alice() });
        assert_eq!(Session::read(&session.write(), at(300), LIFETIMES), Err(Reason::SessionExpired));
    }

    #[test]
    fn the_content_of_a_session_is_read_as_it_was_written() {
        let tokens = Tokens {
            access_token: Some(Secret::new("a")),
            id_token: Some(Secret::new("b.c.d")),
            refresh_token: Some(Secret::new("")),
            due: Some(at(1)),
            end: Some(at(2)),
            id_token_end: Some(at(3)),
            refreshed: u32::MAX,
        };
        let full = NewSession { provider_subject: Some("p".into()), tokens, tokens_end: Some(at(9)), ..alice() };
        let bare = NewSession { provider_session: None, auth_time: None, claims: Claims::new(), ..alice() };
        for new in [alice(), full, bare] {
            let session = session(new).renewed(at(5));
            assert_eq!(Session::parse(&session.write()), Some(session));
        }
    }

    #[test]
    fn another_version_or_form_is_not_read() {
        let plain = session(alice()).write();
        let json = br#"{"v":2,"i":"a","p":"demo","s":"alice","c":1,"r":1,"e":9999999999999,"cl":{},"f":"x"}"#;
        let other = [&[VERSION - 1], &plain[1..]].concat();
        let longer = [&plain[..], b"x"].concat();
        for other in [&other, &longer, &plain[1..], &plain[..plain.len() - 1], b"{}", b"", json] {
            assert_eq!(Session::read(other, at(0), LIFETIMES), Err(Reason::SessionInvalid), "{other:?}");
        }
    }

    #[test]
    fn a_session_that_names_no_origin_is_not_read() {
        let plain = |id: &str| Session { id: id.into(), ..session(alice()) }.write();
        assert_eq!(Session::parse(&plain("a")).unwrap().origin, "https://app.example.com");
        let unnamed = session(alice());
        let with = unnamed.write();
        let named = [unnamed.id.as_str(), ORIGIN_SEPARATOR, &unnamed.origin].concat();
        // The length of that text is the first number of the content, and the text is the first of all texts.
        let mut without = with.clone();
        let at = with.windows(named.len()).position(|window| window == named.as_bytes()).unwrap();
        without.drain(at + unnamed.id.len()..at + named.len());
        without[2] = u8::try_from(unnamed.id.len()).unwrap();
        assert_eq!((with[2], Session::parse(&without)), (u8::try_from(named.len()).unwrap(), None));
    }

    #[test]
    fn fingerprints_of_differently_cut_parts_differ() {
        assert_ne!(Fingerprint::of(["ab", "c"]), Fingerprint::of(["a", "bc"]));
        assert_ne!(Fingerprint::of(["a"]), Fingerprint::of(["a", ""]));
    }
}
