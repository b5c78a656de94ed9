//! Who may go where: paths, rules, requirements, protected resources, what browsers tell about a request, headers for the upstream, what caches are
//! told. This room never knows how an identity was proved, nor how somebody is answered who may not go on.

pub mod browser;
pub mod caching;
pub mod examples;
pub mod mcp;
pub mod path;
mod patterns;
pub mod readings;
pub mod requirement;
pub mod resources;
pub mod route;
pub mod taken;
#[cfg(test)]
pub(crate) mod testing;
mod truth;
pub mod upstream;
