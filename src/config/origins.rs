//! Origins as written: the hosts that are served, and others whose pages may act for somebody.

use crate::config::Refusal;
use crate::words::url::Origin;

/// The origins that are served.
pub(super) fn origins(texts: &[String]) -> Result<Vec<Origin>, Refusal> {
    if texts.is_empty() {
        return Err(Refusal::new("origins", "expected at least one origin, found none; write https://app.example.com"));
    }
    let mut origins: Vec<Origin> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let path = format!("origins[{index}]");
        let origin = origin(&path, text)?;
        if !origin.is_https() && !origin.is_loopback() {
            return Err(Refusal::new(
                path,
                "expected https, found http; browsers keep sessions on https only (write what the browser shows, also behind a load balancer that ends TLS)",
            ));
        }
        if origins.iter().any(|other| other.authority() == origin.authority()) {
            return Err(Refusal::new(path, "expected every host once, found this one before; remove one of both"));
        }
        origins.push(origin);
    }
    Ok(origins)
}

/// Other origins that may act for a signed-in person.
pub(super) fn trusted_origins(texts: &[String]) -> Result<Vec<Origin>, Refusal> {
    let each = texts.iter().enumerate().map(|(index, text)| {
        let path = format!("trusted_origins[{index}]");
        let origin = origin(&path, text)?;
        if !origin.is_https() && !origin.is_loopback() {
            return Err(Refusal::new(
                path,
                "expected https, found http; whoever is on the way could act for anybody, so write https",
            ));
        }
        Ok(origin)
    });
    each.collect()
}

/// One origin.
pub(super) fn origin(path: &str, text: &str) -> Result<Origin, Refusal> {
    let refusal =
        |found| Refusal::new(path, format!("expected an origin, {found}; write https://app.example.com, without a path"));
    Origin::parse(text).map_err(refusal)
}
