//! The part `endpoints`: the paths that Accredit answers itself. No two are the same, and each can be read in one way only. What
//! is answered there is not known here.

use crate::access::path;
use crate::config::access::operator_logout::OPERATOR_LOGOUT;
use crate::config::providers::Providers;
use crate::config::reading::place::shape;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::values::is_written;
use crate::config::settings::Endpoints;
use crate::http::url::{Origin, Url};

shape! {
    pub(crate) struct EndpointsShape {
        /// begins a sign-in: GET, HEAD
        /// Default: `/api/login`
        pub(crate) login: Option<String> where endpoints(),
        /// where the provider sends people back: GET; POST too with `response_mode: form_post`
        /// Default: `/api/callback`; with several providers `/api/callback/NAME` for each
        pub(crate) callback: Option<String> where endpoints(),
        /// ends the session: POST; GET, HEAD from a page of this site
        /// Default: `/api/logout`
        pub(crate) logout: Option<String> where endpoints(),
        /// says who is signed in: GET, HEAD
        /// Default: `/api/session`
        pub(crate) session: Option<String> where endpoints(),
        /// begins a sign-in of a [front end that keeps its own token](#a-front-end-that-keeps-its-own-token): GET, HEAD
        pub(crate) authorize: Option<String> where endpoints(),
        /// gives that front end its token: POST
        pub(crate) token: Option<String> where endpoints(),
        /// begins a sign-in [in a popup](#a-provider-in-a-popup): GET, HEAD
        pub(crate) popup: Option<String> where endpoints(),
        /// takes [name and password](#password): POST
        pub(crate) password: Option<String> where endpoints(),
        /// the public keys of `session.jwt` and `forward.identity_jwt`, for services and other gateways: GET, HEAD. Needs RS256 or
        /// ES256. Clients may cache it for 5 minutes: add a new key after the old one, and wait at least that long before it signs
        pub(crate) jwks: Option<String> where endpoints(),
        /// takes the logout tokens of a provider ([back-channel logout](#back-channel-logout)); with several providers `PATH/NAME` for
        /// each: POST
        pub(crate) backchannel_logout: Option<String> where endpoints(),
        /// takes the [security events](#security-events) of `transmitters`: POST
        pub(crate) security_events: Option<String> where endpoints(),
        /// is shown in a frame by a provider's page when somebody signs out there ([front-channel logout](#front-channel-logout)); with
        /// several providers `PATH/NAME` for each: GET
        pub(crate) frontchannel_logout: Option<String> where endpoints(),
        /// ends sessions of others, for [operators](#operators-end-sessions): POST. The rule that matches the path says who may
        pub(crate) operator_logout: Option<String> where endpoints(),
    }
}

