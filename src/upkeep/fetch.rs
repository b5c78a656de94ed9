//! What the background wants done, as values: which calls to make, and when to call it again. Nothing is called here.

use std::time::Duration;

use crate::http::message::{HttpCall, Reply};
use crate::session::content::Session;
use crate::session::remembered::agreed::Left;
use crate::session::remembered::memory::Name;
use crate::step::event::{CallKind, DocumentKind, Event};
use crate::upkeep::question::Question;
use crate::words::time::Timestamp;

/// What the background wants done: calls to make, and events to report.
#[derive(Debug, PartialEq)]
#[expect(missing_docs, reason = "the names of the other fields say it")]
pub struct Upkeep {
    pub fetches: Vec<Fetch>,
    pub events: Vec<Event>,
    /// When the next tick is due; sooner while requests wait.
    pub next: Duration,
}

/// A call to make in the background.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names of the other fields say it")]
pub struct Fetch {
    /// The provider's configured name; empty for what no provider is asked.
    pub provider: String,
    pub errand: Errand,
    pub call: HttpCall,
    /// When it was due to be sent.
    pub began: Timestamp,
}

impl Fetch {
    /// How long the call took that was ended by this reply; `None` if it was not sent.
    pub fn ended(&self, now: Timestamp, reply: &Reply) -> Option<Event> {
        let kind = match self.errand {
            Errand::Document(kind) => CallKind::Document(kind),
            Errand::Refresh(_) => CallKind::Refresh,
            Errand::GiveBack => CallKind::GiveBack,
            Errand::Revocations(_) | Errand::ClaimRefresh(_) | Errand::LookAtRefresh(_) | Errand::LeaveRefresh(_) => {
                CallKind::Revocations
            }
            Errand::UpstreamToken(_) => CallKind::UpstreamToken,
        };
        Event::call_ended(kind, self.began, now, reply)
    }
}

/// What a background call is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Errand {
    /// A document of the provider.
    Document(DocumentKind),
    /// New tokens for this session. The call uses up its refresh token, so that the reply must be taken, whatever the
    /// configuration is by then.
    Refresh(Box<Session>),
    /// To give a refresh token back. The token is in the call alone.
    GiveBack,
    /// A token that the application gets, by the name under which it is kept.
    UpstreamToken(Name),
    /// A question to the store in which replicas tell each other what has ended.
    Revocations(Box<Question>),
    /// To ask the store whether this process may refresh this session.
    ClaimRefresh(Box<Session>),
    /// To look there what has become of the refresh of this session, after an attempt that failed.
    LookAtRefresh(Box<Session>),
    /// To leave there what other replicas need to know of a refresh.
    LeaveRefresh(Box<Left>),
}

impl Errand {
    /// Whether the store that replicas share is asked. No call to it may be made while it hands over an answer: it could get the
    /// connection of that answer, which has ended.
    pub const fn is_of_store(&self) -> bool {
        match self {
            Self::Revocations(_) | Self::ClaimRefresh(_) | Self::LookAtRefresh(_) | Self::LeaveRefresh(_) => true,
            Self::Document(_) | Self::Refresh(_) | Self::GiveBack | Self::UpstreamToken(_) => false,
        }
    }
}
