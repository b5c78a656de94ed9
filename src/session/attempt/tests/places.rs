//! What is left of an attempt that took too long or was used up: its place.

use super::*;

#[test]
fn an_attempt_that_took_too_long_opens_for_its_place_alone_and_after_a_day_for_nothing() {
    let mut desk = Desk::new();
    let (attempt, cookies) = desk.begin(0, "");
    let day = LONGEST_LIFE.as_secs();
    assert!(cookies[0].ends_with(&format!("; Max-Age={day}")), "{}", cookies[0]);
    for second in [600, day - 1] {
        assert_eq!(desk.find(pair(&cookies[0]), attempt.state.expose(), second), Ok(Found::Expired(attempt.place())));
    }
    assert_eq!(desk.find(pair(&cookies[0]), attempt.state.expose(), day), Err(Reason::AttemptExpired));
    // With another `state` it opens for nothing.
    let forged = format!("{}.{}", attempt.id(), "A".repeat(43));
    assert_eq!(desk.find(pair(&cookies[0]), &forged, 600), Err(Reason::StateMismatch));
    // What ends with a token or in a popup has no place.
    for ending in [Ending::Token, Ending::Popup] {
        let (attempt, cookies) = desk.begin_for(ending, Timestamp::from_seconds(0), "");
        assert!(cookies[0].ends_with("; Max-Age=600"), "{}", cookies[0]);
        let found = desk.find_for(&[ending], pair(&cookies[0]), attempt.state.expose(), 600);
        assert_eq!(found, Err(Reason::AttemptExpired));
    }
}

#[test]
fn a_large_cookie_is_kept_no_longer_than_a_sign_in_may_take_so_that_many_do_not_fill_a_request() {
    let mut desk = Desk::new();
    let (attempt, _) = desk.begin(0, "");
    let mut long = Attempt { return_to: format!("/{}", "x".repeat(900)), ..attempt };
    let set = long.store(&mut desk.world, &desk.sealer, &desk.settings, TIMEOUT, &cookie_header("")).unwrap();
    assert!(set[0].ends_with("; Max-Age=600"), "{}", set[0]);
    assert!(desk.used_up(&long).ends_with("; Max-Age=599"));
    // However late it is used up, callbacks that come again find it.
    let (late, longest) = (Timestamp::from_seconds(599), LONGEST_LIFE);
    let used_up = long.place().store(&mut desk.world, &desk.sealer, &desk.settings, late, TIMEOUT, longest).unwrap();
    assert!(used_up.ends_with("; Max-Age=120"), "{used_up}");
    assert_eq!([599, 600].map(|second| desk.begin(second, pair(&set[0])).1.len()), [1, 2]);
}

#[test]
fn what_is_left_of_an_attempt_holds_neither_verifier_nor_nonce_and_opens_as_nothing_else() {
    let mut desk = Desk::new();
    let (attempt, _) = desk.begin(0, "");
    let cookie = desk.used_up(&attempt);
    let (jar, state) = (pair(&cookie), attempt.state.expose());
    assert_eq!(desk.find(jar, state, 2), Ok(Found::UsedUp(attempt.place())));
    assert_eq!(desk.find(jar, state, LONGEST_LIFE.as_secs()), Err(Reason::AttemptExpired));
    assert_eq!(desk.find(jar, &format!("{}.{}", attempt.id(), "A".repeat(43)), 2), Err(Reason::StateMismatch));
    for endings in [[Ending::Token], [Ending::Popup]] {
        assert_eq!(desk.find_for(&endings, jar, state, 2), Err(Reason::AttemptMissing));
    }
    assert_eq!(desk.newest(jar, 2), Err(Reason::AttemptMissing));
    let sealed = jar.split_once('=').unwrap().1.as_bytes();
    let opened: Vec<_> = Purpose::ALL.into_iter().filter(|purpose| desk.sealer.open(*purpose, sealed).is_some()).collect();
    assert_eq!(opened, [Purpose::Place]);
    let plain = String::from_utf8_lossy(&desk.sealer.open(Purpose::Place, sealed).unwrap()).into_owned();
    assert!(!plain.contains(attempt.nonce.expose()) && !plain.contains(attempt.code_verifier.expose()));
}

