//! The user service: what it is asked, what its answers mean, and whom it is asked about.

mod call;
mod exchanges;
pub(crate) mod written;

use crate::accounts;
use crate::accounts::directory::{Directory, Find};
use crate::accounts::template::Gap;
use crate::accounts::user::Mapping;
use crate::config::providers::Providers;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::secrets::Secrets;
use crate::config::reading::spellings::Dotted;
use crate::config::reading::values::{assumed_verified, is_written};
use crate::config::signing_in::accounts::call::Usual;
use crate::config::signing_in::accounts::exchanges::{create, find, notify, verify};
use crate::config::signing_in::accounts::written::AccountsShape;
use crate::session::jwt::RESERVED;
use crate::words::principal::{AssumedVerified, ClaimPath, VERIFIED};
use crate::words::secret::Secret;

/// Headers that a call sets itself.
const NOT_FOR_CALLS: [&str; 7] =
    ["host", "accept", "content-type", "content-length", "connection", "transfer-encoding", "x-request-id"];

/// Claims that say how somebody signed in, or what for: no list of users knows.
const OF_THE_SIGN_IN: [&str; 7] = ["sub", "acr", "amr", "auth_time", "azp", "scope", "scp"];

/// What is known of the user service, be it good or refused.
pub(crate) struct Accounts {
    /// Whether it checks names and passwords.
    pub(crate) verifies: Checked<bool>,
    /// Whether it is asked about people whom a provider vouches for.
    pub(crate) looks_up: Checked<bool>,
    /// Whether that says at which provider they signed in.
    says_whose: Checked<bool>,
    /// Its settings, where there is one.
    pub(crate) settings: Checked<Option<accounts::Settings>>,
}

impl Accounts {
    const NONE: Self = Self { verifies: Ok(false), looks_up: Ok(false), says_whose: Ok(false), settings: Ok(None) };
}

/// The user service, if there is one.
pub(crate) fn accounts(shape: Checked<Option<AccountsShape>>, secrets: &mut Secrets, refusals: &mut Refusals) -> Accounts {
    let shape = match shape {
        Ok(Some(shape)) => shape,
        Ok(None) => return Accounts::NONE,
        Err(refused) => {
            let unknown = Err(refused);
            return Accounts { verifies: unknown, looks_up: unknown, says_whose: unknown, settings: Err(refused) };
        }
    };
    let (verifies, looks_up) = (is_written(&shape.verify), is_written(&shape.find));
    let creates = is_written(&shape.create);
    let alone = check_alone(&shape, refusals);
    let headers = shape.headers.and_then(|sources| headers(sources, secrets, refusals));
    let mut usual = Usual { cluster: shape.cluster, authority: shape.authority, headers };
    let assumed = match &shape.claims {
        Ok(claims) => verdicts(claims, shape.dangerously_assume_verified, refusals),
        Err(refused) => Err(*refused),
    };
    let claims = shape.claims.and_then(|claims| mapped(claims, refusals));
    let verify = shape.verify.and_then(|shape| shape.map(|shape| verify(shape, &mut usual, refusals)).transpose());
    let find = shape.find.and_then(|shape| shape.map(|shape| find(shape, &mut usual, refusals)).transpose());
    let create = shape.create.and_then(|shape| shape.map(|shape| create(shape, &mut usual, refusals)).transpose());
    let notify = shape.notify.and_then(|shape| shape.map(|shape| notify(shape, &mut usual, refusals)).transpose());
    if matches!(notify, Ok(Some(_))) && creates == Ok(false) {
        let sentence = "expected accounts.create beside it, found none; write it, or remove this";
        let _ = refusals.refuse("accounts.notify", sentence);
    }
    let whose = |gap: &Gap| matches!(gap, Gap::Claim(path, _) if matches!(path.first(), "iss" | "email"));
    let says_whose = find.as_ref().map(|find| find.as_ref().is_some_and(|find| find.call.has(&whose)));
    let says_whose = says_whose.map_err(|refused| *refused);
    let directory = |find: Option<Find>| match find {
        None => Ok(None),
        Some(find) => {
            let dangerously_match_unverified_email = shape.dangerously_match_unverified_email?;
            Ok(Some(Directory { find, create: create?, notify: notify?, dangerously_match_unverified_email }))
        }
    };
    let settings = || {
        alone?;
        let mapping = Mapping { subject: shape.subject?.0, claims: claims? };
        Ok(Some(accounts::Settings {
            mapping,
            assumed_verified: assumed?,
            verify: verify?,
            directory: find.and_then(directory)?,
        }))
    };
    Accounts { verifies, looks_up, says_whose, settings: settings() }
}

/// Refuses what is of no use without `find`, and a service that is not asked at all.
fn check_alone(shape: &AccountsShape, refusals: &mut Refusals) -> Checked<()> {
    if is_written(&shape.find) != Ok(false) {
        return Ok(());
    }
    let (path, sentence) = if shape.dangerously_match_unverified_email == Ok(true) {
        ("accounts.dangerously_match_unverified_email", "expected accounts.find beside it, found none; remove this")
    } else if is_written(&shape.create) == Ok(true) {
        ("accounts.create", "expected accounts.find beside it, found none; write it, or remove this")
    } else if is_written(&shape.verify) == Ok(false) {
        ("accounts", "expected verify or find, found neither; write one, or remove accounts")
    } else {
        return Ok(());
    };
    Err(refusals.refuse(path, sentence))
}

