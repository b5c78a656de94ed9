//! Name and password, checked by the user service. (This is not OAuth's password grant: no provider is involved.) Whether they may
//! be tried is not known here.

use std::fmt;

use crate::accounts::call::Call;
use crate::accounts::template::Filling;
use crate::accounts::user::{Mapping, User};
use crate::http::message::{HttpCall, Reply};
use crate::words::principal::ClaimPath;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;

/// How they are checked.
#[derive(Clone, Debug)]
pub struct Verify {
    /// What is asked.
    pub call: Call,
    /// The statuses that say yes.
    pub succeeded: Vec<u16>,
    /// The statuses that say no.
    pub refused: Vec<u16>,
    /// Where in the answer the user stands; otherwise it is all of it.
    pub user: Option<ClaimPath>,
}

/// A name and a password, as somebody typed them. It does not print, and the password is wiped when dropped.
pub struct NameAndPassword {
    /// The name.
    pub account: String,
    /// The password.
    pub password: Secret,
}

impl fmt::Debug for NameAndPassword {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // People type passwords where names belong.
        formatter.write_str("NameAndPassword")
    }
}

impl Verify {
    /// Asks.
    ///
    /// # Errors
    /// As [`Call::request`].
    pub fn request(&self, credentials: &NameAndPassword) -> Result<HttpCall, Failure> {
        let (account, password) = (Some(credentials.account.as_str()), Some(&credentials.password));
        self.call.request(&Filling { account, password, ..Filling::default() })
    }

    /// Reads the answer.
    ///
    /// # Errors
    /// [`Reason::CredentialsRefused`], which never says whether it was the name or the password; else as [`Call::response`], and
    /// [`Reason::AccountsMalformed`].
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
