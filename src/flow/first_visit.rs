//! Whom a provider vouches for is looked up at the user service, and created there on the first visit; then a session begins.
//! Nothing is asked before everything about the ID token is proved, and no session begins for somebody who is not there.

use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::accounts::directory::{Created, Directory, notify_request, notify_response};
use crate::accounts::user::{Mapping, User};
use crate::config::settings::Settings;
use crate::flow::establish::establish;
use crate::flow::event::Event;
use crate::flow::gateway::Gateway;
use crate::flow::step::{Pending, SignIn, Step};
use crate::oidc::id_token::IdToken;
use crate::oidc::token::TokenSet;
use crate::words::message::Reply;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::world::World;

/// Somebody whose identity is proved, and whom the user service is being asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstVisit {
    /// The sign-in.
    pub sign_in: SignIn,
    tokens: TokenSet,
    id_token: IdToken,
    asked: Asked,
}

/// What the user service was asked last.
#[derive(Clone, Debug, PartialEq)]
enum Asked {
    /// Whether there is such a user.
    Find,
    /// To create one.
    Create,
    /// Who was created, by us or by another visit at the same moment.
    FindCreated { by_us: bool },
    /// To greet the new one.
    Notify(User),
}

/// Everything is proved. Without a directory nobody is asked.
pub fn begin(gateway: &mut Gateway, world: &mut dyn World, sign_in: SignIn, tokens: TokenSet, id_token: IdToken) -> Step {
    let settings = Rc::clone(&gateway.settings);
    let Some((directory, _)) = directory(&settings) else { return establish(gateway, world, &sign_in, &tokens, id_token, None) };
    let assumed = settings.provider(&sign_in.attempt.provider).map(|provider| provider.oidc.assumed_verified).unwrap_or_default();
    match directory.check(&id_token.claims, assumed) {
        Ok(()) => FirstVisit { sign_in, tokens, id_token, asked: Asked::Find }.find(&settings, directory),
        Err(failure) => sign_in.fail(&settings, failure),
    }
}

/// The user service answered.
pub fn answered(gateway: &mut Gateway, world: &mut dyn World, mut visit: FirstVisit, reply: &Reply) -> Step {
    let settings = Rc::clone(&gateway.settings);
    let Some((directory, mapping)) = directory(&settings) else {
        return visit.sign_in.fail(&settings, Failure::new(Reason::Internal, "a new configuration looks nobody up"));
    };
    let found = match std::mem::replace(&mut visit.asked, Asked::Find) {
        Asked::Find => match directory.find_response(mapping, reply) {
            Ok(None) => return visit.create(&settings, world, directory),
            Ok(Some(user)) => Ok((user, false)),
            Err(failure) => Err(failure),
        },
        Asked::Create => match directory.create.as_ref().map(|create| create.response(mapping, reply)) {
            Some(Ok(Created::User(user))) => Ok((user, true)),
            Some(Ok(created)) => {
                visit.asked = Asked::FindCreated { by_us: matches!(created, Created::Unseen) };
                return visit.find(&settings, directory);
            }
            Some(Err(failure)) => Err(failure),
            None => Err(Failure::new(Reason::Internal, "a new configuration creates nobody")),
        },
        Asked::FindCreated { by_us } => match directory.find_response(mapping, reply) {
            Ok(Some(user)) => Ok((user, by_us)),
            Ok(None) => Err(Failure::new(Reason::AccountNotCreated, "nobody is found after the account was created")),
            Err(failure) => Err(failure),
        },
        Asked::Notify(user) => return visit.notified(gateway, world, directory, &user, reply),
    };
    match found {
        Ok((user, true)) => visit.notify(gateway, world, directory, user),
        Ok((user, false)) => visit.establish(gateway, world, &user),
        Err(failure) => visit.sign_in.fail(&settings, failure),
    }
}

fn directory(settings: &Settings) -> Option<(&Directory, &Mapping)> {
    let accounts = settings.accounts.as_ref()?;
    Some((accounts.directory.as_ref()?, &accounts.mapping))
}

impl FirstVisit {
    fn find(self, settings: &Settings, directory: &Directory) -> Step {
        match directory.find_request(&self.id_token.claims) {
            Ok(call) => Step::calling(call, Pending::Visiting(Box::new(self))),
            Err(failure) => self.sign_in.fail(settings, failure),
        }
    }

    fn create(mut self, settings: &Settings, world: &mut dyn World, directory: &Directory) -> Step {
        let Some(create) = &directory.create else {
            let detail = "the user service knows nobody of these claims, and accounts.create is not configured";
            return self.sign_in.fail(settings, Failure::new(Reason::AccountMissing, detail));
        };
        let mut bytes = [0; 32];
        if world.random(&mut bytes).is_err() {
            return self.sign_in.fail(settings, Failure::new(Reason::Internal, "the host gave no random bytes"));
        }
        match create.request(&self.id_token.claims, &Secret::new(URL_SAFE_NO_PAD.encode(bytes))) {
            Ok(call) => {
                self.asked = Asked::Create;
                Step::calling(call, Pending::Visiting(Box::new(self)))
            }
            Err(failure) => self.sign_in.fail(settings, failure),
        }
    }

    /// Tells of the new user. What becomes of that does not stop the sign-in.
    fn notify(mut self, gateway: &mut Gateway, world: &mut dyn World, directory: &Directory, user: User) -> Step {
        let created = vec![Event::AccountCreated {
            place: self.sign_in.visit.place(),
            provider: self.sign_in.attempt.provider.clone(),
            subject: user.subject.clone(),
        }];
        let Some(notify) = &directory.notify else { return self.establish(gateway, world, &user).after(created) };
        match notify_request(notify, &self.id_token.claims, &user) {
            Ok(call) => {
                self.asked = Asked::Notify(user);
                Step::calling(call, Pending::Visiting(Box::new(self))).after(created)
            }
            Err(failure) => {
                let told = self.told(&user, Err(failure));
                self.establish(gateway, world, &user).after(told).after(created)
            }
        }
    }

    fn notified(self, gateway: &mut Gateway, world: &mut dyn World, directory: &Directory, user: &User, reply: &Reply) -> Step {
        let told = directory.notify.as_ref().map_or(Ok(()), |notify| notify_response(notify, reply));
        let told = self.told(user, told);
        self.establish(gateway, world, user).after(told)
    }

    fn told(&self, user: &User, told: Result<(), Failure>) -> Vec<Event> {
        vec![Event::Notified { place: self.sign_in.visit.place(), subject: user.subject.clone(), failure: told.err() }]
    }

    fn establish(self, gateway: &mut Gateway, world: &mut dyn World, user: &User) -> Step {
        establish(gateway, world, &self.sign_in, &self.tokens, self.id_token, Some(user))
    }
}
