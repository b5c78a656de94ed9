//! One configured call of the user service, from its gaps to its answer. A time-out is not a refusal, and a refusal is not a
//! malformed answer. What an answer means is never known here, and no detail of a failure repeats what was sent or answered.

use std::borrow::Cow;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::accounts::template::{Filling, Gap, Template, Text};
use crate::http::cause::{by_envoy, counters};
use crate::http::message::{HttpCall, Reply, UNCOMPRESSED};
use crate::words::json;
use crate::words::principal::Claims;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;

/// The largest answer that is read, in bytes.
const LARGEST_ANSWER: usize = 256 * 1_024;

/// A call, as it is configured.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "they are named as the configuration names them")]
pub struct Call {
    /// The name of Envoy's cluster.
    pub cluster: String,
    pub authority: String,
    pub method: &'static str,
    /// The path, with gaps.
    pub path: Text,
    /// The JSON of the body, with gaps.
    pub body: Option<Template>,
    /// Names and values of further headers, by which the service knows that Accredit calls.
    pub headers: Vec<(String, Secret)>,
    pub timeout: Duration,
}

/// An answer with a status below 500. Its body was not looked at yet.
#[expect(missing_docs, reason = "the name says it")]
pub struct Answer<'a> {
    pub status: u16,
    call: &'a Call,
    body: &'a [u8],
}

/// Whether a call certainly never reached the service, as far as Envoy's own words tell. After a connection that ended later, a
/// time-out, or a 503 that the service answered itself, the call may have been read.
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
    /// Whether there is a `wanted` gap in the path or in the body.
    pub fn has(&self, wanted: &dyn Fn(&Gap) -> bool) -> bool {
        self.path.has(wanted) || self.body.as_ref().is_some_and(|body| body.has(wanted))
    }

    /// The call, with its gaps filled.
    ///
    /// # Errors
    /// [`Reason::AccountsMalformed`] when the path has a gap without a value that a path can hold, or the body a gap for a claim
    /// that is a list or an object where none is wanted.
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
        let mut body = self.body.as_ref().map_or_else(Zeroizing::default, |body| body.json(filling));
        let mut headers: Vec<(Cow<'static, str>, String)> =
            vec![("accept".into(), "application/json".to_owned()), (UNCOMPRESSED.0.into(), UNCOMPRESSED.1.to_owned())];
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
            body: std::mem::take(&mut *body).into_bytes().into(),
            timeout: self.timeout,
        })
    }

    /// The answer, if one came.
    ///
    /// # Errors
    /// [`Reason::AccountsTimeout`] when Envoy says that the time is over (504), and [`Reason::AccountsUnreachable`] when nothing
    /// was answered, or another status of 500 and above.
    pub fn response<'a>(&'a self, reply: &'a Reply) -> Result<Answer<'a>, Failure> {
        let unreachable =
            |what: &str| Failure::new(Reason::AccountsUnreachable, format!("cluster {} was not reached: {what}", self.cluster));
        match reply {
            Reply::NotSent => Err(unreachable("Envoy could not send; is there a cluster of that name, with a healthy host?")),
            Reply::Reset => {
                Err(unreachable(&["the connection was reset before an answer", &counters(&self.cluster, "TLS")].concat()))
            }
            Reply::Answered { status: 504, .. } => {
                let waited = self.timeout.as_millis();
                let detail = format!("cluster {} did not answer within {waited} ms (status 504)", self.cluster);
                Err(Failure::new(Reason::AccountsTimeout, detail))
            }
            Reply::Answered { status, body, .. } if *status >= 500 => {
                Err(unreachable(&format!("status {status}{}", by_envoy(*status, body, &self.cluster))))
            }
            Reply::Answered { status, body, .. } => Ok(Answer { status: *status, call: self, body }),
        }
    }
}

impl Answer<'_> {
    /// The JSON object in the body.
    ///
    /// # Errors
    /// [`Reason::AccountsMalformed`] when there is none, or when the body is too large.
    pub fn object(&self) -> Result<Claims, Failure> {
        if self.body.len() > LARGEST_ANSWER {
            return Err(self.malformed("it is larger than 256 KiB"));
        }
        json::object(self.body).map_err(|what| self.malformed(what))
    }

    /// The failure that this answer cannot be used; `what` says why, and must not repeat what was answered.
    pub fn malformed(&self, what: &str) -> Failure {
        let detail = format!("the answer of cluster {} (status {}) cannot be used: {what}", self.call.cluster, self.status);
        Failure::new(Reason::AccountsMalformed, detail)
    }

    /// The failure that the status of this answer is none of the configured ones.
    pub fn unexpected(&self) -> Failure {
        self.malformed("its status is none of those that are configured")
    }
}
