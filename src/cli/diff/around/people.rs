//! Who is asked about: nobody, somebody with nothing special, and for conditions people who meet them, and people who meet all but
//! one part. The same person stands before both configurations. Whether somebody meets a condition is never judged here.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::access::requirement::condition::Condition;
use crate::cli::desk::who::By;
use crate::cli::diff::around::facets::{Choice, Facet, facets, put, take, token_facets};
use crate::cli::diff::around::sources::{Both, Source};
use crate::config::settings::Settings;
use crate::words::principal::{ClaimPath, Claims, VERIFIABLE_CLAIMS};

/// The most combinations that are all tried, for one source and one kind of credential.
const MOST_COMBINATIONS: usize = 300;

/// Claims that have a meaning of their own in sessions and tokens: nobody gets a made-up value for them.
const WITH_A_MEANING: [&str; 17] = [
    "sub",
    "acr",
    "amr",
    "aud",
    "at_hash",
    "auth_time",
    "azp",
    "c_hash",
    "cnf",
    "events",
    "exp",
    "iat",
    "iss",
    "nbf",
    "nonce",
    "scope",
    "scp",
];

/// Who asks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asker {
    /// Nobody who is known.
    Nobody,
    /// Somebody.
    Somebody(Person),
}

/// Somebody, of whom each configuration gets a credential of its own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Person {
    /// The number of the source; `None` for the first of each configuration.
    pub(crate) source: Option<usize>,
    pub(crate) by: By,
    pub(crate) claims: Claims,
    /// How long ago they signed in, in seconds, if that is known.
    pub(crate) age: Option<u64>,
    /// The same for people.
    pub(crate) says: String,
}

/// What people can be made of.
pub(crate) struct Crowd {
    pub(crate) sources: Vec<Source>,
    /// What is not asked of them, and can be told to the application.
    claims: Claims,
    /// The clock skews of the providers, in seconds.
    skews: BTreeSet<u64>,
    /// The audiences of which a bearer token must have one.
    audiences: BTreeSet<String>,
    /// Whether sessions are accepted as bearer tokens.
    session_tokens: bool,
}

impl Crowd {
    /// For two configurations.
    pub(crate) fn new(sides: &Both<Vec<&Settings>>, sources: Vec<Source>) -> Self {
        let mut claims = Claims::new();
        let mut crowd =
            Self { sources, claims: Claims::new(), skews: BTreeSet::new(), audiences: BTreeSet::new(), session_tokens: false };
        for settings in sides.iter().flatten() {
            let told = settings.identity.claims().chain(settings.identity_jwt.iter().flat_map(|jwt| jwt.claims.clone()));
            for path in settings.kept_claims.iter().cloned().chain(told) {
                example(&mut claims, &path);
            }
            for provider in &settings.providers {
                crowd.skews.insert(provider.oidc.clock_skew.as_secs());
                let accepted =
                    provider.oidc.bearer.iter().flat_map(|bearer| bearer.audiences.iter().chain(&bearer.resource_audiences));
                crowd.audiences.extend(accepted.cloned());
            }
            crowd.session_tokens |= settings.session.as_bearer().is_some();
        }
        Self { claims, ..crowd }
    }

    /// Somebody with nothing special, who has signed in; `None` if nobody can.
    pub(crate) fn anybody(&self) -> Option<Asker> {
        let source = self.sources.iter().position(|source| source.signs_in)?;
        Some(Asker::Somebody(self.person(source, By::Session, &[])))
    }

    /// People for these conditions, and whether these are all that matter.
    pub(crate) fn people(&self, conditions: &[&Condition]) -> (Vec<Asker>, bool) {
        let (mut people, mut complete) = (Vec::new(), true);
        for (source, Source { signs_in, issues, .. }) in self.sources.iter().enumerate() {
            let ways = [(By::Session, *signs_in), (By::Token, *issues), (By::SessionToken, *signs_in && self.session_tokens)];
            for (by, _) in ways.into_iter().filter(|(_, is_possible)| *is_possible) {
                let mut all = facets(conditions, &self.skews);
                if by == By::Token {
                    all.extend(token_facets(conditions, &self.audiences));
                }
                let (combinations, are_all) = combinations(&all);
                complete &= are_all;
                people.extend(combinations.iter().map(|choices| Asker::Somebody(self.person(source, by, choices))));
            }
        }
        (people, complete)
    }

