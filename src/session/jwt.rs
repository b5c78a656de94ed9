//! A session as a signed JWT of our own (RFC 7519), which every service with the key can read. It is sent in a cookie or as a
//! bearer token, is not renewed, and ends when its `exp` says so. What a person may do is not known here.

use std::time::Duration;

use serde_json::Value;

use crate::crypto::jws::{JwsError, LastHeader, Unverified};
use crate::crypto::key::{Algorithm, KeySet};
use crate::crypto::signing::{NotSigned, SigningKey};
use crate::http::url::Origin;
use crate::session::content::{Fingerprint, NewSession, Session, Tokens};
use crate::words::principal::{AssumedVerified, ClaimPath, Claims, VERIFIABLE_CLAIMS, is_reserved, is_verified, move_claim};
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// The `typ` of sessions. It does not tell them from every other token: identity JWTs may have it too (`forward.identity_jwt.type`).
/// Their keys do, which must be different.
const TYP: &str = "JWT";

/// The claim with the configured name of the provider that proved the identity. It is set if there are several providers.
pub const PROVIDER_CLAIM: &str = "idp";

/// The claim with `sid` of the ID token: the provider's own session.
const PROVIDER_SESSION_CLAIM: &str = "sid";

/// The claim with `sub` of the ID token. It is set if the subject is the user service's.
const PROVIDER_SUBJECT_CLAIM: &str = "idp_sub";

/// The claim with `iat` of the ID token, if it is another second than that of the session.
const ISSUED_CLAIM: &str = "idp_iat";

/// The claim with the origin where the session began.
pub const ORIGIN_CLAIM: &str = "origin";

/// The names that no configured claim may have, because they have a meaning in sessions or mark tokens of other kinds.
pub const RESERVED: [&str; 18] = [
    "iss",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "cnf",
    "events",
    "nonce",
    "at_hash",
    "c_hash",
    "s_hash",
    "typ",
    PROVIDER_CLAIM,
    PROVIDER_SESSION_CLAIM,
    PROVIDER_SUBJECT_CLAIM,
    ISSUED_CLAIM,
    ORIGIN_CLAIM,
];

/// How much of a MAC is used as a token's identifier: 22 characters of base64url are 132 bits.
const MAC_NAME_LENGTH: usize = 22;

/// How far the clock of another replica or service may be ahead of ours.
const SKEW: Duration = Duration::from_secs(60);

/// How sessions are signed, and what a session must contain.
#[derive(Debug)]
pub struct JwtSettings {
    /// The keys. The first one signs.
    pub keys: Vec<SigningKey>,
    /// The verification keys of all of them.
    pub verifying: KeySet,
    /// The algorithm of all keys.
    pub algorithm: Algorithm,
    /// The claims that a session contains beside `sub`, `iat`, `exp` and the origin.
    pub claims: Vec<ClaimPath>,
    /// `iss`, which is set and required if it is configured.
    pub issuer: Option<String>,
    /// `aud`, which is set and required if it is configured.
    pub audience: Option<String>,
    /// The time from `iat` to `exp`, in whole seconds.
    pub lifetime: Duration,
    /// Whether a session is accepted as a bearer token, too.
    pub bearer: bool,
    /// The names of the configured providers.
    pub providers: Vec<String>,
    /// The origins of this gateway. A session that began at another origin is refused.
    pub origins: Vec<Origin>,
}

/// Why a token is not accepted as a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwtError {
    /// It was a session, and expired so many seconds ago.
    Expired(u64),
    /// It is no session; the text says why.
    Invalid(String),
}

impl JwtError {
    /// The failure for refusing a session cookie.
    pub fn failure_for_cookie(self) -> Failure {
        match self {
            Self::Expired(_) => Failure::new(Reason::SessionExpired, ""),
            Self::Invalid(detail) => Failure::new(Reason::SessionInvalid, detail),
        }
    }

    /// The failure for refusing a bearer token.
    pub fn failure_for_bearer(self) -> Failure {
        match self {
            Self::Expired(ago) => Failure::new(Reason::TokenExpired, format!("it expired {ago} s ago by our clock")),
            Self::Invalid(detail) => Failure::new(Reason::TokenInvalid, detail),
        }
    }
}

