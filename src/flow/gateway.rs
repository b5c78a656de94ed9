//! The gateway: its state, and which journey a request takes. One per plugin configuration; there is no other state anywhere.

use std::rc::Rc;
use std::time::Duration;

use crate::access::answer::{BearerChallenge, Visitor};
use crate::access::browser;
use crate::access::path;
use crate::access::policy::Requirement;
use crate::access::route::{self, Credentials, Rule, Unauthenticated};
use crate::config::settings::Settings;
use crate::crypto::seal::Purpose;
use crate::flow::authenticate::{self, Identity, Verified};
use crate::flow::bearer::{self, Brought};
use crate::flow::ending;
use crate::flow::event::{Event, Outcome};
use crate::flow::step::{Decision, Forward, News, Note, Pending, Renewal, Resource, Step};
use crate::flow::upkeep::{Background, Fetch, Upkeep};
use crate::flow::visit::Visit;
use crate::flow::{callback, sign_in, sign_out, whoami};
use crate::session::cookie;
use crate::session::memory::Memory;
use crate::session::tombstone::{self, Ended};
use crate::words::cookie::without;
use crate::words::message::{Edits, Headers, Reply, Request};
use crate::words::principal::Proof;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;
use crate::words::world::{NoRandomness, World};

/// What a worker remembers of verified sessions, in bytes.
const MEMORY_BYTES: usize = 8 * 1024 * 1024;

/// A response renews a session only this soon after its request.
const LONGEST_RENEWAL: Duration = Duration::from_secs(30);

/// The key in route metadata that names a policy.
const ROUTE_POLICY: &str = "policy";

/// One configuration at work: its settings, the providers' metadata and keys, and what was verified before.
pub struct Gateway {
    pub(super) settings: Rc<Settings>,
    pub(super) memory: Memory<Verified>,
    pub(super) background: Background,
}

impl Gateway {
    /// A gateway with these settings.
    ///
    /// # Errors
    /// [`NoRandomness`] when the host has no random bytes; nothing can be promised then.
    pub fn new(world: &mut dyn World, settings: Settings) -> Result<Self, NoRandomness> {
        let memory = Memory::new(world, MEMORY_BYTES)?;
        let background = Background::new(&settings);
        Ok(Self { settings: Rc::new(settings), memory, background })
    }

    /// A request arrives.
    pub fn begin(&mut self, world: &mut dyn World, headers: Headers) -> Step {
        let settings = Rc::clone(&self.settings);
        let now = world.now();
        let request_id = request_id(world, &headers);
        match self.admit(now, headers, &request_id) {
            Ok(visit) => self.travel(world, visit),
            Err((request, reason)) => ending::turn_away(&settings, request.as_deref(), &request_id, reason),
        }
    }

    /// A waiting request goes on.
    pub fn resume(&mut self, world: &mut dyn World, pending: Pending, news: News) -> Step {
        let now = world.now();
        match (pending, news) {
            // No newer keys: what is here already decides.
            (Pending::FromTheStart(visit), News::Missing(_)) if visit.keys_refreshed => {
                self.travel(world, Visit { now, ..visit })
            }
            (Pending::FromTheStart(visit), News::Missing(reason)) => {
                let visit = Visit { now, ..visit };
                visit.refuse(
                    &Rc::clone(&self.settings),
                    Failure::new(
                        reason,
                        "what it needs did not come in time, or too many wait already; the fetch_failed lines say why",
                    ),
                )
            }
            (Pending::FromTheStart(visit), News::Ready | News::Reply(_)) => self.travel(world, Visit { now, ..visit }),
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
            (Pending::Verifying(mut sign_in, _), News::Missing(reason)) => {
                sign_in.visit.now = now;
                sign_in.fail(&self.settings, Failure::new(reason, "no key that fits could be fetched"))
            }
            // A call is only ever answered by a reply, and a wait never is: whoever mixes them up gets no further.
            (Pending::Exchanging(sign_in) | Pending::AskingUserinfo(sign_in, ..), News::Ready | News::Missing(_))
            | (Pending::Verifying(sign_in, _), News::Reply(_)) => {
                sign_in.fail(&self.settings, Failure::new(Reason::Internal, "resumed with the wrong news"))
            }
        }
    }

