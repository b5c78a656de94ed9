//! What the background wants done, as values.

use std::time::Duration;

use crate::http::message::HttpCall;
use crate::session::content::Session;
use crate::step::event::{DocumentKind, Event};

/// What the background wants done.
#[derive(Debug, PartialEq)]
pub struct Upkeep {
    /// Ask these.
    pub fetches: Vec<Fetch>,
    /// For counters and the log.
    pub events: Vec<Event>,
    /// Look again after this; sooner when requests wait.
    pub next: Duration,
}

/// Something to fetch.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetch {
    /// The provider's configured name.
    pub provider: String,
    /// What for.
    pub errand: Errand,
    /// How.
    pub call: HttpCall,
}

/// What somebody is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Errand {
    /// A document that all share.
    Document(DocumentKind),
    /// New tokens for this session. Its refresh token is spent by asking: whoever is told of the answer must take it.
    Refresh(Box<Session>),
}
