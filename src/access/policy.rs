//! Conditions on a principal, and whether they hold. A condition on an absent claim is neither true nor false; only what is
//! true lets anybody in, so that `not` cannot turn ignorance into permission.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::words::principal::{ClaimPath, Claims, Principal, Proof};
use crate::words::reason::{Failure, Reason};

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
    /// The claim equals one of these values, or is a list that has one of them.
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
    /// All of them hold.
    All(Vec<Condition>),
    /// One of them holds.
    Any(Vec<Condition>),
    /// It is known not to hold.
    Not(Box<Condition>),
}

/// Kleene's three values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    True,
    False,
    Unknown,
}

impl From<bool> for Truth {
    fn from(truth: bool) -> Self {
        if truth { Self::True } else { Self::False }
    }
}

impl Truth {
    const fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}

fn any(truths: impl Iterator<Item = Truth>) -> Truth {
    truths.fold(Truth::False, |so_far, truth| match (so_far, truth) {
        (Truth::True, _) | (_, Truth::True) => Truth::True,
        (Truth::Unknown, _) | (_, Truth::Unknown) => Truth::Unknown,
        (Truth::False, Truth::False) => Truth::False,
    })
}

/// Whether a value is one of those listed. One of another type than all of them says nothing: `"true"` is not known to differ
/// from `true`.
fn one_of(listed: &[Value], value: &Value) -> Truth {
    let same = |other: &Value| match (other, value) {
        // `1` and `1.0` are the same; whole numbers are compared exactly, because large ones are not as floating point.
        (Value::Number(left), Value::Number(right)) if left.is_f64() || right.is_f64() => left.as_f64() == right.as_f64(),
        (left, right) => left == right,
    };
    if listed.iter().any(same) {
        return Truth::True;
    }
    let comparable = |other: &Value| std::mem::discriminant(other) == std::mem::discriminant(value);
    if listed.iter().any(comparable) { Truth::False } else { Truth::Unknown }
}

