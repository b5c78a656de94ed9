//! Headers that carry identity to the upstream: which headers of a client are removed, and which are set. How an identity was
//! proved is not known here.

use std::borrow::Cow;
use std::rc::Rc;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;

use crate::access::upstream::believed::Believed;
use crate::http::message::Headers;
use crate::words::bytes::ByteSet;
use crate::words::principal::{AssumedVerified, ClaimPath, Claims};
use crate::words::reason::Reason;

/// Which claims become which headers, and which headers of a client are removed.
#[derive(Clone, Debug)]
pub struct IdentityHeaders {
    claims: Vec<ClaimHeader>,
    believed: Believed,
}

/// A claim, and the header that carries it.
#[derive(Clone, Debug)]
pub struct ClaimHeader {
    /// Where the claim stands.
    pub claim: ClaimPath,
    /// The name of the header, in lower case.
    pub name: Rc<str>,
    /// The separator at which a text becomes a list; `None` if a text is one value.
    pub split: Option<String>,
}

impl IdentityHeaders {
    /// `claims` are claims, each with its header, and `further` the names of other headers to remove, in lower case; a star at
    /// the end of one stands for whatever follows.
    pub fn new(claims: Vec<ClaimHeader>, further: &[String]) -> Self {
        let configured = claims.iter().map(|header| &*header.name);
        let believed = Believed::new(configured.chain(further.iter().map(String::as_str)));
        Self { claims, believed }
    }

    /// The claims that the headers need; for an address or a number also the claim that says whether it is verified.
    pub fn claims(&self) -> impl Iterator<Item = ClaimPath> {
        self.claims.iter().flat_map(|header| [header.claim.clone()].into_iter().chain(header.claim.verdict()))
    }

    /// The names, as they came, of headers that a client must not set. They are found in every spelling: many servers read `_` as
    /// `-`, and some also other characters.
    pub fn sent_by_client<'a>(&'a self, headers: &'a Headers) -> impl Iterator<Item = &'a str> {
        headers.named(|name| self.takes_away(name))
    }

    /// Whether a client must not set the header of this name, in whatever spelling.
    pub fn takes_away(&self, name: &[u8]) -> bool {
        self.believed.has(name)
    }

    /// The names that a client must not set, as the configuration and Accredit itself write them; the beginnings of families with a
    /// star behind them.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn taken_away(&self) -> impl Iterator<Item = String> {
        self.believed.all()
    }

    /// Checks that `Connection` does not make a proxy on the way drop the headers that are set here (RFC 9110, section 7.6.1).
    ///
    /// # Errors
    /// [`Reason::HeaderAmbiguous`] when it names one of them, a credential, or `host`.
    pub fn check_connection(&self, headers: &Headers) -> Result<(), Reason> {
        let nominates = |value: &[u8]| {
            let value = String::from_utf8_lossy(value);
            value.split(',').any(|name| {
                let name = name.trim().to_ascii_lowercase();
                self.believed.has(name.as_bytes()) || matches!(name.as_str(), "cookie" | "authorization" | "host")
            })
        };
        if headers.all("connection").any(nominates) { Err(Reason::HeaderAmbiguous) } else { Ok(()) }
    }

    /// The names and the values of the headers for a principal with these claims. There is none for a claim that is absent or an
    /// object, nor for an address or a number that is not verified; `assumed` says which count without a word about that.
    pub fn values(&self, claims: &Claims, assumed: AssumedVerified) -> Vec<(Rc<str>, String)> {
        let value = |header: &ClaimHeader| {
            let claim = header.claim.find_verified(claims, assumed)?;
            let value = match (claim, &header.split) {
                (Value::String(text), Some(separator)) => pieces(text, separator),
                (claim, _) => header_value(claim)?,
            };
            (!value.is_empty()).then(|| (Rc::clone(&header.name), value))
        };
        self.claims.iter().filter_map(value).collect()
    }
}

/// What is percent-encoded in a value: everything that a header cannot hold; `%` itself, so that the value can be read back in
/// one way only; and the comma, so that one text never looks like a list.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%').add(b',');

/// All visible characters that are not [`ENCODED`], and no space. A text of these alone is sent as it is.
const AS_IT_IS: ByteSet = ByteSet::EMPTY.with_range(b'!', b'~').without(b"%,");

fn header_value(claim: &Value) -> Option<String> {
    match claim {
        Value::Array(members) => {
            let mut list =
                String::with_capacity(members.iter().map(|member| member.as_str().map_or(0, str::len).saturating_add(1)).sum());
            for member in members {
                let Some(member) = scalar(member) else { continue };
                list.push_str(&member);
                list.push(',');
            }
            list.pop();
            Some(list)
        }
        claim => scalar(claim).map(Cow::into_owned),
    }
}

