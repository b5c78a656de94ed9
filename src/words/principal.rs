//! Who is asking, how that was proved, until when. A cookie and a bearer token both become a [`Principal`]; after
//! that only the same-origin rule and conditions on tokens ask which it was.

use std::rc::Rc;

use serde_json::{Map, Value};

use crate::words::time::Timestamp;

/// The claims of a token or a session: a JSON object.
pub type Claims = Map<String, Value>;

/// Among kept claims: the names of those that the provider left out because they are too many or too large.
pub const CLAIM_NAMES: &str = "_claim_names";

/// What the name of a client begins with that acts for nobody. No `sub` does: whoever can choose theirs would be taken for it.
pub const CLIENT_PREFIX: &str = "client:";

/// Claims of which one says whether the other was verified.
pub const VERIFIABLE_CLAIMS: [(&str, &str); 2] = [("email", "email_verified"), ("phone_number", "phone_number_verified")];

/// Which addresses and numbers count without a verdict, because the operator answers for a source that gives none
/// (`dangerously_assume_verified`). Where a source says something, its word stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AssumedVerified {
    /// `email`.
    pub email: bool,
    /// `phone_number`.
    pub phone_number: bool,
}

impl AssumedVerified {
    fn has(self, claim: &str) -> bool {
        match claim {
            "email" => self.email,
            "phone_number" => self.phone_number,
            _ => false,
        }
    }
}

/// Whether an address or a number is its holder's own (OpenID Connect Core, section 5.1): whoever may write what they like into
/// their profile must not be taken for somebody else. Verified is `true`, or the text that some providers write for it, and nothing
/// else. Of other claims nobody says so, and they count.
pub fn is_verified(claim: &str, claims: &Claims, assumed: AssumedVerified) -> bool {
    let Some((_, verdict)) = VERIFIABLE_CLAIMS.iter().find(|(name, _)| *name == claim) else { return true };
    match claims.get(*verdict) {
        None | Some(Value::Null) => assumed.has(claim),
        Some(verdict) => *verdict == true || *verdict == "true",
    }
}

/// Somebody whose identity was proved.
#[derive(Clone, Debug, PartialEq)]
pub struct Principal {
    /// The configured provider's name.
    pub provider: String,
    /// `sub`: unique and stable within the provider.
    pub subject: String,
    /// The claims that the configuration names, `sub` included.
    pub claims: Rc<Claims>,
    /// Which of them count without a verdict.
    pub assumed: AssumedVerified,
    /// How it was proved.
    pub proof: Proof,
    /// When the proof ends.
    pub expires: Timestamp,
}

impl Principal {
    /// The name that a person knows themselves by, as far as the claims that are kept have one.
    pub fn name(&self) -> String {
        let known = ["preferred_username", "email", "name"].iter().find_map(|claim| self.claims.get(*claim)?.as_str());
        known.unwrap_or(&self.subject).to_owned()
    }
}

/// How an identity was proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By a session cookie, which browsers also send on requests that other sites cause.
    SessionCookie,
    /// By a provider's bearer token, which only whoever holds it sends.
    BearerToken,
    /// By a session of ours that came as a bearer token. It grants what the session grants, never what a provider's token does.
    SessionToken,
}

/// Where a claim stands: a name, or a path of names into nested objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimPath(Vec<String>);

impl ClaimPath {
    /// A claim at the top.
    pub fn named(name: impl Into<String>) -> Self {
        Self(vec![name.into()])
    }

    /// A path of names; an empty one finds nothing.
    pub fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    /// A path of names with dots between them; `None` when one is empty.
    pub fn dotted(text: &str) -> Option<Self> {
        let names: Vec<_> = text.split('.').map(str::to_owned).collect();
        (!names.iter().any(String::is_empty)).then_some(Self(names))
    }

    /// The claim there. `null` counts as absent.
    pub fn find<'a>(&self, claims: &'a Claims) -> Option<&'a Value> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().try_fold(claims.get(first)?, |value, name| value.as_object()?.get(name)).filter(|value| !value.is_null())
    }

    /// The claim there, as far as it counts: an `email` or a `phone_number` that is not verified is as good as absent ([`is_verified`]).
    pub fn find_verified<'a>(&self, claims: &'a Claims, assumed: AssumedVerified) -> Option<&'a Value> {
        self.find(claims).filter(|_| is_verified(self.first(), claims, assumed))
    }

    /// The claim that says whether the one here was verified, where there is such a claim.
    pub fn verdict(&self) -> Option<Self> {
        VERIFIABLE_CLAIMS.iter().find(|(name, _)| *name == self.first()).map(|(_, verdict)| Self::named(*verdict))
    }

    /// Whether whoever has this claim has that one too.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// The name at the top.
    pub fn first(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Whether the provider says that it left the claim out.
    pub fn was_left_out(&self, claims: &Claims) -> bool {
        let names = claims.get(CLAIM_NAMES).and_then(Value::as_object);
        names.is_some_and(|names| self.0.first().is_some_and(|name| names.contains_key(name)))
    }

    /// Copies the claim there, if there is one, from one object to the same place of another.
    pub fn copy(&self, from: &Claims, to: &mut Claims) {
        let (Some(value), Some((last, parents))) = (self.find(from), self.0.split_last()) else { return };
        let mut place = to;
        for parent in parents {
            let inner = place.entry(parent.clone()).or_insert_with(|| Value::Object(Map::new()));
            match inner {
                Value::Object(inner) => place = inner,
                _ => return,
            }
        }
        place.insert(last.clone(), value.clone());
    }

    /// The same for an object that is not needed any more, which it leaves in pieces: a claim at the top is moved.
    pub fn take(&self, from: &mut Claims, to: &mut Claims) {
        match self.0.as_slice() {
            [name] => move_claim(name, from, to),
            _ => self.copy(from, to),
        }
    }
}

