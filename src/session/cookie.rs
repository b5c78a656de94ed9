//! The cookies of a session: their names, and how a large session is split, put together again and deleted. The session itself is
//! a sealed or signed text, which is not opened here.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::http::cookie::{Attributes, SameSite, delete, pairs, set, set_on_loopback};
use crate::http::message::Headers;
use crate::http::url::Origin;
use crate::words::time::Timestamp;

/// How many cookies a session may take. One that needs more is refused at sign-in.
pub const MOST_COOKIES: usize = 8;

// The first cookie begins with the number of cookies, as one digit.
const _: () = assert!(MOST_COOKIES < 10);

/// The largest part of a session in one cookie, in bytes. Browsers accept 4,096 bytes for the name and the value together.
const LARGEST_VALUE: usize = 3_800;

/// The size of the largest sealed session, in bytes.
pub const LARGEST: usize = MOST_COOKIES * LARGEST_VALUE;

/// The names and attributes of our cookies.
#[derive(Clone, Debug)]
pub struct CookieSettings {
    /// The name of the session's first cookie. The names of further ones begin with it.
    pub name: String,
    /// The prefix of the names of attempt cookies. It begins with `__Host-`, so that no other site can plant one.
    pub attempt_prefix: String,
    /// `SameSite` of the session's cookies.
    pub same_site: SameSite,
    /// The name of the cookie with the ID token for sign-out. Its path is the logout endpoint's, so it cannot be `__Host-`.
    pub hint_name: String,
    /// Whether a session may be split into several cookies.
    pub shape: Shape,
}

/// How many cookies a session may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As many as it needs, up to [`MOST_COOKIES`].
    Split,
    /// One, so that services can read it.
    Whole,
}

impl CookieSettings {
    /// The settings for session cookies with this name.
    pub fn new(name: String, same_site: SameSite, shape: Shape) -> Self {
        let bare = name.strip_prefix("__Host-").unwrap_or(&name);
        let (attempt_prefix, hint_name) = (format!("__Host-{bare}-attempt-"), format!("__Secure-{bare}-hint"));
        Self { name, attempt_prefix, same_site, hint_name, shape }
    }

    /// Whether a cookie is one of ours, and must not be forwarded to the upstream.
    pub fn is_ours(&self, name: &[u8]) -> bool {
        match name.strip_prefix(self.name.as_bytes()) {
            Some(b"") => true,
            Some(rest) if self.shape == Shape::Split => rest.starts_with(b"-"),
            _ => name == self.hint_name.as_bytes() || name.starts_with(self.attempt_prefix.as_bytes()),
        }
    }

    /// Whether the session's cookie is `Secure`: always, except on plain http on this machine, if its name and `SameSite` permit
    /// that.
    fn is_secure(&self, origin: &Origin) -> bool {
        origin.is_https() || self.shape == Shape::Split || self.name.starts_with("__") || self.same_site == SameSite::None
    }

    fn set_whole(&self, value: &str, max_age: Duration, origin: &Origin) -> String {
        let attributes = Attributes { path: "/", same_site: self.same_site, max_age };
        if self.is_secure(origin) { set(&self.name, value, attributes) } else { set_on_loopback(&self.name, value, attributes) }
    }

    fn part_name(&self, position: usize) -> String {
        if position == 0 { self.name.clone() } else { format!("{}-{position}", self.name) }
    }

    /// The number of a session cookie among its parts, from 0; `None` for other cookies.
    fn position(&self, name: &[u8]) -> Option<usize> {
        match name.strip_prefix(self.name.as_bytes())? {
            b"" => Some(0),
            rest => {
                let number = std::str::from_utf8(rest.strip_prefix(b"-")?).ok()?;
                number.parse().ok().filter(|position| self.part_name(*position).as_bytes() == name)
            }
        }
    }
}

/// The session in a request's cookies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// There is none.
    Nothing,
    /// The text of one session, sealed or signed.
    Sealed(Cow<'a, [u8]>),
    /// Cookies that are no whole session: a part is missing, comes twice, or has too high a number.
    Torn,
    /// Several sessions of one cookie each, which differ. One of them was not set here: a sibling domain can set a cookie that
    /// has no `__Host-` name. Their order does not say which.
    Several,
}