fn invalid(detail: impl Into<String>) -> JwtError {
    JwtError::Invalid(detail.into())
}

/// The claims of a token that mean something in a session, found in one pass over all claims: that is faster than a lookup of each
/// name, because most names differ in length.
#[derive(Default)]
struct Registered<'a> {
    iss: Option<&'a Value>,
    aud: Option<&'a Value>,
    exp: Option<&'a Value>,
    nbf: Option<&'a Value>,
    iat: Option<&'a Value>,
    sub: Option<&'a Value>,
    provider: Option<&'a Value>,
    provider_session: Option<&'a Value>,
    provider_subject: Option<&'a Value>,
    issued_at_provider: Option<&'a Value>,
    origin: Option<&'a Value>,
    /// Whether a claim is there that only tokens of other kinds have: ID tokens, logout tokens and tokens that are bound to a key.
    of_another_kind: bool,
}

impl<'a> Registered<'a> {
    fn of(claims: &'a Claims) -> Self {
        let mut registered = Self::default();
        for (name, value) in claims {
            match name.as_str() {
                "iss" => registered.iss = Some(value),
                "aud" => registered.aud = Some(value),
                "exp" => registered.exp = Some(value),
                "nbf" => registered.nbf = Some(value),
                "iat" => registered.iat = Some(value),
                "sub" => registered.sub = Some(value),
                PROVIDER_CLAIM => registered.provider = Some(value),
                PROVIDER_SESSION_CLAIM => registered.provider_session = Some(value),
                PROVIDER_SUBJECT_CLAIM => registered.provider_subject = Some(value),
                ISSUED_CLAIM => registered.issued_at_provider = Some(value),
                ORIGIN_CLAIM => registered.origin = Some(value),
                "cnf" | "events" | "nonce" | "at_hash" | "c_hash" | "s_hash" => registered.of_another_kind = true,
                _ => {}
            }
        }
        registered
    }
}

/// A time in whole seconds, if the claim is there.
fn time(claim: Option<&Value>, name: &str) -> Result<Option<Timestamp>, JwtError> {
    let time =
        |claim: &Value| claim.as_u64().map(Timestamp::from_seconds).ok_or_else(|| invalid(format!("{name} is not a time")));
    claim.map(time).transpose()
}

/// A claim that may be absent. If it is there, it must be a text that fits.
fn optional(claim: Option<&Value>, name: &str, fits: impl Fn(&str) -> bool, expected: &str) -> Result<Option<String>, JwtError> {
    match claim {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if fits(text) => Ok(Some(text.clone())),
        Some(_) => Err(invalid(format!("{name} is not {expected}"))),
    }
}

impl JwtSettings {
    /// When a session that begins now ends: in whole seconds, as `exp` is.
    pub fn end(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_seconds(now.seconds()).plus(self.lifetime)
    }

    /// Signs a session. The session's identifier is set to the token's, under which a sign-out is remembered. An e-mail address
    /// or phone number that is not verified is left out, because services may not look at the claim that says so. `assumed` are
    /// the claims that count as verified without a verdict.
    ///
    /// # Errors
    /// [`NotSigned`] if the key does not sign.
    pub fn write(&self, world: &mut dyn World, session: &mut Session, assumed: AssumedVerified) -> Result<String, NotSigned> {
        let key = self.keys.first().ok_or(NotSigned)?;
        let mut claims = Claims::new();
        let fit = |path: &&ClaimPath| is_verified(path.first(), &session.claims, assumed);
        self.claims.iter().filter(fit).for_each(|path| path.copy(&session.claims, &mut claims));
        let mut set = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
        set("sub", Value::from(session.subject.as_str()));
        set("iat", Value::from(session.created.seconds()));
        set("exp", Value::from(session.ends.seconds()));
        set(ORIGIN_CLAIM, Value::from(session.origin.as_str()));
        for (name, value) in [("iss", &self.issuer), ("aud", &self.audience)] {
            if let Some(value) = value {
                set(name, Value::from(value.as_str()));
            }
        }
        if self.providers.len() > 1 {
            set(PROVIDER_CLAIM, Value::from(session.provider.as_str()));
        }
        if let Some(sid) = &session.provider_session {
            set(PROVIDER_SESSION_CLAIM, Value::from(sid.as_str()));
        }
        if let Some(sub) = &session.provider_subject {
            set(PROVIDER_SUBJECT_CLAIM, Value::from(sub.as_str()));
        }
        if session.issued.seconds() != session.created.seconds() {
            set(ISSUED_CLAIM, Value::from(session.issued.seconds()));
        }
        let token = key.sign(world, TYP, &claims)?;
        session.id = self.id(&token);
        Ok(token)
    }

