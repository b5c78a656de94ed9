//! The way back from the provider: what its answer belongs to. The state is proved here; what the answer brings is spent and
//! believed in `sign_in::redeem`.

use std::collections::BTreeMap;

use crate::authenticate::scene::Scene;
use crate::authenticate::session::authenticate;
use crate::config::settings::{ProviderSettings, Settings};
use crate::http::body::{MediaType, form_parameters};
use crate::http::url::{ReturnTo, query_parameters};
use crate::oidc::provider::ResponseMode;
use crate::session::attempt::{self, Attempt, Ending};
use crate::session::remembered::tombstone::Tombstones;
use crate::sign_in::redeem::{self, AfterNews, Redeeming};
use crate::sign_in::under_way::{self, no_attempt};
use crate::step::answers::redirect;
use crate::step::body::{self, Wanted};
use crate::step::decision::{Journey, Step};
use crate::step::stop::{Stop, Whose};
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// What came back.
enum Came {
    Parameters(BTreeMap<String, String>),
    /// It stands in a body of which this much is still to be read, in bytes, until then.
    ToRead(usize, Timestamp),
}

/// The callback endpoint, as the redirect URI of one provider; with several, its bare path is nobody's.
pub fn begin(scene: &mut Scene<'_>, visit: &mut Visit, called_back: Option<&ProviderSettings>) -> Journey<Redeeming, AfterNews> {
    let settings = scene.settings;
    // Until it is known what the answer belongs to, it may be a popup's.
    visit.in_popup = true;
    let parameters = match parameters(scene.world, visit, called_back)? {
        Came::Parameters(parameters) => parameters,
        Came::ToRead(limit, until) => return Ok(Step::reading(limit, until)),
    };
    let state = parameters.get("state").map(String::as_str);
    visit.in_popup = state.is_none_or(attempt::looks_like_popup_state);
    match expected(settings, scene.world, visit, state, called_back) {
        Ok(attempt) => redeem::spend(scene, visit, attempt, &parameters),
        Err(failure) => stray(scene, visit, state, failure),
    }
}

/// The parameters of the answer, in whichever way it comes.
fn parameters(world: &dyn World, visit: &Visit, called_back: Option<&ProviderSettings>) -> Result<Came, Stop> {
    let posts = called_back.is_some_and(|provider| provider.oidc.response_mode == ResponseMode::FormPost);
    match visit.request.method.as_str() {
        "GET" => {
            let parameters = query_parameters(visit.request.query.as_deref());
            Ok(Came::Parameters(parameters.map_err(|reason| Failure::new(reason, "at the callback endpoint"))?))
        }
        // Another site's form: what shows that this browser asked for it is `state`.
        "POST" if posts => match body::read(world, visit, &[MediaType::UrlEncoded])? {
            Wanted::Read(_) => Ok(Came::Parameters(form_parameters(visit.body.bytes())?)),
            Wanted::ToRead(limit, until) => Ok(Came::ToRead(limit, until)),
        },
        _ => Err(Stop::method(if posts { "GET, POST" } else { "GET" })),
    }
}

/// The attempt that this answer belongs to.
fn expected(
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

/// An answer that belongs to no attempt. Somebody who is signed in already just goes on, but for a popup: its page waits.
fn stray(scene: &mut Scene<'_>, visit: &Visit, state: Option<&str>, failure: Failure) -> Journey<Redeeming, AfterNews> {
    let settings = scene.settings;
    let mut events = Vec::new();
    let signed_in = authenticate(scene, visit, &mut events);
    let forgotten = state.and_then(|state| attempt::forget_by_state(&settings.session.cookie, state));
    let waits = state.is_some() && visit.opener(settings).is_some();
    if signed_in.is_ok() && !waits {
        let front_page = ReturnTo::front_page();
        return Ok(Step::answered(redirect(303, front_page.as_str(), forgotten.into_iter().collect()), events));
    }
    Err(Stop::new(Whose::NoSignIn { forgotten }, failure).after(events))
}
