//! Requirements: what a rule or a named policy asks for. Named policies are put in their place, and names are checked.

pub(crate) mod condition;
pub(crate) mod known;
mod leaves;
pub(crate) mod written;
