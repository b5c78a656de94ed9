//! The tokens that Accredit signs itself: sessions as JWTs (`session.jwt`) and identity JWTs for the upstream
//! (`forward.identity_jwt`), with their keys. Nothing is signed here.

use std::rc::Rc;
use std::time::Duration;

use serde_json::json;

use crate::access::upstream::believed::IDENTITY_JWT;
use crate::access::upstream::identity_jwt::{IdentityJwt, TYP as IDENTITY_TYP};
use crate::config::access::header_names::header_name;
#[cfg(not(target_arch = "wasm32"))]
use crate::config::described::{Kind, meaning, positive_spans, without, written};
use crate::config::reading::nearest::did_you_mean;
use crate::config::reading::place::shape;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::secrets::Secrets;
use crate::config::reading::spellings::{ClaimName, Span};
use crate::config::reading::values::{claim_path, each, is_written, positive};
use crate::crypto::key::{Algorithm, KeySet};
use crate::crypto::signing::SigningKey;
use crate::http::url::Origin;
use crate::session::jwt::{JwtSettings, RESERVED};
use crate::words::principal::ClaimPath;
use crate::words::secret::Secret;

const HOUR: Duration = Duration::from_secs(3_600);

/// The longest `session.jwt.lifetime`.
const LONGEST_SESSION: Duration = HOUR.saturating_mul(24 * 7);

/// The algorithms that can sign our own tokens.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256];

shape! {
    /// `session.jwt` or `forward.identity_jwt`. Some members mean something for one of them only.
    pub(crate) struct OwnToken {
        /// how the token is signed
        /// Default: `HS256`
        pub(crate) algorithm: Option<String> where words(ALGORITHMS.map(|algorithm| algorithm.as_str())),
        /// the first signs, all verify. HS256: a text of at least 32 bytes, used as written. RS256, ES256: a private key in PEM
        /// (PKCS#8), tested when the configuration is loaded (RSA: 2,048 to 4,096 bits); RS256 needs a host that signs, as Envoy does
        pub(crate) keys: Vec<Checked<Secret>> where list(Kind::Secret).at_least(1),
        /// further claims, in addition to `sub`, `iat`, `exp`, `origin` and, if they have a value, `idp`, `sid`, `idp_sub` and `idp_iat`.
        /// Everybody who has the token can read all of them
        /// Default: `[]`
        pub(crate) claims: Vec<Checked<ClaimName>> = default,
        /// written as `iss`, and required in tokens. Without it, a token that has an `iss` is refused. Set this and `audience`, with
        /// own values for each gateway
        pub(crate) issuer: Option<String> where named("text"),
        /// written as `aud`, and required in tokens. Without it, a token that has an `aud` is refused. Services must say which
        /// audience they expect; otherwise many libraries refuse a token with an `aud`
        pub(crate) audience: Option<String> where named("text"),
        /// `exp = iat + lifetime`. A JWT is never renewed
        /// Default: `60m`
        pub(crate) lifetime: Option<Span> where positive_spans(LONGEST_SESSION),
        /// whether the session is accepted in `Authorization: Bearer …` too
        /// Default: `false`
        pub(crate) bearer: bool = default,
        /// a header of this name from a client is removed
        /// Default: `x-forwarded-identity`
        pub(crate) header_name: Option<String> where header_names(),
        /// the token's `typ`: `identity+jwt`; `JWT`, for libraries that refuse every other (libjwt 1.10.2, cpp-jwt 1.4); or a name of
        /// your own of at most 48 small letters, digits, `-` and `.` before `+jwt`, such as `orders+jwt`, but not `at+jwt`,
        /// `logout+jwt`, `dpop+jwt` or `secevent+jwt`. With `JWT`, only the key and the audience distinguish it from other tokens:
        /// use the key for nothing else, and list it under no other gateway's `bearer` or `session.jwt`
        /// Default: `identity+jwt`
        pub(crate) typ: Option<String> as "type" where text("text", "^(JWT|[a-z0-9.-]{1,48}\\+jwt)$"),
    }
}

/// What may be written as `session.jwt`.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn as_session_jwt() -> Kind {
    Kind::with_fields("SessionJwt", || without(OwnToken::described_fields(), &["header_name", "type"]))
}

/// What may be written as `forward.identity_jwt`.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn as_identity_jwt() -> Kind {
    Kind::with_fields("IdentityJwt", || {
        let fields = without(OwnToken::described_fields(), &["audience", "bearer"]);
        let fields = meaning(fields, "keys", &["as for `session.jwt`; the keys must be different"]);
        let claims = ["the claims that the token has beside `iss`, `sub`, `aud`, `iat` and `exp`", "Default: `[]`"];
        let fields = meaning(fields, "claims", &claims);
        let fields = meaning(fields, "issuer", &["`iss`", "Default: the request's origin"]);
        let lifetime = ["the token expires earlier if the session ends earlier", "Default: `60s`"];
        written(meaning(fields, "lifetime", &lifetime), "lifetime", positive_spans(HOUR))
    })
}

