//! The token in which the upstream is told who is asking (RFC 7519): short-lived, for one audience, signed by a key that serves
//! nothing else. When one is due, and for whom, is decided elsewhere.

use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use crate::crypto::signing::{NotSigned, SigningKey};
use crate::words::principal::{ClaimPath, Claims};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// `typ`, so that it is never taken for a session or an access token (RFC 8725, section 3.11).
const TYP: &str = "identity+jwt";

/// How the token is made.
#[derive(Debug)]
pub struct IdentityJwt {
    /// The first signs; all are published.
    pub keys: Vec<SigningKey>,
    /// `iss`; the origin that was asked otherwise.
    pub issuer: Option<Rc<str>>,
    /// From `iat` to `exp`, at most.
    pub lifetime: Duration,
    /// The claims beside those that every token has.
    pub claims: Vec<ClaimPath>,
    /// The header that carries it.
    pub header: Rc<str>,
}

impl IdentityJwt {
    /// Signs a token about somebody with these claims, for one audience, good from `life.start` to `life.end`.
    ///
    /// # Errors
    /// [`NotSigned`].
    pub fn sign(
        &self,
        world: &mut dyn World,
        subject: &str,
        issuer: &str,
        audience: &str,
        mut claims: Claims,
        life: Range<Timestamp>,
    ) -> Result<String, NotSigned> {
        let mut set = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
        set("iss", Value::from(issuer));
        set("sub", Value::from(subject));
        set("aud", Value::from(audience));
        set("iat", Value::from(life.start.seconds()));
        set("exp", Value::from(life.end.seconds()));
        self.keys.first().ok_or(NotSigned)?.sign(world, TYP, &claims)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::crypto::jws;
    use crate::crypto::key::{Algorithm, KeySet};
    use crate::crypto::testing::BareHost;
    use crate::words::secret::Secret;
    use crate::words::world::testing::Still;

    fn signed(keys: Vec<SigningKey>, claims: &Value) -> Result<String, NotSigned> {
        let jwt = IdentityJwt { keys, issuer: None, lifetime: Duration::ZERO, claims: vec![], header: "x-id".into() };
        let life = Timestamp::from_seconds(100)..Timestamp::from_seconds(160);
        jwt.sign(&mut Still::default(), "alice", "https://a.example", "orders", claims.as_object().unwrap().clone(), life)
    }

    fn key(secret: &str) -> SigningKey {
        SigningKey::shared_secret(&Secret::new(secret)).unwrap()
    }

    #[test]
    fn no_claim_of_a_provider_stands_in_for_who_asks_whom_it_is_for_and_until_when() {
        let [first, second] = ["the first secret, with 32 bytes.", "the next secret, with 32 bytes.."].map(key);
        let believed = KeySet::configured(vec![first.verification_key().clone()]);
        let evil = json!({"sub": "root", "iss": "x", "aud": "y", "iat": 0, "exp": 9_999, "groups": ["staff"]});
        let token = signed(vec![first, second], &evil).unwrap();
        let read = jws::verify(&BareHost::none(), &token, &believed, Algorithm::ALL).unwrap();
        let expected = json!({
            "sub": "alice", "iss": "https://a.example", "aud": "orders", "iat": 100, "exp": 160, "groups": ["staff"]
        });
        assert_eq!((Value::Object(read.claims), read.typ.as_deref()), (expected, Some("identity+jwt")));
    }

    #[test]
    fn without_a_key_nothing_is_signed() {
        assert!(signed(vec![], &json!({})).is_err());
    }
}
