//! Refuses paths and methods that can be read in two ways: the path that rules are compared with and the one that the upstream
//! serves must be the same. A rule may allow four spellings all the same; what is around them is checked here as strictly, and
//! `access::readings` decides whether all ways to read them come to that rule. Nothing is ever repaired or guessed here.

use crate::words::bytes::ByteSet;
use crate::words::reason::Reason;

/// The bytes that a path may have: all visible ones, except those that some servers take for a separator or for the end of the
/// path.
const ALLOWED: ByteSet = ByteSet::EMPTY.with_range(b'!', b'~').without(b"\\;#?");

/// The same without `%`, which begins an escape: these are checked further.
const WITHOUT_ESCAPES: ByteSet = ALLOWED.without(b"%");

/// Checks the path of a request, without its query.
///
/// # Errors
/// [`Reason::PathAmbiguous`] for anything an upstream might read differently: dot segments, empty segments, backslashes, path
/// parameters (`;`), encoded separators, dots, percent signs or unreserved characters, control bytes, non-ASCII, fragments, or
/// a path that is not absolute.
pub fn check(path: &str) -> Result<(), Reason> {
    let bytes = path.as_bytes();
    // Some file systems drop dots at the end of a name, so that none may end in one. This refuses the names `.` and `..` too.
    let is_ambiguous = |pair: &[u8]| matches!(pair, b"//" | b"./");
    if !path.starts_with('/') || path.ends_with('.') || bytes.windows(2).any(is_ambiguous) {
        return Err(Reason::PathAmbiguous);
    }
    if WITHOUT_ESCAPES.has_all(bytes) {
        return Ok(());
    }
    // The same file systems drop spaces at the end of a name.
    if !ALLOWED.has_all(bytes) || path.split('/').any(|segment| segment.ends_with("%20")) || !escapes_are_plain(path) {
        return Err(Reason::PathAmbiguous);
    }
    // Overlong forms (`%C0%AF` for a slash) are not valid UTF-8, but some servers decode them.
    percent_encoding::percent_decode_str(path).decode_utf8().map(drop).map_err(|_| Reason::PathAmbiguous)
}

/// Whether every `%XX` stands for a byte that all servers read alike: not a separator, a dot, a control byte, the beginning of
/// another escape, or a character that needs no escape.
fn escapes_are_plain(path: &str) -> bool {
    path.split('%').skip(1).all(|escape| {
        let Some(digits) = escape.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit())) else {
            return false;
        };
        let Ok(byte) = u8::from_str_radix(digits, 16) else { return false };
        let unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        !unreserved && !byte.is_ascii_control() && !matches!(byte, b'/' | b'\\' | b';' | b'%' | b'?' | b'#')
    })
}

/// A spelling that servers read differently, and that a rule may allow in its paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// `%2F`: data within a segment, or the end of it.
    Slash,
    /// `;`: data, or the beginning of a parameter that is cut off (RFC 3986, section 3.3).
    Semicolon,
    /// `%3F`: data, or the end of the path.
    QuestionMark,
    /// `%23`: data, or the end of the path.
    NumberSign,
}

impl Spelling {
    /// All that a rule may allow. `%5C`, `%00`, `%25` and control characters are not among them, and never will be.
    pub const ALL: [Self; 4] = [Self::Slash, Self::Semicolon, Self::QuestionMark, Self::NumberSign];

    /// As an operator writes it. A request may have it in lower case too, which means the same (RFC 3986, section 6.2.2.1).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slash => "%2F",
            Self::Semicolon => ";",
            Self::QuestionMark => "%3F",
            Self::NumberSign => "%23",
        }
    }
}

/// A part of a path without any [`Spelling`], and the spelling behind it, with the text that it has in the path.
pub(super) type Part<'a> = (&'a str, Option<(Spelling, &'a str)>);

/// Splits a path behind each spelling that a rule may allow. Only the last part has none behind it.
pub(super) fn parts(path: &str) -> Vec<Part<'_>> {
    let (mut parts, mut rest) = (Vec::new(), path);
    while let Some((before, spelling, written, behind)) = first_spelling(rest) {
        parts.push((before, Some((spelling, written))));
        rest = behind;
    }
    parts.push((rest, None));
    parts
}

/// What is before the first spelling, that spelling, its text, and what is behind it.
fn first_spelling(path: &str) -> Option<(&str, Spelling, &str, &str)> {
    path.match_indices(['%', ';']).find_map(|(at, _)| {
        let (before, from_here) = path.split_at_checked(at)?;
        Spelling::ALL.into_iter().find_map(|spelling| {
            let (written, behind) = from_here.split_at_checked(spelling.as_str().len())?;
            written.eq_ignore_ascii_case(spelling.as_str()).then_some((before, spelling, written, behind))
        })
    })
}

