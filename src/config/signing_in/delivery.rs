//! The members `answer` and `cookie` of `password` and `popup`: how the page that asked for a session gets it. How somebody
//! signed in is not known here.

use serde_json::{Value, json};

use crate::accounts::template::{Gap, Template};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::settings::Delivery;

/// What is known of sessions as JWTs.
#[derive(Clone, Copy)]
pub(crate) struct Tokens {
    /// Whether `session.jwt` is written.
    pub(crate) jwt: Checked<bool>,
    /// Whether such sessions are accepted as bearer tokens.
    pub(crate) bearer: Checked<bool>,
}

/// Reads an object with gaps. `offered` says which gaps can be filled in it.
pub(crate) fn template(path: &str, value: &Value, offered: fn(&Gap) -> bool, refusals: &mut Refusals) -> Checked<Template> {
    if !value.is_object() {
        return Err(refusals.refuse(path, "expected an object, found something else; write {NAME: VALUE}"));
    }
    Template::parse(value, offered).map_err(|(below, what)| refusals.refuse(format!("{path}{below}"), what))
}

/// Checks both members below `path`. `offered` says which gaps can be filled in the answer.
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
