use serde_json::{Value, json};

use crate::config::check_host;
use crate::config::testing::load;
use crate::crypto::testing::BareHost;
use crate::words::world::testing::Still;

const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
const SECRET: &str = "a secret that services share, of 32 bytes at least";
const OTHER: &str = "another secret that nobody shares, of 32 bytes";
const CLIENT_SECRET: &str = "a client secret that is long enough for any purpose";
const P256_PEM: &str = include_str!("../../../crypto/testdata/for-tests-only-p256.pem");
const RSA_PEM: &str = include_str!("../../../crypto/testdata/for-tests-only-rsa1.pem");

fn document() -> Value {
    json!({
        "origins": ["https://app.example.com"],
        "providers": [{
            "name": "sso",
            "issuer": "https://sso.example.com",
            "clusters": {"sso.example.com": "sso"},
            "client_id": "app",
            "client_secret": CLIENT_SECRET
        }],
        "session": {"keys": [KEY], "form": "jwt", "jwt": {"keys": [SECRET]}}
    })
}

/// The configuration with these values at these places, given as JSON pointers.
fn with(changes: &[(&str, Value)]) -> Value {
    let mut document = document();
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = match document.pointer_mut(parent) {
            Some(parent) => parent,
            None => panic!("{pointer}"),
        };
        parent.as_object_mut().unwrap().insert(name.to_owned(), value.clone());
    }
    document
}

fn refusal(document: &Value) -> String {
    load(document.to_string().as_bytes(), &|_| None).err().map(|refusals| refusals.to_string()).unwrap_or_default()
}

#[test]
fn a_session_as_jwt_loads_with_whatever_claims_it_has() {
    for document in [
        document(),
        with(&[("/session/cookie", json!({"name": "access_token"}))]),
        with(&[("/session/jwt", json!({"algorithm": "ES256", "keys": [P256_PEM]})), ("/endpoints", json!({"jwks": "/keys"}))]),
        with(&[
            ("/session/jwt/claims", json!(["email", "email_verified", ["realm_access", "roles"]])),
            ("/session/jwt/lifetime", json!("8h")),
        ]),
        with(&[("/forward", json!({"session_cookie": true, "identity_jwt": {"keys": [OTHER], "lifetime": "30s"}}))]),
        with(&[("/providers", json!([])), ("/session", json!({"form": "jwt", "jwt": {"keys": [SECRET], "bearer": true}}))]),
    ] {
        assert_eq!(refusal(&document), "", "{document}");
    }
}

