//! The journeys of a request through the house, and the work in the background. Values come in and values go out; the shell
//! carries them out. Which journey a request takes, the [`gateway`] says; the way back from the provider ends in a session, in a
//! page's token, or in a message to the page that opened a window; names and passwords have a journey of their own.

pub mod authenticate;
pub mod bearer;
pub mod body;
pub mod callback;
mod carried;
pub mod documents;
pub mod ending;
pub mod establish;
pub mod event;
pub mod exchange;
pub mod first_visit;
pub mod gateway;
mod guard;
pub mod identity_jwt;
pub mod lease;
pub mod password;
pub mod popup;
pub mod published;
mod refresh;
pub mod session_token;
pub mod sign_in;
pub mod sign_out;
pub mod step;
mod tokens;
pub mod unanswered;
pub mod upkeep;
pub mod visit;
pub mod whoami;

#[cfg(test)]
mod tests;