impl std::fmt::Display for ClaimPath {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0.join("."))
    }
}

/// Moves a claim at the top, if there is one, from an object that is not needed any more.
pub fn move_claim(name: &str, from: &mut Claims, to: &mut Claims) {
    if let Some((name, value)) = from.remove_entry(name).filter(|(_, value)| !value.is_null()) {
        to.insert(name, value);
    }
}

/// Whether one of these claims is there. (Most names differ in length: to pass all claims once is quicker than to look each name up.)
pub fn has_any(claims: &Claims, names: &[&str]) -> bool {
    claims.keys().any(|name| names.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Claims {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_path_leads_into_nested_objects_and_a_dotted_name_is_one_name() {
        let claims = object(json!({"realm_access": {"roles": ["a"]}, "https://x/roles": ["b"], "n": null}));
        let path = |names: &[&str]| ClaimPath::new(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(path(&["realm_access", "roles"]).find(&claims), Some(&json!(["a"])));
        assert_eq!(path(&["https://x/roles"]).find(&claims), Some(&json!(["b"])));
        for absent in [path(&["n"]), path(&[]), path(&["realm_access", "roles", "a"]), path(&["x"])] {
            assert_eq!(absent.find(&claims), None);
        }
    }

    #[test]
    fn an_address_counts_when_its_verdict_is_true_or_that_text_and_in_no_other_spelling() {
        let nobody = AssumedVerified::default();
        for (claim, verdict) in VERIFIABLE_CLAIMS {
            for (said, verified) in [(json!(true), true), (json!("true"), true)] {
                let claims = object(json!({claim: "a", verdict: said}));
                assert_eq!(is_verified(claim, &claims, nobody), verified, "{claim} {said}");
            }
            for said in [
                json!(false),
                json!("false"),
                json!(null),
                json!(1),
                json!("1"),
                json!("True"),
                json!("TRUE"),
                json!(" true"),
                json!("yes"),
                json!([true]),
                json!({"value": true}),
                json!("verified"),
                json!(""),
                json!(1.0),
            ] {
                let claims = object(json!({claim: "a", verdict: said}));
                assert!(!is_verified(claim, &claims, nobody), "{claim} {said}");
            }
            assert!(!is_verified(claim, &object(json!({claim: "a"})), nobody));
            // The verdict on the one is none on the other.
            let other = VERIFIABLE_CLAIMS.iter().find(|(name, _)| *name != claim).unwrap().1;
            assert!(!is_verified(claim, &object(json!({claim: "a", other: true})), nobody));
        }
        assert!(is_verified("groups", &Claims::new(), nobody));
    }

    #[test]
    fn to_assume_that_addresses_are_verified_overrules_no_source_that_says_otherwise() {
        let assumed = AssumedVerified { email: true, phone_number: false };
        for (said, verified) in [(json!(null), true), (json!(true), true), (json!(false), false), (json!("no"), false)] {
            assert_eq!(is_verified("email", &object(json!({"email_verified": said})), assumed), verified, "{said}");
        }
        assert!(is_verified("email", &Claims::new(), assumed) && !is_verified("phone_number", &Claims::new(), assumed));
    }

    #[test]
    fn copying_keeps_the_place_and_nothing_else() {
        let claims = object(json!({"a": {"b": 1, "c": 2}, "d": 3}));
        let mut kept = Claims::new();
        ClaimPath::new(vec!["a".into(), "b".into()]).copy(&claims, &mut kept);
        ClaimPath::named("x").copy(&claims, &mut kept);
        assert_eq!(kept, object(json!({"a": {"b": 1}})));
    }

    #[test]
    fn what_is_taken_is_what_would_be_copied_in_whatever_order_it_is_asked_for() {
        let claims = || object(json!({"a": {"b": [1], "c": 2}, "d": null, "e": "f", "g": 3}));
        let path = |names: &[&str]| ClaimPath::new(names.iter().map(|name| (*name).to_owned()).collect());
        let paths = [path(&["a", "b"]), path(&["a"]), path(&["d"]), path(&["e"]), path(&["e"]), path(&["x"]), path(&[])];
        for turn in 0..paths.len() {
            let (mut copied, mut taken, mut from) = (Claims::new(), Claims::new(), claims());
            for path in paths.iter().cycle().skip(turn).take(paths.len()) {
                path.copy(&claims(), &mut copied);
                path.take(&mut from, &mut taken);
            }
            assert_eq!(Value::Object(taken), json!({"a": {"b": [1], "c": 2}, "e": "f"}), "{turn}");
            assert_eq!(copied, *json!({"a": {"b": [1], "c": 2}, "e": "f"}).as_object().unwrap(), "{turn}");
        }
    }
}
