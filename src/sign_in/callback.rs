//! The callback endpoint: reads the provider's authorization response (RFC 6749, section 4.1.2), and finds the attempt that it
//! belongs to by `state`. It never uses the code; `sign_in::redeem` does.

use std::collections::BTreeMap;

use crate::access::browser;
use crate::authenticate::scene::Scene;
use crate::authenticate::session::authenticate;
use crate::config::settings::{ProviderSettings, Settings};
use crate::http::body::{MediaType, form_parameters};
use crate::http::url::{ReturnTo, query_parameters};
use crate::oidc::provider::ResponseMode;
use crate::session::attempt::{self, Attempt, Ending};
use crate::session::remembered::tombstone::Tombstones;
use crate::sign_in::redeem::{self, AfterNews, SignInCall};
use crate::sign_in::under_way::{self, no_attempt};
use crate::step::answers::redirect;
use crate::step::body::{self, WantedBody};
use crate::step::decision::{Journey, Step};
use crate::step::stop::{JourneyKind, Stop};
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
    visit.in_popup = state.is_none_or(attempt::looks_like_popup_state);
    match find_attempt(settings, scene.world, visit, state, called_back) {
        Ok(attempt) => redeem::redeem_code(scene, visit, attempt, &parameters),
        Err(failure) => unsolicited(scene, visit, state, failure),
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

/// The attempt that `state` names, from this browser's cookie; not used before, and begun at the provider whose redirect URI was
/// called (RFC 6749, section 10.12; RFC 9700, section 4.4).
fn find_attempt(
    settings: &Settings,
    world: &dyn World,
    visit: &Visit,
    state: Option<&str>,
    called_back: Option<&ProviderSettings>,
) -> Result<Attempt, Failure> {
    let session = &settings.session;
    let state = state.ok_or_else(|| Failure::new(Reason::StateMissing, "no state came"))?;
    let (sealer, timeout, came) = (&settings.sealer, session.attempt_timeout, &visit.request.headers);
    let endings: &[_] = if settings.popup.is_some() { &[Ending::Session, Ending::Popup] } else { &[Ending::Session] };
    let found = Attempt::find(sealer, &session.cookie, timeout, came, state, visit.now, endings);
    let posted = visit.request.method == "POST";
    let attempt = found.map_err(|reason| no_attempt(settings, visit, reason, posted))?;
    if Tombstones::attempts().has(world, state, visit.now) {
        return Err(Failure::new(Reason::AttemptReplayed, "this state came back before"));
    }
    let provider = under_way::provider(settings, &attempt)?;
    if called_back.is_none_or(|called_back| provider.callback != called_back.callback) {
        let (asked, answered) = (&attempt.provider, called_back.map_or("nobody", |called_back| &called_back.oidc.name));
        let detail = format!("provider {asked} was asked, the answer came to the redirect URI of {answered}: a mix-up");
        return Err(Failure::new(Reason::IssuerMismatch, detail));
    }
    Ok(attempt)
}

/// An authorization response that belongs to no attempt of this browser. Somebody who is signed in is redirected to the front
/// page; everybody else, and a popup whose opener waits, gets the refusal.
fn unsolicited(scene: &mut Scene<'_>, visit: &Visit, state: Option<&str>, failure: Failure) -> Journey<SignInCall, AfterNews> {
    let settings = scene.settings;
    let mut events = Vec::new();
    let signed_in = authenticate(scene, visit, &mut events);
    let delete_cookie = state.and_then(|state| attempt::forget_by_state(&settings.session.cookie, state));
    let waits = state.is_some() && visit.opener(settings).is_some();
    if signed_in.is_ok() && !waits {
        let front_page = ReturnTo::front_page();
        return Ok(Step::answered(redirect(303, front_page.as_str(), delete_cookie.into_iter().collect()), events));
    }
    Err(Stop::new(JourneyKind::UnsolicitedResponse { delete_cookie }, failure).after(events))
}
