//! Text of strangers, made safe for a log: quoted, cut to a bounded length, in printable ASCII, without anything that looks like
//! a token; or, where other letters shall stay, without invisible characters. Whether a text may be logged at all is decided
//! elsewhere.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The length of the longest quotation, in characters. What is longer is cut off, and ends with `...`.
pub const LONGEST: usize = 200;

/// The length of the longest word, in bytes. A longer run of letters and digits may be a code or a token that the stranger
/// repeats.
const LONGEST_WORD: usize = 24;

/// What stands in the place of a text that might be a credential.
pub const LEFT_OUT: &str = "[left out]";

/// The characters that nobody sees, or that reorder or end a line for some reader: control and format characters, separators of
/// lines and paragraphs, fillers, variation selectors and tags (Unicode's general categories Cc, Cf, Zl and Zp, and the property
/// `Default_Ignorable_Code_Point`).
const INVISIBLE: [(char, char); 26] = [
    ('\0', '\u{1f}'),
    ('\u{7f}', '\u{9f}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{110bd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{10ffff}'),
];

/// The line, with each invisible character written as JSON escapes it (`\u202e`), so that a line of JSON keeps its meaning.
pub fn escape_invisible(line: &str) -> Cow<'_, str> {
    let is_invisible = |character: char| INVISIBLE.iter().any(|(first, last)| (*first..=*last).contains(&character));
    // Most lines are printable ASCII.
    if line.bytes().all(|byte| matches!(byte, b' '..=b'~')) || !line.contains(is_invisible) {
        return Cow::Borrowed(line);
    }
    let mut shown = String::with_capacity(line.len());
    for character in line.chars() {
        if is_invisible(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// A name or a URL that is no secret, in quotation marks: at most [`LONGEST`] characters, with `?` for everything that is not
/// printable ASCII.
pub fn quote(text: &str) -> String {
    format!("\"{}\"", printable(text))
}

/// A sentence that a stranger wrote: like [`quote`], and `[left out]` stands for whatever might be a code or a token.
pub fn quote_prose(text: &str) -> String {
    let mut shown = String::new();
    let mut word = String::new();
    for character in printable(text).chars().chain(std::iter::once(' ')) {
        if character.is_ascii_alphanumeric() || "-_.~+=".contains(character) {
            word.push(character);
            continue;
        }
        shown.push_str(if word.len() > LONGEST_WORD { LEFT_OUT } else { &word });
        shown.push(character);
        word.clear();
    }
    format!("\"{}\"", shown.trim_end())
}

/// A name that a stranger chose, for a line that escapes what it holds: at most [`LONGEST`] characters, and [`LEFT_OUT`] stands for what
/// looks like a JWT. (Names of tools are long words. What would be a code among sentences is none here.)
pub fn name(text: &str) -> String {
    let mut characters = text.chars();
    let cut: String = characters.by_ref().take(LONGEST).collect();
    let of_word = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    let is_token = |word: &&str| word.len() > LONGEST_WORD && word.contains("eyJ") && word.contains('.');
    let tokens: Vec<_> = cut.split(|character| !of_word(character)).filter(is_token).collect();
    let mut shown = tokens.iter().fold(cut.clone(), |text, token| text.replace(token, LEFT_OUT));
    if characters.next().is_some() {
        shown.push_str("...");
    }
    shown
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
    fn no_invisible_character_stays_in_a_line() {
        for mark in "\u{7f}\u{85}\u{ad}\u{61c}\u{180e}\u{200b}\u{200d}\u{200e}\u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{3164}\u{fe0f}\u{feff}\u{fff9}".chars() {
            assert_eq!(escape_invisible(&format!("a{mark}b")), format!("a\\u{:04x}b", u32::from(mark)));
        }
        // JSON escapes a character beyond U+FFFF as a surrogate pair.
        assert_eq!(escape_invisible("a\u{e0041}b"), "a\\udb40\\udc41b");
        let line = serde_json::json!({"subject": "a\u{202e}\u{2028}\u{e0041}\n\u{7f}"});
        let written = line.to_string();
        assert!(escape_invisible(&written).is_ascii());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escape_invisible(&written)).ok(), Some(line));
        for plain in ["plain", "J\u{fc}rgen", "\u{5f20}\u{4e09}", "\u{20bb7}", "\u{1f600}", "\u{645}\u{62d}"] {
            assert_eq!(escape_invisible(plain), plain);
        }
    }

    #[test]
    fn a_name_is_cut_and_has_no_jwt_in_it() {
        let jwt = ["eyJhbGciOiJSUzI1NiJ9.", &"e".repeat(500), ".c2ln"].concat();
        for (text, shown) in [
            ("github_create_pull_request_review_comment", "github_create_pull_request_review_comment".to_owned()),
            ("gr\u{f6}\u{df}e", "gr\u{f6}\u{df}e".to_owned()),
            (&*"x".repeat(201), ["x".repeat(200).as_str(), "..."].concat()),
            (&*jwt, "[left out]...".to_owned()),
            (&*format!("a {jwt}"), "a [left out]...".to_owned()),
        ] {
            assert_eq!(name(text), shown);
        }
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
