//! Whether a request may pass: the rule that applies, who is asking, whether they meet it; and the next step of one that may not, or
//! not yet: a refusal, a redirect to a provider, or a wait. It never verifies a credential itself, and does not know what becomes of
//! a request that may pass.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use crate::access::browser;
use crate::access::mcp::call::Call;
use crate::access::requirement::Requirement;
use crate::access::requirement::condition::Condition;
use crate::access::requirement::test::{Case, Moment, is_authenticated};
use crate::access::resources::ProtectedResource;
use crate::access::route::{Rule, Unauthenticated};
use crate::answer::refusal::Visitor;
use crate::authenticate::bearer_token::{BearerToken, bearer_token, is_in_address};
use crate::authenticate::identity::{Asking, Identity};
use crate::authenticate::scene::Scene;
use crate::authenticate::verified::{Credential, Verified};
use crate::authenticate::who::{accepts_tokens, meant_for, who};
use crate::config::settings::Settings;
use crate::gateway::journeys::rule::tightened;
use crate::gateway::resources::called::{called, refused_call};
use crate::gateway::resources::challenge::challenge;
use crate::http::message::Request;
use crate::session::attempt::{Attempt, Ending};
use crate::session::cookie;
use crate::sign_in::begin::{self, SendAs, SignInOptions};
use crate::step::answers::Circumstances;
use crate::step::decision::{Decision, FromTheStart, Note, Renewal, Resource, Step};
use crate::step::event::{Event, Outcome};
use crate::step::visit::Visit;
use crate::words::demand::Demand;
use crate::words::principal::Proof;
use crate::words::reason::{Failure, Reason};

/// For this long after its sign-in, a session is not sent to the provider again for an authentication that it met at its
/// beginning.
const JUST_MADE: Duration = Duration::from_secs(10);

/// So many sign-ins in a row may lead to sessions that are not accepted; instead of the next one there is a page.
const MOST_IN_VAIN: u64 = 2;

/// What a provider has said about the bearer token of this request.
#[derive(Debug)]
pub(super) enum ByIntrospection {
    /// No provider was asked.
    NotAsked,
    /// A provider was asked; this is who is asking, by its reply.
    Answered(Identity),
}

/// What came before a sign-in that a browser is sent to.
#[derive(Clone, Copy, Default)]
struct Before {
    /// Whether it brought only a part of a session's cookies.
    torn: bool,
    /// How many sign-ins in a row led to sessions that were not accepted.
    in_vain: u64,
}

/// A request with the rule that applies to it.
#[derive(Clone, Copy)]
pub(super) struct Guarded<'a> {
    pub(super) settings: &'a Settings,
    pub(super) visit: &'a Visit,
    pub(super) rule: &'a Rule,
    /// The protected resource that it is for.
    pub(super) resource: Option<&'a ProtectedResource>,
    /// What it calls there.
    pub(super) call: &'a Call,
}

/// What a rule says of a request.
pub(super) enum Judged<'a> {
    /// It may pass.
    Passes(Passing<'a>),
    /// It may not, or nobody knows yet: this is its next step.
    Otherwise(Step<Asking>),
}

/// A request that may pass.
pub(super) struct Passing<'a> {
    /// The rule that lets it pass.
    pub(super) rule: Cow<'a, Rule>,
    /// Who is asking; `None` only where the rule is public.
    pub(super) who: Option<Rc<Verified>>,
    /// Their session, if its cookie is due to be written again.
    pub(super) renewal: Option<Box<Renewal>>,
    /// What it calls at an MCP server.
    pub(super) call: Call,
    /// What happened on the way.
    pub(super) events: Vec<Event>,
}

