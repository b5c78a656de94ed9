//! Decodes keys in PEM, as operators keep them in files and environment variables (RFC 7468). What kind of key it is, is not
//! known here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::crypto::key::UnusableKey;

/// The bytes of a public key: SubjectPublicKeyInfo in DER.
///
/// # Errors
/// What was found instead, and the command that converts it.
pub(super) fn public_key(text: &str) -> Result<Zeroizing<Vec<u8>>, UnusableKey> {
    block(text, "PUBLIC KEY", |label| match label {
        label if label.ends_with("PRIVATE KEY") => "it is a private key; write the public half: openssl pkey -pubout",
        "RSA PUBLIC KEY" => "it is in PKCS#1 form; convert it: openssl rsa -RSAPublicKey_in -pubout",
        "CERTIFICATE" => "it is a certificate; write its key: openssl x509 -noout -pubkey",
        _ => "it is no PEM block BEGIN PUBLIC KEY",
    })
}

/// The bytes of a private key: PKCS#8 in DER.
///
/// # Errors
/// What was found instead, and the command that converts it.
pub(super) fn private_key(text: &str) -> Result<Zeroizing<Vec<u8>>, UnusableKey> {
    block(text, "PRIVATE KEY", |label| match label {
        "RSA PRIVATE KEY" | "EC PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" => {
            "it is not in PKCS#8 form without a password; convert it: openssl pkcs8 -topk8 -nodes"
        }
        _ => "it is no PEM block BEGIN PRIVATE KEY",
    })
}

fn block(text: &str, wanted: &str, other: fn(&str) -> &'static str) -> Result<Zeroizing<Vec<u8>>, UnusableKey> {
    let (label, rest) = text.trim().strip_prefix("-----BEGIN ").and_then(|text| text.split_once("-----")).unwrap_or_default();
    if label != wanted {
        return Err(UnusableKey(other(label)));
    }
    let (body, end) = rest.split_once("-----").unwrap_or_default();
    if end.strip_prefix("END ").and_then(|end| end.strip_suffix("-----")) != Some(wanted) {
        return Err(UnusableKey("its PEM block has no end, or something comes after it"));
    }
    // A key in an environment variable may have lost its line breaks.
    let body: Zeroizing<String> = Zeroizing::new(body.split_ascii_whitespace().collect());
    STANDARD.decode(body.as_bytes()).map(Zeroizing::new).map_err(|_| UnusableKey("its PEM block is not base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_read_with_and_without_its_line_breaks() {
        for text in [
            "-----BEGIN PUBLIC KEY-----\nAQID\nBA==\n-----END PUBLIC KEY-----",
            "  -----BEGIN PUBLIC KEY-----\r\nAQIDBA==\r\n-----END PUBLIC KEY-----\r\n",
            "-----BEGIN PUBLIC KEY----- AQID BA== -----END PUBLIC KEY-----",
        ] {
            assert_eq!(public_key(text).unwrap().as_slice(), [1, 2, 3, 4], "{text}");
        }
    }

    #[test]
    fn another_form_is_named_with_the_command_that_converts_it() {
        let named = |label: &str| format!("-----BEGIN {label}-----\nAQID\n-----END {label}-----\n");
        for (label, remedy) in [
            ("PRIVATE KEY", "openssl pkey -pubout"),
            ("EC PRIVATE KEY", "openssl pkey -pubout"),
            ("RSA PUBLIC KEY", "openssl rsa -RSAPublicKey_in -pubout"),
            ("CERTIFICATE", "openssl x509 -noout -pubkey"),
            ("DH PARAMETERS", "it is no PEM block"),
        ] {
            assert!(public_key(&named(label)).unwrap_err().0.contains(remedy), "{label}");
        }
        for (label, remedy) in [
            ("RSA PRIVATE KEY", "openssl pkcs8 -topk8 -nodes"),
            ("EC PRIVATE KEY", "openssl pkcs8 -topk8 -nodes"),
            ("ENCRYPTED PRIVATE KEY", "openssl pkcs8 -topk8 -nodes"),
            ("PUBLIC KEY", "it is no PEM block"),
        ] {
            assert!(private_key(&named(label)).unwrap_err().0.contains(remedy), "{label}");
        }
    }

    #[test]
    fn a_text_that_is_not_one_whole_block_is_refused() {
        for text in [
            "",
            "AQID",
            "-----BEGIN PUBLIC KEY-----",
            "-----BEGIN PUBLIC KEY-----\nAQID",
            "-----BEGIN PUBLIC KEY-----\nAQID\n-----END RSA PUBLIC KEY-----",
            "-----BEGIN PUBLIC KEY-----\nä\n-----END PUBLIC KEY-----",
            "-----BEGIN PUBLIC KEY-----\nAQID\n-----END PUBLIC KEY-----\n-----BEGIN PUBLIC KEY-----\nAQID\n-----END PUBLIC KEY-----",
        ] {
            assert!(public_key(text).is_err(), "{text}");
        }
    }
}
