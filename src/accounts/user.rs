//! What the user service says about somebody, and which parts of it become the subject and the claims of a session. How the
//! service was asked is not known here.

use std::fmt;

use serde_json::Value;

use crate::accounts::call::Answer;
use crate::words::principal::{ClaimPath, Claims, VERIFIABLE_CLAIMS, is_reserved};
use crate::words::reason::Failure;

/// Where subject and claims stand in what the user service says about somebody.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// The place of the subject, which is a text or a whole number.
    pub subject: ClaimPath,
    /// The names of the claims, each with its place.
    pub claims: Vec<(String, ClaimPath)>,
}

/// Somebody whom the user service knows. Debug output does not show who.
#[derive(Clone, PartialEq)]
pub struct User {
    /// The subject of their sessions.
    pub subject: String,
    /// The claims of their sessions, `sub` among them.
    pub claims: Claims,
    /// Everything that the service said. It may say too much, so that only what the configuration names is used.
    pub profile: Claims,
}

impl fmt::Debug for User {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("User")
    }
}

impl Mapping {
    /// The names of the claims that the user service says, and that nobody else may. Of an address or a number and its verdict it
    /// says both, even if only one is mapped, because a provider's verdict is not about another's address.
    pub fn settled(&self) -> impl Iterator<Item = &str> {
        let named = |claim: &str| self.claims.iter().any(|(name, _)| name == claim);
        let pairs = VERIFIABLE_CLAIMS.into_iter().filter(move |(claim, verified)| named(claim) || named(verified));
        let pairs = pairs.flat_map(|(claim, verified)| [claim, verified]);
        self.claims.iter().map(|(name, _)| name.as_str()).chain(pairs).chain(["sub"])
    }

    /// Reads the user at `place` in an answer; without a place, the whole answer is the user.
    ///
    /// # Errors
    /// [`Reason::AccountsMalformed`](crate::words::reason::Reason::AccountsMalformed) when there is no object at the place, or no
    /// subject in it.
    pub fn user(&self, answer: &Answer<'_>, place: Option<&ClaimPath>) -> Result<User, Failure> {
        let object = answer.object()?;
        let told = match place {
            None => object,
            Some(place) => match place.find(&object) {
                Some(Value::Object(told)) => told.clone(),
                Some(_) | None => return Err(answer.malformed(&format!("expected an object at {place}, found none"))),
            },
        };
        // Subjects must fit into headers, logs and tokens.
        let plain = |text: &String| {
            (1..=255).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !is_reserved(text)
        };
        let subject = match self.subject.find(&told) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) if !number.is_f64() => Some(number.to_string()),
            Some(_) | None => None,
        };
        let Some(subject) = subject.filter(plain) else {
            let what = format!("expected 1 to 255 printable characters or a whole number as {}, found none", self.subject);
            return Err(answer.malformed(&what));
        };
        let mut claims = Claims::new();
        for (name, path) in &self.claims {
            if let Some(value) = path.find(&told) {
                claims.insert(name.clone(), value.clone());
            }
        }
        claims.insert("sub".to_owned(), Value::from(subject.as_str()));
        Ok(User { subject, claims, profile: told })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_says_an_address_or_its_verdict_says_both() {
        for (mapped, settled) in [
            (vec!["role"], vec!["role", "sub"]),
            (vec!["email"], vec!["email", "email", "email_verified", "sub"]),
            (vec!["email_verified"], vec!["email_verified", "email", "email_verified", "sub"]),
            (vec!["phone_number"], vec!["phone_number", "phone_number", "phone_number_verified", "sub"]),
        ] {
            let claims = mapped.iter().map(|name| ((*name).to_owned(), ClaimPath::named("x"))).collect();
            let mapping = Mapping { subject: ClaimPath::named("id"), claims };
            assert_eq!(mapping.settled().collect::<Vec<_>>(), settled);
        }
    }
}
