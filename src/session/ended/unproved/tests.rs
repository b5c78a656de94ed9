//! Floods of ends that nobody has proved.

use std::time::Duration;

use super::*;
use crate::session::content::tests::{alice, session};
use crate::session::content::{NewSession, Session};
use crate::session::ended::EndedSessions;
use crate::session::ended::announcement::Announced;
use crate::session::ended::end::End;
use crate::session::ended::recorded::WithoutRoom;
use crate::session::ended::shared::limits::most_of_a_provider;
use crate::session::ended::shared::outboxes::MOST_UNPROVED;
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
    ended.end_unproved(world, ("idp", sid), until, ShownBy::AnyPage)
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

/// The time for which an end matters with the default `lifetime`.
const MATTERS: Duration = Duration::from_secs(8 * 3_600 + 1_200);

/// How many ends of this provider are taken that come at once, one from each of these addresses.
fn taken(here: &mut EndedSessions, world: &mut Still, provider: &str, addresses: impl Iterator<Item = String>) -> usize {
    shown(here, world, (provider, ShownBy::AnyPage), addresses)
}

/// The same, shown by such a page.
fn shown(
    here: &mut EndedSessions,
    world: &mut Still,
    (provider, shown_by): (&str, ShownBy),
    addresses: impl Iterator<Item = String>,
) -> usize {
    let until = world.now.plus(MATTERS);
    let ended = addresses.enumerate().filter(|(number, address)| {
        world.client_address = Some(address.clone());
        let sid = format!("{number} {:?}", world.now);
        match here.end_unproved(world, (provider, &sid), until, shown_by) {
            Taken::Ended | Taken::EndedToldOnce => true,
            Taken::TooMany { .. } => false,
            other => panic!("{sid}: {other:?}"),
        }
    });
    ended.count()
}

/// So many clients, each of another address.
fn clients(number: u32) -> impl Iterator<Item = String> {
    (0..number).map(|number| format!("{}:1", std::net::Ipv4Addr::from(0x0a00_0000 | number)))
}

#[test]
fn one_client_that_goes_on_for_as_long_as_an_end_matters_takes_sixty_places_and_one_a_minute_and_hinders_no_other() {
    let mut world = world();
    let mut here = ended();
    let one = |number| std::iter::repeat_n("192.0.2.1:1".to_owned(), number);
    let mut all = taken(&mut here, &mut world, "idp", one(100_000));
    assert_eq!(all, 60);
    assert_eq!(bytes(&world, "unproved/rate"), 2_048 + 8 + 2_048);
    for _ in 0..MATTERS.as_secs() / 30 {
        world.now = world.now.plus(Duration::from_secs(30));
        all += taken(&mut here, &mut world, "idp", one(3));
    }
    assert_eq!(all, 60 + 500, "of 2,097,152");
    for (address, expected) in [("192.0.2.1:9", 0), ("192.0.2.2:1", 1), ("[2001:db8::1]:1", 1)] {
        assert_eq!(taken(&mut here, &mut world, "idp", std::iter::once(address.to_owned())), expected, "{address}");
    }
    assert!(bytes(&world, "unproved/rate") <= 4 * 16 * 2_048 + 8);
}

#[test]
fn clients_without_number_take_three_hundred_places_at_once_and_then_one_a_second_at_each_provider_apart() {
    let mut world = world();
    let mut here = ended();
    let mut flood = |world: &mut Still, provider: &str, number| taken(&mut here, world, provider, clients(number));
    assert_eq!(flood(&mut world, "idp", 100_000), 300);
    assert_eq!(flood(&mut world, "partner", 100_000), 300, "the other provider's sign-outs count");
    let mut all = 300;
    for _ in 0..MATTERS.as_secs() / 60 {
        world.now = world.now.plus(Duration::from_secs(60));
        all += flood(&mut world, "idp", 100);
    }
    assert_eq!(all, 30_300, "and no more than that while the first of them matters");
    assert!(bytes(&world, "unproved/rate") <= 4 * 16 * 2_048 + 2 * 8);
}

