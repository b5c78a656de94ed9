//! What people see: the site that the pages stand in front of. Which page somebody gets, and what it says, is not known here.

mod accent;
mod logo;
pub(crate) mod site;
