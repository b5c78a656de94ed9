//! The cookie of a session: its name, and which sites may send it along.

use crate::config::reading::place::{shape, words};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::http::cookie::SameSite;
use crate::session::cookie::{CookieSettings, Shape};

shape! {
    pub(crate) struct CookieShape {
        name: Option<String>,
        same_site: Option<SameSiteWord>,
    }
}

words! {
    /// The attribute's values.
    #[derive(Clone, Copy)]
    pub(super) enum SameSiteWord {
        Lax = "lax",
        None = "none",
    }
}

/// The cookie of sessions that stand in it in this form.
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
        // A front end on another site gets no Lax cookie sent with its calls.
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
        // Others read a JWT, and have their own name for its cookie.
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
