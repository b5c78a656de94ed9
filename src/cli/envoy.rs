//! Where a file holds the filter: in an Envoy's own configuration, in an object of Kubernetes, or as nothing but the filter's
//! configuration; and what is around it there. Whether any of that is right is not known here.

pub(crate) mod around;
pub(crate) mod choice;
mod matching;
pub(crate) mod passage;
pub(crate) mod plugins;
pub(crate) mod routes;
pub(crate) mod servers;
pub(crate) mod tls;
pub(crate) mod variables;

#[cfg(test)]
mod tests;
