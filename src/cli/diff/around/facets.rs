//! What conditions look at, and what each of it may be so that some tests hold and others do not: absent, something else, and
//! what the tests name, alone and together. Whether a condition holds is never judged here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::access::mcp::calls::ScopesOfCalls;
use crate::access::requirement::condition::Condition;
use crate::access::requirement::test::Test;
use crate::words::principal::{ClaimPath, Claims, VERIFIABLE_CLAIMS};

/// A value that no test names.
const SOMETHING_ELSE: &str = "something-else";

/// Of so many values at most, every set is tried; of more, none, each, all, and all but each.
const MOST_IN_ALL_SETS: usize = 3;

/// How far a sign-in is from the oldest that is accepted, in seconds, on both sides of it.
const BESIDE: u64 = 4;

/// Something that tests look at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Facet {
    /// What it may be. The first is that nothing is there, if that can be.
    pub(crate) choices: Vec<Choice>,
    /// The number of the choice with which most tests hold that should.
    pub(crate) good: usize,
}

/// What a facet may be.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Choice {
    /// The claims with which it is so.
    pub(crate) claims: Vec<(ClaimPath, Value)>,
    /// How long ago the person signed in, in seconds.
    pub(crate) age: Option<u64>,
    /// The same for people; empty for nothing.
    pub(crate) says: String,
}

/// All that tests name.
#[derive(Debug, Default)]
struct Named {
    claims: BTreeMap<ClaimPath, Values>,
    /// The keys of objects, each with the keys within.
    keys: BTreeMap<ClaimPath, BTreeMap<String, BTreeSet<String>>>,
    scopes: Values,
    audiences: Values,
    classes: Values,
    ages: BTreeSet<u64>,
}

/// Values that tests name of one thing.
#[derive(Debug, Default)]
struct Values {
    all: Vec<Value>,
    /// Those of tests that do not stand under `not`.
    wanted: Vec<Value>,
    /// Sets of which a test asks for every member.
    together: Vec<Vec<Value>>,
    separators: BTreeSet<String>,
}

impl Values {
    fn add(&mut self, values: impl IntoIterator<Item = Value>, is_wanted: bool) {
        for value in values {
            if is_wanted && !self.wanted.contains(&value) {
                self.wanted.push(value.clone());
            }
            if !self.all.contains(&value) {
                self.all.push(value);
            }
        }
    }

    /// Sets of values, each once: none, something else, and then those that are named.
    fn sets(&self) -> Vec<Vec<Value>> {
        let mut sets = vec![Vec::new(), vec![json!(SOMETHING_ELSE)]];
        sets.extend(self.all.iter().map(|value| vec![value.clone()]));
        let all_but = |left_out: &Value| self.all.iter().filter(|value| *value != left_out).cloned().collect::<Vec<_>>();
        if self.all.len() <= MOST_IN_ALL_SETS {
            sets.extend(self.all.iter().rev().map(all_but));
        } else {
            sets.extend(self.all.iter().map(all_but));
        }
        sets.extend(self.together.iter().cloned());
        sets.push(self.wanted.clone());
        sets.push(self.all.clone());
        let mut each = Vec::new();
        sets.into_iter().for_each(|set| {
            if !each.contains(&set) {
                each.push(set);
            }
        });
        each
    }

    /// The set with which most tests hold that should.
    fn good(&self) -> Vec<Value> {
        if self.wanted.is_empty() { vec![json!(SOMETHING_ELSE)] } else { self.wanted.clone() }
    }
}

fn texts(texts: &[String]) -> impl Iterator<Item = Value> {
    texts.iter().map(|text| Value::from(text.as_str()))
}

