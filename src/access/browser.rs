//! What a browser tells about a request: whether a person navigates, and which site caused it. Only headers that scripts of other
//! sites cannot set are believed (Fetch Metadata, `Origin`), and only for the origin that the browser asked. Who is asking is not
//! known here.

use crate::http::internal_redirect::is_from_elsewhere;
use crate::http::message::{Headers, Request};
use crate::http::url::Origin;

/// The value of `X-Requested-With` by which scripts tell that they are scripts.
const XML_HTTP_REQUEST: &str = "XMLHttpRequest";

/// Whether a person navigates to a page, so that a redirect or an HTML page is the right answer.
pub fn is_navigation(request: &Request) -> bool {
    if !matches!(request.method.as_str(), "GET" | "HEAD") || is_speculative(&request.headers) {
        return false;
    }
    match request.headers.single("sec-fetch-mode") {
        Some(mode) => mode == "navigate",
        None => accepts_html(&request.headers) && (!request.headers.contains("x-requested-with") || is_by_web_view(request)),
    }
}

/// Whether a web view of an application sent the request: those of Android name the application in `X-Requested-With`, with
/// navigations too. (Old ones send no Fetch Metadata.)
fn is_by_web_view(request: &Request) -> bool {
    let named = request.headers.single("x-requested-with");
    request.method == "GET" && named.is_some_and(|name| !name.is_empty() && !name.eq_ignore_ascii_case(XML_HTTP_REQUEST))
}

/// Whether the answer should be an HTML page: to a navigation, or to a form that was posted.
pub fn wants_page(request: &Request) -> bool {
    is_navigation(request) || request.headers.single("sec-fetch-mode") == Some("navigate")
}

/// Whether a script of a page sent the request, as Fetch Metadata or `x-requested-with: XMLHttpRequest` tell. Programs other than
/// browsers send no Fetch Metadata.
pub fn is_script(request: &Request) -> bool {
    request.headers.single("sec-fetch-mode").is_some_and(|mode| mode != "navigate")
        || request.headers.single("x-requested-with").is_some_and(|name| name.eq_ignore_ascii_case(XML_HTTP_REQUEST))
}

/// Whether a browser loads a page that nobody has asked for yet, and may throw the answer away: a sign-in that begins or ends now
/// would be lost. (Older browsers say so in `Purpose` or `X-Moz`.)
pub fn is_speculative(headers: &Headers) -> bool {
    let says_so = |value: &[u8]| String::from_utf8_lossy(value).to_ascii_lowercase().contains("prefetch");
    ["sec-purpose", "purpose", "x-moz"].iter().any(|name| headers.all(name).any(says_so))
}

fn accepts_html(headers: &Headers) -> bool {
    headers.all("accept").filter_map(|value| std::str::from_utf8(value).ok()).any(|value| value.contains("text/html"))
}

/// Whether the request opens a WebSocket or another channel. (Envoy shows HTTP/2's extended CONNECT in this form too.)
pub fn is_upgrade(headers: &Headers) -> bool {
    headers.contains("upgrade")
}

/// Whether a request could change something, because its method is not safe (RFC 9110, section 9.2.1) or it opens a channel. Only
/// with evidence that our own site caused it may it use a session.
pub fn needs_same_origin_evidence(request: &Request) -> bool {
    !matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS") || is_upgrade(&request.headers)
}

/// Whether the headers prove that the origin `own`, or a `trusted` one, caused the request.
pub fn has_same_origin_evidence(headers: &Headers, own: &Origin, trusted: &[Origin]) -> bool {
    if is_from_elsewhere(headers, own) {
        return false;
    }
    if headers.single("sec-fetch-site") == Some("same-origin") {
        return true;
    }
    let Some(origin) = headers.single("origin") else { return false };
    Origin::parse(origin).is_ok_and(|origin| origin == *own || trusted.contains(&origin))
}

