//! Callbacks of sign-ins whose cookie the browser has lost: the sixth that is open at once, or cookies that are blocked. The address
//! in `state` is a link on the page, and leads nobody anywhere by itself.

use super::popup::{self, popup};
use super::session_jwt::signing;
use super::stage::{
    Browser, KEY, OTHER_KEY, Stage, Worker, body, called, document, field, location, outcome, reasons, response, seconds, status,
    with,
};
use crate::gateway::pending::Step;
use crate::http::message::Headers;
use crate::step::decision::Decision;
use crate::words::world::testing::Still;
use serde_json::{Value, json};

/// Where the page's one link leads, of a page that does nothing else: no redirect, no cookie, no script, no call.
fn link(step: &Step) -> &str {
    let response = response(step);
    assert_eq!(outcome(step), (400, "attempt_missing"));
    assert_eq!((field(response, "set-cookie"), field(response, "location"), field(response, "refresh")), (None, None, None));
    let body = &response.body;
    assert!(!body.contains("<script") && !body.contains("http-equiv") && !body.contains("<form"), "{body}");
    let mut links = body.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let link = links.next().unwrap();
    assert_eq!(links.next(), None, "{body}");
    link
}

/// The parts of the `state` in a callback's address, and what is before it.
fn parts(callback: &str) -> (&str, Vec<&str>) {
    let (before, state) = callback.split_once("state=").unwrap();
    (before, state.split('.').collect())
}

fn two_providers() -> Value {
    let mut document = with("/rules", json!([]));
    let mut second = document["providers"][0].clone();
    second["name"] = json!("second");
    document["providers"].as_array_mut().unwrap().push(second);
    document
}

#[test]
fn of_six_tabs_the_first_one_ends_on_a_page_whose_link_leads_to_its_own_address() {
    let mut stage = Stage::ready(&document());
    let open = |tab| {
        stage.worker.wait(seconds(1));
        stage.go_to_the_provider(&format!("/page?tab={tab}"))
    };
    let callbacks: Vec<_> = (1..=6).map(open).collect();
    assert_eq!(stage.browser.attempts().len(), 5);
    let asked = stage.provider.asked.len();
    let step = stage.navigate(&callbacks[0]);
    assert_eq!((link(&step), stage.provider.asked.len()), ("/api/login?return_to=%2Fpage%3Ftab%3D1", asked));
    let again = stage.go_to_the_provider(link(&step));
    assert_eq!(location(&stage.navigate(&again)), "/page?tab=1");
    // The others have their cookies, and need no link. (The one that began again has displaced the second.)
    for tab in 3..=6 {
        assert_eq!(location(&stage.navigate(&callbacks[tab - 1])), format!("/page?tab={tab}"));
    }
    // Whoever is signed in goes to the front page, as without an address: `state` alone leads to no page.
    let step = stage.navigate(&callbacks[0]);
    assert_eq!((status(&step), location(&step), field(response(&step), "set-cookie")), (303, "/", None));
}

#[test]
fn a_place_in_a_state_is_a_link_and_nothing_more() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page?x=1");
    let (_, state) = callback.split_once("state=").unwrap();
    let stranger = Browser::default();
    let asked = stage.provider.asked.len();
    // A worker that knows nothing of the provider does not wait for it either.
    let mut cold = Worker::within(&document(), Still { now: stage.worker.world.now, ..Still::default() });
    for query in ["code=x", "error=login_required", "error=access_denied", "error=temporarily_unavailable", "code=x&iss=x", "x=y"]
    {
        for worker in [&mut stage.worker, &mut cold] {
            let step = worker.begin(stranger.navigate(&format!("/api/callback?{query}&state={state}")));
            assert_eq!(link(&step), "/api/login?return_to=%2Fpage%3Fx%3D1", "{query}");
            assert_eq!(reasons(&step).len(), 1);
        }
    }
    assert_eq!(stage.provider.asked.len(), asked);
    // Programs are told nothing of it, and a load that nobody asked for reads nothing.
    let step = stage.worker.begin(stranger.script("GET", &callback));
    assert_eq!((outcome(&step), body(&step).to_string().contains("page")), ((400, "attempt_missing"), false));
    let prefetch = [("sec-fetch-mode", "navigate"), ("sec-purpose", "prefetch"), ("accept", "text/html")];
    assert_eq!(outcome(&stage.worker.begin(stranger.send("GET", &callback, &prefetch))), (400, "speculative"));
    // At the login endpoint the identifier begins nothing without its cookie.
    let again = format!("/api/login?again={}", parts(&callback).1[0]);
    assert_eq!(outcome(&stage.worker.begin(stranger.navigate(&again))), (400, "attempt_missing"));
    // The attempt of this browser is as it was.
    assert_eq!(location(&stage.navigate(&callback)), "/page?x=1");
}

