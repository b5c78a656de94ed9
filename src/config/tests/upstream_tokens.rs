//! Rules whose application gets a token of its own: what is taken, and what is refused.

use super::*;
use crate::words::upstream_token::{Grant, TokenType, UpstreamToken};

/// A configuration with a provider `sso`, whose tokens are accepted, a public client at `apps`, and `partner`, whose tokens alone are
/// accepted. Its only rule, which asks for a bearer token, has this `forward`.
fn with_forward(forward: &Value) -> Value {
    let mut document = short_example();
    let provider = document["providers"][0].clone();
    document["providers"][0]["name"] = json!("sso");
    document["providers"][0]["bearer"] = json!({"audiences": ["api"]});
    let mut apps = provider;
    apps["name"] = json!("apps");
    apps["issuer"] = json!("https://apps.example.com");
    apps["clusters"] = json!({"apps.example.com": "apps"});
    apps.as_object_mut().unwrap().remove("client_secret");
    apps["token_endpoint_auth_method"] = json!("none");
    let partner = json!({
        "name": "partner", "issuer": "https://partner.example",
        "bearer": {"audiences": ["api"], "algorithms": ["HS256"], "secret": "0123456789abcdef0123456789abcdef"}
    });
    document["providers"].as_array_mut().unwrap().extend([apps, partner]);
    document["rules"] = json!([{"require": {"bearer": "sso"}, "forward": forward}]);
    document
}

fn loaded(document: &Value) -> Result<Option<UpstreamToken>, String> {
    let settings = load_json(document).map_err(|refusals| refusals.to_string())?;
    Ok(settings.rules.all()[0].upstream_token.as_deref().cloned())
}

fn exchange(member: &str, value: Value) -> Value {
    let mut forward = json!({"token_exchange": {"audience": "notes"}});
    forward["token_exchange"][member] = value;
    with_forward(&forward)
}

#[test]
fn a_token_is_asked_for_as_it_is_written() {
    let written = json!({"token_exchange": {
        "resource": "urn:example:notes", "scope": ["notes:read", "b"], "provider": "sso", "requested_token_type": "jwt"
    }});
    let token = UpstreamToken {
        grant: Grant::TokenExchange(TokenType::Jwt),
        provider: Some("sso".into()),
        audience: None,
        resource: Some("urn:example:notes".into()),
        scope: vec!["notes:read".into(), "b".into()],
    };
    assert_eq!(loaded(&with_forward(&written)), Ok(Some(token.clone())));
    let shortest = UpstreamToken {
        grant: Grant::TokenExchange(TokenType::AccessToken),
        provider: None,
        audience: Some("notes".into()),
        resource: None,
        scope: vec![],
    };
    assert_eq!(loaded(&with_forward(&json!({"token_exchange": {"audience": "notes"}}))), Ok(Some(shortest)));
    let of_client = UpstreamToken {
        grant: Grant::ClientCredentials,
        provider: None,
        audience: None,
        resource: None,
        scope: vec!["api://notes/.default".into()],
    };
    let written = json!({"client_credentials": {"scope": ["api://notes/.default"]}});
    assert_eq!(loaded(&with_forward(&written)), Ok(Some(of_client)));
}