/// Finds the session in a request's cookies, and puts its parts together.
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
    let (count, rest) = match first_part(first) {
        FirstPart::Whole => return Found::Sealed(first.into()),
        FirstPart::OfSeveral { count, rest } => (count, rest),
        FirstPart::Malformed => return Found::Torn,
    };
    let Some(further) = parts.get(1..count) else { return Found::Torn };
    let Some(further) = further.iter().copied().collect::<Option<Vec<_>>>() else { return Found::Torn };
    let mut sealed = rest.to_vec();
    for part in further {
        sealed.extend_from_slice(part);
    }
    Found::Sealed(sealed.into())
}

/// The cookies of a session as they came, as one `Cookie` line; empty if there are none.
pub fn line(settings: &CookieSettings, headers: &Headers) -> Vec<u8> {
    let of_session = |(name, _): &(&[u8], &[u8])| settings.is_ours(name) && settings.position(name).is_some();
    let cookies = pairs(headers, &settings.name).filter(of_session).map(|(name, value)| [name, b"=", value].concat());
    cookies.collect::<Vec<_>>().join(b"; ".as_slice())
}

/// What is wrong with a session's cookies that are [`Found::Torn`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// These did not come, by their names.
    Cookies {
        /// With commas between.
        names: String,
        /// How many came, and of how many; `None` while the first is missing, which says that.
        of: Option<usize>,
        /// How many came.
        came: usize,
    },
    /// Nothing is missing, but they do not belong together.
    Mixed,
}

/// Which of a session's cookies did not come. It holds nothing of the request.
pub fn missing(settings: &CookieSettings, headers: &Headers) -> Missing {
    let mut parts: [Option<&[u8]>; MOST_COOKIES] = [None; MOST_COOKIES];
    for (name, value) in pairs(headers, &settings.name) {
        if let Some(part) = settings.position(name).and_then(|position| parts.get_mut(position)) {
            *part = Some(value);
        }
    }
    let of = match parts.first().copied().flatten().map(first_part) {
        Some(FirstPart::OfSeveral { count, .. }) => Some(count),
        Some(FirstPart::Whole | FirstPart::Malformed) => return Missing::Mixed,
        None => None,
    };
    let wanted = parts.iter().take(of.unwrap_or(1)).enumerate();
    let names: Vec<_> = wanted.filter(|(_, part)| part.is_none()).map(|(position, _)| settings.part_name(position)).collect();
    if names.is_empty() {
        return Missing::Mixed;
    }
    let came = parts.iter().take(of.unwrap_or(MOST_COOKIES)).flatten().count();
    Missing::Cookies { names: names.join(", "), of, came }
}

/// As the log says it.
impl fmt::Display for Missing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mixed => formatter.write_str("its parts do not belong together"),
            Self::Cookies { of: None, came: 0, .. } => formatter.write_str("none of its cookies came"),
            Self::Cookies { names, of: None, came } => {
                write!(formatter, "{names} did not come, where its number of cookies stands; {came} others came")
            }
            Self::Cookies { names, of: Some(count), came } => {
                write!(formatter, "{came} of {count} cookies came; missing: {names}")
            }
        }
    }
}

/// How many texts are tried that may be sessions.
const MOST_TRIED: usize = 64;

