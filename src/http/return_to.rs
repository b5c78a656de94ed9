//! Places to return to after sign-in or sign-out: which are accepted, so that nobody is sent to a site that is not listed. What is
//! there is not known here.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, utf8_percent_encode};

use crate::http::url::{Origin, Url};
use crate::words::reason::Reason;

/// The length of the longest place to return to, in bytes. (What is kept during a sign-in must fit into a cookie, which holds less.)
pub const LONGEST_RETURN_TO: usize = 8_192;

/// What is percent-encoded besides everything that is not ASCII.
const SPACE: &AsciiSet = &AsciiSet::EMPTY.add(b' ');

/// A place to go after sign-in or sign-out: a path on this origin, or a URL on a listed one. It can be made by
/// [`ReturnTo::parse`] alone, so that nothing unchecked gets into a `Location` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// The path `/`.
    pub fn front_page() -> Self {
        Self("/".to_owned())
    }

    /// Checks a place to return to against the listed origins: no open redirector (RFC 9700, section 4.11.1). Spaces and what is not
    /// ASCII are percent-encoded first, as browsers do; everything else is kept byte for byte. Behind `?` and `#` a backslash is a
    /// character like others.
    ///
    /// # Errors
    /// [`Reason::ReturnToRefused`] for everything else, and for whatever a browser might take for another site.
    pub fn parse(text: &str, listed: &[Origin]) -> Result<Self, Reason> {
        let path = text.split(['?', '#']).next().unwrap_or_default();
        // A character that could not be decoded would lead to another page.
        let unclear = |letter: char| letter.is_control() || letter == char::REPLACEMENT_CHARACTER;
        if text.is_empty() || text.len() > LONGEST_RETURN_TO || path.contains('\\') || text.contains(unclear) {
            return Err(Reason::ReturnToRefused);
        }
        let text = &*Cow::from(utf8_percent_encode(text, SPACE));
        let path = if text.starts_with('/') { text } else { Self::path_on_listed_origin(text, listed)? };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        // An encoded slash is data of the page that somebody came from (`allow_in_path`). It is looked at as a slash too, for
        // whoever on the way decodes it.
        let lower = path.to_ascii_lowercase();
        let decoded = lower.replace("%2f", "/");
        let stays = !decoded.contains("//")
            && !["%5c", "%2e", "%00"].iter().any(|escape| lower.contains(escape))
            && !decoded.split('/').any(|segment| segment == "." || segment == "..");
        if stays { Ok(Self(text.to_owned())) } else { Err(Reason::ReturnToRefused) }
    }

    fn path_on_listed_origin<'a>(text: &'a str, listed: &[Origin]) -> Result<&'a str, Reason> {
        let without_fragment = text.split('#').next().unwrap_or_default();
        let url = Url::parse(without_fragment).map_err(|_| Reason::ReturnToRefused)?;
        if !listed.contains(&url.origin()) {
            return Err(Reason::ReturnToRefused);
        }
        // What follows the host must be a path: lax parsers take `https://host?@evil` or `https://host#@evil` for another host.
        let (_, behind_scheme) = text.split_once("://").ok_or(Reason::ReturnToRefused)?;
        match behind_scheme.find(['/', '?', '#']) {
            None => Ok("/"),
            Some(end) => behind_scheme.get(end..).filter(|rest| rest.starts_with('/')).ok_or(Reason::ReturnToRefused),
        }
    }

    /// The text, for the `Location` header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed() -> Vec<Origin> {
        vec![Origin::parse("https://app.example.com").unwrap(), Origin::parse("http://localhost:10000").unwrap()]
    }

    #[test]
    fn open_redirects_are_refused_in_every_known_spelling() {
        for attack in [
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/./..//evil.example",
            "https://app.example.com@evil.example",
            "https://badapp.example.com",
            "https://app.example.com.evil.example",
            "https:evil.example",
            "https:/evil.example",
            "https:///evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "http://app.example.com/",
            "https://app.example.com:8443/",
            "/%2f/evil.example",
            "/%2fevil.example",
            "/%2Fevil.example",
            "/a%2f/evil.example",
            "/a/%2Fevil.example",
            "/a%2F%2fevil.example",
            "/a%2f..%2f..%2fb",
            "/a%2F.%2f/evil.example",
            "/..%2fb",
            "/a%2f%5cevil.example",
            "%2fevil.example",
            "%2f%2fevil.example",
            "https:%2f%2fevil.example",
            "https://app.example.com%2fevil.example/",
            "https://app.example.com%2f@evil.example/",
            "https://app.example.com/%2fevil.example",
            "/%5cevil.example",
            "/.//evil.example",
            "/%2e%2e//evil.example",
            "evil.example",
            "",
            " /",
            " //evil.example",
            "\u{a0}/",
            "/?\n",
            "/a?\0",
            "/a?\u{7f}",
            "/a?\u{85}",
            "/a\u{fffd}",
            "//\u{e4}",
            "/%2f\u{e4}",
            "/\\/evil.example",
            "/a\\?b",
            "https://app.example.com\\?@evil.example",
            "https://app.example.com\\#@evil.example",
            "https://\u{e4}pp.example.com/",
            "https://app.example.com@\u{e4}/",
            "https://app.example.com /",
            "https://app.example.com\u{ff0f}@evil.example/",
            "///evil.example",
            "/a//b",
            "https://app.example.com//x",
            "https://app.example.com\\@evil.example",
            "?x",
            "#x",
            "https://app.example.com:443@evil.example/",
            "https://app.example.com#@evil.example/",
            "https://app.example.com?@evil.example/",
        ] {
            assert_eq!(ReturnTo::parse(attack, &listed()), Err(Reason::ReturnToRefused), "{attack:?}");
        }
        assert!(ReturnTo::parse(&format!("/{}", "a".repeat(LONGEST_RETURN_TO)), &listed()).is_err());
    }

    #[test]
    fn paths_of_this_origin_and_listed_origins_are_places_to_return_to() {
        for place in [
            "/",
            "/chat",
            "/chat?x=//y&z=a%2Fb",
            "/a.b/..c",
            "/x#section",
            "/files/a%2Fb%2fc;v=1/What%3F/C%23?x=%2F%2F",
            "https://app.example.com/a%2Fb",
            "https://app.example.com",
            "https://app.example.com/x?y",
            "http://localhost:10000/",
            "https://app.example.com:443/x",
        ] {
            assert_eq!(ReturnTo::parse(place, &listed()).unwrap().as_str(), place);
        }
    }

    #[test]
    fn a_deep_link_is_kept_byte_for_byte_and_what_no_url_may_hold_is_escaped() {
        for (link, kept) in [
            ("/search?path=C:\\temp\\x", "/search?path=C:\\temp\\x"),
            ("/x#\\a", "/x#\\a"),
            ("/a?x=%00%2f%5C%e4&&=;'\"<>^`{|}", "/a?x=%00%2f%5C%e4&&=;'\"<>^`{|}"),
            ("/r\u{e9}sum\u{e9}?q=a b", "/r%C3%A9sum%C3%A9?q=a%20b"),
            ("/\u{ff0f}evil", "/%EF%BC%8Fevil"),
            ("https://app.example.com/\u{e4} b", "https://app.example.com/%C3%A4%20b"),
        ] {
            assert_eq!(ReturnTo::parse(link, &listed()).unwrap().as_str(), kept);
        }
        let longest = format!("/?{}", "a".repeat(LONGEST_RETURN_TO - 2));
        assert_eq!(ReturnTo::parse(&longest, &listed()).unwrap().as_str(), longest);
    }
}
