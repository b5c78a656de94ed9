//! Conditions on a principal, and whether they hold. A condition on an absent claim is neither true nor false; only what is
//! true lets anybody in, so that `not` cannot turn ignorance into permission.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::access::truth::{Truth, any_true, is_listed};
use crate::words::demand::Demand;
use crate::words::principal::{ClaimPath, Claims, Principal, Proof};
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;

/// What a rule asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Requirement {
    /// Nothing. Identity is forwarded when there is one.
    Public,
    /// Somebody who is signed in.
    Authenticated,
    /// Somebody who is signed in and for whom this holds.
    When(Condition),
}

/// A condition on a principal.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// The claim equals one of these values, or is a list that has one of them. (An `email` or a `phone_number` counts only when it
    /// is verified.)
    Claim {
        /// Where the claim stands.
        path: ClaimPath,
        /// Strings, numbers or booleans.
        any_of: Vec<Value>,
    },
    /// The e-mail address is verified, and in one of these domains (lower case).
    EmailDomain(Vec<String>),
    /// Signed in by this provider.
    Provider(String),
    /// Proved by a bearer token.
    Bearer,
    /// All of these are among the token's scopes (`scope`, RFC 8693 section 4.2; `scp`).
    Scope(Vec<String>),
    /// One of these is among the token's audiences.
    Audience(Vec<String>),
    /// The person was authenticated like this (`acr`, `auth_time`).
    Authentication(Demand),
    /// All of them hold.
    All(Vec<Condition>),
    /// One of them holds.
    Any(Vec<Condition>),
    /// It is known not to hold.
    Not(Box<Condition>),
}

/// What time it is, and by how much a provider's clock may differ.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// Our time.
    pub now: Timestamp,
    /// The tolerance.
    pub skew: Duration,
}

impl Requirement {
    /// Whether a principal meets it.
    ///
    /// # Errors
    /// [`Reason::ProviderMismatch`] when signing in with another provider is what is needed; [`Reason::AudienceMissing`],
    /// [`Reason::ScopeMissing`] or [`Reason::AuthenticationInsufficient`] when that is all that is missing; else
    /// [`Reason::ConditionFailed`]. The detail says which claims were looked for and which arrived.
    pub fn check(&self, principal: &Principal, clock: Clock) -> Result<(), Failure> {
        match self {
            Self::Public | Self::Authenticated => Ok(()),
            Self::When(condition) if condition.evaluate(principal, clock) == Truth::True => Ok(()),
            Self::When(condition) => {
                let other_provider = condition.provider().is_some_and(|provider| provider != principal.provider);
                let reason = if other_provider { Reason::ProviderMismatch } else { condition.missing(principal, clock) };
                Err(Failure::new(reason, condition.explain(principal)))
            }
        }
    }

    /// The provider that a person has to use, if the requirement names one outright.
    pub fn provider(&self) -> Option<&str> {
        match self {
            Self::Public | Self::Authenticated => None,
            Self::When(condition) => condition.provider(),
        }
    }

    /// The authentication that is asked for outright; `None` when nobody could make it.
    pub fn demand(&self) -> Option<Demand> {
        match self {
            Self::Public | Self::Authenticated => Some(Demand::default()),
            Self::When(condition) => condition.demand(),
        }
    }

    /// The names of the claims that are looked at, each once.
    pub fn claims(&self) -> Vec<String> {
        let mut found = Vec::new();
        if let Self::When(condition) = self {
            condition.claims(&mut found);
        }
        let mut names = BTreeSet::new();
        names.extend(found.iter().map(ToString::to_string));
        names.into_iter().collect()
    }

    /// Both requirements at once.
    pub fn and(&self, policy: &Condition) -> Self {
        match self {
            Self::Public | Self::Authenticated => Self::When(policy.clone()),
            Self::When(condition) => Self::When(Condition::All(vec![condition.clone(), policy.clone()])),
        }
    }
}

