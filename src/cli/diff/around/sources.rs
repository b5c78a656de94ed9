//! Where the people of both configurations come from: the providers of both, and which of one is which of the other. Nothing is
//! asked here.

use crate::config::settings::{PASSWORD, Settings};

/// What two configurations have of the same thing: the old one first.
pub(crate) type Both<T> = [T; 2];

/// Where people can come from: a provider, or sign-in by password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Source {
    /// Its name in each; `None` where it does not exist. It is empty for sessions that a service of the operator signs, where
    /// there is no provider.
    pub(crate) names: Both<Option<String>>,
    /// Whether people sign in there.
    pub(crate) signs_in: bool,
    /// Whether its bearer tokens are accepted.
    pub(crate) issues: bool,
}

/// What one configuration has of a source.
struct Found {
    name: String,
    /// Empty for sign-in by password.
    issuer: String,
    signs_in: bool,
    issues: bool,
}

fn found(side: &[&Settings]) -> Vec<Found> {
    let mut all: Vec<Found> = Vec::new();
    let mut add = |one: Found| match all.iter_mut().find(|other| other.name == one.name) {
        Some(other) => {
            other.signs_in |= one.signs_in;
            other.issues |= one.issues;
        }
        None => all.push(one),
    };
    let by_ourselves = |name: &str| Found { name: name.to_owned(), issuer: String::new(), signs_in: true, issues: false };
    for settings in side {
        for provider in &settings.providers {
            let oidc = &provider.oidc;
            let (signs_in, issues) = (oidc.signs_in(), oidc.bearer.is_some());
            add(Found { name: oidc.name.clone(), issuer: oidc.issuer().to_owned(), signs_in, issues });
        }
        if settings.password.is_some() {
            add(by_ourselves(PASSWORD));
        } else if settings.providers.is_empty() && settings.session.signed().is_some() {
            add(by_ourselves(""));
        }
    }
    all
}

/// The sources of both, and what should be known about them. One is the same in both if it has the same name, or else the same
/// issuer.
pub(crate) fn sources(sides: &Both<Vec<&Settings>>) -> (Vec<Source>, Vec<String>) {
    let [old, new] = sides;
    let (old, mut new) = (found(old), found(new));
    let (mut all, mut notes) = (Vec::new(), Vec::new());
    let is_old = |name: &str| old.iter().any(|one| one.name == name);
    for one in &old {
        let same_name = new.iter().position(|other| other.name == one.name);
        let same_issuer =
            || new.iter().position(|other| !one.issuer.is_empty() && other.issuer == one.issuer && !is_old(&other.name));
        let other = same_name.or_else(same_issuer).map(|position| new.remove(position));
        match &other {
            None => notes.push(alone(&one.name, "NEW")),
            Some(other) if other.name != one.name => {
                notes.push(format!("the provider {} is called {} in NEW: its people are the same here", one.name, other.name));
            }
            Some(other) if other.issuer != one.issuer => {
                notes.push(format!("the provider {} has another issuer in NEW: its people are the same here", one.name));
            }
            Some(_) => {}
        }
        let signs_in = one.signs_in || other.as_ref().is_some_and(|other| other.signs_in);
        let issues = one.issues || other.as_ref().is_some_and(|other| other.issues);
        all.push(Source { names: [Some(one.name.clone()), other.map(|other| other.name)], signs_in, issues });
    }
    for one in new {
        notes.push(alone(&one.name, "OLD"));
        all.push(Source { names: [None, Some(one.name)], signs_in: one.signs_in, issues: one.issues });
    }
    (all, notes)
}

fn alone(name: &str, without: &str) -> String {
    let who = if name == PASSWORD { "sign-in by password".to_owned() } else { format!("provider {name}") };
    format!("{without} has no {who}: whoever comes from there is nobody in {without}")
}

impl Source {
    /// Its name: the new one, if it has one.
    pub(crate) fn name(&self) -> &str {
        let [old, new] = &self.names;
        new.as_deref().or(old.as_deref()).unwrap_or_default()
    }
}
