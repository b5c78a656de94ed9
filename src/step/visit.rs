//! One request, with what every journey needs to know about it. Nothing is decided here.

use std::time::Duration;

use crate::access::resources::ProtectedResource;
use crate::config::settings::Settings;
use crate::http::body::Body;
use crate::http::message::{CookieEdit, Request};
use crate::http::return_to::ReturnTo;
use crate::http::url::Origin;
use crate::step::event::RequestRef;
use crate::words::time::Timestamp;

/// A request for one of our origins, and what was found out about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    /// The time of the current step. The clock is read once per step.
    pub now: Timestamp,
    /// When a wait for something shared must end: counted from the request's arrival, however often it waits.
    pub wait_until: Timestamp,
    /// Method, path, query and headers.
    pub request: Request,
    /// The body; [`Body::Unread`] unless the request is for an endpoint that reads one.
    pub body: Body,
    /// The configured origin that the request is for.
    pub origin: Origin,
    /// Whether the provider's keys were already fetched again for the bearer token of this request.
    pub keys_refreshed: bool,
    /// What an earlier pass of the same stream has left, before an internal redirect of Envoy; `None` for nearly all requests.
    pub earlier_pass: Option<EarlierPass>,
    /// Whether the response may be shown in a popup, whose opener waits for the result of the sign-in.
    pub in_popup: bool,
    /// The request's id: the same in pages, problem JSON, audit lines and Envoy's access log.
    pub request_id: String,
}

/// What is known of an earlier pass of the same stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierPass {
    /// Whether its answer was for one person only. What follows from it is, too.
    pub private: bool,
    /// Whose credential counts in this pass.
    pub counts: Counts,
    /// Which credentials were taken out of the request because they do not count.
    pub withheld: Withheld,
}

/// Whose credential counts in a pass after an internal redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counts {
    /// The one that the request brings itself, if there is one.
    OfRequest,
    /// The one that the pass before has kept. It stands in this field again.
    Kept(&'static str),
    /// None: another origin may have chosen the request.
    Nobodys,
}

/// Credentials that were taken out of a request, so that no journey sees them. The upstream must not see them either.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Withheld {
    /// The change to the `Cookie` that Envoy has.
    pub cookie: CookieEdit,
    /// Whether there was a bearer token in `Authorization`.
    pub token: bool,
}

impl Visit {
    /// A request that arrived at `now`, and may wait for shared resources for as long as `wait`.
    pub fn new(now: Timestamp, wait: Duration, request: Request, origin: Origin, request_id: String) -> Self {
        let (keys_refreshed, earlier_pass, in_popup, body) = (false, None, false, Body::Unread);
        Self { now, wait_until: now.plus(wait), request, body, origin, keys_refreshed, earlier_pass, in_popup, request_id }
    }

    /// Whether the request came by http, as far as is known here, where the origin is https. The field is what Envoy or a proxy in
    /// front wrote; it only helps to explain a failure.
    pub fn lost_https(&self) -> bool {
        self.origin.is_https() && self.request.headers.single("x-forwarded-proto") == Some("http")
    }

    /// The protected resource that the request is for; `None` of nearly all.
    pub fn resource<'a>(&self, settings: &'a Settings) -> Option<&'a ProtectedResource> {
        settings.resources.find(&self.origin, &self.request.path)
    }

    /// The request as events name it.
    pub fn reference(&self) -> RequestRef {
        let request = &self.request;
        RequestRef::new(&self.request_id, &request.authority, &request.method, &request.path)
    }

    /// The requested path and query, as the page to return to after a sign-in; the front page if they are no such page.
    pub fn return_to(&self) -> ReturnTo {
        ReturnTo::parse(&self.request.target(), &[]).unwrap_or_else(|_| ReturnTo::front_page())
    }
}
