//! The part `password`: how the endpoint for name and password reads them, and what it answers. How they are checked, `accounts`
//! says.

use serde_json::Value;

use crate::accounts::template::{Filling, Gap};
use crate::config::providers::Providers;
use crate::config::reading::place::shape;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::settings::{PASSWORD, Password};
use crate::config::signing_in::accounts::Accounts;
use crate::config::signing_in::delivery::{Tokens, delivery, template};
use crate::config::signing_in::throttle::{ThrottleShape, throttle};
use crate::session::content::Fingerprint;

shape! {
    pub(crate) struct PasswordShape {
        /// the names of the two JSON members or form fields
        fields: Fields = empty,
        /// the body of the 200: JSON with the gaps `{token}`, `{expires_in}` and `{user.NAME}`. `{token}` needs `session.form: jwt`
        /// Default: `{"access_token": "{token}", "token_type": "Bearer", "expires_in": "{expires_in}"}` with `session.jwt.bearer` and without `cookie: true`, else `{"authenticated": true}`
        answer: Option<Value>,
        /// the body of the 401: JSON without gaps
        /// Default: a problem document
        refusal: Option<Value>,
        /// whether the session is also set as a cookie
        /// Default: true unless the answer has `{token}`
        cookie: Option<bool>,
        /// how often a password may be wrong: [limits](#throttle)
        throttle: ThrottleShape = empty,
    }
}

shape! {
    struct Fields {
        /// the name of the JSON member or form field with the person's name
        /// Default: `username`
        account: Option<String> where named("text"),
        /// the name of the one with the password
        /// Default: `password`
        password: Option<String> where named("text"),
    }
}

impl PasswordShape {
    /// The part where it is not written, and only its endpoint is.
    const UNWRITTEN: Self = Self {
        fields: Ok(Fields { account: Ok(None), password: Ok(None) }),
        answer: Ok(None),
        refusal: Ok(None),
        cookie: Ok(None),
        throttle: Ok(ThrottleShape::UNWRITTEN),
    };
}

/// What sign-in by password depends on beside its own part.
pub(crate) struct Context<'a> {
    /// Whether `endpoints.password` is written.
    pub(crate) endpoint: Checked<bool>,
    pub(crate) accounts: &'a Accounts,
    pub(crate) providers: &'a Providers,
    pub(crate) tokens: Tokens,
}

/// Checks sign-in by password, if its endpoint is written. The fingerprint is filled in later, when everything is known that its
/// sessions depend on.
pub(crate) fn password(
    shape: Checked<Option<PasswordShape>>,
    context: &Context<'_>,
    refusals: &mut Refusals,
) -> Checked<Option<Password>> {
    let wanted = wanted(&shape, context, refusals);
    let shape = match (shape?, context.endpoint) {
        (None, Ok(false)) => return wanted.map(|_| None),
        (shape, _) => shape.unwrap_or(PasswordShape::UNWRITTEN),
    };
    let fields = shape.fields.and_then(|fields| fields_of(fields, refusals));
    let refusal = shape
        .refusal
        .and_then(|refusal| refusal.map(|refusal| template("password.refusal", &refusal, |_| false, refusals)).transpose());
    let offered: fn(&Gap) -> bool = |gap| matches!(gap, Gap::Token | Gap::ExpiresIn | Gap::User(_));
    let delivery = delivery("password", shape.answer, shape.cookie, context.tokens, offered, refusals);
    let throttle = shape.throttle.and_then(|shape| throttle(shape, refusals));
    wanted?;
    let (account, password) = fields?;
    Ok(Some(Password {
        account,
        password,
        delivery: delivery?,
        refusal: refusal?.map(|refusal| refusal.json(&Filling::default()).to_string()),
        throttle: throttle?,
        fingerprint: Fingerprint::default(),
    }))
}

fn fields_of(fields: Fields, refusals: &mut Refusals) -> Checked<(String, String)> {
    let account = fields.account?.unwrap_or_else(|| "username".to_owned());
    let password = fields.password?.unwrap_or_else(|| "password".to_owned());
    if account.is_empty() || password.is_empty() || account == password {
        let sentence = "expected two different names, found others; write account: email";
        return Err(refusals.refuse("password.fields", sentence));
    }
    Ok((account, password))
}

/// Refuses a part of what sign-in by password needs (`endpoints.password`, `password`, `accounts.verify`) where the rest is
/// missing.
fn wanted(shape: &Checked<Option<PasswordShape>>, context: &Context<'_>, refusals: &mut Refusals) -> Checked<()> {
    let is_written = shape.as_ref().map(Option::is_some).map_err(|refused| *refused);
    if !context.endpoint? {
        let (path, sentence) = match (is_written?, context.accounts.verifies) {
            (true, _) => ("password", "expected endpoints.password beside it, found none; write /api/auth/login"),
            (false, Ok(true)) => ("accounts.verify", "expected endpoints.password, found none; write one, or remove this"),
            (false, _) => return Ok(()),
        };
        return Err(refusals.refuse(path, sentence));
    }
    let mut checked = Ok(());
    if context.accounts.verifies == Ok(false) {
        checked = Err(refusals.refuse(
            "accounts.verify",
            "expected what checks name and password, because endpoints.password is there, found nothing; write cluster, path and body",
        ));
    }
    for (index, _) in context.providers.readable().filter(|(_, listed)| listed.name.as_deref() == Ok(PASSWORD)) {
        let sentence = "expected another name than password, which sessions by password have, found it; rename the provider";
        checked = Err(refusals.refuse(format!("providers[{index}].name"), sentence));
    }
    checked
}
