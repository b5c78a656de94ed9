//! Where a transmitter says which keys it signs with (SSF 1.0, section 7; Google's older form is of RISC). The document is fetched
//! elsewhere, through the transmitter's clusters, which also decide whether `jwks_uri` may be called.

use serde_json::Value;

use crate::http::url::Url;
use crate::oidc::claims::shown;
use crate::words::principal::Claims;
use crate::words::quote::quote;

/// What is used of a transmitter's configuration metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransmitterMetadata {
    /// The issuer, which is the expected one.
    pub issuer: String,
    /// Where its keys are.
    pub jwks_uri: Url,
}

/// The name under which the document stands (SSF 1.0, section 7.2).
const WELL_KNOWN: &str = "/.well-known/ssf-configuration";

/// The address of the document: the well-known name stands between the host and the path of the issuer (SSF 1.0, section 7.2.1). An
/// issuer that is itself such an address, as authentik's, is taken as it is.
///
/// # Errors
/// A phrase that completes "expected the issuer of a transmitter, …".
pub fn document_address(issuer: &Url) -> Result<Url, &'static str> {
    let path = issuer.target();
    if path.contains('?') {
        return Err("found a query in it");
    }
    if path.starts_with(WELL_KNOWN) {
        return Ok(issuer.clone());
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    Url::parse(&format!("{}://{}{WELL_KNOWN}{path}", issuer.scheme(), issuer.authority()))
}

/// Reads the document (SSF 1.0, sections 7.1 and 7.2.3). It is believed only for the expected issuer.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn read(members: &Claims, issuer: &str) -> Result<TransmitterMetadata, String> {
    match members.get("issuer") {
        Some(Value::String(found)) if found == issuer => {}
        found => return Err(format!("expected issuer {}, found {}", quote(issuer), shown(found))),
    }
    let Some(Value::String(jwks_uri)) = members.get("jwks_uri") else {
        return Err("jwks_uri is missing, or not a text".to_owned());
    };
    let jwks_uri = Url::parse(jwks_uri).map_err(|found| format!("jwks_uri: expected an absolute https URL, {found}"))?;
    Ok(TransmitterMetadata { issuer: issuer.to_owned(), jwks_uri })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_document_stands_between_the_host_and_the_path_of_the_issuer() {
        for (issuer, address) in [
            ("https://tr.example.com", "https://tr.example.com/.well-known/ssf-configuration"),
            ("https://tr.example.com/", "https://tr.example.com/.well-known/ssf-configuration"),
            ("https://tr.example.com:8443/a/b/", "https://tr.example.com:8443/.well-known/ssf-configuration/a/b"),
            (
                "https://ak.example.com/.well-known/ssf-configuration/foo/5",
                "https://ak.example.com/.well-known/ssf-configuration/foo/5",
            ),
        ] {
            assert_eq!(document_address(&Url::parse(issuer).unwrap()).unwrap().as_str(), address);
        }
        assert!(document_address(&Url::parse("https://tr.example.com/?a=b").unwrap()).is_err());
    }

    #[test]
    fn a_document_of_another_issuer_or_without_usable_keys_is_refused() {
        let issuer = "https://accounts.google.com/";
        let keys = "https://www.googleapis.com/oauth2/v3/certs";
        let read = |document: Value| read(document.as_object().unwrap(), issuer);
        let good = read(json!({"issuer": issuer, "jwks_uri": keys, "delivery_methods_supported": 7})).unwrap();
        assert_eq!((good.issuer.as_str(), good.jwks_uri.as_str()), (issuer, keys));
        for (document, wrong) in [
            (json!({"jwks_uri": keys}), "expected issuer"),
            (json!({"issuer": "https://accounts.google.com", "jwks_uri": keys}), "expected issuer"),
            (json!({"issuer": [issuer], "jwks_uri": keys}), "expected issuer"),
            (json!({"issuer": issuer}), "jwks_uri is missing"),
            (json!({"issuer": issuer, "jwks_uri": [keys]}), "jwks_uri is missing"),
            (json!({"issuer": issuer, "jwks_uri": "/keys"}), "jwks_uri: expected an absolute https URL"),
            (json!({"issuer": issuer, "jwks_uri": "file:///etc/passwd"}), "jwks_uri: expected an absolute https URL"),
        ] {
            let said = read(document.clone()).unwrap_err();
            assert!(said.starts_with(wrong), "{document}: {said}");
        }
    }
}
