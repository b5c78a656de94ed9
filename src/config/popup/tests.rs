use serde_json::{Value, json};

use crate::config::load;
use crate::words::url::Origin;

const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
const SECRET: &str = "a secret that services share, of 32 bytes at least";

/// A document with these top-level members.
fn with(members: Value) -> Value {
    let mut document = json!({
        "origins": ["https://app.example.com"],
        "trusted_origins": ["https://front.example.org"],
        "providers": [{"name": "sso", "issuer": "https://sso.example.com", "clusters": {"sso.example.com": "sso"}, "client_id": "app",
            "client_secret": "a client secret that is long enough for any purpose"}],
        "session": {"keys": [KEY]},
        "endpoints": {"popup": "/api/popup"}
    });
    let Value::Object(members) = members else { panic!("{members}") };
    document.as_object_mut().unwrap().extend(members);
    document
}
