//! The state of all tables together: a number in the memory that the workers of a process share, which changes with each mark. Who
//! knows it need not look at a table to see that nothing has ended since. What a table is, is not known here.

use crate::words::world::{Shared, Version, World};

/// Where it stands.
const CHANGES: &str = "accredit/4/ended/changes";

/// How often a write is tried if other workers have written in between.
const MOST_TRIES: usize = 100;

/// The number; `None` before the first mark.
pub fn state(world: &dyn World) -> Option<u64> {
    world.shared(CHANGES).and_then(number)
}

/// Tells all workers that something has changed.
pub fn count_up(world: &mut dyn World) {
    for tries in 1..=MOST_TRIES {
        let shared = world.shared(CHANGES);
        let version = shared.as_ref().map_or(Version::Absent, |shared| shared.version);
        // The last try has no condition, so it succeeds whatever other workers write.
        let version = if tries < MOST_TRIES { version } else { Version::Any };
        let next = shared.and_then(number).unwrap_or_default().wrapping_add(1);
        if world.share(CHANGES, &next.to_le_bytes(), version).is_ok() {
            break;
        }
    }
}

fn number(shared: Shared) -> Option<u64> {
    Some(u64::from_le_bytes(shared.value.try_into().ok()?))
}
