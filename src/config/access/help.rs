//! The part `help`: what the page "Access denied" says about asking for access. Who gets that page is not known here.

use crate::answer::refusal::Help;
use crate::config::reading::place::shape;
use crate::config::reading::refusal::{Checked, Refusals};

shape! {
    pub(crate) struct HelpShape {
        text: Option<String>,
        url: Option<String>,
    }
}

/// Checks the text and the address.
pub(crate) fn help(shape: Checked<HelpShape>, refusals: &mut Refusals) -> Checked<Help> {
    let shape = shape?;
    let url = shape.url?;
    let good = |url: &String| url.starts_with("https://") || url.starts_with("mailto:");
    if url.as_ref().is_some_and(|url| !good(url)) {
        let sentence = "expected https: or mailto:, found another address; write mailto:help@example.com";
        return Err(refusals.refuse("help.url", sentence));
    }
    Ok(Help { text: shape.text?, url })
}
