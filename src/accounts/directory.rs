//! People whom a provider vouches for, looked up at the user service, and created there when they come for the first time. Each
//! exchange is a pair, request and response; in which order they happen is not known here.

use crate::accounts::call::Call;
use crate::accounts::template::{Filling, Gap};
use crate::accounts::user::{Mapping, User};
use crate::http::message::{HttpCall, Reply};
use crate::words::principal::{AssumedVerified, ClaimPath, Claims, is_verified};
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;

/// How people are looked up.
#[derive(Clone, Debug)]
pub struct Directory {
    /// Looks somebody up.
    pub find: Find,
    /// Creates somebody who is absent.
    pub create: Option<Create>,
    /// Told of somebody who was created.
    pub notify: Option<Call>,
    /// Whether an e-mail address that the provider does not call verified finds an account all the same.
    pub dangerously_match_unverified_email: bool,
}

/// Looking up.
#[derive(Clone, Debug)]
pub struct Find {
    /// What is asked.
    pub call: Call,
    /// The statuses that say: here.
    pub found: Vec<u16>,
    /// The statuses that say: nobody.
    pub absent: Vec<u16>,
    /// Where in the answer the user stands; otherwise it is all of it.
    pub user: Option<ClaimPath>,
}

/// Creating.
#[derive(Clone, Debug)]
pub struct Create {
    /// What is asked.
    pub call: Call,
    /// The statuses that say: done.
    pub created: Vec<u16>,
    /// The statuses that say: somebody else did.
    pub conflict: Vec<u16>,
    /// Where in the answer the user stands; otherwise it is all of it.
    pub user: Option<ClaimPath>,
}

/// What came of creating.
#[derive(Debug)]
pub enum Created {
    /// This user.
    User(User),
    /// A user whom the answer does not describe: look up again.
    Unseen,
    /// Another visit was faster: look up again.
    Conflict,
}

impl Directory {
    /// Whether somebody with these claims may be looked up, where some count without a verdict.
    ///
    /// # Errors
    /// [`Reason::EmailUnverified`]: whoever can claim any address, or any number, would be taken for its owner.
    pub fn check(&self, claims: &Claims, assumed: AssumedVerified) -> Result<(), Failure> {
        // The provider's word is about that one claim alone, whatever others are called.
        let unverified = |gap: &Gap, claim: &str, called: &str| match gap {
            Gap::Claim(path, _) if path.to_string().to_ascii_lowercase().contains(called) => {
                !is_verified(claim, claims, assumed) || path.find(claims) != claims.get(claim)
            }
            _ => false,
        };
        let by_email = |gap: &Gap| unverified(gap, "email", "mail");
        let by_number = |gap: &Gap| unverified(gap, "phone_number", "phone");
        // Whoever is created with an address is found by it the next time; a number is a part of what is known of somebody.
        let created = self.create.as_ref().is_some_and(|create| create.call.has(&by_email));
        let claim = match (created || self.find.call.has(&by_email), self.find.call.has(&by_number)) {
            (true, _) if !self.dangerously_match_unverified_email => "email",
            (_, true) => "phone_number",
            (_, false) => return Ok(()),
        };
        let detail = format!("accounts are found by {claim}, and the provider does not say {claim}_verified: true of it");
        Err(Failure::new(Reason::EmailUnverified, detail))
    }

    /// Looks somebody up.
    ///
    /// # Errors
    /// As [`Call::request`].
    pub fn find_request(&self, claims: &Claims) -> Result<HttpCall, Failure> {
        let filling = Filling { claims: Some(claims), ..Filling::default() };
        // A condition that falls away would find somebody else.
        if self.find.call.has(&|gap| !gap.is_filled(&filling)) {
            let detail = "a claim that accounts.find looks for is absent, empty, a list or an object";
            return Err(Failure::new(Reason::AccountsMalformed, detail));
        }
        self.find.call.request(&filling)
    }

    /// Whom the service found.
    ///
    /// # Errors
    /// As [`Call::response`], and [`Reason::AccountsMalformed`].
    pub fn find_response(&self, mapping: &Mapping, reply: &Reply) -> Result<Option<User>, Failure> {
        let answer = self.find.call.response(reply)?;
        if self.find.absent.contains(&answer.status) {
            return Ok(None);
        }
        if !self.find.found.contains(&answer.status) {
            return Err(answer.unexpected());
        }
        mapping.user(&answer, self.find.user.as_ref()).map(Some)
    }
}

impl Create {
    /// Creates somebody, with a password that nobody knows.
    ///
    /// # Errors
    /// As [`Call::request`].
    pub fn request(&self, claims: &Claims, random_password: &Secret) -> Result<HttpCall, Failure> {
        self.call.request(&Filling { claims: Some(claims), random_password: Some(random_password), ..Filling::default() })
    }

    /// What came of it.
    ///
    /// # Errors
    /// [`Reason::AccountNotCreated`], whatever the trouble was; the detail says.
    pub fn response(&self, mapping: &Mapping, reply: &Reply) -> Result<Created, Failure> {
        let not_created = |failure: Failure| Failure { reason: Reason::AccountNotCreated, ..failure };
        let answer = self.call.response(reply).map_err(not_created)?;
        if self.conflict.contains(&answer.status) {
            return Ok(Created::Conflict);
        }
        if !self.created.contains(&answer.status) {
            return Err(not_created(answer.unexpected()));
        }
        Ok(mapping.user(&answer, self.user.as_ref()).map_or(Created::Unseen, Created::User))
    }
}

/// Tells of somebody who was created.
///
/// # Errors
/// As [`Call::request`].
pub fn notify_request(call: &Call, claims: &Claims, user: &User) -> Result<HttpCall, Failure> {
    call.request(&Filling { claims: Some(claims), user: Some(&user.profile), ..Filling::default() })
}

/// What came of that.
///
/// # Errors
/// As [`Call::response`], and [`Reason::AccountsMalformed`] for a status that is not of the 2xx.
pub fn notify_response(call: &Call, reply: &Reply) -> Result<(), Failure> {
    let answer = call.response(reply)?;
    if (200..300).contains(&answer.status) { Ok(()) } else { Err(answer.unexpected()) }
}
