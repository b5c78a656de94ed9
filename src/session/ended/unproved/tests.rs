//! Floods of ends that nobody has proved.

use super::*;
use crate::session::content::tests::{alice, session};
use crate::session::content::{NewSession, Session};
use crate::session::ended::EndedSessions;
use crate::session::ended::announcement::Announced;
use crate::session::ended::end::End;
use crate::session::ended::testing::keys;
use crate::words::world::testing::Still;

/// 2027: marks know no time before 2020.
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn world() -> Still {
    Still { now: NOW, client_address: Some("192.0.2.1:1".to_owned()), ..Still::default() }
}

fn ended() -> EndedSessions {
    EndedSessions::new(&keys(&[1]), ["idp", "partner"].into_iter(), Some("a store"))
}

/// A session that began at this time, by our own clock, with an ID token of the same second.
fn of(provider: &str, sid: &str, began: Timestamp) -> Session {
    let mut session = session(NewSession { provider: provider.into(), provider_session: Some(sid.into()), ..alice() });
    (session.id, session.created, session.issued) = (format!("{provider} {sid}"), began, began);
    session
}

fn ends(ended: &mut EndedSessions, world: &mut Still, sid: &str) -> Taken {
    let until = world.now.plus(DAY);
    ended.end_unproved(world, "idp", sid, until)
}

/// The bytes in shared data under keys with this part.
fn bytes(world: &Still, part: &str) -> usize {
    world.memory.borrow().iter().filter(|(key, _)| key.contains(part)).map(|(_, (value, _))| value.len()).sum()
}

#[test]
fn it_ends_the_sessions_of_one_sid_of_one_provider_that_began_until_now_by_our_own_clock() {
    let mut world = world();
    assert_eq!(ends(&mut ended(), &mut world, "s1"), Taken::Ended);
    let later = |seconds| NOW.plus(Duration::from_secs(seconds));
    // The provider's clock may be ahead of ours.
    let ahead = Session { issued: later(50), ..of("idp", "s1", NOW) };
    for (session, has_ended) in [
        (of("idp", "s1", NOW), true),
        (ahead, true),
        (of("idp", "s1", later(1)), false),
        (of("idp", "s2", NOW), false),
        (of("partner", "s1", NOW), false),
    ] {
        assert_eq!(ended().has_uncached(&world, &session, later(2)), has_ended, "{session:?}");
    }
}

#[test]
fn a_hundred_thousand_made_up_ones_of_one_client_take_sixty_places_and_hinder_no_other_client() {
    let mut world = world();
    let mut here = ended();
    let taken = (0..100_000).filter(|number| ends(&mut here, &mut world, &number.to_string()) == Taken::Ended).count();
    assert_eq!(taken, 60);
    assert_eq!(bytes(&world, "unproved/rate"), 2_048 + 8);
    for (address, expected) in [("192.0.2.1:9", Taken::TooMany), ("192.0.2.2:1", Taken::Ended), ("[2001:db8::1]:1", Taken::Ended)]
    {
        world.client_address = Some(address.to_owned());
        assert_eq!(ends(&mut here, &mut world, "mine"), expected, "{address}");
    }
}

#[test]
fn a_hundred_thousand_made_up_ones_of_as_many_clients_take_three_hundred_places_at_once_and_five_a_second() {
    let mut world = world();
    let mut here = ended();
    let mut flood = |world: &mut Still, times: u32| {
        let of_all = (0..times).filter(|number| {
            world.client_address = Some(format!("{}:1", std::net::Ipv4Addr::from(0x0a00_0000 | number)));
            ends(&mut here, world, &format!("{number} {:?}", world.now)) == Taken::Ended
        });
        of_all.count()
    };
    assert_eq!(flood(&mut world, 100_000), 300);
    world.now = world.now.plus(Duration::from_secs(60));
    assert_eq!(flood(&mut world, 1_000), 300);
    world.now = world.now.plus(Duration::from_secs(1));
    assert_eq!(flood(&mut world, 1_000), 5);
    assert_eq!(bytes(&world, "unproved/rate"), 16 * 2_048 + 8);
}

