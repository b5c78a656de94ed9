//! A sign-in in a window that a page opened: which page is told how it ended, and in which words.

use serde_json::Value;

use crate::accounts::template::Gap;
use crate::config::Refusal;
use crate::config::origins::origin;
use crate::config::password::delivery;
use crate::config::place::shape;
use crate::config::settings::Popup;
use crate::session::jwt::JwtSettings;
use crate::words::url::Origin;

shape! {
    /// As an operator writes it.
    #[derive(Debug, Default)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct PopupShape {
        pub origin: Option<String>,
        pub url_member: Option<String>,
        pub answer: Option<Value>,
        pub cookie: Option<bool>,
    }
}

/// What holds for popups, where the endpoint is there that begins them. `looks_up` is whether the user service is asked about
/// whom a provider vouches for.
pub(super) fn popup(
    shape: Option<PopupShape>,
    has_endpoint: bool,
    listed: &[Origin],
    jwt: Option<&JwtSettings>,
    looks_up: bool,
) -> Result<Option<Popup>, Refusal> {
    if !has_endpoint {
        return match shape {
            None => Ok(None),
            Some(_) => Err(Refusal::new(
                "endpoints.popup",
                "expected a path, because popup is of no use alone, found none; write /api/popup, or remove popup",
            )),
        };
    }
    let shape = shape.unwrap_or_default();
    let url_member = shape.url_member.unwrap_or_else(|| "authorize_url".to_owned());
    if url_member.is_empty() {
        return Err(Refusal::new("popup.url_member", "expected a name, found an empty text; write authorize_url"));
    }
    let told = shape.origin.map(|text| origin("popup.origin", &text)).transpose()?;
    if told.as_ref().is_some_and(|told| !listed.contains(told)) {
        return Err(Refusal::new("popup.origin", "expected one of the origins or trusted_origins, found another; list it there"));
    }
    let offered: fn(&Gap) -> bool = match looks_up {
        true => |gap| matches!(gap, Gap::Token | Gap::ExpiresIn | Gap::User(_) | Gap::Claim(..)),
        false => |gap| matches!(gap, Gap::Token | Gap::ExpiresIn | Gap::Claim(..)),
    };
    let delivery = delivery("popup", shape.answer.as_ref(), shape.cookie, jwt, offered)?;
    Ok(Some(Popup { origin: told, url_member, delivery }))
}

#[cfg(test)]
mod tests;
