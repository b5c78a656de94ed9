//! A callback that comes again: a service worker that asks twice, a reload while the code is exchanged, a page that was loaded
//! before it was asked for. It is only told where to go: it sends no code and gets no cookie. While the first callback is under way,
//! two may wait for its end.

use std::convert::Infallible;

use crate::authenticate::scene::Scene;
use crate::session::attempt::place::Place;
use crate::session::remembered::attempts::Outcome;
use crate::sign_in::under_way::again::{begin_again, is_satisfied, to_the_place};
use crate::step::decision::{Journey, Resource, Step};
use crate::step::event::Event;
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};

/// A callback that waits for the end of the one before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Repeated(Place);

/// Answers a callback whose attempt was used up, or lets it wait. The caller has found the attempt by its cookie and the two
/// first parts of `state`, and has checked that it is this provider's and this client's.
pub fn repeated(scene: &mut Scene<'_>, visit: &Visit, place: Place) -> Journey<Infallible, Box<Repeated>> {
    let settings = scene.settings;
    let mut events = vec![Event::SignInRepeated];
    if is_over(scene, visit, &place, &mut events) {
        return Ok(to_the_place(settings, &place, Vec::new(), events));
    }
    let until = place.created.plus(settings.session.attempt_timeout);
    let attempts = &mut scene.background.attempts;
    let is_under_way = attempts.is_used_up(scene.world, &place.state, visit.now)
        && attempts.outcome(scene.world, &place.state, visit.now).is_none();
    if is_under_way && visit.now < visit.wait_until && attempts.may_wait(scene.world, &place.state, until) {
        let resource = Resource::SignIn(place.state.clone());
        return Ok(Step::waiting(resource, visit.wait_until, Box::new(Repeated(place))).after(events));
    }
    begin_again(settings, &place, came_again(), events)
}

/// Answers a callback whose attempt is over, as its cookie says.
pub fn after_the_end<C, W>(scene: &mut Scene<'_>, visit: &Visit, place: &Place) -> Journey<C, W> {
    decided(scene, visit, place, vec![Event::SignInRepeated])
}

/// Goes on after the wait, whatever its news are. There is no second wait.
pub fn after_wait(scene: &mut Scene<'_>, visit: &Visit, Repeated(place): Repeated) -> Journey {
    decided(scene, visit, &place, Vec::new())
}

fn decided<C, W>(scene: &mut Scene<'_>, visit: &Visit, place: &Place, mut events: Vec<Event>) -> Journey<C, W> {
    if is_over(scene, visit, place, &mut events) {
        return Ok(to_the_place(scene.settings, place, Vec::new(), events));
    }
    begin_again(scene.settings, place, came_again(), events)
}

/// Whether the sign-in has succeeded: somebody is signed in, or the first callback brought a session. (Its cookies were sent with
/// the first answer, and may be on their way.)
fn is_over(scene: &mut Scene<'_>, visit: &Visit, place: &Place, events: &mut Vec<Event>) -> bool {
    is_satisfied(scene, visit, place, events)
        || scene.background.attempts.outcome(scene.world, &place.state, visit.now) == Some(Outcome::SignedIn)
}

fn came_again() -> Failure {
    Failure::new(Reason::AttemptReplayed, "this state came back before, and nobody is signed in")
}
