//! Who is asking, how that was proved, and until when the proof is valid. A session cookie and a bearer token both become a
//! [`Principal`]; after that only the rule against cross-site requests and conditions on tokens ask which of the two it was.
//! Nothing is proved here.

use std::rc::Rc;

use serde_json::{Map, Value};

use crate::words::time::Timestamp;

/// The claims of a token or a session, by name.
pub type Claims = Map<String, Value>;

/// The claim that lists the claims which the provider left out of a token, because they are too many or too large (OpenID Connect
/// Core, section 5.6.2). A session keeps it.
pub const CLAIM_NAMES: &str = "_claim_names";

/// The prefix of the subject of a client that acts for itself, not for a person.
pub const CLIENT_PREFIX: &str = "client:";

/// The prefix of the subject of somebody whom a provider names only by `username` (RFC 7662, section 2.2). It is no `sub`: nobody
/// has promised that it is unique and never given to another person.
pub const USERNAME_PREFIX: &str = "username:";

/// Whether a subject has a prefix that only we put before one. A `sub` like that is refused: whoever can choose their own `sub`
/// could otherwise pass for a client, or for somebody by their name.
pub fn is_reserved(subject: &str) -> bool {
    [CLIENT_PREFIX, USERNAME_PREFIX].iter().any(|prefix| subject.starts_with(prefix))
}

/// The claims that count only if they are verified, each with the claim that says so (OpenID Connect Core, section 5.1).
pub const VERIFIABLE_CLAIMS: [(&str, &str); 2] = [("email", "email_verified"), ("phone_number", "phone_number_verified")];

/// Which claims count as verified if their source does not say whether they are. The operator vouches for such a source
/// (`dangerously_assume_verified`). A source that does say it is believed.
#[expect(missing_docs, reason = "the fields are the names of the claims")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AssumedVerified {
    pub email: bool,
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

/// Whether a claim may be relied on. `email` and `phone_number` count only if they are verified (OpenID Connect Core, section
/// 5.1): otherwise somebody could write another person's address into their own profile. The verdict must be `true`, or the text
/// `"true"` that some providers send instead. All other claims have no verdict, and count.
pub fn is_verified(claim: &str, claims: &Claims, assumed: AssumedVerified) -> bool {
    let Some((_, verdict)) = VERIFIABLE_CLAIMS.iter().find(|(name, _)| *name == claim) else { return true };
    match claims.get(*verdict) {
        None | Some(Value::Null) => assumed.has(claim),
        Some(verdict) => *verdict == true || *verdict == "true",
    }
}

/// An e-mail address in the form in which addresses are compared: a domain has no upper and lower case.
pub fn canonical_email(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((local, domain)) => format!("{local}@{}", domain.to_ascii_lowercase()),
        None => address.to_owned(),
    }
}

/// Somebody whose identity was proved.
#[derive(Clone, Debug, PartialEq)]
pub struct Principal {
    /// The configured name of the provider that proved the identity.
    pub provider: String,
    /// `sub`: unique and stable within the provider. For a token without `sub`, another name with a prefix that no `sub` has
    /// ([`is_reserved`]).
    pub subject: String,
    /// The claims that the configuration names, and `sub`.
    pub claims: Rc<Claims>,
    /// Which of the claims count as verified without a verdict.
    pub assumed: AssumedVerified,
    /// How the identity was proved.
    pub proof: Proof,
    /// When the proof ends: the session or the token has expired then.
    pub expires: Timestamp,
}

impl Principal {
    /// The name to show to the person: `preferred_username`, `email` or `name`, whichever is the first among the kept claims,
    /// else the subject.
    pub fn name(&self) -> String {
        let known = ["preferred_username", "email", "name"].iter().find_map(|claim| self.claims.get(*claim)?.as_str());
        known.unwrap_or(&self.subject).to_owned()
    }
}

/// How an identity was proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By a session cookie. Browsers send it with requests that other sites cause, too.
    SessionCookie,
    /// By a provider's bearer token. Browsers do not send it by themselves.
    BearerToken,
    /// By a session of ours that was sent as a bearer token. It grants what the session grants, and never what only a provider's
    /// token grants.
    SessionToken,
}