/// The endpoints, whether good or refused.
pub(crate) struct Answered {
    /// All of them, if none was refused.
    pub(crate) endpoints: Checked<Endpoints>,
    /// Those that have a path for each provider, if there are several, as far as they are written and good.
    pub(crate) of_each: Vec<(&'static str, String)>,
    /// The names and the paths of those that are good.
    pub(crate) good: Vec<(&'static str, String)>,
}

/// Checks the paths. `providers` is the number of providers that people sign in at; `public_keys` says whether there is any key
/// to publish.
pub(crate) fn endpoints(
    shape: EndpointsShape,
    providers: Checked<usize>,
    public_keys: Checked<bool>,
    refusals: &mut Refusals,
) -> Answered {
    let signs_in = [&shape.login, &shape.callback, &shape.authorize, &shape.token, &shape.popup];
    let signs_out = [&shape.backchannel_logout, &shape.frontchannel_logout, &shape.security_events];
    if providers == Ok(0) && signs_in.iter().chain(&signs_out).any(|path| is_written(path) == Ok(true)) {
        let sentence = "expected none that signs people in, because there is no provider, found one; remove it";
        let _ = refusals.refuse("endpoints", sentence);
    }
    if is_written(&shape.jwks) == Ok(true) && public_keys == Ok(false) {
        let _ = refusals.refuse(
            "endpoints.jwks",
            "expected a key that can be published, found only shared secrets; write algorithm: ES256 or RS256 where tokens are signed, or remove it",
        );
    }
    // Without a provider these two stay empty. No request has an empty path.
    let of_sign_in = |path: Checked<Option<String>>, default: &str| match providers {
        Ok(0) => Ok(None),
        _ => path.map(|path| Some(path.unwrap_or_else(|| default.to_owned()))),
    };
    let always = |path: Checked<Option<String>>, default: &str| path.map(|path| Some(path.unwrap_or_else(|| default.to_owned())));
    let of_each = [
        ("callback", of_sign_in(shape.callback, "/api/callback")),
        ("backchannel_logout", shape.backchannel_logout),
        ("frontchannel_logout", shape.frontchannel_logout),
    ];
    let mut checking = Checking { of_each, providers, good: Vec::new(), refusals };
    let login = checking.path("login", of_sign_in(shape.login, "/api/login"));
    let [(_, callback), (_, backchannel_logout), (_, frontchannel_logout)] = checking.of_each.clone();
    let callback = checking.path("callback", callback);
    let logout = checking.path("logout", always(shape.logout, "/api/logout"));
    let session = checking.path("session", always(shape.session, "/api/session"));
    let authorize = checking.path("authorize", shape.authorize);
    let token = checking.path("token", shape.token);
    let popup = checking.path("popup", shape.popup);
    let password = checking.path("password", shape.password);
    let jwks = checking.path("jwks", shape.jwks);
    let backchannel_logout = checking.path("backchannel_logout", backchannel_logout);
    let security_events = checking.path("security_events", shape.security_events);
    let frontchannel_logout = checking.path("frontchannel_logout", frontchannel_logout);
    let has_several = |(name, _): &&(&str, String)| checking.of_each.iter().any(|(of_each, _)| of_each == name);
    let of_each = checking.good.iter().filter(has_several).cloned().collect();
    let operator_logout = checking.path(OPERATOR_LOGOUT, shape.operator_logout);
    let good = checking.good;
    let all = || {
        Ok(Endpoints {
            login: login?.unwrap_or_default(),
            callback: callback?.unwrap_or_default(),
            logout: logout?.unwrap_or_default(),
            session: session?.unwrap_or_default(),
            authorize: authorize?,
            token: token?,
            popup: popup?,
            jwks: jwks?,
            password: password?,
            backchannel_logout: backchannel_logout?,
            security_events: security_events?,
            frontchannel_logout: frontchannel_logout?,
            operator_logout: operator_logout?,
        })
    };
    Answered { endpoints: all(), of_each, good }
}

/// The endpoints that were checked so far, and what the next one is compared with.
struct Checking<'a> {
    /// Those that have a path for each provider, if there are several.
    of_each: [(&'static str, Checked<Option<String>>); 3],
    providers: Checked<usize>,
    good: Vec<(&'static str, String)>,
    refusals: &'a mut Refusals,
}

impl Checking<'_> {
    fn path(&mut self, name: &'static str, written: Checked<Option<String>>) -> Checked<Option<String>> {
        let Some(endpoint) = written? else { return Ok(None) };
        let plain = !endpoint.contains(['*', '%', '"', '\'', '<', '>', ',']) && endpoint != "/";
        let is_below = |(other, path): &(&str, Checked<Option<String>>)| {
            let path = path.as_ref().ok().and_then(Option::as_ref);
            *other != name && path.is_some_and(|path| endpoint.starts_with(&format!("{path}/")))
        };
        let sentence = if path::check(&endpoint).is_err() || !plain {
            "expected an absolute path of plain characters, found another; write /api/login"
        } else if self.providers.is_ok_and(|providers| providers > 1) && self.of_each.iter().any(is_below) {
            // With several providers, each one's path stands there.
            "expected a path that is not below one of which each provider has its own (callback, backchannel_logout, frontchannel_logout), found one; change it"
        } else if self.good.iter().any(|(_, other)| *other == endpoint) {
            "expected a path of its own, found one that another endpoint has; change it"
        } else {
            self.good.push((name, endpoint.clone()));
            return Ok(Some(endpoint));
        };
        Err(self.refusals.refuse(format!("endpoints.{name}"), sentence))
    }
}

/// What a front end that keeps its own token needs: two endpoints, and at each provider a `redirect_uri`, which is a page of that
/// front end.
pub(crate) struct FrontEnd<'a> {
    /// Whether `endpoints.authorize` is written.
    pub(crate) authorize: Checked<bool>,
    /// Whether `endpoints.token` is written.
    pub(crate) token: Checked<bool>,
    /// The names and the paths of all endpoints that are good.
    pub(crate) answered: &'a [(&'static str, String)],
    /// `origins` and `trusted_origins`, on which the pages must stand.
    pub(crate) listed_origins: &'a Checked<Vec<Origin>>,
}

impl FrontEnd<'_> {
    /// Refuses one of both endpoints without the other, and pages that do not fit.
    pub(crate) fn check(&self, providers: &Providers, refusals: &mut Refusals) {
        let lacking = match (self.authorize, self.token) {
            (Ok(true), Ok(false)) => Some(("authorize", "token")),
            (Ok(false), Ok(true)) => Some(("token", "authorize")),
            _ => None,
        };
        if let Some((here, missing)) = lacking {
            let sentence = format!("expected a path, because {here} is of no use alone, found none; write /api/{missing}");
            let _ = refusals.refuse(format!("endpoints.{missing}"), sentence);
        }
        let mut pages: Vec<&Url> = Vec::new();
        for (index, provider) in providers.good() {
            if let Some(sentence) = self.mistake(index, provider.redirect_uri.as_ref(), &pages) {
                let _ = refusals.refuse(format!("providers[{index}].redirect_uri"), sentence);
            }
            pages.extend(&provider.redirect_uri);
        }
    }

    /// What is wrong with the page of the provider at `index`; `earlier` are the pages of those before it.
    fn mistake(&self, index: usize, page: Option<&Url>, earlier: &[&Url]) -> Option<&'static str> {
        let Some(page) = page else {
            // Where only one of both endpoints is written, that was refused, and the page may not be needed.
            let needed = index == 0 && self.token == Ok(true) && self.authorize == Ok(true);
            return needed.then_some(
                "expected the page that the provider sends the code to, because endpoints.token is there, found none; write https://front.example.com/auth/callback",
            );
        };
        if self.token == Ok(false) {
            // Where `authorize` is written, its missing `token` was refused already.
            let alone = self.authorize == Ok(false);
            return alone
                .then_some("expected endpoints.authorize and endpoints.token beside it, found none; write both, or remove it");
        }
        if self.listed_origins.as_ref().is_ok_and(|listed_origins| !listed_origins.contains(&page.origin())) {
            return Some("expected a page on one of the origins or trusted_origins, found another; list its origin there");
        }
        if self.answered.iter().any(|(_, path)| path == page.target()) {
            return Some("expected a page, found one of the endpoints; write /auth/callback");
        }
        let taken = earlier.contains(&page);
        taken.then_some("expected a page for each provider, found one that another has; write another path")
    }
}
