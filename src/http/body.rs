//! The body of a request to one of our own endpoints: whether it was read, and the two forms in which it may come. No body of a
//! request for somebody behind us is ever here.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::http::message::Headers;
use crate::http::url::query_parameters;
use crate::words::json;
use crate::words::reason::{Failure, Reason};

/// No body is read further than this, in bytes: Envoy's `buffer` filter has the same limit.
pub const LARGEST: usize = 65_536;

/// A body, as far as it is known. Debug output shows its size only: it may hold a code or a password.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Body {
    /// It was not asked for.
    #[default]
    Unread,
    /// It is larger than [`LARGEST`].
    TooLarge,
    /// All of it; wiped when dropped.
    Read(Zeroizing<Vec<u8>>),
}

impl Body {
    /// Its bytes; none when it was not read.
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

/// In which form a body comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// A JSON object (RFC 8259).
    Json,
    /// `application/x-www-form-urlencoded`, as a browser sends a form.
    UrlEncoded,
}

impl MediaType {
    const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::UrlEncoded => "application/x-www-form-urlencoded",
        }
    }

    /// Which of `forms` the fields say that a body has, before it is read.
    ///
    /// # Errors
    /// [`Reason::BodyTypeRefused`] for another type (RFC 9110, section 8.3: compared without case, parameters aside), for more
    /// than one, or for compressed content; [`Reason::BodyTooLarge`] for a length above [`LARGEST`].
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

/// The members of a JSON object.
///
/// # Errors
/// [`Reason::BodyMalformed`] for what is no JSON object in UTF-8, has a member twice or is nested too deeply.
pub fn json_members(bytes: &[u8]) -> Result<Map<String, Value>, Failure> {
    json::object(bytes).map_err(|what| Failure::new(Reason::BodyMalformed, format!("expected a JSON object; {what}")))
}

/// The parameters of a form, decoded.
///
/// # Errors
/// [`Reason::BodyMalformed`] for what is not UTF-8, names a parameter twice or has too many.
pub fn form_parameters(bytes: &[u8]) -> Result<BTreeMap<String, String>, Failure> {
    let malformed = || Failure::new(Reason::BodyMalformed, "expected a form in UTF-8, every parameter once");
    let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
    let parameters = query_parameters(Some(text)).map_err(|_| malformed())?;
    // What stands for bytes that are not UTF-8: different texts would be one.
    let lossy = |text: &String| text.contains(char::REPLACEMENT_CHARACTER);
    if parameters.iter().any(|(name, value)| lossy(name) || lossy(value)) { Err(malformed()) } else { Ok(parameters) }
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
    fn a_body_that_can_be_read_in_two_ways_is_malformed_and_not_quoted() {
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
        let many = "a=1&".repeat(40);
        for bytes in [b"a=1&a=2".as_slice(), b"code=\xff", b"code=%FF", many.as_bytes()] {
            assert_eq!(form_parameters(bytes).unwrap_err().reason, Reason::BodyMalformed);
        }
        assert_eq!(form_parameters(b"code=a%20b").unwrap()["code"], "a b");
    }

    #[test]
    fn a_body_prints_its_size_only() {
        assert_eq!(format!("{:?}", Body::Read(b"hunter2".to_vec().into())), "7 bytes");
    }
}
