//! What operators end stands apart from what others end.

use super::*;
use crate::session::ended::end::Troubles;
use crate::session::ended::operators::may_end;

fn person<'a>(provider: &'a str, sub: &'a str) -> End<'a> {
    End::PersonHere { provider, sub, begun_by: NOW, until: later(3_600) }
}

fn everybody(provider: &str) -> End<'_> {
    End::EverybodyHere { provider, begun_by: NOW, until: later(3_600) }
}

/// Fills the piece of a table in which the mark of this end under this key stands, with marks of others.
fn fill(ended: &mut EndedSessions, world: &mut Still, table: &str, end: &End<'_>, key: usize) {
    let mark = end.marks(&keys(&[1, 2])).1[key];
    let beside = |number: u64| Mark::new((mark.name & (u64::MAX << 48)) | number, later(3_600), Ends::begun_by(NOW));
    let others: Vec<_> = (0..5_000).map(beside).collect();
    assert!(!ended.table(table).add(world, &others, NOW).0.is_empty());
}

/// How often this operator may end that, of so many times.
fn times(world: &mut Still, operator: &str, end: &End<'_>, most: usize) -> usize {
    (0..most).filter(|_| may_end(world, &keys(&[1]), ("idp", operator), end)).count()
}

#[test]
fn an_operators_end_ends_what_it_names_here_and_at_other_replicas_and_is_told_again() {
    let alice = of("idp", "alice", None);
    for (end, ends) in [
        (End::SessionId { id: &alice.id, begun_by: NOW, until: later(3_600) }, [true, false]),
        (person("idp", "alice"), [true, false]),
        (End::SubjectHere { provider: "idp", subject: "alice", begun_by: NOW, until: later(3_600) }, [true, false]),
        (everybody(""), [true, true]),
        (everybody("idp"), [true, false]),
        (everybody("partner"), [false, true]),
    ] {
        let (mut here, mut there) = (world(), world());
        let recorded = ended(&[1, 2]).end_by_operator(&mut here, &end);
        assert!(recorded.kept);
        let mut replica = ended(&[2]);
        assert_eq!(hear(&mut replica, &mut there, [recorded.announcement.as_slice()].into_iter()).1, 0);
        for (world, mut ended) in [(&here, ended(&[1, 2])), (&there, replica)] {
            let has = [&alice, &of("partner", "bob", None)].map(|session| ended.has_uncached(world, session, NOW));
            assert_eq!(has, ends, "{end:?}");
        }
        let mut again = Vec::new();
        let mut all = ended(&[1, 2]);
        (0..).map_while(|number| all.piece(&here, number, NOW)).for_each(|marks| again.extend(marks));
        assert_eq!(again.len(), 2, "under each key: {again:?}");
    }
}

#[test]
fn an_operator_who_fills_their_table_takes_no_room_from_proved_ends_nor_these_from_them_and_everybody_is_always_possible() {
    for (full, some, signed_out) in [("operators/some", false, true), ("idp", true, false), ("", true, true)] {
        let (mut world, mut here) = (world(), ended(&[1]));
        let alice = of("idp", "alice", Some("s1"));
        fill(&mut here, &mut world, full, &person("idp", "alice"), 0);
        fill(&mut here, &mut world, full, &End::Session(&alice), 0);
        fill(&mut here, &mut world, full, &everybody(""), 0);
        assert_eq!(here.end_by_operator(&mut world, &person("idp", "alice")).kept, some, "{full}");
        assert_eq!(here.end(&mut world, &End::Session(&alice)).kept, signed_out, "{full}");
        let recorded = here.end_by_operator(&mut world, &everybody(""));
        assert!(recorded.kept && here.has_uncached(&world, &of("partner", "bob", None), NOW), "{full}");
    }
}

#[test]
fn a_script_gone_wrong_is_stopped_while_other_operators_and_the_end_of_everybody_go_on() {
    let (mut world, one) = (world(), person("idp", "alice"));
    assert_eq!(times(&mut world, "olga", &one, 10_000), 1_000);
    assert_eq!(times(&mut world, "olga", &everybody(""), 30), 30);
    assert_eq!(times(&mut world, "oscar", &one, 10_000), 1_000);
    // Five accounts that were stolen use up what is allowed to all, and never the end of everybody.
    assert_eq!(["a", "b", "c"].map(|operator| times(&mut world, operator, &one, 10_000)), [1_000, 1_000, 0]);
    assert_eq!(times(&mut world, "otto", &everybody(""), 100), 60);
    world.now = later(10);
    assert_eq!(times(&mut world, "olga", &one, 10_000), 50);
    assert_eq!(times(&mut world, "otto", &everybody("idp"), 100), 10);
    // Half an hour later, all is allowed again.
    world.now = later(1_800);
    assert_eq!(times(&mut world, "olga", &one, 10_000), 1_000);
    let bytes: usize = world.memory.borrow().values().map(|(value, _)| value.len()).sum();
    assert!(bytes <= 2 * 16 * 2_048 + 8, "{bytes}");
}

#[test]
fn an_operator_that_fills_the_queue_while_the_store_is_away_takes_no_room_there_from_sign_outs_and_from_the_end_of_everybody() {
    let (mut world, mut here) = (world(), ended(&[1]));
    let mut queued = 0;
    for number in 0..2_000 {
        let sub = number.to_string();
        let recorded = here.end_by_operator(&mut world, &person("idp", &sub));
        queued += usize::from(here.tell_by_operator(&mut world, &person("idp", &sub), &recorded.announcement, true));
    }
    assert_eq!((queued, here.take_troubles()), (1_024, Troubles { without_room: 0, not_queued: 2_000 - 1_024 }));
    assert!(!here.has_unsent(), "whoever asks has sent them");
    let recorded = here.end_by_operator(&mut world, &everybody(""));
    assert!(here.tell_by_operator(&mut world, &everybody(""), &recorded.announcement, false));
    here.mark(&mut world, &of("idp", "alice", None));
    assert_eq!(here.take_troubles(), Troubles::default());
    let waiting = here.waiting(&world);
    let unsent = here.take_unsent();
    assert_eq!((waiting.len(), &unsent[..]), (1_026, &waiting[..2]));
    here.stand_in_the_store(&mut world, waiting.iter().map(Vec::as_slice));
    assert_eq!(here.waiting(&world), Vec::<Vec<u8>>::new());
}
