//! The parts `origins` and `trusted_origins`: the origins that are served, and others whose pages may act for a signed-in person.
//! Which requests come from where is not known here.

use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::values::{each, origin};
use crate::http::url::Origin;

/// A list of origins as an operator writes it.
type Texts = Checked<Vec<Checked<String>>>;

/// Checks the origins that are served.
pub(crate) fn origins(texts: Texts, refusals: &mut Refusals) -> Checked<Vec<Origin>> {
    let texts = texts?;
    if texts.is_empty() {
        let sentence = "expected at least one origin, found none; write https://app.example.com";
        return Err(refusals.refuse("origins", sentence));
    }
    let mut authorities: Vec<String> = Vec::new();
    each(texts, |index, text| {
        let path = format!("origins[{index}]");
        let origin = origin(&path, &text, refusals)?;
        if !origin.is_https() && !origin.is_loopback() {
            return Err(refusals.refuse(
                path,
                "expected https, found http; browsers keep sessions on https only (write what the browser shows, also behind a load balancer that ends TLS)",
            ));
        }
        if authorities.iter().any(|other| other == origin.authority()) {
            return Err(refusals.refuse(path, "expected every host once, found this one before; remove one of both"));
        }
        authorities.push(origin.authority().to_owned());
        Ok(origin)
    })
}

/// Checks other origins, whose pages may act for a signed-in person.
pub(crate) fn trusted_origins(texts: Texts, refusals: &mut Refusals) -> Checked<Vec<Origin>> {
    each(texts?, |index, text| {
        let path = format!("trusted_origins[{index}]");
        let origin = origin(&path, &text, refusals)?;
        if !origin.is_https() && !origin.is_loopback() {
            let sentence = "expected https, found http; whoever is on the way could act for anybody, so write https";
            return Err(refusals.refuse(path, sentence));
        }
        Ok(origin)
    })
}
