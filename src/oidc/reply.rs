//! Takes the outcome of a call to a provider apart, for all exchanges: no response, a time-out, or a response with a document. A
//! time-out is not a refusal, and a refusal is not a malformed response. What a document must contain is not known here.

use std::time::Duration;

use serde_json::Value;

use crate::http::cause::by_provider;
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
        Reply::NotSent => Err(unreachable("Envoy could not send; is there a cluster of that name?")),
        Reply::Reset => Err(unreachable("the connection was reset before an answer; TLS settings of the cluster?")),
        Reply::Answered { status: 504, .. } => {
            let waited = provider.timeout.as_millis();
            Err(Failure::new(reasons.timeout, format!("{whom} did not answer within {waited} ms (status 504)")))
        }
        Reply::Answered { status, body, .. } if *status >= 500 => {
            Err(unreachable(&format!("status {status}{}", by_provider(*status, body))))
        }
        Reply::Answered { status, headers, body } => {
            Ok(Answer { status: *status, headers, body, whom, malformed: reasons.malformed })
        }
    }
}

impl Answer<'_> {
    /// The JSON object in the body, if the status is 200.
    pub(super) fn document(&self) -> Result<Claims, Failure> {
        if self.status != 200 {
            // What follows may hold a secret.
            let shown = |target: &str| quote(target.split(['?', '#']).next().unwrap_or_default());
            let target = self.headers.single("location").map(|target| format!(", with location {}", shown(target)));
            let what = format!("status {} where 200 was expected{}", self.status, target.unwrap_or_default());
            return Err(self.malformed(&what));
        }
        self.object()
    }

    /// The JSON object in the body, whatever the status.
    pub(super) fn object(&self) -> Result<Claims, Failure> {
        if self.body.len() > LARGEST_BODY {
            return Err(self.malformed("the document is larger than 256 KiB"));
        }
        json::object(self.body).map_err(|phrase| {
            let coding = self.headers.single("content-encoding").filter(|coding| !coding.eq_ignore_ascii_case("identity"));
            self.malformed(&match coding {
                Some(coding) => {
                    format!("its content-encoding is {}, though accept-encoding: identity was sent", quote(coding))
                }
                None => format!("the document cannot be read: {phrase}"),
            })
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

    /// Whether the media type is `application/json`.
    pub(super) fn is_json(&self) -> bool {
        self.is_of_type("application/json")
    }

    /// Whether the media type is this one.
    pub(super) fn is_of_type(&self, name: &str) -> bool {
        let media_type = self.headers.single("content-type").unwrap_or_default();
        media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(name)
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
