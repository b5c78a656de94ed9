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

/// Separates the identifier and the difference between [`Session::created`] and [`Session::issued`] in seconds, if there is one. It
/// is written there for the same reason.
const ISSUED_SEPARATOR: &str = ".";

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
    /// `sub` of the ID token, if the subject is the user service's. (It may be the same text.)
    pub provider_subject: Option<String>,
    /// `sid` of the ID token: the provider's own session.
    pub provider_session: Option<String>,
    /// `auth_time` of the ID token, in seconds since 1970.
    pub auth_time: Option<u64>,
    /// When the person signed in.
    pub created: Timestamp,
    /// `iat` of the ID token, in whole seconds by the provider's clock: what the provider says of a time (that sessions from before
    /// have ended, for instance) is compared with this. Without an ID token, it is `created`.
    pub issued: Timestamp,
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

/// Whose subjects the sessions of a provider have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubjectsOf {
    /// The provider's: the subject is `sub` of the ID token.
    #[default]
    Provider,
    /// Those of the user service, which finds the account of whoever signs in at the provider.
    UserService,
}

/// What is known of the people who sign in at a provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct People {
    /// Which of their claims count as verified although nobody says so.
    pub assumed: AssumedVerified,
    /// Whose subjects their sessions have.
    pub subjects: SubjectsOf,
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
    pub issued: Option<Timestamp>,
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
            issued: Timestamp::from_seconds(new.issued.unwrap_or(now).seconds()),
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
        let (id, issued_before) = id.split_once(ISSUED_SEPARATOR).unwrap_or((id, "0"));
        // The fields stand here in the order in which they were written.
        let mut session = Self {
            id: id.to_owned(),
            origin: origin.to_owned(),
            provider: read.text()?,
            subject: read.text()?,
            fingerprint: Fingerprint(read.text()?),
            provider_subject: read.optional_text()?,
            provider_session: read.optional_text()?,
            auth_time: read.optional_number()?,
            created: Timestamp::from_millis(read.number()?),
            issued: Timestamp::default(),
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
        let issued = session.created.seconds().checked_add_signed(issued_before.parse::<i64>().ok()?.checked_neg()?)?;
        session.issued = Timestamp::from_seconds(issued);
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
        let [created, issued] = [self.created, self.issued].map(|time| i64::try_from(time.seconds()).unwrap_or(i64::MAX));
        let issued_before = match created.saturating_sub(issued) {
            0 => String::new(),
            seconds => format!("{ISSUED_SEPARATOR}{seconds}"),
        };
        let named = [self.id.as_str(), &issued_before, ORIGIN_SEPARATOR, &self.origin].concat();
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

    /// `sub` at the provider; `None` if it is not known. A service that makes sessions itself need not say it, and where `subjects` are
    /// those of the user service, the provider may have given the same text to somebody else.
    pub fn subject_at_provider(&self, subjects: SubjectsOf) -> Option<&str> {
        let same = || (subjects == SubjectsOf::Provider).then_some(self.subject.as_str());
        self.provider_subject.as_deref().or_else(same)
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
pub(crate) mod tests;
