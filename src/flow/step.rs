//! What a journey decides, what it waits for, and how it goes on. Nothing here acts.

use std::rc::Rc;

use crate::config::settings::{ProviderSettings, Settings};
use crate::flow::authenticate::Verified;
use crate::flow::event::{Event, Place};
use crate::flow::first_visit::FirstVisit;
use crate::flow::password::Checking;
use crate::flow::visit::Visit;
use crate::oidc::id_token::IdToken;
use crate::oidc::token::TokenSet;
use crate::session::attempt::Attempt;
use crate::session::content::Session;
use crate::words::body::Body;
use crate::words::message::{Edits, Headers, HttpCall, Reply, Response};
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;
use crate::words::url::ReturnTo;

/// One step of a journey: what to do now, and what happened on the way.
#[derive(Debug, PartialEq)]
pub struct Step {
    /// What to do.
    pub decision: Decision,
    /// For counters and the audit log.
    pub events: Vec<Event>,
    /// For Envoy's access log.
    pub note: Note,
}

/// What Envoy's access log can print, as filter state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// Who.
    pub subject: Option<Rc<str>>,
    /// Under which rule.
    pub rule: Option<Rc<str>>,
}

/// What to do with a request.
#[derive(Debug, PartialEq)]
pub enum Decision {
    /// Let it through, with these changes.
    Forward(Forward),
    /// Answer it here.
    Respond(Response),
    /// Read the body of a request to one of our own endpoints, up to `limit` bytes, and come back with it. The request's headers go
    /// on as far as Envoy's `buffer` filter; everything else is held back.
    ReadBody {
        /// How much, in bytes.
        limit: usize,
        /// Until when.
        until: Timestamp,
        /// How to go on.
        pending: Box<Pending>,
    },
    /// Ask somebody, and come back with the answer.
    Call(HttpCall, Box<Pending>),
    /// Wait for something that all requests share, and come back when it is there, or at `until`.
    Await {
        /// What for.
        resource: Resource,
        /// Until when.
        until: Timestamp,
        /// How to go on.
        pending: Box<Pending>,
    },
}

/// How a request goes on, and what its response must carry.
#[derive(Debug, Default, PartialEq)]
pub struct Forward {
    /// Changes to the request.
    pub edits: Edits,
    /// A session to renew with the response.
    pub renewal: Option<Box<Renewal>>,
    /// Whether it is somebody's own: no shared cache may keep the response.
    pub private: bool,
}

/// A session whose cookie is due to be written again.
#[derive(Clone, Debug, PartialEq)]
pub struct Renewal {
    /// The session as it will be.
    pub session: Session,
    /// Why.
    pub cause: Cause,
    /// The `Cookie` lines that came.
    pub came: Headers,
}

/// Why a session's cookie is written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It is in use, and its time has come.
    Use,
    /// Only if its tokens have been refreshed by the time that the response leaves.
    IfRefreshed,
}

/// How a journey goes on after a wait. Printable: what is secret in it redacts itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Pending {
    /// Nothing was spent yet: begin again.
    FromTheStart(Visit),
    /// A provider was asked about the token that the request brings.
    Introspecting(Visit, Asking),
    /// The code is being exchanged.
    Exchanging(SignIn),
    /// The tokens are here; the key that signed the ID token is not.
    Verifying(SignIn, TokenSet),
    /// The ID token is good; the userinfo endpoint was asked for more claims.
    AskingUserinfo(SignIn, TokenSet, IdToken),
    /// The ID token is good; the user service was asked about the person.
    Visiting(Box<FirstVisit>),
    /// The user service was asked about a name and a password.
    CheckingPassword(Box<Checking>),
}

impl Pending {
    /// Whether the call that it waits for must be heard, even when the request is gone by then.
    pub const fn outlives_its_request(&self) -> bool {
        matches!(self, Self::CheckingPassword(_))
    }

    /// Where the request stands until it goes on; `read` is how many bytes have come of a body that is being read.
    pub fn halt(&self, read: Option<usize>) -> Halt {
        let (stage, visit) = match self {
            Self::FromTheStart(visit) if read.is_some() => ("body", visit),
            Self::FromTheStart(visit) => ("provider", visit),
            Self::Introspecting(visit, _) => ("introspection", visit),
            Self::Exchanging(sign_in) => ("code", &sign_in.visit),
            Self::Verifying(sign_in, _) => ("keys", &sign_in.visit),
            Self::AskingUserinfo(sign_in, ..) => ("userinfo", &sign_in.visit),
            Self::Visiting(first) => ("account", &first.sign_in.visit),
            Self::CheckingPassword(checking) => ("password", &checking.visit),
        };
        Halt { place: visit.place(), stage, read }
    }
}

/// Where a request stands that waits, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt {
    /// Which request it is.
    pub place: Place,
    /// What it waits for, in one word.
    pub stage: &'static str,
    /// How many bytes of its body have come, if that is being read.
    pub read: Option<usize>,
}

/// A question to a provider about a token.
#[derive(Clone, Debug, PartialEq)]
pub struct Asking {
    /// The provider's name.
    pub provider: String,
    /// What was proved of the token before.
    pub proved: ByItself,
    /// One of the places for questions under way; it is free again when this is gone.
    pub place: Rc<()>,
}

/// What a token proves without anybody being asked.
#[derive(Clone, Debug, PartialEq)]
pub enum ByItself {
    /// Nothing: it is opaque.
    Nothing,
    /// It is a good JWT.
    Proved(Rc<Verified>),
}

/// A sign-in whose answer came back and whose state was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct SignIn {
    /// The request that brought it.
    pub visit: Visit,
    /// What was known when it began.
    pub attempt: Attempt,
}

impl SignIn {
    /// The provider that was asked.
    ///
    /// # Errors
    /// [`Reason::AttemptMissing`] when a new configuration no longer has it.
    pub fn provider<'a>(&self, settings: &'a Settings) -> Result<&'a ProviderSettings, Failure> {
        let provider = settings.provider(&self.attempt.provider);
        provider.ok_or_else(|| Failure::new(Reason::AttemptMissing, "its provider is no longer configured"))
    }

    /// Where the visit began. It was checked then; the configuration may have changed since.
    pub fn return_to(&self, settings: &Settings) -> ReturnTo {
        ReturnTo::parse(&self.attempt.return_to, &settings.listed_origins()).unwrap_or_else(|_| ReturnTo::front_page())
    }
}

/// Something that all requests share, and that is fetched once for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A provider's metadata, by the provider's name.
    Metadata(String),
    /// A provider's keys, fetched after a moment.
    Keys {
        /// The provider's name.
        provider: String,
        /// Older ones were tried already.
        newer_than: Option<Timestamp>,
    },
    /// A session's new tokens, by the session's identifier.
    Refresh(String),
}

impl Resource {
    /// Why a request is refused that waited in vain.
    pub const fn missing(&self) -> Reason {
        match self {
            Self::Metadata(_) => Reason::MetadataUnavailable,
            Self::Keys { .. } => Reason::KeysUnavailable,
            Self::Refresh(_) => Reason::RefreshUnavailable,
        }
    }
}

/// What a waiting journey is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The answer to a call.
    Reply(Reply),
    /// The body.
    Body(Body),
    /// What was waited for is there.
    Ready,
    /// It did not come.
    Missing(Reason),
}
