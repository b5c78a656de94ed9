//! One request on its way through the house: what every journey needs to know about it. Nothing is decided here.

use std::time::Duration;

use crate::http::body::Body;
use crate::http::message::Request;
use crate::http::url::{Origin, ReturnTo};
use crate::step::event::RequestRef;
use crate::words::time::Timestamp;

/// A request, and what was found out about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    /// When it was looked at last; the clock is read once per step.
    pub now: Timestamp,
    /// When a wait for something shared must end: counted from the beginning, however often it waits.
    pub patience: Timestamp,
    /// The request.
    pub request: Request,
    /// Its body, when it is for an endpoint that reads one.
    pub body: Body,
    /// The origin that was asked.
    pub origin: Origin,
    /// Whether keys were already fetched for the token that it brings.
    pub keys_refreshed: bool,
    /// Whether it may be for a window that a page opened, which waits to be told what became of a sign-in.
    pub in_popup: bool,
    /// The request's id, the same in pages, problems, audit lines and Envoy's access log.
    pub request_id: String,
}

impl Visit {
    /// A request that has just come, and may wait for so long.
    pub fn new(now: Timestamp, wait: Duration, request: Request, origin: Origin, request_id: String) -> Self {
        let (keys_refreshed, in_popup, body) = (false, false, Body::Unread);
        Self { now, patience: now.plus(wait), request, body, origin, keys_refreshed, in_popup, request_id }
    }

    /// For audit lines.
    pub fn reference(&self) -> RequestRef {
        RequestRef::new(&self.request_id, &self.request.method, &self.request.path)
    }

    /// The page that was asked for, if it can be returned to; else the front page.
    pub fn return_to(&self) -> ReturnTo {
        ReturnTo::parse(&self.request.target(), &[]).unwrap_or_else(|_| ReturnTo::front_page())
    }
}
