//! The parts `site` and `help`: the name, the logo and the colour of the pages, and how people ask for access. All texts are shown
//! as they are written, and never as HTML.

use crate::access::route::Rules;
use crate::answer::language::Languages;
use crate::answer::site::{Help, Logo, Site};
use crate::config::pages::accent::{AccentWritten, accent};
use crate::config::pages::logo::{check_public, logo};
use crate::config::reading::place::shape;
use crate::config::reading::refusal::{Checked, Refusal, Refusals};
use crate::http::return_to::ReturnTo;
use crate::http::url::Origin;

/// The length of the longest name, in characters: it stands above every page.
const LONGEST_NAME: usize = 60;

shape! {
    pub(crate) struct SiteShape {
        /// 1 to 60 characters: stands above every page, and in the title of the window
        name: Option<String> where text("text", "\\S"),
        /// an image in the name's place; needs `name`, which those hear or read who do not see the image. See below
        logo: Option<String> where text("path, or `data:` URL", "^(/|data:image/)"),
        /// the colour of links and buttons. See below
        /// Default: a blue
        accent: Option<AccentWritten>,
        /// how to ask for access
        help: Option<HelpShape>,
    }
}

shape! {
    pub(crate) struct HelpShape {
        /// on the page "Access denied": how to ask for access
        /// Default: a general sentence
        text: Option<String>,
        /// `https:`, `mailto:` or a path, on the same page
        url: Option<String> where text("address", "^(https://|mailto:|/)"),
    }
}

/// What a logo's path is compared with.
pub(crate) struct Ground<'a> {
    pub(crate) origins: &'a [Origin],
    /// The names and the paths of the endpoints.
    pub(crate) answered: &'a [(&'a str, String)],
    pub(crate) rules: &'a Rules,
}

/// The parts beside `site` that its pages depend on.
pub(crate) struct Beside {
    /// It stood here before it was a part of `site`, and still may.
    pub(crate) help: Checked<Option<HelpShape>>,
    pub(crate) languages: Checked<Languages>,
    pub(crate) diagnose: Checked<bool>,
}

/// Checks the part `site`, with what stands beside it.
pub(crate) fn site(
    shape: Checked<SiteShape>,
    beside: Beside,
    warnings: &mut Vec<Refusal>,
    refusals: &mut Refusals,
) -> Checked<Site> {
    let earlier = beside.help.and_then(|shape| shape.map(|shape| help("help", shape, refusals)).transpose());
    let shape = shape?;
    let name = shape.name.and_then(|text| text.map(|text| name(text, refusals)).transpose());
    let image = match (shape.logo?, &name) {
        (None, _) => Ok(None),
        (Some(_), Ok(None)) => {
            let sentence =
                "expected site.name, which those hear or read who do not see the logo, found none; write name: Example";
            Err(refusals.refuse("site.logo", sentence))
        }
        (Some(text), _) => logo(&text, refusals).map(Some),
    };
    let accent = accent(shape.accent, warnings, refusals);
    let within = shape.help.and_then(|shape| shape.map(|shape| help("site.help", shape, refusals)).transpose());
    let help = match (within?, earlier?) {
        (Some(_), Some(_)) => {
            return Err(refusals.refuse("help", "expected it in one place, found it here and as site.help; remove this one"));
        }
        (within, earlier) => within.or(earlier).unwrap_or_default(),
    };
    Ok(Site { name: name?, logo: image?, accent: accent?, help, languages: beside.languages?, diagnose: beside.diagnose? })
}

/// The warning about `diagnose`, where strangers may come.
pub(crate) fn warn_of_diagnosis(site: &Site, origins: &[Origin]) -> Option<Refusal> {
    let sentence = "everybody who gets a page of Accredit reads there what the log says: why, by which rule, and what it wanted; this is for trying out, so remove it before strangers come";
    (site.diagnose && origins.iter().any(Origin::is_https)).then(|| Refusal::new("diagnose", sentence))
}

/// Checks that everybody can load the logo.
pub(crate) fn check_logo(logo: Option<&Logo>, ground: &Ground<'_>, refusals: &mut Refusals) -> Checked<()> {
    check_public(logo, ground.origins, ground.answered, ground.rules, refusals)
}

fn name(text: String, refusals: &mut Refusals) -> Checked<String> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.contains(char::is_control) {
        let sentence = "expected a name of 1 to 60 characters in one line, found another text; write name: Example";
        return Err(refusals.refuse("site.name", sentence));
    }
    Ok(name.to_owned())
}

/// Checks how people ask for access.
fn help(path: &str, shape: HelpShape, refusals: &mut Refusals) -> Checked<Help> {
    let good = |url: &str| {
        let elsewhere = url.starts_with("https://") || url.starts_with("mailto:");
        let here = url.starts_with('/') && ReturnTo::parse(url, &[]).is_ok();
        (elsewhere || here) && !url.contains(char::is_control)
    };
    let url = shape.url.and_then(|url| match url {
        Some(url) if !good(&url) => {
            let sentence = "expected https:, mailto: or a path, found another address; write mailto:help@example.com";
            Err(refusals.refuse(format!("{path}.url"), sentence))
        }
        url => Ok(url),
    });
    Ok(Help { text: shape.text?, url: url? })
}
