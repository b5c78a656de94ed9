//! The user service as written → what it is asked, and what its answers mean.

use std::time::Duration;

use serde_json::Value;

use crate::accounts;
use crate::accounts::call::Call;
use crate::accounts::credentials::Verify;
use crate::accounts::directory::{Create, Directory, Find};
use crate::accounts::template::{Gap, Kind, Template, Text};
use crate::accounts::user::Mapping;
use crate::config::Refusal;
use crate::config::own_tokens::Secrets;
use crate::config::place::{shape, words};
use crate::config::settings::LONGEST_TIMEOUT;
use crate::config::spellings::{Dotted, Span};
use crate::config::values::{assumed_verified, positive};
use crate::oidc::provider::Provider;
use crate::session::jwt::RESERVED;
use crate::words::principal::{AssumedVerified, ClaimPath, VERIFIED};
use crate::words::secret::Secret;

shape! {
    #[derive(Debug)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct Accounts {
        pub cluster: Option<String>,
        pub authority: Option<String>,
        pub headers: Vec<(String, Secret)> = default,
        pub subject: Dotted,
        pub claims: Vec<(String, Dotted)> = default,
        pub verify: Option<Exchange>,
        pub find: Option<Exchange>,
        pub create: Option<Exchange>,
        pub notify: Option<Exchange>,
        pub dangerously_match_unverified_email: bool = default,
        pub dangerously_assume_verified: Vec<String> = default,
    }
}

shape! {
    /// A call, and which statuses mean what; not every field is for each.
    #[derive(Debug)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct Exchange {
        pub cluster: Option<String>,
        pub authority: Option<String>,
        pub method: Option<Method>,
        pub path: String,
        pub body: Option<Value>,
        pub timeout: Option<Span>,
        pub user: Option<Dotted>,
        pub succeeded: Option<Vec<u64>>,
        pub refused: Option<Vec<u64>>,
        pub found: Option<Vec<u64>>,
        pub absent: Option<Vec<u64>>,
        pub created: Option<Vec<u64>>,
        pub conflict: Option<Vec<u64>>,
    }
}

words! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[allow(missing_docs, reason = "the methods' names")]
    pub enum Method {
        Get = "GET",
        Post = "POST",
        Put = "PUT",
        Patch = "PATCH",
    }
}

/// Headers that a call sets itself.
const NOT_FOR_CALLS: [&str; 7] =
    ["host", "accept", "content-type", "content-length", "connection", "transfer-encoding", "x-request-id"];

/// Claims that say how somebody signed in, or what for: no list of users knows.
const OF_THE_SIGN_IN: [&str; 7] = ["sub", "acr", "amr", "auth_time", "azp", "scope", "scp"];

/// What holds for each call where it says nothing else.
struct Usual<'a> {
    cluster: Option<&'a str>,
    authority: Option<&'a str>,
    headers: Vec<(String, Secret)>,
}

