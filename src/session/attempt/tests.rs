use super::*;
use crate::crypto::seal::Purpose;
use crate::session::attempt::place::{LONGEST_LIFE, SHORTEST_LIFE};
use crate::session::attempt::state::looks_like_popup_state;
use crate::session::cookie::Shape;
use crate::words::world::testing::Still;

mod places;

const TIMEOUT: Duration = Duration::from_secs(600);

struct Desk {
    world: Still,
    sealer: Sealer,
    settings: CookieSettings,
}

impl Desk {
    fn new() -> Self {
        let key = Secret::new(URL_SAFE_NO_PAD.encode([7; 32]));
        let settings = CookieSettings::new("__Host-accredit".into(), SameSite::Lax, Shape::Split);
        Self { world: Still::default(), sealer: Sealer::new(&[key]).ok().unwrap(), settings }
    }

    /// Begins an attempt in a browser with these cookies. Returns it with the `Set-Cookie` values of the response.
    fn begin(&mut self, seconds: u64, jar: &str) -> (Attempt, Vec<String>) {
        let now = Timestamp::from_seconds(seconds);
        self.begin_for(Ending::Session, now, jar)
    }

    fn begin_for(&mut self, ending: Ending, now: Timestamp, jar: &str) -> (Attempt, Vec<String>) {
        let cross_site = ending == Ending::Token;
        let (provider, redirect_uri, return_to) = ("demo".into(), "https://a/cb".into(), "/x".into());
        let client_fingerprint =
            client_fingerprint("https://issuer.example", "app", &Origin::parse("https://a.example").unwrap());
        let (another_account, begun_again, torn, demand) = (false, false, false, Demand::default());
        let plan = Plan {
            ending,
            provider,
            redirect_uri,
            return_to,
            demand,
            another_account,
            begun_again,
            torn,
            in_vain: 0,
            cross_site,
            client_fingerprint,
        };
        let mut attempt = Attempt::begin(&mut self.world, now, plan).unwrap();
        let set = attempt.store(&mut self.world, &self.sealer, &self.settings, TIMEOUT, &cookie_header(jar)).unwrap();
        (attempt, set)
    }

    fn find(&self, jar: &str, state: &str, seconds: u64) -> Result<Found, Reason> {
        self.find_for(&[Ending::Session], jar, state, seconds)
    }

    fn find_for(&self, endings: &[Ending], jar: &str, state: &str, seconds: u64) -> Result<Found, Reason> {
        let (came, now) = (cookie_header(jar), Timestamp::from_seconds(seconds));
        Attempt::find(&self.sealer, &self.settings, TIMEOUT, &came, state, now, endings)
    }

    /// The cookie of an attempt that was used up in second 1.
    fn used_up(&mut self, attempt: &Attempt) -> String {
        let (now, longest) = (Timestamp::from_seconds(1), LONGEST_LIFE);
        attempt.place().store(&mut self.world, &self.sealer, &self.settings, now, TIMEOUT, longest).unwrap()
    }

    fn newest(&self, jar: &str, seconds: u64) -> Result<Attempt, Reason> {
        Attempt::newest(
            &self.sealer,
            &self.settings,
            TIMEOUT,
            &cookie_header(jar),
            Timestamp::from_seconds(seconds),
            Ending::Token,
        )
    }
}

fn cookie_header(cookies: &str) -> Headers {
    Headers::new(vec![("cookie".into(), cookies.as_bytes().to_vec())])
}

fn pair(set_cookie: &str) -> &str {
    set_cookie.split(';').next().unwrap()
}

#[test]
fn an_attempt_is_found_by_its_own_state_while_it_is_young() {
    let mut desk = Desk::new();
    let (first, first_cookies) = desk.begin(0, "");
    let (second, second_cookies) = desk.begin(1, pair(&first_cookies[0]));
    let jar = format!("{}; {}", pair(&first_cookies[0]), pair(&second_cookies[0]));
    assert_eq!(desk.find(&jar, first.state.expose(), 599), Ok(Found::Attempt(Box::new(first))));
    assert_eq!(desk.find(&jar, second.state.expose(), 599), Ok(Found::Attempt(Box::new(second))));
}