    /// A forwarded request's response leaves: the cookies that renew its session, unless it was signed out in the meantime.
    /// With a `Set-Cookie`, the response must not be stored by anybody.
    pub fn finish(&mut self, world: &mut dyn World, renewal: &Renewal) -> (Vec<(&'static str, String)>, Vec<Event>) {
        let now = world.now();
        let nothing = (Vec::new(), Vec::new());
        // An answer that took long does not renew: somebody may have signed out meanwhile, perhaps at another replica.
        let late = now.since(renewal.session.renewed) > LONGEST_RENEWAL;
        if late || tombstone::is_marked(world, Ended::Session(&renewal.session.id), now) {
            return nothing;
        }
        let Ok(sealed) = self.settings.sealer.seal(world, Purpose::Session, &renewal.session.write()) else { return nothing };
        let session = &self.settings.session;
        let Ok(cookies) = cookie::write(&session.cookie, &sealed, now, renewal.session.ends, &renewal.came) else {
            return nothing;
        };
        let mut fields = vec![("cache-control", "private, no-store".to_owned())];
        fields.extend(cookies.into_iter().map(|cookie| ("set-cookie", cookie)));
        (fields, vec![Event::SessionRenewed])
    }

    /// Trailers follow a request that was let through: the names of those that only we may set. Some servers add trailers to
    /// the headers.
    pub fn check_trailers(&self, trailers: &Headers) -> Vec<String> {
        self.settings.identity.sent_by_client(trailers).map(str::to_owned).collect()
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

    /// Checks that a request can be read in one way only, and for which origin it is.
    fn admit(&self, now: Timestamp, headers: Headers, request_id: &str) -> Result<Visit, (Option<Box<Request>>, Reason)> {
        let request = Request::from_headers(headers).map_err(|reason| (None, reason))?;
        let Some(origin) = self.settings.origin(&request.authority).cloned() else {
            return Err((Some(Box::new(request)), Reason::HostUnknown));
        };
        let checked = path::check_method(&request.method)
            .and_then(|()| path::check(&request.path))
            .and_then(|()| self.settings.identity.check_connection(&request.headers));
        if let Err(reason) = checked {
            return Err((Some(Box::new(request)), reason));
        }
        let patience = now.plus(self.settings.wait);
        Ok(Visit { now, patience, request, origin, keys_refreshed: false, request_id: request_id.to_owned() })
    }

    fn travel(&mut self, world: &mut dyn World, visit: Visit) -> Step {
        let settings = Rc::clone(&self.settings);
        let endpoints = &settings.endpoints;
        let path = visit.request.path.as_str();
        let called_back = settings.providers.iter().find(|provider| provider.callback == path);
        if path == endpoints.login {
            sign_in::login(self, world, visit)
        } else if called_back.is_some() || path == endpoints.callback {
            callback::begin(self, world, visit, called_back)
        } else if path == endpoints.logout {
            sign_out::begin(self, world, &visit)
        } else if path == endpoints.session {
            whoami::tell(self, world, &visit)
        } else {
            self.guard(world, visit)
        }
    }

    /// A request for somebody behind us: its rule, who asks, whether they may.
    fn guard(&mut self, world: &mut dyn World, visit: Visit) -> Step {
        let settings = Rc::clone(&self.settings);
        let request = &visit.request;
        let rule = route::find(&settings.rules, &settings.otherwise, &request.method, visit.origin.host(), &request.path);
        let tightened;
        let rule = match self.route_policy(world, &visit, rule) {
            Ok(None) => rule,
            Ok(Some(with_policy)) => {
                tightened = with_policy;
                &tightened
            }
            Err(failure) => return visit.refuse(&settings, failure),
        };
        let mut events = Vec::with_capacity(2);
        let identity = self.who(world, &visit, rule, &mut events);
        let by_cookie = matches!(&identity, Identity::Known(verified, _) if verified.principal.proof == Proof::SessionCookie);
        let unsafe_across_sites = by_cookie
            && browser::needs_same_origin_evidence(request)
            && !browser::has_same_origin_evidence(&request.headers, &visit.origin, &settings.trusted_origins);
        match (identity, &rule.require) {
            (Identity::Known(..), Requirement::Public) if unsafe_across_sites => self.forward(&visit, rule, None, None, events),
            (Identity::Known(verified, renewal), Requirement::Public) => {
                self.forward(&visit, rule, Some(&verified), renewal, events)
            }
            // Public pages wait for nobody.
            (Identity::Unknown(_) | Identity::Unclear(_), Requirement::Public) => self.forward(&visit, rule, None, None, events),
            (Identity::Known(verified, _), _) if unsafe_across_sites => {
                deny(&settings, &visit, rule, Some(&verified), Failure::new(Reason::CrossSite, evidence(&visit)), events)
            }
            (Identity::Known(verified, renewal), requirement) => match requirement.check(&verified.principal) {
                Ok(()) => self.forward(&visit, rule, Some(&verified), renewal, events),
                Err(failure) => deny(&settings, &visit, rule, Some(&verified), failure, events),
            },
            (Identity::Unknown(failure), _) => self.unauthenticated(world, visit, rule, failure, events),
            (Identity::Unclear(resource), _) => self.wait(visit, resource, events),
        }
    }

    /// Who is asking, by the credentials that count under a rule. A token that came is the one credential that is looked at.
    fn who(&mut self, world: &mut dyn World, visit: &Visit, rule: &Rule, events: &mut Vec<Event>) -> Identity {
        let settings = Rc::clone(&self.settings);
        if accepts_tokens(&settings, rule) {
            match bearer::brought(visit) {
                Brought::Token(token) => return bearer::authenticate(self, world, visit, &token, events),
                Brought::TooMuch => return Identity::Unknown(Failure::new(Reason::TokenAmbiguous, "")),
                Brought::Nothing if rule.credentials == Credentials::Bearer => {
                    return Identity::Unknown(Failure::new(Reason::TokenMissing, ""));
                }
                Brought::Nothing => {}
            }
        }
        match authenticate::authenticate(&settings, &mut self.memory, world, visit, events) {
            Ok((verified, renewal)) => Identity::Known(verified, renewal),
            Err(reason) => Identity::Unknown(Failure::new(reason, "")),
        }
    }

    /// Waits for what is needed to say who is asking; nothing was spent.
    fn wait(&mut self, visit: Visit, resource: Resource, events: Vec<Event>) -> Step {
        self.background.want(&resource);
        let until = visit.patience;
        let keys_refreshed = visit.keys_refreshed || matches!(resource, Resource::Keys { .. });
        let pending = Box::new(Pending::FromTheStart(Visit { keys_refreshed, ..visit }));
        Step { decision: Decision::Await { resource, until, pending }, events, note: Note::default() }
    }

    /// The rule made tighter by the policy that Envoy's route names. It can only add a condition: the route that was looked at
    /// may not be the one that is taken, because removing a header makes Envoy choose again. A request that brings a header
    /// which we would remove is therefore refused while routes name policies.
    fn route_policy(&self, world: &dyn World, visit: &Visit, rule: &Rule) -> Result<Option<Rule>, Failure> {
        let Some(namespace) = &self.settings.route_policies else { return Ok(None) };
        if let Some(name) = self.settings.identity.sent_by_client(&visit.request.headers).next() {
            return Err(Failure::new(Reason::HeaderAmbiguous, format!("{} came, while routes name policies", quote(name))));
        }
        let Some(name) = world.route_metadata(namespace, ROUTE_POLICY) else { return Ok(None) };
        let unknown =
            || Failure::new(Reason::RoutePolicyUnknown, format!("the route names policy {}, which is not defined", quote(&name)));
        let policy = self.settings.policies.get(&name).ok_or_else(unknown)?;
        Ok(Some(Rule { require: rule.require.and(policy), ..rule.clone() }))
    }

    fn unauthenticated(
        &mut self,
        world: &mut dyn World,
        visit: Visit,
        rule: &Rule,
        failure: Failure,
        events: Vec<Event>,
    ) -> Step {
        // Whoever brings a token is a program, and signing in would not mend the token.
        let could_sign_in = matches!(failure.reason, Reason::SessionMissing | Reason::SessionExpired | Reason::SessionInvalid);
        let redirect = match rule.unauthenticated {
            Unauthenticated::ByNavigation => browser::is_navigation(&visit.request),
            Unauthenticated::Redirect => matches!(visit.request.method.as_str(), "GET" | "HEAD"),
            Unauthenticated::Respond => false,
        };
        if redirect && could_sign_in {
            let provider = rule.require.provider().map(str::to_owned);
            let return_to = visit.return_to();
            let wish = sign_in::Wish { provider, return_to, another_account: false, told: sign_in::Told::ByRedirect };
            let mut step = sign_in::send(self, world, visit, wish, events);
            step.note.rule = Some(Rc::clone(&rule.name));
            return step;
        }
        deny(&Rc::clone(&self.settings), &visit, rule, None, failure, events)
    }

    fn forward(
        &self,
        visit: &Visit,
        rule: &Rule,
        verified: Option<&Verified>,
        renewal: Option<Box<Renewal>>,
        mut events: Vec<Event>,
    ) -> Step {
        let headers = &visit.request.headers;
        let set = verified.map(|verified| verified.headers.clone()).unwrap_or_default();
        let replaced = |name: &str| set.iter().any(|(ours, _)| &**ours == name);
        let mut remove: Vec<_> =
            self.settings.identity.sent_by_client(headers).filter(|name| !replaced(name)).map(str::to_owned).collect();
        if self.takes_token_away(visit, rule, verified) {
            remove.push("authorization".to_owned());
        }
        let cookie = without(headers, |name| self.settings.session.cookie.is_ours(name));
        events.push(Event::Outcome(Outcome::Forwarded));
        Step {
            decision: Decision::Forward(Forward { edits: Edits { remove, set, cookie }, renewal }),
            events,
            note: Note { subject: verified.map(|verified| Rc::clone(&verified.subject)), rule: Some(Rc::clone(&rule.name)) },
        }
    }

    /// A token that was looked at goes no further, unless its provider's are forwarded: neither one that was good, nor one that
    /// was not and that the upstream might believe.
    fn takes_token_away(&self, visit: &Visit, rule: &Rule, verified: Option<&Verified>) -> bool {
        let Some(verified) = verified.filter(|verified| verified.principal.proof == Proof::BearerToken) else {
            return accepts_tokens(&self.settings, rule) && bearer::brought(visit) != Brought::Nothing;
        };
        let provider = self.settings.provider(&verified.principal.provider);
        !provider.and_then(|provider| provider.oidc.bearer.as_ref()).is_some_and(|bearer| bearer.forward)
    }
}

fn accepts_tokens(settings: &Settings, rule: &Rule) -> bool {
    rule.credentials != Credentials::Session && settings.providers.iter().any(|provider| provider.oidc.bearer.is_some())
}

fn deny(
    settings: &Settings,
    visit: &Visit,
    rule: &Rule,
    verified: Option<&Verified>,
    failure: Failure,
    mut events: Vec<Event>,
) -> Step {
    let visitor = verified.map(|verified| Visitor {
        name: verified.principal.name(),
        looked_at: rule.require.claims(),
        provider: rule.require.provider().map(str::to_owned),
    });
    let scope = match &rule.require {
        Requirement::When(condition) => condition.scopes().join(" "),
        Requirement::Public | Requirement::Authenticated => String::new(),
    };
    let bearer = if accepts_tokens(settings, rule) { BearerChallenge::Accepted { scope } } else { BearerChallenge::NotAccepted };
    let response = visit.refusal_for(settings, failure.reason, &visit.return_to(), visitor, bearer);
    let subject = verified.map(|verified| Rc::clone(&verified.subject));
    let named = subject.as_deref().map(str::to_owned);
    events.push(Event::Denied { place: visit.place(), rule: Some(rule.name.to_string()), subject: named, failure });
    events.push(Event::Outcome(Outcome::of_status(response.status)));
    let note = Note { subject, rule: Some(Rc::clone(&rule.name)) };
    Step { decision: Decision::Respond(response), events, note }
}

fn evidence(visit: &Visit) -> String {
    let shown = |name| visit.request.headers.single(name).unwrap_or("absent").chars().take(100).collect::<String>();
    format!("sec-fetch-site is {}, origin is {}; this origin is {}", shown("sec-fetch-site"), shown("origin"), visit.origin)
}

/// The id that Envoy gave the request, or one of our own.
fn request_id(world: &mut dyn World, headers: &Headers) -> String {
    let plain = |id: &&str| id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if let Some(id) = headers.single("x-request-id").filter(plain) {
        return id.to_owned();
    }
    let mut bytes = [0; 8];
    // Only a name to find a log line by: without random bytes it is not unique, and nothing depends on that.
    let _ = world.random(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
