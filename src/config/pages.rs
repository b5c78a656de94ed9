//! What people see: the site that the pages stand in front of, and what the pages say. Which page somebody gets is not known here.

mod accent;
mod logo;
pub(crate) mod site;
pub(crate) mod texts;
