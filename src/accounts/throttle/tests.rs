//! What somebody could try in order to guess more often than the limits allow, or to lock others out, and how far they get.

use std::collections::BTreeMap;

use super::*;
use crate::words::world::testing::Still;

mod shared_memory;

const MINUTE: u64 = 60_000;

/// The limits that are the defaults of the configuration.
fn throttle() -> Throttle {
    let limit = |failures, longest_minutes: u64| Limit {
        failures,
        window: Duration::from_secs(15 * 60),
        delay: Duration::from_secs(30),
        longest_delay: Duration::from_secs(longest_minutes * 60),
    };
    Throttle { account: limit(5, 5), address: limit(50, 15) }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_750_000_000_000 + millis)
}

/// Makes an attempt that fails. The error is how many seconds it has to wait instead.
fn fails(world: &mut dyn World, millis: u64, account: &str, address: Option<&str>) -> Result<(), u64> {
    throttle().begin(world, at(millis), account, address).map(drop).map_err(|wait| wait.as_secs())
}

/// Makes this number of attempts, which all fail and none of which has to wait.
fn fail(times: u32, world: &mut dyn World, millis: u64, account: &str, address: Option<&str>) {
    for _ in 0..times {
        assert_eq!(fails(world, millis, account, address), Ok(()), "{account} {address:?}");
    }
}

/// All keys and values in shared memory.
fn memory(world: &Still) -> BTreeMap<String, Vec<u8>> {
    world.memory.borrow().iter().map(|(key, (value, _))| (key.clone(), value.clone())).collect()
}

#[test]
fn a_thousand_guesses_at_once_get_five_answers() {
    let mut workers = vec![Still::default(); 4];
    let asked = (0..1_000_usize).filter(|guess| {
        let address = format!("10.0.{}.{}:4", guess / 250, guess % 250);
        fails(&mut workers[guess % 4], 0, "alice", Some(&address)).is_ok()
    });
    assert_eq!(asked.count(), 5);
}

#[test]
fn each_further_guess_waits_twice_as_long_up_to_the_longest_delay() {
    let (mut world, mut now) = (Still::default(), 0);
    fail(5, &mut world, now, "alice", None);
    for seconds in [30, 60, 120, 240, 300, 300, 300] {
        assert_eq!(fails(&mut world, now, "alice", None), Err(seconds));
        // The wait is rounded up to whole seconds, and an attempt that is made meanwhile does not prolong it.
        assert_eq!(fails(&mut world, now + 1, "alice", None), Err(seconds));
        assert_eq!(fails(&mut world, now + seconds * 1_000 - 1, "alice", None), Err(1));
        now += seconds * 1_000;
        fail(1, &mut world, now, "alice", None);
    }
}

#[test]
fn failures_are_forgotten_after_the_window_and_no_wait_is_longer() {
    let mut world = Still::default();
    fail(5, &mut world, 0, "alice", None);
    fail(1, &mut world, 15 * MINUTE - 1, "alice", None);
    assert_eq!(fails(&mut world, 15 * MINUTE - 1, "alice", None), Err(60));
    fail(5, &mut world, 30 * MINUTE - 1, "alice", None);
    assert_eq!(fails(&mut world, 30 * MINUTE - 1, "alice", None), Err(30));

    // That holds even where the longest delay is longer than the window, which the configuration refuses.
    let minute = Duration::from_secs(60);
    let hasty = Limit { failures: 1, window: minute, delay: minute * 5, longest_delay: minute * 5 };
    let hasty = Throttle { account: hasty.clone(), address: hasty };
    hasty.begin(&mut world, at(0), "bob", None).unwrap();
    assert_eq!(hasty.begin(&mut world, at(1), "bob", None), Err(minute));
    assert_eq!(hasty.begin(&mut world, at(MINUTE - 1), "bob", None), Err(Duration::from_secs(1)));
    assert!(hasty.begin(&mut world, at(MINUTE), "bob", None).is_ok());
}

#[test]
fn a_patient_guesser_gets_about_six_hundred_answers_a_day_for_one_account() {
    // For each number of guesses: makes that many as fast as possible, waits for a whole window, and begins again.
    for guesses in 1..30_u64 {
        let (mut world, mut now, mut asked) = (Still::default(), 0, 0_u64);
        while now < 24 * 60 * MINUTE {
            match fails(&mut world, now, "alice", None) {
                Err(seconds) => now += seconds * 1_000,
                Ok(()) => {
                    asked += 1;
                    now += if asked.is_multiple_of(guesses) { 15 * MINUTE } else { 0 };
                }
            }
        }
        assert!(asked <= 625, "{guesses}: {asked}");
    }
}

