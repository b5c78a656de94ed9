//! What a journey may say, as values: where a request stands ([`visit`]), what is decided about it and what it waits for
//! ([`decision`]), what stopped it ([`stop`]) and how that is answered ([`answers`]), and what the log is told ([`event`]). Nothing
//! here acts, and nothing here knows which journeys there are.

pub mod answers;
pub mod body;
pub mod decision;
pub mod event;
pub mod stop;
pub mod visit;
