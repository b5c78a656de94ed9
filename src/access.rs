//! Who may go where: paths, rules, conditions on claims, what browsers tell about themselves, headers for the upstream. This room
//! does not know how an identity was proved, nor what is said to somebody who may not.

pub mod believed;
pub mod browser;
pub mod caches;
pub mod headers;
pub mod identity_jwt;
pub mod path;
pub mod private;
pub mod requirement;
pub mod route;
pub mod taken;
#[cfg(test)]
mod testing;