    fn person(&self, source: usize, by: By, choices: &[(&Facet, &Choice)]) -> Person {
        let mut claims = self.claims.clone();
        for (path, _) in choices.iter().flat_map(|(facet, _)| facet.choices.iter().flat_map(|choice| &choice.claims)) {
            take(&mut claims, path);
        }
        let chosen = || choices.iter().map(|(_, choice)| *choice);
        chosen().flat_map(|choice| &choice.claims).for_each(|(path, value)| put(&mut claims, path, value));
        let age = chosen().find_map(|choice| choice.age);
        let name = self.sources.get(source).map(Source::name).unwrap_or_default();
        let (at, of) =
            if name.is_empty() { (String::new(), String::new()) } else { (format!(" at {name}"), format!(" of {name}")) };
        let how = match by {
            By::Session => format!("somebody signed in{at}"),
            By::Token => format!("a bearer token{of}"),
            By::SessionToken => format!("a session{of} as bearer token"),
        };
        let says = chosen().map(|choice| choice.says.clone()).filter(|says| !says.is_empty());
        let says = [how].into_iter().chain(says).collect::<Vec<_>>().join(", ");
        Person { source: Some(source), by, claims, age, says }
    }
}

/// Gives a claim a value that is as good as any.
fn example(claims: &mut Claims, path: &ClaimPath) {
    let is_verdict = VERIFIABLE_CLAIMS.iter().any(|(_, verdict)| *verdict == path.first());
    if WITH_A_MEANING.contains(&path.first()) {
        return;
    }
    let value = match path.first() {
        _ if is_verdict => Value::from(true),
        "email" => Value::from("somebody@example.com"),
        _ => Value::from(format!("example {path}")),
    };
    // What is within another claim comes after it, and takes its place.
    put(claims, path, &value);
}

/// Combinations of choices, one of each facet; and whether these are all.
fn combinations(all: &[Facet]) -> (Vec<Vec<(&Facet, &Choice)>>, bool) {
    let sizes: Vec<_> = all.iter().map(|facet| facet.choices.len()).collect();
    let count =
        sizes.iter().try_fold(1_usize, |count, size| count.checked_mul(*size).filter(|count| *count <= MOST_COMBINATIONS));
    let mut numbers = Vec::new();
    match count {
        Some(count) => numbers.extend((0..count).map(|number| digits(number, &sizes))),
        None => {
            // Those that meet as much as possible, that have nothing, and that have everything; and each of these but for one.
            let good = all.iter().map(|facet| facet.good).collect::<Vec<_>>();
            let nothing = vec![0; all.len()];
            let everything: Vec<_> = sizes.iter().map(|size| size.saturating_sub(1)).collect();
            for from in [good, nothing, everything] {
                numbers.push(from.clone());
                for (place, size) in sizes.iter().enumerate() {
                    numbers.extend((0..*size).map(|choice| {
                        let others = from.iter().enumerate();
                        others.map(|(other, was)| if other == place { choice } else { *was }).collect()
                    }));
                }
            }
            // And others, spread over all.
            numbers.extend((0..MOST_COMBINATIONS).map(|number| digits(number.wrapping_mul(SPREAD), &sizes)));
        }
    }
    let mut seen = BTreeSet::new();
    numbers.retain(|number: &Vec<usize>| seen.insert(number.clone()));
    let chosen = |number: &Vec<usize>| {
        all.iter().zip(number).filter_map(|(facet, choice)| Some((facet, facet.choices.get(*choice)?))).collect()
    };
    (numbers.iter().map(chosen).collect(), count.is_some())
}

/// Spreads numbers over a large range: a large prime.
const SPREAD: usize = 1_000_003;

/// The digits of a number, each of another base.
fn digits(mut number: usize, sizes: &[usize]) -> Vec<usize> {
    let digit = |size: &usize| {
        let digit = number.checked_rem(*size).unwrap_or_default();
        number = number.checked_div(*size).unwrap_or_default();
        digit
    };
    sizes.iter().map(digit).collect()
}
