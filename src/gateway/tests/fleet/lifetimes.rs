//! Replicas of which some have a longer `lifetime` already: what has ended stays so.

use serde_json::{Value, json};

use super::super::stage::{Browser, Stage, Worker, changed, forwarded, outcome, seconds};
use super::{Fleet, sharing};
use crate::session::SessionSettings;
use crate::session::ended::end::End;

fn of_hours(hours: u32) -> Value {
    let often_used = changed(sharing(), "/session/idle", json!(format!("{hours}h")));
    changed(often_used, "/session/lifetime", json!(format!("{hours}h")))
}

/// How something ends at a replica: a person, a session of the provider's, or the session of this identifier.
#[derive(Clone, Copy, Debug)]
enum By {
    Sub,
    Sid,
    Session,
}

fn ends(worker: &mut Worker, by: By, id: &str) {
    let now = worker.world.now;
    let until = worker.gateway.settings().session.nothing_is_left_after(now);
    let end = match by {
        By::Sub => End::Person { provider: "main", sub: "alice", begun_by: now, until },
        By::Sid => End::AtProvider { provider: "main", sid: "s-1", begun_by: now, until },
        By::Session => End::SessionId { id, begun_by: SessionSettings::all_has_begun_by(now), until },
    };
    assert!(worker.gateway.background.ended.end_and_tell(&mut worker.world, &end));
}

/// Signs in as this person, with this session of the provider's. Returns the browser, and the session's identifier.
fn signs_in(stage: &mut Stage, sub: &str, sid: &str) -> (Browser, String) {
    (stage.provider.claims, stage.browser) = (json!({"sub": sub, "sid": sid}), Browser::default());
    stage.sign_in("/page");
    let step = stage.script("GET", "/page");
    (stage.browser.clone(), forwarded(&step).let_in.as_ref().unwrap().names.session().to_owned())
}

#[test]
fn an_end_at_a_replica_whose_sessions_are_shorter_holds_for_as_long_as_sessions_last_elsewhere() {
    let (short, long) = (of_hours(2), of_hours(8));
    for by in [By::Sub, By::Sid, By::Session] {
        let mut stage = Stage::ready(&long);
        let (bystander, _) = signs_in(&mut stage, "bob", "s-2");
        let (alice, id) = signs_in(&mut stage, "alice", "s-1");
        let mut fleet = Fleet::of(&mut stage, &long, 0);
        fleet.join(&short, stage.worker.world.now);
        fleet.pass(&mut stage, seconds(2));
        ends(&mut fleet.replicas[0], by, &id);
        fleet.pass(&mut stage, seconds(2));
        // The rollout goes on: that replica has the longer sessions now, and another one starts.
        fleet.replicas[0] = fleet.replicas[0].beside(&long);
        fleet.join(&long, stage.worker.world.now);
        for minutes in [50, 110, 230] {
            for worker in fleet.replicas.iter_mut().chain([&mut stage.worker]) {
                worker.wait(seconds(minutes * 60));
            }
            fleet.pass(&mut stage, seconds(2));
            for worker in fleet.replicas.iter_mut().chain([&mut stage.worker]) {
                let answers = [&alice, &bystander].map(|browser| outcome(&worker.begin(browser.script("GET", "/page"))).0);
                assert_eq!(answers, [401, 200], "{by:?}, {minutes} minutes later");
            }
        }
    }
}
