//! Tokens of our own as written → how they are signed: sessions as JWTs, identity JWTs for the upstream, the keys that verify
//! both. One key serves one purpose: reuse is refused.

use std::rc::Rc;
use std::time::Duration;

use serde_json::json;

use crate::access::believed::IDENTITY_JWT;
use crate::access::identity_jwt::IdentityJwt;
use crate::config::Refusal;
use crate::config::conditions::claim_path;
use crate::config::identity::header_name;
use crate::config::place::shape;
use crate::config::settings::Forward;
use crate::config::shapes::SessionForm;
use crate::config::spellings::{ClaimName, Span};
use crate::config::values::positive;
use crate::crypto::key::{Algorithm, KeySet};
use crate::crypto::signing::SigningKey;
use crate::oidc::client::ClientAuthentication;
use crate::oidc::provider::Provider;
use crate::session::Form;
use crate::session::jwt::{JwtSettings, RESERVED};
use crate::words::principal::ClaimPath;
use crate::words::secret::Secret;
use crate::words::url::Origin;

const HOUR: Duration = Duration::from_secs(3_600);

/// The algorithms that tokens of ours are signed with.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256];

shape! {
    /// A token of ours; not every field is for each.
    #[derive(Debug)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct OwnToken {
        pub algorithm: Option<String>,
        pub keys: Vec<Secret>,
        pub claims: Vec<ClaimName> = default,
        pub issuer: Option<String>,
        pub audience: Option<String>,
        pub lifetime: Option<Span>,
        pub bearer: bool = default,
        pub header_name: Option<String>,
    }
}

/// Secrets of a configuration, by their paths. Each is to be there once.
#[derive(Default)]
pub(super) struct Secrets(Vec<(String, Secret)>);

impl Secrets {
    /// Those that keys of our own must differ from; `shared` are those for tokens of providers.
    pub(super) fn of(keys: &[Secret], providers: &[Provider], shared: Vec<(String, Secret)>) -> Result<Self, Refusal> {
        let mut secrets = Self::default();
        for (index, key) in keys.iter().enumerate() {
            secrets.add(format!("session.keys[{index}]"), key)?;
        }
        for (index, provider) in providers.iter().enumerate() {
            if let ClientAuthentication::SecretBasic(secret) | ClientAuthentication::SecretPost(secret) = &provider.authentication
            {
                // Two clients of one provider can have the same secret.
                secrets.0.push((format!("providers[{index}].client_secret"), secret.clone()));
            }
        }
        secrets.0.extend(shared);
        Ok(secrets)
    }

    /// Takes one in.
    pub(super) fn add(&mut self, path: String, secret: &Secret) -> Result<(), Refusal> {
        if let Some((other, _)) = self.0.iter().find(|(_, other)| other == secret) {
            let sentence = format!("expected a key of its own, found that of {other}; make one with: openssl rand -base64 48");
            return Err(Refusal::new(path, sentence));
        }
        self.0.push((path, secret.clone()));
        Ok(())
    }
}

/// Sessions as JWTs.
pub(super) fn session_jwt(
    shape: OwnToken,
    providers: Vec<String>,
    origins: &[Origin],
    secrets: &mut Secrets,
) -> Result<JwtSettings, Refusal> {
    if shape.header_name.is_some() {
        return Err(Refusal::new(
            "session.jwt.header_name",
            "expected none, because sessions come in a cookie, found one; remove it",
        ));
    }
    let algorithm = algorithm("session.jwt.algorithm", shape.algorithm)?;
    let keys = keys("session.jwt", algorithm, shape.keys, secrets)?;
    Ok(JwtSettings {
        verifying: KeySet::configured(keys.iter().map(|key| key.verification_key().clone()).collect()),
        keys,
        algorithm,
        claims: claims("session.jwt.claims", &shape.claims)?,
        issuer: named("session.jwt.issuer", shape.issuer)?,
        audience: named("session.jwt.audience", shape.audience)?,
        lifetime: whole(positive("session.jwt.lifetime", shape.lifetime, HOUR, HOUR.saturating_mul(24 * 7))?),
        bearer: shape.bearer,
        providers,
        origins: origins.to_vec(),
    })
}

/// The token for the upstream.
pub(super) fn identity_jwt(shape: OwnToken, secrets: &mut Secrets) -> Result<IdentityJwt, Refusal> {
    let at = |member: &str| format!("forward.identity_jwt.{member}");
    if shape.bearer || shape.audience.is_some() {
        return Err(Refusal::new(
            "forward.identity_jwt",
            "expected neither audience nor bearer, found one; an audience is a rule's, and nobody is let in by this token",
        ));
    }
    let header = shape.header_name.map_or_else(|| Ok(IDENTITY_JWT.to_owned()), |name| header_name(&at("header_name"), &name))?;
    Ok(IdentityJwt {
        keys: keys("forward.identity_jwt", algorithm(&at("algorithm"), shape.algorithm)?, shape.keys, secrets)?,
        issuer: named(&at("issuer"), shape.issuer)?.map(Rc::from),
        lifetime: whole(positive(&at("lifetime"), shape.lifetime, Duration::from_secs(60), HOUR)?),
        claims: claims(&at("claims"), &shape.claims)?,
        header: Rc::from(header),
    })
}

