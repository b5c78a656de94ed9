//! The members of a condition that are a single test each. How tests are joined is not known here.

use std::time::Duration;

use serde_json::Value;

use crate::access::requirement::condition::Condition;
use crate::access::requirement::test::{Test, is_scope};
use crate::config::access::calls::{Asked, asked};
use crate::config::access::requirements::known::Known;
use crate::config::access::requirements::written::{ConditionShape, EMPTY_SEPARATOR, NEWEST, OLDEST};
use crate::config::reading::nearest::did_you_mean;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::spellings::Span;
use crate::config::reading::values::{claim_path, each, is_written};
use crate::words::demand::{Demand, LONGEST_ACR_VALUES, is_acr_value};

/// A list of texts, of which each may have been refused.
type Texts = Vec<Checked<String>>;

/// The single tests among the members of a condition.
pub(super) fn leaves(path: &str, shape: &ConditionShape, known: &Known<'_>, refusals: &mut Refusals) -> Vec<Checked<Condition>> {
    let mut all = Vec::new();
    all.extend(claim(path, shape, refusals).transpose());
    if let Some(name) = given(&shape.bearer) {
        match name.and_then(|name| bearer(path, name, known, refusals)) {
            Ok(name) => all.extend([Ok(Test::Bearer.into()), Ok(Test::Provider(name).into())]),
            Err(refused) => all.push(Err(refused)),
        }
    }
    all.extend(given(&shape.scope).map(|scopes| scope(path, scopes?.clone(), refusals)));
    all.extend(given(&shape.audience).map(|audiences| audience(path, audiences?.clone(), refusals)));
    all.extend(authentication(path, shape.acr.clone(), shape.max_auth_age, refusals).transpose());
    all.extend(given(&shape.email_domain).map(|domains| email_domain(path, domains?.clone(), refusals)));
    match given(&shape.mcp).map(|mcp| asked(&format!("{path}.mcp"), mcp?, refusals)) {
        None => {}
        Some(Ok(Asked { calls, scopes })) => {
            all.extend(calls.map(|calls| Ok(Test::Calls(calls).into())));
            all.extend(scopes.map(|scopes| Ok(Test::ScopesOfCalls(scopes).into())));
        }
        Some(Err(refused)) => all.push(Err(refused)),
    }
    all.extend(given(&shape.provider).map(|name| provider(path, name?, known, refusals)));
    all
}

/// Whether any of these tests looks at claims, so that it must be said whose they are.
pub(super) fn speak_of_claims(shape: &ConditionShape) -> bool {
    // A member that is forgotten here would let one provider assert what a rule expects of another.
    matches!(shape.claim, Ok(Some(_)))
        || matches!(shape.email_domain, Ok(Some(_)))
        || matches!(shape.scope, Ok(Some(_)))
        || matches!(shape.audience, Ok(Some(_)))
        || matches!(shape.acr, Ok(Some(_)))
        || matches!(shape.max_auth_age, Ok(Some(_)))
        || matches!(&shape.mcp, Ok(Some(mcp)) if !matches!(mcp.scopes, Ok(None)))
}

/// A member that is written, or the mark that it was refused; `None` if it is not written.
pub(super) fn given<T>(member: &Checked<Option<T>>) -> Option<Checked<&T>> {
    member.as_ref().map(Option::as_ref).map_err(|refused| *refused).transpose()
}

