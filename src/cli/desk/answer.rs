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
    },
    /// It is refused.
    Refused {
        status: u16,
        reason: Reason,
        /// What the log says.
        detail: String,
    },
    /// An endpoint of ours answers.
    Answers { status: u16 },
    /// The gateway would first need this, which nobody gives here.
    Unfinished { wants: String },
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
            Self::Unfinished { .. } => "unfinished",
        }
    }

    /// Its status; `None` where the application, or somebody else who is not asked, has the last word.
    pub(crate) const fn status(&self) -> Option<u16> {
        match self {
            Self::LetThrough(_) | Self::Unfinished { .. } => None,
            Self::SignsIn { status, .. } | Self::Refused { status, .. } | Self::Answers { status } | Self::ByEnvoy { status } => {
                Some(*status)
            }
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
    match (sent_to, reason) {
        (Some(provider), _) => Answer::SignsIn { status, provider },
        (None, Some(reason)) => Answer::Refused { status, reason: *reason, detail: detail.unwrap_or_default() },
        (None, None) => Answer::Answers { status },
    }
}
