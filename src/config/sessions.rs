//! What a session is: the keys that seal it, its cookie, how long it lasts, what it keeps, the tokens that Accredit signs itself,
//! which tokens are forwarded, and how it ends.
//!
//! It never knows how somebody signs in, and of rules only which claims they name.

pub(crate) mod cookie;
pub(crate) mod fingerprints;
pub(crate) mod forward;
pub(crate) mod keys;
pub(crate) mod logout;
pub(crate) mod own_tokens;
pub(crate) mod session;