/// What a session as JWT may say of where it began and whom it is for.
pub(crate) struct Audience<'a> {
    /// The names of the providers that people sign in at, and that of sign-in by password.
    pub(crate) names: Checked<Vec<String>>,
    /// The origins that are served.
    pub(crate) origins: &'a Checked<Vec<Origin>>,
}

/// Checks `session.jwt`, whose `claims` were checked before.
pub(crate) fn session_jwt(
    shape: OwnToken,
    claims: &Checked<Vec<ClaimPath>>,
    audience: Audience<'_>,
    secrets: &mut Secrets,
    refusals: &mut Refusals,
) -> Checked<JwtSettings> {
    let no_header = shape.header_name.and_then(|name| match name {
        Some(_) => {
            let sentence = "expected none, because sessions come in a cookie, found one; remove it";
            Err(refusals.refuse("session.jwt.header_name", sentence))
        }
        None => Ok(()),
    });
    let no_type = shape.typ.and_then(|typ| match typ {
        Some(_) => {
            let sentence = "expected none, because sessions always have the typ JWT, found one; remove it";
            Err(refusals.refuse("session.jwt.type", sentence))
        }
        None => Ok(()),
    });
    let algorithm = algorithm("session.jwt", shape.algorithm, refusals);
    let keys = keys("session.jwt", algorithm, shape.keys, secrets, refusals);
    let issuer = named("session.jwt.issuer", shape.issuer, refusals);
    let named_audience = named("session.jwt.audience", shape.audience, refusals);
    let lifetime = positive("session.jwt.lifetime", shape.lifetime, HOUR, LONGEST_SESSION, refusals);
    no_header?;
    no_type?;
    let keys = keys?;
    Ok(JwtSettings {
        verifying: KeySet::configured(keys.iter().map(|key| key.verification_key().clone()).collect()),
        keys,
        algorithm: algorithm?,
        claims: claims.clone()?,
        issuer: issuer?,
        audience: named_audience?,
        lifetime: in_whole_seconds(lifetime?),
        bearer: shape.bearer?,
        providers: audience.names?,
        origins: audience.origins.clone()?,
    })
}

/// Checks `forward.identity_jwt`.
pub(crate) fn identity_jwt(shape: OwnToken, secrets: &mut Secrets, refusals: &mut Refusals) -> Checked<IdentityJwt> {
    let path = "forward.identity_jwt";
    let at = |member: &str| format!("{path}.{member}");
    let for_nobody = match (shape.bearer, is_written(&shape.audience)) {
        (Ok(true), _) | (_, Ok(true)) => Err(refusals.refuse(
            path,
            "expected neither audience nor bearer, found one; an audience is a rule's, and nobody is let in by this token",
        )),
        (Err(refused), _) | (_, Err(refused)) => Err(refused),
        (Ok(false), Ok(false)) => Ok(()),
    };
    let header = shape.header_name.and_then(|name| match name {
        Some(name) => header_name(&at("header_name"), &name, refusals),
        None => Ok(IDENTITY_JWT.to_owned()),
    });
    let typ = shape.typ.and_then(|typ| identity_type(&at("type"), typ, refusals));
    let algorithm = algorithm(path, shape.algorithm, refusals);
    let keys = keys(path, algorithm, shape.keys, secrets, refusals);
    let issuer = named(&at("issuer"), shape.issuer, refusals);
    let lifetime = positive(&at("lifetime"), shape.lifetime, Duration::from_secs(60), HOUR, refusals);
    let claims = claims(&at("claims"), shape.claims, refusals);
    for_nobody?;
    Ok(IdentityJwt {
        keys: keys?,
        issuer: issuer?.map(Rc::from),
        lifetime: in_whole_seconds(lifetime?),
        claims: claims?,
        header: Rc::from(header?),
        typ: Rc::from(typ?),
    })
}

/// Checks the `typ` of identity JWTs: `JWT`, which says nothing about the kind of a token, or a kind of the operator's own. A name
/// that belongs to another kind of token would make it pass for one (RFC 8725, section 3.11).
fn identity_type(path: &str, typ: Option<String>, refusals: &mut Refusals) -> Checked<String> {
    const OF_OTHERS: [&str; 4] = ["at+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt"];
    let Some(typ) = typ else { return Ok(IDENTITY_TYP.to_owned()) };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let is_own = typ.strip_suffix("+jwt").is_some_and(|kind| (1..=48).contains(&kind.len()) && kind.bytes().all(plain));
    if typ == "JWT" || (is_own && !OF_OTHERS.contains(&typ.as_str())) {
        return Ok(typ);
    }
    let sentence = "expected JWT, or a name of your own of small letters, digits, - and . before +jwt, found another, or that of another kind of token (at+jwt, logout+jwt, dpop+jwt, secevent+jwt); write identity+jwt";
    Err(refusals.refuse(path, sentence))
}

