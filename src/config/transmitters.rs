//! The part `transmitters`: who may end sessions by security events, of which providers, and by which events. No event is looked at
//! here, and where events are posted is not known.

pub(crate) mod written;

use std::rc::Rc;
use std::time::Duration;

use crate::accounts::UserService;
use crate::config::providers::Providers;
use crate::config::providers::algorithms::algorithms;
use crate::config::providers::bearer::{audiences, of_jwks};
use crate::config::providers::provider::clock_skew;
use crate::config::providers::source::{clusters, url};
use crate::config::reading::nearest::did_you_mean;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::secrets::Secrets;
use crate::config::reading::spellings::Reached;
use crate::config::reading::values::{Parts, each, is_written, positive};
use crate::config::settings::{LONGEST_TIMEOUT, TransmitterSettings};
use crate::config::transmitters::written::{MOST, TransmitterShape, TypWord};
use crate::crypto::key::{Algorithm, KeySet};
use crate::http::url::Url;
use crate::oidc::client::ClientAuthentication;
use crate::oidc::metadata::{EndpointName, Metadata};
use crate::oidc::provider::{Clusters, MetadataSource, PlainHttp, Provider, ResponseMode};
use crate::oidc::security_event::event::{ChangeType, EventKind};
use crate::oidc::security_event::transmitter::{EmailSubjects, InReach, MissingTyp, Transmitter, subject_issuers};
use crate::oidc::security_event::transmitter_metadata::document_address;
use crate::words::principal::AssumedVerified;
use crate::words::secret::Secret;

/// The fewest bytes of `authorization`.
const SHORTEST_AUTHORIZATION: usize = 16;

/// Checks the transmitters. `endpoint` says whether there is a path for their events.
pub(crate) fn transmitters(
    shapes: Checked<Vec<Checked<TransmitterShape>>>,
    endpoint: Checked<bool>,
    providers: &Providers,
    secrets: &mut Secrets,
    refusals: &mut Refusals,
) -> Checked<Vec<TransmitterSettings>> {
    let shapes = shapes?;
    let lacking = match (endpoint, shapes.is_empty()) {
        (Ok(false), false) => Some((
            "endpoints.security_events",
            "expected a path, because there are transmitters, found none; write /api/security_events",
        )),
        (Ok(true), true) => Some((
            "transmitters",
            "expected who may post to endpoints.security_events, found nobody; write issuer and providers, or remove the path",
        )),
        _ if shapes.len() > MOST => Some(("transmitters", "expected at most 32, found more; remove some")),
        _ => None,
    };
    if let Some((path, sentence)) = lacking {
        let _ = refusals.refuse(path, sentence);
    }
    let mut earlier: Vec<TransmitterSettings> = Vec::new();
    let mut all: Checked<()> = Ok(());
    for (index, shape) in shapes.into_iter().enumerate() {
        let path = format!("transmitters[{index}]");
        let next = shape.and_then(|shape| {
            let next = transmitter(&path, shape, (providers, &mut *secrets), refusals)?;
            check_beside(&path, &next, &earlier, refusals)?;
            Ok(next)
        });
        match next {
            Ok(next) => earlier.push(next),
            Err(refused) => all = Err(refused),
        }
    }
    all.map(|()| earlier)
}

/// Refuses a name or an issuer that an earlier transmitter has: the issuer says whose event it is.
fn check_beside(path: &str, next: &TransmitterSettings, earlier: &[TransmitterSettings], refusals: &mut Refusals) -> Checked<()> {
    let same = |of: fn(&Transmitter) -> &String| earlier.iter().any(|other| of(&other.oidc) == of(&next.oidc));
    let (member, sentence) = if same(|transmitter| &transmitter.issuer) {
        ("issuer", "expected an issuer of its own, found that of another transmitter; write all providers and events there")
    } else if same(|transmitter| &transmitter.name) {
        ("name", "expected a name of its own, found one that is taken; write another name")
    } else {
        return Ok(());
    };
    Err(refusals.refuse(format!("{path}.{member}"), sentence))
}

