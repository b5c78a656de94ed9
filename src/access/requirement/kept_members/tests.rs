use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::{BoxedStrategy, Strategy, any, prop_assert, prop_assert_eq, prop_oneof};
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;

use super::*;
use crate::access::mcp::call::Call;
use crate::access::requirement::condition::Condition;
use crate::access::requirement::test::{Case, Moment, Test};
use crate::words::demand::Demand;
use crate::words::principal::{AssumedVerified, Principal, Proof};
use crate::words::time::Timestamp;

fn path(dotted: &str) -> ClaimPath {
    ClaimPath::dotted(dotted).unwrap()
}

fn paths(dotted: &[&str]) -> Vec<ClaimPath> {
    dotted.iter().map(|dotted| path(dotted)).collect()
}

fn object(value: &Value) -> Claims {
    value.as_object().unwrap().clone()
}

fn compared(claim: &str, values: Value) -> Compared {
    Compared { claim: path(claim), values: values.as_array().unwrap().clone() }
}

/// What is left of these claims, where all of them are kept.
fn shortened(kept: &KeptMembers, claims: &Value) -> Value {
    let mut claims = object(claims);
    kept.shorten(&mut claims);
    Value::Object(claims)
}

#[test]
fn only_texts_are_removed_from_lists_and_a_list_without_members_stays() {
    let kept = KeptMembers::new(&[compared("groups", json!(["b", "a"]))], &paths(&["groups", "sub"]), &[]);
    for (groups, left) in [
        (json!(["a", "x", "b", "a", "A", "a "]), json!(["a", "b", "a"])),
        (json!(["x", "y"]), json!([])),
        (json!([]), json!([])),
        (json!([1, "x", {"name": "x"}, ["x"], null, true]), json!([1, {"name": "x"}, ["x"], null, true])),
        // What is no list stays as it is.
        (json!("x"), json!("x")),
        (json!("x; a"), json!("x; a")),
        (json!({"x": true}), json!({"x": true})),
        (json!(null), json!(null)),
    ] {
        let claims = |groups: &Value| json!({"groups": groups, "roles": ["x"], "sub": "alice"});
        assert_eq!(shortened(&kept, &claims(&groups)), claims(&left), "{groups}");
    }
    assert_eq!(shortened(&kept, &json!({"sub": "alice"})), json!({"sub": "alice"}));
}

#[test]
fn a_list_is_shortened_only_where_every_test_that_compares_it_lists_a_text_and_nobody_needs_it_whole() {
    let staff = || compared("groups", json!(["staff"]));
    let (claims, nothing) = (json!({"groups": ["staff", "x"], "x": {"y": ["staff", "x"]}, "email": ["staff", "x"]}), vec![]);
    for (case, compared, kept, whole, is_shortened) in [
        ("by one test", vec![staff()], vec!["groups"], nothing.clone(), true),
        ("by a test with other values too", vec![compared("groups", json!([7, "staff"]))], vec!["groups"], nothing.clone(), true),
        ("by two tests", vec![staff(), compared("groups", json!(["y"]))], vec!["groups"], nothing.clone(), true),
        ("by no test", vec![], vec!["groups"], nothing.clone(), false),
        ("by a test of another claim", vec![compared("sub", json!(["staff"]))], vec!["groups"], nothing.clone(), false),
        ("by no text", vec![compared("groups", json!([7, true]))], vec!["groups"], nothing.clone(), false),
        ("also by no text", vec![staff(), compared("groups", json!([7]))], vec!["groups"], nothing.clone(), false),
        ("also by nothing", vec![staff(), compared("groups", json!([]))], vec!["groups"], nothing.clone(), false),
        ("wanted whole", vec![staff()], vec!["groups"], vec!["groups"], false),
        ("others wanted whole", vec![staff()], vec!["groups", "x"], vec!["x"], true),
        ("a path", vec![compared("x.y", json!(["staff"]))], vec!["x.y"], nothing.clone(), true),
        ("a part of what is kept", vec![compared("x.y", json!(["staff"]))], vec!["x", "x.y"], nothing.clone(), false),
        ("around what is kept", vec![staff()], vec!["groups", "groups.y"], nothing.clone(), false),
        ("one that must be verified", vec![compared("email", json!(["staff"]))], vec!["email"], nothing.clone(), false),
        ("one that is not kept", vec![staff()], vec!["sub"], nothing.clone(), false),
    ] {
        let kept = KeptMembers::new(&compared, &paths(&kept), &paths(&whole));
        assert_eq!(shortened(&kept, &claims) != claims, is_shortened, "{case}");
        assert_eq!(kept.is_empty(), !is_shortened, "{case}");
        assert_eq!(kept.written().count(), usize::from(is_shortened), "{case}");
    }
}

#[test]
fn what_is_kept_of_a_list_is_written_the_same_whoever_asks_for_it_first() {
    let (a, b) = (compared("groups", json!(["b", "a"])), compared("groups", json!(["c", "a"])));
    let kept = paths(&["groups"]);
    let written = |compared: &[Compared]| KeptMembers::new(compared, &kept, &[]).written().collect::<Vec<_>>();
    assert_eq!(written(&[a.clone(), b.clone()]), [r#"ClaimPath(["groups"]) ["a", "b", "c"]"#]);
    assert_eq!(written(&[b.clone(), a.clone()]), written(&[a.clone(), b]));
    assert_ne!(written(std::slice::from_ref(&a)), written(&[a, compared("groups", json!(["d"]))]));
}

/// The claims that made-up tests look at.
const PATHS: [&str; 7] = ["groups", "roles", "x", "x.roles", "x.roles.a", "email", "acr"];

fn some_text() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "c", "", "a; b", "; c", "a@x.example", "1", "true"]).prop_map(str::to_owned)
}

