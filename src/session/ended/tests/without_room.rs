//! Ends that other replicas announce, and that find no room here.

use super::*;
use crate::session::ended::recorded::WithoutRoom;

/// The marks of an end under two keys, and of so many others in the same piece as the first of them.
fn crowded(end: &End<'_>) -> (Vec<Mark>, Vec<Vec<Mark>>) {
    let (_, marks) = end.marks(&keys(&[1, 2]));
    let piece = marks[0].name & (u64::MAX << 48);
    let others = (0..5_000).map(|number| vec![Mark { name: piece | number, ..marks[0] }]).collect();
    (marks, others)
}

#[test]
fn ends_are_counted_and_not_their_marks_and_a_flood_that_nobody_has_proved_is_never_counted_as_proved_ends_without_room() {
    let (marks, others) = crowded(&by_sid("idp", "s1"));
    let (mut world, mut here) = (world(), ended(&[1, 2]));
    let refused = here.take_over(&mut world, Vec::new(), &others);
    let full = here.unproved.table.piece(&world, usize::try_from(marks[0].name >> 48).unwrap() % 1_024, NOW).unwrap().len();
    assert_eq!(refused, WithoutRoom { proved: 0, unproved: 5_000 - full });
    // The table of what is proved has the room that it had.
    let proved: Vec<_> = others[..1_000].iter().map(|marks| ("idp".to_owned(), marks.clone())).collect();
    assert_eq!(here.take_over(&mut world, proved, &[]), WithoutRoom::default());
    let proved = others.iter().map(|marks| ("idp".to_owned(), marks.clone())).collect();
    let refused = here.take_over(&mut world, proved, &[]);
    assert_eq!(refused, WithoutRoom { proved: 5_000 - OF_A_PROVIDER.marks, unproved: 0 });
    // One end without room under one of two keys, one under none, and one with room.
    let end = |marks: &[Mark]| ("idp".to_owned(), marks.to_vec());
    let piece = marks[0].name & (u64::MAX << 48);
    let neither = [8_000, 8_001].map(|number| Mark { name: piece | number, ..marks[0] });
    let (roomy, _) = crowded(&by_sid("idp", "s2"));
    let refused = here.take_over(&mut world, vec![end(&marks), end(&neither), end(&roomy)], &[]);
    assert_eq!(refused, WithoutRoom { proved: 2, unproved: 0 });
}