/// Finds out whether a request may pass, and by whom it was sent.
///
/// # Errors
/// See [`tightened`].
pub(super) fn judged<'a>(
    scene: &mut Scene<'a>,
    visit: &mut Visit,
    introspected: ByIntrospection,
    mut events: Vec<Event>,
) -> Result<Judged<'a>, Failure> {
    let settings = scene.settings;
    let resource = visit.resource(settings);
    if let Some(Err(detail)) = resource.map(|resource| resource.check_origin(&visit.origin, &visit.request.headers)) {
        return Err(Failure::new(Reason::OriginRefused, detail));
    }
    let (call, refused) = called(settings, scene.world, visit, resource);
    let (rule, tokens_differ) = tightened(settings, scene.world, visit, &call)?;
    let refused = refused.or(tokens_differ);
    let guarded = Guarded { settings, visit, rule: &rule, resource, call: &call };
    if accepts_tokens(settings, &rule, resource) && is_in_address(visit) {
        let failure = Failure::new(Reason::TokenAmbiguous, "access_token in the query");
        return Ok(Judged::Otherwise(guarded.deny(None, failure, events)));
    }
    let identity = match introspected {
        ByIntrospection::Answered(identity)
            if accepts_tokens(settings, &rule, resource) && matches!(bearer_token(visit), BearerToken::Present(_)) =>
        {
            meant_for(settings, resource, identity)
        }
        ByIntrospection::Answered(_) | ByIntrospection::NotAsked => who(scene, visit, &rule, resource, &mut events),
    };
    // Who is asking comes first: clients that are told something else before do not sign in.
    let is_known = matches!(identity, Identity::Known(..)) || rule.require == Requirement::Public;
    if let Some(failure) = refused.filter(|_| is_known) {
        let verified = if let Identity::Known(verified, _) = &identity { Some(&**verified) } else { None };
        return Ok(Judged::Otherwise(guarded.deny(verified, failure, events)));
    }
    let unsafe_across_sites = guarded.is_unsafe_across_sites(&identity);
    let (who, renewal) = match (identity, &rule.require) {
        (Identity::Known(..), Requirement::Public) if unsafe_across_sites => (None, None),
        (Identity::Known(verified, renewal), Requirement::Public) => (Some(verified), renewal),
        // A public page does not wait for metadata, keys or tokens.
        (Identity::Unknown(_) | Identity::Unclear(_), Requirement::Public) => (None, None),
        (Identity::Known(verified, _), _) if unsafe_across_sites => {
            let failure = Failure::new(Reason::CrossSite, browser::evidence(&visit.request.headers, &visit.origin));
            return Ok(Judged::Otherwise(guarded.deny(Some(&verified), failure, events)));
        }
        (Identity::Known(verified, renewal), _) => match guarded.meets(&verified) {
            Ok(()) => (Some(verified), renewal),
            Err((failure, moment)) => {
                return Ok(Judged::Otherwise(guarded.forbidden(scene, &verified, moment, failure, events)));
            }
        },
        (Identity::Unknown(failure), _) => {
            return Ok(Judged::Otherwise(guarded.unauthenticated(scene, failure, events)));
        }
        (Identity::Unclear(resource), _) => return Ok(Judged::Otherwise(wait(scene, visit, resource, events))),
        (Identity::Asked(call, asking), _) => return Ok(Judged::Otherwise(Step::calling(*call, asking).after(events))),
    };
    Ok(Judged::Passes(Passing { rule, who, renewal, call, events }))
}

impl<'a> Passing<'a> {
    /// Whether the request may pass with this condition added to the rule.
    pub(super) fn and(self, scene: &mut Scene<'a>, visit: &Visit, condition: &Condition) -> Judged<'a> {
        let rule = Rule { require: self.rule.require.and(condition), ..self.rule.into_owned() };
        let resource = visit.resource(scene.settings);
        let guarded = Guarded { settings: scene.settings, visit, rule: &rule, resource, call: &self.call };
        if let Some((verified, Err((failure, moment)))) = self.who.as_deref().map(|verified| (verified, guarded.meets(verified)))
        {
            return Judged::Otherwise(guarded.forbidden(scene, verified, moment, failure, self.events));
        }
        Judged::Passes(Self { rule: Cow::Owned(rule), ..self })
    }

    /// Refuses the request all the same.
    pub(super) fn refused(self, settings: &Settings, visit: &Visit, failure: Failure) -> Step<Asking> {
        let resource = visit.resource(settings);
        Guarded { settings, visit, rule: &self.rule, resource, call: &self.call }.deny(self.who.as_deref(), failure, self.events)
    }

    /// What Envoy's access log can print of it.
    pub(super) fn note(&self) -> Note {
        let subject = self.who.as_ref().map(|verified| Rc::clone(&verified.subject));
        Note { subject, rule: Some(Rc::clone(&self.rule.name)), diverted: None }
    }
}

/// Waits for what is needed to find out who is asking; the request then begins again.
pub(super) fn wait(scene: &mut Scene<'_>, visit: &mut Visit, resource: Resource, events: Vec<Event>) -> Step<Asking> {
    scene.background.documents.want(&resource);
    visit.keys_refreshed |= matches!(resource, Resource::Keys { .. });
    Step { events, ..Step::waiting(resource, visit.wait_until, FromTheStart) }
}

impl Guarded<'_> {
    /// Whether somebody meets the rule's requirement.
    ///
    /// # Errors
    /// What is missing, and the moment at which that was looked at.
    fn meets(self, verified: &Verified) -> Result<(), (Failure, Moment)> {
        let skew = self.settings.provider(&verified.principal.provider).map(|provider| provider.oidc.clock_skew);
        let moment = Moment { now: self.visit.now, skew: skew.unwrap_or_default() };
        self.rule
            .require
            .check(Case { principal: &verified.principal, moment, call: self.call })
            .map_err(|failure| (failure, moment))
    }

