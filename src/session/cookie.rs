//! The cookies of a session: their names, splitting a large one, putting it together again, deleting it.
//! What is in them is sealed text here.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::http::cookie::{Attributes, SameSite, delete, pairs, set, set_on_loopback};
use crate::http::message::Headers;
use crate::http::url::Origin;
use crate::words::time::Timestamp;

/// A session is split over at most this many cookies. More than that is refused at sign-in, and not read.
pub const MOST_COOKIES: usize = 8;

/// Their number is one digit in front of the first.
const _: () = assert!(MOST_COOKIES < 10);

/// Browsers take 4,096 bytes of name and value; this leaves room for the name.
const LARGEST_VALUE: usize = 3_800;

/// So long may the sealed text of a session be, in bytes.
pub const LARGEST: usize = MOST_COOKIES * LARGEST_VALUE;

/// The cookies' names and attributes.
#[derive(Clone, Debug)]
pub struct CookieSettings {
    /// The first cookie's name; further ones begin with it.
    pub name: String,
    /// What the names of sign-ins' cookies begin with: always `__Host-`, so that no other site can plant one.
    pub attempt_prefix: String,
    /// `SameSite` of the session's cookies.
    pub same_site: SameSite,
    /// The name of the cookie that keeps the ID token for sign-out. It has a path of its own, so it cannot be `__Host-`.
    pub hint_name: String,
    /// Whether a session may be split.
    pub shape: Shape,
}

/// How a session stands in cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Over as many as it takes, up to [`MOST_COOKIES`].
    Split,
    /// In one, as others want to read it.
    Whole,
}

impl CookieSettings {
    /// Settings for cookies of this name.
    pub fn new(name: String, same_site: SameSite, shape: Shape) -> Self {
        let bare = name.strip_prefix("__Host-").unwrap_or(&name);
        let (attempt_prefix, hint_name) = (format!("__Host-{bare}-attempt-"), format!("__Secure-{bare}-hint"));
        Self { name, attempt_prefix, same_site, hint_name, shape }
    }

    /// Whether a cookie of this name is one of ours, so that it does not go upstream.
    pub fn is_ours(&self, name: &[u8]) -> bool {
        match name.strip_prefix(self.name.as_bytes()) {
            Some(b"") => true,
            Some(rest) if self.shape == Shape::Split => rest.starts_with(b"-"),
            _ => name == self.hint_name.as_bytes() || name.starts_with(self.attempt_prefix.as_bytes()),
        }
    }

    /// Whether the session's cookie is `Secure`: always, but for plain http on this machine under a name that does not ask for it.
    fn is_secure(&self, origin: &Origin) -> bool {
        origin.is_https() || self.shape == Shape::Split || self.name.starts_with("__") || self.same_site == SameSite::None
    }

    fn set_whole(&self, value: &str, max_age: Duration, origin: &Origin) -> String {
        let attributes = Attributes { path: "/", same_site: self.same_site, max_age };
        if self.is_secure(origin) { set(&self.name, value, attributes) } else { set_on_loopback(&self.name, value, attributes) }
    }

    fn part(&self, position: usize) -> String {
        if position == 0 { self.name.clone() } else { format!("{}-{position}", self.name) }
    }

    /// The position of a session cookie among its parts, if it is one.
    fn position(&self, name: &[u8]) -> Option<usize> {
        match name.strip_prefix(self.name.as_bytes())? {
            b"" => Some(0),
            rest => {
                let number = std::str::from_utf8(rest.strip_prefix(b"-")?).ok()?;
                number.parse().ok().filter(|position| self.part(*position).as_bytes() == name)
            }
        }
    }
}

/// What session came with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// None.
    Nothing,
    /// This text, sealed or signed.
    Sealed(Cow<'a, [u8]>),
    /// Cookies that do not fit together: a part missing, twice there, or too many.
    Torn,
    /// Several that stand whole in one cookie each, and differ: one of them is not from here. A sibling domain can set a cookie
    /// that has no `__Host-` name, and which of both the browser sends first says nothing.
    Several,
}

/// Puts the session's cookies together.
pub fn read<'a>(settings: &CookieSettings, headers: &'a Headers) -> Found<'a> {
    if settings.shape == Shape::Whole {
        let mut values =
            pairs(headers, &settings.name).filter(|(name, _)| *name == settings.name.as_bytes()).map(|(_, value)| value);
        let Some(first) = values.next() else { return Found::Nothing };
        return if values.all(|value| value == first) { Found::Sealed(first.into()) } else { Found::Several };
    }
    let mut parts: [Option<&[u8]>; MOST_COOKIES] = [None; MOST_COOKIES];
    for (name, value) in pairs(headers, &settings.name) {
        let Some(position) = settings.position(name) else { continue };
        let Some(part) = parts.get_mut(position) else { return Found::Torn };
        if part.replace(value).is_some() {
            return Found::Torn;
        }
    }
    let Some(first) = parts.first().copied().flatten() else {
        return if parts.iter().any(Option::is_some) { Found::Torn } else { Found::Nothing };
    };
    let (count, rest) = match counted(first) {
        Counted::Whole => return Found::Sealed(first.into()),
        Counted::First { count, rest } => (count, rest),
        Counted::Neither => return Found::Torn,
    };
    let Some(further) = parts.get(1..count) else { return Found::Torn };
    let Some(further) = further.iter().copied().collect::<Option<Vec<_>>>() else { return Found::Torn };
    let mut sealed = rest.to_vec();
    for part in further {
        sealed.extend_from_slice(part);
    }
    Found::Sealed(sealed.into())
}

