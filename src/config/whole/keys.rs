//! All keys of a configuration, side by side, because none may serve two purposes: those that seal sessions, that sign sessions
//! and identity JWTs, and the secrets of providers. Nothing is sealed or signed here.

use crate::access::upstream::identity_jwt::IdentityJwt;
use crate::config::providers::check_shared_secrets;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::secrets::Secrets;
use crate::config::reading::values::both;
use crate::config::sessions::forward::ForwardShape;
use crate::config::sessions::keys::keys;
use crate::config::sessions::own_tokens::{Audience, OwnToken, claims, identity_jwt, published, session_jwt};
use crate::config::sessions::session::SessionShape;
use crate::config::settings::PASSWORD;
use crate::config::whole::ground::Ground;
use crate::crypto::seal::Sealer;
use crate::session::jwt::JwtSettings;
use crate::words::principal::ClaimPath;

/// What the keys make possible, whether good or refused.
pub(super) struct Keys {
    pub(super) sealer: Checked<Sealer>,
    /// How sessions are signed; `None` where they are sealed.
    pub(super) session_jwt: Checked<Option<JwtSettings>>,
    /// The claims that signed sessions have; `None` where sessions are sealed.
    pub(super) session_claims: Checked<Option<Vec<ClaimPath>>>,
    pub(super) identity_jwt: Checked<Option<IdentityJwt>>,
    /// The JWK set to publish, as JSON; `None` where all keys are shared secrets.
    pub(super) published: Checked<Option<String>>,
    /// All secrets that were seen so far.
    pub(super) secrets: Secrets,
}

impl Keys {
    /// Checks all keys. Takes `session.keys`, `session.jwt` and `forward.identity_jwt` out of their parts.
    pub(super) fn new(
        session: &mut Checked<SessionShape>,
        forward: &mut Checked<ForwardShape>,
        ground: &Ground,
        refusals: &mut Refusals,
    ) -> Self {
        let (written, jwt) = match session {
            Ok(session) => (taken(&mut session.keys), taken(&mut session.jwt)),
            Err(refused) => (Err(*refused), Err(*refused)),
        };
        let identity = match forward {
            Ok(forward) => taken(&mut forward.identity_jwt),
            Err(refused) => Err(*refused),
        };
        let providers = &ground.providers;
        let may_be_none = both(ground.has_providers().map(|has| !has), ground.tokens.jwt);
        let (sealing, sealer) = keys(written, may_be_none, providers, refusals);
        // A refusal here refuses the configuration by way of the sealer.
        let shared = check_shared_secrets(providers, &sealing, refusals);
        let mut secrets = Secrets::default();
        for (index, key) in sealing.iter().enumerate() {
            secrets.allow(format!("session.keys[{index}]"), key);
        }
        for (index, listed) in providers.readable() {
            for (member, secret) in listed.secrets() {
                secrets.allow(format!("providers[{index}].{member}"), secret);
            }
        }
        let (session_claims, session_jwt) = of_sessions(jwt, ground, &mut secrets, refusals);
        let identity_jwt = identity.and_then(|shape| shape.map(|shape| identity_jwt(shape, &mut secrets, refusals)).transpose());
        let public = match (&session_jwt, &identity_jwt) {
            (Ok(session), Ok(identity)) => {
                Ok(published(session.iter().flat_map(|jwt| &jwt.keys).chain(identity.iter().flat_map(|identity| &identity.keys))))
            }
            (Err(refused), _) | (_, Err(refused)) => Err(*refused),
        };
        let sealer = shared.and(sealer);
        Self { sealer, session_jwt, session_claims, identity_jwt, published: public, secrets }
    }
}

/// The claims of sessions as JWTs, and how these are signed; `None` where sessions are sealed.
fn of_sessions(
    jwt: Checked<Option<OwnToken>>,
    ground: &Ground,
    secrets: &mut Secrets,
    refusals: &mut Refusals,
) -> (Checked<Option<Vec<ClaimPath>>>, Checked<Option<JwtSettings>>) {
    let mut shape = match jwt {
        Ok(Some(shape)) => shape,
        Ok(None) => return (Ok(None), Ok(None)),
        Err(refused) => return (Err(refused), Err(refused)),
    };
    let names = || {
        let by_password = ground.by_password?.then(|| PASSWORD.to_owned());
        Ok(ground.providers.names(|listed| listed.signs_in)?.into_iter().chain(by_password).collect())
    };
    let claims = claims("session.jwt.claims", taken(&mut shape.claims), refusals);
    let audience = Audience { names: names(), origins: &ground.origins };
    let settings = session_jwt(shape, &claims, audience, secrets, refusals);
    (claims.map(Some), settings.map(Some))
}

/// Takes a member out of its part, and leaves the default of its type there.
fn taken<T: Default>(member: &mut Checked<T>) -> Checked<T> {
    std::mem::replace(member, Ok(T::default()))
}
