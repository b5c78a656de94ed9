//! People who signed in at a provider: how they are looked up at the user service, and created there when they come for the first
//! time. Each exchange is a pair of functions, for request and response. In which order the exchanges happen is not known here.

use crate::accounts::call::Call;
use crate::accounts::template::{Filling, Gap};
use crate::accounts::user::{Mapping, User};
use crate::http::message::{HttpCall, Reply};
use crate::words::principal::{AssumedVerified, ClaimPath, Claims, is_verified};
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;

/// How people who signed in at a provider are looked up, and created if they are absent.
#[derive(Clone, Debug)]
pub struct Directory {
    /// How somebody is looked up.
    pub find: Find,
    /// How somebody who is absent is created; `None` where they are refused.
    pub create: Option<Create>,
    /// The call that tells a service about somebody who was created.
    pub notify: Option<Call>,
    /// Whether somebody is also found by an e-mail address that the provider does not call verified.
    pub dangerously_match_unverified_email: bool,
}

/// How somebody is looked up (`accounts.find`).
#[derive(Clone, Debug)]
pub struct Find {
    /// The call that asks.
    pub call: Call,
    /// The statuses that say that the answer has the user.
    pub found: Vec<u16>,
    /// The statuses that say that there is no such user.
    pub absent: Vec<u16>,
    /// Where in the answer the user stands; `None` when the whole answer is the user.
    pub user: Option<ClaimPath>,
}

/// How somebody is created (`accounts.create`).
#[derive(Clone, Debug)]
pub struct Create {
    /// The call that asks for it.
    pub call: Call,
    /// The statuses that say that the user was created.
    pub created: Vec<u16>,
    /// The statuses that say that the user is there already.
    pub conflict: Vec<u16>,
    /// Where in the answer the user stands; `None` when the whole answer is the user.
    pub user: Option<ClaimPath>,
}

/// The outcome of creating somebody.
#[derive(Debug)]
pub enum Created {
    /// The user was created, and the answer describes them.
    User(User),
    /// The user was created, but the answer does not describe them, so that they have to be looked up again.
    Unseen,
    /// Another request has created the user in the meantime, so that they have to be looked up again.
    Conflict,
}

impl Directory {
    /// Checks that somebody with these claims may be looked up. `assumed` says which claims count as verified although nobody
    /// says so.
    ///
    /// # Errors
    /// [`Reason::EmailUnverified`] when they would be found by an address or a number that is not verified: whoever can claim any
    /// would be taken for its owner.
    pub fn check(&self, claims: &Claims, assumed: AssumedVerified) -> Result<(), Failure> {
        // `email_verified` is about the claim `email` alone, not about others with `mail` in their names.
        let unverified = |gap: &Gap, claim: &str, called: &str| match gap {
            Gap::Claim(path, _) if path.to_string().to_ascii_lowercase().contains(called) => {
                !is_verified(claim, claims, assumed) || path.find(claims) != claims.get(claim)
            }
            _ => false,
        };
        let by_email = |gap: &Gap| unverified(gap, "email", "mail");
        let by_number = |gap: &Gap| unverified(gap, "phone_number", "phone");
        // Who is created with an address is found by it the next time. A number is only stored.
        let created = self.create.as_ref().is_some_and(|create| create.call.has(&by_email));
        let claim = match (created || self.find.call.has(&by_email), self.find.call.has(&by_number)) {
            (true, _) if !self.dangerously_match_unverified_email => "email",
            (_, true) => "phone_number",
            (_, false) => return Ok(()),
        };
        let detail = format!("accounts are found by {claim}, and the provider does not say {claim}_verified: true of it");
        Err(Failure::new(Reason::EmailUnverified, detail))
    }

    /// The call that looks up somebody with these claims.
    ///
    /// # Errors
    /// [`Reason::AccountsMalformed`] when a gap of the call has no value; else as [`Call::request`].
    pub fn find_request(&self, claims: &Claims) -> Result<HttpCall, Failure> {
        let filling = Filling { claims: Some(claims), ..Filling::default() };
        // A query that lost one of its conditions would find somebody else.
        if self.find.call.has(&|gap| !gap.is_filled(&filling)) {
            let detail = "a claim that accounts.find looks for is absent, empty, a list or an object";
            return Err(Failure::new(Reason::AccountsMalformed, detail));
        }
        self.find.call.request(&filling)
    }

    /// The user who was found, or `None`.
    ///
    /// # Errors
    /// [`Reason::AccountsMalformed`] for another status, or an answer without a user; else as [`Call::response`].
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
    /// The call that creates somebody with these claims, and with a password that nobody knows.
    ///
    /// # Errors
    /// As [`Call::request`].
    pub fn request(&self, claims: &Claims, random_password: &Secret) -> Result<HttpCall, Failure> {
        self.call.request(&Filling { claims: Some(claims), random_password: Some(random_password), ..Filling::default() })
    }

    /// Whether somebody was created.
    ///
    /// # Errors
    /// [`Reason::AccountNotCreated`], whatever went wrong; the detail says what.
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

/// The call that tells a service about somebody who was created. Its gaps for claims are filled with what the provider said,
/// those for the user with what the user service said.
///
/// # Errors
/// As [`Call::request`].
pub fn notify_request(call: &Call, claims: &Claims, user: &User) -> Result<HttpCall, Failure> {
    call.request(&Filling { claims: Some(claims), user: Some(&user.profile), ..Filling::default() })
}

/// Checks that the service was told.
///
/// # Errors
/// [`Reason::AccountsMalformed`] for a status that is not 2xx; else as [`Call::response`].
pub fn notify_response(call: &Call, reply: &Reply) -> Result<(), Failure> {
    let answer = call.response(reply)?;
    if (200..300).contains(&answer.status) { Ok(()) } else { Err(answer.unexpected()) }
}