#[test]
fn one_address_that_tries_other_accounts_each_time_gets_4800_answers_a_day_at_most() {
    for guesses in [10, 49, 50, 51, 52, 55, 60, 1_000_000] {
        let (mut world, mut now, mut asked) = (Still::default(), 0, 0_u64);
        while now < 24 * 60 * MINUTE {
            match fails(&mut world, now, &asked.to_string(), Some("192.0.2.1:1")) {
                Err(seconds) => now += seconds * 1_000,
                Ok(()) => {
                    asked += 1;
                    now += if asked.is_multiple_of(guesses) { 15 * MINUTE } else { 0 };
                }
            }
        }
        assert!(asked <= 4_800, "{guesses}: {asked}");
    }
}

#[test]
fn spelling_an_account_in_other_ways_gives_no_further_guesses() {
    let mut world = Still::default();
    for spelling in ["zoë@example.com", "Zoë@example.com", " ZOË@EXAMPLE.COM", "zoË@example.com\t\r\n", "\u{a0}zoë@Example.com "]
    {
        fail(1, &mut world, 0, spelling, None);
    }
    for spelling in [
        "\u{feff}zoë@example.com",
        "zo\u{ad}ë@example.com\u{200b}",
        "zoë@example.com",
        "ZoË@example.COM",
        "\u{3000}zoë@example.com",
    ] {
        assert_eq!(fails(&mut world, 0, spelling, None), Err(30), "{spelling}");
    }
    fail(1, &mut world, 0, "zoe@example.com", None);
}

#[test]
fn a_flood_of_account_names_takes_no_more_memory_and_the_victim_stays_locked() {
    let mut world = Still::default();
    fail(5, &mut world, 0, "alice", None);
    for number in 0..60_000 {
        fail(1, &mut world, 1, &format!("nobody{number}"), None);
    }
    assert_eq!(fails(&mut world, 1, "alice", None), Err(30));
    let memory = memory(&world);
    assert_eq!(memory.len(), 4_096 + 1);
    assert!(memory.values().all(|place| place.len() <= 176));
}

#[test]
fn a_flood_of_addresses_takes_no_more_memory_and_an_address_that_waits_stays_there() {
    let mut world = Still::default();
    for number in 0..50 {
        fail(1, &mut world, 0, &format!("user{number}"), Some("192.0.2.1:9"));
    }
    for number in 0..60_000_u32 {
        let address = std::net::Ipv4Addr::from_bits(0x0A00_0000 + number).to_string();
        fail(1, &mut world, 1, &number.to_string(), Some(&address));
    }
    assert_eq!(fails(&mut world, 1, "alice", Some("192.0.2.1")), Err(30));
    assert_eq!(memory(&world).len(), 2 * 4_096 + 1);
}

#[test]
fn in_a_full_slot_forgotten_entries_are_replaced_first_then_those_with_the_fewest_failures_then_the_oldest() {
    let (mut world, limits) = (Still::default(), throttle());
    let table = |millis| Table { kind: "account/", limit: &limits.account, now: at(millis) };
    let names = |world: &Still, millis| {
        let place = &memory(world)["accredit/1/failures/account/70"];
        let entries = place.as_chunks().0.iter().map(|bytes| table(millis).counting(bytes));
        let mut names: Vec<_> = entries.filter(|entry| entry.failures > 0).map(|entry| entry.name / 0x1_0000).collect();
        names.sort_unstable();
        names
    };
    let change = |world: &mut Still, millis, number: u128, change: &Change<'_>| {
        table(millis).change(world, number * 0x1_0000 + 7, change).unwrap();
    };
    for (millis, number, times) in [(0, 1, 5), (10, 2, 2), (20, 3, 1), (30, 4, 1)] {
        (0..times).for_each(|_| change(&mut world, millis, number, &Change::Count(1)));
    }
    change(&mut world, 40, 5, &Change::Count(1));
    assert_eq!(names(&world, 40), [1, 2, 4, 5]);
    change(&mut world, 50, 6, &Change::Count(1));
    assert_eq!(names(&world, 50), [1, 2, 5, 6]);
    // An account that signs in without a failure before takes nobody's entry.
    let right = Counted { account: Mark::default(), spelling: 1, address: None };
    change(&mut world, 60, 8, &Change::Forget(&right));
    assert_eq!(names(&world, 60), [1, 2, 5, 6]);
    // The first has the most failures, but they are forgotten now.
    change(&mut world, 15 * MINUTE, 7, &Change::Count(1));
    assert_eq!(names(&world, 15 * MINUTE), [2, 5, 6, 7]);
}

