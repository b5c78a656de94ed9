//! The ways a step can be taken: a wait, a call, a refusal, an answer of an endpoint, a redirect. What is said for a reason, `access::answer`
//! knows; why there is one, the journeys.

use crate::access::answer::{self, BearerChallenge, Context, Visitor};
use crate::access::browser;
use crate::config::settings::Settings;
use crate::flow::event::{Event, Outcome, Place};
use crate::flow::popup;
use crate::flow::step::{Decision, Note, Pending, Resource, SignIn, Step};
use crate::flow::visit::Visit;
use crate::session::attempt::Ending;
use crate::words::demand::Demand;
use crate::words::message::{HttpCall, Request, Response};
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;
use crate::words::url::{Origin, ReturnTo};

impl Visit {
    /// The answer for a reason: a page or problem JSON, as the request asks.
    pub fn refusal(&self, settings: &Settings, reason: Reason, return_to: &ReturnTo) -> Response {
        self.refusal_for(settings, reason, return_to, None, (BearerChallenge::NotAccepted, &Demand::default()))
    }

    /// The same, for somebody who is signed in, or where a token or another authentication would do.
    pub fn refusal_for(
        &self,
        settings: &Settings,
        reason: Reason,
        return_to: &ReturnTo,
        visitor: Option<Visitor>,
        (bearer, demand): (BearerChallenge, &Demand),
    ) -> Response {
        let origin = self.origin.to_string();
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("return_to", return_to.as_str()).extend_pairs(demand.parameters());
        let query = query.finish();
        // Where only a token will do, or one came, a session would not help.
        let login = match (&settings.endpoints.authorize, &bearer) {
            (Some(authorize), BearerChallenge::Accepted { only: true, .. } | BearerChallenge::Came { .. }) => authorize.as_str(),
            _ if settings.sign_in_provider(None).is_none() => "",
            _ => settings.endpoints.login.as_str(),
        };
        let sign_in = format!("{login}?{query}");
        let context = Context {
            page: browser::wants_page(&self.request),
            request_id: &self.request_id,
            origin: &origin,
            login,
            sign_in,
            logout: &settings.endpoints.logout,
            cookie_name: &settings.session.cookie.name,
            help: &settings.help,
            visitor,
            opener: popup::opener(settings, self),
            bearer,
            demand,
        };
        let mut response = answer::refuse(reason, &context);
        self.let_page_read(settings, &mut response);
        response
    }