fn mapped(claims: Vec<(String, Checked<Dotted>)>, refusals: &mut Refusals) -> Checked<Vec<(String, ClaimPath)>> {
    let each = claims.into_iter().map(|(name, path)| {
        if name.is_empty() || OF_THE_SIGN_IN.contains(&name.as_str()) || RESERVED.contains(&name.as_str()) {
            return Err(refusals.refuse(
                format!("accounts.claims.{name}"),
                "expected a claim about somebody, found one that tokens use, or that tells of the sign-in; rename it (sub is accounts.subject)",
            ));
        }
        Ok((name, path?.0))
    });
    let each: Vec<_> = each.collect();
    each.into_iter().collect()
}

/// An address or a number that the service says comes with whether it is verified, or somebody answers for all of them: it would
/// never count.
fn verdicts(
    claims: &[(String, Checked<Dotted>)],
    assumed: Checked<Vec<Checked<String>>>,
    refusals: &mut Refusals,
) -> Checked<AssumedVerified> {
    let assumed = assumed?;
    let has = |claim: &str| claims.iter().any(|(name, _)| name == claim);
    let mut checked = Ok(());
    for (claim, verdict) in VERIFIED {
        if has(claim) && !has(verdict) && !assumed.iter().flatten().any(|assumed| assumed == claim) {
            let sentence = format!(
                "expected {verdict} beside it, because {claim} counts only when it is verified, found none; add {verdict}: and its place in the answer"
            );
            checked = Err(refusals.refuse(format!("accounts.claims.{claim}"), sentence));
        }
    }
    for (index, _) in assumed.iter().enumerate().filter(|(_, claim)| claim.as_ref().is_ok_and(|claim| !has(claim))) {
        let sentence = "expected claims of accounts.claims, found another; remove it";
        checked = Err(refusals.refuse(format!("accounts.dangerously_assume_verified[{index}]"), sentence));
    }
    let assumed = assumed_verified("accounts.dangerously_assume_verified", assumed, refusals);
    checked.and(assumed)
}

fn headers(
    sources: Vec<(String, Checked<Secret>)>,
    secrets: &mut Secrets,
    refusals: &mut Refusals,
) -> Checked<Vec<(String, Secret)>> {
    let each = sources.into_iter().map(|(name, value)| {
        let path = format!("accounts.headers.{name}");
        let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if name.is_empty() || !plain || NOT_FOR_CALLS.contains(&name.as_str()) {
            let sentence = "expected a header name of small letters, digits and -, and none that a call sets itself, found another; write authorization";
            return Err(refusals.refuse(path, sentence));
        }
        let value = value?;
        if !value.expose().bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            let sentence = "expected printable characters, found others; a header cannot hold them";
            return Err(refusals.refuse(path, sentence));
        }
        secrets.add(path, &value, refusals)?;
        Ok((name, value))
    });
    let each: Vec<_> = each.collect();
    each.into_iter().collect()
}

/// Refuses a look-up by which one provider's people could be taken for another's, or for those of the user service.
pub(crate) fn check_providers(accounts: &Accounts, providers: &Providers, refusals: &mut Refusals) {
    if accounts.looks_up != Ok(true) {
        return;
    }
    if providers.signing_in() == Ok(0) {
        let sentence = "expected a provider that people sign in at, because accounts.find looks them up, found none; remove it";
        let _ = refusals.refuse("accounts.find", sentence);
    }
    let several = providers.signing_in().is_ok_and(|count| count > 1);
    if several && accounts.says_whose == Ok(false) {
        let sentence = "expected a gap that says whose the subject is, because people sign in at several providers, found none; write /users/{claims.iss}/{claims.sub}, or {claims.email}";
        let _ = refusals.refuse("accounts.find.path", sentence);
    }
    let signing_in = providers.readable().filter(|(_, listed)| listed.signs_in == Ok(true));
    for (index, _) in signing_in.filter(|(_, listed)| listed.has_bearer == Ok(true)) {
        let sentence = "expected none, because accounts.find gives people other subjects than its tokens have, found one; write a provider of its own for tokens, without client_id";
        let _ = refusals.refuse(format!("providers[{index}].bearer"), sentence);
    }
}

/// Whether identities come from more than one source. Where accounts are looked up, whoever signs in at the only provider is the
/// user whom the user service knows, as they are by password. (Several may claim what it does not say.)
pub(crate) fn several_claimants(
    providers: &Providers,
    accounts: &Accounts,
    by_password: Checked<bool>,
    signed: Checked<bool>,
) -> Checked<bool> {
    let (count, signing_in) = (providers.count()?, providers.signing_in()?);
    let (by_password, signed) = (by_password?, signed?);
    let looked_up = accounts.looks_up? && signing_in == 1;
    let users = usize::from(by_password && !looked_up);
    // Sessions that services make where nobody signs in are no provider's.
    let sessions_alone = signed && !by_password && signing_in == 0 && count > 0;
    Ok(count.saturating_add(users) > 1 || sessions_alone)
}

#[cfg(test)]
mod tests;
