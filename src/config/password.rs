//! The endpoint for name and password as written → how they are read, and what is answered. How a session is told to a page holds
//! for the popup, too.

use serde_json::{Value, json};

use crate::accounts;
use crate::accounts::template::{Filling, Gap, Template};
use crate::config::Refusal;
use crate::config::accounts::template;
use crate::config::place::shape;
use crate::config::settings::{Delivery, PASSWORD, Password};
use crate::config::throttle::{ThrottleShape, throttle};
use crate::oidc::provider::Provider;
use crate::session::content::Fingerprint;
use crate::session::jwt::JwtSettings;

shape! {
    #[derive(Debug, Default)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct PasswordShape {
        pub fields: Fields = default,
        pub answer: Option<Value>,
        pub refusal: Option<Value>,
        pub cookie: Option<bool>,
        pub throttle: Option<ThrottleShape>,
    }
}

shape! {
    #[derive(Debug, Default)]
    #[allow(missing_docs, reason = "see the configuration reference")]
    pub struct Fields {
        pub account: Option<String>,
        pub password: Option<String>,
    }
}

/// The endpoint, if there is one. What its sessions are bound to is not known yet.
pub(super) fn password(
    shape: Option<PasswordShape>,
    endpoint: Option<&str>,
    accounts: Option<&accounts::Settings>,
    providers: &[Provider],
    jwt: Option<&JwtSettings>,
) -> Result<Option<Password>, Refusal> {
    let Some(shape) = wanted(shape, endpoint, accounts, providers)? else { return Ok(None) };
    let account = shape.fields.account.unwrap_or_else(|| "username".to_owned());
    let password = shape.fields.password.unwrap_or_else(|| "password".to_owned());
    if account.is_empty() || password.is_empty() || account == password {
        return Err(Refusal::new("password.fields", "expected two different names, found others; write account: email"));
    }
    let refusal = shape.refusal.as_ref().map(|refusal| template("password.refusal", refusal, |_| false)).transpose()?;
    Ok(Some(Password {
        account,
        password,
        delivery: delivery("password", shape.answer.as_ref(), shape.cookie, jwt, |gap| {
            matches!(gap, Gap::Token | Gap::ExpiresIn | Gap::User(_))
        })?,
        refusal: refusal.map(|refusal| refusal.json(&Filling::default()).to_string()),
        throttle: throttle(shape.throttle)?,
        fingerprint: Fingerprint::default(),
    }))
}

/// How a session is told to a page: in what it is answered, in a cookie, or both.
pub(super) fn delivery(
    path: &str,
    answer: Option<&Value>,
    cookie: Option<bool>,
    jwt: Option<&JwtSettings>,
    offered: fn(&Gap) -> bool,
) -> Result<Delivery, Refusal> {
    let usual = match jwt {
        Some(jwt) if jwt.bearer && cookie != Some(true) => {
            json!({"access_token": "{token}", "token_type": "Bearer", "expires_in": "{expires_in}"})
        }
        Some(_) | None => json!({"authenticated": true}),
    };
    let at = format!("{path}.answer");
    let answer = template(&at, answer.unwrap_or(&usual), offered)?;
    let told = has_token(&answer);
    if told && jwt.is_none() {
        return Err(Refusal::new(
            at,
            "expected no {token}, because a sealed session is none that others read, found one; write session.form: jwt",
        ));
    }
    let cookie = cookie.unwrap_or(!told);
    if !told && !cookie {
        let sentence = "expected true, or {token} in the answer, found neither; nobody would get the session";
        return Err(Refusal::new(format!("{path}.cookie"), sentence));
    }
    Ok(Delivery { answer, cookie })
}

fn has_token(answer: &Template) -> bool {
    answer.has(&|gap| *gap == Gap::Token)
}

/// Whether name and password are taken: all that this needs must be there, or none of it.
fn wanted(
    shape: Option<PasswordShape>,
    endpoint: Option<&str>,
    accounts: Option<&accounts::Settings>,
    providers: &[Provider],
) -> Result<Option<PasswordShape>, Refusal> {
    let refused = |path: &str, sentence: &str| Err(Refusal::new(path, sentence));
    let verifies = accounts.is_some_and(|accounts| accounts.verify.is_some());
    if endpoint.is_none() {
        return match shape {
            Some(_) => refused("password", "expected endpoints.password beside it, found none; write /api/auth/login"),
            None if verifies => refused("accounts.verify", "expected endpoints.password, found none; write one, or remove this"),
            None => Ok(None),
        };
    }
    if !verifies {
        return refused(
            "accounts.verify",
            "expected what checks name and password, because endpoints.password is there, found nothing; write cluster, path and body",
        );
    }
    if let Some(index) = providers.iter().position(|provider| provider.name == PASSWORD) {
        return refused(
            &format!("providers[{index}].name"),
            "expected another name than password, which sessions by password have, found it; rename the provider",
        );
    }
    Ok(Some(shape.unwrap_or_default()))
}
