//! The journey of everything that is for somebody behind us: its rule, who is asking, whether they may; then the changes that the
//! request goes on with, or the answer that it gets instead.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use crate::access::browser;
use crate::access::requirement::Requirement;
use crate::access::requirement::test::{Surroundings, is_authenticated};
use crate::access::route::{Credentials, Rule, SharedCache, Unauthenticated};
use crate::answer::refusal::{BearerChallenge, Visitor};
use crate::authenticate::brought::{Brought, brought, is_in_address};
use crate::authenticate::identity::{Asking, Identity};
use crate::authenticate::scene::Scene;
use crate::authenticate::verified::{Credential, Verified};
use crate::authenticate::who::{accepts_tokens, who};
use crate::config::settings::Settings;
use crate::http::cookie::without;
use crate::http::message::Edits;
use crate::session::attempt::Ending;
use crate::session::cookie;
use crate::sign_in::begin::{self, Handover, Wish};
use crate::step::answers::Circumstances;
use crate::step::decision::{Decision, Forward, FromTheStart, Journey, Note, Renewal, Resource, Step};
use crate::step::event::{Event, Outcome};
use crate::step::visit::Visit;
use crate::words::demand::Demand;
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
pub(super) enum Beforehand {
    /// Nothing.
    Nothing,
    /// Whose token it is, by the provider's own answer.
    TokenOf(Identity),
}

/// A request under the rule that counts for it.
#[derive(Clone, Copy)]
struct Guarded<'a> {
    settings: &'a Settings,
    visit: &'a Visit,
    rule: &'a Rule,
}

/// A request for somebody behind us: its rule, who asks, whether they may.
pub(super) fn guard(scene: &mut Scene<'_>, visit: &mut Visit, beforehand: Beforehand, mut events: Vec<Event>) -> Journey<Asking> {
    let settings = scene.settings;
    let rule = tightened(settings, scene.world, visit)?;
    let rule = rule.as_ref();
    let guarded = Guarded { settings, visit, rule };
    if accepts_tokens(settings, rule) && is_in_address(visit) {
        return Ok(guarded.deny(None, Failure::new(Reason::TokenAmbiguous, "access_token in the query"), events));
    }
    let identity = match beforehand {
        Beforehand::TokenOf(identity) if accepts_tokens(settings, rule) && matches!(brought(visit), Brought::Token(_)) => {
            identity
        }
        Beforehand::TokenOf(_) | Beforehand::Nothing => who(scene, visit, rule, &mut events),
    };
    let unsafe_across_sites = guarded.is_unsafe_across_sites(&identity);
    match (identity, &rule.require) {
        (Identity::Known(..), Requirement::Public) if unsafe_across_sites => Ok(guarded.forward(scene.world, None, None, events)),
        (Identity::Known(verified, renewal), Requirement::Public) => {
            Ok(guarded.forward(scene.world, Some(&verified), renewal, events))
        }
        // Public pages wait for nobody.
        (Identity::Unknown(_) | Identity::Unclear(_), Requirement::Public) => {
            Ok(guarded.forward(scene.world, None, None, events))
        }
        (Identity::Known(verified, _), _) if unsafe_across_sites => {
            let failure = Failure::new(Reason::CrossSite, browser::evidence(&visit.request.headers, &visit.origin));
            Ok(guarded.deny(Some(&verified), failure, events))
        }
        (Identity::Known(verified, renewal), requirement) => {
            let skew = settings.provider(&verified.principal.provider).map(|provider| provider.oidc.clock_skew);
            let surroundings = Surroundings { now: visit.now, skew: skew.unwrap_or_default() };
            match requirement.check(&verified.principal, surroundings) {
                Ok(()) => Ok(guarded.forward(scene.world, Some(&verified), renewal, events)),
                Err(failure) => Ok(guarded.forbidden(scene, &verified, surroundings, failure, events)),
            }
        }
        (Identity::Unknown(failure), _) => Ok(guarded.unauthenticated(scene, failure, events)),
        (Identity::Unclear(resource), _) => Ok(wait(scene, visit, resource, events)),
        (Identity::Asked(call, asking), _) => Ok(Step::calling(*call, asking).after(events)),
    }
}

/// Waits for what is needed to say who is asking; nothing was spent.
fn wait(scene: &mut Scene<'_>, visit: &mut Visit, resource: Resource, events: Vec<Event>) -> Step<Asking> {
    scene.kept.documents.want(&resource);
    visit.keys_refreshed |= matches!(resource, Resource::Keys { .. });
    Step { events, ..Step::waiting(resource, visit.patience, FromTheStart) }
}

