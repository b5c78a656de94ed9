use serde_json::{Value, json};

use crate::config::settings::Settings;
use crate::config::testing::load;
use crate::config::{Refusals, check_host};
use crate::crypto::key::Algorithm;
use crate::crypto::testing::{BareHost, ED25519, RSA, WEAK_RSA};
use crate::oidc::bearer::accepted::{BearerKeys, Clients, MissingAudience, MissingSubject, MissingTokenType};
use crate::words::world::HostVerdict;

const RSA_PEM: &str = include_str!("../../../crypto/testdata/for-tests-only-rsa1.pub.pem");
const PRIVATE_PEM: &str = include_str!("../../../crypto/testdata/for-tests-only-rsa1.pem");
const SECRET: &str = "a secret of the tests, 32 bytes.";

/// A configuration with a provider where people sign in and a partner whose bearer tokens are accepted. The partner has these
/// members under `bearer`, and `further` ones beside it.
fn with_partner(bearer: &Value, further: &Value) -> Value {
    let mut partner = json!({"name": "partner", "issuer": "https://partner.example", "bearer": {"audiences": ["api"]}});
    partner["bearer"].as_object_mut().unwrap().extend(bearer.as_object().unwrap().clone());
    partner.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    json!({
        "origins": ["https://app.example.com"],
        "providers": [partner, {
            "name": "sso",
            "issuer": "https://sso.example.com",
            "clusters": {"sso.example.com": "sso"},
            "client_id": "app",
            "client_secret": "the-client-secret-has-32-bytes-too"
        }],
        "session": {"keys": ["QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="]}
    })
}

fn read(document: &Value) -> Result<Settings, Refusals> {
    load(document.to_string().as_bytes(), &|_| None)
}

fn refusal(bearer: &Value, further: &Value) -> String {
    read(&with_partner(bearer, further)).unwrap_err().to_string()
}

#[test]
fn a_provider_where_nobody_signs_in_needs_only_its_issuer_and_its_keys() {
    for (bearer, algorithms) in [
        (json!({"public_keys": [{"pem": RSA_PEM, "key_id": "a"}]}), ["RS256", "PS256", "ES256"].as_slice()),
        (
            json!({"jwks": {"keys": [RSA.jwk(&json!({"kid": "a"})), ED25519.jwk(&json!({}))]}, "algorithms": ["RS256", "EdDSA"]}),
            &["RS256", "EdDSA"],
        ),
        (json!({"secret": SECRET, "algorithms": ["HS256"]}), &["HS256"]),
    ] {
        let settings = read(&with_partner(&bearer, &json!({}))).unwrap();
        let partner = &settings.providers[0].oidc;
        assert!(!partner.signs_in() && !partner.is_asked());
        let accepted = partner.bearer.as_ref().unwrap();
        assert!(matches!(&accepted.keys, BearerKeys::Configured(keys) if !keys.is_empty()), "{bearer}");
        assert_eq!(accepted.algorithms.iter().map(|algorithm| algorithm.as_str()).collect::<Vec<_>>(), algorithms);
        // The other provider is the only one where people sign in, so that it has the short callback and is the default.
        assert_eq!(settings.sign_in_provider(None).map(|provider| provider.callback.as_str()), Some("/api/callback"));
        assert!(settings.sign_in_provider(Some("partner")).is_none());
        assert!(!format!("{settings:?}").contains(SECRET));
    }
    // An issuer that is not asked may be any text.
    let key = json!({"secret": SECRET, "algorithms": ["HS256"]});
    assert!(read(&with_partner(&key, &json!({"issuer": "login-service"}))).is_ok());
    // Without configured keys a provider is asked for its own, even where nobody signs in.
    let asked = json!({"clusters": {"partner.example": "partner"}});
    let settings = read(&with_partner(&json!({}), &asked)).unwrap();
    assert!(settings.providers[0].oidc.is_asked() && !settings.providers[0].oidc.signs_in());
}

