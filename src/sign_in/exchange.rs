//! The token endpoint for a front end that keeps its own token: the page sends the code that the provider gave it, and gets the
//! access token once the ID token is verified. The page never gets another token, and no session begins.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::access::browser;
use crate::authenticate::scene::Scene;
use crate::config::settings::Settings;
use crate::http::body::{MediaType, json_members};
use crate::session::attempt::{Attempt, Ending, Found};
use crate::sign_in::redeem::{self, AfterNews, SignInCall};
use crate::sign_in::under_way::attempt::{checked_client, no_attempt};
use crate::step::body::{self, WantedBody};
use crate::step::decision::{Journey, Step};
use crate::step::stop::{JourneyKind, Stop};
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};

/// The members of the body that are read. Others, which the provider may have added to its response, are ignored.
const MEMBERS: [&str; 3] = ["code", "state", "iss"];

/// The token endpoint: POST with JSON, `code` and, if the page has them, `state` and `iss`.
pub fn begin(scene: &mut Scene<'_>, visit: &Visit) -> Journey<SignInCall, AfterNews> {
    let settings = scene.settings;
    if visit.request.method != "POST" {
        return Err(Stop::method("POST"));
    }
    if !browser::has_same_origin_evidence(&visit.request.headers, &visit.origin, &settings.trusted_origins) {
        return Err(Failure::new(Reason::CrossSite, "a code is taken from this site or a trusted one only").into());
    }
    if let WantedBody::ToRead(limit, until) = body::read(scene.world, visit, &[MediaType::Json])? {
        return Ok(Step::reading(limit, until));
    }
    let parameters = parameters(visit.body.bytes())?;
    let unsolicited = |failure| Stop::new(JourneyKind::UnsolicitedResponse, failure);
    let attempt = find_attempt(settings, visit, parameters.get("state").map(String::as_str)).map_err(unsolicited)?;
    if scene.background.attempts.is_used_up(scene.world, &attempt.state, visit.now) {
        return redeem::came_again(scene, visit, &attempt);
    }
    let provider = checked_client(settings, visit, &attempt.provider, &attempt.client_fingerprint).map_err(unsolicited)?;
    redeem::redeem_code(scene, visit, provider, attempt, &parameters)
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

/// The attempt that the code belongs to: the one that `state` names, or without `state` the newest of this browser.
fn find_attempt(settings: &Settings, visit: &Visit, state: Option<&str>) -> Result<Attempt, Failure> {
    let session = &settings.session;
    let (sealer, timeout, came) = (&settings.sealer, session.attempt_timeout, &visit.request.headers);
    let found = match state {
        Some(state) => match Attempt::find(sealer, &session.cookie, timeout, came, state, visit.now, &[Ending::Token]) {
            Ok(Found::Attempt(attempt)) => Ok(*attempt),
            // An attempt for a token has no place.
            Ok(Found::Expired(_) | Found::UsedUp(_)) => Err(Reason::AttemptMissing),
            Err(reason) => Err(reason),
        },
        None => Attempt::newest(sealer, &session.cookie, timeout, came, visit.now, Ending::Token),
    };
    found.map_err(|reason| no_attempt(settings, visit, reason, !settings.trusted_origins.is_empty()))
}