    /// Verifies a session: its signature and kind, `iss` and `aud`, its times, provider, origin and subjects (RFC 7519, sections
    /// 4.1 and 7.2; RFC 8725, section 3).
    ///
    /// # Errors
    /// See [`JwtError`]. Whether the session was signed out is not checked here.
    pub fn read(&self, world: &dyn World, token: &str, last: &mut LastHeader, now: Timestamp) -> Result<Session, JwtError> {
        let mut claims = self.verified(world, token, last)?;
        let registered = Registered::of(&claims);
        if registered.of_another_kind {
            return Err(invalid("its claims are those of another kind of token"));
        }
        self.check_issuer_and_audience(&registered)?;
        let expires = time(registered.exp, "exp")?.ok_or_else(|| invalid("exp is missing"))?;
        let issued = time(registered.iat, "iat")?;
        for (name, begin) in [("nbf", time(registered.nbf, "nbf")?), ("iat", issued)] {
            if begin.is_some_and(|begin| begin > now.plus(SKEW)) {
                return Err(invalid(format!("{name} is ahead of our clock")));
            }
        }
        // What has ended is remembered for `lifetime`: a session that lasted longer would begin to count again.
        let (begun, ends) = match issued {
            Some(issued) => (issued, expires.min(issued.plus(self.lifetime))),
            None if expires > now.plus(self.lifetime).plus(SKEW) => {
                return Err(invalid("it has no iat, and its exp is farther away than session.jwt.lifetime"));
            }
            None => (expires.minus(self.lifetime).minus(SKEW), expires),
        };
        let provider = self.provider(registered.provider)?;
        let origin = self.origin(registered.origin)?.to_owned();
        let plain = |text: &&str| !text.is_empty() && text.len() <= 255 && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let person = |text: &&str| plain(text) && !is_reserved(text);
        let subject = registered.sub.and_then(Value::as_str).filter(person).ok_or_else(|| {
            invalid("sub is missing, not a text of 1 to 255 printable characters, or begins with client: or username:")
        })?;
        let subject = subject.to_owned();
        let fits = |sid: &str| sid.len() <= 255;
        let provider_session =
            optional(registered.provider_session, PROVIDER_SESSION_CLAIM, fits, "a text of at most 255 bytes")?;
        let provider_subject = optional(
            registered.provider_subject,
            PROVIDER_SUBJECT_CLAIM,
            |subject| plain(&subject),
            "a text of 1 to 255 printable characters",
        )?;
        let issued_at_provider = time(registered.issued_at_provider, ISSUED_CLAIM)?;
        if now >= ends {
            return Err(JwtError::Expired(now.since(ends).as_secs()));
        }
        let mut kept = Claims::new();
        self.claims.iter().for_each(|path| path.take(&mut claims, &mut kept));
        for name in VERIFIABLE_CLAIMS.map(|(_, verdict)| verdict).into_iter().chain(["sub"]) {
            move_claim(name, &mut claims, &mut kept);
        }
        let new = NewSession {
            origin,
            provider,
            subject,
            provider_subject,
            provider_session,
            auth_time: None,
            issued: issued_at_provider,
            claims: kept,
            fingerprint: Fingerprint::default(),
            tokens: Tokens::default(),
            tokens_end: None,
        };
        Ok(Session::of(self.id(token), begun, ends, new))
    }

