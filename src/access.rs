//! Who may go where: paths, rules, conditions on claims, what browsers tell about themselves, headers for the upstream, and the
//! one place where a reason becomes an HTTP answer. This room does not know how an identity was proved.

pub mod answer;
pub mod believed;
pub mod browser;
pub mod caches;
pub mod condition;
pub mod headers;
pub mod identity_jwt;
pub mod opener;
pub mod page;
pub mod path;
pub mod private;
pub mod requirement;
pub mod route;
pub mod taken;
mod telling;
pub mod test;
#[cfg(test)]
mod testing;
mod truth;
