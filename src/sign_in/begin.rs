//! Begins a sign-in at a provider: makes the authorization request, as a redirect for a navigation or as a URL for a script, and
//! keeps what must be known at the end in the attempt's cookie. It never authenticates anybody.

use serde_json::json;

use crate::access::browser;
use crate::authenticate::scene::Scene;
use crate::config::settings::{ProviderSettings, Settings};
use crate::http::url::{ReturnTo, query_parameters};
use crate::oidc::authorization::{AuthorizationRequest, authorization_request, code_challenge};
use crate::oidc::discovery::{self, Need};
use crate::oidc::provider::ResponseMode;
use crate::session::attempt::{self, Attempt, Ending, Plan};
use crate::step::answers::{json_answer, redirect};
use crate::step::decision::{FromTheStart, Journey, Resource, Step};
use crate::step::event::Event;
use crate::step::stop::Stop;
use crate::step::visit::Visit;
use crate::words::demand::Demand;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};
use crate::words::world::{NoRandomness, World};

/// The parameters in the query of the endpoints that begin a sign-in.
const OF_LOGIN: [&str; 5] = ["return_to", "provider", "prompt", "acr_values", "max_age"];

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
/// of their query are `return_to` (not for a popup), `provider`, `prompt`, `acr_values` and `max_age`.
pub fn login(scene: &mut Scene<'_>, visit: &Visit, ending: Ending) -> Journey {
    if !matches!(visit.request.method.as_str(), "GET" | "HEAD") {
        return Err(Stop::method("GET, HEAD"));
    }
    if browser::is_speculative(&visit.request.headers) {
        return Err(Failure::new(Reason::Speculative, "at an endpoint that begins a sign-in").into());
    }
    let options = read_options(scene.settings, visit, ending).map_err(|reason| Failure::new(reason, "at the login endpoint"))?;
    send(scene, visit, options, Vec::new())
}

fn read_options(settings: &Settings, visit: &Visit, ending: Ending) -> Result<SignInOptions, Reason> {
    let mut parameters = query_parameters(visit.request.query.as_deref(), &OF_LOGIN)?;
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
    Ok(SignInOptions { ending, provider: parameters.remove("provider"), return_to, another_account, demand, send_as })
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
    let (attempt, cookies) = begun.map_err(|_| Failure::new(Reason::Internal, "the host gave no random bytes"))?;
    let url = authorization_request(
        &provider.oidc,
        &metadata,
        &AuthorizationRequest {
            state: attempt.state.expose(),
            nonce: attempt.nonce.expose(),
            code_challenge: &code_challenge(attempt.code_verifier.expose()),
            redirect_uri: &attempt.redirect_uri,
            response_mode: uses_form_post(provider, options.ending).then_some("form_post"),
            prompt: options.another_account.then_some(provider.oidc.account_prompt),
            demand: &attempt.demand,
        },
    )?;
    let begun = vec![Event::SignInBegun { request: visit.reference(), provider: provider.oidc.name.clone(), redirect_uri }];
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

/// Begins an attempt; returns it with the `Set-Cookie` values that store it in the browser.
fn begin_attempt(
    settings: &Settings,
    world: &mut dyn World,
    visit: &Visit,
    provider: &ProviderSettings,
    redirect_uri: &str,
    options: &SignInOptions,
) -> Result<(Attempt, Vec<String>), NoRandomness> {
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
        cross_site: uses_form_post(provider, options.ending) || cross_site,
        client_fingerprint: attempt::client_fingerprint(provider.oidc.issuer(), &provider.oidc.client_id, &visit.origin),
    };
    let attempt = Attempt::begin(world, visit.now, plan)?;
    let session = &settings.session;
    let cookies = attempt.store(world, &settings.sealer, &session.cookie, session.attempt_timeout, &visit.request.headers)?;
    Ok((attempt, cookies))
}
