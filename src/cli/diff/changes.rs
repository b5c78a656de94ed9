//! What ends otherwise in the new configuration than in the old one: as groups of what changed alike, for people, and one by one,
//! for programs. What more is let in stands first.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::cli::desk::who::By;
use crate::cli::diff::around::people::Asker;
use crate::cli::diff::around::sources::{Both, Source};
use crate::cli::diff::outcome::{OF_THE_CLIENT, Outcome, Reached};

/// What a change is, the weightiest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// The application, or the operators' endpoint behind its rule, gets a request that it did not get.
    LetIn,
    /// Neither gets it any longer.
    Refused,
    /// Neither got it before, nor gets it now.
    Answered,
    /// The application gets it before and now, with something else.
    Told,
}

impl Class {
    const ALL: [Self; 4] = [Self::LetIn, Self::Refused, Self::Answered, Self::Told];

    fn of(old: &Outcome, new: &Outcome) -> Self {
        match (old.reached, new.reached) {
            (Reached::Nothing, Reached::Nothing) => Self::Answered,
            (_, Reached::Nothing) => Self::Refused,
            (old, new) if old == new => Self::Told,
            _ => Self::LetIn,
        }
    }

    const fn id(self) -> &'static str {
        match self {
            Self::LetIn => "let_in",
            Self::Refused => "refused",
            Self::Answered => "answered",
            Self::Told => "told",
        }
    }

    const fn heading(self) -> &'static str {
        match self {
            Self::LetIn => "let in now, and not before",
            Self::Refused => "let in before, and not now",
            Self::Answered => "let in neither before nor now, and answered otherwise",
            Self::Told => "let in before and now, and the application is told something else",
        }
    }
}

/// What changes have in common that stand in one line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    /// Nobody comes first.
    asker: u8,
    case: Option<String>,
    /// How it ended.
    old: Option<String>,
    new: Option<String>,
    /// What decides.
    by: Both<Option<String>>,
    /// What of the details differs.
    differing: Vec<(String, Both<&'static str>)>,
}

/// Something that ends otherwise.
#[derive(Clone, Debug)]
pub(super) struct Change {
    class: Class,
    /// The request.
    request: String,
    /// The name of the case; `None` if the request was made up.
    case: Option<String>,
    asker: Asker,
    outcomes: Both<Outcome>,
}

impl Change {
    /// The change between two outcomes; `None` if there is none.
    pub(super) fn between(request: &str, case: Option<&str>, asker: &Asker, outcomes: Both<&Outcome>) -> Option<Self> {
        let [old, new] = outcomes;
        (old != new).then(|| Self {
            class: Class::of(old, new),
            request: request.to_owned(),
            case: case.map(str::to_owned),
            asker: asker.clone(),
            outcomes: [old.clone(), new.clone()],
        })
    }

    /// What changes have in common that stand in one line; those of nobody come first.
    fn group(&self) -> Group {
        let [old, new] = &self.outcomes;
        let asker = match &self.asker {
            Asker::Nobody => 0,
            Asker::Somebody(person) => number(person.by),
        };
        let differing = self.differing();
        let why = |outcome: &Outcome| outcome.reason.filter(|_| asker > 0).map(str::to_owned);
        let (old_words, new_words, by) = match self.class {
            _ if !differing.is_empty() => (None, None, [None, None]),
            // Whether nobody is refused or sent to a provider depends on the request, and is no other change.
            Class::LetIn | Class::Refused => (why(old), why(new), [old.decides.clone(), new.decides.clone()]),
            Class::Answered | Class::Told => {
                (Some(old.words.clone()), Some(new.words.clone()), [old.decides.clone(), new.decides.clone()])
            }
        };
        Group { asker, case: self.case.clone(), old: old_words, new: new_words, by, differing }
    }

