//! The body of a request to one of our own endpoints: whether it was read, and the media types that it may have. The body of
//! a request that goes upstream is never read.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::http::message::Headers;
use crate::http::url::query_parameters;
use crate::words::json;
use crate::words::reason::{Failure, Reason};

/// The largest body that is read, in bytes. Envoy's `buffer` filter is configured with the same limit.
pub const LARGEST: usize = 65_536;

/// A request's body, as far as it was read. Debug output shows its size alone, because it may hold a code or a password.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Body {
    /// It was not read, because nothing asked for it.
    #[default]
    Unread,
    /// It is larger than [`LARGEST`].
    TooLarge,
    /// The whole body. It is wiped when it is dropped.
    Read(Zeroizing<Vec<u8>>),
}

impl Body {
    /// The bytes of the body; none if it was not read.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Read(bytes) => bytes,
            Self::Unread | Self::TooLarge => &[],
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread => formatter.write_str("unread"),
            Self::TooLarge => formatter.write_str("too large"),
            Self::Read(bytes) => write!(formatter, "{} bytes", bytes.len()),
        }
    }
}

/// The media types in which a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// `application/json`: a JSON object (RFC 8259).
    Json,
    /// `application/x-www-form-urlencoded`: a form, as browsers send it.
    UrlEncoded,
    /// `application/secevent+jwt`: a security event token (RFC 8417, section 7.2).
    SecurityEvent,
}

impl MediaType {
    const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::UrlEncoded => "application/x-www-form-urlencoded",
            Self::SecurityEvent => "application/secevent+jwt",
        }
    }

    /// Which of `forms` the body has, as the request's header fields say. Asked before the body is read.
    ///
    /// # Errors
    /// [`Reason::BodyTypeRefused`] for another media type (RFC 9110, section 8.3: compared without case and without parameters),
    /// for several, or for compressed content; [`Reason::BodyTooLarge`] if `content-length` is above [`LARGEST`].
    pub fn announced(forms: &[Self], headers: &Headers) -> Result<Self, Failure> {
        let named = headers.single("content-type").unwrap_or_default();
        let essence = named.split(';').next().unwrap_or_default().trim_ascii();
        let found = forms.iter().find(|form| essence.eq_ignore_ascii_case(form.media_type()));
        let Some(form) = found.filter(|_| !headers.contains("content-encoding")) else {
            let types: Vec<_> = forms.iter().map(|form| form.media_type()).collect();
            return Err(Failure::new(Reason::BodyTypeRefused, format!("expected content-type {}", types.join(" or "))));
        };
        match headers.single("content-length").map(str::parse::<u64>) {
            Some(Ok(length)) if length > LARGEST as u64 => Err(too_large()),
            _ => Ok(*form),
        }
    }
}

/// The refusal of a body that is larger than [`LARGEST`].
pub fn too_large() -> Failure {
    Failure::new(Reason::BodyTooLarge, format!("expected at most {LARGEST} bytes"))
}

/// Reads the members of a JSON object.
///
/// # Errors
/// [`Reason::BodyMalformed`] if it is no JSON object in UTF-8, names a member twice or is nested too deeply.
pub fn json_members(bytes: &[u8]) -> Result<Map<String, Value>, Failure> {
    json::object(bytes).map_err(|what| Failure::new(Reason::BodyMalformed, format!("expected a JSON object; {what}")))
}

/// Reads and decodes the parameters of a form that are `known`, as [`query_parameters`] does.
///
/// # Errors
/// [`Reason::BodyMalformed`] if the form is not UTF-8, or a known parameter comes twice.
pub fn form_parameters(bytes: &[u8], known: &[&str]) -> Result<BTreeMap<String, String>, Failure> {
    let malformed = || Failure::new(Reason::BodyMalformed, "expected a form in UTF-8, every parameter once");
    let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
    let parameters = query_parameters(Some(text), known).map_err(|_| malformed())?;
    // The decoder replaces bytes that are not UTF-8 by this character, so that different texts would become the same.
    let is_lossy = parameters.values().any(|value| value.contains(char::REPLACEMENT_CHARACTER));
    if is_lossy { Err(malformed()) } else { Ok(parameters) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &str)]) -> Headers {
        Headers::new(fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect())
    }

    #[test]
    fn a_body_of_another_type_or_too_long_is_refused_before_it_is_read() {
        let refused = Err(Reason::BodyTypeRefused);
        for (fields, expected) in [
            (vec![("content-type", "application/json")], Ok(())),
            (vec![("content-type", "Application/JSON ; charset=utf-8")], Ok(())),
            (vec![("content-type", "application/json"), ("content-length", "65536")], Ok(())),
            (vec![("content-type", "application/json"), ("content-length", "65537")], Err(Reason::BodyTooLarge)),
            (vec![("content-type", "application/json"), ("content-length", "18446744073709551615")], Err(Reason::BodyTooLarge)),
            (vec![], refused),
            (vec![("content-type", "")], refused),
            (vec![("content-type", "text/plain")], refused),
            (vec![("content-type", "application/json+x")], refused),
            (vec![("content-type", "text/plain; application/json")], refused),
            (vec![("content-type", "application/x-www-form-urlencoded")], refused),
            (vec![("content-type", "application/json"), ("content-type", "application/json")], refused),
            (vec![("content-type", "application/json"), ("content-encoding", "gzip")], refused),
        ] {
            let announced = MediaType::announced(&[MediaType::Json], &headers(&fields));
            assert_eq!(announced.map(|_| ()).map_err(|failure| failure.reason), expected, "{fields:?}");
        }
        let form = headers(&[("content-type", "application/x-www-form-urlencoded")]);
        assert_eq!(MediaType::announced(&[MediaType::Json, MediaType::UrlEncoded], &form), Ok(MediaType::UrlEncoded));
    }

    #[test]
    fn a_body_with_two_meanings_is_malformed_and_not_quoted() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(40), "]".repeat(40));
        for bytes in [
            b"".as_slice(),
            b"\xff",
            b"null",
            b"[]",
            b"\"hunter2\"",
            b"{\"code\":\"hunter2\",\"code\":\"b\"}",
            b"{\"code\":\"\xff\"}",
            b"{\"code\":\"a\"}x",
            b"\xef\xbb\xbf{}",
            deep.as_bytes(),
        ] {
            let failure = json_members(bytes).unwrap_err();
            assert_eq!(failure.reason, Reason::BodyMalformed);
            assert!(!failure.detail.contains("hunter2"), "{}", failure.detail);
        }
        for bytes in [b"code=1&code=2".as_slice(), b"code=\xff", b"code=%FF", b"code=1&x=\xff"] {
            assert_eq!(form_parameters(bytes, &["code"]).unwrap_err().reason, Reason::BodyMalformed);
        }
        let others = format!("{}x=%FF&code=a%20b", "a=1&".repeat(40));
        assert_eq!(form_parameters(others.as_bytes(), &["code"]).unwrap()["code"], "a b");
    }

    #[test]
    fn a_body_prints_its_size_only() {
        assert_eq!(format!("{:?}", Body::Read(b"hunter2".to_vec().into())), "7 bytes");
    }
}
