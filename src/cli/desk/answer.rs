//! How a request ends, in the words of an operator: made of the gateway's step, and of nothing else.

use crate::http::message::Response;
use crate::step::decision::Forward;
use crate::step::event::Event;
use crate::words::reason::Reason;

/// How a request ends.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It goes on to the application, with these changes.
    LetThrough(Box<Forward>),
    /// The browser is sent to a provider.
    SignsIn {
        status: u16,
        /// The provider, by its configured name.
        provider: String,
        /// The address of its page, as [`lasting`].
        location: Option<String>,
    },
    /// It is refused.
    Refused {
        status: u16,
        reason: Reason,
        /// What the log says.
        detail: String,
    },
    /// An endpoint of ours answers.
    Answers {
        status: u16,
        /// What it did, each as a sentence.
        did: Vec<String>,
        /// Where it sends the browser, as [`lasting`].
        location: Option<String>,
    },
    /// An endpoint of ours reads its body, which is not here.
    ReadsBody,
    /// How it ends cannot be told here: why.
    Unfinished { why: String },
    /// Envoy itself answers, before its filters.
    ByEnvoy { status: u16 },
}

impl Answer {
    /// Its name, for tables and programs.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::LetThrough(_) => "allowed",
            Self::SignsIn { .. } => "sign_in",
            Self::Refused { .. } | Self::ByEnvoy { .. } => "denied",
            Self::Answers { .. } => "answered",
            Self::ReadsBody | Self::Unfinished { .. } => "unfinished",
        }
    }

    /// Its status; `None` where the application, or somebody else who is not asked, has the last word.
    pub(crate) const fn status(&self) -> Option<u16> {
        match self {
            Self::LetThrough(_) | Self::ReadsBody | Self::Unfinished { .. } => None,
            Self::SignsIn { status, .. }
            | Self::Refused { status, .. }
            | Self::Answers { status, .. }
            | Self::ByEnvoy { status } => Some(*status),
        }
    }

    /// Why it is refused.
    pub(crate) const fn reason(&self) -> Option<Reason> {
        match self {
            Self::Refused { reason, .. } => Some(*reason),
            _ => None,
        }
    }

    /// Whether it goes on to the application.
    pub(crate) const fn is_let_through(&self) -> bool {
        matches!(self, Self::LetThrough(_))
    }
}

/// The parameters of an address that are another each time, or are a token.
const OF_ONE_TIME: [&str; 4] = ["state", "nonce", "code_challenge", "id_token_hint"];

/// An address without the parameters [`OF_ONE_TIME`].
fn lasting(location: &str) -> String {
    let Some((before, query)) = location.split_once('?') else { return location.to_owned() };
    let is_lasting = |pair: &&str| !OF_ONE_TIME.contains(&pair.split('=').next().unwrap_or_default());
    format!("{before}?{}", query.split('&').filter(is_lasting).collect::<Vec<_>>().join("&"))
}

/// The answer that this response is, with what happened before it.
pub(super) fn of_response(response: &Response, events: &[Event]) -> Answer {
    let status = response.status;
    let named = response.headers.iter().find(|(name, _)| name == "x-accredit-reason").map(|(_, id)| id.as_str());
    let reason = Reason::ALL.iter().find(|reason| Some(reason.id()) == named);
    let sent_to = events.iter().find_map(|event| match event {
        Event::SignInBegun { provider, .. } => Some(provider.clone()),
        _ => None,
    });
    let detail = events.iter().rev().find_map(|event| match event {
        Event::Denied { failure, .. } | Event::SignInFailed { failure, .. } => Some(failure.detail.clone()),
        _ => None,
    });
    let location = response.headers.iter().find(|(name, _)| name == "location").map(|(_, location)| lasting(location));
    match (sent_to, reason) {
        (Some(provider), _) => Answer::SignsIn { status, provider, location },
        (None, Some(reason)) => Answer::Refused { status, reason: *reason, detail: detail.unwrap_or_default() },
        (None, None) => Answer::Answers { status, did: done(response, events), location },
    }
}

/// What an endpoint did: whom it signed out, and where it sends the browser. A query may hold a token, so none is told.
fn done(response: &Response, events: &[Event]) -> Vec<String> {
    let ended = events.iter().filter_map(|event| match event {
        Event::SignedOut { subject: None, .. } => Some("no session came, and none is ended".to_owned()),
        Event::SignedOut { subject: Some(subject), provider, .. } => {
            let at = provider.as_ref().map(|provider| format!(" of {provider}")).unwrap_or_default();
            Some(format!("the session of {subject}{at} is ended"))
        }
        _ => None,
    });
    let place = response.headers.iter().find(|(name, _)| name == "location");
    let place = place.map(|(_, place)| place.split(['?', '#']).next().unwrap_or_default());
    ended.chain(place.map(|place| format!("the browser is sent to {place}"))).collect()
}
