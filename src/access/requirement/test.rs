//! The single tests that conditions are made of: whether each holds, which claims it looks at, and what would help where it does
//! not hold. A test on an absent claim is neither true nor false. How tests are joined is not known here.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::access::mcp::call::Call;
use crate::access::mcp::calls::{Calls, ScopesOfCalls};
use crate::access::requirement::kept_members::Compared;
use crate::access::truth::{Truth, any_true, has_one_of, is_listed, is_text_listed};
use crate::words::demand::Demand;
use crate::words::principal::{ClaimPath, Claims, Principal, Proof, VERIFIABLE_CLAIMS};
use crate::words::reason::Reason;
use crate::words::time::Timestamp;

/// Claims that say of a token whose, for whom, of which kind it is, and how, when and where somebody signed in: OpenID Connect Core
/// (sections 2 and 3.1.3.6), RFC 7519, 7662 and 9068, and the names that providers have for another one behind them. Everybody who
/// signs in can have the same.
const OF_PROTOCOL: [&str; 28] = [
    "acr",
    "acrs",
    "active",
    "amr",
    "appid",
    "at_hash",
    "aud",
    "auth_time",
    "azp",
    "c_hash",
    "client_id",
    "cnf",
    "events",
    "exp",
    "iat",
    "identity_provider",
    "idp",
    "idtyp",
    "iss",
    "jti",
    "nbf",
    "nonce",
    "s_hash",
    "sid",
    "token_type",
    "token_use",
    "typ",
    "ver",
];

/// Whether a scope can permit something. (Those of OpenID Connect Core, sections 5.4 and 11, permit nothing here.)
fn permits(scope: &str) -> bool {
    !["", "openid", "profile", "email", "address", "phone", "offline_access"].contains(&scope)
}

/// A test of a principal.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// The claim at `path` equals one of the values in `any_of`, which are strings, numbers or booleans, or it is a list that has
    /// one of them. With `split`, a separator that is not empty, a text is one if one of its pieces is; members of a list are
    /// never split. (An `email` or a `phone_number` counts only when it is verified.)
    #[expect(missing_docs, reason = "the variant tells of all three")]
    Claim { path: ClaimPath, any_of: Vec<Value>, split: Option<String> },
    /// The claim at `path` is an object that has one of these `keys`, with a value that is neither empty nor false. With
    /// `within`, this value is an object itself, and the same is asked of it: it has one of the keys `within`. (A verified claim,
    /// as above.)
    #[expect(missing_docs, reason = "the variant tells of all three")]
    HasKey { path: ClaimPath, keys: Vec<String>, within: Option<Vec<String>> },
    /// The e-mail address is verified, and its domain is one of these, which are in lower case.
    EmailDomain(Vec<String>),
    /// The principal signed in at the provider of this name, or has its bearer token.
    Provider(String),
    /// The principal proved itself by a bearer token.
    Bearer,
    /// All of these are among the scopes of the bearer token (`scope`, RFC 8693 section 4.2, or `scp`).
    Scope(Vec<String>),
    /// One of these is among the audiences of the bearer token (`aud`).
    Audience(Vec<String>),
    /// The person's authentication meets this demand (`acr`, `auth_time`).
    Authentication(Demand),
    /// The request calls one of these at an MCP server.
    Calls(Calls),
    /// The bearer token has the scopes that the request's call needs; of a call that is not known, those of all.
    ScopesOfCalls(ScopesOfCalls),
}

/// When something is tested. The clock is read when a request begins, and again when it goes on after a wait.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moment {
    /// The time here.
    pub now: Timestamp,
    /// How far the clock of the provider that speaks of times may be off.
    pub skew: Duration,
}

/// All that a test may look at.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// When.
    pub moment: Moment,
    /// What the request calls at an MCP server.
    pub call: &'a Call,
}

