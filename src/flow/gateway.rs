//! The gateway: its state, and which journey a request takes. One per plugin configuration; there is no other state anywhere.

use std::rc::Rc;
use std::time::Duration;

use crate::access::believed::must_not_trail;
use crate::access::path;
use crate::config::settings::Settings;
use crate::crypto::jws::LastHeader;
use crate::crypto::seal::Purpose;
use crate::flow::authenticate::Verified;
use crate::flow::ending;
use crate::flow::event::Event;
use crate::flow::step::{News, Pending, Renewal, Resource, Step};
use crate::flow::upkeep::{Background, Fetch, Upkeep};
use crate::flow::visit::Visit;
use crate::flow::{callback, exchange, first_visit, password, published, refresh, sign_in, sign_out, whoami};
use crate::session::attempt::Ending;
use crate::session::cookie;
use crate::session::memory::{Memory, NamingKey};
use crate::words::message::{Headers, Reply, Request};
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;
use crate::words::url::Origin;
use crate::words::world::{NoRandomness, World};

/// What a worker remembers of verified sessions, in bytes.
const SESSION_BYTES: usize = 8 * 1024 * 1024;

/// What it remembers of verified tokens, in bytes.
const TOKEN_BYTES: usize = SESSION_BYTES - REFUSED_BYTES;

/// What it remembers of tokens that were refused, in bytes. All three are 16 MiB.
const REFUSED_BYTES: usize = 512 * 1024;

/// A response renews a session only this soon after its request.
const LONGEST_RENEWAL: Duration = Duration::from_secs(30);

/// One configuration at work: its settings, the providers' metadata and keys, what was verified before, and what need not be read
/// again.
pub struct Gateway {
    pub(super) settings: Rc<Settings>,
    /// What names a credential, in all that is remembered below.
    pub(super) naming: NamingKey,
    /// Sessions that were verified, by their sealed text.
    pub(super) memory: Memory<Verified>,
    /// Bearer tokens that were verified. Apart, so that one can never be taken for the other.
    pub(super) tokens: Memory<Verified>,
    /// Bearer tokens that their provider does not accept. Apart, so that a flood of bad ones pushes no good one out.
    pub(super) refused: Memory<Failure>,
    /// One more holder of it for each question about a token that is under way.
    pub(super) asking: Rc<()>,
    pub(super) background: Background,
    /// Of the last JWT that was read, a session or a bearer token.
    pub(super) last_header: LastHeader,
}

impl Gateway {
    /// A gateway with these settings.
    ///
    /// # Errors
    /// [`NoRandomness`] when the host has no random bytes; nothing can be promised then.
    pub fn new(world: &mut dyn World, settings: Settings) -> Result<Self, NoRandomness> {
        let naming = NamingKey::new(world)?;
        let (memory, tokens, refused) = (Memory::new(SESSION_BYTES), Memory::new(TOKEN_BYTES), Memory::new(REFUSED_BYTES));
        let background = Background::new(&settings);
        let (settings, asking, last_header) = (Rc::new(settings), Rc::default(), LastHeader::default());
        Ok(Self { settings, naming, memory, tokens, refused, asking, background, last_header })
    }

    /// A request arrives.
    pub fn begin(&mut self, world: &mut dyn World, mut headers: Headers) -> Step {
        let now = world.now();
        let request_id = take_request_id(world, &mut headers);
        let request = match Request::from_headers(headers) {
            Ok(request) => request,
            Err(reason) => return ending::turn_away(&self.settings, None, &request_id, reason),
        };
        match self.admit(&request) {
            Ok(origin) => {
                let visit = Visit::new(now, self.settings.wait, request, origin, request_id);
                self.travel(world, visit)
            }
            Err(reason) => ending::turn_away(&self.settings, Some(&request), &request_id, reason),
        }
    }

    /// A waiting request goes on.
    pub fn resume(&mut self, world: &mut dyn World, pending: Pending, news: News) -> Step {
        let now = world.now();
        match (pending, news) {
            // No newer keys: what is here already decides.
            (Pending::FromTheStart(visit), News::Missing(Reason::KeysUnavailable)) if visit.keys_refreshed => {
                self.travel(world, Visit { now, ..visit })
            }
            (Pending::FromTheStart(visit), News::Missing(reason)) => {
                let detail = match reason {
                    Reason::BodyTimeout => "its end did not come within 30 s",
                    Reason::TooManyBodies => "64 of one worker, or 16 of one address, have not come to their end",
                    _ => {
                        "what it needs did not come in time, or too many wait already; the fetch_failed and refresh_failed lines say why"
                    }
                };
                Visit { now, ..visit }.refuse(&Rc::clone(&self.settings), Failure::new(reason, detail))
            }
            (Pending::FromTheStart(visit), News::Body(body)) => self.travel(world, Visit { now, body, ..visit }),
            (Pending::FromTheStart(visit), News::Ready | News::Reply(_)) => self.travel(world, Visit { now, ..visit }),
            (Pending::Introspecting(visit, asking), News::Reply(reply)) => {
                self.introspected(world, Visit { now, ..visit }, asking, &reply)
            }
            (Pending::Exchanging(mut sign_in), News::Reply(reply)) => {
                sign_in.visit.now = now;
                callback::exchanged(self, world, sign_in, &reply)
            }
            (Pending::Verifying(mut sign_in, tokens), News::Ready) => {
                sign_in.visit.now = now;
                callback::verify(self, world, sign_in, tokens, callback::Keys::Refreshed)
            }
            (Pending::AskingUserinfo(mut sign_in, tokens, id_token), News::Reply(reply)) => {
                sign_in.visit.now = now;
                callback::told(self, world, sign_in, tokens, id_token, &reply)
            }
            (Pending::Visiting(mut first), News::Reply(reply)) => {
                first.sign_in.visit.now = now;
                first_visit::answered(self, world, *first, &reply)
            }
            (Pending::CheckingPassword(mut checking), News::Reply(reply)) => {
                checking.visit.now = now;
                password::checked(self, world, &checking, &reply)
            }
            (Pending::Verifying(mut sign_in, _), News::Missing(reason)) => {
                sign_in.visit.now = now;
                sign_in.fail(&self.settings, Failure::new(reason, "no key that fits could be fetched"))
            }
            (Pending::Introspecting(visit, _), News::Ready | News::Missing(_) | News::Body(_)) => {
                visit.refuse(&Rc::clone(&self.settings), wrong_news())
            }
            (Pending::CheckingPassword(checking), News::Ready | News::Missing(_) | News::Body(_)) => {
                checking.visit.refuse(&Rc::clone(&self.settings), wrong_news())
            }
            (Pending::Visiting(first), News::Ready | News::Missing(_) | News::Body(_)) => {
                first.sign_in.fail(&self.settings, wrong_news())
            }
            // A call is only ever answered by a reply, and a wait never is: whoever mixes them up gets no further.
            (
                Pending::Exchanging(sign_in) | Pending::AskingUserinfo(sign_in, ..),
                News::Ready | News::Missing(_) | News::Body(_),
            )
            | (Pending::Verifying(sign_in, _), News::Reply(_) | News::Body(_)) => sign_in.fail(&self.settings, wrong_news()),
        }
    }