#[test]
fn a_changed_tail_of_a_state_is_neither_a_new_sign_in_nor_a_replay() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    let (before, state) = parts(&callback);
    let own = format!("{before}state={}.{}", state[0], state[1]);
    let other = stage.go_to_the_provider("/other");
    let tail_of_another = format!("{own}.{}", parts(&other).1[2]);
    let variants = [tail_of_another, own.clone(), format!("{own}."), format!("{own}.x.y"), callback.clone()];
    let mut beside = stage.worker.beside(&document());
    let (call, exchanging) = called(stage.worker.begin(stage.browser.navigate(&variants[0])));
    // Of all of them one sent the code, two wait, in all workers together, and the rest begin again.
    let (mut wait, mut again) = (0, 0);
    for variant in &variants {
        for worker in [&mut stage.worker, &mut beside] {
            let step = worker.begin(stage.browser.navigate(variant));
            match &step.decision {
                Decision::Await { .. } => wait += 1,
                _ => again += usize::from(location(&step).starts_with("/api/login?again=")),
            }
        }
    }
    assert_eq!((wait, again), (2, 8));
    let reply = stage.provider.answer(&call, stage.worker.world.now);
    let first = stage.worker.resume(exchanging, reply);
    // The place is the attempt's own, whatever came behind the two parts.
    assert_eq!((status(&first), location(&first)), (303, "/page"));
    stage.worker.wait(seconds(1));
    for variant in &variants {
        let step = stage.worker.begin(stage.browser.navigate(variant));
        assert_eq!((status(&step), location(&step), field(response(&step), "set-cookie")), (303, "/page", None), "{variant}");
    }
    // The two parts must still be exactly those of the cookie.
    for forged in [format!("{own}A.{}", state[2]), format!("{}.{}", &own[..own.len() - 1], state[2])] {
        let step = stage.worker.begin(stage.browser.navigate(&forged));
        assert_eq!((outcome(&step), response(&step).body.contains("%2Fpage")), ((400, "state_mismatch"), false), "{forged}");
    }
}

#[test]
fn a_place_of_another_state_does_not_open() {
    let mut stage = Stage::ready(&document());
    let (one, other) = (stage.go_to_the_provider("/page"), stage.go_to_the_provider("/other"));
    let ((before, one), (_, other)) = (parts(&one), parts(&other));
    let cookie = stage.browser.jar.values().next().unwrap().0.clone();
    let stranger = Browser::default();
    for sealed in [other[2], &cookie, "", "x", &one[2][1..], &"A".repeat(10_000)] {
        let step = stage.worker.begin(stranger.navigate(&format!("{before}state={}.{}.{sealed}", one[0], one[1])));
        assert_eq!(link(&step), "/api/login?return_to=%2F", "{sealed}");
    }
    // Neither does it without the random part, which only the provider and this browser know.
    for own in [format!("{}.{}", one[0], other[1]), format!("{}.", one[0]), one[0].to_owned()] {
        let step = stage.worker.begin(stranger.navigate(&format!("{before}state={own}.{}", one[2])));
        assert_eq!(link(&step), "/api/login?return_to=%2F", "{own}");
    }
}

#[test]
fn a_state_of_another_key_client_issuer_or_origin_or_of_yesterday_leads_to_the_front_page() {
    let both = with("/session/keys", json!([OTHER_KEY, KEY]));
    let staging = with("/origins", json!(["https://staging.example.com", "https://app.example.com"]));
    let hint = |expected: &str, document: &Value, wait: u64| {
        let mut stage = Stage::ready(&self::document());
        let callback = stage.go_to_the_provider("/page");
        let mut worker = stage.worker.beside(document);
        worker.wait(seconds(wait));
        let step = worker.begin(Browser::default().navigate(&callback));
        assert_eq!(link(&step), format!("/api/login?return_to={expected}"), "{document}");
    };
    hint("%2Fpage", &document(), 24 * 60 * 60 - 10);
    hint("%2F", &document(), 24 * 60 * 60);
    hint("%2Fpage", &both, 0);
    hint("%2F", &with("/session/keys", json!([OTHER_KEY])), 0);
    hint("%2F", &with("/providers/0/client_id", json!("another")), 0);
    // Of the configured origins, it counts only at the one where the sign-in began.
    let mut stage = Stage::ready(&staging);
    let callback = stage.go_to_the_provider("/page");
    let to = |host: &str| {
        let came = Browser::default().navigate(&callback);
        let of =
            |name: &str| if name == ":authority" { host.as_bytes().to_vec() } else { came.all(name).next().unwrap().to_vec() };
        Headers::new(came.names().map(|name| (name.to_owned(), of(name))).collect())
    };
    assert_eq!(link(&stage.worker.begin(to("app.example.com"))), "/api/login?return_to=%2Fpage");
    assert_eq!(link(&stage.worker.begin(to("staging.example.com"))), "/api/login?return_to=%2F");
}

