//! When a provider is asked about bearer tokens (RFC 7662), for how long its answer is kept, and what is taken for granted where it
//! says nothing. Who may ask it is not known here.

use std::time::Duration;

use crate::config::reading::nearest::did_you_mean;
use crate::config::reading::place::{shape, words};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::spellings::Span;
use crate::config::reading::values::{Parts, is_written};
use crate::oidc::bearer::accepted::{
    Clients, IntrospectedTokens, Introspection, MissingAudience, MissingSubject, MissingTokenType,
};

shape! {
    pub(super) struct IntrospectionShape {
        /// how long an answer is used, at most until `exp`. A withdrawn token stays accepted for this time. `0` asks for every
        /// request
        /// Default: `30s`
        pub(super) cache: Option<Span> where spans(Duration::ZERO, Duration::from_secs(300)),
        /// which tokens are sent: those that are not JWTs (`opaque`); the provider's JWTs, after they were verified (`jwt`); both
        /// (`always`)
        /// Default: `opaque`
        pub(super) when: Option<String> where words(["opaque", "jwt", "always"]),
        /// accepts answers without `aud`, of all services. Not beside `assume`
        /// Default: `false`
        pub(super) allow_missing_audience: bool = default,
        /// what is taken for granted where an answer does not say it
        pub(super) assume: Option<Assumption>,
        /// only the tokens of these clients are accepted: the answer's `client_id` must be one of them, also where the answer is
        /// about a JWT
        /// Default: all clients
        pub(super) client_ids: Option<Vec<Checked<String>>> where list(named("text")).at_least(1),
        /// who is meant by an answer without `sub`: its client, or the person whom its `username` names
        /// Default: `sub`
        pub(super) subject: SubjectWord = default,
    }
}

shape! {
    pub(super) struct Assumption {
        /// [taken for granted](#what-a-provider-leaves-out) where an answer has no `aud`: one of `audiences`. Needs `client_ids`
        audience: String,
        /// taken for granted where an answer has neither `aud` nor `token_type`. Only beside `assume.audience`
        token_type: Option<AssumedTokenType>,
    }
}

words! {
    pub(super) enum AssumedTokenType {
        Bearer = "Bearer",
    }
}

words! {
    #[derive(Clone, Copy, Default, PartialEq, Eq)]
    pub(super) enum SubjectWord {
        #[default]
        Sub = "sub",
        Username = "username",
    }
}

/// Checks how a provider is asked about bearer tokens, of which those with one of `audiences` are accepted.
pub(super) fn introspection(
    path: &str,
    shape: IntrospectionShape,
    audiences: &Checked<Vec<String>>,
    refusals: &mut Refusals,
) -> Checked<Introspection> {
    let mut parts = Parts::default();
    let cache = parts.part(shape.cache.and_then(|span| cache(path, span, refusals)));
    let tokens = shape.when.clone().and_then(|word| tokens(path, word, refusals));
    parts.part(what_does_not_fit_together(path, &shape, tokens, refusals));
    let assumed = shape.assume.and_then(|assumption| {
        assumption.map(|assumption| assumed(&format!("{path}.assume"), assumption, audiences, refusals)).transpose()
    });
    let clients = parts.part(shape.client_ids.and_then(|ids| client_ids(path, ids, refusals)));
    let subject = parts.part(shape.subject);
    let missing_audience = match (parts.part(assumed), parts.part(shape.allow_missing_audience)) {
        (Some(token_type), _) => MissingAudience::Assumed(token_type),
        (None, true) => MissingAudience::Allowed,
        (None, false) => MissingAudience::Refused,
    };
    parts.whole(Introspection {
        tokens: tokens?,
        cache,
        missing_audience,
        clients: clients.map_or(Clients::All, Clients::Listed),
        missing_subject: match subject {
            SubjectWord::Sub => MissingSubject::Client,
            SubjectWord::Username => MissingSubject::Username,
        },
    })
}

