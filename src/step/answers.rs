//! Responses that the gateway itself sends: the refusal of a journey that was stopped, an endpoint's answer, a redirect. It never
//! decides that a request is refused (the journeys do), and does not know the words for a reason (`answer::refusal` does).

mod protocols;

use std::rc::Rc;

use crate::access::browser;
use crate::access::mcp::call;
use crate::answer::language::Language;
use crate::answer::refusal::{self, BearerChallenge, Came, Context, Visitor};
use crate::config::settings::{PASSWORD, Settings};
use crate::http::message::{Request, Response};
use crate::http::return_to::ReturnTo;
use crate::http::url::Origin;
use crate::session::attempt::Ending;
use crate::session::attempt::place::Place;
use crate::session::cookie::{self, Missing};
use crate::step::decision::{Decision, Step};
use crate::step::event::{Event, Outcome, RequestRef};
use crate::step::stop::{JourneyKind, LostAttempt, Stop};
use crate::step::visit::Visit;
use crate::words::demand::Demand;
use crate::words::quote::{escape_invisible, quote};
use crate::words::reason::{Failure, Reason};

const ACCEPT_LANGUAGE: &str = "accept-language";

/// What a refusal depends on besides the request and the failure.
#[derive(Debug, Default)]
pub struct Circumstances {
    /// The name of the rule that applies, if there is one.
    pub rule: Option<Rc<str>>,
    /// The person who is refused, if somebody is signed in.
    pub visitor: Option<Visitor>,
    /// Whether a bearer token is accepted here, or came with the request (RFC 6750, section 3).
    pub bearer: BearerChallenge,
    /// The authentication that is required (RFC 9470, section 3).
    pub demand: Demand,
    /// Further parameters of the login endpoint, for "Try again".
    pub further: Vec<(&'static str, String)>,
}

impl Visit {
    /// The refusal for a failure: a page, or problem JSON (RFC 9457), whichever the request accepts. Nobody is signed in.
    pub fn refusal(&self, settings: &Settings, failure: &Failure, return_to: &ReturnTo) -> Response {
        self.refusal_under(settings, failure, return_to, Circumstances::default())
    }

    /// The refusal for a failure, as [`Visit::refusal`]; for somebody who is signed in, or where a bearer token or a stronger
    /// authentication would be accepted.
    pub fn refusal_under(
        &self,
        settings: &Settings,
        failure: &Failure,
        return_to: &ReturnTo,
        circumstances: Circumstances,
    ) -> Response {
        let Circumstances { rule, visitor, bearer, demand, further } = circumstances;
        let origin = self.origin.to_string();
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("return_to", return_to.as_str()).extend_pairs(demand.parameters());
        query.extend_pairs(further);
        let query = query.finish();
        // Where only a bearer token is accepted, or one came, signing in here would not help.
        let login = match (&settings.endpoints.authorize, &bearer) {
            (Some(authorize), BearerChallenge::Accepted { only: true, .. } | BearerChallenge::TokenSent { .. }) => {
                authorize.as_str()
            }
            _ if settings.sign_in_provider(None).is_none() => "",
            _ => settings.endpoints.login.as_str(),
        };
        let sign_in = format!("{login}?{query}");
        // Whoever calls a protected resource is a program, whatever it accepts.
        let resource_metadata = self.resource(settings).map(|resource| resource.metadata.as_str());
        let context = Context {
            page: resource_metadata.is_none() && browser::wants_page(&self.request),
            request_id: &self.request_id,
            origin: &origin,
            login,
            sign_in,
            logout: &settings.endpoints.logout,
            front_page: Some("/".to_owned()),
            cookie_name: &settings.session.cookie.name,
            site: &settings.site,
            language: self.language(settings),
            posted: !matches!(self.request.method.as_str(), "GET" | "HEAD"),
            came: match failure.reason {
                Reason::SessionTorn => Some(match cookie::missing(&settings.session.cookie, &self.request.headers) {
                    Missing::Cookies { names, .. } => Came::WithoutCookies(names),
                    Missing::Mixed => Came::MixedCookies,
                }),
                Reason::AttemptMissing => self.lost_https().then_some(Came::ByHttp),
                _ => None,
            },
            visitor,
            opener: self.opener(settings),
            bearer,
            resource_metadata,
            demand: &demand,
            diagnosis: diagnosis(settings, failure, rule.as_deref()),
        };
        let mut response = refusal::refuse(failure.reason, &context);
        if resource_metadata.is_some() {
            response = protocols::of_call(response, call::dated_version(&self.request), failure);
        }
        self.add_cors_headers(settings, &mut response);
        response
    }

    /// The refusal of a sign-in: "Try again" asks for the same once more.
    fn refusal_of(&self, settings: &Settings, failure: &Failure, place: &Place) -> Response {
        let provider = unless_first(settings, &place.provider);
        let prompt = place.another_account.then(|| ("prompt", "login".to_owned()));
        let further = provider.into_iter().chain(prompt).collect();
        let demand = place.demand.clone();
        let circumstances = Circumstances { demand, further, ..Circumstances::default() };
        self.refusal_under(settings, failure, &return_to(&place.return_to, settings), circumstances)
    }