impl Requirement {
    /// Whether a principal meets it.
    ///
    /// # Errors
    /// [`Reason::ProviderMismatch`] when signing in with another provider is what is needed, else [`Reason::ConditionFailed`];
    /// the detail says which claims were looked for and which arrived.
    pub fn check(&self, principal: &Principal) -> Result<(), Failure> {
        match self {
            Self::Public | Self::Authenticated => Ok(()),
            Self::When(condition) if condition.evaluate(principal) == Truth::True => Ok(()),
            Self::When(condition) => {
                let other_provider = condition.provider().is_some_and(|provider| provider != principal.provider);
                let reason = match other_provider {
                    true => Reason::ProviderMismatch,
                    false if condition.lacks_scope(principal) => Reason::ScopeMissing,
                    false => Reason::ConditionFailed,
                };
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

    /// The names of the claims that are looked at, each once.
    pub fn claims(&self) -> Vec<String> {
        let mut found = Vec::new();
        if let Self::When(condition) = self {
            condition.claims(&mut found);
        }
        let names: BTreeSet<_> = found.iter().map(ToString::to_string).collect();
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
    fn evaluate(&self, principal: &Principal) -> Truth {
        match self {
            Self::Claim { path, any_of } => match path.find(&principal.claims) {
                None => Truth::Unknown,
                Some(Value::Array(members)) => any(members.iter().map(|member| one_of(any_of, member))),
                Some(value) => one_of(any_of, value),
            },
            Self::EmailDomain(domains) => match verified_email_domain(&principal.claims) {
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
            // All of them hold, unless any of them does not.
            Self::All(conditions) => any(conditions.iter().map(|condition| condition.evaluate(principal).not())).not(),
            Self::Any(conditions) => any(conditions.iter().map(|condition| condition.evaluate(principal))),
            Self::Not(condition) => condition.evaluate(principal).not(),
        }
    }

    fn provider(&self) -> Option<&str> {
        match self {
            Self::Provider(name) => Some(name),
            Self::All(conditions) => conditions.iter().find_map(Self::provider),
            Self::Claim { .. } | Self::EmailDomain(_) | Self::Bearer | Self::Scope(_) | Self::Any(_) | Self::Not(_) => None,
        }
    }

    /// Whether only a bearer token can meet it.
    pub fn demands_token(&self) -> bool {
        match self {
            Self::Bearer => true,
            Self::All(conditions) => conditions.iter().any(Self::demands_token),
            Self::Claim { .. } | Self::EmailDomain(_) | Self::Provider(_) | Self::Scope(_) | Self::Any(_) | Self::Not(_) => false,
        }
    }

    /// Whether everything else holds, and a scope that is asked for outright is what is missing.
    fn lacks_scope(&self, principal: &Principal) -> bool {
        match self {
            Self::Scope(_) => self.evaluate(principal) != Truth::True,
            Self::All(conditions) => {
                let failing = || conditions.iter().filter(|condition| condition.evaluate(principal) != Truth::True);
                failing().next().is_some() && failing().all(|condition| condition.lacks_scope(principal))
            }
            Self::Claim { .. } | Self::EmailDomain(_) | Self::Provider(_) | Self::Bearer | Self::Any(_) | Self::Not(_) => false,
        }
    }

    /// The scopes that are asked for outright.
    pub fn scopes(&self) -> Vec<&str> {
        match self {
            Self::Scope(scopes) => scopes.iter().map(String::as_str).collect(),
            Self::All(conditions) => conditions.iter().flat_map(Self::scopes).collect(),
            Self::Claim { .. } | Self::EmailDomain(_) | Self::Provider(_) | Self::Bearer | Self::Any(_) | Self::Not(_) => {
                Vec::new()
            }
        }
    }

    /// Every claim that is looked at.
    pub fn claims(&self, found: &mut Vec<ClaimPath>) {
        match self {
            Self::Claim { path, .. } => found.push(path.clone()),
            Self::EmailDomain(_) => found.extend(["email", "email_verified"].map(ClaimPath::named)),
            Self::Provider(_) | Self::Bearer => {}
            Self::Scope(_) => found.extend(["scope", "scp"].map(ClaimPath::named)),
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

fn verified_email_domain(claims: &Claims) -> Option<String> {
    // Some providers write the boolean as a string.
    let verified = matches!(claims.get("email_verified")?, Value::Bool(true)) || claims.get("email_verified")? == "true";
    let (local, domain) = claims.get("email")?.as_str()?.split_once('@')?;
    let single = !local.is_empty() && !domain.is_empty() && !domain.contains('@');
    (verified && single).then(|| domain.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::time::Timestamp;
    use serde_json::json;

    fn principal(claims: Value) -> Principal {
        Principal {
            provider: "sso".into(),
            subject: "alice".into(),
            claims: claims.as_object().unwrap().clone(),
            proof: Proof::SessionCookie,
            expires: Timestamp::default(),
        }
    }

    fn claim(name: &str, any_of: Value) -> Condition {
        Condition::Claim { path: ClaimPath::named(name), any_of: any_of.as_array().unwrap().clone() }
    }

    fn not(condition: Condition) -> Condition {
        Condition::Not(Box::new(condition))
    }

    fn holds(condition: Condition, claims: Value) -> bool {
        Requirement::When(condition).check(&principal(claims)).is_ok()
    }

    #[test]
    fn a_condition_on_an_absent_claim_is_false_not_included() {
        let absent = || claim("status", json!(["suspended"]));
        for condition in [
            absent(),
            not(absent()),
            not(not(absent())),
            Condition::All(vec![Condition::Provider("sso".into()), not(absent())]),
            Condition::Any(vec![not(absent())]),
            not(Condition::All(vec![absent()])),
            not(Condition::Any(vec![absent()])),
            not(Condition::EmailDomain(vec!["evil.example".into()])),
        ] {
            assert!(!holds(condition.clone(), json!({"status": null})), "{condition:?}");
        }
    }

    #[test]
    fn claims_are_compared_whole_in_value_and_type() {
        let cases = [
            (json!("admin"), true),
            (json!(["x", "admin"]), true),
            (json!("Admin"), false),
            (json!("admins"), false),
            (json!("x admin"), false),
            (json!([["admin"]]), false),
            (json!({"admin": true}), false),
            (json!(true), false),
            (json!([]), false),
        ];
        for (arrived, expected) in cases {
            assert_eq!(holds(claim("groups", json!(["admin"])), json!({"groups": arrived})), expected, "{arrived}");
        }
        assert!(holds(claim("level", json!([3, true])), json!({"level": 3})));
        assert!(!holds(claim("level", json!([3])), json!({"level": "3"})));
    }

    #[test]
    fn a_value_of_another_type_is_not_known_to_differ() {
        let not_suspended = || not(claim("suspended", json!([true])));
        for (arrived, expected) in [
            (json!(false), true),
            (json!(true), false),
            (json!("true"), false),
            (json!({"x": 1}), false),
            (json!(1), false),
            (json!([]), true),
            (json!([false, "x"]), false),
        ] {
            assert_eq!(holds(not_suspended(), json!({"suspended": arrived})), expected, "{arrived}");
        }
        assert!(holds(claim("level", json!([1])), json!({"level": 1.0})));
        assert!(!holds(claim("id", json!([1_187_654_321_098_765_432_u64])), json!({"id": 1_187_654_321_098_765_433_u64})));
    }

    #[test]
    fn all_any_and_not_combine() {
        let staff = || claim("groups", json!(["staff"]));
        let admin = || claim("groups", json!(["admin"]));
        let claims = json!({"groups": ["staff"]});
        assert!(holds(Condition::All(vec![staff(), not(admin())]), claims.clone()));
        assert!(holds(Condition::Any(vec![admin(), staff()]), claims.clone()));
        assert!(!holds(Condition::All(vec![staff(), admin()]), claims.clone()));
        assert!(!holds(Condition::Any(vec![]), claims));
    }

    #[test]
    fn a_domain_counts_only_whole_and_only_with_a_verified_address() {
        let domain = || Condition::EmailDomain(vec!["example.com".into()]);
        for (email, verified, expected) in [
            ("a@example.com", json!(true), true),
            ("a@EXAMPLE.com", json!("true"), true),
            ("a@example.com", json!(false), false),
            ("a@example.com", json!(null), false),
            ("a@badexample.com", json!(true), false),
            ("a@example.com.evil", json!(true), false),
            ("a@evil@example.com", json!(true), false),
            ("@example.com", json!(true), false),
            ("example.com", json!(true), false),
        ] {
            assert_eq!(holds(domain(), json!({"email": email, "email_verified": verified})), expected, "{email} {verified}");
        }
    }

    #[test]
    fn the_refusal_says_what_was_looked_for_and_what_arrived() {
        let condition = Condition::All(vec![claim("groups", json!(["admin"])), claim("level", json!([1]))]);
        let failure = Requirement::When(condition).check(&principal(json!({"groups": ["staff"]}))).unwrap_err();
        assert_eq!(failure, Failure::new(Reason::ConditionFailed, r#"groups is ["staff"]; level is absent"#));
        let other = Requirement::When(Condition::Provider("corp".into()));
        assert_eq!(other.check(&principal(json!({}))).unwrap_err().reason, Reason::ProviderMismatch);
    }
}