/// The user service.
pub(super) fn accounts(shape: Accounts, secrets: &mut Secrets) -> Result<accounts::Settings, Refusal> {
    let headers = headers(shape.headers, secrets)?;
    let usual = Usual { cluster: shape.cluster.as_deref(), authority: shape.authority.as_deref(), headers };
    let mut claims = Vec::new();
    for (name, path) in shape.claims {
        if name.is_empty() || OF_THE_SIGN_IN.contains(&name.as_str()) || RESERVED.contains(&name.as_str()) {
            return Err(Refusal::new(
                format!("accounts.claims.{name}"),
                "expected a claim about somebody, found one that tokens use, or that tells of the sign-in; rename it (sub is accounts.subject)",
            ));
        }
        claims.push((name, path.0));
    }
    let assumed_verified = verdicts(&claims, &shape.dangerously_assume_verified)?;
    let verify = shape.verify.map(|shape| verify(shape, &usual)).transpose()?;
    let find = shape.find.map(|shape| find(shape, &usual)).transpose()?;
    let create = shape.create.map(|shape| create(shape, &usual)).transpose()?;
    let notify = shape.notify.map(|shape| {
        let path = "accounts.notify";
        check_fields(path, &shape, &[])?;
        call(path, &shape, &usual, |gap| matches!(gap, Gap::Claim(..) | Gap::User(_)))
    });
    let notify = notify.transpose()?;
    if notify.is_some() && create.is_none() {
        return Err(Refusal::new("accounts.notify", "expected accounts.create beside it, found none; write it, or remove this"));
    }
    let directory = match find {
        Some(find) => {
            let dangerously_match_unverified_email = shape.dangerously_match_unverified_email;
            Some(Directory { find, create, notify, dangerously_match_unverified_email })
        }
        None if shape.dangerously_match_unverified_email => {
            let sentence = "expected accounts.find beside it, found none; remove this";
            return Err(Refusal::new("accounts.dangerously_match_unverified_email", sentence));
        }
        None if create.is_some() => {
            return Err(Refusal::new(
                "accounts.create",
                "expected accounts.find beside it, found none; write it, or remove this",
            ));
        }
        None if verify.is_none() => {
            return Err(Refusal::new("accounts", "expected verify or find, found neither; write one, or remove accounts"));
        }
        None => None,
    };
    Ok(accounts::Settings { mapping: Mapping { subject: shape.subject.0, claims }, assumed_verified, verify, directory })
}

/// An address or a number that the service says comes with whether it is verified, or somebody answers for all of them: it would
/// never count.
fn verdicts(claims: &[(String, ClaimPath)], assumed: &[String]) -> Result<AssumedVerified, Refusal> {
    let has = |claim: &str| claims.iter().any(|(name, _)| name == claim);
    for (claim, verdict) in VERIFIED {
        if has(claim) && !has(verdict) && !assumed.iter().any(|assumed| assumed == claim) {
            return Err(Refusal::new(
                format!("accounts.claims.{claim}"),
                format!(
                    "expected {verdict} beside it, because {claim} counts only when it is verified, found none; add {verdict}: and its place in the answer"
                ),
            ));
        }
    }
    if let Some(index) = assumed.iter().position(|claim| !has(claim)) {
        let sentence = "expected claims of accounts.claims, found another; remove it";
        return Err(Refusal::new(format!("accounts.dangerously_assume_verified[{index}]"), sentence));
    }
    assumed_verified("accounts.dangerously_assume_verified", assumed)
}

fn verify(shape: Exchange, usual: &Usual<'_>) -> Result<Verify, Refusal> {
    let path = "accounts.verify";
    check_fields(path, &shape, &["user", "succeeded", "refused"])?;
    let (succeeded, refused) =
        statuses(path, ("succeeded", &shape.succeeded, &[200]), ("refused", &shape.refused, &[400, 401, 404]))?;
    let call = call(path, &shape, usual, |gap| matches!(gap, Gap::Account | Gap::Password))?;
    let in_body = call.body.as_ref().is_some_and(|body| body.has(&|gap| *gap == Gap::Password));
    if call.path.has(&|gap| *gap == Gap::Password) {
        let sentence = "expected no {password}, because servers write paths to their logs, found one; move it to the body";
        return Err(Refusal::new("accounts.verify.path", sentence));
    }
    if !in_body || !call.has(&|gap| *gap == Gap::Account) {
        let sentence =
            "expected {account} and {password}, found not both; write body: {username: \"{account}\", password: \"{password}\"}";
        return Err(Refusal::new("accounts.verify.body", sentence));
    }
    Ok(Verify { call, succeeded, refused, user: shape.user.map(|user| user.0) })
}

fn find(shape: Exchange, usual: &Usual<'_>) -> Result<Find, Refusal> {
    let path = "accounts.find";
    check_fields(path, &shape, &["user", "found", "absent"])?;
    let (found, absent) = statuses(path, ("found", &shape.found, &[200]), ("absent", &shape.absent, &[404]))?;
    let call = call(path, &shape, usual, |gap| matches!(gap, Gap::Claim(_, Kind::Scalar)))?;
    if !call.has(&|_| true) {
        let sentence = "expected a gap that says who is looked for, found none; write /users/{claims.sub}";
        return Err(Refusal::new("accounts.find.path", sentence));
    }
    Ok(Find { call, found, absent, user: shape.user.map(|user| user.0) })
}

