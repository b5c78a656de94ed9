//! How requests end here: the refusal for whatever stopped a journey, an answer of an endpoint, a redirect. What is said for a
//! reason, `answer::refusal` knows; why there is one, the journeys.

use crate::access::browser;
use crate::answer::refusal::{self, BearerChallenge, Context, Visitor};
use crate::config::settings::{PASSWORD, Settings};
use crate::http::message::{Request, Response};
use crate::http::url::{Origin, ReturnTo};
use crate::session::attempt::{Attempt, Ending};
use crate::step::decision::{Decision, Step};
use crate::step::event::{Event, Outcome, RequestRef};
use crate::step::stop::{Stop, Whose};
use crate::step::visit::Visit;
use crate::words::demand::Demand;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};

/// What else an answer depends on.
#[derive(Debug)]
pub struct Circumstances {
    /// Who asked, if that is known.
    pub visitor: Option<Visitor>,
    /// Whether a bearer token would do, or came (RFC 6750, section 3).
    pub bearer: BearerChallenge,
    /// What is asked of the authentication (RFC 9470).
    pub demand: Demand,
}

impl Visit {
    /// The answer for a reason: a page or problem JSON, as the request asks.
    pub fn refusal(&self, settings: &Settings, reason: Reason, return_to: &ReturnTo) -> Response {
        let nothing = Circumstances { visitor: None, bearer: BearerChallenge::NotAccepted, demand: Demand::default() };
        self.refusal_under(settings, reason, return_to, nothing)
    }

    /// The same, for somebody who is signed in, or where a token or another authentication would do.
    pub fn refusal_under(
        &self,
        settings: &Settings,
        reason: Reason,
        return_to: &ReturnTo,
        circumstances: Circumstances,
    ) -> Response {
        let Circumstances { visitor, bearer, demand } = circumstances;
        let origin = self.origin.to_string();
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("return_to", return_to.as_str()).extend_pairs(demand.parameters());
        let query = query.finish();
        // Where only a token will do, or one came, a session would not help.
        let login = match (&settings.endpoints.authorize, &bearer) {
            (Some(authorize), BearerChallenge::Accepted { only: true, .. } | BearerChallenge::TokenSent { .. }) => {
                authorize.as_str()
            }
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
            opener: self.opener(settings),
            bearer,
            demand: &demand,
        };
        let mut response = refusal::refuse(reason, &context);
        self.let_page_read(settings, &mut response);
        response
    }

