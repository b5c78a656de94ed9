//! The journey of every request that is not for an endpoint of ours: whether it may pass, and the changes with which it goes upstream.
//! It never decides who may; `judge` does.

use std::rc::Rc;

use crate::access::resources::BodyCheckedBy;
use crate::access::route::SharedCache;
use crate::authenticate::bearer_token::{BearerToken, bearer_token};
use crate::authenticate::identity::Asking;
use crate::authenticate::next_pass::{self, Sent};
use crate::authenticate::scene::Scene;
use crate::authenticate::verified::Verified;
use crate::authenticate::who::accepts_tokens;
use crate::gateway::journeys::judge::{ByIntrospection, Guarded, Judged, Passing, judged, wait};
use crate::gateway::resources::called::allowed_call;
use crate::gateway::upstream_token::{NotHere, for_upstream, with_token};
use crate::http::cookie::without;
use crate::http::message::{CookieEdit, Edits};
use crate::step::decision::{Decision, Forward, Journey, Note, Renewal, Step};
use crate::step::event::{Event, Outcome};
use crate::step::visit::Visit;
use crate::words::principal::Proof;
use crate::words::secret::Secret;
use crate::words::world::World;

/// Decides about a request that is not for an endpoint of ours.
pub(super) fn guard(
    scene: &mut Scene<'_>,
    visit: &mut Visit,
    introspected: ByIntrospection,
    events: Vec<Event>,
) -> Journey<Asking> {
    match judged(scene, visit, introspected, events)? {
        Judged::Passes(passing) => {
            let token = match for_upstream(scene, visit, &passing.rule, passing.who.as_deref()) {
                Ok(token) => token,
                Err(NotHere::Awaited(resource)) => return Ok(wait(scene, visit, resource, passing.events)),
                Err(NotHere::Failed(failure)) => return Ok(passing.refused(scene.settings, visit, failure)),
            };
            let Passing { rule, who, renewal, call, events } = passing;
            let resource = visit.resource(scene.settings);
            let guarded = Guarded { settings: scene.settings, visit, rule: &rule, resource, call: &call };
            Ok(guarded.forward(scene.world, who.as_deref(), (renewal, token.as_deref()), events))
        }
        Judged::Otherwise(step) => Ok(step),
    }
}

impl Guarded<'_> {
    fn forward(
        self,
        world: &mut dyn World,
        verified: Option<&Verified>,
        (renewal, upstream_token): (Option<Box<Renewal>>, Option<&Secret>),
        mut events: Vec<Event>,
    ) -> Step<Asking> {
        let Self { settings, visit, rule, resource, .. } = self;
        let headers = &visit.request.headers;
        let mut add = verified.map(|verified| Rc::clone(&verified.headers)).unwrap_or_default();
        if let Some(verified) = verified {
            let audience = rule.audience.as_ref().or(resource.map(|resource| &resource.uri));
            match verified.identity_jwts.header(settings, world, visit, audience, &verified.principal) {
                Ok(None) => {}
                // A claim may be configured for the same header: the identity JWT stands alone there.
                Ok(Some(header)) => {
                    let others = add.iter().filter(|(name, _)| *name != header.0).cloned();
                    add = others.chain([header.clone()]).collect();
                }
                Err(failure) => return self.deny(Some(verified), failure, events),
            }
        }
        let add = with_token(add, upstream_token);
        let mut remove: Vec<_> = settings.identity.sent_by_client(headers).map(str::to_owned).collect();
        let takes_token_away = upstream_token.is_some() || self.takes_token_away(verified);
        if takes_token_away {
            remove.push("authorization".to_owned());
        }
        let ours = &settings.session.cookie;
        // The upstream sees the session cookie only if it counted: not a forged one, and not that of a request from another site.
        let shown =
            settings.forward.session_cookie && verified.is_some_and(|verified| verified.principal.proof == Proof::SessionCookie);
        let cookie = match visit.earlier_pass.as_ref().map(|earlier| &earlier.withheld.cookie) {
            Some(withheld) if *withheld != CookieEdit::Untouched => withheld.clone(),
            Some(_) | None => without(headers, |name| ours.is_ours(name) && !(shown && name == ours.name.as_bytes())),
        };
        let of_earlier_pass = visit.earlier_pass.as_ref().is_some_and(|earlier| earlier.private);
        let private = of_earlier_pass || (verified.is_some() && rule.shared_cache == SharedCache::Refused);
        if private && headers.contains("cache-control") {
            remove.push("cache-control".to_owned());
        }
        let proof = verified.map(|verified| verified.principal.proof);
        let sent = Sent { proof, authorization: !takes_token_away, private };
        let next_pass = next_pass::after_forwarding(settings, world, visit, &sent);
        let let_in = verified.and_then(Verified::let_in);
        let without_trailers = resource
            .filter(|resource| resource.body_checked_by == Some(BodyCheckedBy::EnvoyMcpFilter))
            .map(|_| visit.reference());
        events.extend(allowed_call((settings, world), visit, (resource, self.call), (rule, verified)));
        events.push(Event::Outcome(Outcome::Forwarded));
        Step {
            decision: Decision::Forward(Forward {
                edits: Edits { remove, add, cookie },
                renewal,
                private,
                let_in,
                without_trailers,
            }),
            events,
            note: Note {
                subject: verified.map(|verified| Rc::clone(&verified.subject)),
                rule: Some(Rc::clone(&rule.name)),
                diverted: None,
            },
            next_pass,
        }
    }

    /// Whether `Authorization` is removed: always before a protected resource, whose server must not see a token that a client got for it
    /// (MCP, Authorization, access token privilege restriction). Elsewhere, where bearer tokens are accepted, the upstream gets one only
    /// if its provider's tokens are forwarded. An invalid one is removed too, because the upstream might accept it.
    fn takes_token_away(self, verified: Option<&Verified>) -> bool {
        if self.visit.earlier_pass.as_ref().is_some_and(|earlier| earlier.withheld.token) {
            return true;
        }
        if self.resource.is_some() {
            return self.visit.request.headers.contains("authorization");
        }
        let Some(verified) = verified.filter(|verified| verified.principal.proof == Proof::BearerToken) else {
            return accepts_tokens(self.settings, self.rule, None) && !matches!(bearer_token(self.visit), BearerToken::Absent);
        };
        let provider = self.settings.provider(&verified.principal.provider);
        !provider.and_then(|provider| provider.oidc.bearer.as_ref()).is_some_and(|bearer| bearer.forward)
    }
}
