//! Takes a bearer token for verified although nobody has looked at its signature: so a person can ask what would follow from it.
//! Its claims are judged as ever. Only the command line uses it, and it is not in the module: the filter has no way to get here.

use std::rc::Rc;

use crate::authenticate::scene::Scene;
use crate::authenticate::verified::{Credential, Verified};
use crate::oidc::bearer::access_token::{self, AccessTokenError};
use crate::words::principal::Claims;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::LentSecret;
use crate::words::time::Timestamp;

/// What a token says.
#[derive(Clone, Debug)]
pub struct Vouched {
    /// The `typ` of its header.
    pub typ: Option<String>,
    /// The `alg` of its header.
    pub algorithm: String,
    /// Its claims.
    pub claims: Claims,
}

/// Remembers a token as this provider's: as verified, or as refused for what it says. Nothing is remembered of a provider that is
/// unknown, or whose tokens are not accepted.
pub fn remember(scene: &mut Scene<'_>, provider: &str, token: LentSecret<'_>, says: Vouched) {
    let settings = scene.settings;
    let Some(provider) = settings.provider(provider) else { return };
    let Some(accepted) = &provider.oidc.bearer else { return };
    let now = scene.world.now();
    let allowed = accepted.algorithms.iter().any(|allowed| allowed.as_str() == says.algorithm);
    let judged = match allowed {
        false => {
            let detail = ["alg ", &says.algorithm, " is not allowed"].concat();
            Err(Failure::new(Reason::TokenInvalid, detail))
        }
        true => access_token::judge(&provider.oidc, accepted, says.typ.as_deref(), says.claims, now).map_err(failure),
    };
    let name = scene.recall.name(token.expose().as_bytes());
    match judged {
        Ok(access_token) => {
            // It is remembered as one that its provider has confirmed, so that no keys are asked for.
            let verified = Rc::new(Verified::by_access_token(settings, provider, access_token, Credential::OpaqueToken));
            scene.recall.remember_token(name, token.len(), &verified, Timestamp::from_millis(u64::MAX));
        }
        Err(failure) => {
            let bytes = failure.detail.len();
            scene.recall.refused.remember(name, Rc::new(failure), bytes, Timestamp::from_millis(u64::MAX));
        }
    }
}

fn failure(error: AccessTokenError) -> Failure {
    match error {
        AccessTokenError::KeyUnknown(failure)
        | AccessTokenError::SignatureInvalid(failure)
        | AccessTokenError::Refused(failure) => failure,
    }
}
