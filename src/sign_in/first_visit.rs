//! Looks somebody who signed in at a provider up at the user service, and creates an account on the first visit; then the session
//! begins. The user service is never asked before the ID token is verified, and no session begins without an account.

use std::convert::Infallible;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::accounts::directory::{Created, Directory, notify_request, notify_response};
use crate::accounts::user::{Mapping, User};
use crate::authenticate::scene::Scene;
use crate::config::settings::Settings;
use crate::http::message::{HttpCall, Reply};
use crate::sign_in::establish::establish;
use crate::sign_in::under_way::proved::Proved;
use crate::step::decision::{Journey, Step};
use crate::step::event::Event;
use crate::step::stop::Stop;
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::world::World;

/// A sign-in that waits for the user service.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstVisit {
    proved: Proved,
    question: Question,
}

/// The call to the user service that is under way.
#[derive(Clone, Debug, PartialEq)]
enum Question {
    /// Whether there is an account.
    Find,
    /// Create an account.
    Create,
    /// The account that was just created: by us, or by another request at the same moment.
    FindCreated { by_us: bool },
    /// Announce the new account, for instance by a mail to its owner.
    Notify(User),
}

/// What to do after a reply of the user service.
enum Next {
    /// Make this call.
    Ask(Question, HttpCall),
    /// Go on with this account.
    Known(User, IsNew),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum IsNew {
    Yes,
    No,
}

/// Looks the person up, if accounts are looked up at all; otherwise the session begins at once.
pub(super) fn begin(scene: &mut Scene<'_>, visit: &Visit, proved: Proved) -> Journey<Box<FirstVisit>, Infallible> {
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

/// Takes the user service's reply.
pub(super) fn answered(
    scene: &mut Scene<'_>,
    visit: &Visit,
    first: FirstVisit,
    reply: &Reply,
) -> Journey<Box<FirstVisit>, Infallible> {
    let FirstVisit { proved, question } = first;
    let Some((directory, mapping)) = directory(scene.settings) else {
        return Err(Stop::sign_in(&proved.attempt, Failure::new(Reason::Internal, "a new configuration looks nobody up")));
    };
    let next = match question {
        Question::Find => found(directory, mapping, scene.world, &proved, reply),
        Question::Create => created(directory, mapping, &proved, reply),
        Question::FindCreated { by_us } => found_created(directory, mapping, by_us, reply),
        Question::Notify(user) => {
            let result = directory.notify.as_ref().map_or(Ok(()), |notify| notify_response(notify, reply));
            return establish_for(scene, visit, &proved, &user, vec![notified(visit, &user, result)]);
        }
    };
    match next {
        Ok(Next::Ask(question, call)) => Ok(asking(call, proved, question)),
        Ok(Next::Known(user, IsNew::Yes)) => notify(scene, visit, directory, proved, user),
        Ok(Next::Known(user, IsNew::No)) => establish_for(scene, visit, &proved, &user, Vec::new()),
        Err(failure) => Err(Stop::sign_in(&proved.attempt, failure)),
    }
}

fn directory(settings: &Settings) -> Option<(&Directory, &Mapping)> {
    let accounts = settings.accounts.as_ref()?;
    Some((accounts.directory.as_ref()?, &accounts.mapping))
}

fn asking(call: HttpCall, proved: Proved, question: Question) -> Step<Box<FirstVisit>, Infallible> {
    Step::calling(call, Box::new(FirstVisit { proved, question }))
}

/// After [`Question::Find`]: goes on with the account, or creates one if there is none.
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

/// Announces the new account, if that is configured. The sign-in goes on even if it fails.
fn notify(
    scene: &mut Scene<'_>,
    visit: &Visit,
    directory: &Directory,
    proved: Proved,
    user: User,
) -> Journey<Box<FirstVisit>, Infallible> {
    let created = Event::AccountCreated {
        request: visit.reference(),
        provider: proved.attempt.provider.clone(),
        subject: user.subject.clone(),
    };
    let Some(notify) = &directory.notify else { return establish_for(scene, visit, &proved, &user, vec![created]) };
    match notify_request(notify, &proved.id_token.claims, &user) {
        Ok(call) => Ok(asking(call, proved, Question::Notify(user)).after(vec![created])),
        Err(failure) => {
            let failed = notified(visit, &user, Err(failure));
            establish_for(scene, visit, &proved, &user, vec![created, failed])
        }
    }
}

fn notified(visit: &Visit, user: &User, result: Result<(), Failure>) -> Event {
    Event::Notified { request: visit.reference(), subject: user.subject.clone(), failure: result.err() }
}

/// Begins the session of this account; `events` are what happened before.
fn establish_for(
    scene: &mut Scene<'_>,
    visit: &Visit,
    proved: &Proved,
    user: &User,
    events: Vec<Event>,
) -> Journey<Box<FirstVisit>, Infallible> {
    match establish(scene, visit, proved, Some(user)) {
        Ok(step) => Ok(step.after(events)),
        Err(failure) => Err(Stop::sign_in(&proved.attempt, failure).after(events)),
    }
}
