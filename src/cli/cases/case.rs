//! A case: a request, who sends it, and how it must end; and in what it ended otherwise.

use crate::cli::desk::Told;
use crate::cli::desk::target::Question;
use crate::cli::desk::who::Who;
use crate::cli::explain::account::Account;
use crate::cli::yaml::spot::Spot;
use crate::words::reason::Reason;

/// A case.
pub(crate) struct Case {
    pub(crate) name: String,
    /// Where it stands.
    pub(crate) spot: Spot,
    pub(crate) question: Question,
    pub(crate) who: Who,
    /// The policy that Envoy's route names.
    pub(crate) policy: Option<String>,
    pub(crate) expected: Expected,
}

/// How a request must end. What is absent may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    /// The name of the answer.
    pub(crate) answer: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) reason: Option<String>,
    /// The name of the rule that decides, or of the endpoint that answers.
    pub(crate) rule: Option<String>,
    /// Header fields that the application gets.
    pub(crate) adds: Vec<(String, String)>,
    /// The names of header fields that are taken away.
    pub(crate) removes: Vec<String>,
}

/// How a case ended.
pub(crate) struct Tested {
    pub(crate) name: String,
    /// Where the case stands.
    pub(crate) spot: Spot,
    /// In what it ended otherwise than expected.
    pub(crate) differences: Vec<String>,
    /// What decided, and how it ended.
    pub(crate) way: String,
}

impl Expected {
    /// In what the request ended otherwise, each as a sentence; nothing if it ended as expected.
    pub(crate) fn differences(&self, told: &Told, account: &Account) -> Vec<String> {
        let answer = &told.answer;
        let status = answer.status().map(|status| status.to_string());
        let pairs = [
            ("answer", self.answer.clone(), Some(answer.name().to_owned())),
            ("status", self.status.map(|status| status.to_string()), status),
            ("reason", self.reason.clone(), answer.reason().map(|reason| Reason::id(reason).to_owned())),
            ("rule", self.rule.clone(), account.decides.clone()),
        ];
        let mut differences: Vec<_> = pairs
            .into_iter()
            .filter(|(_, expected, found)| expected.is_some() && expected != found)
            .map(|(what, expected, found)| difference(what, expected.as_deref(), found.as_deref()))
            .collect();
        for (name, value) in &self.adds {
            let found = account.adds.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
            if found != Some(value) {
                differences.push(difference(name, Some(value), found));
            }
        }
        let kept = self.removes.iter().filter(|name| !account.removes.contains(name));
        differences.extend(kept.map(|name| format!("expected {name} to be taken away, found that it is not")));
        differences
    }
}

fn difference(what: &str, expected: Option<&str>, found: Option<&str>) -> String {
    format!("expected {what} {}, found {}", expected.unwrap_or("none"), found.unwrap_or("none"))
}
