//! Operators end sessions: one, those of a person, or those of everybody. Who may is said by the rule that matches the endpoint's
//! path, and, of everybody, by a condition of its own. The answer does not tell whether there are such sessions.
//!
//! The operator gets 202 when the end is recorded for all replicas. While their store is away, the end holds at this one and waits in
//! a queue, and the answer is 503; it is the same where there was no room for the end under each key. To send the same again does no
//! harm. An operator who ends too much, or a program in their name, gets 429, and can still end the sessions of everybody.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::authenticate::scene::Scene;
use crate::config::settings::{PASSWORD, Settings};
use crate::gateway::announcing::EndingSessions;
use crate::gateway::journeys::judge::{ByIntrospection, Judged, Passing, judged};
use crate::gateway::pending::AfterReply;
use crate::gateway::wanted_end::{WantedEnd, Whose};
use crate::gateway::what_ends::end_of;
use crate::http::body::MediaType;
use crate::http::message::{Reply, Response};
use crate::http::return_to::ReturnTo;
use crate::session::ended::operators::may_end;
use crate::session::ended::recorded::Recorded;
use crate::step::answers::json_answer;
use crate::step::body::{self, WantedBody};
use crate::step::decision::{Decision, Journey, Step};
use crate::step::event::{Event, OperatorsEnd, Outcome};
use crate::step::stop::Stop;
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};

/// The endpoint at which operators end sessions. The request begins again when its token is known, and when its body is here.
pub(super) fn begin(
    scene: &mut Scene<'_>,
    visit: &mut Visit,
    introspected: ByIntrospection,
    events: Vec<Event>,
) -> Journey<AfterReply> {
    if visit.request.method != "POST" {
        return Err(Stop::method("POST").after(events));
    }
    let settings = scene.settings;
    let passing = match judged(scene, visit, introspected, events)? {
        Judged::Passes(passing) => passing,
        Judged::Otherwise(step) => return Ok(step.widen()),
    };
    // Only forms need no permission to be sent to another site, and none of them sends JSON (Fetch, section 2.2.2).
    match body::read(scene.world, visit, &[MediaType::Json]) {
        Err(failure) => return Ok(passing.refused(settings, visit, failure).widen()),
        // A token that is not remembered is asked about again when the body is here: that may take 30 s.
        Ok(WantedBody::ToRead(limit, until)) => return Ok(Step::reading(limit, until).after(passing.events)),
        Ok(WantedBody::Read(_)) => {}
    }
    let (names, accounts) = (names_in_sessions(settings), settings.accounts.is_some());
    let wanted = match WantedEnd::read(visit.body.bytes(), &names, accounts, visit.now) {
        Ok(wanted) => wanted,
        Err(misread) => {
            let member = misread.member.map(|member| ("member", Value::from(member)));
            let told = [("detail", Value::from(misread.sentence.as_str()))].into_iter().chain(member);
            let step = passing.refused(settings, visit, Failure::new(Reason::BodyMalformed, misread.sentence));
            return Ok(telling(step.widen(), told));
        }
    };
    let passing = match (&wanted.whose, &settings.may_end_everybody) {
        (Whose::Session(_) | Whose::Person { .. } | Whose::Subject { .. }, _) => passing,
        (Whose::Everybody { .. }, Some(condition)) => match passing.and(scene, visit, condition) {
            Judged::Passes(passing) => passing,
            Judged::Otherwise(step) => return Ok(step.widen()),
        },
        (Whose::Everybody { .. }, None) => {
            let detail = "operator_logout.everybody is not set, so that nobody may end the sessions of everybody";
            return Ok(passing.refused(settings, visit, Failure::new(Reason::ConditionFailed, detail)).widen());
        }
    };
    end(scene, visit, passing, wanted)
}

/// What sessions have for the provider: the names of those that people sign in at, and that of sign-in by password.
fn names_in_sessions(settings: &Settings) -> Vec<&str> {
    let by_password = settings.password.as_ref().map(|_| PASSWORD);
    let signing_in = settings.providers.iter().filter(|provider| provider.oidc.signs_in());
    signing_in.map(|provider| provider.oidc.name.as_str()).chain(by_password).collect()
}

