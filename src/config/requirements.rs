//! Requirements: what a rule or a named policy asks for. Named policies are put in their place, and names are checked.

pub(super) mod condition;
pub(super) mod known;
mod leaves;
pub(super) mod written;
