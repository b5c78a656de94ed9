use std::collections::BTreeSet;

use super::*;

#[test]
fn every_text_has_an_id_of_its_own_and_stands_in_both_languages() {
    let ids: BTreeSet<_> = Text::ALL.iter().map(|text| text.id()).collect();
    assert_eq!(ids.len(), Text::ALL.len());
    for text in Text::ALL {
        assert_eq!(Text::by_id(text.id()), Some(*text));
        let same = matches!(text, Text::Request) && text.english() == french(*text);
        assert!(same || text.english() != french(*text), "{}", text.id());
        assert!(text.id().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", text.id());
    }
    assert_eq!(Text::by_id("sign-in"), None);
}

#[test]
fn a_text_has_one_gap_at_most_and_the_same_in_both_languages() {
    for text in Text::ALL {
        for says in [text.english(), french(*text)] {
            let gap = text.gap().unwrap_or_default();
            assert_eq!(says.matches(['{', '}']).count(), 2 * usize::from(!gap.is_empty()), "{says}");
            assert!(says.contains(gap), "{says}");
        }
    }
    let gaps: Vec<_> = Text::ALL.iter().filter_map(|text| text.gap()).collect();
    assert_eq!(gaps, ["{name}", "{claims}", "{cookies}"]);
}

#[test]
fn french_has_its_own_marks() {
    for text in Text::ALL {
        let says = french(*text);
        assert!(!says.contains('\''), "a straight apostrophe: {says}");
        for (at, _) in says.match_indices([':', ';', '?', '!']) {
            assert!(says[..at].ends_with('\u{a0}'), "no space that does not break: {says}");
        }
    }
}

/// The table of docs/texts.md.
fn table() -> String {
    let rows = Text::ALL.iter().map(|text| format!("| `{}` | {} | {} |\n", text.id(), text.english(), french(*text)));
    ["| id | English | French |\n|---|---|---|\n".to_owned()].into_iter().chain(rows).collect()
}

#[test]
fn the_documentation_lists_every_text() {
    let written = include_str!("../../../docs/texts.md");
    let table = table();
    assert!(written.ends_with(&table), "docs/texts.md does not end with this table:\n{table}");
}