/// Checks a path in which the rule allows these spellings, for every way to read them: around them it must be as plain as
/// [`check`] demands, and wherever a server might end a segment or the path, something must stand before, and not end in a dot or
/// a space. So no way to read it makes a segment that is empty, `.` or `..`.
///
/// # Errors
/// [`Reason::PathAmbiguous`] for everything else, other spellings among it.
pub(super) fn check_beside(path: &str, allowed: &[Spelling]) -> Result<(), Reason> {
    // The path as one that reads all of them as ends of segments, except that `?` and `#` leave a letter in their place: they may
    // be the last of a segment, or of the path.
    let mut plain = String::with_capacity(path.len());
    for (before, spelling) in parts(path) {
        plain.push_str(before);
        match spelling {
            Some((spelling, _)) if allowed.contains(&spelling) => {
                if plain.is_empty() || plain.ends_with(['/', '.']) || plain.ends_with("%20") {
                    return Err(Reason::PathAmbiguous);
                }
                plain.push(if matches!(spelling, Spelling::Slash | Spelling::Semicolon) { '/' } else { 'x' });
            }
            Some((_, written)) => plain.push_str(written),
            None if before.is_empty() && plain.ends_with('/') => return Err(Reason::PathAmbiguous),
            None => {}
        }
    }
    check(&plain)
}

/// Checks a method (RFC 9110, section 9.1: case-sensitive; every registered one is upper-case).
///
/// # Errors
/// [`Reason::MethodMalformed`]: a server that ignores case would serve `post` where the rule speaks of `POST`.
pub fn check_method(method: &str) -> Result<(), Reason> {
    let upper = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    if upper { Ok(()) } else { Err(Reason::MethodMalformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_servers_read_differently_are_refused() {
        for attack in [
            "",
            "*",
            "x",
            "//admin",
            "/a//b",
            "/a/../b",
            "/a/./b",
            "/..",
            "/.",
            "/a\\b",
            "/\\b",
            "/a;x=1/b",
            "/a;",
            "/a%2Fb",
            "/a%2fb",
            "/%5cb",
            "/a%3Bb",
            "/%2e%2e/b",
            "/%2E/b",
            "/a%00",
            "/a%0d%0aX:1",
            "/%61dmin",
            "/%7euser",
            "/a%252fb",
            "/a%25",
            "/a%3Fx",
            "/a%23",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%é",
            "/a b",
            "/a\tb",
            "/a\u{7f}",
            "/ä",
            "/a#b",
            "/a%+1",
            "/a%ff",
            "/admin.",
            "/admin%20/x",
            "/%c0%ae%c0%ae/b",
            "/%c0%afb",
            "/a%e2%82",
            "/a?b",
            "/admin./x",
            "/admin%20",
            "/%C3%A4//b",
            "/%C3%A4/../b",
            "/%C3%A4/x.",
            "/%C3%A4./x",
            "/%C3%A4;x",
            "/%C3%A4\\x",
            "%C3%A4",
        ] {
            assert_eq!(check(attack), Err(Reason::PathAmbiguous), "{attack:?}");
        }
    }

    #[test]
    fn ordinary_paths_pass() {
        for path in ["/", "/chat", "/a/", "/a.b/..c/d..e", "/~me/x_y-z", "/%C3%A4", "/a%20b", "/@scope,a=b&c!$'()*+:"] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn an_allowed_spelling_is_taken_out_of_the_check_and_nothing_else_is() {
        use Spelling::{NumberSign, QuestionMark, Semicolon, Slash};
        for (path, allowed) in [
            ("/a%2Fb", vec![Slash]),
            ("/a%2fb/", vec![Slash]),
            ("/a;x=1/b;y", vec![Semicolon]),
            ("/a%3F", vec![QuestionMark]),
            ("/a%3f/b", vec![QuestionMark]),
            ("/a%23%3F", vec![NumberSign, QuestionMark]),
            ("/a%2Fb;c%3Fd%23e", Spelling::ALL.to_vec()),
            ("/plain", Vec::new()),
        ] {
            assert_eq!(check_beside(path, &allowed), Ok(()), "{path}");
            let others: Vec<_> = allowed.iter().skip(1).copied().collect();
            assert_eq!(check_beside(path, &others).is_err(), !allowed.is_empty(), "{path} with {others:?}");
        }
        for (path, allowed) in [
            ("/a;b", vec![Slash, QuestionMark, NumberSign]),
            ("/a%3Bb", vec![Semicolon]),
            ("/a%5Cb", vec![Slash]),
            ("/a\\b", vec![Slash]),
            ("/a?b", vec![QuestionMark]),
            ("/a#b", vec![NumberSign]),
            ("/a%252Fb", vec![Slash]),
            ("%2Fa", vec![Slash]),
            (";a", vec![Semicolon]),
            ("/%2Fa", vec![Slash]),
            ("/a%2F", vec![Slash]),
            ("/a;", vec![Semicolon]),
            ("/%3Fa", vec![QuestionMark]),
            ("/a.%3F", vec![QuestionMark]),
            ("/a%20%23", vec![NumberSign]),
        ] {
            assert_eq!(check_beside(path, &allowed), Err(Reason::PathAmbiguous), "{path} with {allowed:?}");
        }
    }

    #[test]
    fn methods_in_lower_case_are_refused() {
        for (method, good) in [("GET", true), ("M-SEARCH", true), ("get", false), ("Get", false), ("", false), ("G T", false)] {
            assert_eq!(check_method(method).is_ok(), good, "{method}");
        }
    }
}