impl Test {
    /// Whether it holds.
    pub(super) fn holds(&self, case: Case<'_>) -> Truth {
        let principal = case.principal;
        match self {
            Self::Claim { path, any_of, split } => match (path.find_verified(&principal.claims, principal.assumed), split) {
                (None, _) => Truth::Unknown,
                (Some(Value::Array(members)), _) => any_true(members.iter().map(|member| is_listed(any_of, member))),
                (Some(Value::String(text)), Some(separator)) => {
                    any_true(text.split(separator.as_str()).map(|piece| is_text_listed(any_of, piece)))
                }
                (Some(value), _) => is_listed(any_of, value),
            },
            Self::HasKey { path, keys, within } => match path.find_verified(&principal.claims, principal.assumed) {
                Some(Value::Object(members)) => has_key(members, keys, within.as_deref()),
                _ => Truth::Unknown,
            },
            Self::EmailDomain(domains) => match verified_email_domain(principal) {
                None => Truth::Unknown,
                Some(domain) => domains.contains(&domain).into(),
            },
            Self::Provider(name) => (*name == principal.provider).into(),
            Self::Bearer => (principal.proof == Proof::BearerToken).into(),
            // The scopes among a session's claims were granted to us at the sign-in, not to whoever sends the request; and the
            // audience of its ID token is Accredit itself, not the service that a rule is about.
            Self::Scope(_) | Self::Audience(_) | Self::ScopesOfCalls(_) if principal.proof != Proof::BearerToken => {
                Truth::Unknown
            }
            Self::Scope(wanted) => has_scopes(principal, wanted.iter().map(String::as_str)),
            Self::ScopesOfCalls(wanted) => match wanted.of(case.call).next() {
                None => Truth::True,
                Some(_) => has_scopes(principal, wanted.of(case.call)),
            },
            Self::Calls(calls) => calls.fits(case.call),
            Self::Audience(wanted) => match principal.claims.get("aud") {
                Some(Value::String(audience)) => wanted.contains(audience).into(),
                Some(Value::Array(audiences)) => {
                    let is_wanted = |audience: &Value| wanted.iter().any(|wanted| audience == wanted);
                    audiences.iter().any(is_wanted).into()
                }
                _ => Truth::Unknown,
            },
            Self::Authentication(demand) => authenticated(demand, &principal.claims, case.moment),
        }
    }

    /// Whether it can hold only for somebody who brings a bearer token.
    pub(super) const fn demands_token(&self) -> bool {
        matches!(self, Self::Bearer | Self::Audience(_))
    }

    /// The calls to an MCP server that it is about, if it is about any.
    pub const fn calls(&self) -> Option<&Calls> {
        match self {
            Self::Calls(calls) => Some(calls),
            _ => None,
        }
    }

    /// Whether it looks at what a request calls at an MCP server.
    pub const fn looks_at_calls(&self) -> bool {
        matches!(self, Self::Calls(_) | Self::ScopesOfCalls(_))
    }

    /// Whether it says something of somebody: not only where, how or when they signed in, or for whom or of which kind their token is,
    /// also where it asks that of a claim. (Some providers give anybody a token for any audience.)
    pub(super) fn names_somebody(&self) -> bool {
        match self {
            Self::Claim { path, any_of, .. } if ["scope", "scp"].contains(&path.first()) => {
                any_of.iter().all(|value| value.as_str().is_some_and(|text| text.split(' ').any(permits)))
            }
            Self::Claim { path, .. } | Self::HasKey { path, .. } => {
                let is_verdict = VERIFIABLE_CLAIMS.iter().any(|(_, verdict)| *verdict == path.first());
                !is_verdict && !OF_PROTOCOL.contains(&path.first())
            }
            Self::EmailDomain(_) => true,
            Self::Scope(scopes) => scopes.iter().any(|scope| permits(scope)),
            Self::Provider(_) | Self::Bearer | Self::Audience(_) | Self::Authentication(_) => false,
            Self::Calls(_) | Self::ScopesOfCalls(_) => false,
        }
    }

