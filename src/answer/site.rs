//! What the pages have of the site that they stand in front of: its name, its logo, its colour, whom people can turn
//! to, and its languages. What a page says is decided elsewhere.

use std::fmt;

use crate::answer::colour::Colour;
use crate::answer::language::Languages;

/// The card that a page is written on: white, and by night almost black.
pub const CARD: Accent = Accent { light: Colour::WHITE, dark: Colour::new(0x1b, 0x21, 0x2b) };

/// What an operator can say about the site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// Stands above every page, and behind the title of the window.
    pub name: Option<String>,
    /// Stands in the name's place. There is none without a name.
    pub logo: Option<Logo>,
    /// The colour of links and buttons.
    pub accent: Accent,
    /// How a person can ask for access.
    pub help: Help,
    /// What the pages say.
    pub languages: Languages,
    /// Whether they also say what the log says of the same request.
    pub diagnose: bool,
}

/// The image of a site.
#[derive(Clone, PartialEq, Eq)]
pub enum Logo {
    /// A `data:` URL, which brings the whole image.
    Data(String),
    /// A path on every origin that is served.
    Path(String),
}

/// A colour by day and by night (`prefers-color-scheme`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accent {
    /// On white.
    pub light: Colour,
    /// On almost black.
    pub dark: Colour,
}

/// How a person can ask for access.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Help {
    /// A sentence for the page.
    pub text: Option<String>,
    /// The address of a link: a URL with the scheme `https` or `mailto`, or a path.
    pub url: Option<String>,
}

impl Default for Accent {
    fn default() -> Self {
        Self { light: Colour::new(0x24, 0x56, 0xc8), dark: Colour::new(0x7e, 0xa6, 0xff) }
    }
}

/// The image itself is long, and says nothing.
impl fmt::Debug for Logo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(url) => write!(formatter, "Data({} bytes)", url.len()),
            Self::Path(path) => write!(formatter, "Path({path:?})"),
        }
    }
}

impl Logo {
    /// The source that a content security policy must allow for it.
    pub(super) const fn source(&self) -> &'static str {
        match self {
            Self::Data(_) => "data:",
            Self::Path(_) => "'self'",
        }
    }

    /// The address of the image.
    pub(super) fn url(&self) -> &str {
        match self {
            Self::Data(url) | Self::Path(url) => url,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_colour_of_links_and_buttons_can_be_read_by_day_and_by_night() {
        let accent = Accent::default();
        assert!(accent.light.is_legible_on(CARD.light) && accent.dark.is_legible_on(CARD.dark));
    }
}
