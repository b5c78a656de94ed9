//! Name and password, checked by the user service. (This is not OAuth's password grant: no provider is involved.) Whether another
//! try is allowed is not known here.

use std::fmt;

use crate::accounts::call::Call;
use crate::accounts::template::Filling;
use crate::accounts::user::{Mapping, User};
use crate::http::message::{HttpCall, Reply};
use crate::words::principal::ClaimPath;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;

/// How name and password are checked (`accounts.verify`).
#[derive(Clone, Debug)]
pub struct Verify {
    /// The call that asks.
    pub call: Call,
    /// The statuses that say that both are right.
    pub succeeded: Vec<u16>,
    /// The statuses that say that they are not.
    pub refused: Vec<u16>,
    /// Where in the answer the user stands; `None` when the whole answer is the user.
    pub user: Option<ClaimPath>,
}

/// A name and a password, as somebody typed them. Debug output shows neither, and the password is wiped when dropped.
#[expect(missing_docs, reason = "the names say it")]
pub struct NameAndPassword {
    pub account: String,
    pub password: Secret,
}

impl fmt::Debug for NameAndPassword {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name is not shown either: people type passwords where names belong.
        formatter.write_str("NameAndPassword")
    }
}

impl Verify {
    /// The call that asks whether they are right.
    ///
    /// # Errors
    /// As [`Call::request`].
    pub fn request(&self, credentials: &NameAndPassword) -> Result<HttpCall, Failure> {
        let (account, password) = (Some(credentials.account.as_str()), Some(&credentials.password));
        self.call.request(&Filling { account, password, ..Filling::default() })
    }

    /// The user, if name and password are right.
    ///
    /// # Errors
    /// [`Reason::CredentialsRefused`] when they are not, which never says whether it was the name or the password;
    /// [`Reason::AccountsMalformed`] for another status, or an answer without a user; else as [`Call::response`].
    pub fn response(&self, mapping: &Mapping, reply: &Reply) -> Result<User, Failure> {
        let answer = self.call.response(reply)?;
        if self.refused.contains(&answer.status) {
            return Err(Failure::new(Reason::CredentialsRefused, "the user service does not accept name and password"));
        }
        if !self.succeeded.contains(&answer.status) {
            return Err(answer.unexpected());
        }
        mapping.user(&answer, self.user.as_ref())
    }
}