    /// The refusal of a sign-in of which nothing but an address is known, from `state` alone. "Try again" leads to the login endpoint,
    /// with parameters that a link of any site could have: so whoever made others bring this `state` gains nothing by it. (A link to
    /// the address itself would let the application believe that our own page asked for it.)
    fn refusal_with_link(&self, settings: &Settings, failure: &Failure, lost: &LostAttempt) -> Response {
        let further = unless_first(settings, &lost.provider).into_iter().collect();
        let circumstances = Circumstances { further, ..Circumstances::default() };
        self.refusal_under(settings, failure, &return_to(&lost.link.return_to, settings), circumstances)
    }

    /// The origin of the page that learns how a sign-in in a popup ended; `None` where popups are not configured. It comes from
    /// the configuration, never from a field or parameter of the request.
    pub fn popup_origin<'a>(&'a self, settings: &'a Settings) -> Option<&'a Origin> {
        settings.popup.as_ref().map(|popup| popup.origin.as_ref().unwrap_or(&self.origin))
    }

    /// Adds the CORS fields with which a page of a trusted origin may read this response, on the endpoints that pages call.
    /// Envoy's CORS filter does not do it on a route with `direct_response`; on other routes it writes the same fields.
    pub fn add_cors_headers(&self, settings: &Settings, response: &mut Response) {
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

    /// The language of pages for this request.
    pub fn language<'a>(&self, settings: &'a Settings) -> &'a Language {
        settings.site.languages.choose(self.request.headers.all(ACCEPT_LANGUAGE))
    }

    /// The origin of the page that opened this window, if the request may come from a popup.
    pub fn opener<'a>(&'a self, settings: &'a Settings) -> Option<&'a Origin> {
        self.popup_origin(settings).filter(|_| self.in_popup)
    }
}

impl Stop {
    /// The last step of a journey that was stopped: the refusal and its events. `cookie` is the `Set-Cookie` value for the attempt
    /// that is over by this.
    pub fn answer<C, W, B>(self, settings: &Settings, visit: &Visit, cookie: Option<String>) -> Step<C, W, B> {
        let Self { kind, failure, mut events, fields, call } = self;
        let (call, counted) = call.map(|call| *call).unzip();
        let request = visit.reference();
        let (mut response, refused) = match kind {
            JourneyKind::Request => {
                let response = visit.refusal(settings, &failure, &visit.return_to());
                (response, Event::Denied { request, rule: None, subject: None, session: None, failure, call })
            }
            JourneyKind::SignIn(attempt) => {
                // At the token endpoint the page sent the code itself, so that it gets a reason of its own; at the callback the
                // browser only followed a redirect.
                let failure = match (attempt.ending, failure.reason) {
                    (Ending::Token, Reason::CodeRefused) => Failure { reason: Reason::ExchangeRefused, ..failure },
                    _ => failure,
                };
                let mut response = visit.refusal_of(settings, &failure, &attempt.place());
                response.set_cookies(cookie);
                (response, Event::SignInFailed { request, provider: Some(attempt.provider), failure })
            }
            JourneyKind::KnownPlace(place) => {
                let response = visit.refusal_of(settings, &failure, &place);
                (response, Event::SignInFailed { request, provider: Some(place.provider), failure })
            }
            JourneyKind::UnsolicitedResponse => {
                let response = visit.refusal(settings, &failure, &ReturnTo::front_page());
                (response, Event::SignInFailed { request, provider: None, failure })
            }
            JourneyKind::LostAttempt(lost) => {
                let response = visit.refusal_with_link(settings, &failure, &lost);
                (response, Event::SignInFailed { request, provider: None, failure })
            }
            JourneyKind::LogoutToken => {
                let response = protocols::of_logout_token(visit.refusal(settings, &failure, &ReturnTo::front_page()), &failure);
                (response, Event::Denied { request, rule: None, subject: None, session: None, failure, call: None })
            }
            JourneyKind::SecurityEvent(err) => {
                let refusal = visit.refusal(settings, &failure, &ReturnTo::front_page());
                let response = protocols::of_security_event(refusal, err, &failure, &visit.request_id);
                (response, Event::Denied { request, rule: None, subject: None, session: None, failure, call: None })
            }
            JourneyKind::Password => {
                let refusal = visit.refusal(settings, &failure, &ReturnTo::front_page());
                let response = protocols::of_password(refusal, settings, &failure, browser::wants_page(&visit.request));
                (response, Event::SignInFailed { request, provider: Some(PASSWORD.to_owned()), failure })
            }
        };
        response.headers.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let outcome = Outcome::of_status(response.status);
        events.push(refused);
        events.extend(counted.map(|counted| Event::Called { outcome, counted, told: None }));
        events.push(Event::Outcome(outcome));
        Step { events, ..Step::new(Decision::Respond(response)) }
    }
}

