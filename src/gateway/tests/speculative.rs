//! Loads that nobody has asked for yet: a browser may throw their answers away.

use super::popup::{self, posted_message};
use super::stage::{Stage, document, field, outcome, response, status};

/// How browsers mark such loads, in new and in old versions.
const MARKS: [(&str, &str); 4] =
    [("sec-purpose", "prefetch"), ("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch"), ("x-moz", "prefetch")];

#[test]
fn a_speculative_load_of_a_page_begins_no_sign_in_even_where_everybody_is_redirected() {
    let mut stage = Stage::ready(&document());
    for page in ["/page", "/always"] {
        let fields = [("sec-purpose", "prefetch"), ("sec-fetch-mode", "navigate"), ("accept", "text/html")];
        let step = stage.worker.begin(stage.browser.send("GET", page, &fields));
        assert_eq!((outcome(&step), field(response(&step), "set-cookie")), ((401, "session_missing"), None), "{page}");
    }
    assert_eq!(status(&stage.navigate("/always")), 302);
}

#[test]
fn a_speculative_callback_spends_neither_the_code_nor_the_attempt_and_the_real_one_signs_in() {
    let mut stage = Stage::ready(&document());
    let callback = stage.go_to_the_provider("/page");
    let cookies = stage.browser.names().len();
    for mark in MARKS {
        let step = stage.worker.begin(stage.browser.send("GET", &callback, &[("sec-fetch-mode", "navigate"), mark]));
        assert_eq!(outcome(&step), (400, "speculative"), "{mark:?}");
        assert_eq!(field(response(&step), "set-cookie"), None, "{mark:?}");
        stage.browser.take_response(response(&step));
    }
    assert_eq!(stage.browser.names().len(), cookies);
    assert!(!stage.provider.asked.iter().any(|path| path == "token"));
    let step = stage.navigate(&callback);
    assert_eq!(outcome(&step), (303, ""));
    assert_eq!(outcome(&stage.navigate("/page")), (200, ""));
}

#[test]
fn a_speculative_login_begins_nothing_and_sets_no_cookie() {
    let mut stage = Stage::ready(&document());
    for mark in MARKS {
        for target in ["/api/login", "/api/login?return_to=/page"] {
            let step = stage.worker.begin(stage.browser.send("GET", target, &[("sec-fetch-mode", "navigate"), mark]));
            assert_eq!(outcome(&step), (400, "speculative"), "{mark:?}");
            assert_eq!(field(response(&step), "set-cookie"), None, "{mark:?}");
        }
    }
    assert_eq!(outcome(&stage.navigate("/api/login")), (302, ""));
}

#[test]
fn a_speculative_callback_of_a_popup_tells_the_page_that_opened_it_nothing() {
    let mut stage = Stage::ready(&popup::popup());
    let callback = popup::go_to_the_provider(&mut stage);
    for mark in MARKS {
        let step = stage.worker.begin(stage.browser.send("GET", &callback, &[("sec-fetch-mode", "navigate"), mark]));
        assert_eq!(outcome(&step), (400, "speculative"), "{mark:?}");
        assert_eq!(posted_message(&step), None, "{mark:?}");
    }
    let step = stage.navigate(&callback);
    assert!(posted_message(&step).is_some());
}
