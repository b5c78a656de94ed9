//! Sends somebody to a provider: as a redirect for a navigation, as a URL for a script. Spends nothing and proves nothing; what
//! must be known later goes into the attempt's cookie.

use serde_json::json;

use crate::access::browser;
use crate::authenticate::scene::Scene;
use crate::config::settings::{ProviderSettings, Settings};
use crate::http::url::{ReturnTo, query_parameters};
use crate::oidc::authorization::{AuthorizationRequest, authorization_request, code_challenge};
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

/// What a sign-in is to be like.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What it is for.
    pub ending: Ending,
    /// The provider's configured name; the first one otherwise.
    pub provider: Option<String>,
    /// Where to go afterwards.
    pub return_to: ReturnTo,
    /// Whether the person wants to take another account than the provider would choose.
    pub another_account: bool,
    /// What is asked of the authentication.
    pub demand: Demand,
    /// How the provider's address is handed over.
    pub handover: Handover,
}

/// How the provider's address is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover {
    /// As a redirect.
    Redirect,
    /// As a URL, for a script that asked for it and navigates itself, or opens a window.
    Url,
}

/// The login endpoint, the one for a front end that keeps its own token, and the one for a popup: `return_to` (not in a popup),
/// `provider`, `prompt`, `acr_values` and `max_age` are their parameters.
pub fn login(scene: &mut Scene<'_>, visit: &Visit, ending: Ending) -> Journey {
    if !matches!(visit.request.method.as_str(), "GET" | "HEAD") {
        return Err(Stop::method("GET, HEAD"));
    }
    let wish = wish(scene.settings, visit, ending).map_err(|reason| Failure::new(reason, "at the login endpoint"))?;
    send(scene, visit, wish, Vec::new())
}

fn wish(settings: &Settings, visit: &Visit, ending: Ending) -> Result<Wish, Reason> {
    let mut parameters = query_parameters(visit.request.query.as_deref())?;
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
    let handover = if ending == Ending::Popup || browser::is_script(&visit.request) { Handover::Url } else { Handover::Redirect };
    Ok(Wish { ending, provider: parameters.remove("provider"), return_to, another_account, demand, handover })
}

/// Sends the browser to the provider, as soon as its metadata is here.
///
/// # Errors
/// [`Reason::ProviderUnknown`]; [`Reason::CrossSite`]; [`Reason::Internal`] without random bytes.
pub fn send(scene: &mut Scene<'_>, visit: &Visit, wish: Wish, events: Vec<Event>) -> Journey {
    match sent(scene, visit, wish) {
        Ok(step) => Ok(step.after(events)),
        Err(failure) => Err(Stop::from(failure).after(events)),
    }
}

fn sent(scene: &mut Scene<'_>, visit: &Visit, wish: Wish) -> Result<Step, Failure> {
    let settings = scene.settings;
    let chosen = settings.sign_in_provider(wish.provider.as_deref());
    // Not every provider need have a page that it sends codes to.
    let chosen = chosen.and_then(|provider| Some((provider, redirect_uri(visit, provider, wish.ending)?)));
    let Some((provider, redirect_uri)) = chosen else {
        let name = quote(wish.provider.as_deref().unwrap_or_default());
        return Err(Failure::new(Reason::ProviderUnknown, format!("no provider {name} is configured for this")));
    };
    // Where the attempt's cookie may be set by any site, one could begin sign-ins, unseen, until those of our own pages are gone.
    if (wish.ending != Ending::Session || is_posted(provider, wish.ending))
        && browser::is_foreign_and_unseen(&visit.request, &visit.origin, &settings.trusted_origins)
    {
        return Err(Failure::new(Reason::CrossSite, browser::evidence(&visit.request.headers, &visit.origin)));
    }
    let Some(metadata) = scene.metadata(provider, visit.now) else {
        return Ok(Step::waiting(Resource::Metadata(provider.oidc.name.clone()), visit.patience, FromTheStart));
    };
    let begun = begun(settings, scene.world, visit, provider, &redirect_uri, &wish);
    let (attempt, cookies) = begun.map_err(|_| Failure::new(Reason::Internal, "the host gave no random bytes"))?;
    let url = authorization_request(
        &provider.oidc,
        &metadata,
        &AuthorizationRequest {
            state: attempt.state.expose(),
            nonce: attempt.nonce.expose(),
            code_challenge: &code_challenge(attempt.code_verifier.expose()),
            redirect_uri: &attempt.redirect_uri,
            response_mode: is_posted(provider, wish.ending).then_some("form_post"),
            prompt: wish.another_account.then_some(provider.oidc.account_prompt),
            demand: &attempt.demand,
        },
    );
    let begun = vec![Event::SignInBegun { request: visit.reference(), provider: provider.oidc.name.clone(), redirect_uri }];
    Ok(match wish.handover {
        Handover::Url => {
            let popup = settings.popup.as_ref().filter(|_| wish.ending == Ending::Popup);
            let member = popup.map_or("authorize_url", |popup| popup.url_member.as_str());
            let mut response = json_answer(&json!({ member: url }), cookies);
            visit.let_page_read(settings, &mut response);
            Step::answered(response, begun)
        }
        Handover::Redirect => Step::redirected(redirect(302, &url, cookies), begun),
    })
}

fn redirect_uri(visit: &Visit, provider: &ProviderSettings, ending: Ending) -> Option<String> {
    match ending {
        Ending::Session | Ending::Popup => Some(format!("{}{}", visit.origin, provider.callback)),
        Ending::Token => provider.oidc.redirect_uri.as_ref().map(|url| url.as_str().to_owned()),
    }
}

fn is_posted(provider: &ProviderSettings, ending: Ending) -> bool {
    ending != Ending::Token && provider.oidc.response_mode == ResponseMode::FormPost
}

/// Begins an attempt, and stores it in the browser.
fn begun(
    settings: &Settings,
    world: &mut dyn World,
    visit: &Visit,
    provider: &ProviderSettings,
    redirect_uri: &str,
    wish: &Wish,
) -> Result<(Attempt, Vec<String>), NoRandomness> {
    let cross_site = match wish.ending {
        Ending::Session => false,
        Ending::Token => !settings.trusted_origins.is_empty(),
        Ending::Popup => visit.popup_origin(settings).is_some_and(|origin| *origin != visit.origin),
    };
    let plan = Plan {
        ending: wish.ending,
        provider: provider.oidc.name.clone(),
        redirect_uri: redirect_uri.to_owned(),
        return_to: wish.return_to.as_str().to_owned(),
        demand: wish.demand.clone(),
        cross_site: is_posted(provider, wish.ending) || cross_site,
        client_fingerprint: attempt::client_fingerprint(provider.oidc.issuer(), &provider.oidc.client_id, &visit.origin),
    };
    let attempt = Attempt::begin(world, visit.now, plan)?;
    let session = &settings.session;
    let cookies = attempt.store(world, &settings.sealer, &session.cookie, session.attempt_timeout, &visit.request.headers)?;
    Ok((attempt, cookies))
}