/// The rule of a request, made tighter by the policy that Envoy's route names. That can only add a condition: the route that was
/// looked at may not be the one that is taken, because removing a header makes Envoy choose again. A request that brings a header
/// which we would remove is therefore refused while routes name policies.
fn tightened<'a>(settings: &'a Settings, world: &dyn World, visit: &Visit) -> Result<Cow<'a, Rule>, Failure> {
    let request = &visit.request;
    let rule = settings.rules.find(&request.method, visit.origin.host(), &request.path);
    let Some(namespace) = &settings.route_policies else { return Ok(Cow::Borrowed(rule)) };
    if let Some(name) = settings.identity.sent_by_client(&request.headers).next() {
        return Err(Failure::new(Reason::HeaderAmbiguous, format!("{} came, while routes name policies", quote(name))));
    }
    let unknown = |detail: String| Failure::new(Reason::RoutePolicyUnknown, detail);
    let name = match world.route_metadata(namespace, ROUTE_POLICY) {
        RouteMetadata::Absent => return Ok(Cow::Borrowed(rule)),
        RouteMetadata::Text(name) => name,
        RouteMetadata::Unreadable => {
            return Err(unknown("the policy that the route names is no text, is empty, or cannot be read".to_owned()));
        }
    };
    let policy = settings.policy(&name);
    let policy = policy.ok_or_else(|| unknown(format!("the route names policy {}, which is not defined", quote(&name))))?;
    Ok(Cow::Owned(Rule { require: rule.require.and(policy), ..rule.clone() }))
}

