//! The part `popup`: which page is told how a sign-in ended in the window that it opened, and what it is told. How somebody signs
//! in there is not known here.

use serde_json::Value;

use crate::accounts::template::Gap;
use crate::config::reading::place::shape;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::values::origin;
use crate::config::settings::Popup;
use crate::config::signing_in::delivery::{Tokens, delivery};
use crate::http::url::Origin;

shape! {
    pub(crate) struct PopupShape {
        /// the only origin that gets the message: one of the `origins` or `trusted_origins`
        /// Default: the gateway's own origin, as in the request
        origin: Option<String> where origins(),
        /// the name of the member with the provider's address
        /// Default: `authorize_url`
        url_member: Option<String> where named("text"),
        /// what is posted: JSON whose texts may have the gaps `{token}`, `{expires_in}`, `{claims.NAME}` and, with `accounts.find`,
        /// `{user.NAME}`
        /// Default: `{"access_token": "{token}", "token_type": "Bearer", "expires_in": "{expires_in}"}` with `session.jwt.bearer`, else `{"authenticated": true}`
        answer: Option<Value>,
        /// whether the session is also set as a cookie
        /// Default: true unless the answer has `{token}`
        cookie: Option<bool>,
    }
}

impl PopupShape {
    /// The part where it is not written, and only its endpoint is.
    const UNWRITTEN: Self = Self { origin: Ok(None), url_member: Ok(None), answer: Ok(None), cookie: Ok(None) };
}

/// What popups depend on beside their own part.
pub(crate) struct Context<'a> {
    /// Whether `endpoints.popup` is written.
    pub(crate) endpoint: Checked<bool>,
    /// `origins` and `trusted_origins`.
    pub(crate) listed_origins: &'a Checked<Vec<Origin>>,
    pub(crate) tokens: Tokens,
    /// Whether people who signed in at a provider are looked up at the user service.
    pub(crate) looks_up: Checked<bool>,
}

/// Checks sign-in in a popup, if its endpoint is written.
pub(crate) fn popup(
    shape: Checked<Option<PopupShape>>,
    context: &Context<'_>,
    refusals: &mut Refusals,
) -> Checked<Option<Popup>> {
    let shape = match (shape?, context.endpoint?) {
        (None, false) => return Ok(None),
        (Some(_), false) => {
            let sentence = "expected a path, because popup is of no use alone, found none; write /api/popup, or remove popup";
            return Err(refusals.refuse("endpoints.popup", sentence));
        }
        (shape, true) => shape.unwrap_or(PopupShape::UNWRITTEN),
    };
    let url_member = shape.url_member.and_then(|name| url_member(name, refusals));
    let told = shape.origin.and_then(|text| text.map(|text| told(&text, context.listed_origins, refusals)).transpose());
    let offered: fn(&Gap) -> bool = match context.looks_up? {
        true => |gap| matches!(gap, Gap::Token | Gap::ExpiresIn | Gap::User(_) | Gap::Claim(..)),
        false => |gap| matches!(gap, Gap::Token | Gap::ExpiresIn | Gap::Claim(..)),
    };
    let delivery = delivery("popup", shape.answer, shape.cookie, context.tokens, offered, refusals);
    Ok(Some(Popup { origin: told?, url_member: url_member?, delivery: delivery? }))
}

fn url_member(name: Option<String>, refusals: &mut Refusals) -> Checked<String> {
    let name = name.unwrap_or_else(|| "authorize_url".to_owned());
    if name.is_empty() {
        let sentence = "expected a name, found an empty text; write authorize_url";
        return Err(refusals.refuse("popup.url_member", sentence));
    }
    Ok(name)
}

/// Checks `popup.origin`, the origin of the only page that is told.
fn told(text: &str, listed_origins: &Checked<Vec<Origin>>, refusals: &mut Refusals) -> Checked<Origin> {
    let told = origin("popup.origin", text, refusals)?;
    if listed_origins.as_ref().is_ok_and(|listed_origins| !listed_origins.contains(&told)) {
        let sentence = "expected one of the origins or trusted_origins, found another; list it there";
        return Err(refusals.refuse("popup.origin", sentence));
    }
    Ok(told)
}

#[cfg(test)]
mod tests;
