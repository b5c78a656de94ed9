//! Who is asking: from what a request carries (a session's cookie, a session as a token, a provider's token) to somebody who is
//! verified, and what follows from that for the upstream. Nothing here decides what they may do, and nobody is sent anywhere.

pub mod bearer;
pub mod brought;
pub mod carried;
pub mod freshness;
pub mod identity;
pub mod identity_jwt;
pub mod introspected;
pub mod recall;
pub mod renewal;
pub mod scene;
pub mod session;
pub mod session_token;
pub mod verified;
pub mod who;
