//! The part `forward`: which tokens are sent to the upstream. How the identity JWT is signed,
//! [`crate::config::sessions::own_tokens`] knows.

use crate::config::reading::place::shape;
use crate::config::reading::refusal::Checked;
use crate::config::sessions::own_tokens::OwnToken;
use crate::config::settings::Forward;

shape! {
    pub(crate) struct ForwardShape {
        pub(crate) access_token: bool = default,
        pub(crate) id_token: bool = default,
        pub(crate) session_cookie: bool = default,
        pub(crate) identity_jwt: Option<OwnToken>,
    }
}

/// The tokens that are sent to the upstream beside the identity JWT.
pub(crate) fn forward(shape: &ForwardShape) -> Checked<Forward> {
    Ok(Forward { access_token: shape.access_token?, id_token: shape.id_token?, session_cookie: shape.session_cookie? })
}
