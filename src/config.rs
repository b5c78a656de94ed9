//! What an operator writes: its shape, and every way it can be wrong. What comes out are settings that make sense; what is wrong
//! is refused with a sentence that a person can act on. Nothing is looked up, fetched or defaulted later than here.

pub mod settings;