impl Condition {
    fn evaluate(&self, principal: &Principal, clock: Clock) -> Truth {
        match self {
            Self::Claim { path, any_of } => match path.find_verified(&principal.claims, principal.assumed) {
                None => Truth::Unknown,
                Some(Value::Array(members)) => any_true(members.iter().map(|member| is_listed(any_of, member))),
                Some(value) => is_listed(any_of, value),
            },
            Self::EmailDomain(domains) => match verified_email_domain(principal) {
                None => Truth::Unknown,
                Some(domain) => domains.contains(&domain).into(),
            },
            Self::Provider(name) => (*name == principal.provider).into(),
            Self::Bearer => (principal.proof == Proof::BearerToken).into(),
            // What a session's claims call a scope was granted to the sign-in, not to the request.
            Self::Scope(_) if principal.proof != Proof::BearerToken => Truth::Unknown,
            Self::Scope(wanted) => match scopes(&principal.claims) {
                None => Truth::Unknown,
                Some(granted) => wanted.iter().all(|scope| granted.contains(&scope.as_str())).into(),
            },
            // A session's ID token was for us, not for what a rule is about.
            Self::Audience(_) if principal.proof != Proof::BearerToken => Truth::Unknown,
            Self::Audience(wanted) => match principal.claims.get("aud") {
                Some(Value::String(audience)) => wanted.contains(audience).into(),
                Some(Value::Array(audiences)) => {
                    let is_wanted = |audience: &Value| wanted.iter().any(|wanted| audience == wanted);
                    audiences.iter().any(is_wanted).into()
                }
                _ => Truth::Unknown,
            },
            Self::Authentication(demand) => authenticated(demand, &principal.claims, clock),
            // All of them hold, unless any of them does not.
            Self::All(conditions) => {
                any_true(conditions.iter().map(|condition| condition.evaluate(principal, clock).not())).not()
            }
            Self::Any(conditions) => any_true(conditions.iter().map(|condition| condition.evaluate(principal, clock))),
            Self::Not(condition) => condition.evaluate(principal, clock).not(),
        }
    }

    fn provider(&self) -> Option<&str> {
        match self {
            Self::Provider(name) => Some(name),
            Self::All(conditions) => conditions.iter().find_map(Self::provider),
            Self::Claim { .. }
            | Self::EmailDomain(_)
            | Self::Bearer
            | Self::Scope(_)
            | Self::Audience(_)
            | Self::Authentication(_)
            | Self::Any(_)
            | Self::Not(_) => None,
        }
    }

    /// Whether only a bearer token can meet it.
    pub fn demands_token(&self) -> bool {
        match self {
            Self::Bearer | Self::Audience(_) => true,
            Self::All(conditions) => conditions.iter().any(Self::demands_token),
            Self::Claim { .. }
            | Self::EmailDomain(_)
            | Self::Provider(_)
            | Self::Scope(_)
            | Self::Authentication(_)
            | Self::Any(_)
            | Self::Not(_) => false,
        }
    }

    /// What another token, or another sign-in, would have to bring, if nothing else is missing and it is asked for outright.
    fn missing(&self, principal: &Principal, clock: Clock) -> Reason {
        // What is missing beside something that comes before it would not help alone.
        const FIRST: [Reason; 4] =
            [Reason::ConditionFailed, Reason::AudienceMissing, Reason::ScopeMissing, Reason::AuthenticationInsufficient];
        match self {
            Self::Scope(_) => Reason::ScopeMissing,
            Self::Audience(_) if principal.proof == Proof::BearerToken => Reason::AudienceMissing,
            Self::Authentication(_) => Reason::AuthenticationInsufficient,
            Self::All(conditions) => {
                let failing = conditions.iter().filter(|condition| condition.evaluate(principal, clock) != Truth::True);
                let missing: Vec<_> = failing.map(|condition| condition.missing(principal, clock)).collect();
                FIRST.into_iter().find(|reason| missing.contains(reason)).unwrap_or(Reason::ConditionFailed)
            }
            Self::Claim { .. }
            | Self::EmailDomain(_)
            | Self::Provider(_)
            | Self::Bearer
            | Self::Audience(_)
            | Self::Any(_)
            | Self::Not(_) => Reason::ConditionFailed,
        }
    }

    fn demand(&self) -> Option<Demand> {
        match self {
            Self::Authentication(demand) => Some(demand.clone()),
            Self::All(conditions) => {
                conditions.iter().try_fold(Demand::default(), |both, condition| both.and(&condition.demand()?))
            }
            Self::Claim { .. }
            | Self::EmailDomain(_)
            | Self::Provider(_)
            | Self::Bearer
            | Self::Scope(_)
            | Self::Audience(_)
            | Self::Any(_)
            | Self::Not(_) => Some(Demand::default()),
        }
    }