impl Guarded<'_> {
    /// Whether a cookie speaks for somebody whom another site may have made ask.
    fn is_unsafe_across_sites(self, identity: &Identity) -> bool {
        let Self { settings, visit, .. } = self;
        let by_cookie = matches!(identity, Identity::Known(verified, _) if verified.principal.proof == Proof::SessionCookie);
        by_cookie
            && browser::needs_same_origin_evidence(&visit.request)
            && !browser::has_same_origin_evidence(&visit.request.headers, &visit.origin, &settings.trusted_origins)
    }

    fn unauthenticated(self, scene: &mut Scene<'_>, failure: Failure, events: Vec<Event>) -> Step<Asking> {
        let Self { settings, visit, rule } = self;
        // Whoever brings a token is a program, and signing in would not mend the token.
        let could_sign_in = matches!(failure.reason, Reason::SessionMissing | Reason::SessionExpired | Reason::SessionInvalid);
        let provider = rule.require.provider();
        if could_sign_in && self.redirects() && settings.sign_in_provider(provider).is_some() {
            // A cookie that does not count here may count at another replica, of an earlier build or with other keys: it would take
            // the answer to this sign-in for one of somebody who is signed in, and send them here again, and so on.
            let unread = failure.reason == Reason::SessionInvalid;
            let forgotten = unread.then(|| cookie::forget(&settings.session.cookie, &visit.request.headers, &visit.origin));
            let mut step = self.sign_in(scene, provider, rule.require.demand().unwrap_or_default(), events);
            step.set_cookies(forgotten.unwrap_or_default());
            return step;
        }
        self.deny(None, failure, events)
    }

    /// Somebody is known, and may not go on. Signing in again helps where a stronger or newer authentication is all that is
    /// missing. (The callback lets nobody in whose authentication is not the one that was asked for, so that this does not go
    /// round and round.)
    fn forbidden(
        self,
        scene: &mut Scene<'_>,
        verified: &Verified,
        surroundings: Surroundings,
        failure: Failure,
        events: Vec<Event>,
    ) -> Step<Asking> {
        let session = match &verified.credential {
            Credential::Session(session) if failure.reason == Reason::AuthenticationInsufficient => session,
            _ => return self.deny(Some(verified), failure, events),
        };
        // What was good a moment ago and is not good now would not be good again either.
        let just_made = self.visit.now.since(session.created) < JUST_MADE;
        let then = Surroundings { now: session.created, ..surroundings };
        let in_vain = |demand: &Demand| just_made && is_authenticated(demand, &session.claims, then);
        match self.rule.require.demand().filter(|demand| !in_vain(demand)) {
            // Whoever signed in by password has no provider that could do it in another way.
            Some(demand) if self.redirects() && self.settings.sign_in_provider(Some(&session.provider)).is_some() => {
                self.sign_in(scene, Some(&session.provider), demand, events)
            }
            Some(_) => self.deny(Some(verified), failure, events),
            None => self.deny(Some(verified), Failure { reason: Reason::StepUpFailed, ..failure }, events),
        }
    }

    /// Sends them to a provider.
    fn sign_in(self, scene: &mut Scene<'_>, provider: Option<&str>, demand: Demand, events: Vec<Event>) -> Step<Asking> {
        let Self { settings, visit, rule } = self;
        let wish = Wish {
            ending: Ending::Session,
            provider: provider.map(str::to_owned),
            return_to: visit.return_to(),
            another_account: false,
            demand,
            handover: Handover::Redirect,
        };
        let sent = begin::send(scene, visit, wish, events);
        let mut step = sent.map_or_else(|stop| stop.answer(settings, visit), Step::within);
        step.note.rule = Some(Rc::clone(&rule.name));
        step
    }

    fn forward(
        self,
        world: &mut dyn World,
        verified: Option<&Verified>,
        renewal: Option<Box<Renewal>>,
        mut events: Vec<Event>,
    ) -> Step<Asking> {
        let Self { settings, visit, rule } = self;
        let headers = &visit.request.headers;
        let mut set = verified.map(|verified| Rc::clone(&verified.headers)).unwrap_or_default();
        if let Some(verified) = verified {
            match verified.identity_jwts.header(settings, world, visit, rule, &verified.principal) {
                Ok(None) => {}
                Ok(Some(header)) => set = set.iter().cloned().chain([header]).collect(),
                Err(failure) => return self.deny(Some(verified), failure, events),
            }
        }
        let replaced = |name: &str| set.iter().any(|(ours, _)| &**ours == name);
        let sent_by_client = settings.identity.sent_by_client(headers);
        let mut remove: Vec<_> = sent_by_client.filter(|name| !replaced(name)).map(str::to_owned).collect();
        if self.takes_token_away(verified) {
            remove.push("authorization".to_owned());
        }
        let ours = &settings.session.cookie;
        // Only a session that counted here is shown to the upstream: not a forged one, and not one that another site made use of.
        let shown =
            settings.forward.session_cookie && verified.is_some_and(|verified| verified.principal.proof == Proof::SessionCookie);
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
    fn takes_token_away(self, verified: Option<&Verified>) -> bool {
        let Some(verified) = verified.filter(|verified| verified.principal.proof == Proof::BearerToken) else {
            return accepts_tokens(self.settings, self.rule) && !matches!(brought(self.visit), Brought::Nothing);
        };
        let provider = self.settings.provider(&verified.principal.provider);
        !provider.and_then(|provider| provider.oidc.bearer.as_ref()).is_some_and(|bearer| bearer.forward)
    }

    /// Whether somebody who must sign in is sent there, rather than told.
    fn redirects(self) -> bool {
        match self.rule.unauthenticated {
            Unauthenticated::ByNavigation => browser::is_navigation(&self.visit.request),
            Unauthenticated::Redirect => matches!(self.visit.request.method.as_str(), "GET" | "HEAD"),
            Unauthenticated::Respond => false,
        }
    }

    fn deny(self, verified: Option<&Verified>, failure: Failure, mut events: Vec<Event>) -> Step<Asking> {
        let Self { settings, visit, rule } = self;
        let signs_in = |name: &&str| settings.sign_in_provider(Some(name)).is_some();
        let visitor = verified.map(|verified| Visitor {
            name: verified.principal.name(),
            claim_names: rule.require.claims(),
            provider: rule.require.provider().filter(signs_in).map(str::to_owned),
        });
        let demand = rule.require.demand().unwrap_or_default();
        let circumstances = Circumstances { visitor, bearer: self.bearer_challenge(verified), demand };
        let mut response = visit.refusal_under(settings, failure.reason, &visit.return_to(), circumstances);
        if failure.reason == Reason::SessionExpired {
            response.set_cookies(cookie::forget(&settings.session.cookie, &visit.request.headers, &visit.origin));
        }
        let subject = verified.map(|verified| Rc::clone(&verified.subject));
        let named = subject.as_deref().map(str::to_owned);
        events.push(Event::Denied { request: visit.reference(), rule: Some(rule.name.to_string()), subject: named, failure });
        events.push(Event::Outcome(Outcome::of_status(response.status)));
        let note = Note { subject, rule: Some(Rc::clone(&rule.name)) };
        Step { decision: Decision::Respond(response), events, note }
    }

    fn bearer_challenge(self, verified: Option<&Verified>) -> BearerChallenge {
        let scope = match &self.rule.require {
            Requirement::When(condition) => condition.scopes().join(" "),
            Requirement::Public | Requirement::Authenticated => String::new(),
        };
        let by_token = verified.is_some_and(|verified| verified.principal.proof == Proof::BearerToken);
        match accepts_tokens(self.settings, self.rule) {
            false => BearerChallenge::NotAccepted,
            true if by_token => BearerChallenge::TokenSent { scope },
            true => BearerChallenge::Accepted { scope, only: self.rule.credentials == Credentials::Bearer },
        }
    }
}
