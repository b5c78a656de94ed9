//! One configured call to a service behind us: what is asked, and what came of it. A time-out is not a refusal, and a refusal is
//! not a malformed answer. What the answer means is not known here, and no detail repeats what was asked or answered.

use std::borrow::Cow;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::accounts::template::{Filling, Gap, Template, Text};
use crate::http::message::{HttpCall, Reply};
use crate::words::json;
use crate::words::principal::Claims;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;

/// No answer may be larger, in bytes.
const LARGEST_ANSWER: usize = 256 * 1_024;

/// A call, as it is configured.
#[derive(Clone, Debug)]
pub struct Call {
    /// Envoy's cluster.
    pub cluster: String,
    /// The authority that is asked.
    pub authority: String,
    /// The method.
    pub method: &'static str,
    /// The path, with gaps.
    pub path: Text,
    /// The body, as JSON with gaps.
    pub body: Option<Template>,
    /// Further fields: how the service knows us.
    pub headers: Vec<(String, Secret)>,
    /// How long to wait.
    pub timeout: Duration,
}

/// Somebody answered with one of the expected statuses, or another below 500.
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    call: &'a Call,
    body: &'a [u8],
}

/// Whether a call has certainly reached nobody, by Envoy's own words. A connection that ended later, a time-out, or a 503 of somebody
/// else's may come after the call was read.
pub fn reached_nobody(reply: &Reply) -> bool {
    let said = match reply {
        Reply::NotSent => return true,
        Reply::Answered { status: 503, body, .. } => body.as_slice(),
        Reply::Answered { .. } | Reply::Reset => return false,
    };
    let why = said.strip_prefix(b"upstream connect error or disconnect/reset before headers. reset reason: ");
    let before_it_was_sent: [&[u8]; 4] =
        [b"remote connection failure", b"local connection failure", b"connection timeout", b"overflow"];
    match why {
        Some(why) => before_it_was_sent.iter().any(|reason| why.starts_with(reason)),
        None => said == b"no healthy upstream",
    }
}

impl Call {
    /// Whether there is such a gap, in the path or in the body.
    pub fn has(&self, wanted: &dyn Fn(&Gap) -> bool) -> bool {
        self.path.has(wanted) || self.body.as_ref().is_some_and(|body| body.has(wanted))
    }

    /// The call, with its gaps filled.
    ///
    /// # Errors
    /// [`Reason::AccountsMalformed`] when the path has a gap that nothing fills, or the body one for a claim that is no text, number,
    /// `true` or `false`.
    pub fn request(&self, filling: &Filling<'_>) -> Result<HttpCall, Failure> {
        let path = self.path.path(filling).map_err(|gap| {
            let detail = format!("{} cannot be asked: there is no value that a path can hold for its gap {gap}", self.cluster);
            Failure::new(Reason::AccountsMalformed, detail)
        })?;
        if self.body.as_ref().is_some_and(|body| body.has(&|gap| gap.is_unwanted_structure(filling))) {
            let detail = format!(
                "{} cannot be asked: a claim for its body is a list or an object; if that is meant, write {{json claims.NAME}}",
                self.cluster
            );
            return Err(Failure::new(Reason::AccountsMalformed, detail));
        }
        let body = self.body.as_ref().map_or_else(Zeroizing::default, |body| body.json(filling));
        let mut headers: Vec<(Cow<'static, str>, String)> = vec![("accept".into(), "application/json".to_owned())];
        if !body.is_empty() {
            headers.push(("content-type".into(), "application/json".to_owned()));
        }
        headers.extend(self.headers.iter().map(|(name, value)| (name.clone().into(), value.expose().to_owned())));
        Ok(HttpCall {
            cluster: self.cluster.clone(),
            method: self.method,
            scheme: "http".to_owned(),
            authority: self.authority.clone(),
            path,
            headers,
            body,
            timeout: self.timeout,
        })
    }

    /// Sorts out what came of it.
    ///
    /// # Errors
    /// [`Reason::AccountsTimeout`] and [`Reason::AccountsUnreachable`].
    pub fn response<'a>(&'a self, reply: &'a Reply) -> Result<Answer<'a>, Failure> {
        let unreachable =
            |what: &str| Failure::new(Reason::AccountsUnreachable, format!("cluster {} was not reached: {what}", self.cluster));
        match reply {
            Reply::NotSent => Err(unreachable("Envoy could not send; is there a cluster of that name?")),
            Reply::Reset => Err(unreachable("the connection was reset before an answer")),
            Reply::Answered { status: 504, .. } => {
                let waited = self.timeout.as_millis();
                let detail = format!("cluster {} did not answer within {waited} ms (status 504)", self.cluster);
                Err(Failure::new(Reason::AccountsTimeout, detail))
            }
            Reply::Answered { status, .. } if *status >= 500 => {
                Err(unreachable(&format!("status {status} (503 is also what Envoy says when the connection is refused)")))
            }
            Reply::Answered { status, body, .. } => Ok(Answer { status: *status, call: self, body }),
        }
    }
}

impl Answer<'_> {
    /// The JSON object in the body.
    ///
    /// # Errors
    /// [`Reason::AccountsMalformed`].
    pub fn object(&self) -> Result<Claims, Failure> {
        if self.body.len() > LARGEST_ANSWER {
            return Err(self.malformed("it is larger than 256 KiB"));
        }
        json::object(self.body).map_err(|what| self.malformed(what))
    }

    /// A refusal of this answer.
    pub fn malformed(&self, what: &str) -> Failure {
        let detail = format!("the answer of cluster {} (status {}) cannot be used: {what}", self.call.cluster, self.status);
        Failure::new(Reason::AccountsMalformed, detail)
    }

    /// A refusal of a status that is not configured.
    pub fn unexpected(&self) -> Failure {
        self.malformed("its status is none of those that are configured")
    }
}