#[test]
fn every_mistake_is_refused_with_its_place_and_a_remedy() {
    let rule = |require: Value| ("/rules", json!([{"require": require}]));
    let identity = |value: Value| with(&[("/forward", json!({ "identity_jwt": value }))]);
    let cases = [
        (with(&[("/session/jwt/keys", json!([]))]), "session.jwt.keys: expected at least one key"),
        (
            with(&[("/session/jwt/keys", json!(["short"]))]),
            "session.jwt.keys[0]: expected a key for HS256, found one that cannot",
        ),
        (
            with(&[("/session/jwt/keys", json!([SECRET, SECRET]))]),
            "session.jwt.keys[1]: expected a key of its own, found that of",
        ),
        (
            with(&[("/session/jwt/keys", json!([KEY]))]),
            "session.jwt.keys[0]: expected a key of its own, found that of session.keys[0]",
        ),
        (
            with(&[("/session/jwt/keys", json!([CLIENT_SECRET]))]),
            "session.jwt.keys[0]: expected a key of its own, found that of providers[0].client_secret",
        ),
        (
            with(&[("/session/jwt/keys", json!([P256_PEM]))]),
            "session.jwt.keys[0]: expected a key for HS256, found one that cannot be used: it is a key in PEM",
        ),
        (
            with(&[("/session/jwt", json!({"algorithm": "RS256", "keys": [P256_PEM]}))]),
            "session.jwt.keys[0]: expected a key for RS256",
        ),
        (
            with(&[("/session/jwt", json!({"algorithm": "ES256", "keys": [SECRET]}))]),
            "session.jwt.keys[0]: expected a key for ES256",
        ),
        (
            with(&[("/session/jwt", json!({"algorithm": "ES256", "keys": [P256_PEM, P256_PEM.replace('\n', "\r\n")]}))]),
            "session.jwt.keys[1]: expected a key of its own",
        ),
        (with(&[("/session/jwt/algorithm", json!("none"))]), "session.jwt.algorithm: expected one of"),
        (with(&[("/session/jwt/claims", json!(["exp"]))]), "session.jwt.claims[0]: "),
        (with(&[("/session/jwt/claims", json!([["nonce", "x"]]))]), "session.jwt.claims[0]: "),
        (with(&[("/session/jwt/issuer", json!(""))]), "session.jwt.issuer: "),
        (with(&[("/session/jwt/lifetime", json!("30days"))]), "session.jwt.lifetime: "),
        (with(&[("/session/form", json!("sealed"))]), "session.form: expected jwt"),
        (with(&[("/session", json!({"keys": [KEY], "form": "jwt"}))]), "session.jwt: expected how sessions are signed"),
        (with(&[("/session/lifetime", json!("1h"))]), "session: expected none of lifetime, idle, claims and follow_provider"),
        (with(&[("/session/follow_provider", json!(true))]), "session: "),
        (with(&[("/session/idle", json!("1h"))]), "session: "),
        (with(&[("/session/claims", json!(["name"]))]), "session: "),
        (with(&[("/forward", json!({"access_token": true}))]), "forward: expected no tokens of the provider"),
        (
            with(&[rule(json!({"claim": "groups", "any_of": ["a"]}))]),
            "session.jwt.claims: expected every claim that rules and headers name, found no groups; add it here",
        ),
        (
            with(&[rule(json!({"email_domain": ["example.com"]})), ("/session/jwt/claims", json!(["email"]))]),
            "session.jwt.claims: expected every claim that rules and headers name, found no email_verified",
        ),
        (
            with(&[("/claim_to_headers", json!([{"claim_name": "picture", "header_name": "x-picture"}]))]),
            "session.jwt.claims: expected every claim that rules and headers name, found no picture",
        ),
        (with(&[("/session/cookie", json!({"name": ""}))]), "session.cookie.name: "),
        (with(&[("/session/cookie", json!({"name": "__Host-"}))]), "session.cookie.name: "),
        (with(&[("/session/cookie", json!({"name": "a=b"}))]), "session.cookie.name: "),
        (with(&[("/endpoints", json!({"jwks": "/keys"}))]), "endpoints.jwks: expected a key that can be published"),
        (with(&[("/providers", json!([]))]), "providers: expected at least one provider"),
        (
            with(&[("/providers", json!([])), ("/session/jwt/bearer", json!(true)), ("/endpoints", json!({"login": "/in"}))]),
            "endpoints: expected none that signs people in",
        ),
        (
            with(&[("/session", json!({"keys": [KEY]})), ("/forward", json!({"session_cookie": true}))]),
            "forward.session_cookie: ",
        ),
        (with(&[("/rules", json!([{"require": "authenticated", "audience": "x"}]))]), "rules[0].audience: "),
        (identity(json!({"keys": [SECRET]})), "forward.identity_jwt.keys[0]: expected a key of its own"),
        (identity(json!({"keys": [OTHER], "header_name": "Cookie"})), "forward.identity_jwt.header_name: "),
        (identity(json!({"keys": [OTHER], "claims": ["aud"]})), "forward.identity_jwt.claims[0]: "),
        (identity(json!({"keys": [OTHER], "claims": ["groups"]})), "session.jwt.claims: "),
        (identity(json!({"keys": [OTHER], "audience": "x"})), "forward.identity_jwt: expected neither audience nor bearer"),
        (with(&[("/session/jwt/header_name", json!("x-me"))]), "session.jwt.header_name: "),
        (identity(json!({"keys": [OTHER], "lifetime": "2h"})), "forward.identity_jwt.lifetime: "),
        (
            with(&[
                ("/session/jwt", json!({"algorithm": "RS256", "keys": [RSA_PEM]})),
                ("/forward", json!({"identity_jwt": {"algorithm": "RS256", "keys": [format!("\n{RSA_PEM}\n")]}})),
            ]),
            "forward.identity_jwt.keys[0]: expected a key of its own",
        ),
        (
            with(&[
                ("/forward", json!({"identity_jwt": {"keys": [OTHER], "header_name": "x-me"}})),
                ("/claim_to_headers", json!([{"claim_name": "sub", "header_name": "X-Me"}])),
            ]),
            "claim_to_headers[0].header_name: ",
        ),
    ];
    for (document, expected) in cases {
        let found = refusal(&document);
        assert!(found.starts_with(expected), "expected: {expected}\nfound:    {found}");
        assert_eq!(found.lines().count(), 1, "one mistake, and nothing that follows from it:\n{found}");
        for secret in [SECRET, OTHER, KEY, CLIENT_SECRET] {
            assert!(!found.contains(secret), "{found}");
        }
    }
}

