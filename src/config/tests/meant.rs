//! Mistyped names, and which known ones a refusal proposes for them.

use super::large::{changed, large};
use super::*;

#[test]
fn a_mistyped_member_is_not_also_refused_as_absent() {
    for (renamed, typo) in [
        ("/origins", "orgins"),
        ("/session", "sesion"),
        ("/session/keys", "key"),
        ("/providers/0/name", "nmae"),
        ("/providers/0/issuer", "issuers"),
        ("/providers/0/clusters", "cluster"),
        ("/providers/0/client_secret", "client_secrets"),
        ("/endpoints/password", "passwort"),
        ("/accounts", "account"),
        ("/accounts/verify", "verfy"),
        ("/accounts/subject", "subjects"),
        ("/policies", "polices"),
        ("/rules/0/require", "requires"),
        ("/forward/identity_jwt", "identity_jws"),
    ] {
        let mut document = large();
        let (parent, name) = renamed.rsplit_once('/').unwrap();
        let members = document.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        let value = members.remove(name).unwrap();
        drop(members.insert(typo.to_owned(), value));
        let refusals = load_json(&document).unwrap_err();
        assert_eq!(refusals.all().len(), 1, "{typo}\n{refusals}");
        assert!(
            refusals.to_string().contains(&format!("found `{typo}` (did you mean `{name}`?); correct its name")),
            "{refusals}"
        );
    }
}

#[test]
fn a_name_that_is_close_is_proposed_and_one_that_is_not_is_not() {
    for (pointer, value, expected) in [
        ("/rulez", json!([]), "found `rulez` (did you mean `rules`?); correct its name or remove it"),
        ("/whatever", json!([]), "found `whatever`; correct its name or remove it"),
        ("/session/cookie/same_site", json!("Lax"), "found `Lax` (did you mean `lax`?); write one of these"),
        ("/session/form", json!("seald"), "found `seald` (did you mean `sealed`?); write one of these"),
        ("/session/form", json!("paper"), "found `paper`; write one of these"),
        ("/rules/0/require", json!("publik"), "found another word (did you mean `public`?); for a named policy"),
        ("/rules/0/require", json!("admins"), "found another word; for a named policy"),
        ("/rules/0/require/policy", json!("editor"), "found editor (did you mean `editors`?); define it"),
        ("/rules/0/require/policy", json!("x"), "found x; define it"),
        ("/rules/3/require/bearer", json!("partnr"), "found partnr (did you mean `partner`?); give it one"),
        ("/policies/members/provider", json!("sos"), "found sos (did you mean `sso`?); name a provider above"),
        ("/policies/members/provider", json!("passwort"), "found passwort (did you mean `password`?); name a provider above"),
        ("/policies/members/provider", json!("corporate"), "found corporate; name a provider above"),
        ("/providers/0/algorithms/0", json!("rs256"), "found another (did you mean `RS256`?); HS256"),
        ("/forward/identity_jwt/algorithm", json!("es256"), "found another (did you mean `ES256`?); write ES256"),
        ("/filter_state/0", json!("subjekt"), "found another word (did you mean `subject`?); write"),
        ("/providers/0/dangerously_assume_verified", json!(["e-mail"]), "found another claim (did you mean `email`?); others"),
    ] {
        let refusals = load_json(&changed(&[(pointer, value)])).unwrap_err();
        assert!(refusals.to_string().contains(expected), "expected: {expected}\nfound:    {refusals}");
    }
}
