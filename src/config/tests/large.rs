//! A configuration in which nearly every part is written, to be changed by other tests.

use super::*;

const SIGNING: &str = "a secret that services share, of 32 bytes at least";

/// A configuration in which nearly every part is written.
pub(super) fn large() -> Value {
    json!({
        "origins": ["https://app.example.com", "https://admin.example.com"],
        "trusted_origins": ["https://front.example.org"],
        "providers": [
            {
                "name": "sso",
                "issuer": "https://sso.example.com/realms/main",
                "clusters": {"sso.example.com": "sso"},
                "client_id": "app",
                "client_secret": {"environment_variable": "OIDC_CLIENT_SECRET"},
                "scope": "openid email",
                "algorithms": ["RS256"],
                "timeout": "3s"
            },
            {
                "name": "partner",
                "issuer": "https://partner.example",
                "clusters": "partner",
                "bearer": {"audiences": ["api"], "algorithms": ["RS256", "ES256"]}
            }
        ],
        "session": {
            "keys": [{"environment_variable": "ACCREDIT_KEY"}],
            "cookie": {"name": "__Host-app", "same_site": "none"},
            "lifetime": "8h",
            "idle": "30m",
            "claims": ["name"]
        },
        "endpoints": {"login": "/api/login", "callback": "/api/callback", "password": "/api/password", "popup": "/api/popup"},
        "popup": {"origin": "https://front.example.org", "url_member": "url"},
        "logout": {"post_logout_redirect_uri": "/goodbye"},
        "sign_in": {"timeout": "10m", "wait": "5s"},
        "forward": {"access_token": true, "identity_jwt": {"keys": [SIGNING], "claims": ["email"]}},
        "site": {"name": "Example", "logo": "data:image/png;base64,iVBORw0KGgo=", "accent": {"light": "#0b6b45", "dark": "#5fd6a0"}},
        "help": {"url": "mailto:desk@example.com"},
        "texts": {"fr": {"sign_out_heading": "Partir ?"}},
        "filter_state": ["subject", "rule"],
        "audit": {"host": "hash", "address": "none"},
        "rules": [
            {"match": {"host": "admin.example.com"}, "require": {"policy": "editors"}},
            {"match": {"path": "/goodbye"}, "require": "public"},
            {"match": {"path": "/reports/*.csv", "methods": ["GET"]}, "require": {"policy": "members"}, "audience": "reports"},
            {"match": {"path_separated_prefix": "/api/hooks"}, "require": {"bearer": "partner"}, "credentials": "bearer"},
            {"require": "authenticated"}
        ],
        "policies": {
            "members": {"provider": "sso", "claim": "groups", "any_of": ["members"]},
            "editors": {"provider": "sso", "all": [{"policy": "members"}, {"claim": ["realm_access", "roles"], "any_of": ["editor"]}]},
            "owners": {"provider": "sso", "claim": "roles", "has_key": ["owner"], "within": ["17"]},
            "teams": {"provider": "sso", "claim": "teams", "any_of": ["red"], "split": "; "}
        },
        "route_policies": {"filter_metadata": "accredit"},
        "claim_to_headers": [
            {"claim_name": "sub", "header_name": "x-forwarded-user"},
            {"claim_name": "email", "header_name": "x-team-email"},
            {"claim_name": "teams", "header_name": "x-team-names", "split": "; "}
        ],
        "request_headers_to_remove": ["x-user-id"],
        "accounts": {
            "cluster": "users",
            "subject": "id",
            "claims": {"role": "profile.role"},
            "verify": {"path": "/verify", "body": {"name": "{account}", "password": "{password}"}},
            "find": {"path": "/users/{claims.sub}"}
        },
        "password": {"fields": {"account": "email"}, "refusal": {"message": "no"}, "throttle": {"account": {"failures": 3}}}
    })
}

/// Sets the value at the place to which a JSON pointer leads.
fn put(document: &mut Value, pointer: &str, value: &Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}")) {
        Value::Object(members) => drop(members.insert(name.into(), value.clone())),
        Value::Array(members) => members[name.parse::<usize>().unwrap()] = value.clone(),
        other => panic!("{pointer}: {other}"),
    }
}

/// The large configuration with these values at these places, given as JSON pointers.
pub(super) fn changed(changes: &[(&str, Value)]) -> Value {
    let mut document = large();
    changes.iter().for_each(|(pointer, value)| put(&mut document, pointer, value));
    document
}

/// The paths of all refusals, in their order.
pub(super) fn places(document: &Value) -> Vec<String> {
    let refusals = load_json(document).err();
    refusals.map(|refusals| refusals.all().iter().map(|refusal| refusal.path.clone()).collect()).unwrap_or_default()
}