fn create(shape: Exchange, usual: &Usual<'_>) -> Result<Create, Refusal> {
    let path = "accounts.create";
    check_fields(path, &shape, &["user", "created", "conflict"])?;
    let (created, conflict) = statuses(path, ("created", &shape.created, &[200, 201]), ("conflict", &shape.conflict, &[409]))?;
    let call = call(path, &shape, usual, |gap| matches!(gap, Gap::Claim(..) | Gap::RandomPassword))?;
    Ok(Create { call, created, conflict, user: shape.user.map(|user| user.0) })
}

/// Refuses fields that mean nothing for this call.
fn check_fields(path: &str, shape: &Exchange, known: &[&str]) -> Result<(), Refusal> {
    let there = [
        ("user", shape.user.is_some()),
        ("succeeded", shape.succeeded.is_some()),
        ("refused", shape.refused.is_some()),
        ("found", shape.found.is_some()),
        ("absent", shape.absent.is_some()),
        ("created", shape.created.is_some()),
        ("conflict", shape.conflict.is_some()),
    ];
    match there.iter().find(|(name, there)| *there && !known.contains(name)) {
        Some((name, _)) => {
            let sentence = "expected only fields that mean something for this call, found one of another; remove it";
            Err(Refusal::new(format!("{path}.{name}"), sentence))
        }
        None => Ok(()),
    }
}

type Named<'a> = (&'static str, &'a Option<Vec<u64>>, &'static [u16]);

/// Two lists of statuses that have none in common.
fn statuses(path: &str, one: Named<'_>, other: Named<'_>) -> Result<(Vec<u16>, Vec<u16>), Refusal> {
    let read = |(name, given, usual): Named<'_>| {
        let Some(given) = given else { return Ok(usual.to_vec()) };
        let each = given.iter().map(|status| u16::try_from(*status).ok().filter(|status| (200..500).contains(status)));
        each.collect::<Option<Vec<_>>>().ok_or_else(|| {
            let sentence = "expected statuses from 200 to 499, found another; 5xx is always a failure, remove it";
            Refusal::new(format!("{path}.{name}"), sentence)
        })
    };
    let (ones, others) = (read(one)?, read(other)?);
    if ones.iter().any(|status| others.contains(status)) {
        let sentence = format!("expected other statuses than those of {}, found one twice; write each once", one.0);
        return Err(Refusal::new(format!("{path}.{}", other.0), sentence));
    }
    Ok((ones, others))
}

fn call(path: &str, shape: &Exchange, usual: &Usual<'_>, offered: fn(&Gap) -> bool) -> Result<Call, Refusal> {
    let at = |member: &str| format!("{path}.{member}");
    let cluster = shape.cluster.as_deref().or(usual.cluster).filter(|cluster| !cluster.is_empty());
    let Some(cluster) = cluster else {
        return Err(Refusal::new(
            at("cluster"),
            "expected the name of an Envoy cluster, here or in accounts, found none; write users",
        ));
    };
    let authority = shape.authority.as_deref().or(usual.authority.filter(|_| shape.cluster.is_none())).unwrap_or(cluster);
    if authority.is_empty()
        || !authority.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'[' | b']' | b'_'))
    {
        return Err(Refusal::new(at("authority"), "expected host or host:port, found another; write users.internal"));
    }
    let text = Text::parse(&shape.path, offered).map_err(|what| Refusal::new(at("path"), what))?;
    let plain = shape.path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\'));
    if !plain || !text.beginning().starts_with('/') || text.beginning().starts_with("//") {
        return Err(Refusal::new(
            at("path"),
            "expected an absolute path of plain characters, found another; write /users/{claims.sub}",
        ));
    }
    let body = shape.body.as_ref().map(|body| template(&at("body"), body, offered)).transpose()?;
    let method = match (shape.method, &body) {
        (Some(Method::Get), Some(_)) => {
            return Err(Refusal::new(at("body"), "expected none, because a GET has no body, found one; write method: POST"));
        }
        (Some(Method::Post), _) | (None, Some(_)) => "POST",
        (Some(Method::Get), None) | (None, None) => "GET",
        (Some(Method::Put), _) => "PUT",
        (Some(Method::Patch), _) => "PATCH",
    };
    // What authenticates us at one service is none of another's business.
    let headers = if shape.cluster.as_deref().is_none_or(|cluster| usual.cluster == Some(cluster)) {
        usual.headers.clone()
    } else {
        Vec::new()
    };
    Ok(Call {
        cluster: cluster.to_owned(),
        authority: authority.to_owned(),
        method,
        path: text,
        body,
        headers,
        timeout: positive(&at("timeout"), shape.timeout, Duration::from_secs(5), LONGEST_TIMEOUT)?,
    })
}

