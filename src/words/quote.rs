//! What strangers wrote, made fit for a log: one line of printable ASCII, bounded, and nothing in it that looks like a token.
//! Nothing here decides what may be logged at all.

/// The longest quotation, in characters.
pub const LONGEST: usize = 200;

/// A run of so many letters and digits is no word of a sentence; it may be a code or a token that the stranger repeats.
const LONGEST_WORD: usize = 24;

/// A name or a URL that is no secret: printable ASCII, bounded, in quotation marks.
pub fn quote(text: &str) -> String {
    format!("\"{}\"", printable(text))
}

/// A sentence from elsewhere: as [`quote`], and whatever might be a code or a token in it is left out.
pub fn quote_prose(text: &str) -> String {
    let mut shown = String::new();
    let mut word = String::new();
    for character in printable(text).chars().chain(std::iter::once(' ')) {
        if character.is_ascii_alphanumeric() || "-_.~+=".contains(character) {
            word.push(character);
            continue;
        }
        shown.push_str(if word.len() > LONGEST_WORD { "[left out]" } else { &word });
        shown.push(character);
        word.clear();
    }
    format!("\"{}\"", shown.trim_end())
}

fn printable(text: &str) -> String {
    let mut characters = text.chars();
    let mut shown: String = characters
        .by_ref()
        .take(LONGEST)
        .map(|character| if matches!(character, ' '..='~') && character != '"' { character } else { '?' })
        .collect();
    if characters.next().is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_cannot_be_forged_or_flooded() {
        assert_eq!(quote("a\r\nb\u{1b}[1m\"ü"), "\"a??b?[1m??\"");
        assert_eq!(quote(&"a".repeat(1_000)).len(), LONGEST + "...".len() + 2);
    }

    #[test]
    fn a_code_that_a_provider_repeats_is_left_out() {
        for (prose, shown) in [
            ("Code 3f2504e0-4f89-11d3-9a0c-0305e82c3301.x not valid", "\"Code [left out] not valid\""),
            ("code=c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "\"[left out]\""),
            (
                "the redirect_uri https://app.example.com/api/callback is not registered",
                "\"the redirect_uri https://app.example.com/api/callback is not registered\"",
            ),
        ] {
            assert_eq!(quote_prose(prose), shown);
        }
    }
}