/// Refuses members that contradict each other, or have no effect.
fn what_does_not_fit_together(
    path: &str,
    shape: &IntrospectionShape,
    tokens: Checked<IntrospectedTokens>,
    refusals: &mut Refusals,
) -> Checked<()> {
    let mut parts = Parts::default();
    let mut refuse = |member: &str, sentence| {
        parts.part(Err::<(), _>(refusals.refuse(format!("{path}.{member}"), sentence)));
    };
    let assumes = is_written(&shape.assume) == Ok(true);
    let only_jwts = tokens == Ok(IntrospectedTokens::Jwts);
    if only_jwts && assumes {
        refuse("assume", "expected none with when: jwt, because the JWT has it; remove it");
    }
    if only_jwts && shape.subject == Ok(SubjectWord::Username) {
        refuse("subject", "expected sub with when: jwt, because the JWT has its own subject; remove it");
    }
    if assumes && is_written(&shape.client_ids) == Ok(false) {
        refuse(
            "client_ids",
            "expected the clients whose tokens are for us beside assume, found none, so that tokens of every client of this provider would be accepted; write client_ids: [CLIENT]",
        );
    }
    if assumes && shape.allow_missing_audience == Ok(true) {
        refuse(
            "allow_missing_audience",
            "expected false beside assume, found true, which accepts tokens for every service; remove it",
        );
    }
    parts.whole(())
}

/// Checks what is taken for granted. The audience is one of those that are accepted: nothing is assumed that would be refused.
fn assumed(
    path: &str,
    assumption: Assumption,
    audiences: &Checked<Vec<String>>,
    refusals: &mut Refusals,
) -> Checked<MissingTokenType> {
    let listed = assumption.audience.and_then(|audience| match audiences {
        Ok(audiences) if !audiences.contains(&audience) => {
            let sentence = "expected one of bearer.audiences, found another; write one of them";
            Err(refusals.refuse(format!("{path}.audience"), sentence))
        }
        Ok(_) => Ok(()),
        Err(refused) => Err(*refused),
    });
    let token_type = assumption.token_type;
    listed?;
    Ok(if token_type?.is_some() { MissingTokenType::Assumed } else { MissingTokenType::Refused })
}

fn client_ids(path: &str, ids: Option<Vec<Checked<String>>>, refusals: &mut Refusals) -> Checked<Option<Vec<String>>> {
    let Some(ids) = ids else { return Ok(None) };
    if ids.is_empty() || ids.iter().any(|id| id.as_ref().is_ok_and(String::is_empty)) {
        let sentence = "expected the clients whose tokens are accepted, found none; remove it, or write client_ids: [CLIENT]";
        return Err(refusals.refuse(format!("{path}.client_ids"), sentence));
    }
    ids.into_iter().collect::<Checked<_>>().map(Some)
}

fn cache(path: &str, span: Option<Span>, refusals: &mut Refusals) -> Checked<Duration> {
    const LONGEST: Duration = Duration::from_secs(300);
    let span = span.map_or(Duration::from_secs(30), |span| span.0);
    if span > LONGEST {
        let sentence = "expected at most 5m, found more; a token that was withdrawn is accepted for so long";
        return Err(refusals.refuse(format!("{path}.cache"), sentence));
    }
    Ok(span)
}

fn tokens(path: &str, word: Option<String>, refusals: &mut Refusals) -> Checked<IntrospectedTokens> {
    match word.as_deref() {
        None | Some("opaque") => Ok(IntrospectedTokens::OpaqueTokens),
        Some("jwt") => Ok(IntrospectedTokens::Jwts),
        Some("always") => Ok(IntrospectedTokens::EveryToken),
        Some(word) => {
            let meant = did_you_mean(["opaque", "jwt", "always"], word);
            let sentence = format!("expected opaque, jwt or always, found another word{meant}; write opaque");
            Err(refusals.refuse(format!("{path}.when"), sentence))
        }
    }
}