#[test]
fn what_is_wrong_with_a_token_is_named_by_its_path_with_a_remedy() {
    let exchanged = "rules[0].forward.token_exchange";
    for (document, place, says) in [
        (with_forward(&json!({})), "rules[0].forward: ", "found none; write token_exchange"),
        (
            with_forward(&json!({"token_exchange": {"audience": "a"}, "client_credentials": {"audience": "a"}})),
            "rules[0].forward: ",
            "found both; keep one",
        ),
        (with_forward(&json!({"token_exchange": {}})), exchanged, ": expected audience or resource"),
        (with_forward(&json!({"token_exchange": {"scope": ["a"]}})), exchanged, ": expected audience or resource"),
        (
            with_forward(&json!({"client_credentials": {}})),
            "rules[0].forward.client_credentials",
            ": expected audience, resource or scope",
        ),
        (exchange("audience", json!(" ")), exchanged, ".audience: expected the provider's name"),
        (exchange("resource", json!("/notes")), exchanged, ".resource: expected an absolute URI"),
        (exchange("resource", json!("https://notes.example.com/#a")), exchanged, ".resource: expected an absolute URI"),
        (exchange("resource", json!("https://notes.example.com/a b")), exchanged, ".resource: expected an absolute URI"),
        (exchange("resource", json!("1a:b")), exchanged, ".resource: expected an absolute URI"),
        (exchange("scope", json!([])), exchanged, ".scope: expected the most"),
        (exchange("scope", json!(["a", "b c"])), exchanged, ".scope[1]: expected one scope"),
        (exchange("scope", json!(["a\""])), exchanged, ".scope[0]: expected one scope"),
        (exchange("scope", json!("a b")), exchanged, ".scope: expected a list"),
        (
            exchange("requested_token_type", json!("id_token")),
            exchanged,
            ".requested_token_type: expected `access_token` or `jwt`",
        ),
        (exchange("provider", json!("ssso")), exchanged, ".provider: expected the name of a provider, found another"),
        (exchange("provider", json!("apps")), exchanged, ".provider: expected a provider where Accredit has a client"),
        (exchange("provider", json!("partner")), exchanged, ".provider: expected a provider where Accredit has a client"),
        (exchange("actor_token", json!("a")), exchanged, ".actor_token: expected one of"),
    ] {
        let refused = loaded(&document).unwrap_err();
        assert!(refused.starts_with(place) && refused.contains(says), "{refused}");
        assert_eq!(refused.lines().count(), 1, "{refused}");
    }
}

/// The same configuration with these members of its rule in place of the usual ones, and these parts.
fn beside(forward: &Value, rule: &Value, parts: &Value) -> Value {
    let mut document = with_forward(forward);
    document["rules"][0].as_object_mut().unwrap().extend(rule.as_object().unwrap().clone());
    document.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    document
}

#[test]
fn no_rule_gives_a_token_to_strangers_or_one_for_a_token_that_nobody_has() {
    let exchange = |provider: Option<&str>| match provider {
        Some(provider) => json!({"token_exchange": {"audience": "notes", "provider": provider}}),
        None => json!({"token_exchange": {"audience": "notes"}}),
    };
    let of_client = json!({"client_credentials": {"audience": "notes"}});
    let (keeping, nothing) = (json!({"forward": {"access_token": true}}), json!({}));
    for (forward, rule, parts, says) in [
        (exchange(None), json!({"require": "public"}), &nothing, "found a public one"),
        (of_client.clone(), json!({"require": "public"}), &keeping, "found a public one"),
        // A session could come under these rules.
        (exchange(Some("sso")), json!({"require": "authenticated"}), &nothing, "expected sessions that keep the token"),
        (
            exchange(Some("sso")),
            json!({"require": "authenticated", "credentials": "session"}),
            &nothing,
            "expected sessions that keep",
        ),
        // Their own provider may be one without a client.
        (exchange(None), json!({"require": "authenticated"}), &keeping, "found apps, where it has none"),
        (
            exchange(None),
            json!({"require": "authenticated", "credentials": "bearer"}),
            &nothing,
            "found partner, where it has none",
        ),
        (of_client.clone(), json!({"require": {"provider": "apps"}}), &nothing, "found apps, where it has none"),
    ] {
        let refused = loaded(&beside(&forward, &rule, parts)).unwrap_err();
        assert!(refused.starts_with("rules[0].forward") && refused.contains(says), "{forward} {rule}: {refused}");
    }
    for (forward, rule, parts) in [
        (exchange(Some("sso")), json!({"require": "authenticated"}), &keeping),
        (exchange(None), json!({"require": {"provider": "sso"}}), &keeping),
        (exchange(None), json!({"require": {"provider": "sso"}, "credentials": "bearer"}), &nothing),
        (exchange(Some("sso")), json!({"require": "authenticated", "credentials": "bearer"}), &nothing),
        (of_client.clone(), json!({"require": {"provider": "sso"}}), &nothing),
    ] {
        assert!(loaded(&beside(&forward, &rule, parts)).is_ok_and(|token| token.is_some()), "{forward} {rule}");
    }
}