fn transmitter(
    path: &str,
    mut shape: TransmitterShape,
    (providers, secrets): (&Providers, &mut Secrets),
    refusals: &mut Refusals,
) -> Checked<TransmitterSettings> {
    let at = |member: &str| format!("{path}.{member}");
    let issuer = shape.issuer.clone().and_then(|issuer| {
        let sentence = "expected the issuer as it stands in its tokens (iss), found none; copy it";
        if issuer.is_empty() { Err(refusals.refuse(at("issuer"), sentence)) } else { Ok(issuer) }
    });
    let name = name(path, shape.name.clone(), &issuer, refusals);
    let ended = shape.providers.clone().and_then(|names| ended(&at("providers"), names, providers, refusals));
    let reached = std::mem::replace(&mut shape.clusters, Ok(Reached::default())).and_then(|reached| match (reached, &issuer) {
        (reached, _) if reached.is_empty() => Ok(Clusters::joined(ended.iter().flatten().map(|provider| &provider.clusters))),
        (reached, issuer) => clusters(&at("clusters"), reached, issuer.as_deref().unwrap_or_default(), refusals),
    });
    let published = source(path, &mut shape, &issuer, refusals);
    let authorization = authorization(&at("authorization"), shape.authorization, secrets, refusals);
    let audiences = audience(path, shape.audiences, &ended, refusals);
    let kinds = each_word(&at("events"), shape.events, EventKind::ALL, |kind| kind.name(), &default_events(), refusals);
    let changes = &ChangeType::ALL;
    let default_changes = [ChangeType::Revoke, ChangeType::Update, ChangeType::Delete];
    let has_changes = is_written(&shape.change_types);
    let change_types =
        each_word(&at("change_types"), shape.change_types, changes, |change| change.as_str(), &default_changes, refusals);
    if has_changes == Ok(true) && kinds.as_ref().is_ok_and(|kinds| !kinds.contains(&EventKind::CredentialChange)) {
        let sentence = "expected none without credential-change among the events, found some; add it there, or remove these";
        let _ = refusals.refuse(at("change_types"), sentence);
    }
    let skew = shape.clock_skew_seconds.and_then(|seconds| clock_skew(path, seconds, refusals));
    let timeout = positive(&at("timeout"), shape.timeout, Duration::from_secs(5), LONGEST_TIMEOUT, refusals);
    let mut parts = Parts::default();
    let name = parts.part(name);
    let issuer = parts.part(issuer);
    let (source, keys, algorithms) = published?;
    let publisher = Provider {
        // No provider has such a name.
        name: format!("transmitter/{name}"),
        source,
        clusters: parts.part(reached),
        algorithms: algorithms.clone(),
        clock_skew: parts.part(skew),
        timeout: parts.part(timeout),
        plain_http: if shape.allow_insecure_http? { PlainHttp::AllowInsecure } else { PlainHttp::LoopbackOnly },
        ..nobody()
    };
    check_reach(path, &publisher, refusals)?;
    let reach =
        |provider: &&Provider| InReach { provider: provider.name.clone(), issuers: subject_issuers(provider.issuer(), &issuer) };
    let oidc = Transmitter {
        name,
        audiences: parts.part(audiences),
        algorithms,
        clock_skew: publisher.clock_skew,
        missing_typ: if shape.typ? == TypWord::Optional { MissingTyp::Accepted } else { MissingTyp::Refused },
        events: parts.part(kinds),
        change_types: parts.part(change_types),
        email: if shape.email? { EmailSubjects::Accepted } else { EmailSubjects::Ignored },
        providers: parts.part(ended.map(|ended| ended.iter().map(reach).collect())),
        issuer,
    };
    let authorization = parts.part(authorization);
    parts.whole(TransmitterSettings { oidc, publisher, keys, authorization })
}

/// Refuses subjects by e-mail address where the sessions of people who are looked up keep another address: that which the user
/// service has for them. Events are about the provider's, and may be about somebody else there.
pub(crate) fn check_addresses(
    transmitters: Checked<Vec<TransmitterSettings>>,
    accounts: &Checked<Option<UserService>>,
    refusals: &mut Refusals,
) -> Checked<Vec<TransmitterSettings>> {
    let transmitters = transmitters?;
    let replaced =
        |accounts: &UserService| accounts.directory.is_some() && accounts.mapping.settled().any(|name| name == "email");
    if !accounts.iter().flatten().any(replaced) {
        return Ok(transmitters);
    }
    let by_address = transmitters.iter().position(|transmitter| transmitter.oidc.email == EmailSubjects::Accepted);
    by_address.map_or(Ok(transmitters), |index| {
        let sentence = "expected false, because accounts.claims puts the user service's address in place of the provider's, which events are about, found true; remove it, or the address from accounts.claims";
        Err(refusals.refuse(format!("transmitters[{index}].email"), sentence))
    })
}

