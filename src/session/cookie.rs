//! The cookies of a session: their names, splitting a large one, putting it together again, deleting it.
//! What is in them is sealed text here.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::words::cookie::{Attributes, SameSite, delete, pairs, set, set_on_loopback};
use crate::words::message::Headers;
use crate::words::time::Timestamp;
use crate::words::url::Origin;

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
pub enum Carried<'a> {
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
pub fn read<'a>(settings: &CookieSettings, headers: &'a Headers) -> Carried<'a> {
    if settings.shape == Shape::Whole {
        let mut values =
            pairs(headers, &settings.name).filter(|(name, _)| *name == settings.name.as_bytes()).map(|(_, value)| value);
        let Some(first) = values.next() else { return Carried::Nothing };
        return if values.all(|value| value == first) { Carried::Sealed(first.into()) } else { Carried::Several };
    }
    let mut parts: [Option<&[u8]>; MOST_COOKIES] = [None; MOST_COOKIES];
    for (name, value) in pairs(headers, &settings.name) {
        let Some(position) = settings.position(name) else { continue };
        let Some(part) = parts.get_mut(position) else { return Carried::Torn };
        if part.replace(value).is_some() {
            return Carried::Torn;
        }
    }
    let Some(first) = parts.first().copied().flatten() else {
        return if parts.iter().any(Option::is_some) { Carried::Torn } else { Carried::Nothing };
    };
    // Sealed text is base64url, which has no dot: what stands before one is the number of parts, a single digit.
    let Some(dot) = first.iter().take(2).position(|byte| *byte == b'.') else { return Carried::Sealed(first.into()) };
    let (count, rest) = first.split_at(dot);
    let count = std::str::from_utf8(count).ok().and_then(|count| count.parse::<usize>().ok());
    let Some(further) = count.and_then(|count| parts.get(1..count)) else { return Carried::Torn };
    let Some(further) = further.iter().copied().collect::<Option<Vec<_>>>() else { return Carried::Torn };
    let mut sealed = rest.get(1..).unwrap_or_default().to_vec();
    for part in further {
        sealed.extend_from_slice(part);
    }
    Carried::Sealed(sealed.into())
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
    came: &Headers,
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
    let stale = pairs(came, &settings.name).filter_map(|(name, _)| settings.position(name)).filter(|position| *position >= count);
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
pub fn forget(settings: &CookieSettings, came: &Headers, origin: &Origin) -> Vec<String> {
    if settings.shape == Shape::Whole {
        return vec![settings.set_whole("", Duration::ZERO, origin)];
    }
    let came =
        pairs(came, &settings.name).filter_map(|(name, _)| settings.position(name)).filter(|position| *position < MOST_COOKIES);
    let mut positions = BTreeSet::new();
    positions.insert(0);
    positions.extend(came);
    positions.into_iter().map(|position| delete(&settings.part(position), "/", settings.same_site)).collect()
}

