//! The gateway: one configuration at work. It takes a request, lends its parts to the journey that the request takes, and says how
//! the request goes on after a wait. One per plugin configuration; there is no other state anywhere.

mod guard;
mod journeys;
pub mod pending;
mod published;
mod sign_out;
pub mod unanswered;
mod whoami;

#[cfg(test)]
mod tests;

use crate::access::believed::must_not_trail;
use crate::access::path;
use crate::authenticate::recall::Recall;
use crate::authenticate::renewal::renew;
use crate::authenticate::scene::Scene;
use crate::config::settings::Settings;
use crate::gateway::pending::{AfterReply, PendingBody, PendingCall, PendingWait, Step};
use crate::http::message::{Headers, Reply, Request};
use crate::http::url::Origin;
use crate::sign_in::password;
use crate::step::answers::{not_a_visit, turn_away};
use crate::step::decision::{BodyNews, News, Renewal, Resource};
use crate::step::event::{Event, RequestRef};
use crate::step::visit::Visit;
use crate::upkeep::background::Background;
use crate::upkeep::fetch::{Fetch, Upkeep};
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;
use crate::words::world::{NoRandomness, World};

/// One configuration at work: its settings, what is kept of providers and sessions, and what was verified before.
pub struct Gateway {
    settings: Settings,
    kept: Background,
    recall: Recall,
}

impl Gateway {
    /// A gateway with these settings.
    ///
    /// # Errors
    /// [`NoRandomness`] when the host has no random bytes; nothing can be promised then.
    pub fn new(world: &mut dyn World, settings: Settings) -> Result<Self, NoRandomness> {
        Ok(Self { kept: Background::new(&settings), recall: Recall::new(world)?, settings })
    }

    /// What a journey may touch.
    fn scene<'a>(&'a mut self, world: &'a mut dyn World) -> Scene<'a> {
        Scene { settings: &self.settings, world, kept: &mut self.kept, recall: &mut self.recall }
    }

    /// A request arrives.
    pub fn begin(&mut self, world: &mut dyn World, mut headers: Headers) -> Step {
        let now = world.now();
        let request_id = take_request_id(world, &mut headers);
        let request = match Request::from_headers(headers) {
            Ok(request) => request,
            Err(reason) => return turn_away(&self.settings, None, &request_id, reason),
        };
        match admit(&self.settings, &request) {
            Ok(origin) => {
                let visit = Visit::new(now, self.settings.wait, request, origin, request_id);
                journeys::from_the_start(&mut self.scene(world), visit)
            }
            Err(reason) => turn_away(&self.settings, Some(&request), &request_id, reason),
        }
    }

    /// The call of a request was answered.
    pub fn resume_call(&mut self, world: &mut dyn World, pending: PendingCall, reply: &Reply) -> Step {
        journeys::after_reply(&mut self.scene(world), pending, reply)
    }

    /// What a request waited for is there, or will not come.
    pub fn resume_wait(&mut self, world: &mut dyn World, pending: PendingWait, news: News) -> Step {
        journeys::after_news(&mut self.scene(world), pending, news)
    }

    /// The body of a request has come, or will not.
    pub fn resume_body(&mut self, world: &mut dyn World, pending: PendingBody, news: BodyNews) -> Step {
        journeys::after_body(&mut self.scene(world), pending, news)
    }

    /// A forwarded request's response leaves: the fields that renew its session, unless it was signed out in the meantime.
    /// With a `Set-Cookie`, the response must not be stored by anybody.
    pub fn finish(&mut self, world: &mut dyn World, renewal: &Renewal) -> (Vec<(&'static str, String)>, Vec<Event>) {
        let Some(cookies) = renew(&self.settings, world, &mut self.kept.ended, renewal) else { return (Vec::new(), Vec::new()) };
        let mut fields = vec![("cache-control", "private, no-store".to_owned())];
        fields.extend(cookies.into_iter().map(|cookie| ("set-cookie", cookie)));
        (fields, vec![Event::SessionRenewed])
    }

    /// Trailers follow a request that was let through: the names of those that must go. Some servers add trailers to the headers.
    pub fn check_trailers(&self, trailers: &Headers) -> Vec<String> {
        let goes = |name: &&str| self.settings.identity.takes_away(name) || must_not_trail(name);
        trailers.names().filter(goes).map(str::to_owned).collect()
    }

    /// The background's turn.
    pub fn tick(&mut self, world: &mut dyn World) -> Upkeep {
        self.kept.tick(&self.settings, world)
    }

    /// Something that the background asked for came back.
    pub fn arrived(&mut self, world: &mut dyn World, fetch: &Fetch, reply: &Reply) -> Upkeep {
        self.kept.arrived(&self.settings, world, fetch, reply)
    }

    /// What to tell somebody who waits, if there is anything to tell yet.
    pub fn news(&self, world: &dyn World, resource: &Resource, until: Timestamp) -> Option<News> {
        self.kept.news(world.now(), resource, until)
    }

    /// A call is answered whose request is gone. Only passwords are settled: whoever hangs up must not have guessed for nothing, and
    /// a right one that nobody heard of must not count as wrong.
    pub fn unheard(&self, world: &mut dyn World, pending: &PendingCall, reply: &Reply) -> Option<Event> {
        match &pending.then {
            AfterReply::CheckingPassword(checking) => password::unheard(&self.settings, world, &pending.visit, checking, reply),
            AfterReply::Introspecting(_) | AfterReply::Redeeming(_) => None,
        }
    }

    /// A response that needs a decision belongs to a request that has none. Of that, Envoy tells nothing any more.
    pub fn undecided(&self, world: &mut dyn World, details: &str) -> Step {
        let request = RequestRef::new(&take_request_id(world, &mut Headers::default()), "-", "-");
        let detail = ["Envoy says ", details, " of a request that was not decided; the application may have had it"].concat();
        not_a_visit(&self.settings, false, request, Failure::new(Reason::Undecided, detail))
    }
}

/// Checks that a request can be read in one way only, and says for which origin it is.
fn admit(settings: &Settings, request: &Request) -> Result<Origin, Reason> {
    let origin = settings.origin(&request.authority).ok_or(Reason::HostUnknown)?;
    path::check_method(&request.method)?;
    path::check(&request.path)?;
    settings.identity.check_connection(&request.headers)?;
    Ok(origin.clone())
}

/// The id that Envoy gave the request, moved out of its field; one of our own where there is none, or none to print.
fn take_request_id(world: &mut dyn World, headers: &mut Headers) -> String {
    let plain = |id: &String| (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if let Some(id) = headers.take("x-request-id").filter(plain) {
        return id;
    }
    let mut bytes = [0; 8];
    // Only a name to find a log line by: without random bytes it is not unique, and nothing depends on that.
    let _ = world.random(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
