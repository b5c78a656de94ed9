//! The journeys of a request through the house, and the work in the background. Values come in and values go out; the shell
//! carries them out. One journey hands over to another only through the [`gateway`].

pub mod authenticate;
pub mod bearer;
pub mod body;
pub mod callback;
pub mod documents;
pub mod ending;
pub mod establish;
pub mod event;
pub mod exchange;
pub mod gateway;
mod guard;
pub mod lease;
mod refresh;
pub mod sign_in;
pub mod sign_out;
pub mod step;
mod tokens;
pub mod upkeep;
pub mod visit;
pub mod whoami;

#[cfg(test)]
mod tests;
