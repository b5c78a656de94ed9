//! Takes the outcome of a call to a provider apart, for all exchanges: no response, a time-out, or a response with a document. A
//! time-out is not a refusal, and a refusal is not a malformed response. What a document must contain is not known here.

use std::time::Duration;

use serde_json::Value;

use crate::http::cause::{by_provider, counters};
use crate::http::message::{Headers, Reply};
use crate::http::url::Url;
use crate::oidc::provider::Provider;
use crate::words::json;
use crate::words::principal::Claims;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;

/// The size of the largest document of a provider, in bytes.
pub(super) const LARGEST_BODY: usize = 256 * 1_024;

/// The reasons that the failures of one endpoint get.
#[derive(Clone, Copy)]
pub(super) struct FailureReasons {
    pub(super) timeout: Reason,
    pub(super) unreachable: Reason,
    pub(super) malformed: Reason,
}

/// A response with a status below 500.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) headers: &'a Headers,
    body: &'a [u8],
    whom: String,
    malformed: Reason,
}

/// What the media type of a response says about its body (RFC 9110, section 8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// It is JSON: `application/json`, or a type that ends in `+json` (RFC 6839, section 3.1).
    Json,
    /// It is a JWT (RFC 7519, section 10.3.1).
    Jwt,
    /// Nothing: there is no type, or one that any text or any bytes may have. The body says itself what it is.
    NotSaid,
    /// It is something else.
    Other,
}

/// Separates the responses that can be read from the failures, which get one of `reasons`.
pub(super) fn answer<'a>(
    provider: &Provider,
    url: &Url,
    reply: &'a Reply,
    reasons: FailureReasons,
) -> Result<Answer<'a>, Failure> {
    let cluster = provider.clusters.reaching(url).unwrap_or("(none)");
    // A query may hold a secret.
    let address = url.as_str().split('?').next().unwrap_or_default();
    let whom = format!("{address} (cluster {cluster})");
    let unreachable = |what: &str| Failure::new(reasons.unreachable, format!("{whom} was not reached: {what}"));
    match reply {
        Reply::NotSent => Err(unreachable("Envoy could not send; is there a cluster of that name, with a healthy host?")),
        Reply::Reset => {
            let what = "the connection was reset before an answer; TLS settings of the cluster?";
            Err(unreachable(&[what, &counters(cluster, "TLS")].concat()))
        }
        Reply::Answered { status: 504, .. } => {
            let waited = provider.timeout.as_millis();
            Err(Failure::new(reasons.timeout, format!("{whom} did not answer within {waited} ms (status 504)")))
        }
        Reply::Answered { status, body, .. } if *status >= 500 => {
            Err(unreachable(&format!("status {status}{}", by_provider(*status, body, cluster))))
        }
        Reply::Answered { status, headers, body } => {
            Ok(Answer { status: *status, headers, body, whom, malformed: reasons.malformed })
        }
    }
}