/// Whether a site that is neither our own nor trusted caused the request, and out of a person's sight: by a script or in a frame.
pub fn is_foreign_and_unseen(request: &Request, own: &Origin, trusted: &[Origin]) -> bool {
    let site = request.headers.single("sec-fetch-site");
    let says_so = request.headers.contains("origin") || matches!(site, Some("cross-site" | "same-site"));
    let framed = matches!(request.headers.single("sec-fetch-dest"), Some("iframe" | "frame" | "embed" | "object"));
    (framed || is_script(request)) && says_so && !has_same_origin_evidence(&request.headers, own, trusted)
}

/// What a browser told about the origin of a request, as a sentence for the log.
pub fn evidence(headers: &Headers, own: &Origin) -> String {
    let shown = |name| headers.single(name).unwrap_or("absent").chars().take(100).collect::<String>();
    format!("sec-fetch-site is {}, origin is {}; this origin is {own}", shown("sec-fetch-site"), shown("origin"))
}

/// Whether the request is a navigation that our own site, or a trusted one, caused. `Sec-Fetch-Site: none` is no evidence: a
/// browser also sends it when a site whose address was typed redirects here.
pub fn is_own_navigation(request: &Request, own: &Origin, trusted: &[Origin]) -> bool {
    is_navigation(request) && has_same_origin_evidence(&request.headers, own, trusted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::internal_redirect::ENVOYS_URL;

    fn request(method: &str, fields: &[(&str, &str)]) -> Request {
        let mut all = vec![(":method", method), (":authority", "app.example"), (":path", "/")];
        all.extend_from_slice(fields);
        let all = all.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        Request::from_headers(Headers::new(all.collect())).unwrap()
    }

    #[test]
    fn navigations_are_told_apart_from_calls_by_scripts() {
        for (method, fields, navigation) in [
            ("GET", vec![("sec-fetch-mode", "navigate")], true),
            ("GET", vec![("sec-fetch-mode", "cors"), ("accept", "text/html")], false),
            ("GET", vec![("accept", "text/html,*/*")], true),
            ("GET", vec![("accept", "text/html"), ("x-requested-with", "XMLHttpRequest")], false),
            ("GET", vec![("accept", "text/html"), ("x-requested-with", "xmlhttprequest")], false),
            ("GET", vec![("accept", "application/json")], false),
            ("GET", vec![], false),
            ("POST", vec![("sec-fetch-mode", "navigate")], false),
            ("GET", vec![("sec-fetch-mode", "navigate"), ("sec-purpose", "prefetch;prerender")], false),
        ] {
            assert_eq!(is_navigation(&request(method, &fields)), navigation, "{method} {fields:?}");
        }
    }

    #[test]
    fn a_web_view_that_names_its_application_navigates_by_get_for_html_alone() {
        let (html, application) = (("accept", "text/html,*/*"), ("x-requested-with", "com.example.app"));
        for (method, fields, navigation) in [
            ("GET", vec![html, application], true),
            ("HEAD", vec![html, application], false),
            ("POST", vec![html, application], false),
            ("GET", vec![("accept", "application/json"), application], false),
            ("GET", vec![("accept", "*/*"), application], false),
            ("GET", vec![application], false),
            ("GET", vec![html, ("x-requested-with", "")], false),
            ("GET", vec![html, application, ("x-requested-with", "XMLHttpRequest")], false),
            ("GET", vec![html, application, ("sec-fetch-mode", "cors")], false),
        ] {
            assert_eq!(is_navigation(&request(method, &fields)), navigation, "{method} {fields:?}");
        }
    }

    #[test]
    fn a_load_that_nobody_asked_for_yet_is_known_in_every_way_that_browsers_say_it() {
        for (fields, speculative) in [
            (vec![("sec-purpose", "prefetch")], true),
            (vec![("sec-purpose", "prefetch;prerender")], true),
            (vec![("sec-purpose", "Prefetch"), ("sec-purpose", "x")], true),
            (vec![("purpose", "prefetch")], true),
            (vec![("x-moz", "prefetch")], true),
            (vec![("sec-purpose", "x"), ("purpose", "prefetch")], true),
            (vec![("sec-purpose", "x")], false),
            (vec![], false),
        ] {
            assert_eq!(is_speculative(&request("GET", &fields).headers), speculative, "{fields:?}");
        }
    }

    #[test]
    fn another_site_gives_no_evidence_however_it_tries() {
        let own = Origin::parse("https://app.example").unwrap();
        let trusted = [Origin::parse("https://front.example").unwrap()];
        for (fields, evidence) in [
            (vec![("sec-fetch-site", "same-origin")], true),
            (vec![("origin", "https://app.example")], true),
            (vec![("origin", "https://app.example:443")], true),
            (vec![("sec-fetch-site", "cross-site"), ("origin", "https://front.example")], true),
            (vec![("sec-fetch-site", "same-site")], false),
            (vec![("sec-fetch-site", "none")], false),
            (vec![("origin", "null")], false),
            (vec![("origin", "http://app.example")], false),
            (vec![("origin", "https://app.example.evil")], false),
            (vec![("origin", "https://evil.example"), ("referer", "https://app.example/")], false),
            (vec![("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")], false),
            (vec![], false),
        ] {
            let request = request("POST", &fields);
            assert_eq!(has_same_origin_evidence(&request.headers, &own, &trusted), evidence, "{fields:?}");
        }
    }

    #[test]
    fn unsafe_methods_and_websockets_need_evidence() {
        for (method, fields, needed) in [
            ("GET", vec![], false),
            ("HEAD", vec![], false),
            ("OPTIONS", vec![], false),
            ("POST", vec![], true),
            ("DELETE", vec![], true),
            ("PROPFIND", vec![], true),
            ("GET", vec![("upgrade", "WebSocket")], true),
            ("GET", vec![("upgrade", "h2c, websocket")], true),
        ] {
            assert_eq!(needs_same_origin_evidence(&request(method, &fields)), needed, "{method} {fields:?}");
        }
    }

    fn origin(text: &str) -> Origin {
        Origin::parse(text).unwrap()
    }

    #[test]
    fn navigations_and_posted_forms_are_answered_with_a_page() {
        for (method, fields, page) in [
            ("GET", vec![("accept", "text/html")], true),
            ("POST", vec![("sec-fetch-mode", "navigate")], true),
            ("POST", vec![("sec-fetch-mode", "cors"), ("accept", "text/html")], false),
            ("POST", vec![("accept", "text/html")], false),
            ("GET", vec![], false),
        ] {
            assert_eq!(wants_page(&request(method, &fields)), page, "{method} {fields:?}");
        }
    }

    #[test]
    fn a_script_is_known_by_fetch_metadata_or_by_x_requested_with() {
        for (fields, script) in [
            (vec![("sec-fetch-mode", "cors")], true),
            (vec![("sec-fetch-mode", "no-cors")], true),
            (vec![("x-requested-with", "XMLHttpRequest")], true),
            (vec![("x-requested-with", "xmlhttprequest")], true),
            (vec![("sec-fetch-mode", "navigate"), ("x-requested-with", "XMLHttpRequest")], true),
            (vec![("sec-fetch-mode", "navigate")], false),
            (vec![("x-requested-with", "com.example.app")], false),
            (vec![], false),
        ] {
            assert_eq!(is_script(&request("GET", &fields)), script, "{fields:?}");
        }
    }

    #[test]
    fn a_foreign_site_causes_requests_unseen_by_scripts_and_in_frames() {
        let trusted = [origin("https://front.example")];
        for (fields, hidden) in [
            (vec![("sec-fetch-mode", "cors"), ("origin", "https://evil.example")], true),
            (vec![("sec-fetch-mode", "no-cors"), ("sec-fetch-site", "cross-site")], true),
            (vec![("sec-fetch-mode", "no-cors"), ("sec-fetch-site", "same-site")], true),
            (vec![("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe"), ("sec-fetch-site", "cross-site")], true),
            (vec![("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "embed"), ("origin", "null")], true),
            (vec![("sec-fetch-mode", "cors"), ("origin", "https://app.example")], false),
            (vec![("sec-fetch-mode", "cors"), ("origin", "https://front.example")], false),
            (vec![("sec-fetch-mode", "cors"), ("sec-fetch-site", "same-origin")], false),
            (vec![("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe"), ("sec-fetch-site", "same-origin")], false),
            (vec![("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("sec-fetch-site", "cross-site")], false),
            (vec![("sec-fetch-mode", "navigate"), ("origin", "https://evil.example")], false),
            // Programs other than browsers send nothing about sites, and no site can have caused their requests.
            (vec![("x-requested-with", "XMLHttpRequest")], false),
            (vec![], false),
        ] {
            let request = request("GET", &fields);
            assert_eq!(is_foreign_and_unseen(&request, &origin("https://app.example"), &trusted), hidden, "{fields:?}");
        }
    }

    #[test]
    fn only_our_own_site_makes_a_navigation_our_own() {
        let own = origin("https://app.example");
        for (fields, ours) in [
            (vec![("sec-fetch-mode", "navigate"), ("sec-fetch-site", "same-origin")], true),
            (vec![("sec-fetch-mode", "navigate"), ("origin", "https://front.example")], true),
            (vec![("sec-fetch-mode", "navigate"), ("sec-fetch-site", "none")], false),
            (vec![("sec-fetch-mode", "navigate"), ("sec-fetch-site", "cross-site")], false),
            (vec![("sec-fetch-mode", "cors"), ("sec-fetch-site", "same-origin")], false),
            (vec![], false),
        ] {
            let request = request("GET", &fields);
            assert_eq!(is_own_navigation(&request, &own, &[origin("https://front.example")]), ours, "{fields:?}");
        }
    }

    #[test]
    fn the_log_shows_what_a_browser_said_and_no_more_of_it_than_a_hundred_characters() {
        let own = origin("https://app.example");
        let long = format!("https://{}", "x".repeat(1_000));
        let came = request("POST", &[("sec-fetch-site", "cross-site"), ("origin", &long)]);
        let expected =
            format!("sec-fetch-site is cross-site, origin is https://{}; this origin is https://app.example", "x".repeat(92));
        assert_eq!(evidence(&came.headers, &own), expected);
        let silent = request("POST", &[]);
        let expected = "sec-fetch-site is absent, origin is absent; this origin is https://app.example";
        assert_eq!(evidence(&silent.headers, &own), expected);
    }

    #[test]
    fn an_internal_redirect_from_another_host_leaves_no_evidence_whatever_page_sent_the_first_request() {
        let own = Origin::parse("https://app.example").unwrap();
        for (from, evidence) in [
            ("https://app.example/a?b=//other.example", true),
            // So it is written where a proxy in front has ended TLS, and as the client has written the host.
            ("http://app.example/a", true),
            ("http://App.example:443", true),
            ("https://other.example/app.example", false),
            ("https://app.example@other.example/", false),
            ("https://app.example.other.example/", false),
            ("app.example/a", false),
            ("", false),
        ] {
            for site in
                [("sec-fetch-site", "same-origin"), ("origin", "https://app.example"), ("origin", "https://trusted.example")]
            {
                let headers = request("POST", &[site, (ENVOYS_URL, from)]).headers;
                let trusted = [Origin::parse("https://trusted.example").unwrap()];
                assert_eq!(has_same_origin_evidence(&headers, &own, &trusted), evidence, "{from} {site:?}");
            }
            let own_page = [("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate"), (ENVOYS_URL, from)];
            assert_eq!(is_own_navigation(&request("GET", &own_page), &own, &[]), evidence, "{from}");
        }
    }
}
