//! How anything of a configuration is read: from bytes to values that know their place, and what is wrong with them, collected.
//! Knows no part of a configuration, and so not what a value means there.

pub(crate) mod document;
pub(crate) mod nearest;
pub(crate) mod place;
pub(crate) mod refusal;
pub(crate) mod secrets;
pub(crate) mod spellings;
pub(crate) mod values;
