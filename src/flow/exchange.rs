//! The token endpoint for a front end that keeps its own token: the page brings the code that the provider gave it, and gets the
//! access token, once the ID token is verified. It gets nothing else; no session begins.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::access::browser;
use crate::config::settings::Settings;
use crate::flow::ending::{json_answer, refused};
use crate::flow::event::Event;
use crate::flow::gateway::Gateway;
use crate::flow::step::{SignIn, Step};
use crate::flow::visit::Visit;
use crate::flow::{body, callback};
use crate::oidc::id_token::IdToken;
use crate::oidc::token::TokenSet;
use crate::session::attempt::{Attempt, Ending};
use crate::session::tombstone::Ended;
use crate::words::body::{Form, json_members};
use crate::words::reason::{Failure, Reason};
use crate::words::url::ReturnTo;
use crate::words::world::World;

/// The members that are read; a page may send on whatever else the provider gave it.
const MEMBERS: [&str; 3] = ["code", "state", "iss"];

/// The token endpoint: POST `{"code"}`, and `state` and `iss` if the page has them.
pub fn begin(gateway: &mut Gateway, world: &mut dyn World, visit: Visit) -> Step {
    let settings = Rc::clone(&gateway.settings);
    if visit.request.method != "POST" {
        return visit.refuse_method(&settings, "POST");
    }
    if !browser::has_same_origin_evidence(&visit.request.headers, &visit.origin, &settings.trusted_origins) {
        return visit.refuse(&settings, Failure::new(Reason::CrossSite, "a code is taken from this site or a trusted one only"));
    }
    let visit = match body::read(&settings, world, visit, &[Form::Json]) {
        Ok((visit, _)) => visit,
        Err(step) => return *step,
    };
    let parameters = match parameters(visit.body.bytes()) {
        Ok(parameters) => parameters,
        Err(failure) => return visit.refuse(&settings, failure),
    };
    match expected(&settings, world, &visit, parameters.get("state").map(String::as_str)) {
        Ok(attempt) => callback::spend(gateway, world, visit, attempt, &parameters),
        Err(failure) => {
            let events = vec![Event::SignInFailed { place: visit.place(), provider: None, failure: failure.clone() }];
            refused(&settings, &visit, failure.reason, &ReturnTo::front_page(), None, events)
        }
    }
}

fn parameters(bytes: &[u8]) -> Result<BTreeMap<String, String>, Failure> {
    let mut members = json_members(bytes)?;
    let mut parameters = BTreeMap::new();
    for name in MEMBERS {
        match members.remove(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => drop(parameters.insert(name.to_owned(), text)),
            Some(_) => return Err(Failure::new(Reason::BodyMalformed, format!("expected {name} as text, found another type"))),
        }
    }
    if parameters.get("code").is_none_or(String::is_empty) {
        return Err(Failure::new(Reason::CodeMissing, "expected {\"code\": …} in the body"));
    }
    Ok(parameters)
}

/// The attempt that the code belongs to: by its state, else the newest of this browser.
fn expected(settings: &Settings, world: &dyn World, visit: &Visit, state: Option<&str>) -> Result<Attempt, Failure> {
    let session = &settings.session;
    let (sealer, timeout, came) = (&settings.sealer, session.attempt_timeout, &visit.request.headers);
    let found = match state {
        Some(state) => Attempt::find(sealer, &session.cookie, timeout, came, state, visit.now, &[Ending::Token]),
        None => Attempt::newest(sealer, &session.cookie, timeout, came, visit.now, Ending::Token),
    };
    let attempt = found.map_err(|reason| callback::no_attempt(settings, visit, reason, !settings.trusted_origins.is_empty()))?;
    if Ended::attempts().has(world, attempt.state.expose(), visit.now) {
        return Err(Failure::new(Reason::AttemptReplayed, "this sign-in was finished before"));
    }
    Ok(attempt)
}

/// Everything is proved: the page gets the access token.
pub fn release(settings: &Settings, sign_in: &SignIn, tokens: &TokenSet, id_token: IdToken) -> Step {
    let mut body = json!({ "access_token": tokens.access_token.expose(), "token_type": "Bearer" });
    if let (Some(span), Some(body)) = (tokens.expires_in, body.as_object_mut()) {
        body.insert("expires_in".to_owned(), json!(span.as_secs()));
    }
    let completed = Event::SignInCompleted {
        place: sign_in.visit.place(),
        provider: sign_in.attempt.provider.clone(),
        subject: id_token.subject.clone(),
    };
    let forgotten = sign_in.attempt.forget(&settings.session.cookie);
    let mut response = json_answer(&body, vec![forgotten]);
    sign_in.visit.let_page_read(settings, &mut response);
    let mut step = Step::answered(response, vec![completed]);
    step.note.subject = Some(Rc::from(id_token.subject));
    step
}
