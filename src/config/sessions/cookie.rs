//! The part `session.cookie`: the cookie's name, and whether requests that other sites cause have it. What stands in it is not
//! known here.

use crate::config::reading::place::{shape, words};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::http::cookie::SameSite;
use crate::session::cookie::{CookieSettings, Shape};

shape! {
    pub(crate) struct CookieShape {
        /// `__Host-`, then letters, digits, `-`, `_`; at most 64 characters
        /// Default: `__Host-accredit`
        name: Option<String> where text("text", "^[A-Za-z0-9_-]{1,64}$"),
        /// whether requests that other sites cause have the cookie
        /// Default: `lax`; `none` with `trusted_origins`
        same_site: Option<SameSiteWord>,
    }
}

words! {
    /// The values of the attribute `SameSite`.
    #[derive(Clone, Copy)]
    pub(super) enum SameSiteWord {
        Lax = "lax",
        None = "none",
    }
}

/// Checks the cookie, whose content has this `form`.
pub(crate) fn cookie(
    shape: Checked<CookieShape>,
    form: Checked<Shape>,
    has_trusted_origins: Checked<bool>,
    refusals: &mut Refusals,
) -> Checked<CookieSettings> {
    let shape = shape?;
    let name = name(shape.name?, form, refusals);
    let same_site = match shape.same_site? {
        Some(SameSiteWord::Lax) => SameSite::Lax,
        Some(SameSiteWord::None) => SameSite::None,
        // Browsers send no Lax cookie with the calls of a front end on another site.
        None if has_trusted_origins? => SameSite::None,
        None => SameSite::Lax,
    };
    Ok(CookieSettings::new(name?, same_site, form?))
}

fn name(written: Option<String>, form: Checked<Shape>, refusals: &mut Refusals) -> Checked<String> {
    let name = written.unwrap_or_else(|| "__Host-accredit".to_owned());
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let bare = match name.strip_prefix("__Host-") {
        Some(bare) => bare,
        // The cookie of a JWT may have any name, because others read it by theirs.
        None if form != Ok(Shape::Split) => &name,
        None => "",
    };
    if bare.is_empty() || !plain || name.len() > 64 {
        return Err(refusals.refuse(
            "session.cookie.name",
            "expected __Host- and then letters, digits, - and _, found another name; without __Host- a sibling domain could set the cookie too",
        ));
    }
    Ok(name)
}