/// The name, or the host of the issuer.
fn name(path: &str, name: Checked<Option<String>>, issuer: &Checked<String>, refusals: &mut Refusals) -> Checked<String> {
    let host = |issuer: &String| Url::parse(issuer).ok().map(|issuer| issuer.host().to_owned());
    let name = match name? {
        Some(name) => Some(name),
        None => host(issuer.as_ref().map_err(|refused| *refused)?),
    };
    let plain = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    let sentence = "expected a name of letters, digits, -, _ and . for logs, found none; write name";
    name.filter(|name| !name.is_empty() && plain(name)).ok_or_else(|| refusals.refuse(format!("{path}.name"), sentence))
}

/// The providers whose sessions it may end.
fn ended<'a>(
    path: &str,
    names: Vec<Checked<String>>,
    providers: &'a Providers,
    refusals: &mut Refusals,
) -> Checked<Vec<&'a Provider>> {
    if names.is_empty() || names.len() > MOST {
        let sentence = format!("expected the names of 1 to {MOST} providers, found {}; write providers: [NAME]", names.len());
        return Err(refusals.refuse(path, sentence));
    }
    providers.of_each(|listed| listed.provider.as_ref().map(|_| ()).map_err(|refused| *refused))?;
    let known: Vec<&Provider> = providers.good().map(|(_, provider)| provider).filter(|provider| provider.signs_in()).collect();
    each(names, |index, name| {
        known.iter().find(|provider| provider.name == name).copied().ok_or_else(|| {
            let meant = did_you_mean(known.iter().map(|provider| provider.name.as_str()), &name);
            let sentence = format!("expected a provider that people sign in at, found another name{meant}; write its name");
            refusals.refuse(format!("{path}[{index}]"), sentence)
        })
    })
}

/// Where its keys are, those that stand in the configuration, and what they may sign with.
type Published = (MetadataSource, Option<Rc<KeySet>>, Vec<Algorithm>);

fn source(path: &str, shape: &mut TransmitterShape, issuer: &Checked<String>, refusals: &mut Refusals) -> Checked<Published> {
    let at = |member: &str| format!("{path}.{member}");
    let names = std::mem::replace(&mut shape.algorithms, Ok(None));
    let jwks = std::mem::replace(&mut shape.jwks, Ok(None));
    let address = |member: &str, text: String, refusals: &mut Refusals| url(&at(member), &text, refusals);
    match (shape.metadata_url.clone()?, shape.jwks_uri.clone()?, jwks?) {
        (None, None, Some(jwks)) => {
            let (keys, algorithms) = of_jwks(&at("jwks.keys"), jwks, &at("algorithms"), names, refusals)?;
            Ok((MetadataSource::Never { issuer: issuer.clone()? }, Some(keys), algorithms))
        }
        (None, Some(text), None) => {
            let algorithms = algorithms(&at("algorithms"), names, refusals);
            let metadata = Metadata::of_keys(issuer.clone()?, address("jwks_uri", text, refusals)?);
            Ok((MetadataSource::Given(Box::new(metadata)), None, algorithms?))
        }
        (written, None, None) => {
            let algorithms = algorithms(&at("algorithms"), names, refusals);
            let issuer = issuer.clone()?;
            let document = match written {
                Some(text) => address("metadata_url", text, refusals)?,
                None => address("issuer", issuer.clone(), refusals).and_then(|url| {
                    let refuse = |found| format!("expected the issuer of a transmitter, {found}; write metadata_url");
                    document_address(&url).map_err(|found| refusals.refuse(at("issuer"), refuse(found)))
                })?,
            };
            Ok((MetadataSource::Transmitter { issuer, document }, None, algorithms?))
        }
        _ => {
            let sentence = "expected one of metadata_url, jwks_uri and jwks, found several; remove all but one";
            Err(refusals.refuse(path, sentence))
        }
    }
}

