//! Random inputs for property tests. Most are made of words that mean something in the protocols, so that they get further than
//! random bytes would.

use proptest::collection::vec;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use serde_json::{Map, Value};

use super::stage::KEY;
use crate::http::message::{Headers, Reply};
use crate::oidc::testing::ISSUER;

/// Names of header fields that the filter looks at.
const FIELDS: &str = "
    accept authorization connection content-type cookie host origin purpose referer sec-fetch-mode sec-fetch-site
    sec-purpose upgrade x-forwarded-user x_forwarded_groups x-request-id x-requested-with :method :authority :path :scheme
";

/// Texts that mean something to one of the parsers.
const TEXTS: &[&str] = &[
    "",
    "/",
    "//",
    "\\",
    "?",
    "#",
    "@",
    ":",
    ";",
    "=",
    ",",
    ".",
    "..",
    "%",
    "%2f",
    "%5c",
    "%2e",
    "%00",
    "\t",
    "\r\n",
    "\u{0}",
    "a",
    "ä",
    "GET",
    "POST",
    "null",
    "navigate",
    "cors",
    "same-origin",
    "cross-site",
    "websocket",
    "text/html",
    "https://",
    "http://",
    "javascript:",
    "app.example.com",
    "evil.example",
    "app.example.com:443",
    "/public",
    "/members",
    "/api/login",
    "/api/callback",
    "/api/logout",
    "/api/session",
    "code=x",
    "&",
    "state=",
    "AAAAAAAA.B",
    "return_to=",
    "error=",
    "iss=",
    "prompt=login",
    "__Host-accredit",
    "__Host-accredit-1",
    "__Host-accredit-attempt-AAAAAAAA",
    "__Secure-accredit-hint",
    "2.",
    "99999999999999999999.",
    "eyJhbGciOiJub25lIn0.e30.",
    "x-forwarded-user",
    "close",
    "bob",
];

/// Names of members of the JSON documents that are read.
const MEMBERS: &str = "
    issuer authorization_endpoint token_endpoint jwks_uri userinfo_endpoint response_types_supported keys kty crv x y n e
    kid alg use access_token id_token token_type expires_in refresh_token error error_description sub email email_verified
    groups origins providers session name metadata clusters client_id client_secret environment_variable lifetime idle
    cookie same_site rules match require path methods host claim any_of split has_key within all any not policy policies
    route_policies filter_metadata claim_to_headers claim_name header_name v i g c
";

fn word(words: &'static str) -> impl Strategy<Value = String> {
    select(words.split_whitespace().collect::<Vec<_>>()).prop_map(str::to_owned)
}

pub(super) fn text() -> impl Strategy<Value = String> {
    vec(select(TEXTS), 0..8).prop_map(|pieces| pieces.concat())
}

pub(super) fn bytes() -> BoxedStrategy<Vec<u8>> {
    let huge = (any::<u8>(), 1_000..70_000_usize).prop_map(|(byte, length)| vec![byte; length]);
    prop_oneof![8 => text().prop_map(String::into_bytes), 4 => vec(any::<u8>(), 0..80), 1 => huge].boxed()
}

/// Header fields of any kind; three times out of four preceded by those of a well-formed request.
pub(super) fn headers() -> BoxedStrategy<Vec<(String, Vec<u8>)>> {
    let name = prop_oneof![6 => word(FIELDS), 1 => "[A-Za-z_:-]{0,12}"];
    let plain_name = word(FIELDS).prop_filter("once only", |name| !name.starts_with(':'));
    let path =
        select(&["/page", "/public", "/members/x", "/api/login", "/api/callback", "/api/logout", "/api/session", "/always"][..]);
    let target = (path, text()).prop_map(|(path, query)| format!("{path}?{query}").into_bytes());
    let method = select(&["GET", "HEAD", "POST", "OPTIONS", "DELETE"][..]);
    let readable = (method, target, vec((plain_name, bytes()), 0..10)).prop_map(|(method, target, further)| {
        let mut all = vec![
            (":method".to_owned(), method.as_bytes().to_vec()),
            (":authority".to_owned(), b"app.example.com".to_vec()),
            (":path".to_owned(), target),
        ];
        all.extend(further);
        all
    });
    prop_oneof![3 => readable, 1 => vec((name, bytes()), 0..14)].boxed()
}

pub(super) fn document_of_any_kind() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
        select(&[ISSUER, "https://sso.example.com/x", "Bearer", "AQAB", KEY, "RSA", "public", "authenticated"][..])
            .prop_map(Value::from),
    ];
    let nested = leaf.prop_recursive(4, 40, 6, |inner| {
        let members = vec((word(MEMBERS), inner.clone()), 0..6);
        let object = members.prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()));
        prop_oneof![vec(inner, 0..5).prop_map(Value::from), object]
    });
    nested.boxed()
}

pub(super) fn body() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![3 => document_of_any_kind().prop_map(|document| document.to_string().into_bytes()), 1 => bytes()].boxed()
}

pub(super) fn reply() -> BoxedStrategy<Reply> {
    let status = prop_oneof![4 => Just(200_u16), 1 => any::<u16>()];
    let field = (select(&["content-type", "cache-control", "date", "x"][..]).prop_map(str::to_owned), bytes());
    let answered = (status, vec(field, 0..4), body()).prop_map(|(status, mut fields, body)| {
        fields.push(("content-type".into(), b"application/json".to_vec()));
        Reply::Answered { status, headers: Headers::new(fields), body }
    });
    prop_oneof![8 => answered, 1 => Just(Reply::Reset), 1 => Just(Reply::NotSent)].boxed()
}