impl Named {
    fn add(&mut self, condition: &Condition, is_wanted: bool) {
        match condition {
            Condition::Test(test) => self.add_test(test, is_wanted),
            Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| self.add(part, is_wanted)),
            Condition::Not(part) => self.add(part, !is_wanted),
        }
    }

    fn add_test(&mut self, test: &Test, is_wanted: bool) {
        match test {
            Test::Claim { path, any_of, split } => {
                let values = self.claims.entry(path.clone()).or_default();
                values.add(any_of.iter().cloned(), is_wanted);
                values.separators.extend(split.clone());
            }
            Test::HasKey { path, keys, within } => {
                let named = self.keys.entry(path.clone()).or_default();
                for key in keys {
                    named.entry(key.clone()).or_default().extend(within.iter().flatten().cloned());
                }
            }
            Test::EmailDomain(domains) => {
                let values = self.claims.entry(ClaimPath::named("email")).or_default();
                values.add(domains.iter().map(|domain| Value::from(format!("someone@{domain}"))), is_wanted);
            }
            // Everybody is of some provider, and proves themselves in some way: these are no claims.
            Test::Provider(_) | Test::Bearer | Test::Calls(_) => {}
            Test::ScopesOfCalls(ScopesOfCalls(each)) => {
                for (_, scopes) in each {
                    self.scopes.add(texts(scopes), is_wanted);
                    self.scopes.together.push(texts(scopes).collect());
                }
            }
            Test::Scope(scopes) => {
                self.scopes.add(texts(scopes), is_wanted);
                self.scopes.together.push(texts(scopes).collect());
            }
            Test::Audience(audiences) => self.audiences.add(texts(audiences), is_wanted),
            Test::Authentication(demand) => {
                self.classes.add(texts(&demand.acr_values), is_wanted);
                self.ages.extend(demand.max_age);
            }
        }
    }
}

/// Everything that these conditions look at and that is the same for sessions and tokens. `skew` are the clock skews of the
/// providers, in seconds.
pub(crate) fn facets(conditions: &[&Condition], skews: &BTreeSet<u64>) -> Vec<Facet> {
    let mut named = Named::default();
    conditions.iter().for_each(|condition| named.add(condition, true));
    let mut facets: Vec<_> = named.claims.iter().map(|(path, values)| of_claim(path, values)).collect();
    facets.extend(named.keys.iter().map(|(path, keys)| of_keys(path, keys)));
    if !named.classes.all.is_empty() {
        let sets = named.classes.sets().into_iter().filter(|set| set.len() < 2);
        let choices: Vec<_> = sets.map(|set| one("acr", set.into_iter().next())).collect();
        let good = position(&choices, &one("acr", named.classes.good().into_iter().next()));
        facets.push(Facet { choices, good });
    }
    if !named.ages.is_empty() {
        let of_age = |age: u64| Choice { age: Some(age), says: format!("a sign-in {age} s ago"), ..Choice::default() };
        let ends = named.ages.iter().flat_map(|longest| skews.iter().map(|skew| longest.saturating_add(*skew)));
        let ages: BTreeSet<_> = ends.flat_map(|end| [end.saturating_sub(BESIDE), end.saturating_add(BESIDE)]).collect();
        let choices = [Choice::default(), of_age(0)].into_iter().chain(ages.into_iter().map(of_age)).collect();
        facets.push(Facet { choices, good: 1 });
    }
    facets
}

/// What these conditions look at in bearer tokens alone; `accepted` are the audiences of which a token must have one.
pub(crate) fn token_facets(conditions: &[&Condition], accepted: &BTreeSet<String>) -> Vec<Facet> {
    let mut named = Named::default();
    conditions.iter().for_each(|condition| named.add(condition, true));
    let mut facets = Vec::new();
    if !named.scopes.all.is_empty() {
        let joined = |set: &[Value]| set.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
        let of_set = |set: Vec<Value>| one("scope", (!set.is_empty()).then(|| Value::from(joined(&set))));
        let choices: Vec<_> = named.scopes.sets().into_iter().map(of_set).collect();
        let good = position(&choices, &of_set(named.scopes.good()));
        facets.push(Facet { choices, good });
    }
    let mut sets: Vec<Vec<Value>> = accepted.iter().map(|audience| vec![Value::from(audience.as_str())]).collect();
    // A token that is for every resource is for each.
    let everywhere: Vec<Value> = sets.concat();
    for audience in named.audiences.all.iter().filter(|audience| !everywhere.contains(audience)) {
        sets.push(everywhere.iter().cloned().chain([audience.clone()]).collect());
    }
    sets.push(vec![json!(SOMETHING_ELSE)]);
    sets.push(everywhere.into_iter().chain(named.audiences.wanted).collect());
    let choices: Vec<_> = sets.into_iter().map(|set| one("aud", Some(Value::from(set)))).collect();
    let good = choices.len().saturating_sub(1);
    facets.push(Facet { choices, good });
    facets
}

fn position(choices: &[Choice], wanted: &Choice) -> usize {
    choices.iter().position(|choice| choice == wanted).unwrap_or_default()
}

