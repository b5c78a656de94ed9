//! The callback endpoint: reads the provider's authorization response (RFC 6749, section 4.1.2), and finds the attempt that it
//! belongs to by `state`. It never uses the code; `sign_in::redeem` does.

use std::collections::BTreeMap;

use crate::access::browser;
use crate::authenticate::scene::Scene;
use crate::authenticate::session::authenticate;
use crate::config::settings::{ProviderSettings, Settings};
use crate::http::body::{MediaType, form_parameters};
use crate::http::return_to::ReturnTo;
use crate::http::url::query_parameters;
use crate::oidc::authorization::{IssParameter, Refused, Remedy, authorization_response, with_unproved_error};
use crate::oidc::provider::ResponseMode;
use crate::session::attempt::place::Place;
use crate::session::attempt::state::looks_like_popup_state;
use crate::session::attempt::{Attempt, Ending, Found, client_fingerprint, in_state};
use crate::sign_in::redeem::{self, AfterNews, SignInCall};
use crate::sign_in::under_way::attempt::{checked_client, no_attempt};
use crate::sign_in::under_way::{again, repeated};
use crate::step::answers::redirect;
use crate::step::body::{self, WantedBody};
use crate::step::decision::{Journey, Step};
use crate::step::stop::{JourneyKind, LostAttempt, Stop};
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// The parameters of authorization responses that are read (RFC 6749, section 4.1.2; RFC 9207, section 2).
const OF_RESPONSES: [&str; 5] = ["code", "state", "iss", "error", "error_description"];

/// The parameters of an authorization response.
enum CallbackParameters {
    Read(BTreeMap<String, String>),
    /// They stand in the body, which must be read first: at most this many bytes, until this time.
    InBody(usize, Timestamp),
}

/// The callback endpoint. `called_back` is the provider whose redirect URI it is; with several providers each has its own, and
/// the bare callback path belongs to none (RFC 9700, section 4.4.2.2).
pub fn begin(scene: &mut Scene<'_>, visit: &mut Visit, called_back: Option<&ProviderSettings>) -> Journey<SignInCall, AfterNews> {
    let settings = scene.settings;
    // The code and the attempt stay as they are, for when the person asks.
    if browser::is_speculative(&visit.request.headers) {
        return Err(Failure::new(Reason::Speculative, "at the callback endpoint").into());
    }
    // Before `state` is read, the response may be for a popup.
    visit.in_popup = true;
    let parameters = match parameters(scene.world, visit, called_back)? {
        CallbackParameters::Read(parameters) => parameters,
        CallbackParameters::InBody(limit, until) => return Ok(Step::reading(limit, until)),
    };
    let state = parameters.get("state").map(String::as_str);
    visit.in_popup = state.is_none_or(looks_like_popup_state);
    let found = find(settings, visit, state).and_then(|found| Ok((checked(settings, visit, &found, called_back)?, found)));
    match found {
        Ok((_, Found::Attempt(attempt))) if scene.background.attempts.is_used_up(scene.world, &attempt.state, visit.now) => {
            redeem::came_again(scene, visit, &attempt)
        }
        Ok((provider, Found::Attempt(attempt))) => redeem::redeem_code(scene, visit, provider, *attempt, &parameters),
        Ok((provider, Found::Expired(place))) => expired(scene, visit, provider, &place, &parameters),
        Ok((_, Found::UsedUp(place))) => repeated::after_the_end(scene, visit, &place),
        Err(failure) => {
            let detail = with_unproved_error(failure.detail, &parameters);
            let kind = of_no_attempt(settings, visit, called_back, state, failure.reason);
            unsolicited(scene, visit, state.is_some(), Stop::new(kind, Failure { detail, ..failure }))
        }
    }
}

/// The parameters of the response, from the query or from a form (OAuth 2.0 Form Post Response Mode).
fn parameters(world: &dyn World, visit: &Visit, called_back: Option<&ProviderSettings>) -> Result<CallbackParameters, Stop> {
    let posts = called_back.is_some_and(|provider| provider.oidc.response_mode == ResponseMode::FormPost);
    match visit.request.method.as_str() {
        "GET" => {
            let parameters = query_parameters(visit.request.query.as_deref(), &OF_RESPONSES);
            Ok(CallbackParameters::Read(parameters.map_err(|reason| Failure::new(reason, "at the callback endpoint"))?))
        }
        // The form comes from the provider's site, so that there is no same-origin evidence. What shows that this browser began
        // the sign-in is `state`.
        "POST" if posts => match body::read(world, visit, &[MediaType::UrlEncoded])? {
            WantedBody::Read(_) => Ok(CallbackParameters::Read(form_parameters(visit.body.bytes(), &OF_RESPONSES)?)),
            WantedBody::ToRead(limit, until) => Ok(CallbackParameters::InBody(limit, until)),
        },
        _ => Err(Stop::method(if posts { "GET, POST" } else { "GET" })),
    }
}