/// All texts that may be sessions, each once: of several cookies with one name all are taken, and parts are put together in all
/// ways. This is for sign-out, which must miss no session; to let somebody in, use [`read`]. The second result is `false` if
/// there are more than are tried (64).
pub fn read_all<'a>(settings: &CookieSettings, headers: &'a Headers) -> (Vec<Cow<'a, [u8]>>, bool) {
    let mut parts: [Vec<&[u8]>; MOST_COOKIES] = Default::default();
    for (name, value) in pairs(headers, &settings.name) {
        let position = settings.position(name).filter(|position| *position == 0 || settings.shape == Shape::Split);
        // One more is kept than are tried, to notice that there are more.
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
        let kind = if settings.shape == Shape::Split { first_part(first) } else { FirstPart::Whole };
        let (count, rest) = match kind {
            FirstPart::Whole => {
                texts.push(Cow::from(*first));
                continue;
            }
            FirstPart::OfSeveral { count, rest } => (count, rest),
            FirstPart::Malformed => continue,
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

/// What the value of a session's first cookie is.
enum FirstPart<'a> {
    /// A whole session.
    Whole,
    /// The first of `count` parts.
    OfSeveral { count: usize, rest: &'a [u8] },
    /// Nothing that we have written.
    Malformed,
}

/// Sealed text is base64url, which has no dot. Before a dot stands the number of parts, as one digit.
fn first_part(first: &[u8]) -> FirstPart<'_> {
    let Some(dot) = first.iter().take(2).position(|byte| *byte == b'.') else { return FirstPart::Whole };
    let (count, rest) = first.split_at(dot);
    match std::str::from_utf8(count).ok().and_then(|count| count.parse().ok()) {
        Some(count @ 1..=MOST_COOKIES) => FirstPart::OfSeveral { count, rest: rest.get(1..).unwrap_or_default() },
        Some(_) | None => FirstPart::Malformed,
    }
}

/// How many cookies a sealed text of so many bytes is split into.
pub const fn count(bytes: usize) -> usize {
    let count = bytes.div_ceil(LARGEST_VALUE);
    if count == 0 { 1 } else { count }
}

/// The session needs more than [`MOST_COOKIES`] cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

/// The `Set-Cookie` values that store a session until `ends`, and delete the parts of an earlier one in the request's `headers`
/// that are not overwritten.
///
/// # Errors
/// [`TooLarge`] if it needs more than [`MOST_COOKIES`] cookies.
pub fn write(
    settings: &CookieSettings,
    sealed: &str,
    now: Timestamp,
    ends: Timestamp,
    headers: &Headers,
) -> Result<Vec<String>, TooLarge> {
    let attributes = Attributes { path: "/", same_site: settings.same_site, max_age: remaining(now, ends) };
    let count = count(sealed.len());
    if count > MOST_COOKIES {
        return Err(TooLarge);
    }
    // Sealed text is ASCII, so it can be cut anywhere.
    let mut cookies: Vec<_> = sealed
        .as_bytes()
        .chunks(LARGEST_VALUE)
        .map(String::from_utf8_lossy)
        .enumerate()
        .map(|(position, part)| {
            let numbered = if position == 0 && count > 1 { format!("{count}.{part}") } else { part.into_owned() };
            set(&settings.part_name(position), &numbered, attributes)
        })
        .collect();
    let stale =
        pairs(headers, &settings.name).filter_map(|(name, _)| settings.position(name)).filter(|position| *position >= count);
    let mut positions = BTreeSet::new();
    positions.extend(stale.take(MOST_COOKIES));
    cookies.extend(positions.into_iter().map(|position| delete(&settings.part_name(position), "/", settings.same_site)));
    Ok(cookies)
}

/// The `Set-Cookie` value that stores a session in one cookie, on this origin.
///
/// # Errors
/// [`TooLarge`] if it does not fit into one cookie.
pub fn write_whole(settings: &CookieSettings, text: &str, lasts: Duration, origin: &Origin) -> Result<String, TooLarge> {
    if text.len() > LARGEST_VALUE { Err(TooLarge) } else { Ok(settings.set_whole(text, lasts, origin)) }
}

/// The `Set-Cookie` values that delete the session in the request's `headers`, even if it is no whole one.
pub fn forget(settings: &CookieSettings, headers: &Headers, origin: &Origin) -> Vec<String> {
    if settings.shape == Shape::Whole {
        return vec![settings.set_whole("", Duration::ZERO, origin)];
    }
    let sent = pairs(headers, &settings.name)
        .filter_map(|(name, _)| settings.position(name))
        .filter(|position| *position < MOST_COOKIES);
    let mut positions = BTreeSet::new();
    positions.insert(0);
    positions.extend(sent);
    positions.into_iter().map(|position| delete(&settings.part_name(position), "/", settings.same_site)).collect()
}

fn remaining(now: Timestamp, ends: Timestamp) -> Duration {
    Duration::from_secs(ends.since(now).as_secs())
}

#[cfg(test)]
mod tests;
