use super::*;

fn fields(pairs: &[(&str, &[u8])]) -> Headers {
    Headers::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect())
}

#[test]
fn a_field_that_comes_twice_or_not_as_utf8_is_not_single() {
    let headers = fields(&[("a", b"1"), ("b", b"1"), ("b", b"2"), ("c", b"\xff")]);
    assert_eq!(headers.single("a"), Some("1"));
    assert_eq!([headers.single("b"), headers.single("c"), headers.single("d")], [None; 3]);
    assert_eq!(headers.all("b").count(), 2);
}

#[test]
fn an_added_line_stands_behind_the_others_of_its_field() {
    let mut headers = fields(&[("cookie", b"a=1"), ("accept", b"*/*")]);
    headers.add("cookie", "b=2");
    assert_eq!(headers, fields(&[("cookie", b"a=1"), ("accept", b"*/*"), ("cookie", b"b=2")]));
}

#[test]
fn taking_a_single_value_leaves_the_name_with_an_empty_value() {
    let mut headers = fields(&[("a", b"1"), ("b", b"1"), ("b", b"2"), ("c", b"\xff")]);
    assert_eq!(["a", "b", "c", "d"].map(|name| headers.take(name)), [Some("1".to_owned()), None, None, None]);
    assert_eq!((headers.single("a"), headers.all("b").collect::<Vec<_>>()), (Some(""), vec![b"1".as_slice(), b"2"]));
    assert_eq!(headers.names().collect::<Vec<_>>(), ["a", "b", "b", "c"]);
}

/// A header map as a proxy-wasm host hands it over.
fn handed_over(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
    let number = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    let mut bytes = number(pairs.len()).to_vec();
    bytes.extend(pairs.iter().flat_map(|(name, value)| [number(name.len()), number(value.len())]).flatten());
    bytes.extend(pairs.iter().flat_map(|(name, value)| [name, &b"\0"[..], value, b"\0"].concat()));
    bytes
}

#[test]
fn a_header_map_of_a_host_is_read_as_it_is() {
    let headers = Headers::read(handed_over(&[(b":path", b"/x"), (b"a", b""), (b"b", b"\xff\0"), (b"a", b"2")])).unwrap();
    assert_eq!(headers, fields(&[(":path", b"/x"), ("a", b""), ("b", b"\xff\0"), ("a", b"2")]));
    assert_ne!(headers, fields(&[(":path", b"/x"), ("a", b""), ("b", b"\xff\0"), ("a", b"3")]));
    assert_eq!(headers.only("a"), fields(&[("a", b""), ("a", b"2")]));
    assert_eq!(Headers::read(Vec::new()), Some(Headers::default()));
    assert_eq!(Headers::read(vec![0; 4]), Some(Headers::default()));
    let example = [1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, b'a', 0, b'b', b'c', 0];
    assert_eq!(Headers::read(example.to_vec()), Some(fields(&[("a", b"bc")])));
}

#[test]
fn a_header_map_that_is_cut_off_or_has_a_name_that_is_not_ascii_is_not_read() {
    let whole = handed_over(&[(b":path", b"/x"), (b"a", b"1")]);
    // The last zero byte may be missing, because no field needs it.
    for length in 1..whole.len() - 1 {
        assert_eq!(Headers::read(whole[..length].to_vec()), None, "{length}");
    }
    assert_eq!(Headers::read(handed_over(&[(b"a", b"1"), (b"\xff", b"1")])), None);
    assert_eq!([[255; 4].to_vec(), [255; 40].to_vec()].map(Headers::read), [None, None]);
}

#[test]
fn connect_without_a_path_is_refused_without_a_panic() {
    let headers = fields(&[(":method", b"CONNECT"), (":authority", b"a")]);
    assert_eq!(Request::from_headers(headers), Err(Reason::PathAmbiguous));
}

#[test]
fn the_query_is_not_part_of_the_path() {
    let headers = fields(&[(":method", b"GET"), (":authority", b"A.example"), (":path", b"/x?y=/z?")]);
    let request = Request::from_headers(headers).unwrap();
    assert_eq!((request.path.as_str(), request.query.as_deref()), ("/x", Some("y=/z?")));
    assert_eq!((request.authority.as_str(), request.target()), ("a.example", "/x?y=/z?".to_owned()));
    let empty = fields(&[(":method", b"GET"), (":authority", b"a"), (":path", b"/x?")]);
    assert_eq!(Request::from_headers(empty).unwrap().target(), "/x?");
}

#[test]
fn a_request_prints_neither_query_nor_header_values() {
    let headers = fields(&[(":method", b"GET"), (":authority", b"a"), (":path", b"/cb?code=x"), ("cookie", b"secret")]);
    assert!(!format!("{headers:?}").contains("secret"));
    assert_eq!(format!("{:?}", Request::from_headers(headers).unwrap()), "GET a/cb");
}

#[test]
fn a_call_prints_neither_query_nor_body_nor_credentials() {
    let call = HttpCall {
        cluster: "sso".into(),
        method: "POST",
        scheme: "https".into(),
        authority: "sso.example".into(),
        path: "/token?code=abc".into(),
        headers: vec![("authorization".into(), "Basic xyz".into())],
        body: Zeroizing::new(b"client_secret=xyz".to_vec()),
        timeout: Duration::from_secs(5),
    };
    assert_eq!(format!("{call:?}"), "POST https://sso.example/token by sso");
}
