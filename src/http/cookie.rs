//! Cookies on the wire (RFC 6265): reading `Cookie`, removing some of its pairs, writing `Set-Cookie`. Which cookies are ours,
//! and what is in them, is not known here.

use std::time::Duration;

use memchr::memchr;

use crate::http::message::{CookieEdit, Headers};

/// The names and values of all `Cookie` lines, in order, if the name begins with `prefix` (which has no `=`). Both are bytes,
/// because other programs may put more than UTF-8 there.
pub fn pairs<'a>(headers: &'a Headers, prefix: &str) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    pieces(headers).filter(|piece| piece.starts_with(prefix.as_bytes())).filter_map(|piece| {
        let (name, value) = piece.split_at_checked(memchr(b'=', piece)?)?;
        // As in `without`, only ASCII spaces are trimmed: a name that ends with another kind of space is another name.
        Some((name.trim_ascii_end(), value.get(1..)?.trim_ascii_start()))
    })
}

/// The parts of all `Cookie` lines between semicolons, without the spaces around them.
fn pieces(headers: &Headers) -> impl Iterator<Item = &[u8]> {
    Pieces { lines: headers.all("cookie"), rest: None }
}

/// The state of [`pieces`].
struct Pieces<'a, L> {
    lines: L,
    /// What follows the last piece on its line.
    rest: Option<&'a [u8]>,
}

impl<'a, L: Iterator<Item = &'a [u8]>> Iterator for Pieces<'a, L> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let line = self.rest.take().or_else(|| self.lines.next())?;
        let end = memchr(b';', line).unwrap_or(line.len());
        self.rest = line.get(end.saturating_add(1)..);
        line.get(..end).map(<[u8]>::trim_ascii)
    }
}

/// Removes the cookies whose names are `ours`. All others stay as they were sent, byte for byte.
pub fn without(headers: &Headers, ours: impl Fn(&[u8]) -> bool) -> CookieEdit {
    let (mut left, mut found) = (Vec::new(), false);
    for piece in pieces(headers).filter(|piece| !piece.is_empty()) {
        let name = piece.get(..memchr(b'=', piece).unwrap_or(piece.len())).unwrap_or_default().trim_ascii_end();
        if ours(name) {
            found = true;
            continue;
        }
        if left.is_empty() {
            left.reserve(headers.all("cookie").map(|line| line.len().saturating_add(2)).sum());
        } else {
            left.extend_from_slice(b"; ");
        }
        left.extend_from_slice(piece);
    }
    match (found, left.is_empty()) {
        (false, _) => CookieEdit::Untouched,
        (true, true) => CookieEdit::Dropped,
        (true, false) => CookieEdit::Replaced(left),
    }
}

/// `SameSite`: with which requests that other sites cause a browser sends the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// With navigations alone.
    Lax,
    /// With every request.
    None,
}

/// The attributes of a `Set-Cookie` value that differ among our cookies. All are `HttpOnly` without a `Domain`, and all but those
/// of [`set_on_loopback`] are `Secure`.
#[expect(missing_docs, reason = "the fields are the names of the attributes")]
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    pub path: &'a str,
    pub same_site: SameSite,
    /// `Max-Age`, written in whole seconds.
    pub max_age: Duration,
}

/// The `Set-Cookie` value that sets a cookie.
pub fn set(name: &str, value: &str, attributes: Attributes<'_>) -> String {
    written(name, value, attributes, true)
}

/// Like [`set`], but without `Secure`, for plain http on this machine: programs other than browsers send no `Secure` cookie
/// there.
pub fn set_on_loopback(name: &str, value: &str, attributes: Attributes<'_>) -> String {
    written(name, value, attributes, false)
}

fn written(name: &str, value: &str, attributes: Attributes<'_>, secure: bool) -> String {
    let same_site = match attributes.same_site {
        SameSite::Lax => "Lax",
        SameSite::None => "None",
    };
    let (path, seconds) = (attributes.path, attributes.max_age.as_secs());
    let secure = if secure { "; Secure" } else { "" };
    format!("{name}={value}; HttpOnly; SameSite={same_site}{secure}; Path={path}; Max-Age={seconds}")
}

/// The `Set-Cookie` value that deletes a cookie. It has the same attributes, because browsers do not delete a `__Host-` cookie
/// without `Secure`.
pub fn delete(name: &str, path: &str, same_site: SameSite) -> String {
    set(name, "", Attributes { path, same_site, max_age: Duration::ZERO })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(lines: &[&[u8]]) -> Headers {
        Headers::new(lines.iter().map(|line| ("cookie".to_owned(), line.to_vec())).collect())
    }

    #[test]
    fn a_second_cookie_line_is_read_too() {
        let headers = cookies(&[b"a=1; b=2", b"c=3"]);
        assert_eq!(pairs(&headers, "").map(|(name, _)| name).collect::<Vec<_>>(), [b"a", b"b", b"c"]);
    }

    #[test]
    fn malformed_pairs_are_passed_over() {
        let headers = cookies(&[b"; =x;novalue;\xff=1; ok==v\xff;"]);
        let read: Vec<_> = pairs(&headers, "").collect();
        assert_eq!(read, [(b"".as_slice(), b"x".as_slice()), (b"\xff", b"1"), (b"ok", b"=v\xff")]);
    }

    #[test]
    fn names_are_trimmed_alike_when_cookies_are_read_and_when_they_are_removed() {
        let headers = cookies(&["__Host-accredit\u{a0}=x; __Host-accredit =y".as_bytes()]);
        assert_eq!(pairs(&headers, "__Host-accredit").filter(|(name, _)| *name == b"__Host-accredit").count(), 1);
        let left = CookieEdit::Replaced("__Host-accredit\u{a0}=x".as_bytes().to_vec());
        assert_eq!(without(&headers, |name| name == b"__Host-accredit"), left);
    }

    #[test]
    fn only_names_that_begin_with_the_whole_prefix_are_read() {
        let headers = cookies(&[b"ab=1; abc=2;  abcd =3; ab", b"xabc=4; abc\"=5; ABC=6; =abc=7"]);
        let names: Vec<_> = pairs(&headers, "abc").map(|(name, _)| name).collect();
        assert_eq!(names, [b"abc".as_slice(), b"abcd", b"abc\""]);
    }

    #[test]
    fn only_our_cookies_are_taken_out_and_the_others_stay_byte_for_byte() {
        let ours = |name: &[u8]| name.starts_with(b"__Host-accredit");
        let headers = cookies(&[b"a=\"1\xff\"; __Host-accredit=x ;odd", b"__Host-accredit-1=y; b=2"]);
        assert_eq!(without(&headers, ours), CookieEdit::Replaced(b"a=\"1\xff\"; odd; b=2".to_vec()));
        assert_eq!(without(&cookies(&[b"__Host-accredit=x"]), ours), CookieEdit::Dropped);
        assert_eq!(without(&cookies(&[b"a=1; accredit=2"]), ours), CookieEdit::Untouched);
    }

    #[test]
    fn a_cookie_is_deleted_with_the_attributes_it_was_set_with() {
        let attributes = Attributes { path: "/", same_site: SameSite::Lax, max_age: Duration::from_secs(60) };
        assert_eq!(set("__Host-a", "v", attributes), "__Host-a=v; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60");
        assert_eq!(delete("__Host-a", "/", SameSite::Lax), "__Host-a=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0");
    }
}
