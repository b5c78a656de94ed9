//! Security events of which not everything finds room.

use super::*;
use crate::session::ended::announcement::Announced;
use crate::session::ended::end::End;
use crate::session::ended::mark::{Ends, Mark};

use super::super::stage::Worker;

/// The usual configuration with a second provider, and a transmitter for both.
fn two_providers() -> Value {
    let endpoint = |name: &str| format!("{ISSUER}/{name}");
    let second = json!({
        "name": "second", "client_id": "other", "client_secret": "another-client-secret", "clusters": {"sso.example.com": "sso"},
        "metadata": {
            "issuer": "https://second.example.com", "authorization_endpoint": endpoint("auth"),
            "token_endpoint": endpoint("token"), "jwks_uri": endpoint("keys"),
        },
    });
    let two = changed(with("/providers", json!([document()["providers"][0], second])), "/rules", json!([]));
    taking(two, &json!({"providers": ["main", "second"]}))
}

/// Leaves no room for the end of this `sid` of the second provider.
fn fill(stage: &mut Stage, sid: &str) {
    let mut other = Worker::new(&two_providers());
    let ended = &mut other.gateway.background.ended;
    let (now, until) = (stage.worker.world.now, stage.worker.world.now.plus(seconds(8 * 3_600)));
    let end = End::Matching { provider: "second", sub: None, sid: Some(sid), address: None, begun_by: now, until };
    let announcement = ended.end_as_reported(&mut other.world, &end).announcement;
    let read = ended.read([announcement.as_slice()].into_iter());
    let [Announced::Marks(table, marks)] = read.as_slice() else { panic!("{read:?}") };
    // The upper 16 bits of a name say in which piece it stands.
    let beside = |number: u64| Mark::new((marks[0].name & (u64::MAX << 48)) | number, until, Ends::begun_by(now));
    let told = vec![(table.clone(), (0..5_000).map(beside).collect())];
    let Worker { gateway, world } = &mut stage.worker;
    assert!(gateway.background.ended.take_over(world, told, &[]).proved > 0);
}

#[test]
fn of_a_token_whose_ends_do_not_all_find_room_those_that_do_hold_are_told_to_the_log_and_to_replicas_and_it_may_come_again() {
    let sharing = changed(two_providers(), "/revocations", json!({"redis": {"cluster": "redis"}}));
    for (document, waiting) in [(sharing, 1), (two_providers(), 0)] {
        let mut stage = Stage::ready(&document);
        stage.provider.claims["sid"] = json!("s-1");
        stage.sign_in("/page");
        assert!(is_signed_in(&mut stage));
        fill(&mut stage, "s-1");
        let token = revoked(&stage, &json!({"format": "opaque", "id": "s-1"}));
        let step = post(&mut stage, &token);
        assert_eq!(verdict(&step), (503, String::new()));
        let details = step.events.iter().filter_map(|event| match event {
            Event::Denied { failure, .. } => Some(failure.detail.as_str()),
            _ => None,
        });
        let details: Vec<_> = details.collect();
        assert!(matches!(details[..], [detail] if detail.starts_with("some ends hold at this gateway, ")), "{details:?}");
        let ended = |event: &Followed| matches!(event, Followed::Ended { provider, .. } if provider == "main");
        assert!(matches!(followed(&step).as_slice(), [only] if ended(only)), "{:?}", followed(&step));
        stage.worker.wait(seconds(1));
        assert!(!is_signed_in(&mut stage));
        assert_eq!(stage.worker.gateway.background.ended.waiting(&stage.worker.world).len(), waiting);
    }
}
