//! One configuration for several environments: texts from environment variables, and one cluster for whatever issuer there is.

use super::*;

/// The variables of one environment, staging.
fn of_staging(name: &str) -> Option<String> {
    let text = match name {
        "ORIGIN" => "https://staging.example.com",
        "ISSUER" => "https://SSO.staging.example.com:8443/realms/main\n",
        "CLIENT_ID" => " staging ",
        "IDLE" => "20m",
        "ADMINS" => "staging-admins",
        "EMPTY" => " \n",
        "HEX" => "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "MIXED" => "Hunter2-Hunter2",
        "SMALL" => "abcdefghijklmnopqrstuvwxyz",
        _ => return environment(name),
    };
    Some(text.to_owned())
}

fn variable(name: &str) -> Value {
    json!({"environment_variable": name})
}

fn load_staging(document: &Value) -> Result<Settings, Refusals> {
    load(document.to_string().as_bytes(), &of_staging)
}

fn refused(document: &Value) -> String {
    load_staging(document).unwrap_err().to_string()
}

#[test]
fn any_text_may_stand_in_an_environment_variable() {
    let mut document = with("/origins", json!([variable("ORIGIN")]));
    document["providers"][0]["issuer"] = variable("ISSUER");
    document["providers"][0]["client_id"] = variable("CLIENT_ID");
    document["providers"][0]["clusters"] = json!({"sso.staging.example.com": "sso"});
    document["session"]["idle"] = variable("IDLE");
    document["rules"][0]["require"] = json!({"claim": "groups", "any_of": [variable("ADMINS")]});
    let mut written = document.clone();
    written["origins"] = json!(["https://staging.example.com"]);
    written["providers"][0]["issuer"] = json!("https://SSO.staging.example.com:8443/realms/main");
    written["providers"][0]["client_id"] = json!("staging");
    let (filled_in, written) = (load_staging(&document).unwrap(), load_staging(&written).unwrap());
    assert_eq!(filled_in.origins, written.origins);
    assert_eq!(filled_in.providers[0].oidc, written.providers[0].oidc);
    assert_eq!(filled_in.session.lifetimes.idle.as_secs(), 1_200);
    assert!(format!("{:?}", filled_in.rules).contains("any_of: [String(\"staging-admins\")]"));
}

#[test]
fn a_variable_that_is_not_there_or_empty_is_refused_with_its_place() {
    for name in ["NOT_SET", "EMPTY"] {
        assert_eq!(
            refused(&with("/origins", json!(["https://app.example.com", variable(name)]))),
            format!(
                "origins[1]: expected an environment variable, found none; set {name} for Envoy, and list it in vm_config.environment_variables.host_env_keys"
            ),
        );
    }
}

#[test]
fn a_variable_stands_for_a_text_and_for_nothing_else() {
    assert_eq!(
        refused(&with("/providers/0/userinfo", variable("ORIGIN"))),
        "providers[0].userinfo: expected true or false, found a text; write it without quotes"
    );
    assert_eq!(refused(&with("/rules", variable("ORIGIN"))), "rules: expected a list, found a text; write [VALUE, …]");
    assert!(
        refused(&with("/origins", json!([{"environment_variable": "ORIGIN", "default": "x"}])))
            .starts_with("origins[0]: expected a text, found an object")
    );
    assert!(
        refused(&with("/origins", json!([{"environment_variable": 5}])))
            .starts_with("origins[0]: expected a text, found an object")
    );
}