    /// The reason that is given where the test does not hold. It says what another token, or another sign-in, would have to
    /// bring.
    pub(super) fn missing(&self, principal: &Principal) -> Reason {
        match self {
            Self::Scope(_) | Self::ScopesOfCalls(_) => Reason::ScopeMissing,
            Self::Audience(_) if principal.proof == Proof::BearerToken => Reason::AudienceMissing,
            Self::Authentication(_) => Reason::AuthenticationInsufficient,
            Self::Claim { .. }
            | Self::HasKey { .. }
            | Self::EmailDomain(_)
            | Self::Provider(_)
            | Self::Bearer
            | Self::Calls(_)
            | Self::Audience(_) => Reason::ConditionFailed,
        }
    }

    /// What it looked for and found, as phrases for the log. (`explain` in `requirement` adds the provider that is asked for.)
    pub(super) fn found(&self, case: Case<'_>) -> Vec<String> {
        let mut looked_for = Vec::new();
        self.claims(&mut looked_for);
        if let Self::Calls(_) | Self::ScopesOfCalls(_) = self {
            let claims = looked_for.iter().map(|path| claim_found(path, &case.principal.claims));
            return [case.call.says()].into_iter().chain(claims).collect();
        }
        looked_for.iter().map(|path| claim_found(path, &case.principal.claims)).collect()
    }

    /// What it asks for, as a phrase for the log, with the values that are configured.
    pub(super) fn wanted(&self) -> String {
        let one_of = |values: Value| match values.as_array().map(Vec::as_slice) {
            Some([only]) => only.to_string(),
            _ => ["one of ", &values.to_string()].concat(),
        };
        let texts = |texts: &[String]| Value::from(texts);
        match self {
            Self::Claim { path, any_of, split: None } => format!("{path}: {}", one_of(Value::from(any_of.as_slice()))),
            Self::Claim { path, any_of, split: Some(separator) } => {
                format!("{path}, split at {separator:?}: {}", one_of(Value::from(any_of.as_slice())))
            }
            Self::HasKey { path, keys, within: None } => format!("a key in {path}: {}", one_of(texts(keys))),
            Self::HasKey { path, keys, within: Some(within) } => {
                format!("a key in {path}: {}, with a key in it: {}", one_of(texts(keys)), one_of(texts(within)))
            }
            Self::EmailDomain(domains) => ["a verified e-mail address at ", &one_of(texts(domains))].concat(),
            Self::Provider(name) => ["provider ", name].concat(),
            Self::Bearer => "a bearer token".to_owned(),
            Self::Scope(scopes) => ["a bearer token with the scopes ", &texts(scopes).to_string()].concat(),
            Self::Audience(audiences) => ["a bearer token for ", &one_of(texts(audiences))].concat(),
            Self::Calls(calls) => ["a call of ", &calls.in_words()].concat(),
            Self::ScopesOfCalls(scopes) => ["a bearer token with the scopes of its call: ", &scopes.in_words()].concat(),
            Self::Authentication(demand) => {
                let class = (!demand.acr_values.is_empty()).then(|| ["acr: ", &one_of(texts(&demand.acr_values))].concat());
                let age = demand.max_age.map(|longest| format!("a sign-in at most {longest} s ago"));
                class.into_iter().chain(age).collect::<Vec<_>>().join(" and ")
            }
        }
    }

    /// Adds every claim that the test looks at to `found`.
    pub(super) fn claims(&self, found: &mut Vec<ClaimPath>) {
        match self {
            Self::Claim { path, .. } | Self::HasKey { path, .. } => {
                found.extend([path.clone()].into_iter().chain(path.verdict()))
            }
            Self::EmailDomain(_) => found.extend(["email", "email_verified"].map(ClaimPath::named)),
            Self::Provider(_) | Self::Bearer | Self::Calls(_) => {}
            Self::Scope(_) | Self::ScopesOfCalls(_) => found.extend(["scope", "scp"].map(ClaimPath::named)),
            Self::Audience(_) => found.push(ClaimPath::named("aud")),
            Self::Authentication(demand) => {
                found.extend((!demand.acr_values.is_empty()).then(|| ClaimPath::named("acr")));
                found.extend(demand.max_age.map(|_| ClaimPath::named("auth_time")));
            }
        }
    }

