//! The member `logo` of the part `site`: an image that every page can show, although it asks nobody but its own origin for
//! anything.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::access::path;
use crate::access::requirement::Requirement;
use crate::access::route::Rules;
use crate::answer::site::Logo;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::http::url::Origin;

const LOGO: &str = "site.logo";

/// How an image in the configuration may begin. As an image, an SVG runs no script and loads nothing.
const TYPES: [&str; 5] = ["data:image/svg+xml;", "data:image/png;", "data:image/jpeg;", "data:image/webp;", "data:image/gif;"];

/// The longest image in the configuration, in bytes: every page brings it.
const LONGEST: usize = 32_768;

/// Checks the text by itself.
pub(super) fn logo(text: &str, refusals: &mut Refusals) -> Checked<Logo> {
    let mut refuse = |sentence| Err(refusals.refuse(LOGO, sentence));
    if text.starts_with('/') {
        return match path::check(text) {
            Ok(()) => Ok(Logo::Path(text.to_owned())),
            Err(_) => refuse(
                "expected a path that can be read in one way only, without a query, found another; write /logo.svg, and serve the image there",
            ),
        };
    }
    if text.len() > LONGEST {
        return refuse(
            "expected at most 32768 bytes, because every page brings them, found more; write a path, such as /logo.svg",
        );
    }
    let image = TYPES.iter().find_map(|begin| text.strip_prefix(begin)).and_then(|rest| rest.strip_prefix("base64,"));
    match image.filter(|image| !image.is_empty()).map(|image| STANDARD.decode(image)) {
        Some(Ok(_)) => Ok(Logo::Data(text.to_owned())),
        Some(Err(_)) => refuse("expected an image in base64, found other characters; encode it by base64 -w0 logo.png"),
        None => refuse(
            "expected a path on this origin, or data:image/TYPE;base64,… with svg+xml, png, jpeg, webp or gif, found another address; pages ask no other site for anything: write /logo.svg, and serve the image there",
        ),
    }
}

/// Checks that everybody can load the image: on every origin a public rule takes its path, and no endpoint does.
pub(super) fn check_public(
    logo: Option<&Logo>,
    origins: &[Origin],
    answered: &[(&str, String)],
    rules: &Rules,
    refusals: &mut Refusals,
) -> Checked<()> {
    let Some(Logo::Path(path)) = logo else { return Ok(()) };
    if let Some((name, _)) = answered.iter().find(|(_, answered)| answered == path) {
        let sentence = format!("expected a path that a public rule covers, found endpoints.{name}; write the path of an image");
        return Err(refusals.refuse(LOGO, sentence));
    }
    let taking = origins.iter().map(|origin| (origin, rules.find("GET", origin.host(), path)));
    let closed = { taking }.find(|(_, rule)| rule.require != Requirement::Public);
    let Some((origin, rule)) = closed else { return Ok(()) };
    let who = match &*rule.name {
        "default" => "no rule, which is for people who are signed in".to_owned(),
        name => format!("{name}, which is not public"),
    };
    let sentence = format!(
        "expected a path that a public rule covers, found one of {who}, on {origin}; write {{match: {{path: {path}}}, require: public}} before it, or the image as data:image/…"
    );
    Err(refusals.refuse(LOGO, sentence))
}
