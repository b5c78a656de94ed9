//! What the workers of a process share about ends beside the tables: what is to be told to other replicas, how often somebody may end
//! something, and whether anything has changed. Nothing here knows what has ended.

pub mod changes;
pub mod limits;
pub mod outbox;
pub mod outboxes;
pub mod queue;
pub mod rate;
