//! Begins a sign-in at a provider: makes the authorization request, as a redirect for a navigation or as a URL for a script, and
//! keeps what must be known at the end in the attempt's cookie. It never authenticates anybody.

use std::collections::BTreeMap;

use serde_json::json;

use crate::access::browser;
use crate::authenticate::scene::Scene;
use crate::config::settings::{ProviderSettings, Settings};
use crate::http::return_to::ReturnTo;
use crate::http::url::query_parameters;
use crate::oidc::authorization::{AuthorizationRequest, authorization_request, code_challenge};
use crate::oidc::discovery::{self, Need};
use crate::oidc::provider::ResponseMode;
use crate::session::attempt::place::LONGEST_LIFE;
use crate::session::attempt::{self, Attempt, Ending, Plan, in_state};
use crate::session::cookie;
use crate::session::remembered::attempts::Outcome;
use crate::sign_in::under_way::again::{self, AGAIN};
use crate::sign_in::under_way::attempt::{checked_client, no_attempt};
use crate::step::answers::{json_answer, redirect, return_to};
use crate::step::decision::{FromTheStart, Journey, Resource, Step};
use crate::step::event::Event;
use crate::step::stop::{JourneyKind, Stop};
use crate::step::visit::Visit;
use crate::words::demand::Demand;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::world::{NoRandomness, World};

/// The parameters in the query of the endpoints that begin a sign-in.
const OF_LOGIN: [&str; 6] = ["return_to", "provider", "prompt", "acr_values", "max_age", AGAIN];

/// The parameters of a sign-in at a provider.
#[derive(Clone, Debug)]
pub struct SignInOptions {
    /// What the sign-in leads to: a session, a page's token, or a session and a popup's message.
    pub ending: Ending,
    /// The provider's configured name; `None` for the first provider.
    pub provider: Option<String>,
    /// The page to go to afterwards.
    pub return_to: ReturnTo,
    /// Whether the provider is to let the person choose another account (`prompt`).
    pub another_account: bool,
    /// The authentication that is required (`acr_values`, `max_age`).
    pub demand: Demand,
    /// Whether it is begun by itself, after an attempt that could not be finished.
    pub begun_again: bool,
    /// Whether the browser brought only a part of a session's cookies.
    pub torn: bool,
    /// How many sign-ins in a row, just before this one and for the same address, led to sessions that were not accepted.
    pub in_vain: u64,
    /// How the browser gets the authorization request.
    pub send_as: SendAs,
}

/// How the browser gets the authorization request (RFC 6749, section 4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendAs {
    /// As a redirect.
    Redirect,
    /// As a URL in JSON, for a script that navigates itself or opens a window.
    Url,
}

/// The endpoints that begin a sign-in: for a session, for a front end that keeps its own token, and for a popup. The parameters
/// of their query are `return_to` (not for a popup), `provider`, `prompt`, `acr_values` and `max_age`; or, for a session, [`AGAIN`]
/// alone, which Accredit writes itself.
pub fn login(scene: &mut Scene<'_>, visit: &Visit, ending: Ending) -> Journey {
    if !matches!(visit.request.method.as_str(), "GET" | "HEAD") {
        return Err(Stop::method("GET, HEAD"));
    }
    if browser::is_speculative(&visit.request.headers) {
        return Err(Failure::new(Reason::Speculative, "at an endpoint that begins a sign-in").into());
    }
    let malformed = |reason| Failure::new(reason, "at the login endpoint");
    let parameters = query_parameters(visit.request.query.as_deref(), &OF_LOGIN).map_err(malformed)?;
    match parameters.get(AGAIN).filter(|_| ending == Ending::Session) {
        Some(id) => login_again(scene, visit, id),
        None => {
            let options = options(scene.settings, visit, ending, parameters).map_err(malformed)?;
            send(scene, visit, options, Vec::new())
        }
    }
}