    /// Whether this is an unsafe request by cookie that a page of another site may have sent (CSRF).
    fn is_unsafe_across_sites(self, identity: &Identity) -> bool {
        let Self { settings, visit, .. } = self;
        let by_cookie = matches!(identity, Identity::Known(verified, _) if verified.principal.proof == Proof::SessionCookie);
        by_cookie
            && browser::needs_same_origin_evidence(&visit.request)
            && !browser::has_same_origin_evidence(&visit.request.headers, &visit.origin, &settings.trusted_origins)
    }

    fn unauthenticated(self, scene: &mut Scene<'_>, failure: Failure, mut events: Vec<Event>) -> Step<Asking> {
        let Self { settings, visit, rule, .. } = self;
        // Whoever sends a bearer token is a program, and a sign-in would not make the token valid.
        let could_sign_in = matches!(failure.reason, Reason::SessionMissing | Reason::SessionExpired | Reason::SessionInvalid);
        let provider = rule.require.provider();
        if could_sign_in && self.redirects() && settings.sign_in_provider(provider).is_some() {
            // A cookie that is invalid here may be valid at another replica, of an earlier build or with other keys. That one
            // would find somebody signed in at the callback and redirect here again, in a loop. So the cookie is deleted.
            let invalid = failure.reason == Reason::SessionInvalid;
            let delete = invalid.then(|| cookie::forget(&settings.session.cookie, &visit.request.headers, &visit.origin));
            let torn = invalid && cookie::read(&settings.session.cookie, &visit.request.headers) == cookie::Found::Torn;
            let before = match invalid.then(|| self.before(torn)) {
                None => Before::default(),
                Some(Ok(before)) => before,
                Some(Err(reason)) => return self.deny(None, Failure { reason, ..failure }, events),
            };
            if invalid {
                Event::tell_refused_session(&mut events, || visit.reference());
            }
            let mut step = self.sign_in(scene, provider, rule.require.demand().unwrap_or_default(), before, events);
            step.set_cookies(delete.unwrap_or_default());
            step.note.diverted = Some(failure.reason);
            return step;
        }
        self.deny(None, failure, events)
    }

    /// What came before the sign-in of a browser whose session is invalid. `torn` says that only a part of the session's cookies
    /// came.
    ///
    /// # Errors
    /// Why another sign-in would not help: only a part came just before, too, so that something on the way drops cookies; or two
    /// sign-ins just now led to sessions that are not accepted here.
    fn before(self, torn: bool) -> Result<Before, Reason> {
        let Self { settings, visit, .. } = self;
        let (session, place) = (&settings.session, visit.return_to());
        let came = &visit.request.headers;
        let over =
            Attempt::just_over(&settings.sealer, &session.cookie, session.attempt_timeout, came, place.as_str(), visit.now);
        if torn {
            let again = over.iter().any(|place| place.torn);
            return if again { Err(Reason::SessionTorn) } else { Ok(Before { torn, in_vain: 0 }) };
        }
        // Each place has the number of those before it, because the browser does not keep the places of all of them.
        let in_vain = over.iter().map(|place| place.in_vain.saturating_add(1)).max().unwrap_or_default();
        if in_vain >= MOST_IN_VAIN { Err(Reason::SessionRefusedAgain) } else { Ok(Before { torn, in_vain }) }
    }

