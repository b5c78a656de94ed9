//! Requirements: what a rule or a named policy asks for, from how it is written to what can be evaluated. The name of a policy is
//! replaced by its condition. Which requests a requirement is for is not known here.

pub(crate) mod condition;
pub(crate) mod known;
mod leaves;
pub(crate) mod written;
