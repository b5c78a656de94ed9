//! Keeps shared caches from keeping an answer that is for one person. Where the application forbids that itself, nothing is
//! changed. Whether an answer is for one person is not known here.

use crate::access::caching::caches::speaks_past_cache_control;
use crate::http::message::Headers;

/// The header that keeps caches between Accredit and the application from keeping an answer (RFC 9111, section 5.2.1.5). They do
/// not see the credentials, which are removed from the request, and would give one person's answer to another.
pub const NO_STORE: (&str, &str) = ("cache-control", "no-store");

/// Whether a value of `Cache-Control` forbids shared caches to keep the answer (RFC 9111, sections 5.2.2.5 and 5.2.2.7).
/// `private="field"` does not, because it is about that field alone.
fn is_private(cache_control: &[u8]) -> bool {
    let mut private = false;
    each_directive(&String::from_utf8_lossy(cache_control), &mut |directive| {
        private |= directive.eq_ignore_ascii_case("private") || directive.eq_ignore_ascii_case("no-store");
    });
    private
}

/// What has to change in an answer for one person: the names of the fields to remove, and the value that replaces all lines of
/// `Cache-Control`, if that is needed. The value is `private`, followed by the directives that were there and do not contradict
/// it.
pub fn made_private(answer: &Headers) -> (Vec<&str>, Option<String>) {
    let mut past = Vec::new();
    for name in answer.named(|name| name != b"expires" && speaks_past_cache_control(name)) {
        if !answer.all(name).all(is_private) {
            past.push(name);
        }
    }
    // `private` comes first, so that a quotation which is not closed behind it cannot hide it.
    let (mut spoke, mut made) = (answer.contains("expires") || !past.is_empty(), "private".to_owned());
    for line in answer.all("cache-control") {
        if is_private(line) {
            return (past, None);
        }
        spoke = true;
        each_directive(&String::from_utf8_lossy(line), &mut |directive| {
            let name = directive.split_once('=').map_or(directive, |(name, _)| name.trim_ascii_end());
            if !["", "public", "s-maxage", "private"].iter().any(|word| name.eq_ignore_ascii_case(word)) {
                made.push_str(", ");
                made.push_str(directive);
            }
        });
    }
    (past, spoke.then_some(made))
}

/// Calls `see` with each directive. Commas within quotation marks do not separate directives.
fn each_directive(value: &str, see: &mut dyn FnMut(&str)) {
    let (mut begin, mut quoted, mut escaped) = (0, false, false);
    for (at, byte) in value.bytes().chain([b',']).enumerate() {
        // A quotation that is not closed ends with the value.
        if byte == b',' && (!quoted || at == value.len()) {
            see(value.get(begin..at).unwrap_or_default().trim_ascii());
            begin = at.saturating_add(1);
        }
        quoted ^= byte == b'"' && !escaped;
        escaped = quoted && byte == b'\\' && !escaped;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(fields: &[(&str, &str)]) -> (Vec<String>, Option<String>) {
        let headers = Headers::new(fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect());
        let (gone, value) = made_private(&headers);
        (gone.into_iter().map(str::to_owned).collect(), value)
    }

    #[test]
    fn directives_that_let_shared_caches_keep_an_answer_are_replaced_by_private_and_the_rest_stays() {
        for (said, right) in [
            ("public", "private"),
            ("max-age=60", "private, max-age=60"),
            ("PUBLIC , Max-Age=60,immutable", "private, Max-Age=60, immutable"),
            ("s-maxage=600", "private"),
            ("s-maxage = 600, max-age=0, must-revalidate", "private, max-age=0, must-revalidate"),
            ("public, stale-while-revalidate=30, no-transform", "private, stale-while-revalidate=30, no-transform"),
            ("no-cache", "private, no-cache"),
            ("", "private"),
            (",,max-age=1,,", "private, max-age=1"),
            // `private` and `no-store` mean nothing for the answer when they are about one field, or within a quotation.
            ("private=\"set-cookie\", max-age=60", "private, max-age=60"),
            ("no-cache=\"set-cookie, private\", max-age=60", "private, no-cache=\"set-cookie, private\", max-age=60"),
            ("community=\"a, private, b\\\", no-store\", public", "private, community=\"a, private, b\\\", no-store\""),
            ("private-ish, max-age=1", "private, private-ish, max-age=1"),
            ("no-store=1, max-age=1", "private, no-store=1, max-age=1"),
            // Caches differ in how they read a quotation that is not closed: `private` stands before it.
            ("max-age=60, x=\"y, private", "private, max-age=60, x=\"y, private"),
        ] {
            assert_eq!(made(&[("cache-control", said)]), (vec![], Some(right.to_owned())), "{said}");
        }
    }

    #[test]
    fn an_answer_that_forbids_shared_caches_or_does_not_mention_caches_stays_as_it_is() {
        for said in ["private", "no-store", "private, max-age=60", "max-age=0, PRIVATE ,must-revalidate", "no-store, public"] {
            assert_eq!(made(&[("cache-control", said)]), (vec![], None), "{said}");
            assert!(is_private(said.as_bytes()));
        }
        assert_eq!(made(&[("content-type", "text/html"), ("etag", "\"a\"")]), (vec![], None));
    }

    #[test]
    fn several_lines_of_cache_control_are_read_as_one() {
        let lines = [("cache-control", "max-age=60"), ("cache-control", "public, must-revalidate")];
        assert_eq!(made(&lines).1.as_deref(), Some("private, max-age=60, must-revalidate"));
        assert_eq!(made(&[("cache-control", "max-age=60"), ("cache-control", "private")]).1, None);
    }

    #[test]
    fn expires_or_the_field_of_one_vendor_alone_lets_a_cache_keep_an_answer_too() {
        assert_eq!(made(&[("expires", "Thu, 01 Jan 2099 00:00:00 GMT")]), (vec![], Some("private".to_owned())));
        for vendor in ["cdn-cache-control", "surrogate-control", "x-accel-expires", "edge-control", "akamai-cache-control"] {
            let gone = vec![vendor.to_owned()];
            assert_eq!(made(&[(vendor, "max-age=60")]), (gone.clone(), Some("private".to_owned())), "{vendor}");
            assert_eq!(made(&[("cache-control", "no-store"), (vendor, "max-age=60")]), (gone, None), "{vendor}");
        }
    }

    #[test]
    fn the_field_of_a_vendor_that_forbids_to_keep_an_answer_stays() {
        let fields = [("cache-control", "max-age=60"), ("cdn-cache-control", "no-store")];
        assert_eq!(made(&fields), (vec![], Some("private, max-age=60".to_owned())));
    }
}