/// JSON with gaps, an object.
pub(super) fn template(path: &str, value: &Value, offered: fn(&Gap) -> bool) -> Result<Template, Refusal> {
    if !value.is_object() {
        return Err(Refusal::new(path, "expected an object, found something else; write {NAME: VALUE}"));
    }
    Template::parse(value, offered).map_err(|(below, what)| Refusal::new(format!("{path}{below}"), what))
}

fn headers(sources: Vec<(String, Secret)>, secrets: &mut Secrets) -> Result<Vec<(String, Secret)>, Refusal> {
    let each = sources.into_iter().map(|(name, value)| {
        let path = format!("accounts.headers.{name}");
        let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if name.is_empty() || !plain || NOT_FOR_CALLS.contains(&name.as_str()) {
            let sentence = "expected a header name of small letters, digits and -, and none that a call sets itself, found another; write authorization";
            return Err(Refusal::new(path, sentence));
        }
        if !value.expose().bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(Refusal::new(path, "expected printable characters, found others; a header cannot hold them"));
        }
        secrets.add(path, &value)?;
        Ok((name, value))
    });
    each.collect()
}

/// Refuses a look-up by which one provider's people could be taken for another's, or for those of the user service.
pub(super) fn check_providers(accounts: &accounts::Settings, providers: &[Provider]) -> Result<(), Refusal> {
    let Some(directory) = &accounts.directory else { return Ok(()) };
    let signing_in = || providers.iter().enumerate().filter(|(_, provider)| provider.signs_in());
    if signing_in().next().is_none() {
        let sentence = "expected a provider that people sign in at, because accounts.find looks them up, found none; remove it";
        return Err(Refusal::new("accounts.find", sentence));
    }
    let whose = |gap: &Gap| matches!(gap, Gap::Claim(path, _) if matches!(path.first(), "iss" | "email"));
    if signing_in().nth(1).is_some() && !directory.find.call.has(&whose) {
        let sentence = "expected a gap that says whose the subject is, because people sign in at several providers, found none; write /users/{claims.iss}/{claims.sub}, or {claims.email}";
        return Err(Refusal::new("accounts.find.path", sentence));
    }
    match signing_in().find(|(_, provider)| provider.bearer.is_some()) {
        Some((index, _)) => {
            let sentence = "expected none, because accounts.find gives people other subjects than its tokens have, found one; write a provider of its own for tokens, without client_id";
            Err(Refusal::new(format!("providers[{index}].bearer"), sentence))
        }
        None => Ok(()),
    }
}

/// Whether identities come from more than one source. Where accounts are looked up, whoever signs in at the only provider is the
/// user whom the user service knows, as they are by password. (Several may claim what it does not say.)
pub(super) fn several_claimants(
    providers: &[Provider],
    accounts: Option<&accounts::Settings>,
    by_password: Option<&str>,
    signed: bool,
) -> bool {
    let signing_in = providers.iter().filter(|provider| provider.signs_in()).count();
    let looked_up = accounts.is_some_and(|accounts| accounts.directory.is_some()) && signing_in == 1;
    let users = usize::from(by_password.is_some() && !looked_up);
    // Sessions that services make where nobody signs in are no provider's.
    let sessions_alone = signed && by_password.is_none() && signing_in == 0 && !providers.is_empty();
    providers.len().saturating_add(users) > 1 || sessions_alone
}

#[cfg(test)]
mod tests;
