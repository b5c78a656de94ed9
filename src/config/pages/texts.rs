//! The part `texts`: what the pages say in an operator's own words, by language and by the id of each text. Every text is shown as
//! it is written, and never as HTML.

use crate::answer::language::{Language, Languages};
use crate::answer::texts::Text;
use crate::config::reading::nearest::did_you_mean;
use crate::config::reading::refusal::{Checked, Refusal, Refusals};

/// The length of the longest text, in characters.
const LONGEST: usize = 600;

/// So many ids are told of texts that nobody has written.
const MOST_TOLD: usize = 10;

/// The texts of one language, by their ids.
type TextShapes = Vec<(String, Checked<String>)>;

/// Texts as an operator writes them, by the tags of their languages.
pub(crate) type TextsShape = Vec<(String, Checked<TextShapes>)>;

/// Checks all texts. A language that lacks some is told of in the warnings: there the English ones are shown.
pub(crate) fn texts(shape: Checked<TextsShape>, warnings: &mut Vec<Refusal>, refusals: &mut Refusals) -> Checked<Languages> {
    let mut languages: Vec<Checked<Language>> = Vec::new();
    for (tag, written) in shape? {
        let path = format!("texts.{tag}");
        let taken = |other: &Checked<Language>| other.as_ref().is_ok_and(|other| other.tag().eq_ignore_ascii_case(&tag));
        if !is_tag(&tag) || languages.iter().any(taken) {
            let sentence = "expected the tag of a language, each once, found another name; write fr, de or pt-BR";
            languages.push(Err(refusals.refuse(path, sentence)));
            continue;
        }
        languages.push(written.and_then(|written| {
            let each = written.into_iter().map(|(id, says)| text(&path, &id, says, refusals)).collect::<Vec<_>>();
            let language = Language::new(&tag, each.into_iter().collect::<Checked<_>>()?);
            warnings.extend(told_missing(&path, &language));
            Ok(language)
        }));
    }
    languages.into_iter().collect::<Checked<_>>().map(Languages::new)
}

/// Whether this is a language tag (RFC 5646, section 2.1) as it is usually written: the language in small letters, then letters
/// and digits.
fn is_tag(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let language = parts.next().unwrap_or_default();
    let within = |part: &str, least: usize| (least..=8).contains(&part.len());
    (2..=3).contains(&language.len())
        && language.bytes().all(|letter| letter.is_ascii_lowercase())
        && parts.all(|part| within(part, 2) && part.bytes().all(|letter| letter.is_ascii_alphanumeric()))
        && tag.len() <= 35
}

fn text(path: &str, id: &str, says: Checked<String>, refusals: &mut Refusals) -> Checked<(Text, String)> {
    let path = [path, ".", id].concat();
    let Some(text) = Text::by_id(id) else {
        let meant = did_you_mean(Text::ALL.iter().map(|text| text.id()), id);
        let sentence =
            ["expected the id of a text, found `", id, "`", &meant, "; docs/texts.md lists them: correct it or remove it"];
        return Err(refusals.refuse(path, sentence.concat()));
    };
    let says = says?;
    if says.trim().is_empty() || says.chars().count() > LONGEST || says.contains(char::is_control) {
        let sentence = "expected a text of 1 to 600 characters in one line, found another; write one, or remove it";
        return Err(refusals.refuse(path, sentence));
    }
    let outside = text.gap().map_or_else(|| says.clone(), |gap| says.replace(gap, ""));
    if outside.contains(['{', '}']) {
        let sentence = match text.gap() {
            Some(gap) => format!("expected no other gap than {gap}, and no other braces, found some; remove them"),
            None => "expected no gap, because nothing is filled in here, and no braces, found some; remove them".to_owned(),
        };
        return Err(refusals.refuse(path, sentence));
    }
    Ok((text, says))
}

/// The warning about texts that are shown in English, if there are any.
fn told_missing(path: &str, language: &Language) -> Option<Refusal> {
    let missing = language.left_in_english();
    let first: Vec<_> = missing.iter().take(MOST_TOLD).map(|text| text.id()).collect();
    let rest = missing.len().checked_sub(first.len()).filter(|rest| *rest > 0);
    let rest = rest.map(|rest| format!(" and {rest} more")).unwrap_or_default();
    let sentence = || {
        let count = missing.len();
        format!(
            "{count} texts are shown in English, because they are not written here: {}{rest} (docs/texts.md)",
            first.join(", ")
        )
    };
    (!missing.is_empty()).then(|| Refusal::new(path, sentence()))
}
