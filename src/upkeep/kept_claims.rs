//! Which claims a session keeps, of all that a provider or the user service states about a person, and what of their lists.
//! Nothing is verified here: the claims were verified before.

use serde_json::Value;

use crate::config::settings::Settings;
use crate::words::principal::{CLAIM_NAMES, ClaimPath, Claims};

/// The claims that the configuration names, and always `sub`. With `session.groups: matching`, lists have only the members that
/// conditions name.
pub fn kept_claims(settings: &Settings, claims: &Claims) -> Claims {
    let mut kept = Claims::new();
    for path in &settings.kept_claims {
        path.copy(claims, &mut kept);
    }
    settings.kept_members.shorten(&mut kept);
    // A provider that leaves a claim out because it is too large says so (distributed claims, OpenID Connect Core, section 5.6.2;
    // Entra ID's `hasgroups`). That is kept, so that a refusal can be explained.
    let left_out = claims.get("_claim_names").and_then(Value::as_object);
    let mut missing = Claims::new();
    missing.extend(left_out.into_iter().flatten().filter(|(name, _)| is_kept(settings, name)).map(name_only));
    if claims.get("hasgroups") == Some(&Value::Bool(true)) && is_kept(settings, "groups") {
        missing.insert("groups".to_owned(), Value::Null);
    }
    if !missing.is_empty() {
        kept.insert(CLAIM_NAMES.to_owned(), Value::Object(missing));
    }
    kept
}

fn is_kept(settings: &Settings, name: &str) -> bool {
    settings.kept_claims.contains(&ClaimPath::named(name))
}

fn name_only((name, _): (&String, &Value)) -> (String, Value) {
    (name.clone(), Value::Null)
}
