//! The gateway: one plugin configuration at work in one worker. It takes a request or the end of a wait, lends its parts to the
//! request's journey, and returns the journey's next step. It holds all state of the core, and never calls Envoy.

pub mod announcing;
mod journeys;
mod open_streams;
#[cfg(not(target_arch = "wasm32"))]
pub mod passed_over;
pub mod pending;
mod resources;
pub mod unanswered;
mod upstream_token;
pub mod wanted_end;
#[cfg(not(target_arch = "wasm32"))]
pub mod way;
mod what_ends;

#[cfg(test)]
pub(crate) mod tests;

use crate::access::path;
use crate::access::upstream::believed::must_not_trail;
use crate::authenticate::next_pass;
use crate::authenticate::recall::Recall;
use crate::authenticate::renewal::renew;
use crate::authenticate::scene::Scene;
#[cfg(not(target_arch = "wasm32"))]
use crate::authenticate::vouched::{self, Vouched};
use crate::config::settings::Settings;
use crate::gateway::pending::{AfterReply, PendingBody, PendingCall, PendingWait, Step};
use crate::http::message::{Following, Headers, Reply, Request};
use crate::http::url::Origin;
use crate::session::open::{Found, Known, OpenStreams};
use crate::sign_in::password;
use crate::step::answers::{Reader, not_a_visit, turn_away};
use crate::step::decision::{BodyNews, News, Renewal, Resource};
use crate::step::event::{Event, RequestRef};
use crate::step::visit::Visit;
use crate::upkeep::background::Background;
use crate::upkeep::fetch::{Fetch, Upkeep};
use crate::words::reason::{Failure, Reason};
#[cfg(not(target_arch = "wasm32"))]
use crate::words::secret::LentSecret;
use crate::words::time::Timestamp;
use crate::words::world::{NoRandomness, World};

/// One configuration at work: its settings, the background, and what was verified before.
pub struct Gateway {
    settings: Settings,
    background: Background,
    recall: Recall,
}

impl Gateway {
    /// A gateway with these settings, which knows no document and has verified nothing yet.
    ///
    /// # Errors
    /// [`NoRandomness`] when the host gives no random bytes.
    pub fn new(world: &mut dyn World, settings: Settings) -> Result<Self, NoRandomness> {
        Ok(Self { background: Background::new(&settings), recall: Recall::new(world)?, settings })
    }

    /// Lends out all that a journey may touch.
    fn scene<'a>(&'a mut self, world: &'a mut dyn World) -> Scene<'a> {
        Scene { settings: &self.settings, world, background: &mut self.background, recall: &mut self.recall }
    }

    /// The first step for a request with these headers, and with this behind them.
    pub fn begin(&mut self, world: &mut dyn World, mut headers: Headers, following: Following) -> Step {
        let now = world.now();
        let request_id = take_request_id(world, &mut headers);
        let request = Request::from_headers(headers).map(|request| Request { following, ..request });
        let (request, (reason, detail)) = match request {
            Ok(request) => match admit(&self.settings, &request) {
                Ok(origin) => {
                    let visit = Visit::new(now, self.settings.wait, request, origin, request_id);
                    return journeys::from_the_start(&mut self.scene(world), visit);
                }
                Err(why) => (Some(request), why),
            },
            Err(reason) => (None, (reason, None)),
        };
        let next_pass = next_pass::after_turning_away(&self.settings, world, now);
        Step { next_pass, ..turn_away(&self.settings, request.as_ref(), &request_id, reason, detail) }
    }

    /// The next step for a request whose HTTP call ended with this reply.
    pub fn resume_call(&mut self, world: &mut dyn World, pending: PendingCall, reply: &Reply) -> Step {
        journeys::after_reply(&mut self.scene(world), pending, reply)
    }

    /// The next step for a request whose wait for something shared has ended.
    pub fn resume_wait(&mut self, world: &mut dyn World, pending: PendingWait, news: News) -> Step {
        journeys::after_news(&mut self.scene(world), pending, news)
    }

    /// The next step for a request whose body was read, or will not be.
    pub fn resume_body(&mut self, world: &mut dyn World, pending: PendingBody, news: BodyNews) -> Step {
        journeys::after_body(&mut self.scene(world), pending, news)
    }