/// Ends what is wanted, here at once, and tells the other replicas.
fn end(scene: &mut Scene<'_>, visit: &Visit, mut passing: Passing<'_>, wanted: WantedEnd) -> Journey<AfterReply> {
    let settings = scene.settings;
    let Some(operator) = &passing.who else {
        // The configuration is refused where the rule is public.
        return Err(Failure::new(Reason::Internal, "the rule lets in who is not known").into());
    };
    let ending = end_of(settings, &wanted, visit);
    let (by, by_provider) = (operator.principal.subject.clone(), operator.principal.provider.clone());
    let ended = &mut scene.background.ended;
    if !may_end(scene.world, ended.keys(), (&by_provider, &by), &ending) {
        let detail = "too many sessions or persons at once, or everybody too often; send it again later, or end everybody";
        return Ok(passing.refused(settings, visit, Failure::new(Reason::TooManyEnds, detail)).widen());
    }
    let mut id = [0; 16];
    if scene.world.random(&mut id).is_err() {
        let failure = Failure::new(Reason::Internal, "the host gave no random bytes");
        return Ok(passing.refused(settings, visit, failure).widen());
    }
    let (id, by_session) = (URL_SAFE_NO_PAD.encode(id), operator.session_id().map(str::to_owned));
    let Recorded { announcement, kept, holds, .. } = ended.end_by_operator(scene.world, &ending);
    if !holds {
        let detail = "there is no room for another end by an operator, but of everybody; see revocations_without_room";
        return Ok(passing.refused(settings, visit, Failure::new(Reason::RevocationsUnavailable, detail)).widen());
    }
    // If the request ends before the store has answered, it is told again.
    let queued = ended.tell_by_operator(scene.world, &ending, &announcement, kept);
    let told = told_of(
        wanted,
        OperatorsEnd { id: id.clone(), by, by_provider, by_session: by_session.clone(), ..OperatorsEnd::default() },
    );
    // It is told now, because it holds now, whatever becomes of the request.
    passing.events.push(Event::EndedByOperator { request: visit.reference(), end: Box::new(told) });
    if !kept {
        let sentence =
            "the end holds at this gateway, but there was no room for it under each of session.keys; send it again later";
        let detail = format!("{sentence}; see revocations_without_room; id {id}");
        let step = passing.refused(settings, visit, Failure::new(Reason::RevocationsUnavailable, detail));
        return Ok(telling(step.widen(), of_an_end(sentence, &id, queued)));
    }
    let events = std::mem::take(&mut passing.events);
    let ending = EndingSessions { id, queued, note: passing.note(), by_session };
    let Some(revocations) = &settings.revocations else { return Ok(accepted(ending).after(events)) };
    let call = revocations.store.announce(&[announcement], &[], None);
    Ok(Step::calling(call, AfterReply::from(ending)).after(events))
}

/// What the audit line says of an end.
fn told_of(wanted: WantedEnd, by: OperatorsEnd) -> OperatorsEnd {
    let before = Some(wanted.begun_by);
    match wanted.whose {
        Whose::Session(session) => OperatorsEnd { ends: "session", session: Some(session), ..by },
        Whose::Person { provider, sub } => {
            OperatorsEnd { ends: "person", provider: Some(provider), sub: Some(sub), before, ..by }
        }
        Whose::Subject { provider, subject } => {
            OperatorsEnd { ends: "person", provider: Some(provider), subject: Some(subject), before, ..by }
        }
        Whose::Everybody { provider } => OperatorsEnd { ends: "everybody", provider, before, ..by },
    }
}

/// Takes the store's reply.
pub(super) fn announced(scene: &mut Scene<'_>, visit: &Visit, ending: EndingSessions, reply: &Reply) -> Journey<AfterReply> {
    let settings = scene.settings;
    let Some(revocations) = &settings.revocations else { return Ok(accepted(ending)) };
    let Err(failure) = revocations.store.announced(1, 0, reply) else { return Ok(accepted(ending)) };
    let EndingSessions { id, queued, note, by_session } = ending;
    let sentence = match queued {
        true => "the end holds at this gateway; the store did not acknowledge it, and the others are told when it does",
        false => {
            "the end holds at this gateway only: the store did not acknowledge it, and too many ends wait for it; send it again later"
        }
    };
    let detail = format!("{}; {sentence}; id {id}", failure.detail);
    let failure = Failure { reason: failure.reason, detail };
    let response = visit.refusal(settings, &failure, &ReturnTo::front_page());
    let outcome = Event::Outcome(Outcome::of_status(response.status));
    let (rule, subject) = (note.rule.as_deref().map(str::to_owned), note.subject.as_deref().map(str::to_owned));
    let denied = Event::Denied { request: visit.reference(), rule, subject, session: by_session, failure, call: None };
    let step = Step { events: vec![denied, outcome], note, ..Step::new(Decision::Respond(response)) };
    Ok(telling(step, of_an_end(sentence, &id, queued)))
}

/// What the answer says of an end that holds here, and is not recorded for all.
fn of_an_end(sentence: &str, id: &str, queued: bool) -> impl Iterator<Item = (&'static str, Value)> {
    [("detail", json!(sentence)), ("id", json!(id)), ("queued", json!(queued))].into_iter()
}

/// 202: the end is recorded.
fn accepted(ending: EndingSessions) -> Step<AfterReply> {
    let response = Response { status: 202, ..json_answer(&json!({"id": ending.id}), Vec::new()) };
    Step { note: ending.note, ..Step::answered(response, Vec::new()) }
}

/// The same refusal, with these members in its problem document.
fn telling(mut step: Step<AfterReply>, members: impl Iterator<Item = (&'static str, Value)>) -> Step<AfterReply> {
    if let Decision::Respond(response) = &mut step.decision
        && let Ok(Value::Object(mut problem)) = serde_json::from_str(&response.body)
    {
        problem.extend(members.map(|(name, value)| (name.to_owned(), value)));
        response.body = Value::Object(problem).to_string();
    }
    step
}
