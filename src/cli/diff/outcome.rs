//! How a request ends, as far as it matters whether it ends in the same way elsewhere: the answer, where a browser is sent, and
//! what the application gets. Names of rules, and what is another each time, do not matter. No token is shown.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::access::upstream::believed::{ACCESS_TOKEN, ID_TOKEN};
use crate::cli::desk::answer::Answer;
use crate::cli::desk::documents::told_upstream_token;
use crate::cli::desk::target::Question;
use crate::cli::explain::account::answer;
use crate::config::settings::Settings;
use crate::http::message::CookieEdit;
use crate::step::decision::Forward;
use crate::words::json;
use crate::words::reason::Reason;

/// What a header's value is shown as that comes from the client.
pub(super) const OF_THE_CLIENT: &str = "(as the client sends it)";

/// What a header's value is shown as that is a token of a provider.
const A_TOKEN: &str = "(a token)";

/// The claims of an identity JWT that are others each time.
const OF_ONE_TIME: [&str; 4] = ["iat", "exp", "nbf", "jti"];

/// The name of the operators' endpoint in the configuration.
const OPERATOR_LOGOUT: &str = "operator_logout";

/// What a request reaches, which not everybody may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    Nothing,
    Application,
    /// The operators' endpoint, behind its rule: whoever comes there can end the sessions of others.
    OperatorLogout,
}

impl Reached {
    fn of(endpoint: Option<&str>, answered: &Answer) -> Self {
        match (answered, endpoint) {
            (Answer::LetThrough(_), _) => Self::Application,
            // This endpoint looks at the body behind its rule alone.
            (Answer::ReadsBody | Answer::Refused { reason: Reason::BodyTypeRefused, .. }, Some(OPERATOR_LOGOUT)) => {
                Self::OperatorLogout
            }
            _ => Self::Nothing,
        }
    }
}

/// How a request ends.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// The name of the answer.
    pub(super) name: &'static str,
    pub(super) reached: Reached,
    pub(super) status: Option<u16>,
    pub(super) reason: Option<&'static str>,
    /// The answer in words.
    pub(super) words: String,
    /// The rule or the endpoint that decides.
    pub(super) decides: Option<String>,
    /// The header fields that the application gets, or what an address has to which a browser is sent.
    pub(super) details: BTreeMap<String, String>,
}

impl PartialEq for Outcome {
    /// Whether both end in the same way, whatever decides it.
    fn eq(&self, other: &Self) -> bool {
        let of = |one: &Self| (one.reached, one.name, one.status, one.reason, one.words.clone());
        of(self) == of(other) && self.details == other.details
    }
}

impl Outcome {
    /// Of an answer to this question. `came_with` is the header that carried the credential, `endpoint` the name of the endpoint
    /// of ours that answers; `None` where there is none.
    pub(super) fn new(
        settings: &Settings,
        question: &Question,
        came_with: Option<&str>,
        endpoint: Option<&str>,
        answered: &Answer,
        decides: Option<String>,
    ) -> Self {
        let reached = Reached::of(endpoint, answered);
        let details = match answered {
            Answer::LetThrough(forward) => told(settings, question, came_with, forward),
            Answer::SignsIn { location, .. } | Answer::Answers { location, .. } => {
                location.as_deref().map(parts).unwrap_or_default()
            }
            Answer::Refused { .. } | Answer::ReadsBody | Answer::Unfinished { .. } | Answer::ByEnvoy { .. } => BTreeMap::new(),
        };
        let words = match answered {
            _ if reached == Reached::OperatorLogout => "let through, to end the sessions of others".to_owned(),
            // What was looked for and found is not the same in both, and does not matter.
            Answer::Refused { status, reason, .. } => format!("{status} {}", reason.id()),
            Answer::Answers { status, .. } => status.to_string(),
            other => answer(other),
        };
        let (status, reason) = (answered.status(), answered.reason().map(Reason::id));
        Self { name: answered.name(), reached, status, reason, words, decides, details }
    }

    /// Of a question that cannot be asked, and why.
    pub(super) fn not_asked(why: String) -> Self {
        let details = BTreeMap::new();
        Self { name: "unasked", reached: Reached::Nothing, status: None, reason: None, words: why, decides: None, details }
    }

    /// The same for programs.
    pub(super) fn as_json(&self) -> Value {
        json!({
            "answer": self.name, "status": self.status, "reason": self.reason, "rule": self.decides, "says": self.words,
            "details": self.details,
        })
    }
}

/// The header fields that the application gets of those that were sent or that are set, and what caches are told.
fn told(settings: &Settings, question: &Question, came_with: Option<&str>, forward: &Forward) -> BTreeMap<String, String> {
    let edits = &forward.edits;
    // What a browser says of a request always goes on.
    let of_the_browser = |name: &&str| *name == "accept" || name.starts_with("sec-");
    let sent = question.headers.iter().map(|(name, _)| name.as_str()).filter(|name| !of_the_browser(name)).chain(came_with);
    let goes_on = |name: &&str| match *name {
        "cookie" => edits.cookie == CookieEdit::Untouched,
        name => edits.remove.iter().all(|removed| removed != name),
    };
    let mut told: BTreeMap<_, _> = sent.filter(goes_on).map(|name| (name.to_owned(), OF_THE_CLIENT.to_owned())).collect();
    let jwt = settings.identity_jwt.as_ref().map(|jwt| &*jwt.header);
    for (name, value) in edits.add.iter() {
        let value = match &**name {
            ACCESS_TOKEN | ID_TOKEN => A_TOKEN.to_owned(),
            "authorization" => told_upstream_token(value),
            name if jwt == Some(name) => claims(value),
            _ => value.clone(),
        };
        told.insert(name.to_string(), value);
    }
    if forward.private {
        told.insert("cache-control of the response".to_owned(), "private".to_owned());
    }
    told
}

/// What an identity JWT says that lasts.
fn claims(token: &str) -> String {
    let payload =
        token.rsplit(' ').next().unwrap_or_default().split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let Some(mut claims) = payload.and_then(|payload| json::object(&payload).ok()) else { return A_TOKEN.to_owned() };
    OF_ONE_TIME.iter().for_each(|name| drop(claims.remove(*name)));
    format!("(a token with {})", Value::Object(claims))
}

/// The parts of an address to which a browser is sent.
fn parts(location: &str) -> BTreeMap<String, String> {
    let (place, query) = location.split_once('?').unwrap_or((location, ""));
    let mut parts: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    parts.insert("location".to_owned(), place.to_owned());
    parts
}