fn some_scalar() -> impl Strategy<Value = Value> {
    let other = select(vec![json!(1), json!(7), json!(1.0), json!(true), json!(false)]);
    prop_oneof![3 => some_text().prop_map(Value::from), 1 => other]
}

/// The value of a claim: half of them lists.
fn some_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![8 => some_scalar(), 1 => select(vec![Value::Null])];
    leaf.prop_recursive(3, 16, 5, |inner| {
        let member = || btree_map(select(vec!["a", "b", "roles"]).prop_map(str::to_owned), inner.clone(), 0..3);
        prop_oneof![
            2 => vec(inner.clone(), 0..6).prop_map(Value::Array),
            2 => vec(some_scalar(), 0..6).prop_map(Value::Array),
            1 => member().prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn some_claims() -> impl Strategy<Value = Claims> {
    let claim = select(vec!["groups", "groups", "roles", "x", "email", "email_verified", "acr"]).prop_map(str::to_owned);
    // Half of them have a list in an object, which a test may ask for its keys.
    let nested = of(vec(some_text(), 0..3).prop_map(|roles| json!({"roles": roles})));
    (btree_map(claim, some_value(), 0..6), nested).prop_map(|(mut claims, nested)| {
        claims.extend(nested.map(|nested| ("x".to_owned(), nested)));
        claims.into_iter().collect()
    })
}

fn some_test() -> impl Strategy<Value = Test> {
    let some_path = || prop_oneof![2 => select(vec!["groups", "x", "x.roles"]), 1 => select(PATHS.to_vec())].prop_map(path);
    let keys = || vec(select(vec!["a", "b", "roles"]).prop_map(str::to_owned), 1..3);
    let demand = Test::Authentication(Demand { acr_values: vec!["a".into()], max_age: None });
    let others = vec![
        Test::EmailDomain(vec!["x.example".into()]),
        Test::Scope(vec!["a".into()]),
        Test::Audience(vec!["a".into()]),
        Test::Bearer,
        Test::Provider("sso".into()),
        demand,
    ];
    prop_oneof![
        4 => (some_path(), vec(some_scalar(), 1..4), of(select(vec!["; ", ";"]).prop_map(str::to_owned)))
            .prop_map(|(path, any_of, split)| Test::Claim { path, any_of, split }),
        2 => (some_path(), keys(), of(keys())).prop_map(|(path, keys, within)| Test::HasKey { path, keys, within }),
        1 => select(others),
    ]
}

fn some_condition() -> BoxedStrategy<Condition> {
    let test = some_test().prop_map(Condition::Test);
    let nested = test.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|condition| Condition::Not(Box::new(condition))),
            vec(inner.clone(), 0..3).prop_map(Condition::All),
            vec(inner, 0..3).prop_map(Condition::Any),
        ]
    });
    nested.boxed()
}

#[test]
fn every_condition_says_of_a_shortened_session_what_it_says_of_all_claims() {
    let (conditions, headers) = (vec(some_condition(), 1..4), subsequence(PATHS.to_vec(), 0..3));
    let whole = prop_oneof![2 => select(vec![vec![]]), 1 => subsequence(PATHS.to_vec(), 0..3)];
    let cases = (some_claims(), conditions, headers, whole, any::<bool>());
    let shorter = std::cell::Cell::new(0);
    let config = Config { cases: 20_000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let held = runner.run(&cases, |(claims, conditions, headers, whole, email)| {
        let (mut named, mut compared) = (paths(&headers), Vec::new());
        for condition in &conditions {
            condition.claims(&mut named);
            condition.compared(&mut compared);
        }
        let whole = paths(&whole);
        named.extend(whole.clone());
        named.sort();
        named.dedup();
        let mut kept = Claims::new();
        named.iter().for_each(|path| path.copy(&claims, &mut kept));
        let mut left = kept.clone();
        KeptMembers::new(&compared, &named, &whole).shorten(&mut left);
        shorter.set(shorter.get() + u32::from(left != kept));
        let principal = |claims: &Claims| Principal {
            provider: "sso".into(),
            subject: "alice".into(),
            claims: claims.clone().into(),
            assumed: AssumedVerified { email, phone_number: false },
            proof: Proof::SessionCookie,
            expires: Timestamp::default(),
        };
        let [of_all, of_left] = [principal(&claims), principal(&left)];
        for condition in &conditions {
            let moment = Moment::default();
            let [before, after] =
                [&of_all, &of_left].map(|principal| condition.holds(Case { principal, moment, call: &Call::Any }));
            prop_assert_eq!(before, after, "{:?} of {:?}, of which {:?} is left", condition, claims, left);
        }
        for path in &whole {
            prop_assert_eq!(path.find(&left), path.find(&claims), "{:?}", path);
        }
        prop_assert!(claims.keys().all(|name| left.contains_key(name) == kept.contains_key(name)));
        Ok(())
    });
    assert_eq!(held, Ok(()));
    assert!(shorter.get() > 1_000, "{} of these sessions were shortened, so that little was compared", shorter.get());
}
