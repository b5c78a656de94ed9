use super::*;
use crate::oidc::testing::{ISSUER, endpoint, metadata, provider};

const REQUEST: AuthorizationRequest<'_> = AuthorizationRequest {
    state: "id.random",
    nonce: "n",
    code_challenge: "c",
    redirect_uri: "https://app.example.com/api/callback",
    response_mode: None,
    prompt: None,
    demand: &Demand { acr_values: Vec::new(), max_age: None },
};

fn answer(query: &[(&str, &str)], announced: bool) -> Result<Secret, Failure> {
    let parameters = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let issuer = if announced { IssParameter::Required } else { IssParameter::Optional };
    authorization_response(&parameters, &provider(), issuer).map_err(|refused| refused.failure)
}

#[test]
fn the_request_has_every_parameter_once() {
    assert_eq!(
        authorization_request(&provider(), &metadata(), &REQUEST).unwrap(),
        "https://sso.example.com/realms/main/auth?response_type=code&client_id=app\
         &redirect_uri=https%3A%2F%2Fapp.example.com%2Fapi%2Fcallback&scope=openid+email&state=id.random&nonce=n\
         &code_challenge=c&code_challenge_method=S256"
    );
}

#[test]
fn configured_parameters_are_added_and_cannot_override_ours() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut params: Vec<_> = RESERVED_PARAMETERS.iter().map(|name| pair(name, "evil")).collect();
    params.push(pair("prompt", "select account"));
    let provider = Provider { authorization_params: params, ..provider() };
    let metadata = Metadata { authorization_endpoint: endpoint("https://sso.example.com/auth?tenant=1"), ..metadata() };
    let address = authorization_request(&provider, &metadata, &REQUEST).unwrap();
    assert!(address.starts_with("https://sso.example.com/auth?tenant=1&response_type=code&"), "{address}");
    assert!(address.ends_with("&code_challenge_method=S256&prompt=select+account"), "{address}");
    assert!(!address.contains("evil"));
}

#[test]
fn a_prompt_that_the_person_asked_for_takes_the_place_of_the_configured_one() {
    let params = vec![("prompt".to_owned(), "none".to_owned()), ("ui_locales".to_owned(), "de".to_owned())];
    let provider = Provider { authorization_params: params, ..provider() };
    let asked = AuthorizationRequest { prompt: Some("select_account"), ..REQUEST };
    let address = authorization_request(&provider, &metadata(), &asked).unwrap();
    assert!(address.ends_with("&code_challenge_method=S256&prompt=select_account&ui_locales=de"), "{address}");
}

#[test]
fn the_challenge_is_the_one_of_rfc_7636() {
    // RFC 7636, appendix B.
    assert_eq!(code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

#[test]
fn a_code_is_accepted_only_from_the_issuer_that_was_asked() {
    let issuer = ("iss", ISSUER);
    let code = ("code", "c0de");
    let good = Ok(Secret::new("c0de"));
    let reason = |result: Result<Secret, Failure>| result.unwrap_err().reason;
    assert_eq!(answer(&[code], false), good);
    assert_eq!(answer(&[code, issuer], false), good);
    assert_eq!(answer(&[code, issuer], true), good);
    assert_eq!(reason(answer(&[code], true)), Reason::IssuerMismatch);
    for other in ["https://evil.example", "", "https://sso.example.com/realms/main/", "HTTPS://sso.example.com/realms/main"] {
        for announced in [false, true] {
            assert_eq!(reason(answer(&[code, ("iss", other)], announced)), Reason::IssuerMismatch);
            assert_eq!(reason(answer(&[("error", "access_denied"), ("iss", other)], announced)), Reason::IssuerMismatch);
        }
    }
}

#[test]
fn an_error_wins_over_a_code_and_has_its_reason() {
    for (error, reason) in [
        ("access_denied", Reason::AuthorizationDenied),
        ("server_error", Reason::AuthorizationServerError),
        ("temporarily_unavailable", Reason::AuthorizationServerError),
        ("login_required", Reason::AuthorizationError),
        ("invalid_request", Reason::AuthorizationError),
    ] {
        assert_eq!(answer(&[("error", error), ("code", "c0de")], false).unwrap_err().reason, reason, "{error}");
    }
    // An empty one says nothing.
    assert!(answer(&[("error", ""), ("code", "c0de")], false).is_ok());
    assert_eq!(answer(&[("error", "")], false).unwrap_err().reason, Reason::CodeMissing);
}

#[test]
fn what_a_provider_says_is_made_safe_for_the_log() {
    let code = "SplxlOBeZQQYbYS6WxSbIA7GqzVw";
    let description = format!("bad\r\naccredit audit {{}} code {code} {}", "x ".repeat(500));
    let failure = answer(&[("error", "a\nb"), ("error_description", &description), ("code", code)], false).unwrap_err();
    assert!(failure.detail.starts_with(r#"error "a?b", "bad??accredit audit {} code [left out] x"#), "{}", failure.detail);
    assert!(!failure.detail.contains(code) && failure.detail.len() < 300);
    let failure = answer(&[("iss", "https://evil.example"), ("code", code)], false).unwrap_err();
    assert!(!failure.detail.contains(code));
}

#[test]
fn no_code_is_no_sign_in() {
    for query in [[].as_slice(), &[("code", "")], &[("state", "s")]] {
        assert_eq!(answer(query, false).unwrap_err().reason, Reason::CodeMissing);
    }
}
