//! The identity JWT (RFC 7519), which tells the upstream who is asking: short-lived, for one audience, signed by a key that
//! serves no other purpose. When a new one is due, and for which audience, is not decided here.

use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use crate::crypto::signing::{NotSigned, SigningKey};
use crate::words::principal::{ClaimPath, Claims};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// The usual value of `typ`, by which an identity JWT is never taken for a session or an access token (RFC 8725, section 3.11).
pub const TYP: &str = "identity+jwt";

/// How identity JWTs are made.
#[derive(Debug)]
pub struct IdentityJwt {
    /// The first key signs. All are published, unless they are shared secrets.
    pub keys: Vec<SigningKey>,
    /// The value of `iss`; `None` for the origin that the request is for.
    pub issuer: Option<Rc<str>>,
    /// The longest time from `iat` to `exp`.
    pub lifetime: Duration,
    /// The claims of the person that the token has, beside those that every identity JWT has.
    pub claims: Vec<ClaimPath>,
    /// The name of the header that carries it.
    pub header: Rc<str>,
    /// The value of `typ`.
    pub typ: Rc<str>,
}

impl IdentityJwt {
    /// Signs a token about `subject`, valid from `life.start` to `life.end` (`iat` and `exp`, in seconds), and gives its compact
    /// serialization.
    ///
    /// # Errors
    /// [`NotSigned`] when there is no key, or when the host does not sign.
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
        self.keys.first().ok_or(NotSigned)?.sign(world, &self.typ, &claims)
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
        let (header, typ) = ("x-id".into(), TYP.into());
        let jwt = IdentityJwt { keys, issuer: None, lifetime: Duration::ZERO, claims: vec![], header, typ };
        let life = Timestamp::from_seconds(100)..Timestamp::from_seconds(160);
        jwt.sign(&mut Still::default(), "alice", "https://a.example", "orders", claims.as_object().unwrap().clone(), life)
    }

    fn key(secret: &str) -> SigningKey {
        SigningKey::shared_secret(&Secret::new(secret)).unwrap()
    }

    #[test]
    fn no_claim_of_a_provider_replaces_issuer_subject_audience_or_times() {
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