/// Refuses a document that no cluster reaches, and one by plain HTTP unless that is allowed.
fn check_reach(path: &str, publisher: &Provider, refusals: &mut Refusals) -> Checked<()> {
    let (member, called) = match &publisher.source {
        MetadataSource::Transmitter { document, .. } => ("metadata_url", document),
        MetadataSource::Given(metadata) => match metadata.usable(EndpointName::Jwks) {
            Some(called) => ("jwks_uri", called),
            None => return Ok(()),
        },
        MetadataSource::Discovery { .. } | MetadataSource::Never { .. } => return Ok(()),
    };
    if publisher.check_scheme(called).is_err() {
        let sentence = "expected https, found http; write https, or allow_insecure_http: true, and everybody on the way can sign everybody out";
        return Err(refusals.refuse(format!("{path}.{member}"), sentence));
    }
    if publisher.clusters.reaching(called).is_none() {
        let authority = called.authority();
        let sentence =
            format!("expected a cluster for {authority}, found none; write {{\"{authority}\": NAME OF ENVOY'S CLUSTER}}");
        return Err(refusals.refuse(format!("{path}.clusters"), sentence));
    }
    Ok(())
}

fn authorization(
    path: &str,
    written: Checked<Option<Secret>>,
    secrets: &mut Secrets,
    refusals: &mut Refusals,
) -> Checked<Option<Secret>> {
    let Some(secret) = written? else { return Ok(None) };
    if secret.len() < SHORTEST_AUTHORIZATION {
        let sentence = format!(
            "expected at least {SHORTEST_AUTHORIZATION} bytes, found {}; write Bearer and a token of openssl rand -hex 32",
            secret.len()
        );
        return Err(refusals.refuse(path, sentence));
    }
    secrets.add(path.to_owned(), &secret, refusals)?;
    Ok(Some(secret))
}

/// The audiences, or the client identifiers at its providers.
fn audience(
    path: &str,
    written: Checked<Option<Vec<Checked<String>>>>,
    ended: &Checked<Vec<&Provider>>,
    refusals: &mut Refusals,
) -> Checked<Vec<String>> {
    match written? {
        Some(written) => audiences(path, written, refusals),
        None => {
            let ended = ended.as_ref().map_err(|refused| *refused)?;
            Ok(ended.iter().map(|provider| provider.client_id.clone()).collect())
        }
    }
}

/// All events but those that say that something changed, which may mean that nobody need sign in again.
fn default_events() -> Vec<EventKind> {
    let may_be_harmless = [EventKind::CredentialChange, EventKind::TokenClaimsChange];
    EventKind::ALL.iter().copied().filter(|kind| !may_be_harmless.contains(kind)).collect()
}

/// A list of words, each of which stands for one of `known`.
fn each_word<T: Copy + PartialEq>(
    path: &str,
    written: Checked<Option<Vec<Checked<String>>>>,
    known: &[T],
    name: impl Fn(T) -> &'static str,
    default: &[T],
    refusals: &mut Refusals,
) -> Checked<Vec<T>> {
    let Some(written) = written? else { return Ok(default.to_vec()) };
    if written.is_empty() {
        return Err(refusals.refuse(path, "expected at least one, found none; remove it for the default"));
    }
    each(written, |index, word| {
        known.iter().copied().find(|known| name(*known) == word).ok_or_else(|| {
            let names: Vec<_> = known.iter().map(|known| name(*known)).collect();
            let meant = did_you_mean(names.iter().copied(), &word);
            let sentence = format!("expected one of {}, found another{meant}; write one of these", names.join(", "));
            refusals.refuse(format!("{path}[{index}]"), sentence)
        })
    })
}

/// A provider where nobody signs in, and that nobody calls.
fn nobody() -> Provider {
    Provider {
        name: String::new(),
        source: MetadataSource::Never { issuer: String::new() },
        written_endpoints: Vec::new(),
        clusters: Clusters::default(),
        client_id: String::new(),
        sign_in: false,
        authentication: ClientAuthentication::None,
        scope: String::new(),
        authorization_params: Vec::new(),
        account_prompt: "login",
        response_mode: ResponseMode::Query,
        redirect_uri: None,
        frame_ancestors: Vec::new(),
        userinfo: false,
        trusted_audiences: Vec::new(),
        assumed_verified: AssumedVerified::default(),
        bearer: None,
        clock_skew: Duration::ZERO,
        algorithms: Vec::new(),
        timeout: Duration::ZERO,
        trace_context: false,
        plain_http: PlainHttp::LoopbackOnly,
    }
}

#[cfg(test)]
mod tests;
