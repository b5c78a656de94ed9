//! Ends that nobody has proved, by front-channel logout, at several replicas.

use super::*;

const PATH: &str = "/api/frontchannel_logout";

fn showing() -> Value {
    changed(sharing(), "/endpoints", json!({"frontchannel_logout": PATH}))
}

/// Somebody whose provider calls the session s-1, and other replicas.
fn signed_in(others: usize) -> (Stage, Fleet) {
    let mut stage = Stage::ready(&showing());
    stage.provider.claims["sid"] = json!("s-1");
    stage.sign_in("/page");
    let fleet = Fleet::of(&mut stage, &showing(), others);
    (stage, fleet)
}

/// Opens the address for this sid at the replica of the stage; returns whether it was taken.
fn open(stage: &mut Stage, sid: &str) -> bool {
    let step = stage.worker.begin(Browser::default().send("GET", &format!("{PATH}?sid={sid}"), &[]));
    step.events.iter().any(|event| matches!(event, Event::LoggedOutInFrame { taken, .. } if taken.holds()))
}

#[test]
fn whoever_signs_out_at_the_provider_is_signed_out_at_all_replicas_within_a_second_and_a_tenth() {
    let (mut stage, mut fleet) = signed_in(3);
    let browser = stage.browser.clone();
    assert!(open(&mut stage, "s-1") && stage.worker.gateway.is_in_a_hurry());
    fleet.pass(&mut stage, Duration::from_millis(1_100));
    assert_eq!(fleet.outcomes(&browser), refuses(3));
    // A replica that starts later, and one of a later configuration.
    fleet.join(&showing(), stage.worker.world.now);
    fleet.pass(&mut stage, seconds(1));
    assert_eq!(fleet.outcomes(&browser), refuses(4));
    let bad = |event: &Event| event.is_trouble();
    assert_eq!(fleet.count(bad), 0, "{:?}", fleet.events);
}

#[test]
fn a_hundred_thousand_made_up_sids_write_little_to_the_store_and_every_proved_end_is_known_everywhere() {
    let (mut stage, mut fleet) = signed_in(2);
    let proved = stage.browser.clone();
    stage.script("POST", "/api/logout");
    let mut taken = 0;
    for second in 0..20_u32 {
        for number in 0..5_000_u32 {
            let client = std::net::Ipv4Addr::from(0x0a00_0000 | (second * 5_000 + number));
            stage.worker.world.client_address = Some(format!("{client}:1"));
            taken += usize::from(open(&mut stage, &format!("made-up-{client}")));
        }
        fleet.pass(&mut stage, seconds(1));
    }
    // 300 at once, and one a second.
    assert_eq!(taken, 300 + 19);
    fleet.pass(&mut stage, seconds(5));
    assert_eq!(fleet.outcomes(&proved), refuses(2));
    // What waits until it was read may be told a second time.
    let entries = fleet.shelf.entries.len();
    assert!((taken..=2 * taken + 2).contains(&entries), "{entries}");
    fleet.pass(&mut stage, seconds(60));
    assert_eq!(fleet.shelf.entries.len(), entries, "then nothing more is written");
    let all: usize = stage.worker.world.memory.borrow().values().map(|(value, _)| value.len()).sum();
    assert!(all < 400_000, "{all}");
    assert_eq!(
        fleet.count(|event| matches!(
            event,
            Event::RevocationsWithoutRoom(_) | Event::UnprovedWithoutRoom(_) | Event::RevocationsQueueFull(_)
        )),
        0
    );
}

#[test]
fn while_the_store_is_away_it_waits_and_is_told_when_it_is_back() {
    let (mut stage, mut fleet) = signed_in(1);
    let browser = stage.browser.clone();
    fleet.shelf.instead = Some(Reply::Reset);
    open(&mut stage, "s-1");
    fleet.pass(&mut stage, seconds(30));
    assert_eq!(outcome(&stage.worker.begin(browser.script("GET", "/page"))), (401, "session_expired"));
    assert_eq!(fleet.outcomes(&browser), lets_in(1));
    fleet.shelf.instead = None;
    fleet.pass(&mut stage, Duration::from_millis(2_200));
    assert_eq!(fleet.outcomes(&browser), refuses(1));
    assert_eq!(fleet.shelf.entries.len(), 1);
}

#[test]
fn a_store_that_was_emptied_is_told_of_proved_ends_again_and_never_of_others() {
    let (mut stage, mut fleet) = signed_in(1);
    for number in 0..50 {
        assert!(open(&mut stage, &format!("made-up-{number}")));
    }
    stage.script("POST", "/api/logout");
    fleet.pass(&mut stage, seconds(5));
    assert!(fleet.shelf.entries.len() >= 51);
    fleet.shelf.entries.clear();
    fleet.pass(&mut stage, seconds(30));
    assert!(fleet.count(|event| *event == Event::RevocationsLost) >= 1);
    assert_eq!(fleet.shelf.entries.len(), 1);
}