    /// A forwarded request's response leaves: the cookies that renew its session, unless it was signed out in the meantime.
    /// With a `Set-Cookie`, the response must not be stored by anybody.
    pub fn finish(&mut self, world: &mut dyn World, renewal: &Renewal) -> (Vec<(&'static str, String)>, Vec<Event>) {
        let now = world.now();
        let nothing = (Vec::new(), Vec::new());
        // An answer that took long does not renew: somebody may have signed out meanwhile, perhaps at another replica.
        let late = now.since(renewal.session.renewed) > LONGEST_RENEWAL;
        if late || self.background.ended.has_by_now(world, &renewal.session.id, now) {
            return nothing;
        }
        let Some(written) = refresh::to_write(&self.settings, world, renewal) else { return nothing };
        let Ok(sealed) = self.settings.sealer.seal(world, Purpose::Session, &written.write()) else { return nothing };
        let session = &self.settings.session;
        let Ok(cookies) = cookie::write(&session.cookie, &sealed, now, written.ends, &renewal.came) else {
            return nothing;
        };
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
        self.background.tick(&self.settings, world)
    }

    /// Something that the background asked for came back.
    pub fn arrived(&mut self, world: &mut dyn World, fetch: &Fetch, reply: &Reply) -> Upkeep {
        self.background.arrived(&self.settings, world, fetch, reply)
    }

    /// What to tell somebody who waits, if there is anything to tell yet.
    pub fn news(&self, world: &dyn World, resource: &Resource, until: Timestamp) -> Option<News> {
        self.background.news(world.now(), resource, until)
    }

    /// Checks that a request can be read in one way only, and says for which origin it is.
    fn admit(&self, request: &Request) -> Result<Origin, Reason> {
        let origin = self.settings.origin(&request.authority).ok_or(Reason::HostUnknown)?;
        path::check_method(&request.method)?;
        path::check(&request.path)?;
        self.settings.identity.check_connection(&request.headers)?;
        Ok(origin.clone())
    }

    fn travel(&mut self, world: &mut dyn World, visit: Visit) -> Step {
        let settings = Rc::clone(&self.settings);
        let endpoints = &settings.endpoints;
        let path = visit.request.path.as_str();
        let called_back = settings.providers.iter().find(|provider| provider.oidc.signs_in() && provider.callback == path);
        // Without a provider, login and callback are empty: no path is.
        if path == endpoints.login {
            sign_in::login(self, world, visit, Ending::Session)
        } else if called_back.is_some() || path == endpoints.callback {
            callback::begin(self, world, visit, called_back)
        } else if endpoints.authorize.as_deref() == Some(path) {
            sign_in::login(self, world, visit, Ending::Token)
        } else if endpoints.popup.as_deref() == Some(path) {
            sign_in::login(self, world, visit, Ending::Popup)
        } else if endpoints.token.as_deref() == Some(path) {
            exchange::begin(self, world, visit)
        } else if endpoints.password.as_deref() == Some(path) {
            password::attempt(self, world, visit)
        } else if path == endpoints.logout {
            sign_out::begin(self, world, &visit)
        } else if path == endpoints.session {
            whoami::tell(self, world, &visit)
        } else if endpoints.jwks.as_deref() == Some(path) {
            published::keys(&settings, &visit)
        } else {
            self.guard(world, visit)
        }
    }
}

fn wrong_news() -> Failure {
    Failure::new(Reason::Internal, "resumed with the wrong news")
}

/// The id that Envoy gave the request, moved out of its field; one of our own where there is none, or none to print.
pub(super) fn take_request_id(world: &mut dyn World, headers: &mut Headers) -> String {
    let plain = |id: &String| (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if let Some(id) = headers.take("x-request-id").filter(plain) {
        return id;
    }
    let mut bytes = [0; 8];
    // Only a name to find a log line by: without random bytes it is not unique, and nothing depends on that.
    let _ = world.random(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