    /// Lets the front end's page read an answer of an endpoint that may be on a route that leads to nobody: Envoy's CORS filter
    /// passes over those. Elsewhere it writes the same fields.
    pub fn let_page_read(&self, settings: &Settings, response: &mut Response) {
        if !settings.endpoints.is_read_by_pages(&self.request.path) {
            return;
        }
        let Some(text) = self.request.headers.single("origin") else { return };
        if Origin::parse(text).is_ok_and(|origin| settings.trusted_origins.contains(&origin)) {
            let fields = [
                ("access-control-allow-origin", text),
                ("access-control-allow-credentials", "true"),
                ("access-control-expose-headers", "x-accredit-reason, x-request-id, retry-after"),
                ("vary", "origin"),
            ];
            response.headers.extend(fields.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
    }

    /// Ends a request with a refusal that belongs to no rule.
    pub fn refuse(&self, settings: &Settings, failure: Failure) -> Step {
        let response = self.refusal(settings, failure.reason, &self.return_to());
        let denied = Event::Denied { place: self.place(), rule: None, subject: None, failure };
        let outcome = Event::Outcome(Outcome::of_status(response.status));
        Step { decision: Decision::Respond(response), events: vec![denied, outcome], note: Note::default() }
    }

    /// Ends a request to one of our endpoints whose method it does not have.
    pub fn refuse_method(&self, settings: &Settings, allow: &str) -> Step {
        let mut response = self.refusal(settings, Reason::MethodNotAllowed, &self.return_to());
        response.headers.push(("allow".to_owned(), allow.to_owned()));
        let failure = Failure::new(Reason::MethodNotAllowed, format!("allowed are {allow}"));
        let denied = Event::Denied { place: self.place(), rule: None, subject: None, failure };
        let events = vec![denied, Event::Outcome(Outcome::Refused)];
        Step { decision: Decision::Respond(response), events, note: Note::default() }
    }
}

impl SignIn {
    /// Ends a sign-in with a refusal; its attempt is over.
    pub fn fail(&self, settings: &Settings, failure: Failure) -> Step {
        let forgotten = self.attempt.forget(&settings.session.cookie);
        // A page that brings a code that is not accepted is not signed in; a person's browser has nothing to be blamed for.
        let failure = match (self.attempt.ending, failure.reason) {
            (Ending::Token, Reason::CodeRefused) => Failure { reason: Reason::ExchangeRefused, ..failure },
            _ => failure,
        };
        let (place, provider, reason) = (self.visit.place(), Some(self.attempt.provider.clone()), failure.reason);
        let events = vec![Event::SignInFailed { place, provider, failure }];
        refused(settings, &self.visit, reason, &self.return_to(settings), Some(forgotten), events)
    }
}

impl Step {
    /// Waits for something that all requests share.
    pub fn waiting(resource: Resource, until: Timestamp, pending: Pending) -> Self {
        let decision = Decision::Await { resource, until, pending: Box::new(pending) };
        Self { decision, events: Vec::new(), note: Note::default() }
    }

    /// Asks somebody.
    pub fn calling(call: HttpCall, pending: Pending) -> Self {
        Self { decision: Decision::Call(call, Box::new(pending)), events: Vec::new(), note: Note::default() }
    }

    /// The same step, after these events.
    pub fn after(self, mut events: Vec<Event>) -> Self {
        events.extend(self.events);
        Self { events, ..self }
    }

    /// The same step, whose answer also sets these cookies.
    pub fn set_cookies(&mut self, cookies: Vec<String>) {
        if let Decision::Respond(response) = &mut self.decision {
            response.headers.extend(cookies.into_iter().map(|cookie| ("set-cookie".to_owned(), cookie)));
        }
    }

    /// Ends a request with an answer of one of our endpoints.
    pub fn answered(response: Response, mut events: Vec<Event>) -> Self {
        events.push(Event::Outcome(Outcome::Answered));
        Self { decision: Decision::Respond(response), events, note: Note::default() }
    }

    /// Sends a browser to a provider.
    pub fn redirected(response: Response, mut events: Vec<Event>) -> Self {
        events.push(Event::Outcome(Outcome::Redirected));
        Self { decision: Decision::Respond(response), events, note: Note::default() }
    }
}

/// Ends a request that is not a visit at all: unreadable, or for somebody else.
pub fn turn_away(settings: &Settings, request: Option<&Request>, request_id: &str, reason: Reason) -> Step {
    let (method, path) = request.map_or(("-", "-"), |request| (&request.method, &request.path));
    let detail = match reason {
        Reason::HostUnknown => {
            let authority = request.map_or("", |request| &request.authority);
            format!("authority {} is none of the origins", quote(authority))
        }
        Reason::PathAmbiguous => "escapes, dots, slashes, backslashes or semicolons that servers read differently".to_owned(),
        Reason::HeaderAmbiguous => "Connection names a header that identity is read from".to_owned(),
        _ => String::new(),
    };
    let page = request.is_some_and(browser::wants_page);
    not_a_visit(settings, page, Place::new(request_id, method, path), Failure::new(reason, detail))
}

/// Ends a request of which nothing is known but its place.
pub fn not_a_visit(settings: &Settings, page: bool, place: Place, failure: Failure) -> Step {
    let context = Context {
        page,
        request_id: &place.request_id,
        origin: "",
        login: &settings.endpoints.login,
        sign_in: settings.endpoints.login.clone(),
        logout: &settings.endpoints.logout,
        cookie_name: &settings.session.cookie.name,
        help: &settings.help,
        visitor: None,
        opener: None,
        bearer: BearerChallenge::NotAccepted,
        demand: &Demand::default(),
    };
    let response = answer::refuse(failure.reason, &context);
    let denied = Event::Denied { place, rule: None, subject: None, failure };
    let outcome = Event::Outcome(Outcome::of_status(response.status));
    Step { decision: Decision::Respond(response), events: vec![denied, outcome], note: Note::default() }
}

/// A redirect that nobody stores.
pub fn redirect(status: u16, location: &str, set_cookies: Vec<String>) -> Response {
    let mut headers = vec![
        ("location".to_owned(), location.to_owned()),
        ("cache-control".to_owned(), "private, no-store".to_owned()),
        ("referrer-policy".to_owned(), "no-referrer".to_owned()),
    ];
    headers.extend(set_cookies.into_iter().map(|cookie| ("set-cookie".to_owned(), cookie)));
    Response { status, headers, body: String::new() }
}

/// A JSON answer that nobody stores.
pub fn json_answer(body: &(impl ToString + ?Sized), set_cookies: Vec<String>) -> Response {
    let mut headers = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        ("x-content-type-options".to_owned(), "nosniff".to_owned()),
        ("cache-control".to_owned(), "private, no-store".to_owned()),
    ];
    headers.extend(set_cookies.into_iter().map(|cookie| ("set-cookie".to_owned(), cookie)));
    Response { status: 200, headers, body: body.to_string() }
}

/// Ends a request at the callback with a refusal, and with the attempt that it belonged to.
pub fn refused(
    settings: &Settings,
    visit: &Visit,
    reason: Reason,
    return_to: &ReturnTo,
    forgotten: Option<String>,
    mut events: Vec<Event>,
) -> Step {
    let mut response = visit.refusal(settings, reason, return_to);
    response.headers.extend(forgotten.map(|cookie| ("set-cookie".to_owned(), cookie)));
    events.push(Event::Outcome(Outcome::of_status(response.status)));
    Step { decision: Decision::Respond(response), events, note: Note::default() }
}