/// The JWK set with the public halves of these keys, as JSON; `None` when all are shared secrets.
pub(crate) fn published<'a>(keys: impl Iterator<Item = &'a SigningKey>) -> Option<String> {
    let public: Vec<_> = keys.filter_map(SigningKey::jwk).collect();
    (!public.is_empty()).then(|| json!({ "keys": public }).to_string())
}

/// Checks the claims that a token has beside those that every JWT of its kind has.
pub(crate) fn claims(path: &str, names: Checked<Vec<Checked<ClaimName>>>, refusals: &mut Refusals) -> Checked<Vec<ClaimPath>> {
    each(names?, |index, name| {
        let path = format!("{path}[{index}]");
        let claim = claim_path(&path, name, refusals)?;
        if RESERVED.contains(&claim.first()) {
            return Err(refusals.refuse(
                path,
                "expected a claim about somebody, found one that tokens use for themselves; it is set where it belongs, remove it",
            ));
        }
        Ok(claim)
    })
}

fn algorithm(path: &str, name: Checked<Option<String>>, refusals: &mut Refusals) -> Checked<Algorithm> {
    let Some(name) = name? else { return Ok(Algorithm::HS256) };
    let known = ALGORITHMS.into_iter().find(|algorithm| algorithm.as_str() == name);
    known.ok_or_else(|| {
        let meant = did_you_mean(ALGORITHMS.iter().map(|algorithm| algorithm.as_str()), &name);
        let sentence =
            format!("expected one of HS256, RS256 and ES256, found another{meant}; write ES256 where others only verify");
        refusals.refuse(format!("{path}.algorithm"), sentence)
    })
}

fn keys(
    path: &str,
    wanted: Checked<Algorithm>,
    sources: Checked<Vec<Checked<Secret>>>,
    secrets: &mut Secrets,
    refusals: &mut Refusals,
) -> Checked<Vec<SigningKey>> {
    let sources = sources?;
    if sources.is_empty() {
        let sentence = "expected at least one key, found none; the first signs, all verify";
        return Err(refusals.refuse(format!("{path}.keys"), sentence));
    }
    each(sources, |index, text| {
        let path = format!("{path}.keys[{index}]");
        secrets.add(path.clone(), &text, refusals)?;
        let wanted = wanted?;
        let key = key(&text, wanted).map_err(|(what, remedy)| {
            let sentence = format!("expected a key for {wanted}, found one that cannot be used: {what}; {remedy}");
            refusals.refuse(path.clone(), sentence)
        })?;
        if let Some(key_id) = key.jwk().and_then(|jwk| jwk.get("kid")?.as_str()) {
            // The same key may stand in another spelling elsewhere; its thumbprint is the same.
            secrets.add(path, &Secret::new(key_id), refusals)?;
        }
        Ok(key)
    })
}

/// Reads a key for this algorithm.
///
/// # Errors
/// What it is instead, and what to do.
fn key(text: &Secret, wanted: Algorithm) -> Result<SigningKey, (&'static str, &'static str)> {
    let remedy = match wanted {
        Algorithm::RS256 => "make one with: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048",
        Algorithm::ES256 => "make one with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
        _ => "make one with: openssl rand -base64 48",
    };
    let key = match wanted.is_symmetric() {
        // In PEM stands a public key, which is no secret, or a private key for another algorithm.
        true if text.expose().starts_with("-----") => {
            return Err(("it is a key in PEM", "write algorithm: RS256 or ES256"));
        }
        true => SigningKey::shared_secret(text),
        false => SigningKey::from_pem(text),
    };
    let key = key.map_err(|why| (why.0, remedy))?;
    if key.algorithm() != wanted {
        return Err(("it is for another algorithm", remedy));
    }
    Ok(key)
}

fn named(path: &str, name: Checked<Option<String>>, refusals: &mut Refusals) -> Checked<Option<String>> {
    let name = name?;
    if name.as_ref().is_some_and(String::is_empty) {
        return Err(refusals.refuse(path, "expected a name, found an empty text; write one, or remove it"));
    }
    Ok(name)
}

/// The span without fractions of a second, which a token's `iat` and `exp` do not have.
const fn in_whole_seconds(span: Duration) -> Duration {
    Duration::from_secs(span.as_secs())
}

#[cfg(test)]
mod tests;
