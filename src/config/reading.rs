//! How any value of a configuration is read: from bytes to values that know their place, with every mistake collected. It never
//! knows the parts of a configuration, and so not what a value means there.

pub(crate) mod document;
#[cfg(not(target_arch = "wasm32"))]
mod kinds;
pub(crate) mod nearest;
pub(crate) mod place;
pub(crate) mod refusal;
pub(crate) mod secrets;
pub(crate) mod spellings;
pub(crate) mod values;
