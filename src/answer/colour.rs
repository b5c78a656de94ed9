//! Colours of the pages, and how well one can be read on another. Which colour is for what is not known here.

use std::fmt;

/// A colour of sRGB: red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour([u8; 3]);

/// The lowest contrast at which text of any size can be read, in hundredths: 4.5:1 (WCAG 2.2, success criterion 1.4.3).
pub const LEAST_CONTRAST: u32 = 450;

impl Colour {
    /// White.
    pub const WHITE: Self = Self([255; 3]);

    /// A colour by its parts.
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self([red, green, blue])
    }

    /// Reads `#rgb` or `#rrggbb`, in hexadecimal digits of either case; `None` for everything else.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
        match *digits.collect::<Option<Vec<_>>>()? {
            [red, green, blue] => Some(Self([red, green, blue].map(|digit| digit << 4 | digit))),
            [red, red2, green, green2, blue, blue2] => Some(Self([red << 4 | red2, green << 4 | green2, blue << 4 | blue2])),
            _ => None,
        }
    }

    /// The relative luminance, from 0 for black to 1 for white (WCAG 2.2, "relative luminance").
    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { to_the_power_of_2_4((part + 0.055) / 1.055) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// The contrast with another colour, in hundredths and rounded down: from 100, which is 1:1, to 2,100 (WCAG 2.2, "contrast
    /// ratio").
    pub fn contrast(self, other: Self) -> u32 {
        let (one, other) = (self.luminance() + 0.05, other.luminance() + 0.05);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 100 and 2,100")]
        let hundredths = (one.max(other) / one.min(other) * 100.0) as u32;
        hundredths
    }

    /// Whether text of this colour can be read on that one, and the other way round.
    pub fn is_legible_on(self, background: Self) -> bool {
        self.contrast(background) >= LEAST_CONTRAST
    }

    /// The nearest colour that [is legible](Self::is_legible_on): mixed with as little white or black as that takes.
    pub fn made_legible_on(self, background: Self) -> Self {
        let end = if background.luminance() < 0.18 { 255 } else { 0 };
        let mixed = |share: u32| {
            let part = |part: u8| {
                let (rest, part) = (255_u32.saturating_sub(share), u32::from(part));
                let sum = part.saturating_mul(rest).saturating_add(share.saturating_mul(end));
                u8::try_from(sum.checked_div(255).unwrap_or_default()).unwrap_or(u8::MAX)
            };
            Self(self.0.map(part))
        };
        (0..=255).map(mixed).find(|mixed| mixed.is_legible_on(background)).unwrap_or(mixed(255))
    }
}

/// A number from 0.05 to 1 to the power of 2.4: the fifth root of its twelfth power, by Newton's method. (`f64::powf` would
/// bring its tables into the module.)
fn to_the_power_of_2_4(number: f64) -> f64 {
    let fourth = |number: f64| number * number * number * number;
    let twelfth = fourth(number * number * number);
    // From 1 it only comes nearer, at first by a fifth of its size in each step: after 64 steps nothing changes any more.
    (0..64).fold(1.0, |root, _| root - (root * fourth(root) - twelfth) / (5.0 * fourth(root)))
}

/// As a style sheet has it: `#rrggbb`.
impl fmt::Display for Colour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(formatter, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour(text: &str) -> Colour {
        Colour::parse(text).unwrap()
    }

    #[test]
    fn a_colour_is_three_or_six_hexadecimal_digits_and_nothing_else() {
        for (text, written) in [("#fff", "#ffffff"), ("#1B212b", "#1b212b"), ("#0aF", "#00aaff"), ("#000000", "#000000")] {
            assert_eq!(colour(text).to_string(), written);
        }
        for text in
            ["", "#", "fff", "#ffff", "#fffff", "#fffffff", "#ff ff", "#ggg", "red", "#+ff", "#fff;}", "rgb(0,0,0)", "#٣٣٣"]
        {
            assert_eq!(Colour::parse(text), None, "{text}");
        }
    }

    #[test]
    fn contrasts_are_those_that_the_guidelines_define() {
        for (one, other, hundredths) in [
            ("#000", "#fff", 2_100),
            ("#fff", "#fff", 100),
            ("#777", "#fff", 447),
            ("#767676", "#fff", 454),
            ("#f00", "#fff", 399),
            ("#00f", "#fff", 859),
            ("#0f0", "#000", 1_530),
            ("#010101", "#000", 100),
        ] {
            assert_eq!(colour(one).contrast(colour(other)), hundredths, "{one} on {other}");
            assert_eq!(colour(other).contrast(colour(one)), hundredths, "{other} on {one}");
        }
    }

    #[test]
    fn the_power_is_that_of_the_standard_library() {
        for part in 11..=255 {
            let number = (f64::from(part) / 255.0 + 0.055) / 1.055;
            let (ours, theirs) = (to_the_power_of_2_4(number), number.powf(2.4));
            assert!((ours - theirs).abs() < 1e-15, "{part}: {ours} {theirs}");
        }
    }

    #[test]
    fn every_colour_can_be_made_legible_and_a_legible_one_stays_as_it_is() {
        let steps = || (0..=255).step_by(51);
        for (red, green, blue) in
            steps().flat_map(|red| steps().flat_map(move |green| steps().map(move |blue| (red, green, blue))))
        {
            for background in [Colour::WHITE, colour("#1b212b"), colour("#000")] {
                let given = Colour::new(red, green, blue);
                let made = given.made_legible_on(background);
                assert!(made.is_legible_on(background), "{given} on {background}: {made}");
                assert_eq!(given == made, given.is_legible_on(background), "{given} on {background}: {made}");
            }
        }
    }
}