#[test]
fn one_address_can_make_at_most_ten_accounts_wait_at_a_time_for_five_minutes_after_the_last_failure() {
    // For two hours the address makes every attempt that it may, at this number of accounts, and all fail.
    for aims in [1, 2, 3, 5, 9, 10, 11, 50] {
        let (mut world, mut failures, mut most) = (Still::default(), 0, 0);
        let names: Vec<_> = (0..aims).map(|number| format!("user{number}")).collect();
        let mut stopped_at_last = 0;
        for now in (0..2 * 60 * MINUTE).step_by(10_000) {
            while names.iter().any(|name| fails(&mut world, now, name, Some("192.0.2.1:7")).is_ok()) {
                failures += 1;
            }
            // How long the owners of the accounts have to wait, who come from other addresses.
            let waits: Vec<_> = names.iter().filter_map(|name| asked(&mut world, now, name).err()).collect();
            assert!(waits.iter().all(|wait| *wait <= 5 * 60), "{aims}: {waits:?}");
            most = waits.len().max(most);
            stopped_at_last = now;
        }
        assert!(most <= 10, "{aims}: {most}");
        // In each half hour the address gets 50 answers, and six more while its waits grow to the longest.
        assert!(failures <= 4 * (50 + 6), "{aims}: {failures}");
        for name in &names {
            assert_eq!(asked(&mut world, stopped_at_last + 5 * MINUTE, name), Ok(()), "{aims}: {name}");
        }
    }
}

/// Whether the user service would be asked for the owner of an account. The error is how many seconds there are to wait.
fn asked(world: &mut dyn World, millis: u64, account: &str) -> Result<(), u64> {
    let counted = throttle().begin(world, at(millis), account, None).map_err(|wait| wait.as_secs())?;
    throttle().taken_back(world, at(millis), &counted);
    Ok(())
}

#[test]
fn attempts_of_an_address_or_an_account_that_has_to_wait_are_not_counted_for_the_other() {
    let mut world = Still::default();
    for number in 0..50 {
        fail(1, &mut world, 0, &format!("user{number}"), Some("192.0.2.1"));
    }
    let before = memory(&world);
    for _ in 0..20 {
        assert_eq!(fails(&mut world, 0, "alice", Some("192.0.2.1")), Err(30));
    }
    assert_eq!(memory(&world), before);
    fail(5, &mut world, 0, "alice", Some("192.0.2.2"));
    let before = memory(&world);
    for _ in 0..100 {
        assert_eq!(fails(&mut world, 1_000, "alice", Some("192.0.2.2")), Err(29));
    }
    assert_eq!(memory(&world), before);
    // Where both have to wait, the longer wait is given.
    assert_eq!(fails(&mut world, 2_000, "alice", Some("192.0.2.1")), Err(28));
    fail(1, &mut world, 30_000, "alice", Some("192.0.2.1"));
    assert_eq!(fails(&mut world, 89_000, "alice", Some("192.0.2.1")), Err(1));
}

#[test]
fn a_good_sign_in_under_another_spelling_forgets_no_failure() {
    let mut world = Still::default();
    for _ in 0..2 {
        fail(2, &mut world, 0, "alice", None);
        let counted = throttle().begin(&mut world, at(0), "Alice", None).unwrap();
        throttle().succeeded(&mut world, at(0), &counted);
    }
    fail(1, &mut world, 0, "alice", None);
    assert_eq!(fails(&mut world, 0, "alice", None), Err(30), "five guesses, whoever signed in meanwhile");
}

#[test]
fn capitals_of_the_alphabets_of_europe_give_no_further_guesses() {
    let mut world = Still::default();
    for name in ["Роман Ёжик Ѓорѓи", "ΌΔΥΣΣΕΎΣ Ψωμάς", "ŁUKASZ ŽĹÍÇ Şahin Ÿves Vũ ẢNH", "ԱՐՄԵՆ"]
    {
        let capitals: String = name.chars().flat_map(char::to_uppercase).collect();
        let small: String = name.chars().flat_map(char::to_lowercase).collect();
        for spelling in [name, &capitals, &small, name, &capitals] {
            fail(1, &mut world, 0, spelling, None);
        }
        assert_eq!(fails(&mut world, 0, &small, None), Err(30), "{name}");
    }
}

#[test]
fn changing_the_low_half_of_an_ipv6_address_or_the_port_gives_no_further_guesses() {
    let mut world = Still::default();
    for number in 0..50 {
        fail(1, &mut world, 0, &number.to_string(), Some(&format!("[2001:db8::{number}]:{number}")));
    }
    assert_eq!(fails(&mut world, 0, "alice", Some("[2001:db8::ffff:0:0:1]:50")), Err(30));
    fail(1, &mut world, 0, "alice", Some("[2001:db8:0:1::1]:50"));
}