#[test]
fn the_value_of_a_variable_is_never_searched_for_variables() {
    let inside = |name: &str| {
        (name == "ORIGIN").then(|| r#"{"environment_variable": "ACCREDIT_KEY"}"#.to_owned()).or_else(|| environment(name))
    };
    let document = with("/origins", json!([variable("ORIGIN")]));
    assert!(load(document.to_string().as_bytes(), &inside).is_err());
}

/// Every place where a text stands, as a JSON pointer.
fn texts(value: &Value, pointer: &str) -> Vec<String> {
    match value {
        Value::String(_) => vec![pointer.to_owned()],
        Value::Array(members) => {
            members.iter().enumerate().flat_map(|(index, member)| texts(member, &format!("{pointer}/{index}"))).collect()
        }
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, member)| texts(member, &format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))))
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn a_secret_in_the_place_of_any_other_text_is_never_shown() {
    let mut document = with("/rules/1/require", json!({"policy": "staff"}));
    document["policies"] = json!({"staff": {"claim": "groups", "any_of": ["staff"]}});
    document["rules"][2] = json!({"match": {"methods": ["GET"], "host": "app.example.com", "path": "/p"}, "require": {"provider": "sso"}, "credentials": "any"});
    document["providers"][0]["bearer"] = json!({"audiences": ["api"], "type": "at+jwt", "algorithms": ["RS256"]});
    document["providers"][0]["algorithms"] = json!(["RS256"]);
    document["providers"][0]["authorization_params"] = json!({"prompt": "select_account"});
    document["claim_to_headers"] = json!([{"claim_name": "sub", "header_name": "x-sub"}]);
    document["session"]["cookie"] = json!({"name": "__Host-x", "same_site": "lax"});
    document["session"]["lifetime"] = json!("8h");
    document["logout"] = json!({"post_logout_redirect_uri": "/"});
    document["site"] = json!({"name": "Example", "accent": "#2456c8", "help": {"url": "https://help.example.com/"}});
    document["texts"] = json!({"fr": {"signed_in_as": "{name}"}});
    document["filter_state"] = json!(["subject"]);
    document["route_policies"] = json!({"filter_metadata": "accredit"});
    document["trusted_origins"] = json!(["https://front.example.org"]);
    load_staging(&document).unwrap();
    let all = texts(&document, "");
    assert!(all.len() > 35, "{all:?}");
    for secret in ["SMALL", "HEX", "MIXED", "ACCREDIT_KEY", "OIDC_CLIENT_SECRET"] {
        let mut refused = 0;
        for pointer in &all {
            let mut wrong = document.clone();
            *wrong.pointer_mut(pointer).unwrap() = variable(secret);
            if let Err(refusal) = load_staging(&wrong) {
                refused += 1;
                let shown = refusal.to_string();
                assert!(!shown.contains(&of_staging(secret).unwrap()), "{pointer}: {shown}");
            }
        }
        assert!(refused > 15, "{secret}: {refused}");
    }
}

#[test]
fn a_word_that_was_mistyped_in_the_file_is_shown() {
    assert!(refused(&with("/session/form", json!("seald"))).contains("found `seald`"));
}

#[test]
fn one_cluster_reaches_the_host_of_the_issuer_and_no_other() {
    let mut document = with("/providers/0/clusters", json!("sso"));
    let reached = |document: &Value, url: &str| {
        let settings = load_staging(document).unwrap();
        settings.providers[0].oidc.clusters.reaching(&crate::http::url::Url::parse(url).unwrap()).map(str::to_owned)
    };
    for (url, cluster) in [
        ("https://sso.example.com/token", Some("sso")),
        ("https://sso.example.com:443/token", Some("sso")),
        ("https://SSO.example.com/token", Some("sso")),
        ("https://sso.example.com:8443/token", None),
        ("http://sso.example.com/token", None),
        ("https://sso.example.com.evil.example/token", None),
        ("https://example.com/token", None),
    ] {
        assert_eq!(reached(&document, url).as_deref(), cluster, "{url}");
    }
    document["providers"][0]["issuer"] = variable("ISSUER");
    for (url, cluster) in [
        ("https://sso.staging.example.com:8443/token", Some("sso")),
        ("https://sso.staging.example.com/token", None),
        ("https://sso.example.com/token", None),
    ] {
        assert_eq!(reached(&document, url).as_deref(), cluster, "{url}");
    }
}

#[test]
fn one_cluster_does_not_reach_endpoints_on_other_hosts() {
    let mut document = with("/providers/0/clusters", json!("sso"));
    document["providers"][0].as_object_mut().unwrap().remove("issuer");
    document["providers"][0]["metadata"] = json!({
        "issuer": "https://sso.example.com",
        "authorization_endpoint": "https://login.example.com/authorize",
        "token_endpoint": "https://sso.example.com/token",
        "jwks_uri": "https://keys.example.com/jwks",
    });
    assert!(refused(&document).starts_with("providers[0].metadata: expected endpoints that can be used, found one that cannot"));
    document["providers"][0]["metadata"]["jwks_uri"] = json!("https://sso.example.com/jwks");
    load_staging(&document).unwrap();
}

#[test]
fn a_cluster_without_a_name_and_another_shape_are_refused() {
    assert!(
        refused(&with("/providers/0/clusters", json!("")))
            .starts_with("providers[0].clusters.sso.example.com:443: expected host or host:port")
    );
    assert_eq!(
        refused(&with("/providers/0/clusters", json!(["sso"]))),
        "providers[0].clusters: expected the name of an Envoy cluster, or one for each host, found a list; write clusters: {sso.example.com: sso}"
    );
}
