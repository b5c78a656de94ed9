//! How a reason becomes an HTTP response: its status, its words, a page for people and problem JSON for programs. Why something
//! is refused is decided elsewhere.

pub mod colour;
pub mod explanation;
mod french;
pub mod language;
pub mod opener;
pub mod page;
pub mod refusal;
pub mod site;
pub mod texts;
