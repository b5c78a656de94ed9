//! Reads a file of cases. Every mistake in it is told, with its line and column; what cannot be meant is never guessed.

use serde_json::Value;

use crate::cli::cases::case::{Case, Expected};
use crate::cli::desk::target::{Question, Target, field, method};
use crate::cli::desk::who::{By, Somebody, Who};
use crate::cli::explain::navigation;
use crate::cli::yaml::node::{Content, Member, Node};
use crate::cli::yaml::reader::{Stream, read};
use crate::cli::yaml::scalars::Dialect;
use crate::cli::yaml::spot::{Origin, Spot};
use crate::words::quote::quote;
use crate::words::reason::Reason;

/// What stands in a case.
const MEMBERS: [&str; 9] = ["name", "request", "headers", "navigate", "claims", "provider", "bearer", "policy", "expect"];

/// What can be expected.
const EXPECTED: [&str; 6] = ["answer", "status", "reason", "rule", "adds", "removes"];

/// The names of answers.
const ANSWERS: [&str; 5] = ["allowed", "denied", "sign_in", "answered", "unfinished"];

/// A mistake in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) spot: Spot,
    pub(crate) sentence: String,
}

/// The cases of a text.
///
/// # Errors
/// All mistakes, at least one.
pub(crate) fn cases(text: &str) -> Result<Vec<Case>, Vec<Mistake>> {
    let mut reader = Reader { mistakes: Vec::new() };
    let cases = reader.of_text(text);
    if reader.mistakes.is_empty() { Ok(cases) } else { Err(reader.mistakes) }
}

struct Reader {
    mistakes: Vec<Mistake>,
}

impl Reader {
    fn wrong(&mut self, spot: Spot, sentence: impl Into<String>) {
        self.mistakes.push(Mistake { spot, sentence: sentence.into() });
    }

    fn of_text(&mut self, text: &str) -> Vec<Case> {
        let Stream { documents, repeated } = match read(text, Origin::FILE) {
            Ok(stream) => stream,
            Err(malformed) => {
                self.wrong(malformed.spot, malformed.sentence);
                return Vec::new();
            }
        };
        for key in repeated {
            self.wrong(key.again, format!("expected {} once, found it again; remove one of the two", quote(&key.name)));
        }
        let listed = documents.first().and_then(|document| document.member("cases"));
        let list = listed.map_or(&[][..], Node::elements);
        if list.is_empty() || documents.len() != 1 {
            self.wrong(
                Spot { line: 1, column: 1 },
                "expected one document with cases: and a list behind it, found something else",
            );
        }
        list.iter().enumerate().filter_map(|(index, node)| self.case(index, node)).collect()
    }

    fn case(&mut self, index: usize, node: &Node) -> Option<Case> {
        self.known(node, &MEMBERS);
        let request = self.text(node, "request");
        if node.member("request").is_none() {
            self.wrong(
                node.spot,
                "expected request: with a method and an address, found none; write GET https://app.example.com/",
            );
        }
        let (text, spot) = request.unwrap_or_else(|| ("GET https://app.example.com/".to_owned(), node.spot));
        let (verb, url) = text.split_once(' ').unwrap_or(("GET", text.as_str()));
        let target = Target::parse(url.trim()).map_err(|sentence| self.wrong(spot, sentence)).ok();
        let verb = method(verb).map_err(|sentence| self.wrong(spot, sentence)).ok();
        let mut headers = self.headers(node);
        if self.truth(node, "navigate") {
            headers.extend(navigation());
        }
        let who = self.who(node);
        let name = self.text(node, "name").map_or_else(|| format!("{}: {text}", index.saturating_add(1)), |(name, _)| name);
        let policy = self.text(node, "policy").map(|(policy, _)| policy);
        let expected = self.expected(node)?;
        let question = Question { method: verb?, target: target?, headers };
        Some(Case { name, spot: node.spot, question, who, policy, expected })
    }