#[test]
fn members_that_do_not_fit_together_are_refused_with_a_remedy() {
    let pem = |text: &str| json!({"public_keys": [{"pem": text}]});
    let secret = |secret: &str| json!({"secret": secret, "algorithms": ["HS256"]});
    let none = json!({});
    for (bearer, further, expected) in [
        (json!({}), &none, "providers[0].clusters: expected a cluster for partner.example"),
        (
            pem("nonsense"),
            &none,
            "providers[0].bearer.public_keys[0]: expected a public key that can be used; it is no PEM block",
        ),
        (
            pem(PRIVATE_PEM),
            &none,
            "providers[0].bearer.public_keys[0]: expected a public key that can be used; it is a private key",
        ),
        (json!({"public_keys": []}), &none, "providers[0].bearer.public_keys: expected 1 to 16 keys, found 0"),
        (json!({"jwks": {"keys": []}}), &none, "providers[0].bearer.jwks.keys: expected 1 to 16 keys, found 0"),
        (
            json!({"jwks": {"keys": vec![RSA.jwk(&none); 17]}}),
            &none,
            "providers[0].bearer.jwks.keys: expected 1 to 16 keys, found 17",
        ),
        (
            json!({"jwks": {"keys": [WEAK_RSA.jwk(&none)]}}),
            &none,
            "providers[0].bearer.jwks.keys[0]: expected a public key that can be used; its modulus",
        ),
        (
            json!({"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}),
            &none,
            "providers[0].bearer.jwks.keys[0]: expected a public key that can be used; it holds a private or shared secret",
        ),
        (
            json!({"jwks": {"keys": [ED25519.jwk(&none)]}}),
            &none,
            "providers[0].bearer.jwks.keys[0]: expected a public key that can be used; none of the algorithms is for this one; add EdDSA to providers[0].bearer.algorithms",
        ),
        (json!({"public_keys": [{"pem": RSA_PEM}], "algorithms": ["HS256"]}), &none, "providers[0].bearer.algorithms[0]: "),
        (json!({"secret": SECRET}), &none, "providers[0].bearer.algorithms: expected HS256 alone"),
        (
            json!({"secret": SECRET, "algorithms": ["HS256", "RS256"]}),
            &none,
            "providers[0].bearer.algorithms: expected HS256 alone",
        ),
        (json!({"secret": SECRET, "algorithms": ["RS256"]}), &none, "providers[0].bearer.algorithms: expected HS256 alone"),
        (
            secret("hunter2"),
            &none,
            "providers[0].bearer.secret: expected a secret that cannot be guessed; it is shorter than 32 bytes",
        ),
        (secret(" "), &none, "providers[0].bearer.secret: expected a secret, found an empty text"),
        (
            secret("the-client-secret-has-32-bytes-too"),
            &none,
            "providers[0].bearer.secret: expected a secret for these tokens alone",
        ),
        (
            secret("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="),
            &none,
            "providers[0].bearer.secret: expected a secret for these tokens alone",
        ),
        (
            json!({"secret": SECRET, "algorithms": ["HS256"], "public_keys": [{"pem": RSA_PEM}]}),
            &none,
            "providers[0].bearer: expected one of jwks, public_keys and secret, found several",
        ),
        (secret(SECRET), &json!({"client_secret": "x"}), "providers[0].client_secret: expected none without a client_id"),
        (secret(SECRET), &json!({"scope": "openid"}), "providers[0].scope: expected none without a client_id"),
        (secret(SECRET), &json!({"userinfo": true}), "providers[0].userinfo: expected none without a client_id"),
        (secret(SECRET), &json!({"algorithms": ["RS256"]}), "providers[0].algorithms: expected none without a client_id"),
        (
            secret(SECRET),
            &json!({"token_endpoint_auth_method": "none"}),
            "providers[0].token_endpoint_auth_method: expected none",
        ),
        (secret(SECRET), &json!({"authorization_params": {"a": "b"}}), "providers[0].authorization_params: expected none"),
        (secret(SECRET), &json!({"account_prompt": "login"}), "providers[0].account_prompt: expected none without"),
        (
            secret(SECRET),
            &json!({"clusters": {"partner.example": "p"}}),
            "providers[0].clusters: expected none, because this provider is never asked",
        ),
        (secret(SECRET), &json!({"timeout": "5s"}), "providers[0].timeout: expected none, because this provider is never asked"),
        (secret(SECRET), &json!({"trace_context": true}), "providers[0].trace_context: expected none, because this provider is"),
        (secret(SECRET), &json!({"issuer": ""}), "providers[0].issuer: expected the issuer as it stands in the tokens"),
        (secret(SECRET), &json!({"client_id": " "}), "providers[0].client_id: "),
    ] {
        let found = refusal(&bearer, further);
        assert!(found.starts_with(expected), "expected: {expected}\nfound:    {found}");
        assert_eq!(found.lines().count(), 1, "one mistake, and nothing that follows from it:\n{found}");
        assert!(!found.contains("hunter2"));
    }
    let found = refusal(&json!({"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}, "algorithms": ["HS256"]}), &none);
    let lines: Vec<_> = found.lines().collect();
    assert_eq!(lines.len(), 3, "{found}");
    assert!(lines[0].starts_with("providers[0].bearer.algorithms[0]: "), "{found}");
    assert!(lines[1].starts_with("providers[0].bearer.jwks.keys[0]: "), "{found}");
    let mut document = with_partner(&secret(SECRET), &none);
    document["providers"][0].as_object_mut().unwrap().remove("bearer");
    assert!(read(&document).unwrap_err().to_string().starts_with("providers[0].client_id: expected the client's identifier"));
    // With the same secret, one issuer could sign tokens of the other.
    let mut document = with_partner(&secret(SECRET), &none);
    let mut twin = document["providers"][0].clone();
    (twin["name"], twin["issuer"]) = (json!("twin"), json!("https://twin.example"));
    document["providers"].as_array_mut().unwrap().push(twin);
    let found = read(&document).unwrap_err().to_string();
    assert!(found.starts_with("providers[2].bearer.secret: expected a secret for these tokens alone"), "{found}");
}

#[test]
fn hmac_is_never_for_id_tokens() {
    let mut document = with_partner(&json!({"secret": SECRET, "algorithms": ["HS256"]}), &json!({}));
    document["providers"][1]["algorithms"] = json!(["RS256", "HS256"]);
    assert!(read(&document).unwrap_err().to_string().starts_with("providers[1].algorithms[1]: "));
    document["providers"][1]["algorithms"] = json!(["ES384", "EdDSA", "Ed25519"]);
    let settings = read(&document).unwrap();
    assert_eq!(settings.providers[1].oidc.algorithms, [Algorithm::ES384, Algorithm::EdDSA, Algorithm::Ed25519]);
}

#[test]
fn an_algorithm_that_only_the_host_can_verify_is_refused_on_a_host_that_cannot() {
    let [can, cannot] = [BareHost::always(HostVerdict::Valid), BareHost::none()];
    let mut document = with_partner(&json!({"secret": SECRET, "algorithms": ["HS256"]}), &json!({}));
    assert_eq!(check_host(&read(&document).unwrap(), &cannot), Ok(()));
    document["providers"][1]["bearer"] = json!({"audiences": ["api"], "algorithms": ["ES384"]});
    assert_eq!(check_host(&read(&document).unwrap(), &can), Ok(()));
    assert_eq!(check_host(&read(&document).unwrap(), &cannot).unwrap_err().all()[0].path, "providers[1].bearer.algorithms");
    document["providers"][1]["algorithms"] = json!(["ES384"]);
    assert_eq!(check_host(&read(&document).unwrap(), &cannot).unwrap_err().all()[0].path, "providers[1].algorithms");
}

#[test]
fn a_public_key_is_not_taken_for_a_secret_that_only_the_provider_knows() {
    for pem in [RSA_PEM, PRIVATE_PEM] {
        let found = refusal(&json!({"secret": pem, "algorithms": ["HS256"]}), &json!({}));
        assert!(found.starts_with("providers[0].bearer.secret: expected a secret, found a key in PEM"), "{found}");
    }
}

#[test]
fn what_is_taken_for_granted_of_introspection_is_bounded_by_clients_and_audiences() {
    let load_with = |introspection: Value| {
        let mut document = with_partner(&json!({"secret": SECRET, "algorithms": ["HS256"]}), &json!({}));
        document["providers"][1]["bearer"] = json!({"audiences": ["api", "app"], "introspection": introspection});
        read(&document).map(|settings| settings.providers[1].oidc.bearer.clone().unwrap().introspection.unwrap())
    };
    let asked = load_with(json!({})).unwrap();
    assert_eq!(asked.missing_audience, MissingAudience::Refused);
    assert_eq!((asked.clients, asked.missing_subject), (Clients::All, MissingSubject::Client));
    let asked = load_with(json!({
        "assume": {"audience": "app", "token_type": "Bearer"}, "client_ids": ["a", "b"], "subject": "username"
    }));
    let asked = asked.unwrap();
    assert_eq!(asked.missing_audience, MissingAudience::Assumed(MissingTokenType::Assumed));
    assert_eq!(asked.clients, Clients::Listed(vec!["a".into(), "b".into()]));
    assert_eq!(asked.missing_subject, MissingSubject::Username);
    let asked = load_with(json!({"when": "always", "assume": {"audience": "api"}, "client_ids": ["a"]})).unwrap();
    assert_eq!(asked.missing_audience, MissingAudience::Assumed(MissingTokenType::Refused));
    assert!(load_with(json!({"when": "jwt", "client_ids": ["a"], "subject": "sub"})).is_ok());
    assert!(load_with(json!({"allow_missing_audience": true, "client_ids": ["a"]})).is_ok());
    for (introspection, expected) in [
        (json!({"assume": {"audience": "api"}}), "client_ids: expected the clients whose tokens are for us beside assume"),
        (json!({"assume": {"audience": "other"}, "client_ids": ["a"]}), "assume.audience: expected one of bearer.audiences"),
        (json!({"assume": {"token_type": "Bearer"}, "client_ids": ["a"]}), "assume.audience: expected"),
        (json!({"assume": {}, "client_ids": ["a"]}), "assume.audience: expected"),
        (
            json!({"assume": {"audience": "api", "token_type": "DPoP"}, "client_ids": ["a"]}),
            "assume.token_type: expected `Bearer`",
        ),
        (json!({"assume": {"audience": "api", "sub": "x"}, "client_ids": ["a"]}), "assume"),
        (json!({"assume": {"audience": "api"}, "client_ids": []}), "client_ids: expected the clients whose tokens are accepted"),
        (json!({"client_ids": ["a", ""]}), "client_ids: expected the clients whose tokens are accepted"),
        (
            json!({"assume": {"audience": "api"}, "client_ids": ["a"], "allow_missing_audience": true}),
            "allow_missing_audience: expected false beside assume",
        ),
        (json!({"when": "jwt", "assume": {"audience": "api"}, "client_ids": ["a"]}), "assume: expected none with when: jwt"),
        (json!({"when": "jwt", "subject": "username"}), "subject: expected sub with when: jwt"),
        (json!({"subject": "email"}), "subject: expected `sub` or `username`"),
    ] {
        let found = load_with(introspection).unwrap_err().to_string();
        let expected = format!("providers[1].bearer.introspection.{expected}");
        assert!(found.starts_with(&expected), "expected: {expected}\nfound:    {found}");
        assert_eq!(found.lines().count(), 1, "one mistake, and nothing that follows from it:\n{found}");
    }
}
