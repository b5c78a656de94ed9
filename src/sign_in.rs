//! From "please sign in" to a session, a page's token or a popup's message: people are sent to a provider ([`begin`]) and come back
//! ([`callback`], or [`exchange`] where a page brings the code); what they bring is redeemed ([`redeem`]); whom a provider vouches
//! for may be looked up ([`first_visit`]); then a session begins ([`establish`]). Names and passwords have a way of their own
//! ([`password`]). Nothing is spent before the state is proved, and nothing is believed before the ID token is.

pub mod begin;
mod begun;
pub mod callback;
mod establish;
pub mod exchange;
pub mod first_visit;
pub mod password;
mod popup;
pub mod redeem;
mod release;
pub mod under_way;