/// What `state` belongs to, from this browser's cookie (RFC 6749, section 10.12).
fn find(settings: &Settings, visit: &Visit, state: Option<&str>) -> Result<Found, Failure> {
    let session = &settings.session;
    let state = state.ok_or_else(|| Failure::new(Reason::StateMissing, "no state came"))?;
    let (sealer, timeout, came) = (&settings.sealer, session.attempt_timeout, &visit.request.headers);
    let endings: &[_] = if settings.popup.is_some() { &[Ending::Session, Ending::Popup] } else { &[Ending::Session] };
    let found = Attempt::find(sealer, &session.cookie, timeout, came, state, visit.now, endings);
    found.map_err(|reason| no_attempt(settings, visit, reason, visit.request.method == "POST"))
}

/// The provider at which an attempt was begun, if its redirect URI was called (RFC 9700, section 4.4), and it is still this client's.
fn checked<'a>(
    settings: &'a Settings,
    visit: &Visit,
    found: &Found,
    called_back: Option<&ProviderSettings>,
) -> Result<&'a ProviderSettings, Failure> {
    let (asked, begun_for) = found.begun_for();
    let provider = checked_client(settings, visit, asked, begun_for)?;
    if called_back.is_none_or(|called_back| provider.callback != called_back.callback) {
        let answered = called_back.map_or("nobody", |called_back| &called_back.oidc.name);
        let detail = format!("provider {asked} was asked, the answer came to the redirect URI of {answered}: a mix-up");
        return Err(Failure::new(Reason::IssuerMismatch, detail));
    }
    Ok(provider)
}

/// The way back of an attempt that took too long. Its code is not used. The person goes on to the place if somebody is signed in,
/// and begins again if the provider says so; else a page says what happened.
fn expired(
    scene: &mut Scene<'_>,
    visit: &Visit,
    provider: &ProviderSettings,
    place: &Place,
    parameters: &BTreeMap<String, String>,
) -> Journey<SignInCall, AfterNews> {
    let (settings, mut events) = (scene.settings, Vec::new());
    if again::is_satisfied(scene, visit, place, &mut events) {
        return Ok(again::to_the_place(settings, place, Vec::new(), events));
    }
    let metadata = scene.metadata(provider, visit.now);
    let issuer = metadata.map_or(IssParameter::Required, |metadata| redeem::iss_parameter(settings, Ending::Session, &metadata));
    match authorization_response(parameters, &provider.oidc, issuer) {
        Err(Refused { failure, remedy: Remedy::BeginAgain }) if !place.begun_again => {
            events.push(again::failed(visit, place, failure.clone(), again::BEGUN_AGAIN));
            again::begin_again(settings, place, failure, events)
        }
        answer => {
            let said = answer.err().map(|refused| format!("; {}", refused.failure.detail)).unwrap_or_default();
            let detail = format!("it came back after more than {} s{said}", settings.session.attempt_timeout.as_secs());
            Err(again::page(place, Failure::new(Reason::AttemptExpired, detail)).after(events))
        }
    }
}

/// What is known of an authorization response that belongs to no attempt of this browser: if the attempt's cookie did not come, an
/// address that stands in `state`. It leads nobody anywhere by itself.
fn of_no_attempt(
    settings: &Settings,
    visit: &Visit,
    called_back: Option<&ProviderSettings>,
    state: Option<&str>,
    reason: Reason,
) -> JourneyKind {
    let address = |provider: &ProviderSettings| {
        let (session, came) = (&settings.session, &visit.request.headers);
        let begun_for = client_fingerprint(provider.oidc.issuer(), &provider.oidc.client_id, &visit.origin);
        let timeout = session.attempt_timeout;
        let link = in_state::address_of(&settings.sealer, &session.cookie, timeout, came, state?, visit.now, &begun_for)?;
        Some(JourneyKind::LostAttempt(Box::new(LostAttempt { link, provider: provider.oidc.name.clone() })))
    };
    let lost = called_back.filter(|_| reason == Reason::AttemptMissing);
    lost.and_then(address).unwrap_or(JourneyKind::UnsolicitedResponse)
}

/// The end of an authorization response that belongs to no attempt of this browser. Somebody who is signed in is redirected to the
/// front page; everybody else, and a popup whose opener waits, gets the refusal. No cookie is set: anybody can cause such a request.
fn unsolicited(scene: &mut Scene<'_>, visit: &Visit, has_state: bool, refusal: Stop) -> Journey<SignInCall, AfterNews> {
    let mut events = Vec::new();
    let signed_in = authenticate(scene, visit, &mut events);
    let waits = has_state && visit.opener(scene.settings).is_some();
    if signed_in.is_ok() && !waits {
        return Ok(Step::answered(redirect(303, ReturnTo::front_page().as_str(), Vec::new()), events));
    }
    Err(refusal.after(events))
}