    /// The fields that the response to a forwarded request gets if its session is renewed: `Set-Cookie`, and a `Cache-Control` by
    /// which no cache stores the response. None if the session has ended meanwhile, or need not be written.
    pub fn finish(&mut self, world: &mut dyn World, renewal: &Renewal) -> (Vec<(&'static str, String)>, Vec<Event>) {
        let Some(cookies) = renew(&self.settings, world, &mut self.background.ended, renewal) else {
            return (Vec::new(), Vec::new());
        };
        let mut fields = vec![("cache-control", "private, no-store".to_owned())];
        fields.extend(cookies.into_iter().map(|cookie| ("set-cookie", cookie)));
        (fields, vec![Event::SessionRenewed])
    }

    /// The names of those trailers of a forwarded request that must be removed: some servers merge trailers into the headers
    /// (RFC 9110, section 6.5.1), where they could forge an identity.
    pub fn check_trailers(&self, trailers: &Headers) -> Vec<String> {
        let goes = |name: &[u8]| self.settings.identity.takes_away(name) || must_not_trail(name);
        trailers.named(goes).map(str::to_owned).collect()
    }

    /// The refusal of a forwarded request that must not have trailers, and has some. Its outcome was reported when it was forwarded.
    pub fn refuse_trailers(&self, request: RequestRef) -> Step {
        let detail = "trailers came, behind which Envoy's mcp filter would not read the body".to_owned();
        let mut step = not_a_visit(&self.settings, Reader::Program, request, Failure::new(Reason::McpFieldsInvalid, detail));
        step.events.retain(|event| !matches!(event, Event::Outcome(_)));
        step
    }

    /// Does what is due in the background. The timer calls this.
    pub fn tick(&mut self, world: &mut dyn World) -> Upkeep {
        self.background.tick(&self.settings, world)
    }

    /// Takes out open requests whose session is over, each with the step that ends it, and not more than `most`. One that cannot be
    /// ended is to be put back.
    pub fn end_streams<T>(&mut self, world: &mut dyn World, open: &mut OpenStreams<T>, most: usize) -> Vec<(Found<T>, Step)> {
        let (now, background) = (world.now(), &mut self.background);
        let is_too_old = background.revocations.is_too_old(&self.settings, world, now);
        let found = open.take_over(Known { world, ended: &mut background.ended, is_too_old }, now, most);
        let ended = found.into_iter().map(|found| {
            let request_id = take_request_id(world, &mut Headers::default());
            let step = open_streams::ended(&self.settings, &request_id, &found.let_in, found.over);
            (found, step)
        });
        ended.collect()
    }

    /// Whether a tick is wanted at once.
    pub fn is_in_a_hurry(&self) -> bool {
        self.background.ended.has_unsent()
            || self.background.revocations.is_in_a_hurry()
            || self.background.given_back.is_in_a_hurry()
    }

    /// Takes the reply to a fetch of the background.
    pub fn fetch_answered(&mut self, world: &mut dyn World, fetch: &Fetch, reply: &Reply) -> Upkeep {
        self.background.fetch_answered(&self.settings, world, fetch, reply)
    }

    /// The news for a request that waits for this resource until the given time; `None` while there is none.
    pub fn news(&mut self, world: &dyn World, resource: &Resource, until: Timestamp) -> Option<News> {
        self.background.news(world, resource, until)
    }

    /// Takes the reply to a call whose request has ended meanwhile. It matters only for a password: a wrong one counts although
    /// its client hung up, and a right one does not count as a failure.
    pub fn orphaned_reply(&self, world: &mut dyn World, pending: &PendingCall, reply: &Reply) -> Option<Event> {
        match &pending.then {
            AfterReply::CheckingPassword(checking) => {
                password::orphaned_reply(&self.settings, world, &pending.visit, checking, reply)
            }
            AfterReply::Introspecting(_) | AfterReply::SigningIn(_) => None,
            AfterReply::Announcing(_) | AfterReply::AnnouncingEvents(_) | AfterReply::EndingSessions(_) => None,
        }
    }

    /// The settings that it works with.
    #[cfg(not(target_arch = "wasm32"))]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What people are told of a request with these headers, after it was answered.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn way(&mut self, world: &mut dyn World, headers: Headers) -> way::Way {
        match Request::from_headers(headers) {
            Err(reason) => way::unreadable(reason),
            Ok(request) => {
                let admitted = admit(&self.settings, &request);
                way::way(&mut self.scene(world), request, admitted)
            }
        }
    }

    /// Takes a bearer token for one of this provider that was verified, though nobody has looked at its signature. What it says is
    /// judged as ever.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn vouch_for_token(&mut self, world: &mut dyn World, provider: &str, token: LentSecret<'_>, says: Vouched) {
        vouched::remember(&mut self.scene(world), provider, token, says);
    }

    /// The refusal in place of a response that must not pass, because its request was not decided, or its fields could not be
    /// changed. Envoy no longer gives the request's headers at that point. `details` is Envoy's word for the response.
    pub fn undecided(&self, world: &mut dyn World, details: &str) -> Step {
        let request = RequestRef::new(&take_request_id(world, &mut Headers::default()), "-", "-", "-");
        let detail = ["Envoy says ", details, " of a request that was not decided; the application may have had it"].concat();
        not_a_visit(&self.settings, Reader::Program, request, Failure::new(Reason::Undecided, detail))
    }
}

/// Checks that a request can be read in one way only, or that it does not matter in which; returns the configured origin that it
/// is for.
///
/// # Errors
/// Why it is turned away, and what the log says about that beside what it says of all such requests.
fn admit(settings: &Settings, request: &Request) -> Result<Origin, (Reason, Option<String>)> {
    let plainly = |reason| (reason, None);
    let origin = settings.origin(&request.authority).ok_or(plainly(Reason::HostUnknown))?;
    path::check_method(&request.method).map_err(plainly)?;
    if let Err(reason) = path::check(&request.path) {
        let readings = settings.readings.as_ref().ok_or(plainly(reason))?;
        let judged = readings.judge(&settings.rules, &request.method, origin.host(), &request.path);
        judged.map_err(|detail| (reason, detail))?;
    }
    settings.identity.check_connection(&request.headers).map_err(plainly)?;
    Ok(origin.clone())
}

/// The id that Envoy gave the request, moved out of its field; one of our own if there is none, or one that should not be
/// printed.
fn take_request_id(world: &mut dyn World, headers: &mut Headers) -> String {
    let plain = |id: &String| (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if let Some(id) = headers.take("x-request-id").filter(plain) {
        return id;
    }
    let mut bytes = [0; 8];
    // The id only helps to find log lines: if the host gives no random bytes it is not unique, and nothing depends on that.
    let _ = world.random(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