/// Checks `claim`, and what is asked of it: `any_of`, with or without `split`, or `has_key`, with or without `within`.
fn claim(path: &str, shape: &ConditionShape, refusals: &mut Refusals) -> Checked<Option<Condition>> {
    let [any_of, has_key] = [is_written(&shape.any_of), is_written(&shape.has_key)];
    let [split, within] = [is_written(&shape.split), is_written(&shape.within)];
    let mut refuse = |member: &str, sentence: &str| Err(refusals.refuse(format!("{path}.{member}"), sentence));
    if shape.claim.as_ref().is_ok_and(Option::is_none) {
        let members = [("any_of", any_of?), ("has_key", has_key?), ("split", split?), ("within", within?)];
        let Some((member, _)) = members.into_iter().find(|(_, is_written)| *is_written) else { return Ok(None) };
        let sentence = format!("expected the claim that {member} is about, found none; write claim: groups");
        return refuse("claim", &sentence);
    }
    match (any_of, has_key) {
        (Ok(true), Ok(true)) => {
            let sentence = "expected any_of or has_key beside claim, found both; write a condition for each, within all or any";
            return refuse("has_key", sentence);
        }
        (Ok(false), Ok(false)) if shape.claim.is_ok() => {
            let sentence = "expected what is asked of the claim, found nothing; write any_of: [VALUE], or has_key: [NAME]";
            return refuse("any_of", sentence);
        }
        (Ok(true), _) if within == Ok(true) => {
            return refuse("within", "expected has_key beside within, found any_of; remove it, or write has_key: [NAME]");
        }
        (_, Ok(true)) if split == Ok(true) => {
            return refuse("split", "expected any_of beside split, because only a text is split, found has_key; remove it");
        }
        _ => {}
    }
    let claim = given(&shape.claim).map(|claim| claim_path(&format!("{path}.claim"), claim?.clone(), refusals)).transpose();
    let any_of =
        given(&shape.any_of).map(|values| self::values(&format!("{path}.any_of"), values?.clone(), refusals)).transpose();
    let keys = given(&shape.has_key).map(|keys| names(&format!("{path}.has_key"), keys?.clone(), refusals)).transpose();
    let within = given(&shape.within).map(|names| self::names(&format!("{path}.within"), names?.clone(), refusals)).transpose();
    let split = separator(path, shape.split.clone(), any_of.as_ref().ok().and_then(Option::as_deref), refusals);
    let (claim, any_of, split, keys, within) = (claim?, any_of?, split?, keys?, within?);
    Ok(claim.and_then(|path| match (any_of, keys) {
        (Some(any_of), _) => Some(Test::Claim { path, any_of, split }.into()),
        (None, keys) => keys.map(|keys| Test::HasKey { path, keys, within }.into()),
    }))
}

/// Checks `split`, beside the values `any_of` that are good. One that no piece of a text can equal is refused: under `not` it
/// would let everybody in.
fn separator(
    path: &str,
    split: Checked<Option<String>>,
    any_of: Option<&[Value]>,
    refusals: &mut Refusals,
) -> Checked<Option<String>> {
    let Some(split) = split? else { return Ok(None) };
    if split.is_empty() {
        return Err(refusals.refuse(format!("{path}.split"), EMPTY_SEPARATOR));
    }
    let is_no_piece = |value: &Value| value.as_str().is_none_or(|text| text.is_empty() || text.contains(&split));
    if let Some(index) = any_of.and_then(|any_of| any_of.iter().position(is_no_piece)) {
        return Err(refusals.refuse(
            format!("{path}.any_of[{index}]"),
            "expected a text that can stand between two separators, found another value; write it without the separator, and ask for others without split",
        ));
    }
    Ok(Some(split))
}

/// Checks a list of names of members.
fn names(path: &str, names: Texts, refusals: &mut Refusals) -> Checked<Vec<String>> {
    if names.is_empty() || names.iter().flatten().any(String::is_empty) {
        let sentence = "expected names, found none or an empty one; write a list of them, such as [admin]";
        return Err(refusals.refuse(path, sentence));
    }
    names.into_iter().collect()
}

fn values(path: &str, values: Vec<Checked<Value>>, refusals: &mut Refusals) -> Checked<Vec<Value>> {
    if values.is_empty() {
        let sentence = "expected at least one value, found none; a condition without values never holds";
        return Err(refusals.refuse(path, sentence));
    }
    // A Struct holds numbers as doubles, so that larger ones were rounded before they arrive here.
    let inexact = |value: &Value| value.as_f64().is_some_and(|number| value.is_f64() && number.abs() >= 9_007_199_254_740_992.0);
    each(values, |index, value| {
        let sentence = if inexact(&value) {
            "expected a number that floating point can hold exactly, found a larger one; let the provider send it as a text"
        } else if !matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_)) {
            "expected a text, a number, true or false, found something else; list the values themselves"
        } else {
            return Ok(value);
        };
        Err(refusals.refuse(format!("{path}[{index}]"), sentence))
    })
}

/// Checks `scope`, of which a token must have all.
fn scope(path: &str, scopes: Texts, refusals: &mut Refusals) -> Checked<Condition> {
    if scopes.is_empty() || !scopes.iter().flatten().all(|scope| is_scope(scope)) {
        let sentence = "expected scopes without spaces, found none or others; write scope: [hooks:write]";
        return Err(refusals.refuse(format!("{path}.scope"), sentence));
    }
    scopes.into_iter().collect::<Checked<_>>().map(|scopes| Test::Scope(scopes).into())
}

