//! Which tokens go upstream.

use crate::config::own_tokens::OwnToken;
use crate::config::reading::place::shape;
use crate::config::reading::refusal::Checked;
use crate::config::settings::Forward;

shape! {
    pub(super) struct ForwardShape {
        pub(super) access_token: bool = default,
        pub(super) id_token: bool = default,
        pub(super) session_cookie: bool = default,
        pub(super) identity_jwt: Option<OwnToken>,
    }
}

/// What goes upstream beside the identity JWT.
pub(super) fn forward(shape: &ForwardShape) -> Checked<Forward> {
    Ok(Forward { access_token: shape.access_token?, id_token: shape.id_token?, session_cookie: shape.session_cookie? })
}
