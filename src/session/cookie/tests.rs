use super::*;

fn settings() -> CookieSettings {
    CookieSettings::new("__Host-accredit".into(), SameSite::Lax, Shape::Split)
}

fn whole(name: &str) -> CookieSettings {
    CookieSettings::new(name.into(), SameSite::Lax, Shape::Whole)
}

fn origin(text: &str) -> Origin {
    Origin::parse(text).unwrap()
}

fn cookie_header(cookies: &str) -> Headers {
    Headers::new(vec![("cookie".into(), cookies.as_bytes().to_vec())])
}

fn written(sealed: &str, before: &str) -> Vec<String> {
    write(&settings(), sealed, Timestamp::default(), Timestamp::from_seconds(60), &cookie_header(before)).unwrap()
}

/// The `Cookie` header of a browser that got these `Set-Cookie` values.
fn sent_back(set_cookies: &[String]) -> Headers {
    let kept = set_cookies.iter().filter(|cookie| !cookie.contains("Max-Age=0"));
    cookie_header(&kept.map(|cookie| cookie.split(';').next().unwrap()).collect::<Vec<_>>().join("; "))
}

#[test]
fn a_session_of_any_size_is_read_as_it_was_written() {
    for size in [1, LARGEST_VALUE, LARGEST_VALUE + 1, LARGEST_VALUE * MOST_COOKIES] {
        let sealed = "aB-_".repeat(size.div_ceil(4))[..size].to_owned();
        let cookies = written(&sealed, "");
        assert_eq!(cookies.len(), size.div_ceil(LARGEST_VALUE));
        assert!(cookies.iter().all(|cookie| cookie.split(';').next().unwrap().len() <= 4_096));
        assert_eq!(read(&settings(), &sent_back(&cookies)), Found::Sealed(sealed.into_bytes().into()));
    }
}

#[test]
fn a_line_has_the_cookies_of_the_session_as_they_came_and_no_others() {
    let came = "theme=dark; __Host-accredit=2.abc; __Host-accredit-1=d=; __Host-accredit-x=1; __Host-accredit-attempt-AAAAAAAA=2";
    assert_eq!(line(&settings(), &cookie_header(came)), b"__Host-accredit=2.abc; __Host-accredit-1=d=");
    // A second cookie of one name is kept, too: it is not for this file to choose one.
    assert_eq!(line(&whole("a"), &cookie_header("a=1; a-1=2; a=3; b=4")), b"a=1; a=3");
    assert_eq!(line(&whole("a"), &Headers::new(vec![("cookie".into(), vec![b'a', b'=', 0xff])])), [b'a', b'=', 0xff]);
    assert_eq!(line(&whole("a"), &cookie_header("b=4")), b"");
}

#[test]
fn a_session_that_needs_too_many_cookies_is_refused() {
    let sealed = "a".repeat(LARGEST_VALUE * MOST_COOKIES + 1);
    let refused = write(&settings(), &sealed, Timestamp::default(), Timestamp::default(), &cookie_header(""));
    assert_eq!(refused, Err(TooLarge));
}

#[test]
fn a_smaller_session_deletes_the_parts_of_a_larger_one() {
    let cookies = written("x", "__Host-accredit=3.a; __Host-accredit-1=b; __Host-accredit-2=c; other=d");
    assert_eq!(cookies.len(), 3);
    assert!(cookies[1].starts_with("__Host-accredit-1=; ") && cookies[1].ends_with("Max-Age=0"), "{}", cookies[1]);
    assert!(cookies[2].starts_with("__Host-accredit-2=; "));
}

#[test]
fn torn_sessions_are_told_from_absent_ones() {
    for torn in [
        "__Host-accredit=2.a",
        "__Host-accredit-1=b",
        "__Host-accredit=9.a",
        "__Host-accredit=.a",
        "__Host-accredit=x.a",
        "__Host-accredit=0.a",
        "__Host-accredit=a; __Host-accredit=b",
        "__Host-accredit=a; __Host-accredit-8=b",
    ] {
        assert_eq!(read(&settings(), &cookie_header(torn)), Found::Torn, "{torn}");
    }
    for absent in ["", "a=1", "__Host-accredit-attempt-x=1", "__Host-accredit-01=1", "x__Host-accredit=1"] {
        assert_eq!(read(&settings(), &cookie_header(absent)), Found::Nothing, "{absent}");
    }
}

#[test]
fn sign_out_finds_every_session_that_the_cookies_may_hold() {
    let all = |settings: &CookieSettings, cookies: &str| {
        let came = cookie_header(cookies);
        let (texts, all) = read_all(settings, &came);
        let texts: Vec<_> = texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect();
        (texts.join(" "), all)
    };
    for (cookies, texts) in [
        ("", ""),
        ("__Host-accredit=a", "a"),
        ("__Host-accredit=a; x=y; __Host-accredit=b; __Host-accredit=a", "a b"),
        ("__Host-accredit=2.a; __Host-accredit-1=b", "ab"),
        ("__Host-accredit=2.a; __Host-accredit-1=b; __Host-accredit=c", "ab c"),
        ("__Host-accredit=2.a; __Host-accredit=2.c; __Host-accredit-1=b; __Host-accredit-1=d", "ab ad cb cd"),
        ("__Host-accredit=3.a; __Host-accredit-1=b; __Host-accredit-2=c; __Host-accredit-2=d", "abc abd"),
        // Nothing is made of missing parts, nor of parts that we cannot have written.
        ("__Host-accredit=2.a; __Host-accredit-2=b", ""),
        ("__Host-accredit-1=b", ""),
        ("__Host-accredit=9.a; __Host-accredit=.b; __Host-accredit=0.c; __Host-accredit-1=d", ""),
        ("__Host-accredit=1.a; __Host-accredit=c", "a c"),
    ] {
        assert_eq!(all(&settings(), cookies), (texts.to_owned(), true), "{cookies}");
    }
    let jwt = whole("access_token");
    assert_eq!(all(&jwt, "access_token=1.a; access_token-1=b; access_token=c; x=y"), ("1.a c".to_owned(), true));
}