/// The parameter of the login endpoint that names this provider; `None` for the first one, which is asked anyway.
fn unless_first(settings: &Settings, provider: &str) -> Option<(&'static str, String)> {
    let is_first = settings.sign_in_provider(None).is_some_and(|first| first.oidc.name == provider);
    (!is_first).then(|| ("provider", provider.to_owned()))
}

/// The page to return to after a sign-in. It was checked when the sign-in began, and is checked again, because the configuration
/// may have changed since.
pub fn return_to(place: &str, settings: &Settings) -> ReturnTo {
    ReturnTo::parse(place, &settings.listed_origins()).unwrap_or_else(|_| ReturnTo::front_page())
}

impl<C, W, B> Step<C, W, B> {
    /// Ends a request with the response of one of our endpoints.
    pub fn answered(response: Response, mut events: Vec<Event>) -> Self {
        events.push(Event::Outcome(Outcome::Answered));
        Self { events, ..Self::new(Decision::Respond(response)) }
    }

    /// Ends a request with a redirect to a provider.
    pub fn redirected(response: Response, mut events: Vec<Event>) -> Self {
        events.push(Event::Outcome(Outcome::Redirected));
        Self { events, ..Self::new(Decision::Respond(response)) }
    }
}

/// Refuses a request before there is a [`Visit`]: it cannot be read (`request` is `None`), can be read in two ways, or is for an
/// origin that is not configured. `detail` is for the log, if there is more to say than of all such requests.
pub fn turn_away<C, W, B>(
    settings: &Settings,
    request: Option<&Request>,
    request_id: &str,
    reason: Reason,
    detail: Option<String>,
) -> Step<C, W, B> {
    let (host, method, path) = request.map_or(("-", "-", "-"), |request| (&request.authority, &request.method, &request.path));
    let of_all_such = || match reason {
        Reason::HostUnknown => {
            let authority = request.map_or("", |request| &request.authority);
            let found = quote(authority);
            format!(
                "authority {found} is none of the origins; add it if browsers use it, or let the proxy in front hand on the browser's Host"
            )
        }
        Reason::PathAmbiguous => "escapes, dots, slashes, backslashes or semicolons that servers read differently".to_owned(),
        Reason::HeaderAmbiguous => "Connection names a header that identity is read from".to_owned(),
        _ => String::new(),
    };
    let reader = request
        .filter(|request| browser::wants_page(request))
        .map_or(Reader::Program, |request| Reader::Person(settings.site.languages.choose(request.headers.all(ACCEPT_LANGUAGE))));
    let failure = Failure::new(reason, detail.unwrap_or_else(of_all_such));
    not_a_visit(settings, reader, RequestRef::new(request_id, host, method, path), failure)
}

/// Who reads a response.
#[derive(Clone, Copy, Debug)]
pub enum Reader<'a> {
    /// A program, which gets problem JSON.
    Program,
    /// A person, who gets a page in this language.
    Person(&'a Language),
}

/// Refuses a request of which only this reference is known.
pub fn not_a_visit<C, W, B>(settings: &Settings, reader: Reader<'_>, request: RequestRef, failure: Failure) -> Step<C, W, B> {
    let english = settings.site.languages.english();
    let (page, language) = match reader {
        Reader::Program => (false, english),
        Reader::Person(language) => (true, language),
    };
    let of_another_site = matches!(failure.reason, Reason::HostUnknown | Reason::HostMissing);
    let context = Context {
        page,
        request_id: &request.request_id,
        origin: "",
        login: &settings.endpoints.login,
        sign_in: settings.endpoints.login.clone(),
        logout: &settings.endpoints.logout,
        front_page: if of_another_site { only_front_page(settings) } else { Some("/".to_owned()) },
        cookie_name: &settings.session.cookie.name,
        site: &settings.site,
        language,
        posted: false,
        came: None,
        visitor: None,
        opener: None,
        bearer: BearerChallenge::NotAccepted,
        resource_metadata: None,
        demand: &Demand::default(),
        diagnosis: diagnosis(settings, &failure, None),
    };
    let response = protocols::of_call(refusal::refuse(failure.reason, &context), None, &failure);
    let denied = Event::Denied { request, rule: None, subject: None, session: None, failure, call: None };
    let outcome = Event::Outcome(Outcome::of_status(response.status));
    Step { events: vec![denied, outcome], ..Step::new(Decision::Respond(response)) }
}

/// What a page says to operators, if it may: what the log says of the same request.
fn diagnosis(settings: &Settings, failure: &Failure, rule: Option<&str>) -> Option<String> {
    let Failure { reason, detail } = failure;
    let by = rule.map(|rule| [", by ", rule].concat()).unwrap_or_default();
    let separator = if detail.is_empty() { "" } else { ": " };
    let told = || [reason.id(), &by, separator, detail].concat();
    settings.site.diagnose.then(|| escape_invisible(&told()).into_owned())
}

/// The address of the front page, if only one origin is served. Of several, a stranger who names none of them learns none.
fn only_front_page(settings: &Settings) -> Option<String> {
    match settings.origins.as_slice() {
        [only] => Some(format!("{only}/")),
        _ => None,
    }
}

/// A redirect that no cache stores.
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

/// A 200 response with JSON that no cache stores.
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