    /// The scopes that are asked for outright.
    pub fn scopes(&self) -> Vec<&str> {
        match self {
            Self::Scope(scopes) => scopes.iter().map(String::as_str).collect(),
            Self::All(conditions) => conditions.iter().flat_map(Self::scopes).collect(),
            Self::Claim { .. }
            | Self::EmailDomain(_)
            | Self::Provider(_)
            | Self::Bearer
            | Self::Audience(_)
            | Self::Authentication(_)
            | Self::Any(_)
            | Self::Not(_) => Vec::new(),
        }
    }

    /// Every claim that is looked at.
    pub fn claims(&self, found: &mut Vec<ClaimPath>) {
        match self {
            Self::Claim { path, .. } => found.extend([path.clone()].into_iter().chain(path.verdict())),
            Self::EmailDomain(_) => found.extend(["email", "email_verified"].map(ClaimPath::named)),
            Self::Provider(_) | Self::Bearer => {}
            Self::Scope(_) => found.extend(["scope", "scp"].map(ClaimPath::named)),
            Self::Audience(_) => found.push(ClaimPath::named("aud")),
            Self::Authentication(demand) => {
                found.extend((!demand.acr_values.is_empty()).then(|| ClaimPath::named("acr")));
                found.extend(demand.max_age.map(|_| ClaimPath::named("auth_time")));
            }
            Self::All(conditions) | Self::Any(conditions) => conditions.iter().for_each(|condition| condition.claims(found)),
            Self::Not(condition) => condition.claims(found),
        }
    }

    /// Which claims were looked for, and which arrived: for the log.
    fn explain(&self, principal: &Principal) -> String {
        let mut looked_for = Vec::new();
        self.claims(&mut looked_for);
        let arrived = looked_for.iter().map(|path| match path.find(&principal.claims) {
            Some(value) => format!("{path} is {}", shortened(&value.to_string())),
            None if path.was_left_out(&principal.claims) => {
                format!("{path} is absent: the provider left it out, there are too many for a token (_claim_names, hasgroups)")
            }
            None => format!("{path} is absent"),
        });
        let provider = self.provider().map(|name| format!("provider {name} is asked for, {} signed in", principal.provider));
        arrived.chain(provider).collect::<Vec<_>>().join("; ")
    }
}

/// Whether claims tell of an authentication that meets a demand. What they do not tell is not so.
pub fn is_authenticated(demand: &Demand, claims: &Claims, clock: Clock) -> bool {
    authenticated(demand, claims, clock) == Truth::True
}

fn authenticated(demand: &Demand, claims: &Claims, clock: Clock) -> Truth {
    let class = match claims.get("acr") {
        _ if demand.acr_values.is_empty() => Truth::True,
        Some(Value::String(class)) => demand.acr_values.contains(class).into(),
        _ => Truth::Unknown,
    };
    let time = claims.get("auth_time").and_then(Value::as_f64).filter(|seconds| *seconds >= 0.0);
    let age = match (demand.max_age, time) {
        (None, _) => Truth::True,
        (Some(_), None) => Truth::Unknown,
        (Some(longest), Some(seconds)) => {
            let time = Timestamp::from_seconds(seconds as u64);
            let (oldest, newest) = (time.plus(Duration::from_secs(longest)).plus(clock.skew), clock.now.plus(clock.skew));
            if time > newest { Truth::Unknown } else { (clock.now <= oldest).into() }
        }
    };
    any_true([class.not(), age.not()].into_iter()).not()
}

/// The scopes that a token has: separated by spaces in `scope`, or a list in `scp`, or both. What is written otherwise says nothing.
fn scopes(claims: &Claims) -> Option<Vec<&str>> {
    let mut scopes = Vec::new();
    for claim in [claims.get("scope"), claims.get("scp")].into_iter().flatten() {
        match claim {
            Value::String(text) => scopes.extend(text.split(' ')),
            Value::Array(members) => {
                for member in members {
                    scopes.push(member.as_str()?);
                }
            }
            _ => return None,
        }
    }
    let plain = |scope: &&str| !scope.contains(char::is_whitespace);
    (!scopes.is_empty() && scopes.iter().all(plain)).then_some(scopes)
}

fn shortened(text: &str) -> String {
    const LONGEST: usize = 200;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain("…".chars()).collect()
}

fn verified_email_domain(principal: &Principal) -> Option<String> {
    let email = ClaimPath::named("email");
    let (local, domain) = email.find_verified(&principal.claims, principal.assumed)?.as_str()?.split_once('@')?;
    let single = !local.is_empty() && !domain.is_empty() && !domain.contains('@');
    single.then(|| domain.to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
