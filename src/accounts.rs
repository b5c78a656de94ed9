//! The user service behind us: what it is asked, what its answers mean, and how often a password may be wrong. It knows people
//! by name and password, or by what a provider says of them; how that is proved, and what becomes of it, is not known here.

pub mod template;