/// A claim of this name; nothing without a value.
fn one(name: &str, value: Option<Value>) -> Choice {
    let Some(value) = value else { return Choice::default() };
    Choice { says: format!("{name} {value}"), claims: vec![(ClaimPath::named(name), value)], age: None }
}

fn of_claim(path: &ClaimPath, values: &Values) -> Facet {
    let verdict = VERIFIABLE_CLAIMS.iter().find(|(name, _)| *name == path.first());
    let is_one = verdict.is_some() || (path.names().len() == 1 && path.first() == "sub");
    let mut choices = Vec::new();
    let good = values.good();
    let mut is_good = 0;
    for set in values.sets() {
        if is_one && (set.len() > 1 || (set.is_empty() && verdict.is_none())) {
            continue;
        }
        if set == good || (is_one && good.first() == set.first()) {
            is_good = choices.len();
        }
        let value = match set.as_slice() {
            [] => {
                choices.push(Choice::default());
                continue;
            }
            [one] => one.clone(),
            several => Value::from(several),
        };
        let of =
            |value: &Value| Choice { says: format!("{path} {value}"), claims: vec![(path.clone(), value.clone())], age: None };
        match verdict {
            None => choices.push(of(&value)),
            Some((_, verified)) => {
                let judged =
                    [(Some(true), "verified"), (Some(false), "not verified"), (None, "nobody says whether it is verified")];
                choices.extend(judged.map(|(judged, says)| {
                    let mut choice = of(&value);
                    choice.says = format!("{}, {says}", choice.says);
                    choice.claims.extend(judged.map(|judged| (ClaimPath::named(*verified), Value::from(judged))));
                    choice
                }));
            }
        }
        let joins = values.separators.iter().filter(|_| verdict.is_none() && !is_one);
        for separator in joins {
            let pieces: Vec<_> = set.iter().filter_map(Value::as_str).collect();
            // One value beside something else is a list of two, too.
            let pieces = if let [only] = pieces.as_slice() { vec![SOMETHING_ELSE, only] } else { pieces };
            choices.push(of(&Value::from(pieces.join(separator))));
        }
    }
    Facet { choices, good: is_good }
}

fn of_keys(path: &ClaimPath, keys: &BTreeMap<String, BTreeSet<String>>) -> Facet {
    let object = |members: &[(&str, Value)]| -> Value {
        Value::Object(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<Map<_, _>>())
    };
    let mut values = vec![object(&[(SOMETHING_ELSE, json!({SOMETHING_ELSE: true}))])];
    let mut whole = Map::new();
    for (key, within) in keys {
        values.push(object(&[(key, json!({SOMETHING_ELSE: true}))]));
        values.push(object(&[(key, json!({}))]));
        values.extend(within.iter().map(|inner| object(&[(key, json!({inner.as_str(): true}))])));
        let inside = within.iter().map(|inner| (inner.clone(), Value::from(true)));
        whole.insert(key.clone(), Value::Object(inside.chain([(SOMETHING_ELSE.to_owned(), Value::from(true))]).collect()));
    }
    values.push(Value::Object(whole));
    let of = |value: Value| Choice { says: format!("{path} {value}"), claims: vec![(path.clone(), value)], age: None };
    let choices: Vec<_> = [Choice::default()].into_iter().chain(values.into_iter().map(of)).collect();
    Facet { good: choices.len().saturating_sub(1), choices }
}

/// Puts a value to a path. What stands in its way is replaced.
pub(crate) fn put(claims: &mut Claims, path: &ClaimPath, value: &Value) {
    let Some((last, parents)) = path.names().split_last() else { return };
    let mut place = claims;
    for parent in parents {
        let inner = place.entry(parent.clone()).or_insert_with(|| Value::Object(Map::new()));
        if !inner.is_object() {
            *inner = Value::Object(Map::new());
        }
        match inner {
            Value::Object(inner) => place = inner,
            _ => return,
        }
    }
    place.insert(last.clone(), value.clone());
}

/// Takes a path away, and nothing else.
pub(crate) fn take(claims: &mut Claims, path: &ClaimPath) {
    match path.names() {
        [only] => drop(claims.remove(only)),
        [first, rest @ ..] => {
            if let Some(Value::Object(inner)) = claims.get_mut(first) {
                take(inner, &ClaimPath::new(rest.to_vec()));
            }
        }
        [] => {}
    }
}