#[test]
fn a_cookie_that_came_and_does_not_open_forbids_that_state_is_believed() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    for value in ["", "junk"] {
        stage.browser.jar.values_mut().for_each(|cookie| cookie.0 = value.to_owned());
        assert_eq!(link(&stage.worker.begin(stage.browser.navigate(&callback))), "/api/login?return_to=%2F", "{value}");
    }
    stage.browser.jar.clear();
    assert_eq!(link(&stage.worker.begin(stage.browser.navigate(&callback))), "/api/login?return_to=%2Fpage");
}

#[test]
fn a_place_in_a_state_is_checked_again_and_leads_to_no_origin_that_is_no_longer_listed() {
    let listed = with("/origins", json!(["https://app.example.com", "https://shop.example.com"]));
    let mut stage = Stage::ready(&listed);
    let callback = stage.go_to_the_provider("/api/login?return_to=https://shop.example.com/basket");
    let stranger = Browser::default();
    let step = stage.worker.begin(stranger.navigate(&callback));
    assert_eq!(link(&step), "/api/login?return_to=https%3A%2F%2Fshop.example.com%2Fbasket");
    let step = stage.worker.beside(&document()).begin(stranger.navigate(&callback));
    assert_eq!(link(&step), "/api/login?return_to=%2F");
}

#[test]
fn the_link_names_the_provider_whose_redirect_uri_was_called_and_nothing_that_was_asked_of_it() {
    let mut stage = Stage::ready(&two_providers());
    let login = "/api/login?provider=second&prompt=login&acr_values=gold&max_age=10&return_to=/page";
    let callback = stage.go_to_the_provider(login);
    let stranger = Browser::default();
    let step = stage.worker.begin(stranger.navigate(&callback));
    assert_eq!(link(&step), "/api/login?return_to=%2Fpage&amp;provider=second");
    // The redirect URI that belongs to no provider reads nothing. (Both providers of this test are one client of one issuer.)
    let step = stage.worker.begin(stranger.navigate(&callback.replace("/callback/second?", "/callback?")));
    assert_eq!(link(&step), "/api/login?return_to=%2F");
}

#[test]
fn a_form_whose_cookie_the_browser_blocks_gets_the_same_page() {
    let mut stage = Stage::ready(&with("/providers/0/response_mode", json!("form_post")));
    let callback = stage.go_to_the_provider("/page");
    let form = callback.split_once('?').unwrap().1.to_owned();
    let fields = [
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://sso.example.com"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    stage.browser = Browser { body: form, ..Browser::default() };
    let step = stage.send(stage.browser.send("POST", "/api/callback", &fields));
    assert_eq!(link(&step), "/api/login?return_to=%2Fpage");
}

#[test]
fn a_popup_and_a_sign_in_without_an_address_keep_the_short_state() {
    let mut stage = Stage::ready(&popup());
    let callback = popup::go_to_the_provider(&mut stage);
    assert_eq!(parts(&callback).1.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 5, 43]);
    let step = stage.worker.begin(Browser::default().navigate(&callback));
    assert_eq!((outcome(&step), response(&step).body.contains("href")), ((400, "attempt_missing"), false));
    let long = format!("/page?{}", "x".repeat(300));
    for target in ["/", "/api/login", &long] {
        let mut stage = Stage::ready(&document());
        let callback = stage.go_to_the_provider(target);
        assert_eq!(parts(&callback).1.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 43], "{target}");
        let step = stage.worker.begin(Browser::default().navigate(&callback));
        assert_eq!(link(&step), "/api/login?return_to=%2F");
    }
    // With a session that is a JWT, the address is sealed as attempts are.
    let mut stage = Stage::ready(&signing());
    let callback = stage.go_to_the_provider("/page");
    assert_eq!(link(&stage.worker.begin(Browser::default().navigate(&callback))), "/api/login?return_to=%2Fpage");
}