/// The JWK set of everything that is public about these keys; empty of keys when all are shared secrets.
pub(super) fn published<'a>(keys: impl Iterator<Item = &'a SigningKey>) -> Option<String> {
    let public: Vec<_> = keys.filter_map(SigningKey::jwk).collect();
    (!public.is_empty()).then(|| json!({ "keys": public }).to_string())
}

/// What a session is: sealed, or a token of which everything must make sense.
pub(super) fn form(shape: SessionForm, jwt: Option<JwtSettings>, forward: Forward, named: &[ClaimPath]) -> Result<Form, Refusal> {
    let refused = |path: &str, sentence: &str| Err(Refusal::new(path, sentence));
    match (shape, jwt) {
        (SessionForm::Sealed, Some(_)) => {
            refused("session.form", "expected jwt, because session.jwt is there, found sealed; write form: jwt")
        }
        (SessionForm::Sealed, None) if forward.session_cookie => refused(
            "forward.session_cookie",
            "expected a session that others can read, found a sealed one; write session.form: jwt, or remove it",
        ),
        (SessionForm::Sealed, None) => Ok(Form::Sealed),
        (SessionForm::Jwt, None) => {
            refused("session.jwt", "expected how sessions are signed, found nothing; write jwt: {keys: […]}")
        }
        (SessionForm::Jwt, Some(_)) if forward.access_token || forward.id_token => refused(
            "forward",
            "expected no tokens of the provider, because whoever holds a JWT can read it, found one; remove it, or write session.form: sealed",
        ),
        (SessionForm::Jwt, Some(jwt)) => {
            check_claims(&jwt, named)?;
            Ok(Form::Jwt(Box::new(jwt)))
        }
    }
}

/// Refuses rules and headers that look for claims which a session as JWT does not have.
fn check_claims(jwt: &JwtSettings, named: &[ClaimPath]) -> Result<(), Refusal> {
    let has = |path: &&ClaimPath| path.first() == "sub" || jwt.claims.iter().any(|claim| claim.covers(path));
    let missing: Vec<_> = named.iter().filter(|path| !has(path)).map(ToString::to_string).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(", ");
    Err(Refusal::new(
        "session.jwt.claims",
        format!(
            "expected every claim that rules and headers name, found no {missing}; add it here, where whoever holds the session can read it, or name it nowhere"
        ),
    ))
}

fn algorithm(path: &str, name: Option<String>) -> Result<Algorithm, Refusal> {
    let Some(name) = name else { return Ok(Algorithm::HS256) };
    let known = ALGORITHMS.into_iter().find(|algorithm| algorithm.as_str() == name);
    known.ok_or_else(|| {
        Refusal::new(path, "expected one of HS256, RS256 and ES256, found another; write ES256 where others only verify")
    })
}

fn keys(path: &str, wanted: Algorithm, sources: Vec<Secret>, secrets: &mut Secrets) -> Result<Vec<SigningKey>, Refusal> {
    if sources.is_empty() {
        return Err(Refusal::new(format!("{path}.keys"), "expected at least one key, found none; the first signs, all verify"));
    }
    let each = sources.into_iter().enumerate().map(|(index, text)| {
        let path = format!("{path}.keys[{index}]");
        secrets.add(path.clone(), &text)?;
        let unusable = |what: &str, remedy: &str| {
            Refusal::new(path.clone(), format!("expected a key for {wanted}, found one that cannot be used: {what}; {remedy}"))
        };
        let remedy = match wanted {
            Algorithm::RS256 => "make one with: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048",
            Algorithm::ES256 => "make one with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
            _ => "make one with: openssl rand -base64 48",
        };
        let key = match wanted.is_symmetric() {
            // A public key is no secret, and a private one is for another algorithm.
            true if text.expose().starts_with("-----") => {
                return Err(unusable("it is a key in PEM", "write algorithm: RS256 or ES256"));
            }
            true => SigningKey::shared_secret(&text),
            false => SigningKey::from_pem(&text),
        };
        let key = key.map_err(|why| unusable(why.0, remedy))?;
        if key.algorithm() != wanted {
            return Err(unusable("it is for another algorithm", remedy));
        }
        if let Some(key_id) = key.jwk().and_then(|jwk| jwk.get("kid")?.as_str()) {
            // The same key in another spelling.
            secrets.add(path, &Secret::new(key_id))?;
        }
        Ok(key)
    });
    each.collect()
}

fn claims(path: &str, names: &[ClaimName]) -> Result<Vec<ClaimPath>, Refusal> {
    let each = names.iter().enumerate().map(|(index, name)| {
        let path = format!("{path}[{index}]");
        let claim = claim_path(&path, name)?;
        if RESERVED.contains(&claim.first()) {
            return Err(Refusal::new(
                path,
                "expected a claim about somebody, found one that tokens use for themselves; it is set where it belongs, remove it",
            ));
        }
        Ok(claim)
    });
    each.collect()
}

fn named(path: &str, name: Option<String>) -> Result<Option<String>, Refusal> {
    if name.as_ref().is_some_and(String::is_empty) {
        return Err(Refusal::new(path, "expected a name, found an empty text; write one, or remove it"));
    }
    Ok(name)
}

/// Tokens count in whole seconds.
const fn whole(span: Duration) -> Duration {
    Duration::from_secs(span.as_secs())
}

#[cfg(test)]
mod tests;