#[test]
fn a_state_without_its_cookie_or_with_another_is_refused() {
    let mut desk = Desk::new();
    let (attempt, cookies) = desk.begin(0, "");
    let state = attempt.state.expose();
    assert_eq!(desk.find("", state, 1), Err(Reason::AttemptMissing));
    let name = pair(&cookies[0]).split('=').next().unwrap();
    assert_eq!(desk.find(&format!("{name}=forged"), state, 1), Err(Reason::AttemptMissing));
    let forged = format!("{}.{}", attempt.id(), "A".repeat(43));
    assert_eq!(desk.find(pair(&cookies[0]), &forged, 1), Err(Reason::StateMismatch));
    for malformed in [".", "x", "abcdefgh", "abc=;fgh.x"] {
        assert_eq!(desk.find(pair(&cookies[0]), malformed, 1), Err(Reason::AttemptMissing), "{malformed}");
    }
    assert_eq!(desk.find(pair(&cookies[0]), "", 1), Err(Reason::StateMissing));
}

#[test]
fn an_attempt_for_a_token_cannot_be_finished_as_one_for_a_session_nor_the_other_way_round() {
    let mut desk = Desk::new();
    let (token, cookies) = desk.begin_for(Ending::Token, Timestamp::from_seconds(0), "");
    let jar = pair(&cookies[0]);
    assert!(cookies[0].contains("; SameSite=None; Secure"), "{}", cookies[0]);
    assert!(token.forget(&desk.settings).contains("; SameSite=None; Secure"));
    assert_eq!(desk.find(jar, token.state.expose(), 1), Err(Reason::AttemptMissing));
    assert_eq!(desk.newest(jar, 1), Ok(token));
    let (_, cookies) = desk.begin(0, "");
    assert!(cookies[0].contains("; SameSite=Lax; Secure"), "{}", cookies[0]);
    assert_eq!(desk.newest(pair(&cookies[0]), 1), Err(Reason::AttemptMissing));
}

#[test]
fn an_attempt_opens_only_as_what_it_was_begun_for() {
    let endings = [Ending::Session, Ending::Token, Ending::Popup];
    for begun in endings {
        let mut desk = Desk::new();
        let (attempt, cookies) = desk.begin_for(begun, Timestamp::from_seconds(0), "");
        assert_eq!(looks_like_popup_state(attempt.state.expose()), begun == Ending::Popup);
        for finished in endings {
            let (came, state, now) = (cookie_header(pair(&cookies[0])), attempt.state.expose(), Timestamp::from_seconds(1));
            let found = Attempt::find(&desk.sealer, &desk.settings, TIMEOUT, &came, state, now, &[finished]);
            assert_eq!(found.is_ok(), begun == finished, "{begun:?} as {finished:?}");
            let newest = Attempt::newest(&desk.sealer, &desk.settings, TIMEOUT, &came, now, finished);
            assert_eq!(newest.is_ok(), begun == finished, "{begun:?} as {finished:?}");
        }
        // It counts among the browser's attempts, whatever they end with.
        let (_, set) = desk.begin(1, pair(&cookies[0]));
        assert_eq!(set.len(), 1);
    }
}

#[test]
fn the_newest_attempt_is_found_among_others_while_it_is_young() {
    let mut desk = Desk::new();
    let mut jar = vec!["__Host-accredit-attempt-AAAAAAAA=junk".to_owned()];
    for second in [5, 9, 7] {
        let (_, cookies) = desk.begin_for(Ending::Token, Timestamp::from_seconds(second), "");
        jar.push(pair(&cookies[0]).to_owned());
    }
    let (_, cookies) = desk.begin(20, "");
    jar.push(pair(&cookies[0]).to_owned());
    let jar = jar.join("; ");
    assert_eq!(desk.newest(&jar, 10).unwrap().created, Timestamp::from_seconds(9));
    assert_eq!(desk.newest(&jar, 609), Err(Reason::AttemptExpired));
    assert_eq!(desk.newest("", 1), Err(Reason::AttemptMissing));
}

