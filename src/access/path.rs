//! Refuses paths and methods that can be read in two ways: the path that rules are compared with and the one that the upstream
//! serves must be the same. Nothing is ever decoded, repaired or guessed here.

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
    fn methods_in_lower_case_are_refused() {
        for (method, good) in [("GET", true), ("M-SEARCH", true), ("get", false), ("Get", false), ("", false), ("G T", false)] {
            assert_eq!(check_method(method).is_ok(), good, "{method}");
        }
    }
}
