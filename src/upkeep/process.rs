//! The name of this process, by which it knows its own claims in the store that replicas share. What is claimed is not known here.

use crate::session::remembered::agreed::PROCESS_BYTES;
use crate::words::world::{Shared, Version, World};

/// Where the name stands in shared memory.
const PLACE: &str = "accredit/4/process";

/// The name of this process: random bytes, the same in all its workers. `None` if the host gives none.
pub(super) fn name(world: &mut dyn World) -> Option<[u8; PROCESS_BYTES]> {
    let read = |shared: &Shared| shared.value.as_slice().try_into().ok();
    let found = world.shared(PLACE);
    if let Some(name) = found.as_ref().and_then(read) {
        return Some(name);
    }
    let mut name = [0; PROCESS_BYTES];
    world.random(&mut name).ok()?;
    // If another worker was faster, its name counts.
    let _ = world.share(PLACE, &name, found.map_or(Version::Absent, |shared| shared.version));
    world.shared(PLACE).as_ref().and_then(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::world::testing::Still;

    #[test]
    fn workers_of_a_process_have_one_name_whatever_stood_in_its_place_and_two_processes_have_two() {
        let mut one = Still::default();
        one.share(PLACE, b"junk of another plugin", Version::Any).unwrap();
        let mut beside = Still { drawn: 1 << 32, ..one.clone() };
        let mut other = Still { drawn: 1 << 40, ..Still::default() };
        let named = name(&mut one).unwrap();
        assert_eq!([name(&mut beside), name(&mut one)], [Some(named); 2]);
        assert_ne!(name(&mut other), Some(named));
    }
}