    /// The names of the details that differ, with what kind of value each has in both. Nothing if that is not all that differs.
    fn differing(&self) -> Vec<(String, Both<&'static str>)> {
        let [old, new] = &self.outcomes;
        if old.words != new.words {
            return Vec::new();
        }
        let names: BTreeSet<_> = old.details.keys().chain(new.details.keys()).collect();
        let differ = names.into_iter().filter(|name| old.details.get(*name) != new.details.get(*name));
        let kind = |outcome: &Outcome, name: &str| match outcome.details.get(name).map(String::as_str) {
            None => "absent",
            Some(OF_THE_CLIENT) => OF_THE_CLIENT,
            Some(_) => "set",
        };
        differ.map(|name| (name.clone(), [kind(old, name), kind(new, name)])).collect()
    }

    /// The change for people.
    fn says(&self) -> String {
        let [old, new] = &self.outcomes;
        let who = match &self.asker {
            Asker::Nobody => "nobody",
            Asker::Somebody(person) => &person.says,
        };
        let case = self.case.as_ref().map(|name| format!("case {name}: ")).unwrap_or_default();
        let by = |outcome: &Outcome| outcome.decides.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let what = if old.words == new.words {
            let shown = |outcome: &Outcome, name: &str| outcome.details.get(name).map_or("absent", String::as_str).to_owned();
            let differing = self.differing();
            let details = differing.iter().map(|(name, _)| format!("{name} was {}, is {}", shown(old, name), shown(new, name)));
            details.collect::<Vec<_>>().join("; ")
        } else {
            format!("was {}{}, is {}{}", old.words, by(old), new.words, by(new))
        };
        format!("{case}{}; {who}: {what}", self.request)
    }

    fn as_json(&self, sources: &[Source]) -> Value {
        let [old, new] = &self.outcomes;
        let who = match &self.asker {
            Asker::Nobody => Value::Null,
            Asker::Somebody(person) => {
                let names = person.source.and_then(|source| sources.get(source)).map(|source| &source.names);
                json!({
                    "says": person.says, "by": word(person.by), "claims": person.claims, "age": person.age,
                    "provider": names.map(|[old, new]| json!({"old": old, "new": new})),
                })
            }
        };
        json!({
            "kind": self.class.id(), "case": self.case, "request": self.request, "who": who,
            "old": old.as_json(), "new": new.as_json(),
        })
    }
}

const fn number(by: By) -> u8 {
    match by {
        By::Session => 1,
        By::Token => 2,
        By::SessionToken => 3,
    }
}

const fn word(by: By) -> &'static str {
    match by {
        By::Session => "session",
        By::Token => "bearer_token",
        By::SessionToken => "session_as_bearer_token",
    }
}

/// All changes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    all: Vec<Change>,
}

impl Changes {
    /// Adds a change.
    pub(super) fn add(&mut self, change: Option<Change>) {
        self.all.extend(change);
    }

    /// Whether there are none.
    pub(super) const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The changes as lines: an example of each group, or with `each` all of them.
    pub(super) fn lines(&self, each: bool) -> Vec<String> {
        let mut lines = Vec::new();
        for class in Class::ALL {
            let mut groups: Vec<(Group, Vec<&Change>)> = Vec::new();
            for change in self.all.iter().filter(|change| change.class == class) {
                let group = change.group();
                match groups.iter_mut().find(|(other, _)| *other == group) {
                    Some((_, members)) => members.push(change),
                    None => groups.push((group, vec![change])),
                }
            }
            groups.sort_by_key(|(group, _)| group.asker);
            if !groups.is_empty() {
                lines.push(class.heading().to_owned());
            }
            for (_, members) in &groups {
                let shown = if each { members.len() } else { 1 };
                lines.extend(members.iter().take(shown).map(|change| format!("  {}", change.says())));
                let further = members.len().saturating_sub(shown);
                if let Some(last) = lines.last_mut().filter(|_| further > 0) {
                    last.push_str(&format!("; {further} more"));
                }
            }
        }
        lines
    }

    /// All changes as JSON, in the same order.
    pub(super) fn as_json(&self, sources: &[Source]) -> Value {
        let of_class = |class: Class| self.all.iter().filter(move |change| change.class == class);
        Class::ALL.into_iter().flat_map(of_class).map(|change| change.as_json(sources)).collect()
    }
}
