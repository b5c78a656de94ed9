//! Examples of paths: for two rules, or for all. They are for people who want to know what rules are for, and nothing is decided by
//! them.

pub mod kinds_of_paths;
pub mod path_of_both;