/// The list of the pieces of a text, without those that are empty. Each is encoded as a member of a list is.
fn pieces(text: &str, separator: &str) -> String {
    let pieces: Vec<_> = text.split(separator).filter(|piece| !piece.is_empty()).map(encoded).collect();
    pieces.join(",")
}

fn encoded(text: &str) -> Cow<'_, str> {
    // A shorter way for most texts.
    match AS_IT_IS.has_all(text.as_bytes()) {
        true => text.into(),
        false => encode_ends(utf8_percent_encode(text, ENCODED).into()),
    }
}

fn scalar(claim: &Value) -> Option<Cow<'_, str>> {
    match claim {
        Value::String(text) => Some(encoded(text)),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Bool(truth) => Some(truth.to_string().into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Percent-encodes spaces at both ends, because they are lost on the way (RFC 9110, section 5.5): ` admin` would arrive as
/// `admin`.
fn encode_ends(text: Cow<'_, str>) -> Cow<'_, str> {
    let inner = text.trim_matches(' ');
    if inner.len() == text.len() {
        return text;
    }
    let leading = text.len().saturating_sub(text.trim_start_matches(' ').len());
    let trailing = text.len().saturating_sub(leading).saturating_sub(inner.len());
    format!("{}{inner}{}", "%20".repeat(leading), "%20".repeat(trailing)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn identity() -> IdentityHeaders {
        let pairs = [("sub", "x-forwarded-user"), ("groups", "x-forwarded-groups"), ("role", "x-role")];
        IdentityHeaders::new(pairs.map(|(claim, name)| header(claim, name)).to_vec(), &[])
    }

    fn header(claim: &str, name: &str) -> ClaimHeader {
        ClaimHeader { claim: ClaimPath::named(claim), name: name.into(), split: None }
    }

    fn headers(fields: &[(&str, &str)]) -> Headers {
        Headers::new(fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect())
    }

    #[test]
    fn client_headers_are_recognised_in_every_spelling() {
        let sent = headers(&[
            ("x-forwarded-user", "root"),
            ("x_forwarded_user", "root"),
            ("X-Forwarded_User", "root"),
            ("x-role", "admin"),
            ("x_role", "admin"),
            ("x-forwarded-access_token", "x"),
            ("x.forwarded~user", "root"),
            ("x-original-url", "/admin"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-users", "x"),
            ("accept", "*/*"),
        ]);
        let found: Vec<_> = identity().sent_by_client(&sent).map(str::to_owned).collect();
        assert_eq!(
            found,
            [
                "x-forwarded-user",
                "x_forwarded_user",
                "X-Forwarded_User",
                "x-role",
                "x_role",
                "x-forwarded-access_token",
                "x.forwarded~user",
                "x-original-url"
            ]
        );
    }

    #[test]
    fn headers_that_servers_read_another_path_from_are_removed() {
        for name in ["Script-Name", "SCRIPT_NAME", "path_info", "x-script-name", "X-Forwarded-Prefix", "x-original-uri"] {
            assert_eq!(identity().sent_by_client(&headers(&[(name, "/x")])).count(), 1, "{name}");
        }
    }

    #[test]
    fn headers_that_servers_read_another_host_from_are_removed() {
        for name in ["X-Forwarded-Host", "x_forwarded_host", "X-Original-Host", "x-host", "Forwarded", "x-forwarded-server"] {
            assert_eq!(identity().sent_by_client(&headers(&[(name, "evil.example")])).count(), 1, "{name}");
        }
        let kept = headers(&[("host", "a.example"), ("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "https")]);
        assert_eq!(identity().sent_by_client(&kept).count(), 0);
    }

    #[test]
    fn a_connection_header_cannot_make_a_proxy_drop_our_headers() {
        for (value, good) in [
            ("upgrade", true),
            ("keep-alive, Upgrade", true),
            ("close, X-Forwarded-User", false),
            ("x_forwarded_user", false),
            ("close, X-Amzn-Oidc-Data", false),
            ("remote_groups", false),
            ("cookie", false),
        ] {
            assert_eq!(identity().check_connection(&headers(&[("connection", value)])).is_ok(), good, "{value}");
        }
    }

    #[test]
    fn an_address_that_is_not_verified_is_not_passed_on() {
        let identity = IdentityHeaders::new(vec![header("email", "x-forwarded-email")], &[]);
        let (nobody, email) = (AssumedVerified::default(), AssumedVerified { email: true, ..AssumedVerified::default() });
        for (verified, assumed, passed) in [
            (json!(true), nobody, 1),
            (json!("true"), nobody, 1),
            (json!(null), nobody, 0),
            (json!(false), nobody, 0),
            (json!("false"), nobody, 0),
            (json!(null), email, 1),
            (json!(false), email, 0),
        ] {
            let claims = json!({"email": "a@b.example", "email_verified": verified}).as_object().unwrap().clone();
            assert_eq!(identity.values(&claims, assumed).len(), passed, "{verified}");
        }
    }

    #[test]
    fn what_is_sent_as_it_is_needs_no_encoding() {
        for byte in 0..=u8::MAX {
            let text = char::from(byte).to_string();
            assert!(
                !AS_IT_IS.has_all(text.as_bytes()) || encode_ends(utf8_percent_encode(&text, ENCODED).into()) == text,
                "{byte}"
            );
        }
        assert!(AS_IT_IS.has_all(b"team-001-members"));
    }

    #[test]
    fn values_can_be_read_back_in_one_way_only() {
        for (claim, expected) in [
            (json!("alice"), Some("alice")),
            (json!("J\u{fc}rgen"), Some("J%C3%BCrgen")),
            (json!("a\r\nx-admin: 1"), Some("a%0D%0Ax-admin: 1")),
            (json!("100%"), Some("100%25")),
            (json!(" admin "), Some("%20admin%20")),
            (json!("  "), Some("%20%20")),
            (json!(7), Some("7")),
            (json!(true), Some("true")),
            (json!(["a", "b,c", "d%"]), Some("a,b%2Cc,d%25")),
            (json!(["a", {"b": 1}, null]), Some("a")),
            // One text is not a list of two, `admins` among them.
            (json!("x,admins"), Some("x%2Cadmins")),
            (json!([]), None),
            (json!(""), None),
            (json!({"a": 1}), None),
            (json!(null), None),
        ] {
            let claims = json!({"sub": claim}).as_object().unwrap().clone();
            let values = identity().values(&claims, AssumedVerified::default());
            assert_eq!(values.first().map(|(_, value)| value.as_str()), expected, "{claim}");
        }
    }

    #[test]
    fn only_a_text_is_split_and_its_pieces_are_encoded_as_members_of_a_list_are() {
        let split = |by: &str| ClaimHeader { split: Some(by.into()), ..header("groups", "x-groups") };
        for (claim, by, expected) in [
            (json!("admins; users"), "; ", Some("admins,users")),
            (json!("admins"), "; ", Some("admins")),
            // One exact separator: no other sign, and no part of it, is one.
            (json!("admins; users"), ";", Some("admins,%20users")),
            (json!("a;b"), "; ", Some("a;b")),
            (json!("a,b; 100%"), "; ", Some("a%2Cb,100%25")),
            (json!("a,b"), ",", Some("a,b")),
            // An empty piece is no group.
            (json!("; a; ; b; "), "; ", Some("a,b")),
            (json!("; "), "; ", None),
            (json!(""), "; ", None),
            (json!(["a; b", "c"]), "; ", Some("a; b,c")),
            (json!(7), "7", Some("7")),
            (json!({"a": "b; c"}), "; ", None),
        ] {
            let claims = json!({"groups": claim}).as_object().unwrap().clone();
            let values = IdentityHeaders::new(vec![split(by)], &[]).values(&claims, AssumedVerified::default());
            assert_eq!(values.first().map(|(_, value)| value.as_str()), expected, "{claim} by {by:?}");
        }
        // An address is split only if it is verified.
        let email = ClaimHeader { split: Some(";".into()), ..header("email", "x-email") };
        let claims = json!({"email": "a;b"}).as_object().unwrap().clone();
        assert!(IdentityHeaders::new(vec![email], &[]).values(&claims, AssumedVerified::default()).is_empty());
    }

    #[test]
    fn whoever_needs_an_address_also_needs_the_claim_whether_it_is_verified() {
        let both = vec![header("sub", "x-user"), header("email", "x-email")];
        let identity = IdentityHeaders::new(both, &["x-team".to_owned()]);
        assert_eq!(identity.claims().collect::<Vec<_>>(), ["sub", "email", "email_verified"].map(ClaimPath::named));
        assert_eq!(["x-email", "X_Team", "x-role"].map(|name| identity.takes_away(name.as_bytes())), [true, true, false]);
    }
}