/// So many texts that may be sessions are tried.
const MOST_TRIED: usize = 64;

/// Every text that may be a session, each once: of several cookies of one name all, and parts in every way that they may belong
/// together. Whoever lets somebody in uses [`read`]; this is for whoever ends sessions, so that none is overlooked. The second is
/// `false` when there are more than [`MOST_TRIED`].
pub fn read_all<'a>(settings: &CookieSettings, headers: &'a Headers) -> (Vec<Cow<'a, [u8]>>, bool) {
    let mut parts: [Vec<&[u8]>; MOST_COOKIES] = Default::default();
    for (name, value) in pairs(headers, &settings.name) {
        let position = settings.position(name).filter(|position| *position == 0 || settings.shape == Shape::Split);
        // One more than are tried, to know that there are more.
        let alike = position.and_then(|position| parts.get_mut(position)).filter(|alike| alike.len() <= MOST_TRIED);
        if let Some(alike) = alike.filter(|alike| !alike.contains(&value)) {
            alike.push(value);
        }
    }
    let [firsts, further @ ..] = &parts;
    let mut texts = Vec::new();
    for first in firsts {
        let room = MOST_TRIED.saturating_sub(texts.len());
        if room == 0 {
            return (texts, false);
        }
        let counted = if settings.shape == Shape::Split { counted(first) } else { Counted::Whole };
        let (count, rest) = match counted {
            Counted::Whole => {
                texts.push(Cow::from(*first));
                continue;
            }
            Counted::First { count, rest } => (count, rest),
            Counted::Neither => continue,
        };
        let further = count.checked_sub(1).and_then(|others| further.get(..others)).unwrap_or_default();
        if further.iter().fold(1_usize, |ways, alike| ways.saturating_mul(alike.len())) > room {
            return (texts, false);
        }
        let mut ways = vec![rest.to_vec()];
        for alike in further {
            ways = ways.iter().flat_map(|way| alike.iter().map(move |part| [way, *part].concat())).collect();
        }
        texts.extend(ways.into_iter().map(Cow::from));
    }
    (texts, true)
}

/// How the first part of a session begins.
enum Counted<'a> {
    /// It is all there is.
    Whole,
    /// There are so many parts.
    First { count: usize, rest: &'a [u8] },
    /// It is none of ours.
    Neither,
}

/// Sealed text is base64url, which has no dot: what stands before one is the number of parts, a single digit.
fn counted(first: &[u8]) -> Counted<'_> {
    let Some(dot) = first.iter().take(2).position(|byte| *byte == b'.') else { return Counted::Whole };
    let (count, rest) = first.split_at(dot);
    match std::str::from_utf8(count).ok().and_then(|count| count.parse().ok()) {
        Some(count @ 1..=MOST_COOKIES) => Counted::First { count, rest: rest.get(1..).unwrap_or_default() },
        Some(_) | None => Counted::Neither,
    }
}

/// It takes more than [`MOST_COOKIES`] cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

/// The `Set-Cookie` values that store a session, and delete parts of an earlier one that came with the request.
///
/// # Errors
/// [`TooLarge`].
pub fn write(
    settings: &CookieSettings,
    sealed: &str,
    now: Timestamp,
    ends: Timestamp,
    headers: &Headers,
) -> Result<Vec<String>, TooLarge> {
    let attributes = Attributes { path: "/", same_site: settings.same_site, max_age: lasting(now, ends) };
    let count = sealed.len().div_ceil(LARGEST_VALUE).max(1);
    if count > MOST_COOKIES {
        return Err(TooLarge);
    }
    // The text is ASCII, so that it can be cut anywhere.
    let mut cookies: Vec<_> = sealed
        .as_bytes()
        .chunks(LARGEST_VALUE)
        .map(String::from_utf8_lossy)
        .enumerate()
        .map(|(position, part)| {
            let numbered = if position == 0 && count > 1 { format!("{count}.{part}") } else { part.into_owned() };
            set(&settings.part(position), &numbered, attributes)
        })
        .collect();
    let stale =
        pairs(headers, &settings.name).filter_map(|(name, _)| settings.position(name)).filter(|position| *position >= count);
    let mut positions = BTreeSet::new();
    positions.extend(stale.take(MOST_COOKIES));
    cookies.extend(positions.into_iter().map(|position| delete(&settings.part(position), "/", settings.same_site)));
    Ok(cookies)
}

/// The `Set-Cookie` value that stores a session in one cookie, for an origin.
///
/// # Errors
/// [`TooLarge`].
pub fn write_whole(settings: &CookieSettings, text: &str, lasts: Duration, origin: &Origin) -> Result<String, TooLarge> {
    if text.len() > LARGEST_VALUE { Err(TooLarge) } else { Ok(settings.set_whole(text, lasts, origin)) }
}

/// The `Set-Cookie` values that delete the session that came with a request, whatever state it is in.
pub fn forget(settings: &CookieSettings, headers: &Headers, origin: &Origin) -> Vec<String> {
    if settings.shape == Shape::Whole {
        return vec![settings.set_whole("", Duration::ZERO, origin)];
    }
    let came = pairs(headers, &settings.name)
        .filter_map(|(name, _)| settings.position(name))
        .filter(|position| *position < MOST_COOKIES);
    let mut positions = BTreeSet::new();
    positions.insert(0);
    positions.extend(came);
    positions.into_iter().map(|position| delete(&settings.part(position), "/", settings.same_site)).collect()
}

fn lasting(now: Timestamp, ends: Timestamp) -> Duration {
    Duration::from_secs(ends.since(now).as_secs())
}

#[cfg(test)]
mod tests;