#[test]
fn a_partner_cannot_claim_what_a_rule_expects_of_sessions_that_services_make() {
    let partner = |rule: Value| {
        let bearer = json!({"audiences": ["api"], "algorithms": ["HS256"], "secret": "a secret of the partner, of 32 bytes"});
        with(&[
            ("/providers", json!([{"name": "partner", "issuer": "partner", "bearer": bearer}])),
            ("/session/jwt", json!({"keys": [SECRET], "claims": ["email", "email_verified", "role"], "bearer": true})),
            ("/rules", json!([{"require": rule}])),
        ])
    };
    let admin = json!({"claim": "role", "any_of": ["admin"]});
    assert!(
        refusal(&partner(admin)).contains("expected the provider whose claims count"),
        "{}",
        refusal(&partner(json!({"claim": "role", "any_of": ["admin"]})))
    );
    for said in [
        json!({"claim": "role", "any_of": ["admin"], "any_provider": true}),
        json!({"claim": "role", "any_of": ["admin"], "provider": "partner"}),
        json!({"claim": "role", "any_of": ["admin"], "any_provider": true, "not": {"provider": "partner"}}),
    ] {
        assert_eq!(refusal(&partner(said.clone())), "", "{said}");
    }
}

#[test]
fn a_key_that_cannot_sign_here_is_refused_when_the_configuration_is_loaded_and_not_at_the_first_sign_in() {
    let checked = |document: &Value, can_sign: bool| {
        let settings = load(document.to_string().as_bytes(), &|_| None).unwrap();
        let host = if can_sign { check_host(&settings, &Still::default()) } else { check_host(&settings, &BareHost::none()) };
        host.err().map(|refusals| refusals.to_string())
    };
    let session = with(&[("/session/jwt", json!({"algorithm": "RS256", "keys": [RSA_PEM]}))]);
    let identity = with(&[("/forward", json!({"identity_jwt": {"algorithm": "RS256", "keys": [RSA_PEM]}}))]);
    let elliptic = with(&[("/session/jwt", json!({"algorithm": "ES256", "keys": [P256_PEM]}))]);
    for document in [&session, &identity, &elliptic] {
        assert_eq!(checked(document, true), None);
    }
    for (document, path) in [(&session, "session.jwt.keys[0]: "), (&identity, "forward.identity_jwt.keys[0]: ")] {
        let refused = checked(document, false).unwrap();
        assert!(refused.starts_with(path) && refused.lines().count() == 1, "{refused}");
    }
    assert_eq!(checked(&elliptic, false), None);
}

#[test]
fn an_identity_jwt_is_never_called_another_kind_of_token() {
    let of_type = |typ: Value| refusal(&with(&[("/forward", json!({"identity_jwt": {"keys": [OTHER], "type": typ}}))]));
    for good in ["JWT", "identity+jwt", "orders.example-1+jwt"] {
        assert_eq!(of_type(json!(good)), "", "{good}");
    }
    for bad in [
        "at+jwt",
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "AT+JWT",
        "application/at+jwt",
        "jwt",
        "Identity+jwt",
        "+jwt",
        "",
        "a b+jwt",
    ] {
        let sentence = of_type(json!(bad));
        assert!(sentence.contains("forward.identity_jwt.type: expected JWT, or a name of your own"), "{bad}: {sentence}");
    }
    let of_session = refusal(&with(&[("/session/jwt/type", json!("JWT"))]));
    assert!(of_session.contains("session.jwt.type: expected none"), "{of_session}");
}
