//! Sign-ins that cannot be finished, of a browser that brings the cookie of that very attempt: so the place is known where the
//! person wanted to go. Whoever is signed in meanwhile goes there; else one new sign-in begins by itself; after that there is a
//! page with a link to the place. No code is used here, and no session begins or gets a cookie.

use crate::access::requirement::test::{Moment, is_authenticated};
use crate::authenticate::scene::Scene;
use crate::authenticate::session::authenticate;
use crate::authenticate::verified::Credential;
use crate::config::settings::Settings;
use crate::http::message::Response;
use crate::oidc::authorization::{Refused, Remedy};
use crate::session::attempt::Attempt;
use crate::session::attempt::place::Place;
use crate::session::remembered::attempts::Outcome;
use crate::sign_in::under_way::attempt::end;
use crate::step::answers::{redirect, return_to};
use crate::step::decision::{Journey, Step};
use crate::step::event::Event;
use crate::step::stop::{JourneyKind, Stop};
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};

/// The parameter of the login endpoint with the identifier of an attempt, whose place is read from its cookie.
pub const AGAIN: &str = "again";

/// Whether somebody is signed in with all that the attempt asked for. It only says where to send them: what they may do there is
/// decided anew.
pub fn is_satisfied(scene: &mut Scene<'_>, visit: &Visit, place: &Place, events: &mut Vec<Event>) -> bool {
    let Ok((verified, _)) = authenticate(scene, visit, events) else { return false };
    let Credential::Session(session) = &verified.credential else { return false };
    let skew = scene.settings.provider(&place.provider).map(|provider| provider.oidc.clock_skew).unwrap_or_default();
    session.provider == place.provider
        && (!place.another_account || session.created > place.created)
        && is_authenticated(&place.demand, &session.claims, Moment { now: visit.now, skew })
}

/// Sends the browser to the place, with these cookies.
pub fn to_the_place<C, W>(settings: &Settings, place: &Place, cookies: Vec<String>, events: Vec<Event>) -> Step<C, W> {
    Step::answered(redirect(303, return_to(&place.return_to, settings).as_str(), cookies), events)
}

/// Begins a new sign-in for the place, unless this attempt was begun so: then `failure` is told on a page. The browser is sent to
/// the login endpoint, which finds the place in the attempt's cookie.
pub fn begin_again<C, W>(settings: &Settings, place: &Place, failure: Failure, events: Vec<Event>) -> Journey<C, W> {
    if place.begun_again {
        return Err(page(place, failure).after(events));
    }
    Ok(diverted(failure.reason, Step::answered(to_login(settings, place, Vec::new()), events)))
}

/// The event of a failure that is not told to the person, with what follows instead.
pub fn failed(visit: &Visit, place: &Place, failure: Failure, then: &str) -> Event {
    let failure = Failure { detail: format!("{}; {then}", failure.detail), ..failure };
    Event::SignInFailed { request: visit.reference(), provider: Some(place.provider.clone()), failure }
}

/// What follows a failure that a new sign-in can mend.
pub const BEGUN_AGAIN: &str = "it is begun again, once";

/// The answer to an attempt that was used up and refused.
pub fn refused<C, W>(scene: &mut Scene<'_>, visit: &Visit, attempt: &Attempt, refused: Refused) -> Journey<C, W> {
    let Refused { failure, remedy } = refused;
    let (place, mut events, settings) = (attempt.place(), Vec::new(), scene.settings);
    let failed = |failure: Failure, then| failed(visit, &place, failure, then);
    if remedy != Remedy::Tell && is_satisfied(scene, visit, &place, &mut events) {
        let reason = failure.reason;
        events.push(failed(failure, "somebody is signed in already"));
        let cookie = end(scene, attempt, Outcome::Failed, visit.now);
        return Ok(diverted(reason, to_the_place(settings, &place, vec![cookie], events)));
    }
    if remedy != Remedy::BeginAgain || place.begun_again {
        return Err(Stop::sign_in(attempt, failure).after(events));
    }
    let reason = failure.reason;
    events.push(failed(failure, BEGUN_AGAIN));
    let cookie = end(scene, attempt, Outcome::Failed, visit.now);
    Ok(diverted(reason, Step::answered(to_login(settings, &place, vec![cookie]), events)))
}

/// The page with a link to the place.
pub fn page(place: &Place, failure: Failure) -> Stop {
    Stop::new(JourneyKind::KnownPlace(Box::new(place.clone())), failure)
}

/// Where the browser is sent after its session began: to the page where the sign-in began. If it had brought only a part of a
/// session's cookies before, it goes by the login endpoint, which sees whether all of them come now.
pub fn way_back(settings: &Settings, attempt: &Attempt) -> String {
    if attempt.torn { login(settings, attempt.id()) } else { return_to(&attempt.return_to, settings).as_str().to_owned() }
}

/// The same redirect, with the reason for it in Envoy's access log.
fn diverted<C, W>(reason: Reason, mut step: Step<C, W>) -> Step<C, W> {
    step.note.diverted = Some(reason);
    step
}

fn to_login(settings: &Settings, place: &Place, cookies: Vec<String>) -> Response {
    redirect(303, &login(settings, place.id()), cookies)
}

fn login(settings: &Settings, id: &str) -> String {
    format!("{}?{AGAIN}={id}", settings.endpoints.login)
}