    /// What it compares the members of a list with, if it looks at lists. All other tests say the same of a list whatever its
    /// members are: that it is unknown. (Those on scopes and audiences look at bearer tokens alone, of which all is kept.)
    pub(super) fn compared(&self) -> Option<Compared> {
        match self {
            Self::Claim { path, any_of, .. } => Some(Compared { claim: path.clone(), values: any_of.clone() }),
            Self::HasKey { .. } | Self::EmailDomain(_) | Self::Provider(_) | Self::Bearer => None,
            Self::Scope(_) | Self::Audience(_) | Self::Authentication(_) | Self::Calls(_) | Self::ScopesOfCalls(_) => None,
        }
    }
}

/// Whether a bearer token has all of these scopes.
fn has_scopes<'a>(principal: &Principal, mut wanted: impl Iterator<Item = &'a str>) -> Truth {
    let granted = scopes(&principal.claims);
    granted.map_or(Truth::Unknown, |granted| wanted.all(|scope| granted.contains(&scope)).into())
}

/// Whether an object has one of the keys; with `within`, whether the object that is the value of one of them has one of those.
/// What is there and no object has nothing within that could be known.
fn has_key(object: &Map<String, Value>, keys: &[String], within: Option<&[String]>) -> Truth {
    let Some(within) = within else { return has_one_of(object, keys).into() };
    any_true(keys.iter().filter_map(|key| object.get(key)).map(|value| match value {
        Value::Object(inner) => has_one_of(inner, within).into(),
        _ => Truth::Unknown,
    }))
}

fn claim_found(path: &ClaimPath, claims: &Claims) -> String {
    match path.find(claims) {
        Some(value) => format!("{path} is {}", shortened(&value.to_string())),
        None if path.was_left_out(claims) => {
            format!("{path} is absent: the provider left it out, there are too many for a token (_claim_names, hasgroups)")
        }
        None => format!("{path} is absent"),
    }
}

/// At most 200 characters of a text.
pub(super) fn shortened(text: &str) -> String {
    const LONGEST: usize = 200;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain("…".chars()).collect()
}

/// Whether claims show an authentication that meets a demand. Where a claim is absent that the demand asks for, they do not.
pub fn is_authenticated(demand: &Demand, claims: &Claims, moment: Moment) -> bool {
    authenticated(demand, claims, moment) == Truth::True
}

fn authenticated(demand: &Demand, claims: &Claims, moment: Moment) -> Truth {
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
            let (oldest, newest) = (time.plus(Duration::from_secs(longest)).plus(moment.skew), moment.now.plus(moment.skew));
            if time > newest { Truth::Unknown } else { (moment.now <= oldest).into() }
        }
    };
    any_true([class.not(), age.not()].into_iter()).not()
}

/// Whether a text can be a scope (RFC 6749, section 3.3), so that it can stand in a challenge.
pub fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
}

/// The scopes of a bearer token: from `scope` and `scp`, each a text with spaces between them or a list of texts. `None` when
/// there are none, or when one of both is anything else.
pub fn scopes(claims: &Claims) -> Option<Vec<&str>> {
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

fn verified_email_domain(principal: &Principal) -> Option<String> {
    let email = ClaimPath::named("email");
    let (local, domain) = email.find_verified(&principal.claims, principal.assumed)?.as_str()?.split_once('@')?;
    let single = !local.is_empty() && !domain.is_empty() && !domain.contains('@');
    single.then(|| domain.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_that_do_not_show_what_a_demand_asks_for_do_not_meet_it() {
        let moment = Moment { now: Timestamp::from_seconds(1_000), skew: Duration::from_secs(60) };
        let demand = Demand { acr_values: vec!["gold".into()], max_age: Some(100) };
        for (claims, good) in [
            (json!({"acr": "gold", "auth_time": 1_000}), true),
            (json!({"acr": "silver", "auth_time": 1_000}), false),
            (json!({"acr": "gold", "auth_time": 1}), false),
            (json!({"acr": "gold"}), false),
            (json!({"auth_time": 1_000}), false),
            (json!({}), false),
        ] {
            assert_eq!(is_authenticated(&demand, claims.as_object().unwrap(), moment), good, "{claims}");
        }
        assert!(is_authenticated(&Demand::default(), &Claims::new(), moment));
    }
}
