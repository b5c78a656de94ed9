//! Reads the bearer token of a request (RFC 6750, section 2). It never looks at whether the token is valid.

use memchr::memchr_iter;
use percent_encoding::percent_decode_str;

use crate::http::message::TOKEN68;
use crate::step::visit::Visit;
use crate::words::secret::LentSecret;

/// The bearer token of a request's `Authorization` field.
#[derive(Debug)]
pub enum BearerToken<'a> {
    /// There is none. Credentials of another scheme are the application's.
    Absent,
    /// There is this one.
    Present(LentSecret<'a>),
    /// There is more than one (RFC 6750, section 2), or the field can be read in more than one way.
    Ambiguous,
}

/// The name of the parameter that holds a bearer token (RFC 6750, section 2.3).
const ACCESS_TOKEN: &str = "access_token";

/// Whether the query holds an `access_token`, where it is not accepted (RFC 6750, section 5.3; RFC 9700, section 4.3.2). What
/// stands behind a `%3F` of the path, if a rule allows one there, is a query to some applications.
pub fn is_in_address(visit: &Visit) -> bool {
    let query = visit.request.query.as_deref().unwrap_or_default();
    let decoded = decoded_query(&visit.request.path);
    form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == ACCESS_TOKEN)
        || names(&decoded).any(|name| name == ACCESS_TOKEN.as_bytes())
}

/// What stands behind the first `%3F` of a path, decoded once, as an application reads it that decodes the path first; empty if there
/// is none. (A path never holds `%25`, so that decoding again would change nothing.)
fn decoded_query(path: &str) -> Vec<u8> {
    let behind = |percent: usize| path.get(percent.saturating_add(1)..)?.strip_prefix('3')?.strip_prefix(['F', 'f']);
    let query = memchr_iter(b'%', path.as_bytes()).find_map(behind).unwrap_or_default();
    percent_decode_str(query).collect()
}

/// The names of the parameters of a query, at whichever separator an application divides it.
fn names(query: &[u8]) -> impl Iterator<Item = &[u8]> {
    let parameters = query.split(|byte| matches!(byte, b'?' | b'&' | b';' | b'#'));
    parameters.map(|parameter| parameter.split(|byte| *byte == b'=').next().unwrap_or_default())
}

/// Reads the bearer token (RFC 6750, section 2.1). What a laxer server than this one could read as a bearer token is
/// [`BearerToken::Ambiguous`].
pub fn bearer_token(visit: &Visit) -> BearerToken<'_> {
    let headers = &visit.request.headers;
    let mut lines = headers.all("authorization");
    let line = match (lines.next(), lines.next()) {
        (None, _) => return BearerToken::Absent,
        (Some(line), None) => line,
        (Some(_), Some(_)) => return BearerToken::Ambiguous,
    };
    // A field that is not UTF-8 has no scheme here; whether it contains the word `bearer` is looked up in its bytes, below.
    let text = std::str::from_utf8(line).unwrap_or_default().trim();
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        // Whatever separates the words, a lax server may read it as a space.
        let mut words = line.split(|byte| !byte.is_ascii_alphanumeric());
        let names_bearer = words.any(|word| word.eq_ignore_ascii_case(b"bearer"));
        return if names_bearer { BearerToken::Ambiguous } else { BearerToken::Absent };
    }
    let token = token.trim();
    // Envoy may join two lines with a comma, which no token has.
    if TOKEN68.has_all(token.as_bytes()) { BearerToken::Present(LentSecret::new(token)) } else { BearerToken::Ambiguous }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_full_of_question_marks_is_read_once_and_not_again_behind_each_of_them() {
        let path = format!("/files/a{}", "%3F&".repeat(15_000));
        let decoded = decoded_query(&path);
        assert_eq!(decoded.len(), 15_000 * 2 - 1);
        assert_eq!(names(&decoded).count(), 15_000 * 2);
    }
}
