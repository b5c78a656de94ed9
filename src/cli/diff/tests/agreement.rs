//! Whenever nothing is said to change, nothing changes: two configurations that are made up, and requests and people that are made
//! up without looking at them. `PROPTEST_CASES=2000 cargo test agree` tries more pairs.

use std::cell::Cell;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof};
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use super::comparison;
use crate::cli::desk::target::{Question, Target};
use crate::cli::desk::who::By;
use crate::cli::diff::around::people::{Asker, Person};
use crate::cli::diff::comparison::Limits;
use crate::cli::explain::navigation;
use crate::config;
use crate::gateway::tests::stage::{changed, with};

/// How many pairs are made up.
const PAIRS: u32 = 30;

/// How many requests each pair is asked about.
const REQUESTS: usize = 60;

fn requirements() -> Vec<Value> {
    let claim = |name: &str, any_of: Value| json!({"claim": name, "any_of": any_of});
    vec![
        json!("public"),
        json!("authenticated"),
        claim("groups", json!(["a"])),
        claim("groups", json!(["a", "b"])),
        json!({"all": [claim("groups", json!(["a"])), claim("groups", json!(["b"]))]}),
        json!({"any": [claim("groups", json!(["a"])), claim("groups", json!(["b"]))]}),
        json!({"not": claim("groups", json!(["b"]))}),
        json!({"all": [claim("groups", json!(["a"])), {"not": claim("level", json!([1]))}]}),
        json!({"email_domain": ["example.com"]}),
        json!({"bearer": "main", "scope": ["read"]}),
        json!({"acr": ["gold"]}),
    ]
}

fn rule() -> impl Strategy<Value = Value> {
    let path = select(vec!["/a", "/a/", "/a/**", "/a/*", "/*", "/**/b", "/a/b", "/**/b/**", "/*.b", "/a/*.b", "/a.b", "/**"]);
    let methods = select(vec![json!(null), json!(null), json!(["GET"]), json!(["POST"]), json!(["GET", "PUT"])]);
    (path, methods, select(requirements()), 0..8_u8).prop_map(|(path, methods, require, odd)| {
        let mut rule = json!({"match": {"path": path}, "require": require});
        if !methods.is_null() {
            rule["match"]["methods"] = methods;
        }
        match odd {
            0 => rule["allow_in_path"] = json!([";"]),
            1 => rule["unauthenticated"] = json!("respond"),
            2 => rule["credentials"] = json!("session"),
            _ => {}
        }
        rule
    })
}

/// What becomes of the rules: often something that makes no difference.
fn pair() -> impl Strategy<Value = (Vec<Value>, Vec<Value>)> {
    let rules = || vec(rule(), 1..5);
    prop_oneof![
        4 => (rules(), any::<Index>(), any::<Index>()).prop_map(|(old, one, other)| {
            let mut new = old.clone();
            new.swap(one.index(old.len()), other.index(old.len()));
            (old, new)
        }),
        4 => (rules(), any::<Index>()).prop_map(|(old, gone)| {
            let mut new = old.clone();
            new.remove(gone.index(old.len()));
            (old, new)
        }),
        2 => (rules(), any::<Index>(), rule()).prop_map(|(old, place, rule)| {
            let mut new = old.clone();
            new.insert(place.index(old.len() + 1), rule);
            (old, new)
        }),
        2 => (rules(), any::<Index>(), select(requirements())).prop_map(|(old, place, require)| {
            let mut new = old.clone();
            new[place.index(old.len())]["require"] = require;
            (old, new)
        }),
        // The same in other words, and what is so without being said.
        6 => (rules(), any::<Index>(), 0..3_u8).prop_map(|(old, place, word)| {
            let mut new = old.clone();
            let require = &mut new[place.index(old.len())]["require"];
            if require.is_object() {
                *require = match word {
                    0 => json!({"all": [require]}),
                    1 => json!({"any": [require, require]}),
                    _ => json!({"not": {"not": require}}),
                };
            }
            new.push(json!({"match": {"path": "/z/z/z"}, "require": "authenticated"}));
            (old, new)
        }),
        1 => (rules(), rules()),
    ]
}