/// Where a claim stands: a name, or a path of names into nested objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimPath(Vec<String>);

impl ClaimPath {
    /// The path of a claim in the outermost object.
    pub fn named(name: impl Into<String>) -> Self {
        Self(vec![name.into()])
    }

    /// A path of names, from the outermost object inwards. An empty path finds nothing.
    pub fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    /// Reads names that are separated by dots; `None` if one of them is empty.
    pub fn dotted(text: &str) -> Option<Self> {
        let names: Vec<_> = text.split('.').map(str::to_owned).collect();
        (!names.iter().any(String::is_empty)).then_some(Self(names))
    }

    /// The value at this path; `None` if it is absent or `null`.
    pub fn find<'a>(&self, claims: &'a Claims) -> Option<&'a Value> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().try_fold(claims.get(first)?, |value, name| value.as_object()?.get(name)).filter(|value| !value.is_null())
    }

    /// The value at this path, to be changed; `None` if it is absent.
    pub fn find_mut<'a>(&self, claims: &'a mut Claims) -> Option<&'a mut Value> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().try_fold(claims.get_mut(first)?, |value, name| value.as_object_mut()?.get_mut(name))
    }

    /// The value at this path; `None` if it is absent, `null`, or an `email` or a `phone_number` that is not verified
    /// ([`is_verified`]).
    pub fn find_verified<'a>(&self, claims: &'a Claims, assumed: AssumedVerified) -> Option<&'a Value> {
        self.find(claims).filter(|_| is_verified(self.first(), claims, assumed))
    }

    /// The path of the claim that says whether this one is verified, if it is one of [`VERIFIABLE_CLAIMS`].
    pub fn verdict(&self) -> Option<Self> {
        VERIFIABLE_CLAIMS.iter().find(|(name, _)| *name == self.first()).map(|(_, verdict)| Self::named(*verdict))
    }

    /// Whether the value at this path contains the one at `other`, or is the same.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// The name in the outermost object; empty for an empty path.
    pub fn first(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Whether the provider says that it left this claim out of the token ([`CLAIM_NAMES`]).
    pub fn was_left_out(&self, claims: &Claims) -> bool {
        let names = claims.get(CLAIM_NAMES).and_then(Value::as_object);
        names.is_some_and(|names| self.0.first().is_some_and(|name| names.contains_key(name)))
    }

    /// The names, from the outermost object inwards.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Copies the value at this path, if there is one, to the same path of another object, unless something that is no object is
    /// in the way there.
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

    /// Like [`ClaimPath::copy`], for a source that is not needed any more: a claim of the outermost object is moved out of it,
    /// which saves the copy.
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

/// Moves a claim of the outermost object, if it is there and not `null`, out of an object that is not needed any more.
pub fn move_claim(name: &str, from: &mut Claims, to: &mut Claims) {
    if let Some((name, value)) = from.remove_entry(name).filter(|(_, value)| !value.is_null()) {
        to.insert(name, value);
    }
}

/// Whether one of these claims is there. (One pass over all claims is faster than a lookup of each name, because most names
/// differ in length.)
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
    fn what_is_changed_at_a_path_is_what_is_found_there() {
        let mut claims = object(json!({"realm_access": {"roles": ["a"]}, "groups": ["b"]}));
        for path in [ClaimPath::dotted("realm_access.roles").unwrap(), ClaimPath::named("groups")] {
            *path.find_mut(&mut claims).unwrap() = json!(["c"]);
            assert_eq!(path.find(&claims), Some(&json!(["c"])));
        }
        for absent in ["x", "realm_access.x", "groups.x"].map(|text| ClaimPath::dotted(text).unwrap()) {
            assert_eq!(absent.find_mut(&mut claims), None, "{absent}");
        }
        assert_eq!(claims, object(json!({"realm_access": {"roles": ["c"]}, "groups": ["c"]})));
    }

    #[test]
    fn a_path_finds_no_address_without_its_own_verdict_and_every_other_claim() {
        let nobody = AssumedVerified::default();
        let claims = object(json!({"email": "a@x", "email_verified": true, "phone_number": "1", "groups": ["a"]}));
        let found = |name: &str, assumed| ClaimPath::named(name).find_verified(&claims, assumed).cloned();
        assert_eq!((found("email", nobody), found("groups", nobody)), (Some(json!("a@x")), Some(json!(["a"]))));
        assert_eq!((found("phone_number", nobody), found("x", nobody)), (None, None));
        assert_eq!(found("phone_number", AssumedVerified { phone_number: true, ..nobody }), Some(json!("1")));
        for (claim, verdict) in VERIFIABLE_CLAIMS {
            assert_eq!(ClaimPath::named(claim).verdict(), Some(ClaimPath::named(verdict)));
            assert_eq!(ClaimPath::named(verdict).verdict(), None);
        }
        assert_eq!(ClaimPath::named("groups").verdict(), None);
    }

    #[test]
    fn a_path_covers_itself_and_what_is_inside_and_nothing_else() {
        let [outer, inner, other] = ["a", "a.b", "ab"].map(|text| ClaimPath::dotted(text).unwrap());
        assert!(outer.covers(&outer) && outer.covers(&inner) && inner.covers(&inner));
        assert!(!inner.covers(&outer) && !outer.covers(&other) && !other.covers(&outer));
    }

    #[test]
    fn a_claim_was_left_out_only_if_the_provider_names_it_as_such() {
        let groups = ClaimPath::named("groups");
        assert!(groups.was_left_out(&object(json!({"_claim_names": {"groups": "src1"}}))));
        for claims in
            [json!({}), json!({"_claim_names": {"roles": "src1"}}), json!({"_claim_names": "groups"}), json!({"groups": 1})]
        {
            assert!(!groups.was_left_out(&object(claims.clone())), "{claims}");
        }
    }

    #[test]
    fn one_claim_of_several_is_enough_and_another_one_is_not() {
        let claims = object(json!({"nonce": null, "sub": "a"}));
        assert!(has_any(&claims, &["at_hash", "nonce"]));
        assert!(!has_any(&claims, &["at_hash"]) && !has_any(&claims, &[]) && !has_any(&Claims::new(), &["nonce"]));
    }

    #[test]
    fn an_email_or_phone_number_counts_only_if_its_verdict_is_true_or_the_text_true() {
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
            // The verdict on the other claim says nothing about this one.
            let other = VERIFIABLE_CLAIMS.iter().find(|(name, _)| *name != claim).unwrap().1;
            assert!(!is_verified(claim, &object(json!({claim: "a", other: true})), nobody));
        }
        assert!(is_verified("groups", &Claims::new(), nobody));
    }

    #[test]
    fn assuming_that_emails_are_verified_overrules_no_source_that_says_otherwise() {
        let assumed = AssumedVerified { email: true, phone_number: false };
        for (said, verified) in [(json!(null), true), (json!(true), true), (json!(false), false), (json!("no"), false)] {
            assert_eq!(is_verified("email", &object(json!({"email_verified": said})), assumed), verified, "{said}");
        }
        assert!(is_verified("email", &Claims::new(), assumed) && !is_verified("phone_number", &Claims::new(), assumed));
    }

    #[test]
    fn only_the_prefixes_that_we_put_before_subjects_are_reserved() {
        for reserved in ["client:", "client:a", "username:", "username:ann", "username:client:a"] {
            assert!(is_reserved(reserved), "{reserved}");
        }
        for free in ["", "client", "username", "a:client:b", " client:a", "usernames:a", "user:a"] {
            assert!(!is_reserved(free), "{free}");
        }
    }

    #[test]
    fn copying_a_claim_keeps_its_path_and_copies_no_other_claim() {
        let claims = object(json!({"a": {"b": 1, "c": 2}, "d": 3}));
        let mut kept = Claims::new();
        ClaimPath::new(vec!["a".into(), "b".into()]).copy(&claims, &mut kept);
        ClaimPath::named("x").copy(&claims, &mut kept);
        assert_eq!(kept, object(json!({"a": {"b": 1}})));
    }

    #[test]
    fn taking_claims_gives_what_copying_them_would_give_in_any_order() {
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
