//! Who is asking: from the credential that a request carries (a session's cookie, a session as a bearer token, a provider's
//! token) to a verified identity, and the headers and tokens that tell the upstream of it. Nothing here decides what somebody may
//! do, and nobody is redirected.

pub mod bearer;
pub mod bearer_token;
pub mod carried;
pub mod freshness;
pub mod identity;
pub mod identity_jwt;
pub mod introspected;
pub mod next_pass;
pub mod recall;
pub mod renewal;
pub mod scene;
pub mod session;
pub mod session_token;
pub mod verified;
#[cfg(not(target_arch = "wasm32"))]
pub mod vouched;
pub mod who;