    /// The origin of the page that is told of a popup's sign-in, where there are popups at all. Nothing of a request names it.
    pub fn popup_origin<'a>(&'a self, settings: &'a Settings) -> Option<&'a Origin> {
        settings.popup.as_ref().map(|popup| popup.origin.as_ref().unwrap_or(&self.origin))
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

    /// The origin of the page that opened the window which this request may be for.
    pub fn opener<'a>(&'a self, settings: &'a Settings) -> Option<&'a Origin> {
        self.popup_origin(settings).filter(|_| self.in_popup)
    }
}

impl Stop {
    /// The end of a journey that was stopped: the answer, what is told of it, and the cookies that go.
    pub fn answer<C, W, B>(self, settings: &Settings, visit: &Visit) -> Step<C, W, B> {
        let Self { whose, failure, mut events, fields } = self;
        let request = visit.reference();
        let (mut response, told) = match whose {
            Whose::Visitor => {
                let response = visit.refusal(settings, failure.reason, &visit.return_to());
                (response, Event::Denied { request, rule: None, subject: None, failure })
            }
            Whose::SignIn(attempt) => {
                // A page that brings a code that is not accepted is not signed in; a person's browser has nothing to be blamed for.
                let failure = match (attempt.ending, failure.reason) {
                    (Ending::Token, Reason::CodeRefused) => Failure { reason: Reason::ExchangeRefused, ..failure },
                    _ => failure,
                };
                let mut response = visit.refusal(settings, failure.reason, &return_to(&attempt, settings));
                response.set_cookies([attempt.forget(&settings.session.cookie)]);
                (response, Event::SignInFailed { request, provider: Some(attempt.provider), failure })
            }
            Whose::NoSignIn { forgotten } => {
                let mut response = visit.refusal(settings, failure.reason, &ReturnTo::front_page());
                response.set_cookies(forgotten);
                (response, Event::SignInFailed { request, provider: None, failure })
            }
            Whose::Password => {
                let response = password_refusal(settings, visit, failure.reason);
                (response, Event::SignInFailed { request, provider: Some(PASSWORD.to_owned()), failure })
            }
        };
        response.headers.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
        events.extend([told, Event::Outcome(Outcome::of_status(response.status))]);
        Step { events, ..Step::new(Decision::Respond(response)) }
    }
}

/// The refusal of a name and a password: where they were wrong, in the words that are configured.
fn password_refusal(settings: &Settings, visit: &Visit, reason: Reason) -> Response {
    let mut response = visit.refusal(settings, reason, &ReturnTo::front_page());
    let refusal = settings.password.as_ref().and_then(|password| password.refusal.as_ref());
    if let (Reason::CredentialsRefused, Some(refusal), false) = (reason, refusal, browser::wants_page(&visit.request)) {
        response.body.clone_from(refusal);
        let json = ("content-type".to_owned(), "application/json".to_owned());
        response.headers.iter_mut().filter(|(name, _)| name == "content-type").for_each(|field| *field = json.clone());
    }
    response
}

/// Where the visit began for which somebody signs in. It was checked then; the configuration may have changed since.
pub fn return_to(attempt: &Attempt, settings: &Settings) -> ReturnTo {
    ReturnTo::parse(&attempt.return_to, &settings.listed_origins()).unwrap_or_else(|_| ReturnTo::front_page())
}

impl<C, W, B> Step<C, W, B> {
    /// Ends a request with an answer of one of our endpoints.
    pub fn answered(response: Response, mut events: Vec<Event>) -> Self {
        events.push(Event::Outcome(Outcome::Answered));
        Self { events, ..Self::new(Decision::Respond(response)) }
    }

    /// Sends a browser to a provider.
    pub fn redirected(response: Response, mut events: Vec<Event>) -> Self {
        events.push(Event::Outcome(Outcome::Redirected));
        Self { events, ..Self::new(Decision::Respond(response)) }
    }
}

/// Ends a request that is not a visit at all: unreadable, or for somebody else.
pub fn turn_away<C, W, B>(settings: &Settings, request: Option<&Request>, request_id: &str, reason: Reason) -> Step<C, W, B> {
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
    not_a_visit(settings, page, RequestRef::new(request_id, method, path), Failure::new(reason, detail))
}

/// Ends a request of which only its reference is known.
pub fn not_a_visit<C, W, B>(settings: &Settings, page: bool, request: RequestRef, failure: Failure) -> Step<C, W, B> {
    let context = Context {
        page,
        request_id: &request.request_id,
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
    let response = refusal::refuse(failure.reason, &context);
    let denied = Event::Denied { request, rule: None, subject: None, failure };
    let outcome = Event::Outcome(Outcome::of_status(response.status));
    Step { events: vec![denied, outcome], ..Step::new(Decision::Respond(response)) }
}

/// A redirect that nobody stores.
pub fn redirect(status: u16, location: &str, set_cookies: Vec<String>) -> Response {
    let headers = vec![
        ("location".to_owned(), location.to_owned()),
        ("cache-control".to_owned(), "private, no-store".to_owned()),
        ("referrer-policy".to_owned(), "no-referrer".to_owned()),
    ];
    let mut response = Response { status, headers, body: String::new() };
    response.set_cookies(set_cookies);
    response
}

/// A JSON answer that nobody stores.
pub fn json_answer(body: &(impl ToString + ?Sized), set_cookies: Vec<String>) -> Response {
    let headers = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        ("x-content-type-options".to_owned(), "nosniff".to_owned()),
        ("cache-control".to_owned(), "private, no-store".to_owned()),
    ];
    let mut response = Response { status: 200, headers, body: body.to_string() };
    response.set_cookies(set_cookies);
    response
}
