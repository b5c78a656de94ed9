//! The journey of everything that is for somebody behind us: its rule, who is asking, whether they may; then the changes that the
//! request goes on with, or the answer that it gets instead.

use std::rc::Rc;
use std::time::Duration;

use crate::access::answer::{BearerChallenge, Visitor};
use crate::access::browser;
use crate::access::policy::{self, Clock, Requirement};
use crate::access::route::{Credentials, Rule, SharedCache, Unauthenticated};
use crate::config::settings::Settings;
use crate::flow::authenticate::{self, Credential, Identity, Verified};
use crate::flow::bearer::{self, Brought};
use crate::flow::event::{Event, Outcome};
use crate::flow::gateway::Gateway;
use crate::flow::identity_jwt;
use crate::flow::session_token;
use crate::flow::sign_in;
use crate::flow::step::{Asking, Decision, Forward, Note, Pending, Renewal, Resource, Step};
use crate::flow::visit::Visit;
use crate::session::attempt::Ending;
use crate::session::cookie;
use crate::words::cookie::without;
use crate::words::demand::Demand;
use crate::words::message::{Edits, Reply};
use crate::words::principal::Proof;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};
use crate::words::world::{RouteMetadata, World};

/// A session is new for so long.
const JUST_MADE: Duration = Duration::from_secs(10);

/// The key in route metadata that names a policy.
const ROUTE_POLICY: &str = "policy";

/// What is known of who asks before anything is looked at.
#[derive(Debug)]
enum Told {
    /// Nothing.
    Nothing,
    /// Whose token it is, by the provider's own answer.
    TokenOf(Identity),
}

impl Gateway {
    /// A request for somebody behind us: its rule, who asks, whether they may.
    pub(super) fn guard(&mut self, world: &mut dyn World, visit: Visit) -> Step {
        self.guard_told(world, visit, Told::Nothing, Vec::with_capacity(2))
    }

    /// The provider has answered about the token that the request brings.
    pub(super) fn introspected(&mut self, world: &mut dyn World, visit: Visit, asking: Asking, reply: &Reply) -> Step {
        let mut events = Vec::with_capacity(2);
        let told = Told::TokenOf(bearer::introspected(self, world, &visit, asking, reply, &mut events));
        self.guard_told(world, visit, told, events)
    }

    fn guard_told(&mut self, world: &mut dyn World, visit: Visit, told: Told, mut events: Vec<Event>) -> Step {
        let settings = Rc::clone(&self.settings);
        let request = &visit.request;
        let rule = settings.rules.find(&request.method, visit.origin.host(), &request.path);
        let tightened;
        let rule = match self.route_policy(world, &visit, rule) {
            Ok(None) => rule,
            Ok(Some(with_policy)) => {
                tightened = with_policy;
                &tightened
            }
            Err(failure) => return visit.refuse(&settings, failure),
        };
        if accepts_tokens(&settings, rule) && bearer::is_in_address(&visit) {
            return deny(
                &settings,
                &visit,
                rule,
                None,
                Failure::new(Reason::TokenAmbiguous, "access_token in the query"),
                events,
            );
        }
        let identity = self.who(world, &visit, rule, told, &mut events);
        let by_cookie = matches!(&identity, Identity::Known(verified, _) if verified.principal.proof == Proof::SessionCookie);
        let unsafe_across_sites = by_cookie
            && browser::needs_same_origin_evidence(request)
            && !browser::has_same_origin_evidence(&request.headers, &visit.origin, &settings.trusted_origins);
        match (identity, &rule.require) {
            (Identity::Known(..), Requirement::Public) if unsafe_across_sites => {
                self.forward(world, &visit, rule, None, None, events)
            }
            (Identity::Known(verified, renewal), Requirement::Public) => {
                self.forward(world, &visit, rule, Some(&verified), renewal, events)
            }
            // Public pages wait for nobody.
            (Identity::Unknown(_) | Identity::Unclear(_), Requirement::Public) => {
                self.forward(world, &visit, rule, None, None, events)
            }
            (Identity::Known(verified, _), _) if unsafe_across_sites => deny(
                &settings,
                &visit,
                rule,
                Some(&verified),
                Failure::new(Reason::CrossSite, browser::evidence(&visit.request.headers, &visit.origin)),
                events,
            ),
            (Identity::Known(verified, renewal), requirement) => {
                let skew = settings.provider(&verified.principal.provider).map(|provider| provider.oidc.clock_skew);
                let clock = Clock { now: visit.now, skew: skew.unwrap_or_default() };
                match requirement.check(&verified.principal, clock) {
                    Ok(()) => self.forward(world, &visit, rule, Some(&verified), renewal, events),
                    Err(failure) => self.forbidden(world, visit, rule, &verified, clock, (failure, events)),
                }
            }
            (Identity::Unknown(failure), _) => self.unauthenticated(world, visit, rule, failure, events),
            (Identity::Unclear(resource), _) => self.wait(visit, resource, events),
            (Identity::Asked(call, asking), _) => Step::calling(*call, Pending::Introspecting(visit, asking)).after(events),
        }
    }

