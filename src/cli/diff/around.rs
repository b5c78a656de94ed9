//! What two configurations are asked: requests and people around the edges of everything that their rules name. The questions are
//! made of the configurations alone; nothing is asked here, and no answer is known.

mod calls;
mod facets;
mod paths;
pub(super) mod people;
pub(super) mod sites;
pub(super) mod sources;
