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