    /// Who is asking, by the credentials that count under a rule. A token that came is the one credential that is looked at.
    fn who(&mut self, world: &mut dyn World, visit: &Visit, rule: &Rule, told: Told, events: &mut Vec<Event>) -> Identity {
        let settings = Rc::clone(&self.settings);
        if accepts_tokens(&settings, rule) {
            match (bearer::brought(visit), told) {
                (Brought::Token(_), Told::TokenOf(identity)) => return identity,
                (Brought::Token(token), Told::Nothing) => {
                    let ours = session_token::authenticate(self, world, visit, token, events);
                    return ours.unwrap_or_else(|| bearer::authenticate(self, world, visit, token, events));
                }
                (Brought::TooMuch, _) => return Identity::Unknown(Failure::new(Reason::TokenAmbiguous, "")),
                (Brought::Nothing, _) if rule.credentials == Credentials::Bearer => {
                    return Identity::Unknown(Failure::new(Reason::TokenMissing, ""));
                }
                (Brought::Nothing, _) => {}
            }
        }
        match authenticate::authenticate(self, world, visit, events) {
            Ok((verified, renewal)) => self.refreshed(world, visit, verified, renewal),
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
        let unknown = |detail: String| Failure::new(Reason::RoutePolicyUnknown, detail);
        let name = match world.route_metadata(namespace, ROUTE_POLICY) {
            RouteMetadata::Absent => return Ok(None),
            RouteMetadata::Text(name) => name,
            RouteMetadata::Unreadable => {
                return Err(unknown("the policy that the route names is no text, is empty, or cannot be read".to_owned()));
            }
        };
        let policy = self.settings.policy(&name);
        let policy = policy.ok_or_else(|| unknown(format!("the route names policy {}, which is not defined", quote(&name))))?;
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
        let provider = rule.require.provider();
        if could_sign_in && redirects(rule, &visit) && self.settings.sign_in_provider(provider).is_some() {
            let provider = provider.map(str::to_owned);
            // A cookie that does not count here may count at another replica, of an earlier build or with other keys: it would take
            // the answer to this sign-in for one of somebody who is signed in, and send them here again, and so on.
            let unread = failure.reason == Reason::SessionInvalid;
            let forgotten = unread.then(|| cookie::forget(&self.settings.session.cookie, &visit.request.headers, &visit.origin));
            let demand = rule.require.demand().unwrap_or_default();
            let mut step = self.redirect(world, visit, rule, provider, demand, events);
            step.set_cookies(forgotten.unwrap_or_default());
            return step;
        }
        deny(&Rc::clone(&self.settings), &visit, rule, None, failure, events)
    }

    /// Somebody is known, and may not go on. Signing in again helps where a stronger or newer authentication is all that is
    /// missing. (The callback lets nobody in whose authentication is not the one that was asked for, so that this does not go
    /// round and round.)
    fn forbidden(
        &mut self,
        world: &mut dyn World,
        visit: Visit,
        rule: &Rule,
        verified: &Verified,
        clock: Clock,
        (failure, events): (Failure, Vec<Event>),
    ) -> Step {
        let settings = Rc::clone(&self.settings);
        let session = match &verified.credential {
            Credential::Session(session) if failure.reason == Reason::AuthenticationInsufficient => session,
            _ => return deny(&settings, &visit, rule, Some(verified), failure, events),
        };
        // What was good a moment ago and is not good now would not be good again either.
        let just_made = visit.now.since(session.created) < JUST_MADE;
        let then = Clock { now: session.created, ..clock };
        let in_vain = |demand: &Demand| just_made && policy::is_authenticated(demand, &session.claims, then);
        match rule.require.demand().filter(|demand| !in_vain(demand)) {
            // Whoever signed in by password has no provider that could do it in another way.
            Some(demand) if redirects(rule, &visit) && settings.sign_in_provider(Some(&session.provider)).is_some() => {
                self.redirect(world, visit, rule, Some(session.provider.clone()), demand, events)
            }
            Some(_) => deny(&settings, &visit, rule, Some(verified), failure, events),
            None => {
                let failure = Failure { reason: Reason::StepUpFailed, ..failure };
                deny(&settings, &visit, rule, Some(verified), failure, events)
            }
        }
    }

    fn redirect(
        &mut self,
        world: &mut dyn World,
        visit: Visit,
        rule: &Rule,
        provider: Option<String>,
        demand: Demand,
        events: Vec<Event>,
    ) -> Step {
        let return_to = visit.return_to();
        let wish = sign_in::Wish {
            ending: Ending::Session,
            provider,
            return_to,
            another_account: false,
            demand,
            told: sign_in::Told::ByRedirect,
        };
        let mut step = sign_in::send(self, world, visit, wish, events);
        step.note.rule = Some(Rc::clone(&rule.name));
        step
    }

    fn forward(
        &self,
        world: &mut dyn World,
        visit: &Visit,
        rule: &Rule,
        verified: Option<&Verified>,
        renewal: Option<Box<Renewal>>,
        mut events: Vec<Event>,
    ) -> Step {
        let headers = &visit.request.headers;
        let mut set = verified.map(|verified| Rc::clone(&verified.headers)).unwrap_or_default();
        if let (Some(verified), Some(identity_jwt)) = (verified, &self.settings.identity_jwt) {
            match identity_jwt::header(&self.settings, identity_jwt, world, visit, rule, verified) {
                Ok(header) => set = set.iter().cloned().chain([header]).collect(),
                Err(failure) => return deny(&self.settings, visit, rule, Some(verified), failure, events),
            }
        }
        let replaced = |name: &str| set.iter().any(|(ours, _)| &**ours == name);
        let mut remove: Vec<_> =
            self.settings.identity.sent_by_client(headers).filter(|name| !replaced(name)).map(str::to_owned).collect();
        if self.takes_token_away(visit, rule, verified) {
            remove.push("authorization".to_owned());
        }
        let ours = &self.settings.session.cookie;
        // Only a session that counted here is shown to the upstream: not a forged one, and not one that another site made use of.
        let shown = self.settings.forward.session_cookie
            && verified.is_some_and(|verified| verified.principal.proof == Proof::SessionCookie);
        let cookie = without(headers, |name| ours.is_ours(name) && !(shown && name == ours.name.as_bytes()));
        let private = verified.is_some() && rule.shared_cache == SharedCache::Refused;
        events.push(Event::Outcome(Outcome::Forwarded));
        Step {
            decision: Decision::Forward(Forward { edits: Edits { remove, set, cookie }, renewal, private }),
            events,
            note: Note { subject: verified.map(|verified| Rc::clone(&verified.subject)), rule: Some(Rc::clone(&rule.name)) },
        }
    }

    /// A token that was looked at goes no further, unless its provider's are forwarded: neither one that was good, nor one that
    /// was not and that the upstream might believe.
    fn takes_token_away(&self, visit: &Visit, rule: &Rule, verified: Option<&Verified>) -> bool {
        let Some(verified) = verified.filter(|verified| verified.principal.proof == Proof::BearerToken) else {
            return accepts_tokens(&self.settings, rule) && !matches!(bearer::brought(visit), Brought::Nothing);
        };
        let provider = self.settings.provider(&verified.principal.provider);
        !provider.and_then(|provider| provider.oidc.bearer.as_ref()).is_some_and(|bearer| bearer.forward)
    }
}

/// Whether somebody who must sign in is sent there, rather than told.
fn redirects(rule: &Rule, visit: &Visit) -> bool {
    match rule.unauthenticated {
        Unauthenticated::ByNavigation => browser::is_navigation(&visit.request),
        Unauthenticated::Redirect => matches!(visit.request.method.as_str(), "GET" | "HEAD"),
        Unauthenticated::Respond => false,
    }
}

fn accepts_tokens(settings: &Settings, rule: &Rule) -> bool {
    let accepted = || settings.providers.iter().any(|provider| provider.oidc.bearer.is_some());
    rule.credentials != Credentials::Session && (settings.session.as_bearer().is_some() || accepted())
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
        provider: rule.require.provider().filter(|name| settings.sign_in_provider(Some(name)).is_some()).map(str::to_owned),
    });
    let scope = match &rule.require {
        Requirement::When(condition) => condition.scopes().join(" "),
        Requirement::Public | Requirement::Authenticated => String::new(),
    };
    let by_token = verified.is_some_and(|verified| verified.principal.proof == Proof::BearerToken);
    let bearer = match accepts_tokens(settings, rule) {
        false => BearerChallenge::NotAccepted,
        true if by_token => BearerChallenge::Came { scope },
        true => BearerChallenge::Accepted { scope, only: rule.credentials == Credentials::Bearer },
    };
    let demand = rule.require.demand().unwrap_or_default();
    let mut response = visit.refusal_for(settings, failure.reason, &visit.return_to(), visitor, (bearer, &demand));
    if failure.reason == Reason::SessionExpired {
        let forgotten = cookie::forget(&settings.session.cookie, &visit.request.headers, &visit.origin);
        response.headers.extend(forgotten.into_iter().map(|cookie| ("set-cookie".to_owned(), cookie)));
    }
    let subject = verified.map(|verified| Rc::clone(&verified.subject));
    let named = subject.as_deref().map(str::to_owned);
    events.push(Event::Denied { place: visit.place(), rule: Some(rule.name.to_string()), subject: named, failure });
    events.push(Event::Outcome(Outcome::of_status(response.status)));
    let note = Note { subject, rule: Some(Rc::clone(&rule.name)) };
    Step { decision: Decision::Respond(response), events, note }
}
