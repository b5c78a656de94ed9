//! A sign-in in a window that a page opened: which page is told how it ended, and in which words.

use crate::config::Refusal;
use crate::config::check::origin;
use crate::config::place::shape;
use crate::words::url::Origin;

shape! {
    /// As an operator writes it.
    #[derive(Debug)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct PopupShape {
        pub origin: Option<String>,
        pub url_member: Option<String>,
    }
}

/// How a sign-in in a popup begins and ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Popup {
    /// The origin of the only page that is told; otherwise that of the gateway that was asked.
    pub origin: Option<Origin>,
    /// The member that the provider's address is told in.
    pub url_member: String,
}

/// What holds for popups, where the endpoint is there that begins them.
pub(super) fn popup(shape: Option<PopupShape>, has_endpoint: bool, listed: &[Origin]) -> Result<Option<Popup>, Refusal> {
    if !has_endpoint {
        return match shape {
            None => Ok(None),
            Some(_) => Err(Refusal::new(
                "endpoints.popup",
                "expected a path, because popup is of no use alone, found none; write /api/popup, or remove popup",
            )),
        };
    }
    let (text, member) = shape.map_or((None, None), |shape| (shape.origin, shape.url_member));
    let url_member = member.unwrap_or_else(|| "authorize_url".to_owned());
    let told = text.map(|text| origin("popup.origin", &text)).transpose()?;
    if told.as_ref().is_some_and(|told| !listed.contains(told)) {
        return Err(Refusal::new("popup.origin", "expected one of the origins or trusted_origins, found another; list it there"));
    }
    Ok(Some(Popup { origin: told, url_member }))
}