/// Begins again what an attempt could not finish, once. All that is known of it comes from the attempt's own cookie, and nothing
/// from the query but the attempt's identifier.
fn login_again(scene: &mut Scene<'_>, visit: &Visit, id: &str) -> Journey {
    let (settings, came, mut events) = (scene.settings, &visit.request.headers, Vec::new());
    let session = &settings.session;
    let place = Attempt::find_place(&settings.sealer, &session.cookie, session.attempt_timeout, came, id, visit.now)
        .filter(|place| checked_client(settings, visit, &place.provider, &place.client_fingerprint).is_ok());
    let Some(place) = place else {
        let failure = no_attempt(settings, visit, Reason::AttemptMissing, false);
        return Err(Stop::new(JourneyKind::UnsolicitedResponse, failure));
    };
    if again::is_satisfied(scene, visit, &place, &mut events) {
        return Ok(again::to_the_place(settings, &place, Vec::new(), events));
    }
    if place.torn && scene.background.attempts.outcome(scene.world, &place.state, visit.now) == Some(Outcome::SignedIn) {
        let failure = Failure::new(Reason::SessionTorn, cookie::missing(&settings.session.cookie, came).to_string());
        return Err(again::page(&place, failure).after(events));
    }
    // Without metadata, `send` waits for them, and this begins from the start.
    let provider = settings.provider(&place.provider);
    let begins = provider.is_some_and(|provider| scene.metadata(provider, visit.now).is_some());
    let until = place.created.plus(LONGEST_LIFE);
    if place.begun_again || begins && !scene.background.attempts.may_begin_again(scene.world, &place.state, until) {
        let failure = Failure::new(Reason::AttemptReplayed, "it was begun again before");
        return Err(again::page(&place, failure).after(events));
    }
    let options = SignInOptions {
        ending: Ending::Session,
        provider: Some(place.provider.clone()),
        return_to: return_to(&place.return_to, settings),
        another_account: place.another_account,
        demand: place.demand,
        begun_again: true,
        torn: place.torn,
        in_vain: place.in_vain,
        send_as: SendAs::Redirect,
    };
    send(scene, visit, options, events)
}

fn options(
    settings: &Settings,
    visit: &Visit,
    ending: Ending,
    mut parameters: BTreeMap<String, String>,
) -> Result<SignInOptions, Reason> {
    let return_to = match parameters.get("return_to").filter(|_| ending != Ending::Popup) {
        Some(text) => ReturnTo::parse(text, &settings.listed_origins())?,
        None => ReturnTo::front_page(),
    };
    let another_account = match parameters.get("prompt").map(String::as_str) {
        None => false,
        Some("login" | "select_account") => true,
        Some(_) => return Err(Reason::QueryMalformed),
    };
    let parameter = |name: &str| parameters.get(name).map(String::as_str);
    let demand = Demand::parse(parameter("acr_values"), parameter("max_age")).ok_or(Reason::QueryMalformed)?;
    let send_as = if ending == Ending::Popup || browser::is_script(&visit.request) { SendAs::Url } else { SendAs::Redirect };
    let provider = parameters.remove("provider");
    let (begun_again, torn, in_vain) = (false, false, 0);
    Ok(SignInOptions { ending, provider, return_to, another_account, demand, begun_again, torn, in_vain, send_as })
}

/// Sends the browser to the provider, and waits for the provider's metadata first if it is not here.
///
/// # Errors
/// [`Reason::ProviderUnknown`]; [`Reason::CrossSite`]; [`Reason::MetadataUnavailable`] if an endpoint is missing without which the
/// sign-in could not be completed; [`Reason::Internal`] if the host gives no random bytes.
pub fn send(scene: &mut Scene<'_>, visit: &Visit, options: SignInOptions, events: Vec<Event>) -> Journey {
    match request_authorization(scene, visit, options) {
        Ok(step) => Ok(step.after(events)),
        Err(failure) => Err(Stop::from(failure).after(events)),
    }
}

