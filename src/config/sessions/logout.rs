//! The part `logout`: whether the provider's session ends too, and where the browser is sent afterwards. How a session ends is
//! not known here.

use crate::config::reading::place::shape;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::settings::SignOut;
use crate::http::return_to::ReturnTo;
use crate::http::url::Origin;

shape! {
    pub(crate) struct LogoutShape {
        /// end the provider's session too, if it has an `end_session_endpoint`
        /// Default: `false`
        provider: bool = default,
        /// where a person is sent after sign-out; on `origins` or `trusted_origins`. Register it at the provider
        /// Default: `/`
        post_logout_redirect_uri: Option<String> where text("path or address", "^(/|[Hh][Tt][Tt][Pp])"),
    }
}

/// Checks what happens at sign-out. The browser may be sent to one of the `listed_origins`.
pub(crate) fn logout(
    shape: Checked<LogoutShape>,
    listed_origins: &Checked<Vec<Origin>>,
    refusals: &mut Refusals,
) -> Checked<SignOut> {
    let shape = shape?;
    let return_to = match shape.post_logout_redirect_uri? {
        None => ReturnTo::front_page(),
        Some(text) => {
            let listed_origins = listed_origins.as_ref().map_err(|refused| *refused)?;
            ReturnTo::parse(&text, listed_origins).map_err(|_| {
                let sentence =
                    "expected a path, or an address on one of the origins or trusted_origins, found another; write /goodbye";
                refusals.refuse("logout.post_logout_redirect_uri", sentence)
            })?
        }
    };
    Ok(SignOut { at_provider: shape.provider?, return_to })
}