fn lasting(now: Timestamp, ends: Timestamp) -> Duration {
    Duration::from_secs(ends.since(now).as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> CookieSettings {
        CookieSettings::new("__Host-accredit".into(), SameSite::Lax, Shape::Split)
    }

    fn whole(name: &str) -> CookieSettings {
        CookieSettings::new(name.into(), SameSite::Lax, Shape::Whole)
    }

    fn origin(text: &str) -> Origin {
        Origin::parse(text).unwrap()
    }

    fn came(cookies: &str) -> Headers {
        Headers::new(vec![("cookie".into(), cookies.as_bytes().to_vec())])
    }

    fn written(sealed: &str, before: &str) -> Vec<String> {
        write(&settings(), sealed, Timestamp::default(), Timestamp::from_seconds(60), &came(before)).unwrap()
    }

    /// What the browser sends after having been told.
    fn sent_back(set_cookies: &[String]) -> Headers {
        let kept = set_cookies.iter().filter(|cookie| !cookie.contains("Max-Age=0"));
        came(&kept.map(|cookie| cookie.split(';').next().unwrap()).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn a_session_of_any_size_comes_back_as_it_went() {
        for size in [1, LARGEST_VALUE, LARGEST_VALUE + 1, LARGEST_VALUE * MOST_COOKIES] {
            let sealed = "aB-_".repeat(size.div_ceil(4))[..size].to_owned();
            let cookies = written(&sealed, "");
            assert_eq!(cookies.len(), size.div_ceil(LARGEST_VALUE));
            assert!(cookies.iter().all(|cookie| cookie.split(';').next().unwrap().len() <= 4_096));
            assert_eq!(read(&settings(), &sent_back(&cookies)), Carried::Sealed(sealed.into_bytes().into()));
        }
    }

    #[test]
    fn a_session_that_needs_too_many_cookies_is_refused() {
        let sealed = "a".repeat(LARGEST_VALUE * MOST_COOKIES + 1);
        let refused = write(&settings(), &sealed, Timestamp::default(), Timestamp::default(), &came(""));
        assert_eq!(refused, Err(TooLarge));
    }

    #[test]
    fn a_smaller_session_deletes_the_parts_of_a_larger_one() {
        let cookies = written("x", "__Host-accredit=3.a; __Host-accredit-1=b; __Host-accredit-2=c; other=d");
        assert_eq!(cookies.len(), 3);
        assert!(cookies[1].starts_with("__Host-accredit-1=; ") && cookies[1].ends_with("Max-Age=0"), "{}", cookies[1]);
        assert!(cookies[2].starts_with("__Host-accredit-2=; "));
    }

    #[test]
    fn torn_sessions_are_told_from_absent_ones() {
        for torn in [
            "__Host-accredit=2.a",
            "__Host-accredit-1=b",
            "__Host-accredit=9.a",
            "__Host-accredit=.a",
            "__Host-accredit=x.a",
            "__Host-accredit=0.a",
            "__Host-accredit=a; __Host-accredit=b",
            "__Host-accredit=a; __Host-accredit-8=b",
        ] {
            assert_eq!(read(&settings(), &came(torn)), Carried::Torn, "{torn}");
        }
        for absent in ["", "a=1", "__Host-accredit-attempt-x=1", "__Host-accredit-01=1", "x__Host-accredit=1"] {
            assert_eq!(read(&settings(), &came(absent)), Carried::Nothing, "{absent}");
        }
    }

    #[test]
    fn a_count_that_is_not_written_by_us_is_none_and_what_follows_is_not_put_together() {
        for text in ["10.a", "02.a", "+2.a", "abc.d"] {
            let came = came(&format!("__Host-accredit={text}; __Host-accredit-1=b"));
            assert_eq!(read(&settings(), &came), Carried::Sealed(text.as_bytes().into()), "{text}");
        }
    }

    #[test]
    fn every_cookie_of_ours_is_known_as_ours_and_no_other() {
        for ours in ["__Host-accredit", "__Host-accredit-1", "__Host-accredit-attempt-abc", "__Secure-accredit-hint"] {
            assert!(settings().is_ours(ours.as_bytes()), "{ours}");
        }
        for other in ["__Host-accredited", "accredit", "__host-accredit", "x", ""] {
            assert!(!settings().is_ours(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn forgetting_deletes_every_part_that_came() {
        let forgotten = |cookies| forget(&settings(), &came(cookies), &origin("https://app.example")).len();
        assert_eq!(forgotten(""), 1);
        assert_eq!(forgotten("__Host-accredit=2.a; __Host-accredit-1=b; __Host-accredit-99=c"), 2);
    }

    #[test]
    fn a_whole_session_is_secure_everywhere_but_on_plain_http_of_this_machine() {
        for (name, at, attributes) in [
            ("access_token", "https://app.example", "HttpOnly; SameSite=Lax; Secure; Path=/"),
            ("access_token", "http://localhost:10000", "HttpOnly; SameSite=Lax; Path=/"),
            ("__Host-token", "http://localhost:10000", "HttpOnly; SameSite=Lax; Secure; Path=/"),
        ] {
            let set = write_whole(&whole(name), "a.b.c", Duration::from_secs(3_600), &origin(at));
            assert_eq!(set, Ok(format!("{name}=a.b.c; {attributes}; Max-Age=3600")));
            assert_eq!(forget(&whole(name), &came(""), &origin(at)), [format!("{name}=; {attributes}; Max-Age=0")]);
        }
        let large = "a".repeat(LARGEST_VALUE + 1);
        assert_eq!(write_whole(&whole("t"), &large, Duration::ZERO, &origin("https://a.example")), Err(TooLarge));
    }

    #[test]
    fn a_second_session_that_a_sibling_domain_planted_is_not_chosen_and_not_overlooked() {
        let settings = whole("access_token");
        assert_eq!(read(&settings, &came("access_token=2.b.c; x=y")), Carried::Sealed(b"2.b.c".into()));
        assert_eq!(read(&settings, &came("access_token=a; access_token=a")), Carried::Sealed(b"a".into()));
        assert_eq!(read(&settings, &came("access_token=a; access_token=b")), Carried::Several);
        assert_eq!(read(&settings, &came("access_token-1=a; Access_Token=b")), Carried::Nothing);
        for (name, ours) in [
            ("access_token", true),
            ("access_token-1", false),
            ("access_tokens", false),
            ("__Host-access_token-attempt-abcdefgh", true),
            ("__Secure-access_token-hint", true),
        ] {
            assert_eq!(settings.is_ours(name.as_bytes()), ours, "{name}");
        }
    }
}
