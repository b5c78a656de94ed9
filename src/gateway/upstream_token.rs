//! The token of its own that the application gets with a request that may pass: from memory, or after a wait for its provider. Whether the
//! request may pass is decided before, and decided again after the wait. It never hands on the token that the request brought.

use std::rc::Rc;

use crate::access::route::Rule;
use crate::access::upstream::believed::ACCESS_TOKEN;
use crate::authenticate::bearer_token::{BearerToken, bearer_token};
use crate::authenticate::scene::Scene;
use crate::authenticate::verified::{Credential, Verified};
use crate::oidc::token::upstream::Presented;
use crate::session::remembered::memory::Name;
use crate::step::decision::Resource;
use crate::step::visit::Visit;
use crate::upkeep::upstream_tokens::{Found, Need};
use crate::words::reason::{Failure, Reason};
use crate::words::record::Writer;
use crate::words::secret::Secret;
use crate::words::time::Timestamp;
use crate::words::upstream_token::{Grant, UpstreamToken};

/// The version of the order in which the parts of a name stand.
const VERSION: u8 = 1;

/// Why the token for the application is not here.
pub(super) enum NotHere {
    /// It comes after this.
    Awaited(Resource),
    /// There is none for this request, or none now.
    Failed(Failure),
}

/// Finds the token that the rule wants for the application; `None` if it wants none. `who` sends the request.
///
/// # Errors
/// See [`NotHere`].
pub(super) fn for_upstream(
    scene: &mut Scene<'_>,
    visit: &Visit,
    rule: &Rule,
    who: Option<&Verified>,
) -> Result<Option<Rc<Secret>>, NotHere> {
    let Some(token) = &rule.upstream_token else { return Ok(None) };
    let Some(verified) = who else {
        // The configuration is refused where the rule is public.
        return Err(failed(Reason::Internal, "the rule lets in who is not known"));
    };
    let name = token.provider.as_ref().unwrap_or(&verified.principal.provider);
    let Some(provider) = scene.settings.provider(name).filter(|provider| provider.oidc.has_client()) else {
        let detail = "no provider vouches for them where Accredit has a client; write provider: NAME in forward of the rule";
        return Err(failed(Reason::UpstreamTokenRefused, detail));
    };
    let presented = match (token.grant, subject_token(visit, verified)) {
        (Grant::ClientCredentials, _) => Presented::Nothing,
        (Grant::TokenExchange(requested), Some(subject)) => Presented::SubjectToken(subject, requested),
        (Grant::TokenExchange(_), None) => {
            let detail = "what proves who they are has no access token that could be exchanged: a session of another kind";
            return Err(failed(Reason::UpstreamTokenRefused, detail));
        }
    };
    let key = key(scene, rule, token, name, verified, &presented);
    match scene.background.upstream_tokens.find(key, visit.now) {
        Found::Here(token) => return Ok(Some(token)),
        Found::Failed(failure) => return Err(NotHere::Failed(failure)),
        Found::Nothing if visit.now >= visit.wait_until => {
            return Err(failed(Reason::UpstreamTokenUnavailable, "it did not come in time"));
        }
        Found::Nothing => {}
    }
    if scene.metadata(provider, visit.now).is_none() {
        return Err(NotHere::Awaited(Resource::Metadata(name.clone())));
    }
    let ends = if presented == Presented::Nothing { Timestamp::from_millis(u64::MAX) } else { end(verified) };
    let (token, provider) = (Rc::clone(token), name.clone());
    let need = Need { name: key, provider, token, presented, ends, until: visit.wait_until };
    match scene.background.upstream_tokens.want(&scene.background.documents, need) {
        true => Err(NotHere::Awaited(Resource::UpstreamToken(key))),
        false => Err(failed(Reason::UpstreamTokenUnavailable, "too many tokens for applications are asked for already")),
    }
}

fn failed(reason: Reason, detail: &str) -> NotHere {
    NotHere::Failed(Failure::new(reason, detail))
}

/// The header fields for the application with its token, if it gets one. The token for which that was exchanged is in none of them.
pub(super) fn with_token(fields: Rc<[(Rc<str>, String)]>, token: Option<&Secret>) -> Rc<[(Rc<str>, String)]> {
    let Some(token) = token else { return fields };
    let others = fields.iter().filter(|(name, _)| &**name != ACCESS_TOKEN).cloned();
    others.chain([(Rc::from("authorization"), ["Bearer ", token.expose()].concat())]).collect()
}

/// The access token that proved who sends the request, or that their session keeps.
fn subject_token(visit: &Visit, verified: &Verified) -> Option<Secret> {
    match (&verified.credential, bearer_token(visit)) {
        (Credential::Session(session), _) => session.tokens.access_token.clone(),
        (Credential::Token { .. } | Credential::OpaqueToken, BearerToken::Present(token)) => Some(Secret::new(token.expose())),
        (Credential::Token { .. } | Credential::OpaqueToken, BearerToken::Absent | BearerToken::Ambiguous) => None,
    }
}

/// When the subject token ends, or whoever has it is no longer let in by it.
fn end(verified: &Verified) -> Timestamp {
    let of_tokens = match &verified.credential {
        Credential::Session(session) => session.tokens.end,
        Credential::Token { .. } | Credential::OpaqueToken => None,
    };
    [verified.ends].into_iter().chain(of_tokens).fold(verified.principal.expires, Timestamp::min)
}

/// The name under which the token is kept: of everything that it depends on. Whose it is, is said by the subject token itself, never by
/// a `sub`, which people of two issuers, and two clients of one person, may share.
fn key(scene: &Scene<'_>, rule: &Rule, token: &UpstreamToken, provider: &str, verified: &Verified, shown: &Presented) -> Name {
    let mut writer = Writer::default();
    for text in [token.grant.member(), provider, &rule.name] {
        writer.text(text);
    }
    writer.optional_text(token.audience.as_deref());
    writer.optional_text(token.resource.as_deref());
    token.scope.iter().for_each(|scope| writer.optional_text(Some(scope)));
    writer.optional_text(None);
    if let Presented::SubjectToken(subject, requested) = shown {
        writer.text(requested.identifier());
        writer.text(&verified.principal.provider);
        writer.text(subject.expose());
        if let Credential::Session(session) = &verified.credential {
            writer.text(&session.id);
            writer.number(session.tokens.refreshed.into());
        }
    }
    scene.recall.name(&writer.finish(VERSION))
}
