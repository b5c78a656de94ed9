//! Who may go where: paths, rules, requirements, protected resources, what browsers tell about a request, headers for the upstream, what caches are
//! told. This room never knows how an identity was proved, nor how somebody is answered who may not go on.

pub mod believed;
pub mod browser;
pub mod caches;
pub mod examples;
pub mod headers;
pub mod identity_jwt;
pub mod mcp;
pub mod path;
mod patterns;
pub mod private;
pub mod readings;
pub mod requirement;
pub mod resources;
pub mod route;
pub mod taken;
#[cfg(test)]
pub(crate) mod testing;
mod truth;