    /// Somebody is signed in, and does not meet the requirement. If all that is missing is a stronger or more recent
    /// authentication, they are sent to the provider again (step-up, RFC 9470); otherwise they are refused. (A sign-in whose
    /// authentication is not the requested one fails at the callback, so that there is no loop.)
    fn forbidden(
        self,
        scene: &mut Scene<'_>,
        verified: &Verified,
        moment: Moment,
        failure: Failure,
        events: Vec<Event>,
    ) -> Step<Asking> {
        let session = match &verified.credential {
            Credential::Session(session) if failure.reason == Reason::AuthenticationInsufficient => session,
            _ => return self.deny(Some(verified), failure, events),
        };
        // The session is new, and met this demand at its beginning, but no longer does: another sign-in would not help.
        let just_made = self.visit.now.since(session.created) < JUST_MADE;
        let then = Moment { now: session.created, ..moment };
        let in_vain = |demand: &Demand| just_made && is_authenticated(demand, &session.claims, then);
        match self.rule.require.demand().filter(|demand| !in_vain(demand)) {
            // A session by password has no provider that could authenticate the person in another way.
            Some(demand) if self.redirects() && self.settings.sign_in_provider(Some(&session.provider)).is_some() => {
                let mut step = self.sign_in(scene, Some(&session.provider), demand, Before::default(), events);
                step.note.diverted = Some(failure.reason);
                step
            }
            Some(_) => self.deny(Some(verified), failure, events),
            None => self.deny(Some(verified), Failure { reason: Reason::StepUpFailed, ..failure }, events),
        }
    }

    /// Redirects to a provider.
    fn sign_in(
        self,
        scene: &mut Scene<'_>,
        provider: Option<&str>,
        demand: Demand,
        before: Before,
        events: Vec<Event>,
    ) -> Step<Asking> {
        let Self { settings, visit, rule, .. } = self;
        let options = SignInOptions {
            ending: Ending::Session,
            provider: provider.map(str::to_owned),
            return_to: visit.return_to(),
            another_account: false,
            begun_again: false,
            torn: before.torn,
            in_vain: before.in_vain,
            demand,
            send_as: SendAs::Redirect,
        };
        let sent = begin::send(scene, visit, options, events);
        let mut step = sent.map_or_else(|stop| stop.answer(settings, visit, None), Step::widen);
        step.note.rule = Some(Rc::clone(&rule.name));
        step
    }

    /// Whether somebody who must sign in is redirected to a provider rather than refused. Clients of a protected resource never are: they
    /// sign in by themselves, and take a redirect for a failure.
    fn redirects(self) -> bool {
        if self.resource.is_some() {
            return false;
        }
        match self.rule.unauthenticated {
            Unauthenticated::ByNavigation => browser::is_navigation(&self.visit.request),
            Unauthenticated::Redirect => {
                let Request { method, headers, .. } = &self.visit.request;
                matches!(method.as_str(), "GET" | "HEAD") && !browser::is_speculative(headers)
            }
            Unauthenticated::Respond => false,
        }
    }

    /// Refuses the request.
    pub(super) fn deny(self, verified: Option<&Verified>, failure: Failure, mut events: Vec<Event>) -> Step<Asking> {
        let Self { settings, visit, rule, .. } = self;
        let signs_in = |name: &&str| settings.sign_in_provider(Some(name)).is_some();
        let visitor = verified.map(|verified| Visitor {
            name: verified.principal.name(),
            claim_names: rule.require.claims(),
            provider: rule.require.provider().filter(signs_in).map(str::to_owned),
        });
        let demand = rule.require.demand().unwrap_or_default();
        let (rule_name, bearer) = (Some(Rc::clone(&rule.name)), challenge(settings, rule, (self.resource, self.call), verified));
        let circumstances = Circumstances { rule: rule_name, visitor, bearer, demand, further: Vec::new() };
        let mut response = visit.refusal_under(settings, &failure, &visit.return_to(), circumstances);
        if failure.reason == Reason::SessionExpired {
            response.set_cookies(cookie::forget(&settings.session.cookie, &visit.request.headers, &visit.origin));
        }
        let subject = verified.map(|verified| Rc::clone(&verified.subject));
        let (named, session) =
            (subject.as_deref().map(str::to_owned), verified.and_then(Verified::session_id).map(str::to_owned));
        let (request, rule_name) = (visit.reference(), Some(rule.name.to_string()));
        let outcome = Outcome::of_status(response.status);
        let (call, counted) = refused_call(settings, visit, (self.resource, self.call), verified).unzip();
        events.push(Event::Denied { request, rule: rule_name, subject: named, session, failure, call });
        events.extend(counted.map(|counted| Event::Called { outcome, counted, told: None }));
        events.push(Event::Outcome(outcome));
        let note = Note { subject, rule: Some(Rc::clone(&rule.name)), diverted: None };
        Step { events, note, ..Step::new(Decision::Respond(response)) }
    }
}
