//! The languages of the pages, and which of them a request asks for. A language that is not in the list is never named anywhere.

use crate::answer::french::french;
use crate::answer::texts::Text;

/// So many ranges of `Accept-Language` are looked at. Browsers send at most about ten.
const MOST_RANGES: usize = 32;

/// Texts that an operator has written, in the place of built-in ones.
pub type Replaced = Vec<(Text, String)>;

/// A language, with all its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Language {
    tag: String,
    replaced: Replaced,
}

/// All languages of the pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Languages {
    /// For whoever asks for no language that is here.
    english: Language,
    others: Vec<Language>,
}

impl Language {
    /// A language with these texts. `tag` is its language tag (RFC 5646), such as `pt-BR`.
    pub fn new(tag: &str, replaced: Replaced) -> Self {
        Self { tag: tag.to_owned(), replaced }
    }

    /// The language tag.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The texts that stand in English, because nobody has written them in this language.
    pub fn left_in_english(&self) -> Vec<Text> {
        let built_in = matches!(primary(&self.tag), "en" | "fr");
        let written = |text: &Text| built_in || self.replaced.iter().any(|(replaced, _)| replaced == text);
        Text::ALL.iter().copied().filter(|text| !written(text)).collect()
    }

    /// A text in this language.
    pub fn says(&self, text: Text) -> &str {
        let replaced = self.replaced.iter().find(|(replaced, _)| *replaced == text);
        replaced.map_or_else(|| if primary(&self.tag) == "fr" { french(text) } else { text.english() }, |(_, says)| says)
    }

    /// A text with a value in its gap.
    pub fn says_with(&self, text: Text, value: &str) -> String {
        let says = self.says(text);
        text.gap().map_or_else(|| says.to_owned(), |gap| says.replace(gap, value))
    }
}

/// The first part of a language tag, which names the language: `fr` of `fr-CA`.
fn primary(tag: &str) -> &str {
    tag.split('-').next().unwrap_or_default()
}

impl Default for Languages {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Languages {
    /// English and French, and the languages of an operator, which replace these or stand beside them.
    pub fn new(written: Vec<Language>) -> Self {
        let mut all = written;
        for tag in ["fr", "en"] {
            if !all.iter().any(|language| language.tag == tag) {
                all.push(Language::new(tag, Vec::new()));
            }
        }
        let english = all.iter().position(|language| language.tag == "en").map(|position| all.swap_remove(position));
        Self { english: english.unwrap_or_else(|| Language::new("en", Vec::new())), others: all }
    }

    /// The language for whoever asks for none.
    pub const fn english(&self) -> &Language {
        &self.english
    }

    /// The language that `Accept-Language` asks for (RFC 9110, section 12.5.4), by looking up (RFC 4647, section 3.4): `fr-CA` is
    /// answered in `fr` if there is no `fr-CA`. English if none of those that it names is here, and for `*`.
    pub fn choose<'a>(&self, fields: impl Iterator<Item = &'a [u8]>) -> &Language {
        let fields = fields.filter_map(|field| std::str::from_utf8(field).ok());
        let ranges = fields.flat_map(|field| field.split(',')).take(MOST_RANGES).filter_map(range);
        let mut sorted: Vec<(&str, u16)> = Vec::new();
        for (range, quality) in ranges {
            // Behind those of the same quality, whose order counts. (The standard library's sort is large, and these are few.)
            let position = sorted.iter().position(|(_, other)| *other < quality).unwrap_or(sorted.len());
            sorted.insert(position, (range, quality));
        }
        sorted.iter().find_map(|(range, _)| self.look_up(range)).unwrap_or(&self.english)
    }

    fn look_up(&self, range: &str) -> Option<&Language> {
        if range == "*" {
            return Some(&self.english);
        }
        let mut rest = range;
        loop {
            let all = [&self.english].into_iter().chain(&self.others);
            if let Some(language) = { all }.find(|language| language.tag.eq_ignore_ascii_case(rest)) {
                return Some(language);
            }
            rest = rest.rsplit_once('-')?.0;
        }
    }
}

/// A range and its quality, in thousandths; `None` if it says that it is not wanted (`q=0`), or cannot be read.
fn range(text: &str) -> Option<(&str, u16)> {
    let (range, quality) = match text.split_once(';') {
        None => (text, 1_000),
        Some((range, parameter)) => {
            let (name, value) = parameter.split_once('=')?;
            let named = name.trim().eq_ignore_ascii_case("q");
            (range, if named { thousandths(value.trim())? } else { return None })
        }
    };
    let range = range.trim();
    (quality > 0 && !range.is_empty()).then_some((range, quality))
}

