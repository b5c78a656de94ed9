//! Whom a provider vouches for is looked up at the user service, and created there on the first visit; then a session begins.
//! Nothing is asked before everything about the ID token is proved, and no session begins for somebody who is not there.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::accounts::directory::{Created, Directory, notify_request, notify_response};
use crate::accounts::user::{Mapping, User};
use crate::authenticate::scene::Scene;
use crate::config::settings::Settings;
use crate::http::message::{HttpCall, Reply};
use crate::sign_in::establish::establish;
use crate::sign_in::under_way::Proved;
use crate::step::decision::{Journey, Step};
use crate::step::event::Event;
use crate::step::stop::Stop;
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::world::World;

/// Somebody whose identity is proved, and whom the user service is being asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstVisit {
    proved: Proved,
    question: Question,
}

/// What the user service was asked last.
#[derive(Clone, Debug, PartialEq)]
enum Question {
    /// Whether there is such a user.
    Find,
    /// To create one.
    Create,
    /// Who was created, by us or by another visit at the same moment.
    FindCreated { by_us: bool },
    /// To greet the new one.
    Notify(User),
}

/// What is to be done next.
enum Next {
    /// Ask this.
    Ask(Question, HttpCall),
    /// This is the person, who was created just now or not.
    Known(User, IsNew),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum IsNew {
    Yes,
    No,
}

/// Everything is proved. Without a directory nobody is asked.
pub(super) fn begin(scene: &mut Scene<'_>, visit: &Visit, proved: Proved) -> Journey<Box<FirstVisit>> {
    let settings = scene.settings;
    let Some((directory, _)) = directory(settings) else {
        return establish(scene, visit, &proved, None).map_err(|failure| Stop::sign_in(&proved.attempt, failure));
    };
    let provider = settings.provider(&proved.attempt.provider);
    let assumed = provider.map(|provider| provider.oidc.assumed_verified).unwrap_or_default();
    let claims = &proved.id_token.claims;
    match directory.check(claims, assumed).and_then(|()| directory.find_request(claims)) {
        Ok(call) => Ok(asking(call, proved, Question::Find)),
        Err(failure) => Err(Stop::sign_in(&proved.attempt, failure)),
    }
}

/// The user service answered.
pub(super) fn answered(scene: &mut Scene<'_>, visit: &Visit, first: FirstVisit, reply: &Reply) -> Journey<Box<FirstVisit>> {
    let FirstVisit { proved, question } = first;
    let Some((directory, mapping)) = directory(scene.settings) else {
        return Err(Stop::sign_in(&proved.attempt, Failure::new(Reason::Internal, "a new configuration looks nobody up")));
    };
    let next = match question {
        Question::Find => found(directory, mapping, scene.world, &proved, reply),
        Question::Create => created(directory, mapping, &proved, reply),
        Question::FindCreated { by_us } => found_created(directory, mapping, by_us, reply),
        Question::Notify(user) => {
            let told = directory.notify.as_ref().map_or(Ok(()), |notify| notify_response(notify, reply));
            return end(scene, visit, &proved, &user, vec![notified(visit, &user, told)]);
        }
    };
    match next {
        Ok(Next::Ask(question, call)) => Ok(asking(call, proved, question)),
        Ok(Next::Known(user, IsNew::Yes)) => notify(scene, visit, directory, proved, user),
        Ok(Next::Known(user, IsNew::No)) => end(scene, visit, &proved, &user, Vec::new()),
        Err(failure) => Err(Stop::sign_in(&proved.attempt, failure)),
    }
}

fn directory(settings: &Settings) -> Option<(&Directory, &Mapping)> {
    let accounts = settings.accounts.as_ref()?;
    Some((accounts.directory.as_ref()?, &accounts.mapping))
}

fn asking(call: HttpCall, proved: Proved, question: Question) -> Step<Box<FirstVisit>> {
    Step::calling(call, Box::new(FirstVisit { proved, question }))
}

/// Whether there is such a user; nobody is created who is there.
fn found(
    directory: &Directory,
    mapping: &Mapping,
    world: &mut dyn World,
    proved: &Proved,
    reply: &Reply,
) -> Result<Next, Failure> {
    if let Some(user) = directory.find_response(mapping, reply)? {
        return Ok(Next::Known(user, IsNew::No));
    }
    let Some(create) = &directory.create else {
        let detail = "the user service knows nobody of these claims, and accounts.create is not configured";
        return Err(Failure::new(Reason::AccountMissing, detail));
    };
    let mut bytes = [0; 32];
    world.random(&mut bytes).map_err(|_| Failure::new(Reason::Internal, "the host gave no random bytes"))?;
    let call = create.request(&proved.id_token.claims, &Secret::new(URL_SAFE_NO_PAD.encode(bytes)))?;
    Ok(Next::Ask(Question::Create, call))
}

fn created(directory: &Directory, mapping: &Mapping, proved: &Proved, reply: &Reply) -> Result<Next, Failure> {
    let nobody = || Failure::new(Reason::Internal, "a new configuration creates nobody");
    match directory.create.as_ref().ok_or_else(nobody)?.response(mapping, reply)? {
        Created::User(user) => Ok(Next::Known(user, IsNew::Yes)),
        created => {
            let by_us = matches!(created, Created::Unseen);
            Ok(Next::Ask(Question::FindCreated { by_us }, directory.find_request(&proved.id_token.claims)?))
        }
    }
}

fn found_created(directory: &Directory, mapping: &Mapping, by_us: bool, reply: &Reply) -> Result<Next, Failure> {
    let nobody = || Failure::new(Reason::AccountNotCreated, "nobody is found after the account was created");
    let user = directory.find_response(mapping, reply)?.ok_or_else(nobody)?;
    Ok(Next::Known(user, if by_us { IsNew::Yes } else { IsNew::No }))
}

/// Tells of the new user. What becomes of that does not stop the sign-in.
fn notify(scene: &mut Scene<'_>, visit: &Visit, directory: &Directory, proved: Proved, user: User) -> Journey<Box<FirstVisit>> {
    let created = Event::AccountCreated {
        request: visit.reference(),
        provider: proved.attempt.provider.clone(),
        subject: user.subject.clone(),
    };
    let Some(notify) = &directory.notify else { return end(scene, visit, &proved, &user, vec![created]) };
    match notify_request(notify, &proved.id_token.claims, &user) {
        Ok(call) => Ok(asking(call, proved, Question::Notify(user)).after(vec![created])),
        Err(failure) => {
            let told = notified(visit, &user, Err(failure));
            end(scene, visit, &proved, &user, vec![created, told])
        }
    }
}

fn notified(visit: &Visit, user: &User, told: Result<(), Failure>) -> Event {
    Event::Notified { request: visit.reference(), subject: user.subject.clone(), failure: told.err() }
}

/// The session begins, after these events.
fn end(scene: &mut Scene<'_>, visit: &Visit, proved: &Proved, user: &User, events: Vec<Event>) -> Journey<Box<FirstVisit>> {
    match establish(scene, visit, proved, Some(user)) {
        Ok(step) => Ok(step.after(events)),
        Err(failure) => Err(Stop::sign_in(&proved.attempt, failure).after(events)),
    }
}
