use super::stage::{Stage, Worker, document, field, outcome, response, seconds, status};
use crate::http::message::Response;
use crate::session::ended::mark::{Ends, Mark};
use crate::step::event::Event;

fn emptied(response: &Response) -> Option<&str> {
    field(response, "clear-site-data")
}

#[test]
fn only_an_answer_that_ended_a_session_empties_the_browsers_cache_and_never_its_cookies() {
    for script in [false, true] {
        let mut stage = Stage::signed_in(&document());
        // Another site causes no sign-out, and empties nothing.
        let foreign = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")];
        let refused = stage.worker.begin(stage.browser.send("POST", "/api/logout", &foreign));
        assert_eq!((outcome(&refused), emptied(response(&refused))), ((403, "cross_site"), None));
        let sign_out = |stage: &mut Stage| {
            let step = if script { stage.script("POST", "/api/logout") } else { stage.send(own_navigation(stage)) };
            (status(&step), emptied(response(&step)).map(str::to_owned))
        };
        let answered = if script { 200 } else { 303 };
        assert_eq!(sign_out(&mut stage), (answered, Some("\"cache\"".to_owned())));
        // The second time nobody is signed in.
        assert_eq!(sign_out(&mut stage), (answered, None));
    }
}

fn own_navigation(stage: &Stage) -> crate::http::message::Headers {
    let fields = [("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate"), ("accept", "text/html")];
    stage.browser.send("GET", "/api/logout", &fields)
}

#[test]
fn another_site_that_was_opened_from_the_address_bar_and_redirects_to_sign_out_gets_a_page_that_asks() {
    // The other site's address was typed in, so that the browser sends `Sec-Fetch-Site: none` after the redirect to here, too.
    let mut stage = Stage::signed_in(&document());
    let step = stage.navigate("/api/logout");
    assert_eq!(outcome(&step), (403, "sign_out_unconfirmed"));
    assert_eq!(stage.browser.names(), ["__Host-accredit"]);
    assert!(response(&step).body.contains("<form method=\"post\" action=\"/api/logout\">"), "{}", response(&step).body);
    let pressed = [("sec-fetch-mode", "navigate"), ("sec-fetch-site", "same-origin"), ("origin", "null")];
    assert_eq!(outcome(&stage.send(stage.browser.send("POST", "/api/logout", &pressed))).0, 303);
    assert_eq!(stage.browser.names(), Vec::<&str>::new());
}

#[test]
fn whoever_finds_no_room_for_the_end_of_their_session_is_never_told_that_all_is_well() {
    let mut stage = Stage::ready(&document());
    let begun = stage.sign_in("/page");
    let id = begun.events.iter().find_map(|event| match event {
        Event::SignInCompleted { session, .. } => session.clone(),
        _ => None,
    });
    let Worker { gateway, world } = &mut stage.worker;
    let ended = &mut gateway.background.ended;
    let (now, until) = (world.now, world.now.plus(seconds(8 * 3_600)));
    // The upper 16 bits of a name say in which piece of the table it stands.
    let name = ended.keys()[0].name(1, &[&id.unwrap()]);
    let beside = |number: u64| Mark::new((name & (u64::MAX << 48)) | number, until, Ends::begun_by(now));
    assert!(ended.take_over(world, vec![("main".to_owned(), (0..5_000).map(beside).collect())], &[]).proved > 0);
    assert_eq!(outcome(&stage.script("POST", "/api/logout")), (400, "sign_out_incomplete"));
}
