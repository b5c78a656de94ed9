//! Sign-in, from the authorization request to a session, to the token of a page that keeps its own, or to the message of a popup.
//! The browser is sent to a provider ([`begin`]) and comes back with a code ([`callback`]), or a page sends the code
//! ([`exchange`]); the code is redeemed for tokens ([`redeem`]); the userinfo endpoint may be asked ([`redeem::userinfo`]), and the
//! user service ([`first_visit`]); then a session begins (`establish`). A sign-in by name and password has a file of its own
//! ([`password`]).
//! No code is used before it is known to belong to an attempt of this browser, and no claim before the ID token is verified.

pub mod begin;
mod begin_session;
pub mod callback;
mod establish;
pub mod exchange;
pub mod first_visit;
pub mod password;
mod popup;
pub mod redeem;
mod release;
pub mod under_way;