#[test]
fn a_browser_keeps_a_few_attempts_and_the_oldest_are_deleted_first() {
    let mut desk = Desk::new();
    let mut jar: Vec<String> = Vec::new();
    for second in 0..20 {
        let (_, set) = desk.begin(second, &jar.join("; "));
        let deleted: Vec<_> = set[1..].iter().map(|cookie| pair(cookie).to_owned()).collect();
        jar.retain(|cookie| !deleted.iter().any(|name| cookie.starts_with(name.as_str())));
        jar.push(pair(&set[0]).to_owned());
        assert!(jar.len() <= MOST_ATTEMPTS);
    }
    let (newest, _) = desk.begin(19, "");
    assert_eq!(desk.find(&jar.join("; "), newest.state.expose(), 20), Err(Reason::AttemptMissing));
}

#[test]
fn forged_attempt_cookies_are_deleted_at_the_next_sign_in() {
    let (_, set) = Desk::new().begin(0, "__Host-accredit-attempt-AAAAAAAA=junk; __Host-accredit-attempt-evil;x=1");
    assert_eq!(set.len(), 2);
    assert!(set[1].starts_with("__Host-accredit-attempt-AAAAAAAA=; "));
}

#[test]
fn an_attempt_is_read_as_it_was_written_and_nothing_else_is_read_as_one() {
    let mut desk = Desk::new();
    let demand = |acr: &[&str], max_age| Demand { acr_values: acr.iter().map(|class| (*class).to_owned()).collect(), max_age };
    for (ending, demand) in [
        (Ending::Session, demand(&[], None)),
        (Ending::Token, demand(&["urn:a", "b"], Some(0))),
        (Ending::Popup, demand(&["b"], Some(300))),
    ] {
        let (attempt, _) = desk.begin_for(ending, Timestamp::from_seconds(1), "");
        let attempt = Attempt { demand, return_to: "/\u{e4}?x=\"y\"".into(), ..attempt };
        let written = attempt.write();
        assert_eq!(Attempt::read(&written, ending), Some(attempt));
        assert!((0..written.len()).all(|length| Attempt::read(&written[..length], ending).is_none()));
        assert_eq!(Attempt::read(&[&written[..], b"x"].concat(), ending), None);
        assert_eq!(Attempt::read(&[&[VERSION + 1], &written[1..]].concat(), ending), None);
    }
    // The content as earlier builds wrote it.
    assert_eq!(Attempt::read(br#"{"s":"a.b","n":"c","v":"d","p":"e","u":"f","r":"/","c":1}"#, Ending::Session), None);
}

#[test]
fn the_newest_attempts_stay_if_a_browser_has_more_than_it_may() {
    let mut desk = Desk::new();
    let jar: Vec<_> = (0..8).map(|second| pair(&desk.begin(second, "").1[0]).to_owned()).collect();
    let names = |cookies: &[String]| cookies.iter().map(|cookie| cookie.split('=').next().unwrap().to_owned()).collect();
    let (deleted, oldest): (BTreeSet<String>, BTreeSet<String>) =
        (names(&desk.begin(8, &jar.join("; ")).1[1..]), names(&jar[..4]));
    assert_eq!(deleted, oldest);
}

#[test]
fn what_has_had_its_time_is_deleted_with_the_next_attempt_and_not_before() {
    let mut desk = Desk::new();
    for (ending, life) in [(Ending::Session, LONGEST_LIFE.as_secs()), (Ending::Token, 600)] {
        let (_, cookies) = desk.begin_for(ending, Timestamp::from_seconds(0), "");
        assert_eq!([life - 1, life].map(|second| desk.begin(second, pair(&cookies[0])).1.len()), [1, 2], "{ending:?}");
    }
}

#[test]
fn no_more_than_twenty_attempt_cookies_of_a_request_are_opened() {
    for (before, opened) in [(MOST_COOKIES_LOOKED_AT - 1, true), (MOST_COOKIES_LOOKED_AT, false)] {
        let mut desk = Desk::new();
        let (_, cookies) = desk.begin_for(Ending::Token, Timestamp::from_seconds(0), "");
        let junk = (0..before).map(|number| format!("__Host-accredit-attempt-{number:08}=junk; "));
        let jar = junk.chain([pair(&cookies[0]).to_owned()]).collect::<String>();
        assert_eq!(desk.newest(&jar, 1).is_ok(), opened, "{before}");
        let (_, set) = desk.begin(1, &jar);
        assert_eq!(set.len() - 1, if opened { before } else { before + 1 });
    }
}

#[test]
fn an_attempt_deletes_its_own_cookie_and_no_other() {
    let mut desk = Desk::new();
    let (attempt, _) = desk.begin(0, "");
    assert!(attempt.forget(&desk.settings).starts_with(&format!("__Host-accredit-attempt-{}=; ", attempt.id())));
}

#[test]
fn attempts_for_another_issuer_client_or_origin_have_another_fingerprint() {
    let of = |issuer: &str, id: &str, origin: &str| {
        client_fingerprint(issuer, id, &Origin::parse(origin).unwrap()).as_str().to_owned()
    };
    let ours = of("https://issuer.example", "app", "https://a.example");
    assert_eq!(of("https://issuer.example", "app", "https://a.example"), ours);
    for other in [
        of("https://evil.example", "app", "https://a.example"),
        of("https://issuer.example", "other", "https://a.example"),
        of("https://issuer.example", "app", "https://b.example"),
        of("https://issuer.exampl", "eapp", "https://a.example"),
    ] {
        assert_ne!(other, ours);
    }
}

#[test]
fn an_attempt_that_begins_far_ahead_of_our_clock_is_refused() {
    let mut desk = Desk::new();
    let (attempt, cookies) = desk.begin(1_000, "");
    let found = |second| desk.find(pair(&cookies[0]), attempt.state.expose(), second).is_ok();
    assert_eq!([399, 400, 1_000].map(found), [false, true, true]);
}

#[test]
fn what_is_behind_the_two_parts_of_a_state_decides_nothing_for_a_session_and_is_wrong_for_all_else() {
    for ending in [Ending::Session, Ending::Token, Ending::Popup] {
        let mut desk = Desk::new();
        let (attempt, cookies) = desk.begin_for(ending, Timestamp::from_seconds(0), "");
        let (state, jar) = (attempt.state.expose(), pair(&cookies[0]));
        for behind in [".", ".x", ".x.y"] {
            let found = desk.find_for(&[ending], jar, &format!("{state}{behind}"), 1);
            let expected =
                if ending == Ending::Session { Ok(Found::Attempt(attempt.clone().into())) } else { Err(Reason::StateMismatch) };
            assert_eq!(found, expected, "{ending:?} {behind}");
        }
        for changed in [format!("{state}x.x"), format!("{}.x", &state[..state.len() - 1]), format!("{}..x", attempt.id())] {
            assert_eq!(desk.find_for(&[ending], jar, &changed, 1), Err(Reason::StateMismatch), "{changed}");
        }
    }
    let mut desk = Desk::new();
    let (attempt, _) = desk.begin(0, "");
    let used_up = desk.used_up(&attempt);
    let state = attempt.state.expose();
    assert_eq!(desk.find(pair(&used_up), &format!("{state}.x"), 2), Ok(Found::UsedUp(attempt.place())));
    assert_eq!(desk.find(pair(&used_up), &format!("{state}x.x"), 2), Err(Reason::StateMismatch));
}