#[test]
fn a_flood_that_lasts_for_hours_pushes_out_no_proved_end_nor_one_of_its_own_and_takes_no_more_memory_than_the_table_has() {
    let mut world = world();
    let mut here = ended();
    let proved: Vec<_> = (0..500).map(|number| format!("proved {number}")).collect();
    for sid in &proved {
        let end = End::AtProvider { provider: "idp", sid, begun_by: NOW, until: NOW.plus(DAY) };
        assert!(here.end(&mut world, &end).kept);
    }
    assert_eq!(ends(&mut here, &mut world, "mine"), Taken::Ended);
    let known = |world: &Still, sid: &str| ended().has_uncached(world, &of("idp", sid, NOW), world.now);
    // As if so much were allowed that the table becomes full.
    let full = SIZE.pieces * SIZE.marks;
    let made_up: Vec<_> = (0..full as u64 + 20_000)
        .map(|name| {
            Mark::new(name.wrapping_mul(0x9E37_79B9_7F4A_7C15), NOW.plus(DAY), crate::session::ended::mark::Ends::begun_by(NOW))
        })
        .collect();
    let mut refused = 0;
    for some in made_up.chunks(10_000) {
        refused += here.unproved.table.add(&mut world, some, NOW).0.len();
    }
    assert!((20_000..40_000).contains(&refused), "{refused}");
    let (mut ended, mut without_room) = (0, 0);
    for number in 0..300 {
        match ends(&mut here, &mut world, &format!("made up {number}")) {
            Taken::Ended => ended += 1,
            Taken::WithoutRoom => without_room += 1,
            Taken::TooMany => {}
        }
        world.now = world.now.plus(Duration::from_secs(1));
    }
    assert!(without_room > 200 && ended + without_room == 300, "{ended} {without_room}");
    assert!(known(&world, "mine") && proved.iter().all(|sid| known(&world, sid)));
    let most = full * 16 + SIZE.pieces * 4 + 16 * 2_048 + 8;
    assert!(bytes(&world, "ended/unproved") <= most, "{} of {most}", bytes(&world, "ended/unproved"));
}

#[test]
fn what_waits_for_the_store_is_bounded_and_takes_no_room_from_what_was_proved() {
    let mut world = world();
    let mut here = ended();
    for number in 0..2_000 {
        assert_eq!(ends(&mut here, &mut world, &number.to_string()), Taken::Ended);
        world.now = world.now.plus(Duration::from_secs(1));
    }
    assert_eq!((here.waiting(&world).len(), here.unproved.unsent.len()), (MOST_WAITING, MOST_WAITING));
    assert!(
        here.end_and_tell(&mut world, &End::AtProvider { provider: "idp", sid: "proved", begun_by: NOW, until: NOW.plus(DAY) })
    );
    assert_eq!(here.take_troubles(), crate::session::ended::end::Troubles::default());
    // It is the first of what is sent at once, and of what waits.
    let proved = here.waiting(&world)[0].clone();
    let unsent = here.take_unsent();
    assert_eq!((unsent[0].as_slice(), unsent.len()), (proved.as_slice(), 500));
    assert!(!here.has_unsent());
    here.stand_in_the_store(&mut world, unsent.iter().map(Vec::as_slice));
    assert_eq!(here.waiting(&world).len(), MOST_WAITING - 499);
    assert_eq!(bytes(&world, "unannounced/unproved/"), 1 + (MOST_WAITING - 499) * 43);
}

#[test]
fn what_another_replica_tells_stands_among_the_unproved_ends_and_is_told_to_nobody_again() {
    let mut elsewhere = world();
    let mut one = ended();
    assert_eq!(ends(&mut one, &mut elsewhere, "s1"), Taken::Ended);
    let told = one.take_unsent();
    assert_eq!(told.len(), 1);
    let mut world = world();
    let mut other = ended();
    let heard = other.read(told.iter().map(Vec::as_slice));
    let [Announced::Unproved(marks)] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!(other.take_over(&mut world, Vec::new(), marks), 0);
    assert!(other.has_uncached(&world, &of("idp", "s1", NOW), NOW));
    assert!(!other.has_uncached(&world, &of("partner", "s1", NOW), NOW));
    assert!(other.waiting(&world).is_empty() && !other.has_unsent());
    let mut number = 0;
    while let Some(marks) = other.piece(&world, number, NOW) {
        assert_eq!(marks, [], "piece {number}");
        number += 1;
    }
}

#[test]
fn where_nobody_is_told_nothing_waits() {
    let mut world = world();
    let mut here = EndedSessions::new(&keys(&[1]), ["idp"].into_iter(), None);
    assert_eq!(ends(&mut here, &mut world, "s1"), Taken::Ended);
    assert!(!here.has_unsent() && here.waiting(&world).is_empty() && bytes(&world, "unannounced") == 0);
}