#[test]
fn a_place_is_found_by_its_identifier_only_with_its_own_cookie() {
    let mut desk = Desk::new();
    let (attempt, cookies) = desk.begin(0, "");
    let used_up = desk.used_up(&attempt);
    let place = |jar: &str, id: &str, second| {
        let now = Timestamp::from_seconds(second);
        Attempt::find_place(&desk.sealer, &desk.settings, TIMEOUT, &cookie_header(jar), id, now)
    };
    for jar in [pair(&cookies[0]), pair(&used_up)] {
        assert_eq!(place(jar, attempt.id(), 1), Some(attempt.place()));
        assert_eq!(place(jar, attempt.id(), LONGEST_LIFE.as_secs()), None);
        assert_eq!(place(jar, "AAAAAAAA", 1), None);
        // Under another name it is not this attempt's.
        assert_eq!(place(&jar.replace(attempt.id(), "AAAAAAAA"), "AAAAAAAA", 1), None);
    }
    assert_eq!(place("", attempt.id(), 1), None);
}

#[test]
fn the_sign_ins_that_are_just_over_are_known_for_the_page_that_was_wanted_and_not_for_long() {
    let mut desk = Desk::new();
    let (whole, _) = desk.begin(0, "");
    let torn = Attempt { torn: true, ..whole.clone() };
    let (whole, torn) = (desk.used_up(&whole), desk.used_up(&torn));
    let just_over = |cookie: &str, page, seconds| {
        let (came, now) = (cookie_header(pair(cookie)), Timestamp::from_seconds(seconds));
        let places = Attempt::just_over(&desk.sealer, &desk.settings, TIMEOUT, &came, page, now);
        places.iter().map(|place| place.torn).collect::<Vec<_>>()
    };
    let end = (TIMEOUT + SHORTEST_LIFE).as_secs();
    let nothing = Vec::<bool>::new();
    for (cookie, torn) in [(&whole, false), (&torn, true)] {
        assert_eq!([2, end - 1].map(|seconds| just_over(cookie, "/x", seconds)), [vec![torn], vec![torn]]);
        assert_eq!([end, end + 1].map(|seconds| just_over(cookie, "/x", seconds)), [nothing.clone(), nothing.clone()]);
        assert_eq!(just_over(cookie, "/y", 2), nothing);
    }
    assert_eq!(just_over("", "/x", 2), nothing);
}

#[test]
fn of_fifty_dead_attempts_five_cookies_are_left_and_the_dead_make_way_before_the_living() {
    let mut desk = Desk::new();
    let mut jar: Vec<String> = Vec::new();
    let keep = |jar: &mut Vec<String>, set: &[String]| {
        let deleted: Vec<_> = set[1..].iter().map(|cookie| pair(cookie).to_owned()).collect();
        jar.retain(|cookie| !deleted.iter().any(|name| cookie.starts_with(name.as_str())));
        jar.push(pair(&set[0]).to_owned());
    };
    // The first one is still alive when the others are used up.
    let (first, set) = desk.begin(1_000, "");
    keep(&mut jar, &set);
    for second in 0..50 {
        let (attempt, set) = desk.begin(1_001 + second, &jar.join("; "));
        keep(&mut jar, &set);
        let used_up = desk.used_up(&attempt);
        *jar.last_mut().unwrap() = pair(&used_up).to_owned();
        assert!(jar.len() <= MOST_ATTEMPTS);
    }
    assert_eq!(jar.len(), MOST_ATTEMPTS);
    assert!(matches!(desk.find(&jar.join("; "), first.state.expose(), 1_100), Ok(Found::Attempt(_))));
    // Attempts that took too long are dead too, from that second on.
    let (live, set) = desk.begin(1_600, &jar.join("; "));
    keep(&mut jar, &set);
    assert!(matches!(desk.find(&jar.join("; "), live.state.expose(), 1_600), Ok(Found::Attempt(_))));
    assert_eq!(desk.find(&jar.join("; "), first.state.expose(), 1_600), Err(Reason::AttemptMissing));
}