/// A quality (RFC 9110, section 12.4.2): from `0` to `1`, with up to three digits after the point.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    if !matches!(whole, "0" | "1") || rest.len() > 3 || !rest.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    [whole, rest, "000".get(rest.len()..)?].concat().parse().ok().filter(|quality| *quality <= 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(languages: &Languages, fields: &[&str]) -> String {
        languages.choose(fields.iter().map(|field| field.as_bytes())).tag().to_owned()
    }

    #[test]
    fn the_language_is_the_one_of_the_list_that_is_wanted_most() {
        let german = vec![(Text::SignIn, "Anmelden".to_owned())];
        let languages = Languages::new(vec![Language::new("de", german), Language::new("pt-BR", Vec::new())]);
        for (fields, tag) in [
            (&[][..], "en"),
            (&[""], "en"),
            (&["fr"], "fr"),
            (&["FR"], "fr"),
            (&["fr-CA"], "fr"),
            (&["fr-CA-x-whatever"], "fr"),
            (&["fra"], "en"),
            (&["frx-CA"], "en"),
            (&["fr-CA,fr;q=0.8,en;q=0.6"], "fr"),
            (&["en-GB,en;q=0.9,fr;q=0.8"], "en"),
            (&["en;q=0.5, fr;q=0.6"], "fr"),
            (&["en;q=0.5", "fr;q=0.6"], "fr"),
            (&["en;Q=0.001,fr ; q = 0.002"], "fr"),
            (&["es,it;q=0.9,fr;q=0.1"], "fr"),
            (&["es,it"], "en"),
            (&["*"], "en"),
            (&["*;q=0.5,fr;q=0.4"], "en"),
            (&["*;q=0.4,fr;q=0.5"], "fr"),
            (&["fr;q=0"], "en"),
            (&["fr;q=0.000, de;q=0.1"], "de"),
            (&["de-AT"], "de"),
            (&["pt-br"], "pt-BR"),
            (&["pt-BR-x-y"], "pt-BR"),
            (&["pt"], "en"),
            // What cannot be read is not looked at.
            (&["fr;q=2"], "en"),
            (&["fr;q=1.001"], "en"),
            (&["fr;q=0.1234"], "en"),
            (&["fr;q="], "en"),
            (&["fr;q"], "en"),
            (&["fr;level=1"], "en"),
            (&["fr;q=-1,de;q=0.1"], "de"),
            (&["\"><script>,fr;q=0.1"], "fr"),
            (&["-,--,;,;;q=1,,fr"], "fr"),
        ] {
            assert_eq!(chosen(&languages, fields), tag, "{fields:?}");
        }
        assert_eq!(chosen(&languages, &[&format!("{}fr", "xx,".repeat(31))]), "fr");
        assert_eq!(chosen(&languages, &[&format!("{}fr", "xx,".repeat(32))]), "en", "of a long list only the beginning counts");
        assert_eq!(languages.choose([&b"\xff,fr"[..], b"fr"].into_iter()).tag(), "fr");
    }

    #[test]
    fn a_text_is_the_operators_or_the_built_in_one_of_the_language_or_english() {
        let replaced = |says: &str| vec![(Text::SignIn, says.to_owned()), (Text::SignedInAs, "{name}, {name}!".to_owned())];
        for (tag, text, says) in [
            ("en", Text::SignIn, "Log in"),
            ("en", Text::SignOut, "Sign out"),
            ("fr", Text::SignIn, "Log in"),
            ("fr", Text::SignOut, "Se déconnecter"),
            ("fr-CA", Text::SignOut, "Se déconnecter"),
            ("de", Text::SignIn, "Log in"),
            ("de", Text::SignOut, "Sign out"),
        ] {
            assert_eq!(Language::new(tag, replaced("Log in")).says(text), says, "{tag} {text:?}");
        }
        let named = Language::new("de", replaced("")).says_with(Text::SignedInAs, "{name} & {claims}");
        assert_eq!(named, "{name} & {claims}, {name} & {claims}!");
        assert_eq!(Language::new("fr", Vec::new()).says_with(Text::SignIn, "x"), "Se connecter");
    }
}
