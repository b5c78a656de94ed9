//! How people sign in beside the redirect to a provider: the user service, the password endpoint and its throttle, the popup,
//! what a page is answered at the end, and how long a sign-in may take.
//!
//! It knows providers by what [`crate::config::providers`] says of them, and of sessions only whether they are tokens that others
//! can read. It never knows which rules somebody meets.

pub(crate) mod accounts;
pub(crate) mod delivery;
pub(crate) mod password;
pub(crate) mod popup;
pub(crate) mod sign_in;
pub(crate) mod throttle;
