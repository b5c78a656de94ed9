//! The table of surprising requests in the documentation: each row is asked, and must end as it says, for the reason that it says.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::{question, somebody};
use crate::cli::desk::Desk;
use crate::cli::desk::answer::Answer;
use crate::cli::desk::who::{By, Who};
use crate::cli::envoy::passage::Passed;
use crate::cli::explain::account::account;
use crate::cli::gateway::Place;
use crate::words::reason::Reason;

/// The section with the table, and the configuration in it.
fn section() -> (String, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/command-line.md");
    let text = fs::read_to_string(path).unwrap();
    let section = text.split("\n## Surprising requests\n").nth(1).unwrap().split("\n## ").next().unwrap().to_owned();
    let configuration = section.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap().to_owned();
    (section, configuration)
}

/// How a request ends, as the table says it.
fn end(answer: &Answer) -> String {
    let status = answer.status().map(|status| status.to_string());
    let word = match answer {
        Answer::LetThrough(_) => Some("allowed"),
        Answer::ByEnvoy { .. } => Some("by Envoy"),
        _ => answer.reason().map(Reason::id),
    };
    status.iter().map(String::as_str).chain(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_row_of_the_documented_table_ends_as_it_says_and_for_that_reason() {
    let (section, configuration) = section();
    let folder = std::env::temp_dir().join(format!("accredit-table-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("configuration.yaml");
    fs::write(&file, configuration).unwrap();
    let opened = Desk::open(file.to_str().unwrap(), &Place::default(), None);
    fs::remove_dir_all(&folder).unwrap();
    let mut desk = opened.unwrap();
    let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(rows.len() >= 30, "{}", rows.len());
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect();
        let [asked, sender, path, rule, answer, because] = cells[..] else { panic!("{row}") };
        let (method, url) = asked.split_once(' ').unwrap();
        let asked = question(method, url, &[]);
        let who = match sender {
            "nobody" => Who::Nobody,
            "alice" => somebody(json!({"sub": "alice"}), By::Session),
            "sam" => somebody(json!({"sub": "sam", "groups": ["staff"]}), By::Session),
            other => panic!("{other}"),
        };
        let told = desk.ask(&asked, &who).unwrap();
        let account = account(&desk, &asked, &told);
        let target = match &told.passed {
            Passed::On(on, _) => on.target.as_str(),
            Passed::Answered { .. } => "–",
        };
        let found = (target, account.decides.as_deref().unwrap_or("–"), end(&told.answer));
        assert_eq!(found, (path, rule, answer.to_owned()), "{row}\n{:#?}", account.lines());
        assert!(account.lines().iter().any(|line| line.contains(because)), "{row}\n{:#?}", account.lines());
    }
}
