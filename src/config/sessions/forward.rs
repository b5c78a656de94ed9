//! The part `forward`: which tokens are sent to the upstream. How the identity JWT is signed,
//! [`crate::config::sessions::own_tokens`] knows.

use crate::config::reading::place::shape;
use crate::config::reading::refusal::Checked;
#[cfg(not(target_arch = "wasm32"))]
use crate::config::sessions::own_tokens;
use crate::config::sessions::own_tokens::OwnToken;
use crate::config::settings::Forward;

shape! {
    pub(crate) struct ForwardShape {
        /// sends the access token as `x-forwarded-access-token`
        /// Default: `false`
        pub(crate) access_token: bool = default,
        /// sends the ID token as `x-forwarded-id-token`
        /// Default: `false`
        pub(crate) id_token: bool = default,
        /// whether the application gets the cookie of a [session that is a JWT](#sessions-as-jwts). It gets only a valid one, and
        /// none with a request that another site may have caused
        /// Default: `false`
        pub(crate) session_cookie: bool = default,
        /// a signed token for an upstream that does not trust plain headers
        pub(crate) identity_jwt: Option<OwnToken> where own_tokens::as_identity_jwt(),
    }
}

/// The tokens that are sent to the upstream beside the identity JWT.
pub(crate) fn forward(shape: &ForwardShape) -> Checked<Forward> {
    Ok(Forward { access_token: shape.access_token?, id_token: shape.id_token?, session_cookie: shape.session_cookie? })
}
