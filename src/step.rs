//! A journey is the code that handles one kind of request: a sign-in, a sign-out, a request for the application. This room has
//! the values that journeys work with: the request and what was found out about it ([`visit`]), what is decided and what is
//! waited for ([`decision`]), why a journey was stopped ([`stop`]) and how that is answered ([`answers`]), how a request's body
//! is read ([`body`]), how many requests go on within one callback ([`share`]), what happened ([`event`]), and how that is measured
//! ([`metric`]) and logged ([`audit`]). Nothing here acts, and nothing here knows which journeys there are.

pub mod answers;
pub mod audit;
pub mod body;
pub mod decision;
pub mod event;
pub mod metric;
pub mod share;
pub mod stop;
pub mod visit;
