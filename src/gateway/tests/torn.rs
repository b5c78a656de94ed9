use super::stage::{Stage, document, location, outcome, response, status};
use crate::step::audit;
use crate::step::event::Event;
use serde_json::{Value, json};

/// Somebody whose session takes three cookies.
fn in_three_cookies() -> Stage {
    let mut stage = Stage::ready(&document());
    let groups: Vec<Value> = (0..700).map(|number| json!(format!("group-{number}"))).collect();
    stage.provider.claims = json!({ "groups": groups });
    stage.sign_in("/page");
    assert_eq!(stage.browser.names().len(), 3);
    stage
}

#[test]
fn a_part_of_a_session_that_is_lost_once_is_mended_by_one_sign_in() {
    for lost in ["__Host-accredit", "__Host-accredit-1", "__Host-accredit-2"] {
        let mut stage = in_three_cookies();
        stage.browser.jar.remove(lost);
        if lost == "__Host-accredit-1" {
            // A script is told, as ever.
            assert_eq!(outcome(&stage.worker.begin(stage.browser.script("GET", "/page"))), (401, "session_invalid"));
        }
        let callback = stage.go_to_the_provider("/page?a=b");
        let back = stage.navigate(&callback);
        assert!(location(&back).starts_with("/api/login?again="), "{}", location(&back));
        let on = stage.navigate(location(&back));
        assert_eq!((status(&on), location(&on)), (303, "/page?a=b"), "{lost}");
        assert_eq!(outcome(&stage.navigate("/page?a=b")), (200, ""));
    }
}

#[test]
fn a_session_that_is_torn_only_where_it_is_needed_ends_on_a_page_and_not_in_a_loop() {
    // Something on the way drops cookies on the long address alone: the login endpoint gets all of them.
    let mut stage = in_three_cookies();
    let page = format!("/page?{}", "x".repeat(300));
    let torn = |stage: &Stage| {
        let mut browser = stage.browser.clone();
        browser.jar.remove("__Host-accredit-2");
        browser.navigate(&page)
    };
    let sent = stage.send(torn(&stage));
    let callback = stage.provider.agree(location(&sent));
    let back = stage.navigate(&callback);
    let on = stage.navigate(location(&back));
    assert_eq!((status(&on), location(&on)), (303, page.as_str()));
    let last = stage.send(torn(&stage));
    assert_eq!(outcome(&last), (400, "session_torn"));
    assert!(response(&last).body.contains("did not come: __Host-accredit-2."), "{}", response(&last).body);
    // The page leads to a new sign-in, which writes all cookies again.
    assert!(response(&last).body.contains("Try again"));
    // With all cookies the page is there.
    assert_eq!(outcome(&stage.navigate(&page)), (200, ""));
}

#[test]
fn a_browser_that_drops_a_part_of_every_session_gets_a_page_after_one_new_sign_in() {
    for (dropped, said) in [
        (&["__Host-accredit-2"][..], "2 of 3 cookies came; missing: __Host-accredit-2"),
        (&["__Host-accredit-1", "__Host-accredit-2"], "1 of 3 cookies came; missing: __Host-accredit-1, __Host-accredit-2"),
        (&["__Host-accredit"], "__Host-accredit did not come, where its number of cookies stands; 2 others came"),
        (&["__Host-accredit", "__Host-accredit-1", "__Host-accredit-2"], "none of its cookies came"),
    ] {
        let mut stage = in_three_cookies();
        let drop_some = |stage: &mut Stage| stage.browser.jar.retain(|name, _| !dropped.contains(&name.as_str()));
        stage.browser.jar.remove("__Host-accredit-2");
        let callback = stage.go_to_the_provider("/page");
        let back = stage.navigate(&callback);
        drop_some(&mut stage);
        let page = stage.navigate(location(&back));
        assert_eq!(outcome(&page), (400, "session_torn"), "{said}");
        let names = if dropped.contains(&"__Host-accredit") { "__Host-accredit".to_owned() } else { dropped.join(", ") };
        assert!(response(&page).body.contains(&format!("These cookies did not come: {names}.")), "{}", response(&page).body);
        let line = page.events.iter().filter_map(audit::line).find(|line| line.contains("session_torn")).unwrap();
        assert!(line.contains(said), "{line}");
        assert!(page.events.iter().any(Event::is_trouble));
        // Nobody is sent on by itself: there is no loop.
        assert_eq!(outcome(&stage.navigate(location(&back))), (400, "session_torn"));
    }
}