impl Answer<'_> {
    /// The JSON object in the body, if the status is 200.
    pub(super) fn document(&self) -> Result<Claims, Failure> {
        self.successful()?;
        self.object()
    }

    /// Like [`Answer::document`], but refuses what is called by another media type than JSON. `expected` are the types that the
    /// failure names.
    pub(super) fn typed_document(&self, expected: &str) -> Result<Claims, Failure> {
        self.successful()?;
        match self.content() {
            Content::Json | Content::NotSaid => self.object(),
            Content::Jwt | Content::Other => {
                let found = quote(&self.media_type());
                Err(self.malformed(&format!("its content-type is {found}, where {expected} was expected")))
            }
        }
    }

    /// The body as a text, if the status is 200.
    pub(super) fn text(&self) -> Result<&str, Failure> {
        self.successful()?;
        std::str::from_utf8(self.limited()?).map_err(|_| self.unreadable("it is not UTF-8"))
    }

    /// The JSON object in the body, whatever the status.
    pub(super) fn object(&self) -> Result<Claims, Failure> {
        json::object(self.limited()?).map_err(|phrase| self.unreadable(phrase))
    }

    /// Refuses every status but 200.
    fn successful(&self) -> Result<(), Failure> {
        if self.status == 200 {
            return Ok(());
        }
        // What follows may hold a secret.
        let shown = |target: &str| quote(target.split(['?', '#']).next().unwrap_or_default());
        let target = self.headers.single("location").map(|target| format!(", with location {}", shown(target)));
        let what = format!("status {} where 200 was expected{}", self.status, target.unwrap_or_default());
        Err(self.malformed(&what))
    }

    /// The body, if it is not larger than [`LARGEST_BODY`].
    fn limited(&self) -> Result<&[u8], Failure> {
        if self.body.len() > LARGEST_BODY {
            return Err(self.malformed("the document is larger than 256 KiB"));
        }
        Ok(self.body)
    }

    fn unreadable(&self, phrase: &str) -> Failure {
        let coding = self.headers.single("content-encoding").filter(|coding| !coding.eq_ignore_ascii_case("identity"));
        self.malformed(&match coding {
            Some(coding) => format!("its content-encoding is {}, though accept-encoding: identity was sent", quote(coding)),
            None => format!("the document cannot be read: {phrase}"),
        })
    }

    /// Whether there is a body, and it is no JSON object. A token endpoint answers errors in JSON (RFC 6749, section 5.2), so that
    /// something else answered.
    pub(super) fn is_foreign(&self) -> bool {
        !self.body.is_empty() && self.object().is_err()
    }

    /// The failure for a response that cannot be used; `what` says why.
    pub(super) fn malformed(&self, what: &str) -> Failure {
        Failure::new(self.malformed, self.says(what))
    }

    /// A sentence that names the responder, and says `what` it answered.
    pub(super) fn says(&self, what: &str) -> String {
        format!("{} answered: {what}", self.whom)
    }

    /// What the media type says about the body.
    pub(super) fn content(&self) -> Content {
        match self.media_type().as_str() {
            "application/json" => Content::Json,
            structured if structured.starts_with("application/") && structured.ends_with("+json") => Content::Json,
            "application/jwt" => Content::Jwt,
            "" | "text/plain" | "application/octet-stream" => Content::NotSaid,
            _ => Content::Other,
        }
    }

    /// The media type in lower case and without parameters; empty if there is none. If several differ, all of them, separated by
    /// commas.
    fn media_type(&self) -> String {
        let essence = |field: &[u8]| {
            let field = String::from_utf8_lossy(field);
            field.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
        };
        let mut types: Vec<_> = self.headers.all("content-type").map(essence).collect();
        types.dedup();
        types.join(", ")
    }

    /// The responder's clock, to the second, from the header `Date`.
    pub(super) fn clock(&self) -> Option<Timestamp> {
        let date = httpdate::parse_http_date(self.headers.single("date")?).ok()?;
        let since = date.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(Timestamp::default().plus(since))
    }
}

/// The text of a member; `None` if it is absent or `null`, and an error if it is something else than a text.
pub(super) fn text<'a>(members: &'a Claims, name: &str) -> Result<Option<&'a str>, String> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name} is not a text")),
    }
}

/// How long a response stays fresh, by the `max-age` in its `Cache-Control`: at least five minutes and at most a day, an hour if
/// there is none.
pub(super) fn fresh_for(reply: &Reply) -> Duration {
    const SHORTEST: Duration = Duration::from_secs(5 * 60);
    const USUAL: Duration = Duration::from_secs(60 * 60);
    const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
    let Reply::Answered { headers, .. } = reply else { return SHORTEST };
    let directives =
        headers.all("cache-control").filter_map(|line| std::str::from_utf8(line).ok()).flat_map(|line| line.split(','));
    let mut stated = None;
    for directive in directives {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return SHORTEST,
            "max-age" => stated = value.trim().trim_matches('"').parse().ok().map(Duration::from_secs),
            _ => {}
        }
    }
    stated.unwrap_or(USUAL).clamp(SHORTEST, LONGEST)
}