#[test]
fn where_no_address_is_known_accounts_are_still_counted() {
    let mut world = Still::default();
    for address in [None, Some(""), Some("/run/envoy.sock"), None, Some("x")] {
        fail(1, &mut world, 0, "alice", address);
    }
    assert_eq!(fails(&mut world, 0, "alice", None), Err(30));
}

#[test]
fn a_guesser_who_signs_in_to_an_own_account_does_not_clear_the_address() {
    let (mut world, address) = (Still::default(), Some("192.0.2.1"));
    for number in 0..49 {
        fail(1, &mut world, number, &number.to_string(), address);
        let counted = throttle().begin(&mut world, at(number), "mallory", address).unwrap();
        throttle().succeeded(&mut world, at(number), &counted);
    }
    fail(1, &mut world, 60, "alice", address);
    assert_eq!(fails(&mut world, 60, "mallory", address), Err(30));
}

#[test]
fn a_right_password_forgets_failures_of_the_account_and_neither_forgets_nor_prolongs_those_of_the_address() {
    let (mut world, address) = (Still::default(), Some("192.0.2.1"));
    for number in 0..46 {
        fail(1, &mut world, 0, &number.to_string(), address);
    }
    fail(4, &mut world, 0, "alice", address);
    // Once the wait is over, everybody behind the address can still sign in, one after the other.
    for _ in 0..10 {
        assert_eq!(fails(&mut world, 29_999, "alice", address), Err(1));
        let counted = throttle().begin(&mut world, at(30_000), "alice", address).unwrap();
        assert_eq!(fails(&mut world, 30_000, "other", address), Err(60));
        throttle().succeeded(&mut world, at(30_010), &counted);
    }
    fail(5, &mut world, 30_000, "alice", None);
    assert_eq!(fails(&mut world, 30_000, "alice", None), Err(30));
    fail(1, &mut world, 30_000, "bob", address);
    assert_eq!(fails(&mut world, 30_000, "bob", address), Err(60));
}

#[test]
fn attempts_that_do_not_reach_the_service_are_not_counted_neither_in_turn_nor_at_once() {
    let (mut world, address) = (Still::default(), Some("192.0.2.1"));
    fail(3, &mut world, 0, "alice", address);
    let before = memory(&world);
    for millis in 0..500 {
        let counted = throttle().begin(&mut world, at(millis), "alice", address).unwrap();
        throttle().taken_back(&mut world, at(millis + 5_000), &counted);
        assert_eq!(memory(&world), before);
    }
    let at_once: Vec<_> = (0..20).map(|user| throttle().begin(&mut world, at(0), &user.to_string(), address).unwrap()).collect();
    at_once.iter().for_each(|counted| throttle().taken_back(&mut world, at(5_000), counted));
    for number in 0..47 {
        fail(1, &mut world, 5_000, &number.to_string(), address);
    }
    assert_eq!(fails(&mut world, 5_000, "bob", address), Err(30));
    assert_eq!(fails(&mut world, 5_000, "alice", None), Ok(()));
}

#[test]
fn an_answer_that_never_comes_counts_as_a_failure_and_a_late_one_takes_back_no_other_attempt() {
    let mut world = Still::default();
    let late = throttle().begin(&mut world, at(0), "alice", None).unwrap();
    let right = throttle().begin(&mut world, at(1), "alice", None).unwrap();
    throttle().succeeded(&mut world, at(2), &right);
    fail(5, &mut world, 3, "alice", None);
    let before = memory(&world);
    throttle().taken_back(&mut world, at(4), &late);
    assert_eq!(memory(&world), before);
    assert_eq!(fails(&mut world, 4, "alice", None), Err(30));
}

#[test]
fn a_clock_that_is_put_back_locks_nobody_for_longer_than_the_window_and_one_delay() {
    for back in [1, MINUTE, 14 * MINUTE, 15 * MINUTE, 1_000 * MINUTE] {
        let (mut world, before) = (Still::default(), 2_000 * MINUTE);
        fail(5, &mut world, before, "alice", None);
        let now = before - back;
        if let Err(wait) = fails(&mut world, now, "alice", None) {
            assert!(wait <= (15 * 60) + 30, "{back}: {wait}");
            assert_eq!(fails(&mut world, now + wait * 1_000, "alice", None), Ok(()));
        }
        // At the earliest and the latest time there is, nothing overflows.
        for now in [0, u64::MAX] {
            let now = Timestamp::from_millis(now);
            (0..9).for_each(|_| drop(throttle().begin(&mut world, now, "alice", Some("192.0.2.1"))));
        }
    }
}
