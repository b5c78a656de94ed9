//! YAML as those read it who hand the filter its configuration: Envoy, and Kubernetes. Every key and every value knows its line
//! and column. What the values mean is not known here.

pub(crate) mod node;
pub(crate) mod reader;
pub(crate) mod scalars;
pub(crate) mod spot;

#[cfg(test)]
mod tests;
