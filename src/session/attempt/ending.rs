//! What a sign-in attempt ends with, which decides for what its cookie is sealed, and how long it is kept. What is in the cookie is not
//! known here.

use std::time::Duration;

use crate::crypto::seal::Purpose;
use crate::session::attempt::place;

/// What a sign-in attempt ends with. The seals have different purposes, so that none can be finished as another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// A session of ours.
    #[default]
    Session,
    /// The provider's access token, for a page that keeps it itself.
    Token,
    /// A session of ours and a message to a page, which opened a popup for the sign-in.
    Popup,
}

impl Ending {
    pub(super) const ALL: [Self; 3] = [Self::Session, Self::Token, Self::Popup];

    pub(super) const fn purpose(self) -> Purpose {
        match self {
            Self::Session => Purpose::Attempt,
            Self::Token => Purpose::TokenAttempt,
            Self::Popup => Purpose::PopupAttempt,
        }
    }

    /// How long a cookie with a sealed text of this length is kept: longer than the attempt can be finished, where it has a place.
    pub(super) fn life(self, length: usize, timeout: Duration) -> Duration {
        match self {
            Self::Session => place::life(length, timeout),
            Self::Token | Self::Popup => timeout,
        }
    }
}
