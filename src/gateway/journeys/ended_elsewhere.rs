//! The journeys of requests by which providers and transmitters tell that sessions have ended elsewhere. What ends by each is not decided
//! here.

pub(crate) mod backchannel_logout;
mod by_published_keys;
pub(crate) mod frontchannel_logout;
pub(crate) mod security_events;
