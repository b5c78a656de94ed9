//! The part `accounts`: what the user service is asked, what its answers mean, and whom it is asked about. What somebody may do
//! is never known here.

mod call;
mod exchanges;
pub(crate) mod written;

use crate::accounts::UserService;
use crate::accounts::directory::{Directory, Find};
use crate::accounts::template::Gap;
use crate::accounts::user::Mapping;
use crate::config::providers::Providers;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::secrets::Secrets;
use crate::config::reading::spellings::Dotted;
use crate::config::reading::values::{assumed_verified, is_written};
use crate::config::signing_in::accounts::call::Defaults;
use crate::config::signing_in::accounts::exchanges::{create, find, notify, verify};
use crate::config::signing_in::accounts::written::AccountsShape;
use crate::session::jwt::RESERVED;
use crate::words::principal::{AssumedVerified, ClaimPath, VERIFIABLE_CLAIMS};
use crate::words::secret::Secret;

/// Headers that every call sets itself, so that the configuration must not.
const SET_BY_CALLS: [&str; 8] =
    ["host", "accept", "accept-encoding", "content-type", "content-length", "connection", "transfer-encoding", "x-request-id"];

/// Claims that say how somebody signed in, or what for. A user service cannot know that.
const OF_THE_SIGN_IN: [&str; 7] = ["sub", "acr", "amr", "auth_time", "azp", "scope", "scp"];

/// What is known of the user service, whether good or refused.
pub(crate) struct Accounts {
    /// Whether it checks names and passwords.
    pub(crate) verifies: Checked<bool>,
    /// Whether people who signed in at a provider are looked up there.
    pub(crate) looks_up: Checked<bool>,
    /// Whether such a look-up says at which provider they signed in.
    says_whose: Checked<bool>,
    /// Its settings; `None` without a user service.
    pub(crate) settings: Checked<Option<UserService>>,
}

impl Accounts {
    const NONE: Self = Self { verifies: Ok(false), looks_up: Ok(false), says_whose: Ok(false), settings: Ok(None) };
}

/// Checks the user service, if there is one.
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
    let mut defaults = Defaults { cluster: shape.cluster, authority: shape.authority, headers };
    let assumed = match &shape.claims {
        Ok(claims) => verdicts(claims, shape.dangerously_assume_verified, refusals),
        Err(refused) => Err(*refused),
    };
    let claims = shape.claims.and_then(|claims| mapped(claims, refusals));
    let verify = shape.verify.and_then(|shape| shape.map(|shape| verify(shape, &mut defaults, refusals)).transpose());
    let find = shape.find.and_then(|shape| shape.map(|shape| find(shape, &mut defaults, refusals)).transpose());
    let create = shape.create.and_then(|shape| shape.map(|shape| create(shape, &mut defaults, refusals)).transpose());
    let notify = shape.notify.and_then(|shape| shape.map(|shape| notify(shape, &mut defaults, refusals)).transpose());
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
        Ok(Some(UserService { mapping, assumed_verified: assumed?, verify: verify?, directory: find.and_then(directory)? }))
    };
    Accounts { verifies, looks_up, says_whose, settings: settings() }
}

/// Refuses members that mean nothing without `find`, and a user service that is never asked.
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

/// Checks that each address or number among the claims comes with whether it is verified, or is listed in
/// `dangerously_assume_verified`: otherwise it would never count.
fn verdicts(
    claims: &[(String, Checked<Dotted>)],
    assumed: Checked<Vec<Checked<String>>>,
    refusals: &mut Refusals,
) -> Checked<AssumedVerified> {
    let assumed = assumed?;
    let has = |claim: &str| claims.iter().any(|(name, _)| name == claim);
    let mut checked = Ok(());
    for (claim, verdict) in VERIFIABLE_CLAIMS {
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
        if name.is_empty() || !plain || SET_BY_CALLS.contains(&name.as_str()) {
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

/// Refuses a look-up by which somebody of one provider could be taken for somebody of another.
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

/// Whether claims come from more than one source. `by_password` says whether people sign in by password, `signed` whether
/// sessions are JWTs. Where people of the only provider are looked up, they are the same users as by password, with the same
/// claims. (Several providers may still differ in the claims that the user service does not say.)
pub(crate) fn several_claimants(
    providers: &Providers,
    accounts: &Accounts,
    by_password: Checked<bool>,
    signed: Checked<bool>,
) -> Checked<bool> {
    let (count, signing_in) = (providers.vouching()?, providers.signing_in()?);
    let (by_password, signed) = (by_password?, signed?);
    let looked_up = accounts.looks_up? && signing_in == 1;
    let users = usize::from(by_password && !looked_up);
    // Where nobody signs in here, services sign sessions, whose claims come from no provider.
    let sessions_alone = signed && !by_password && signing_in == 0 && count > 0;
    Ok(count.saturating_add(users) > 1 || sessions_alone)
}

#[cfg(test)]
mod tests;