/// Checks `audience`, of which a token must have one.
fn audience(path: &str, audiences: Texts, refusals: &mut Refusals) -> Checked<Condition> {
    if audiences.is_empty() || audiences.iter().flatten().any(String::is_empty) {
        let sentence = "expected audiences, found none or an empty one; write audience: [orders]";
        return Err(refusals.refuse(format!("{path}.audience"), sentence));
    }
    audiences.into_iter().collect::<Checked<_>>().map(|audiences| Test::Audience(audiences).into())
}

/// Checks `acr` and `max_auth_age`, which ask for a stronger or a newer authentication.
fn authentication(
    path: &str,
    acr: Checked<Option<Texts>>,
    max_auth_age: Checked<Option<Span>>,
    refusals: &mut Refusals,
) -> Checked<Option<Condition>> {
    let acr = acr.and_then(|classes| classes.map(|classes| acr_values(path, classes, refusals)).transpose());
    let max_age = max_auth_age.and_then(|span| span.map(|span| max_auth_age_of(path, span, refusals)).transpose());
    let (acr, max_age) = (acr?, max_age?);
    if acr.is_none() && max_age.is_none() {
        return Ok(None);
    }
    let demand = Demand { acr_values: acr.unwrap_or_default(), max_age: max_age.map(|span| span.as_secs()) };
    Ok(Some(Test::Authentication(demand).into()))
}

fn acr_values(path: &str, classes: Texts, refusals: &mut Refusals) -> Checked<Vec<String>> {
    let long = classes.iter().flatten().map(String::len).sum::<usize>() > LONGEST_ACR_VALUES;
    if long || classes.is_empty() || !classes.iter().flatten().all(|class| is_acr_value(class)) {
        return Err(refusals.refuse(
            format!("{path}.acr"),
            "expected classes without spaces and quotes, found none, others or too many; write acr: [\"urn:example:mfa\"]",
        ));
    }
    classes.into_iter().collect()
}

fn max_auth_age_of(path: &str, span: Span, refusals: &mut Refusals) -> Checked<Duration> {
    if span.0 < NEWEST || span.0 > OLDEST {
        let sentence = "expected a span from 30s to 400d, found another; nobody signs in faster";
        return Err(refusals.refuse(format!("{path}.max_auth_age"), sentence));
    }
    Ok(span.0)
}

/// Checks `email_domain`, and gives the domains in lower case.
fn email_domain(path: &str, domains: Texts, refusals: &mut Refusals) -> Checked<Condition> {
    let plain = |domain: &str| {
        domain.contains('.') && domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
    };
    let path = format!("{path}.email_domain");
    if domains.is_empty() {
        let sentence = "expected at least one domain, found none; write email_domain: [example.com]";
        return Err(refusals.refuse(path, sentence));
    }
    let domains = each(domains, |index, domain| {
        if !plain(&domain) {
            let sentence = "expected a domain, found something else; write example.com, without @ and without *";
            return Err(refusals.refuse(format!("{path}[{index}]"), sentence));
        }
        Ok(domain.to_ascii_lowercase())
    });
    domains.map(|domains| Test::EmailDomain(domains).into())
}

/// Checks `bearer`.
fn bearer(path: &str, name: &str, known: &Known<'_>, refusals: &mut Refusals) -> Checked<String> {
    if let Ok(known) = &known.bearer_providers
        && !known.iter().any(|known| known == name)
    {
        let meant = did_you_mean(known.iter().map(String::as_str), name);
        let sentence = format!("expected a provider with bearer: {{audiences: […]}}, found {name}{meant}; give it one");
        return Err(refusals.refuse(format!("{path}.bearer"), sentence));
    }
    Ok(name.to_owned())
}

/// Checks `provider`.
fn provider(path: &str, name: &str, known: &Known<'_>, refusals: &mut Refusals) -> Checked<Condition> {
    if let (Ok(providers), Ok(by_password)) = (&known.providers, known.by_password) {
        let known: Vec<_> = providers.iter().map(String::as_str).chain(by_password).collect();
        if !known.contains(&name) {
            let meant = did_you_mean(known.iter().copied(), name);
            let known = known.join(", ");
            let sentence = format!("expected one of {known}, found {name}{meant}; name a provider above");
            return Err(refusals.refuse(format!("{path}.provider"), sentence));
        }
    }
    Ok(Test::Provider(name.to_owned()).into())
}