#[test]
fn one_line_of_ipv6_is_one_client_whatever_of_its_networks_it_comes_from_and_a_site_leaves_room_to_others() {
    let mut world = world();
    let mut here = ended();
    let line = (0..256).map(|network| format!("[2001:db8:1:2a{network:02x}::1]:1"));
    assert_eq!(taken(&mut here, &mut world, "idp", line.clone().chain(line)), 60);
    let site = (0..0x1_0000).map(|network| format!("[2001:db8:1:{network:x}::1]:1"));
    assert_eq!(taken(&mut here, &mut world, "idp", site), 60, "which are 120 with those of the line");
    assert_eq!(taken(&mut here, &mut world, "idp", clients(1_000)), 180);
}

/// The marks of as many made-up ends, which nobody can choose: names are keyed hashes.
fn made_up(number: usize) -> Vec<Vec<Mark>> {
    let ends = crate::session::ended::mark::Ends::begun_by(NOW);
    let names = (1..=number as u64).map(|name| name.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (name << 40)).map(|name| {
        let name = (name ^ (name >> 31)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        name ^ (name >> 32)
    });
    names.map(|name| vec![Mark::new(name, NOW.plus(DAY), ends)]).collect()
}

#[test]
fn five_thousand_people_of_one_office_sign_out_at_the_provider_in_one_evening_and_the_next_although_a_page_used_up_all_others() {
    let mut world = world();
    let mut here = ended();
    let office = |number| std::iter::repeat_n("192.0.2.1:1".to_owned(), number);
    assert_eq!(taken(&mut here, &mut world, "idp", office(1_000)), 60, "frames of another site, in a browser of the office");
    assert_eq!(taken(&mut here, &mut world, "idp", clients(1_000)), 240, "and in others");
    let page = ("idp", ShownBy::ProvidersPage);
    for evening in 0..2 {
        assert_eq!(shown(&mut here, &mut world, page, office(5_000)), 5_000, "{evening}");
        world.now = world.now.plus(Duration::from_secs(17 * 3_600));
    }
    // One line of IPv6, of which each person has another network.
    let line = (0..5_000).map(|number| format!("[2001:db8:1:2a{:02x}::1]:1", number % 256));
    assert_eq!(shown(&mut here, &mut world, page, line), 5_000);
}

#[test]
fn a_program_that_says_it_is_the_providers_page_takes_five_thousand_places_and_five_a_minute_and_programs_everywhere_have_a_limit()
 {
    let mut world = world();
    let mut here = ended();
    let page = ("idp", ShownBy::ProvidersPage);
    let one = |number| std::iter::repeat_n("192.0.2.1:1".to_owned(), number);
    let mut all = shown(&mut here, &mut world, page, one(100_000));
    for _ in 0..MATTERS.as_secs() / 60 {
        world.now = world.now.plus(Duration::from_secs(60));
        all += shown(&mut here, &mut world, page, one(10));
    }
    assert_eq!(all, 5_000 + 2_500);
    let site = |first: u32| (first..first + 0x1_0000).map(|network| format!("[2001:db8:1:{network:x}::1]:1"));
    assert_eq!(shown(&mut here, &mut world, page, site(0)), 10_000);
    let mut rest = shown(&mut here, &mut world, page, clients(100_000));
    assert_eq!(rest, 20_000 - 10_000 - 5);
    for _ in 0..100 {
        world.now = world.now.plus(Duration::from_secs(1));
        rest += shown(&mut here, &mut world, page, clients(100_000).skip(50_000).take(10));
    }
    assert_eq!(rest, 20_000 - 10_000 - 5 + 100, "then one a second");
    assert_eq!(taken(&mut here, &mut world, "idp", clients(1_000)), 300, "it takes nothing from others");
    assert!(bytes(&world, "unproved/rate") <= 2 * (4 * 16 * 2_048 + 8));
}

#[test]
fn all_that_twenty_three_floods_without_end_may_end_has_room_so_that_of_five_envoys_with_two_providers_and_two_keys_has() {
    let mut world = world();
    let mut here = ended();
    let most = most_of_a_provider(MATTERS);
    assert_eq!(most, 20_300 + 2 * MATTERS.as_secs(), "as docs/security.md says");
    let marks = made_up(23 * usize::try_from(most).unwrap());
    assert_eq!(marks.len(), 1_846_900);
    for some in marks.chunks(100_000) {
        assert_eq!(here.take_over(&mut world, Vec::new(), some), WithoutRoom::default());
    }
    assert_eq!(taken(&mut here, &mut world, "idp", clients(300)), 300);
}

#[test]
fn a_table_that_was_filled_all_the_same_pushes_out_no_end_counts_what_it_refuses_and_takes_no_more_memory() {
    let mut world = world();
    let mut here = ended();
    let proved: Vec<_> = (0..500).map(|number| format!("proved {number}")).collect();
    for sid in &proved {
        let end = End::AtProvider { provider: "idp", sid, begun_by: NOW, until: NOW.plus(DAY) };
        assert!(here.end(&mut world, &end).kept);
    }
    assert_eq!(ends(&mut here, &mut world, "mine"), Taken::Ended);
    let known = |world: &Still, sid: &str| ended().has_uncached(world, &of("idp", sid, NOW), world.now);
    // As if dozens of replicas were flooded at once.
    let full = SIZE.pieces * SIZE.marks;
    let marks = made_up(full + full / 2);
    let refused: Vec<_> = marks.chunks(200_000).map(|some| here.take_over(&mut world, Vec::new(), some)).collect();
    let unproved: usize = refused.iter().map(|refused| refused.unproved).sum();
    assert_eq!(unproved, marks.len() + 1 - full, "each that was refused is counted");
    assert!(refused.iter().all(|refused| refused.proved == 0), "and none of them as proved");
    assert_eq!(ends(&mut here, &mut world, "made up"), Taken::WithoutRoom);
    assert!(known(&world, "mine") && proved.iter().all(|sid| known(&world, sid)));
    let most = full * 16 + SIZE.pieces * 4 + 2 * 2_048 + 8;
    assert!(bytes(&world, "ended/unproved") <= most, "{} of {most}", bytes(&world, "ended/unproved"));
    world.now = NOW.plus(DAY).plus(Duration::from_secs(1));
    assert_eq!(ends(&mut here, &mut world, "later"), Taken::Ended, "what does not matter any more makes room");
}

#[test]
fn what_waits_for_the_store_is_bounded_and_takes_no_room_from_what_was_proved() {
    let mut world = world();
    let mut here = ended();
    for number in 0..2_000_u32 {
        world.client_address = Some(std::net::Ipv4Addr::from(0x0a00_0000 | number).to_string());
        assert!(ends(&mut here, &mut world, &number.to_string()).holds());
        world.now = world.now.plus(Duration::from_secs(1));
    }
    assert_eq!(here.waiting(&world).len(), MOST_UNPROVED);
    assert!(
        here.end_and_tell(&mut world, &End::AtProvider { provider: "idp", sid: "proved", begun_by: NOW, until: NOW.plus(DAY) })
    );
    assert_eq!(here.take_troubles(), crate::session::ended::end::Troubles::default());
    // It is the first of what is sent at once, and of what waits.
    let proved = here.waiting(&world)[0].clone();
    let unsent = here.take_unsent();
    assert_eq!((unsent[0].as_slice(), unsent.len()), (proved.as_slice(), 500));
    assert_eq!((here.take_unsent().len(), here.has_unsent()), (1, false));
    here.stand_in_the_store(&mut world, unsent.iter().map(Vec::as_slice));
    assert_eq!(here.waiting(&world).len(), MOST_UNPROVED - 499);
    assert_eq!(bytes(&world, "unannounced/unproved/"), 1 + (MOST_UNPROVED - 499) * 43);
}

#[test]
fn a_flood_at_one_provider_fills_its_own_queue_alone_and_what_finds_that_full_is_told_once_and_counted() {
    let mut world = world();
    let mut here = ended();
    let until = NOW.plus(DAY);
    let mut end = |world: &mut Still, provider: &str, number: usize| {
        here.end_unproved(world, (provider, &format!("s{number}")), until, ShownBy::ProvidersPage)
    };
    let flood: Vec<_> = (0..MOST_UNPROVED + 100).map(|number| end(&mut world, "partner", number)).collect();
    assert!(flood[..MOST_UNPROVED].iter().all(|taken| *taken == Taken::Ended));
    assert!(flood[MOST_UNPROVED..].iter().all(|taken| *taken == Taken::EndedToldOnce), "{:?}", flood.last());
    assert_eq!([0, 1].map(|number| end(&mut world, "idp", number)), [Taken::Ended; 2]);
    // Each provider is told of in turn, and nothing is left out.
    let waiting = here.waiting(&world);
    assert_eq!(waiting.len(), MOST_UNPROVED + 2);
    let marks_of = |bytes: &Vec<u8>| ended().read([bytes.as_slice()].into_iter());
    let known = |told: &[Vec<u8>], provider: &str, sid: &str| {
        let (mut elsewhere, mut replica) = (Still { now: NOW, ..Still::default() }, ended());
        let marks: Vec<_> = told.iter().flat_map(marks_of).filter_map(unproved).collect();
        assert_eq!(replica.take_over(&mut elsewhere, Vec::new(), &marks), WithoutRoom::default());
        replica.has_uncached(&elsewhere, &of(provider, sid, NOW), NOW)
    };
    assert!(known(&waiting[..4], "idp", "s1") && known(&waiting[..4], "partner", "s1"));
    let unsent = here.take_unsent();
    assert!(known(&unsent[..4], "idp", "s1") && known(&unsent, "partner", "s1") && unsent.len() == 500);
    // Only so many are sent at once; those are in the queue.
    assert_eq!((here.take_unsent().len(), here.has_unsent()), (2, false));
    // When there is room again in what is sent, what finds the queue full is sent.
    let taken = here.end_unproved(&mut world, ("partner", "late"), until, ShownBy::ProvidersPage);
    assert_eq!(taken, Taken::EndedToldOnce);
    let unsent = here.take_unsent();
    assert!(unsent.len() == 1 && known(&unsent, "partner", "late") && !here.waiting(&world).contains(&unsent[0]));
}

fn unproved(announced: Announced) -> Option<Vec<Mark>> {
    if let Announced::Unproved(marks) = announced { Some(marks) } else { None }
}

#[test]
fn an_end_that_finds_room_under_one_of_two_keys_holds_and_is_told_and_one_that_finds_none_does_not() {
    let two = || EndedSessions::new(&keys(&[1, 2]), ["idp"].into_iter(), Some("a store"));
    let end = End::AtProvider { provider: "idp", sid: "s1", begun_by: NOW, until: NOW.plus(DAY) };
    let marks = end.marks(&keys(&[1, 2])).1;
    for (full, expected) in [(0, Taken::Ended), (1, Taken::EndedInPart), (2, Taken::WithoutRoom)] {
        let (mut world, mut here) = (world(), two());
        for mark in &marks[..full] {
            let beside = |number: u64| vec![Mark { name: (mark.name & (u64::MAX << 48)) | number, ..*mark }];
            let others: Vec<_> = (0..5_000).map(beside).collect();
            assert!(here.take_over(&mut world, Vec::new(), &others).unproved > 0);
        }
        assert_eq!(ends(&mut here, &mut world, "s1"), expected);
        assert_eq!(two().has_uncached(&world, &of("idp", "s1", NOW), NOW), expected.holds(), "{full}");
        assert_eq!(here.waiting(&world).len(), usize::from(expected.holds()), "{full}");
    }
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
    assert_eq!(other.take_over(&mut world, Vec::new(), std::slice::from_ref(marks)), WithoutRoom::default());
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