    /// Reads a session that shall be signed out. It must be signed by our keys; other checks may fail, because the session may
    /// count later, or under another configuration.
    ///
    /// # Errors
    /// See [`JwtError`].
    pub fn read_for_sign_out(
        &self,
        world: &dyn World,
        token: &str,
        last: &mut LastHeader,
        now: Timestamp,
    ) -> Result<Session, JwtError> {
        self.read(world, token, last, now).or_else(|error| match error {
            JwtError::Expired(_) => Err(error),
            JwtError::Invalid(_) => {
                let claims = self.verified(world, token, last)?;
                let number = |name: &str| claims.get(name).and_then(Value::as_u64).map(Timestamp::from_seconds);
                let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
                let ends = number("exp").ok_or(error)?;
                let new = NewSession { origin: text(ORIGIN_CLAIM), subject: text("sub"), ..NewSession::default() };
                Ok(Session::of(self.id(token), now, ends, new))
            }
        })
    }

    /// The identifier of a token: half of its MAC, or a digest of what is signed. (Other signatures than MACs do not identify a
    /// token, because they can be encoded in several ways, or made anew.)
    fn id(&self, token: &str) -> String {
        let (signed, signature) = token.rsplit_once('.').unwrap_or((token, ""));
        match signature.get(..MAC_NAME_LENGTH) {
            Some(half) if self.algorithm == Algorithm::HS256 => half.to_owned(),
            Some(_) | None => Fingerprint::of(["session jwt", signed]).as_str().to_owned(),
        }
    }

    fn verified(&self, world: &dyn World, token: &str, last: &mut LastHeader) -> Result<Claims, JwtError> {
        let verified = Unverified::read(token, last).and_then(|token| token.verify(world, &self.verifying, &[self.algorithm]));
        let verified = verified.map_err(|error| match error {
            JwsError::Malformed(_) | JwsError::AlgorithmNotAllowed { .. } | JwsError::AlgorithmNotForKey { .. } => {
                invalid(error.to_string())
            }
            _ => invalid("it is signed by none of session.jwt.keys"),
        })?;
        // A service that signs with the same key may leave `typ` out.
        match verified.typ {
            Some(typ) if !typ.eq_ignore_ascii_case(TYP) => Err(invalid("its typ says that it is no session")),
            Some(_) | None => Ok(verified.claims),
        }
    }

    /// Checks `iss` and `aud` (RFC 7519, sections 4.1.1 and 4.1.3). An `aud` is refused if none is configured.
    fn check_issuer_and_audience(&self, claims: &Registered<'_>) -> Result<(), JwtError> {
        if claims.iss.map(Value::as_str) != self.issuer.as_deref().map(Some) {
            return Err(invalid("its iss is not session.jwt.issuer"));
        }
        let fits = |audience: &Value| audience.as_str().is_some_and(|audience| self.audience.as_deref() == Some(audience));
        let ours = match (claims.aud, &self.audience) {
            (None, None) => true,
            (Some(Value::Array(audiences)), Some(_)) => audiences.iter().any(fits),
            (Some(audience), Some(_)) => fits(audience),
            (Some(_), None) | (None, Some(_)) => false,
        };
        if ours { Ok(()) } else { Err(invalid("its aud is not session.jwt.audience")) }
    }

    /// The origin where the session began, which must be one of ours. This stops sessions that another gateway with the same key
    /// made for itself, for example in another environment; it cannot stop one that lies.
    fn origin<'a>(&self, claim: Option<&'a Value>) -> Result<&'a str, JwtError> {
        let named = claim.and_then(Value::as_str);
        let ours = |named: &&str| self.origins.iter().any(|origin| origin.is_serialized_as(named));
        named.filter(ours).ok_or_else(|| {
            invalid("its origin is none of the configured origins: it was made by another gateway, or by an earlier build")
        })
    }

    /// The provider that proved the identity: the one that the token names, which must be configured; if it names none, the only
    /// one, or an empty text if none is configured. Another gateway with the same key may have other providers.
    fn provider(&self, claim: Option<&Value>) -> Result<String, JwtError> {
        let known = match (claim, self.providers.as_slice()) {
            (None, []) => Some(String::new()),
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
            (Some(named), several) => several.iter().find(|name| named == *name).cloned(),
        };
        known.ok_or_else(|| invalid("its idp names no configured provider"))
    }
}

#[cfg(test)]
mod tests;
