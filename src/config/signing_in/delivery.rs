//! How a session is told to a page, at the password endpoint or after a popup: in an answer, in a cookie, or both.

use serde_json::{Value, json};

use crate::accounts::template::{Gap, Template};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::settings::Delivery;

/// Whether sessions are tokens that others read.
#[derive(Clone, Copy)]
pub(crate) struct Tokens {
    /// Whether `session.jwt` is written.
    pub(crate) jwt: Checked<bool>,
    /// Whether they are accepted as bearer tokens.
    pub(crate) bearer: Checked<bool>,
}

/// JSON with gaps, an object.
pub(crate) fn template(path: &str, value: &Value, offered: fn(&Gap) -> bool, refusals: &mut Refusals) -> Checked<Template> {
    if !value.is_object() {
        return Err(refusals.refuse(path, "expected an object, found something else; write {NAME: VALUE}"));
    }
    Template::parse(value, offered).map_err(|(below, what)| refusals.refuse(format!("{path}{below}"), what))
}

/// How a session is told to a page: by this answer, with a cookie or not.
pub(crate) fn delivery(
    path: &str,
    answer: Checked<Option<Value>>,
    cookie: Checked<Option<bool>>,
    tokens: Tokens,
    offered: fn(&Gap) -> bool,
    refusals: &mut Refusals,
) -> Checked<Delivery> {
    let at = format!("{path}.answer");
    let answer = match answer? {
        Some(answer) => answer,
        None if tokens.jwt? && tokens.bearer? && cookie? != Some(true) => {
            json!({"access_token": "{token}", "token_type": "Bearer", "expires_in": "{expires_in}"})
        }
        None => json!({"authenticated": true}),
    };
    let answer = template(&at, &answer, offered, refusals)?;
    let told = answer.has(&|gap| *gap == Gap::Token);
    if told && tokens.jwt == Ok(false) {
        let sentence =
            "expected no {token}, because a sealed session is none that others read, found one; write session.form: jwt";
        return Err(refusals.refuse(at, sentence));
    }
    let cookie = cookie?.unwrap_or(!told);
    if !told && !cookie {
        let sentence = "expected true, or {token} in the answer, found neither; nobody would get the session";
        return Err(refusals.refuse(format!("{path}.cookie"), sentence));
    }
    Ok(Delivery { answer, cookie })
}