    fn headers(&mut self, node: &Node) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        for Member { key, value } in self.map(node, "headers") {
            let line = format!("{}: {}", key.text().unwrap_or_default(), value.text().unwrap_or_default());
            match field(&line) {
                Ok(header) => headers.push(header),
                Err(sentence) => self.wrong(key.spot, sentence),
            }
        }
        headers
    }

    fn who(&mut self, node: &Node) -> Who {
        let provider = self.text(node, "provider").map(|(provider, _)| provider);
        let bearer = self.truth(node, "bearer");
        let Some(claims) = node.member("claims") else {
            if let Some(other) = ["provider", "bearer"].iter().find_map(|name| node.member(name)) {
                self.wrong(other.spot, "expected claims beside it, found none; write claims: {}");
            }
            return Who::Nobody;
        };
        let by = if bearer { By::Token } else { By::Session };
        match claims.value(Dialect::Kubernetes) {
            Value::Object(claims) => Who::Somebody(Somebody { claims, provider, by }),
            _ => {
                self.wrong(claims.spot, "expected a map of claims, found something else; write {groups: [staff]}");
                Who::Nobody
            }
        }
    }

    fn expected(&mut self, node: &Node) -> Option<Expected> {
        let Some(expect) = node.member("expect") else {
            self.wrong(
                node.spot,
                "expected expect: with what should come, found none; write allowed, denied, sign_in or a status",
            );
            return None;
        };
        match &*expect.content {
            Content::Scalar(scalar) => {
                let text = &scalar.text;
                match text.parse() {
                    Ok(status @ 100..=599) => Some(Expected { status: Some(status), ..Expected::default() }),
                    _ => Some(Expected { answer: self.one_of(text, &ANSWERS, expect.spot), ..Expected::default() }),
                }
            }
            Content::Map(_) => {
                self.known(expect, &EXPECTED);
                let answer = self.text(expect, "answer").and_then(|(text, spot)| self.one_of(&text, &ANSWERS, spot));
                let reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.id()).collect();
                let reason = self.text(expect, "reason").and_then(|(text, spot)| self.one_of(&text, &reasons, spot));
                let status = self.text(expect, "status").and_then(|(text, spot)| {
                    let status = text.parse().ok().filter(|status| (100..=599).contains(status));
                    if status.is_none() {
                        self.wrong(spot, "expected a status from 100 to 599, found something else");
                    }
                    status
                });
                let rule = self.text(expect, "rule").map(|(rule, _)| rule);
                let pair = |Member { key, value }: &Member| Some((key.text()?.to_ascii_lowercase(), value.text()?.to_owned()));
                let adds = self.map(expect, "adds").iter().filter_map(pair).collect();
                let removes = expect.member("removes").map_or(&[][..], Node::elements);
                if let Some(other) = expect.member("removes").filter(|_| removes.is_empty()) {
                    self.wrong(other.spot, "expected a list of names as removes, found something else; write [cookie]");
                }
                let removes = removes.iter().filter_map(Node::text).map(str::to_ascii_lowercase).collect();
                Some(Expected { answer, status, reason, rule, adds, removes })
            }
            Content::List(_) => {
                self.wrong(expect.spot, "expected a word or a map, found a list; write allowed");
                None
            }
        }
    }

    fn known(&mut self, node: &Node, names: &[&str]) {
        if node.members().is_empty() {
            self.wrong(node.spot, format!("expected a map with {}, found something else", names.join(", ")));
        }
        for member in node.members() {
            let name = member.key.text().unwrap_or_default();
            if !names.contains(&name) {
                let sentence =
                    format!("expected one of {}, found {}; correct its name or remove it", names.join(", "), quote(name));
                self.wrong(member.key.spot, sentence);
            }
        }
    }

    fn one_of(&mut self, text: &str, names: &[&str], spot: Spot) -> Option<String> {
        if names.contains(&text) {
            return Some(text.to_owned());
        }
        let all = if names.len() < 10 { names.join(", ") } else { "those that accredit reasons lists".to_owned() };
        self.wrong(spot, format!("expected one of {all}, found {}", quote(text)));
        None
    }

    /// The members of the map of this name.
    fn map<'n>(&mut self, node: &'n Node, name: &str) -> &'n [Member] {
        let members = node.member(name).map_or(&[][..], Node::members);
        if let Some(other) = node.member(name).filter(|_| members.is_empty()) {
            self.wrong(other.spot, format!("expected a map as {name}, found something else; write {{name: value}}"));
        }
        members
    }

    fn text(&mut self, node: &Node, name: &str) -> Option<(String, Spot)> {
        let value = node.member(name)?;
        match value.text() {
            Some(text) => Some((text.to_owned(), value.spot)),
            None => {
                self.wrong(value.spot, format!("expected a text as {name}, found something else"));
                None
            }
        }
    }

    fn truth(&mut self, node: &Node, name: &str) -> bool {
        match node.member(name).map(|value| (value.value(Dialect::Kubernetes), value.spot)) {
            None => false,
            Some((Value::Bool(truth), _)) => truth,
            Some((_, spot)) => {
                self.wrong(spot, format!("expected true or false as {name}, found something else"));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_with_its_line_and_column() {
        let text = "cases:\n- request: GET app.example.com\n  expect: allow\n- requests: GET https://a.example/\n  expect: {status: 42, resaon: x}\n- request: GET https://a.example/\n  bearer: maybe\n  headers: {Cookie: a=b}\n";
        let told: Vec<_> = cases(text)
            .err()
            .unwrap()
            .iter()
            .map(|mistake| {
                let Mistake { spot, sentence } = mistake;
                format!("{}:{} {}", spot.line, spot.column, sentence.split(',').next().unwrap_or_default())
            })
            .collect();
        assert_eq!(
            told,
            [
                "2:12 expected an address such as https://app.example.com/x",
                "3:11 expected one of allowed",
                "4:3 expected one of name",
                "4:3 expected request: with a method and an address",
                "5:24 expected one of answer",
                "5:20 expected a status from 100 to 599",
                "8:13 expected another header than cookie; write --claims",
                "7:11 expected true or false as bearer",
                "7:11 expected claims beside it",
                "6:3 expected expect: with what should come",
            ]
        );
    }

    #[test]
    fn a_case_is_read_as_it_is_meant() {
        let text = "cases:\n- request: POST https://a.example/x\n  claims: {groups: [staff], level: 1.5}\n  expect: {answer: denied, status: 403, reason: cross_site, rule: 'rules[0]'}\n- {request: https://a.example/, expect: 401}\n";
        let cases = cases(text).unwrap();
        let [first, second] = cases.as_slice() else { panic!("{}", cases.len()) };
        assert_eq!((first.name.as_str(), first.question.method.as_str()), ("1: POST https://a.example/x", "POST"));
        assert!(matches!(&first.who, Who::Somebody(somebody) if somebody.claims["level"] == 1.5 && somebody.by == By::Session));
        assert_eq!((first.expected.status, first.expected.reason.as_deref()), (Some(403), Some("cross_site")));
        assert!(matches!(second.who, Who::Nobody) && second.expected.status == Some(401) && second.question.method == "GET");
    }

    #[test]
    fn no_file_without_cases_passes_for_one_that_was_tested() {
        for text in ["", "cases: []\n", "case:\n- {}\n", "cases: {a: b}\n", "cases: [\n"] {
            assert!(cases(text).is_err(), "{text:?}");
        }
    }
}
