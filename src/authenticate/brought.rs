//! Which bearer token a request brings (RFC 6750, section 2). Whether it is any good, others say.

use crate::step::visit::Visit;
use crate::words::bytes::ByteSet;
use crate::words::secret::LentSecret;

/// Which bytes a token is made of (RFC 6750, section 2.1).
const OF_TOKENS: ByteSet = ByteSet::EMPTY.with_range(b'A', b'Z').with_range(b'a', b'z').with_range(b'0', b'9').with(b"-._~+/=");

/// What a request brings.
#[derive(Debug)]
pub enum Brought<'a> {
    /// No bearer token; another scheme is somebody else's affair.
    Nothing,
    /// This one.
    Token(LentSecret<'a>),
    /// More than one (RFC 6750, section 2).
    TooMuch,
}

/// Whether there is a token in the address, where it does not belong (RFC 6750, section 5.3; RFC 9700, section 4.3.2).
pub fn is_in_address(visit: &Visit) -> bool {
    let query = visit.request.query.as_deref().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token")
}

/// Reads the token.
pub fn brought(visit: &Visit) -> Brought<'_> {
    let headers = &visit.request.headers;
    let mut lines = headers.all("authorization");
    let line = match (lines.next(), lines.next()) {
        (None, _) => return Brought::Nothing,
        (Some(line), None) => line,
        (Some(_), Some(_)) => return Brought::TooMuch,
    };
    // What is not UTF-8 has no scheme; whether it speaks of one is asked of its bytes.
    let text = std::str::from_utf8(line).unwrap_or_default().trim();
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        // Whatever else separates the words, a lax server may read it as we would a space.
        let mut words = line.split(|byte| !byte.is_ascii_alphanumeric());
        let speaks_of_bearer = words.any(|word| word.eq_ignore_ascii_case(b"bearer"));
        return if speaks_of_bearer { Brought::TooMuch } else { Brought::Nothing };
    }
    let token = token.trim();
    // Envoy joins two lines by a comma, which no token has.
    if OF_TOKENS.has_all(token.as_bytes()) { Brought::Token(LentSecret::new(token)) } else { Brought::TooMuch }
}