#[test]
fn sign_out_is_told_if_there_are_more_combinations_of_parts_than_are_tried() {
    let parts = |position: usize, number: usize| {
        (0..number).map(move |value| format!("__Host-accredit-{position}={value}")).collect::<Vec<_>>().join("; ")
    };
    for (second, third, tried, all) in [(8, 8, 64, true), (8, 9, 0, false), (400, 400, 0, false), (1, 0, 0, true)] {
        let cookies = cookie_header(&format!("__Host-accredit=3.a; {}; {}", parts(1, second), parts(2, third)));
        let (texts, every) = read_all(&settings(), &cookies);
        assert_eq!((texts.len(), every), (tried, all), "{second} {third}");
    }
    // A session in one cookie is found beside them.
    let came_first = cookie_header(&format!("__Host-accredit=a; __Host-accredit=3.b; {}; {}", parts(1, 9), parts(2, 9)));
    let (texts, every) = read_all(&settings(), &came_first);
    assert_eq!((texts, every), (vec![Cow::from(b"a".as_slice())], false));
    for (number, tried, all) in [(64, 64, true), (65, 64, false), (2_000, 64, false)] {
        let cookies = cookie_header(&(0..number).map(|value| format!("access_token={value}")).collect::<Vec<_>>().join("; "));
        let (texts, every) = read_all(&whole("access_token"), &cookies);
        assert_eq!((texts.len(), every), (tried, all), "{number}");
    }
}

#[test]
fn a_number_of_parts_that_we_did_not_write_is_part_of_the_text() {
    for text in ["10.a", "02.a", "+2.a", "abc.d"] {
        let came = cookie_header(&format!("__Host-accredit={text}; __Host-accredit-1=b"));
        assert_eq!(read(&settings(), &came), Found::Sealed(text.as_bytes().into()), "{text}");
    }
}

#[test]
fn every_cookie_of_ours_is_recognised_and_no_other() {
    for ours in ["__Host-accredit", "__Host-accredit-1", "__Host-accredit-attempt-abc", "__Secure-accredit-hint"] {
        assert!(settings().is_ours(ours.as_bytes()), "{ours}");
    }
    for other in ["__Host-accredited", "accredit", "__host-accredit", "x", ""] {
        assert!(!settings().is_ours(other.as_bytes()), "{other}");
    }
}

#[test]
fn forgetting_a_session_deletes_every_part_that_came() {
    let forgotten = |cookies| forget(&settings(), &cookie_header(cookies), &origin("https://app.example")).len();
    assert_eq!(forgotten(""), 1);
    assert_eq!(forgotten("__Host-accredit=2.a; __Host-accredit-1=b; __Host-accredit-99=c"), 2);
}

#[test]
fn a_session_in_one_cookie_is_secure_except_on_plain_http_on_this_machine() {
    for (name, at, attributes) in [
        ("access_token", "https://app.example", "HttpOnly; SameSite=Lax; Secure; Path=/"),
        ("access_token", "http://localhost:10000", "HttpOnly; SameSite=Lax; Path=/"),
        ("__Host-token", "http://localhost:10000", "HttpOnly; SameSite=Lax; Secure; Path=/"),
    ] {
        let set = write_whole(&whole(name), "a.b.c", Duration::from_secs(3_600), &origin(at));
        assert_eq!(set, Ok(format!("{name}=a.b.c; {attributes}; Max-Age=3600")));
        assert_eq!(forget(&whole(name), &cookie_header(""), &origin(at)), [format!("{name}=; {attributes}; Max-Age=0")]);
    }
    let large = "a".repeat(LARGEST_VALUE + 1);
    assert_eq!(write_whole(&whole("t"), &large, Duration::ZERO, &origin("https://a.example")), Err(TooLarge));
}

#[test]
fn a_second_session_that_a_sibling_domain_planted_is_not_chosen_and_not_overlooked() {
    let settings = whole("access_token");
    assert_eq!(read(&settings, &cookie_header("access_token=2.b.c; x=y")), Found::Sealed(b"2.b.c".into()));
    assert_eq!(read(&settings, &cookie_header("access_token=a; access_token=a")), Found::Sealed(b"a".into()));
    assert_eq!(read(&settings, &cookie_header("access_token=a; access_token=b")), Found::Several);
    assert_eq!(read(&settings, &cookie_header("access_token-1=a; Access_Token=b")), Found::Nothing);
    for (name, ours) in [
        ("access_token", true),
        ("access_token-1", false),
        ("access_tokens", false),
        ("__Host-access_token-attempt-abcdefgh", true),
        ("__Secure-access_token-hint", true),
    ] {
        assert_eq!(settings.is_ours(name.as_bytes()), ours, "{name}");
    }
}