/// A provider `sso`, where people sign in, and `exchange`, where a rule gets tokens by a client by which nobody does, with these members.
fn with_client_alone(members: &Value) -> Value {
    let mut document = short_example();
    document["providers"][0]["bearer"] = json!({"audiences": ["api"]});
    let mut client = document["providers"][0].clone();
    client.as_object_mut().unwrap().remove("bearer");
    client["name"] = json!("exchange");
    client["sign_in"] = json!(false);
    for (member, value) in members.as_object().unwrap() {
        match value {
            Value::Null => drop(client.as_object_mut().unwrap().remove(member)),
            value => client[member] = value.clone(),
        }
    }
    document["providers"].as_array_mut().unwrap().push(client);
    let forward = json!({"token_exchange": {"audience": "notes", "provider": "exchange"}});
    document["rules"] = json!([{"require": {"bearer": "sso"}, "forward": forward}]);
    document
}

#[test]
fn a_client_by_which_nobody_signs_in_gets_tokens_and_is_no_provider_to_sign_in_at() {
    // Where people come from one provider alone, a condition need not say whose claims it means.
    let mut document = with_client_alone(&json!({}));
    document["rules"][0]["match"] = json!({"path_separated_prefix": "/notes"});
    document["rules"].as_array_mut().unwrap().push(json!({"require": {"claim": "groups", "any_of": ["staff"]}}));
    let settings = load_json(&document).unwrap();
    let exchange = &settings.providers[1];
    assert!(exchange.oidc.has_client() && !exchange.oidc.signs_in() && exchange.oidc.is_asked());
    assert_eq!((settings.providers[0].callback.as_str(), settings.several_claimants), ("/api/callback", false));
    assert!(settings.sign_in_provider(Some("exchange")).is_none());
    assert!(settings.sign_in_provider(None).is_some_and(|provider| provider.oidc.name == "sso"));
}

#[test]
fn a_client_by_which_nobody_signs_in_has_nothing_of_sign_in_and_is_of_use() {
    for (document, says) in [
        (with_client_alone(&json!({"scope": "openid"})), "providers[1].scope: expected none where sign_in is false"),
        (with_client_alone(&json!({"userinfo": true})), "providers[1].userinfo: expected none where sign_in is false"),
        (
            with_client_alone(&json!({"redirect_uri": "https://app.example.com/x"})),
            "providers[1].redirect_uri: expected none where sign_in is false",
        ),
        (
            with_client_alone(&json!({"client_secret": null, "token_endpoint_auth_method": "none"})),
            "providers[1].token_endpoint_auth_method: expected a client that authenticates",
        ),
        (
            with_client_alone(
                &json!({"client_id": null, "client_secret": null, "bearer": {"audiences": ["api"]}, "issuer": "https://b.example", "clusters": {"b.example": "b"}}),
            ),
            "providers[1].sign_in: expected none without a client_id",
        ),
        (
            changed(&with_client_alone(&json!({})), "/rules/0", json!({"require": {"bearer": "sso"}})),
            "providers[1].sign_in: expected a rule that gets tokens by this client, found none",
        ),
        (
            changed(&with_client_alone(&json!({})), "/rules/0/require", json!({"provider": "exchange"})),
            "rules[0].require.provider: expected one of sso, found exchange",
        ),
    ] {
        let refused = load_json(&document).err().map(|refusals| refusals.to_string()).unwrap_or_default();
        assert!(refused.starts_with(says), "{says}: {refused}");
    }
}

/// The document with another value at the place to which a JSON pointer leads.
fn changed(document: &Value, pointer: &str, value: Value) -> Value {
    let mut document = document.clone();
    *document.pointer_mut(pointer).unwrap() = value;
    document
}

#[test]
fn the_clients_own_token_and_another_are_not_forwarded_under_one_rule() {
    let mut document = with_forward(&json!({"token_exchange": {"audience": "notes"}}));
    document["providers"][0]["bearer"]["forward"] = json!(true);
    let refused = loaded(&document).unwrap_err();
    assert!(refused.starts_with("rules[0].forward: ") && refused.contains("beside that of provider sso"), "{refused}");
    // Where tokens do not count, they are not taken away, and not forwarded beside another either.
    document["rules"][0] = json!({
        "require": {"provider": "sso"}, "credentials": "session", "forward": {"token_exchange": {"audience": "notes"}}
    });
    document["forward"] = json!({"access_token": true});
    assert!(loaded(&document).is_ok());
}