fn request_authorization(scene: &mut Scene<'_>, visit: &Visit, options: SignInOptions) -> Result<Step, Failure> {
    let settings = scene.settings;
    let chosen = settings.sign_in_provider(options.provider.as_deref());
    // Only some providers may have a redirect URI for a page that keeps its own token.
    let chosen = chosen.and_then(|provider| Some((provider, redirect_uri(visit, provider, options.ending)?)));
    let Some((provider, redirect_uri)) = chosen else {
        let name = quote(options.provider.as_deref().unwrap_or_default());
        return Err(Failure::new(Reason::ProviderUnknown, format!("no provider {name} is configured for this")));
    };
    // A `SameSite=None` attempt cookie can be set by a request of any site. Another site could begin sign-ins in the background
    // until the attempts of our own pages are displaced.
    if (options.ending != Ending::Session || uses_form_post(provider, options.ending))
        && browser::is_foreign_and_unseen(&visit.request, &visit.origin, &settings.trusted_origins)
    {
        return Err(Failure::new(Reason::CrossSite, browser::evidence(&visit.request.headers, &visit.origin)));
    }
    let Some(metadata) = scene.metadata(provider, visit.now) else {
        return Ok(Step::waiting(Resource::Metadata(provider.oidc.name.clone()), visit.wait_until, FromTheStart));
    };
    discovery::check(&provider.oidc, &metadata, Need::SignIn)?;
    let begun = begin_attempt(settings, scene.world, visit, provider, &redirect_uri, &options);
    let Begun { attempt, state, cookies } = begun.map_err(|_| Failure::new(Reason::Internal, "the host gave no random bytes"))?;
    let url = authorization_request(
        &provider.oidc,
        &metadata,
        &AuthorizationRequest {
            state: state.expose(),
            nonce: attempt.nonce.expose(),
            code_challenge: &code_challenge(attempt.code_verifier.expose()),
            redirect_uri: &attempt.redirect_uri,
            response_mode: uses_form_post(provider, options.ending).then_some("form_post"),
            prompt: options.another_account.then_some(provider.oidc.account_prompt),
            demand: &attempt.demand,
        },
    )?;
    let mut begun = vec![Event::SignInBegun { request: visit.reference(), provider: provider.oidc.name.clone(), redirect_uri }];
    if attempt.return_to != options.return_to.as_str() {
        begun.push(Event::ReturnToTooLong { request: visit.reference(), bytes: options.return_to.as_str().len() });
    }
    Ok(match options.send_as {
        SendAs::Url => {
            let popup = settings.popup.as_ref().filter(|_| options.ending == Ending::Popup);
            let member = popup.map_or("authorize_url", |popup| popup.url_member.as_str());
            let mut response = json_answer(&json!({ member: url }), cookies);
            visit.add_cors_headers(settings, &mut response);
            Step::answered(response, begun)
        }
        SendAs::Redirect => Step::redirected(redirect(302, &url, cookies), begun),
    })
}

fn redirect_uri(visit: &Visit, provider: &ProviderSettings, ending: Ending) -> Option<String> {
    match ending {
        Ending::Session | Ending::Popup => Some(format!("{}{}", visit.origin, provider.callback)),
        Ending::Token => provider.oidc.redirect_uri.as_ref().map(|url| url.as_str().to_owned()),
    }
}

fn uses_form_post(provider: &ProviderSettings, ending: Ending) -> bool {
    ending != Ending::Token && provider.oidc.response_mode == ResponseMode::FormPost
}

/// An attempt that has begun.
struct Begun {
    attempt: Attempt,
    /// The `state` to send.
    state: Secret,
    /// The `Set-Cookie` values that store it in the browser.
    cookies: Vec<String>,
}

fn begin_attempt(
    settings: &Settings,
    world: &mut dyn World,
    visit: &Visit,
    provider: &ProviderSettings,
    redirect_uri: &str,
    options: &SignInOptions,
) -> Result<Begun, NoRandomness> {
    let cross_site = match options.ending {
        Ending::Session => false,
        Ending::Token => !settings.trusted_origins.is_empty(),
        Ending::Popup => visit.popup_origin(settings).is_some_and(|origin| *origin != visit.origin),
    };
    let plan = Plan {
        ending: options.ending,
        provider: provider.oidc.name.clone(),
        redirect_uri: redirect_uri.to_owned(),
        return_to: options.return_to.as_str().to_owned(),
        demand: options.demand.clone(),
        another_account: options.another_account,
        begun_again: options.begun_again,
        torn: options.torn,
        in_vain: options.in_vain,
        cross_site: uses_form_post(provider, options.ending) || cross_site,
        client_fingerprint: attempt::client_fingerprint(provider.oidc.issuer(), &provider.oidc.client_id, &visit.origin),
    };
    let mut attempt = Attempt::begin(world, visit.now, plan)?;
    let session = &settings.session;
    let cookies = attempt.store(world, &settings.sealer, &session.cookie, session.attempt_timeout, &visit.request.headers)?;
    // In a popup the page that opened it learns of the failure, and a front end that keeps a token began on its own.
    let state = match options.ending {
        Ending::Session => in_state::with_address(world, &settings.sealer, &attempt.place())?,
        Ending::Token | Ending::Popup => attempt.state.clone(),
    };
    Ok(Begun { attempt, state, cookies })
}
