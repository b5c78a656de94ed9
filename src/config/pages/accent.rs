//! The member `accent` of the part `site`: the colour of links and buttons. Whoever writes one that cannot be read on the pages is
//! told the nearest that can.

use serde_json::Value;

use crate::answer::colour::Colour;
use crate::answer::site::{Accent, CARD};
#[cfg(not(target_arch = "wasm32"))]
use crate::config::described::{Described, Kind, text};
use crate::config::reading::place::{Place, Read, shape};
use crate::config::reading::refusal::{Checked, Refusal, Refusals};

/// `accent` as an operator writes it.
pub(super) enum AccentWritten {
    /// One colour.
    One(String),
    /// A colour by day and one by night.
    Both(AccentShape),
}

shape! {
    pub(super) struct AccentShape {
        /// by day, on white
        light: String where colours(),
        /// by night, on the dark card
        dark: String where colours(),
    }
}

/// A colour.
#[cfg(not(target_arch = "wasm32"))]
fn colours() -> Kind {
    text("colour", "^#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})$")
}

#[cfg(not(target_arch = "wasm32"))]
impl Described for AccentWritten {
    fn kind() -> Kind {
        Kind::Either("colour, or `light` and `dark`", vec![colours(), AccentShape::kind()])
    }
}

impl Read for AccentWritten {
    fn read(place: &Place<'_>, refusals: &mut Refusals) -> Checked<Self> {
        match place.value {
            Value::String(colour) => Ok(Self::One(colour.clone())),
            Value::Object(_) => place.read(refusals).map(Self::Both),
            _ => Err(place.mismatch("a colour, or one by day and one by night", "write \"#2456c8\", in quotes", refusals)),
        }
    }
}

/// Checks the colour. One alone is made legible by day or by night, whichever it is not, with a warning that says how to choose.
pub(super) fn accent(
    written: Checked<Option<AccentWritten>>,
    warnings: &mut Vec<Refusal>,
    refusals: &mut Refusals,
) -> Checked<Accent> {
    match written? {
        None => Ok(Accent::default()),
        Some(AccentWritten::One(text)) => {
            let given = colour("site.accent", &text, refusals)?;
            let made = Accent { light: given.made_legible_on(CARD.light), dark: given.made_legible_on(CARD.dark) };
            let changed = [("by day", CARD.light, made.light), ("by night", CARD.dark, made.dark)].into_iter();
            let changed = changed.filter(|(_, _, made)| *made != given).map(|(when, card, made)| {
                format!(
                    "{when} its contrast with the card {card} is {}, so that {made} is taken there",
                    ratio(given.contrast(card))
                )
            });
            let changed: Vec<_> = changed.collect();
            if !changed.is_empty() {
                let Accent { light, dark } = made;
                let sentence = format!(
                    "{}; 4.5:1 is needed (WCAG 2.2, 1.4.3): write {{light: \"{light}\", dark: \"{dark}\"}}, or others",
                    changed.join(", and ")
                );
                warnings.push(Refusal::new("site.accent", sentence));
            }
            Ok(made)
        }
        Some(AccentWritten::Both(shape)) => {
            let light = shape.light.and_then(|text| legible("site.accent.light", &text, CARD.light, refusals));
            let dark = shape.dark.and_then(|text| legible("site.accent.dark", &text, CARD.dark, refusals));
            Ok(Accent { light: light?, dark: dark? })
        }
    }
}

fn colour(path: &str, text: &str, refusals: &mut Refusals) -> Checked<Colour> {
    let remedy = "expected a colour as # and six hexadecimal digits, found another text; write \"#2456c8\", in quotes";
    Colour::parse(text).ok_or_else(|| refusals.refuse(path, remedy))
}

fn legible(path: &str, text: &str, card: Colour, refusals: &mut Refusals) -> Checked<Colour> {
    let given = colour(path, text, refusals)?;
    if given.is_legible_on(card) {
        return Ok(given);
    }
    let (found, made) = (ratio(given.contrast(card)), given.made_legible_on(card));
    let sentence = format!(
        "expected a contrast of at least 4.5:1 with the card {card} (WCAG 2.2, 1.4.3), found {found}; write \"{made}\", or another"
    );
    Err(refusals.refuse(path, sentence))
}

/// A contrast as people write it, such as `3.95:1`. It is given in hundredths.
fn ratio(hundredths: u32) -> String {
    let (whole, rest) = (hundredths.checked_div(100).unwrap_or_default(), hundredths.checked_rem(100).unwrap_or_default());
    format!("{whole}.{rest:02}:1")
}