fn document(rules: &[Value]) -> Value {
    let accepting = with("/providers/0/bearer", json!({"audiences": ["api"]}));
    let kept = changed(accepting, "/session/claims", json!(["groups", "level"]));
    changed(kept, "/rules", json!(rules))
}

fn question() -> impl Strategy<Value = Question> {
    let segment = select(vec!["a", "b", "c", "a.b", "x.b", "a;b", "b;", "%61", "A", "", "a%2Fb"]);
    let path = vec(segment, 0..4).prop_map(|segments| format!("/{}", segments.join("/")));
    let path = prop_oneof![12 => path, 1 => select(vec!["/api/session", "/api/login", "/api/logout"]).prop_map(str::to_owned)];
    let method = select(vec!["GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "QUERY"]);
    let host = select(vec!["app.example.com", "app.example.com", "app.example.com", "APP.example.com:443", "evil.example"]);
    let form = select(vec![
        navigation().collect(),
        vec![("sec-fetch-site".to_owned(), "same-origin".to_owned())],
        vec![("origin".to_owned(), "https://evil.example".to_owned())],
        vec![],
    ]);
    (method, host, path, form).prop_map(|(method, host, path, headers)| {
        let target = Target { scheme: "https", authority: host.into(), target: path, fragment: None };
        Question { method: method.into(), target, headers }
    })
}

fn asker() -> impl Strategy<Value = Asker> {
    let groups = select(vec![
        json!(null),
        json!("a"),
        json!("b"),
        json!(["a", "b"]),
        json!(["b", "c"]),
        json!(["a", "c"]),
        json!([]),
        json!("c"),
    ]);
    let level = select(vec![json!(null), json!(1), json!("1"), json!(2)]);
    let email =
        select(vec![json!({}), json!({"email": "a@example.com", "email_verified": true}), json!({"email": "a@example.com"})]);
    let other = select(vec![
        json!({}),
        json!({"scope": "read write"}),
        json!({"acr": "gold"}),
        json!({"acr": "silver", "scope": "write"}),
    ]);
    let by = select(vec![By::Session, By::Token]);
    let somebody = (groups, level, email, other, by).prop_map(|(groups, level, email, other, by)| {
        let mut claims = json!({"groups": groups, "level": level});
        for further in [email, other] {
            claims.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        }
        let mut claims = claims.as_object().unwrap().clone();
        claims.retain(|_, value| !value.is_null());
        Asker::Somebody(Person { source: None, by, claims, age: None, says: String::new() })
    });
    prop_oneof![1 => Just(Asker::Nobody), 4 => somebody]
}

#[test]
fn where_nothing_is_said_to_change_both_configurations_agree_on_requests_and_people_that_are_made_up() {
    let documents = pair().prop_map(|(old, new)| (document(&old), document(&new)));
    agree(PAIRS, documents, (question(), asker()));
}

/// Compares pairs of configurations, and of those that are said to be the same asks both about requests and people.
pub(super) fn agree(
    pairs: u32,
    documents: impl Strategy<Value = (Value, Value)>,
    asked: impl Strategy<Value = (Question, Asker)>,
) {
    let pairs = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(pairs);
    let config = Config { cases: pairs, failure_persistence: None, max_global_rejects: u32::MAX, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let loads = |document: &Value| config::load(document.to_string().as_bytes(), &|_| None).is_ok();
    let pairs_that_load = documents.prop_filter("refused", move |(old, new)| old != new && loads(old) && loads(new));
    let silent = Cell::new(0_u32);
    let inputs = (pairs_that_load, vec(asked, REQUESTS));
    let ended = runner.run(&inputs, |((old, new), asked)| {
        let mut comparison = comparison(&old, &new);
        comparison.ask_around(Limits::USUAL);
        prop_assert_eq!(&comparison.notes, &Vec::<String>::new());
        if !comparison.changes.is_empty() {
            return Ok(());
        }
        silent.set(silent.get() + 1);
        for (question, asker) in &asked {
            let [old, new] = comparison.ask(question, None, asker);
            prop_assert_eq!(&old.outcome, &new.outcome, "{:?} {:?}", question, asker);
        }
        Ok(())
    });
    if let Err(why) = ended {
        panic!("{why}");
    }
    // Pairs of which all differ would show nothing.
    assert!(silent.get() >= pairs / 8, "{}", silent.get());
}
