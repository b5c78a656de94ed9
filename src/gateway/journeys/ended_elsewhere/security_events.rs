//! Security events by push (RFC 8935): a transmitter posts a Security Event Token, and the sessions that its events are about end here
//! and at all replicas. Who posts it matters only where the transmitter must also send `Authorization`: the token proves what it
//! says. No cookie is looked at.
//!
//! The transmitter gets 202 when every end is recorded for all replicas. While their store is away, the ends hold at this one, wait
//! in the queue, and the answer is 503, so that the transmitter sends the token again. A repeated token does no harm: an event ends
//! only what began before it, and what the store was told already is not written there again. One that ends nothing, because its
//! subject cannot be told, is answered with 202, too, and a line in the log says why.

use crate::authenticate::scene::Scene;
use crate::config::settings::TransmitterSettings;
use crate::crypto::key::KeySet;
use crate::gateway::announcing::AnnouncingEvents;
use crate::gateway::journeys::ended_elsewhere::by_published_keys::{ByPublishedKeys, judged_by_published_keys};
use crate::gateway::what_ends::parts;
use crate::http::body::MediaType;
use crate::http::message::{Reply, Response};
use crate::oidc::security_event::{self, ErrorCode, SecurityEvent, SetError, Verification};
use crate::session::ended::end::End;
use crate::session::ended::shared::outbox::SentBy;
use crate::step::body::{self, WantedBody};
use crate::step::decision::{FromTheStart, Journey, Step};
use crate::step::event::{Event, Followed, Transmitted};
use crate::step::stop::{JourneyKind, Stop};
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::equal;
use crate::words::world::World;

/// The endpoint at which all transmitters post their tokens.
pub(crate) fn begin(scene: &mut Scene<'_>, visit: &mut Visit) -> Journey<AnnouncingEvents> {
    if visit.request.method != "POST" {
        return Err(Stop::method("POST"));
    }
    let wanted = body::read(scene.world, visit, &[MediaType::SecurityEvent]);
    if let WantedBody::ToRead(limit, until) = wanted.map_err(|failure| refused(ErrorCode::InvalidRequest, failure))? {
        return Ok(Step::reading(limit, until));
    }
    let set = std::str::from_utf8(visit.body.bytes()).unwrap_or_default().trim_ascii().to_owned();
    let transmitter = transmitter(scene, &set)?;
    check_authorization(visit, transmitter)?;
    let now = visit.now;
    let judge = |world: &dyn World, keys: &KeySet| security_event::verify(world, &transmitter.oidc, &set, keys, now);
    let judged = match &transmitter.keys {
        Some(keys) => judge(scene.world, keys),
        None => match judged_by_published_keys(scene, visit, &transmitter.publisher, judge, by_unknown_key) {
            Ok(ByPublishedKeys::Judged(judged)) => judged,
            Ok(ByPublishedKeys::Wait(resource)) => return Ok(Step::waiting(resource, visit.wait_until, FromTheStart)),
            Err(failure) => return Err(refused(ErrorCode::InvalidKey, failure)),
        },
    };
    match judged {
        Ok(event) => end(scene, visit, transmitter, event),
        Err(SetError::KeyUnknown(refusal) | SetError::Refused(refusal)) => Err(refused(refusal.err, refusal.failure)),
    }
}

/// The failure of a token that newer keys may verify.
const fn by_unknown_key(judged: &Result<SecurityEvent, SetError>) -> Option<&Failure> {
    match judged {
        Err(SetError::KeyUnknown(refusal)) => Some(&refusal.failure),
        Ok(_) | Err(SetError::Refused(_)) => None,
    }
}

/// The transmitter that the token claims to be from. Its keys will tell whether that is so.
fn transmitter<'a>(scene: &Scene<'a>, set: &str) -> Result<&'a TransmitterSettings, Stop> {
    let invalid = |err, detail: &str| refused(err, Failure::new(Reason::SecurityEventInvalid, detail));
    let Some(issuer) = security_event::claimed_issuer(set) else {
        return Err(invalid(ErrorCode::InvalidRequest, "expected a signed token with iss, found something else"));
    };
    let mut all = scene.settings.transmitters.iter();
    let found = all.find(|transmitter| transmitter.oidc.issuer == issuer);
    found.ok_or_else(|| invalid(ErrorCode::InvalidIssuer, "its iss is the issuer of none of the transmitters"))
}

/// Checks that the request has the transmitter's `Authorization`, if that is configured.
fn check_authorization(visit: &Visit, transmitter: &TransmitterSettings) -> Result<(), Stop> {
    let Some(expected) = &transmitter.authorization else { return Ok(()) };
    let sent = visit.request.headers.single("authorization").unwrap_or_default();
    if equal(sent.as_bytes(), expected.expose().as_bytes()) {
        return Ok(());
    }
    let name = &transmitter.oidc.name;
    let detail =
        format!("expected the authorization of transmitter {name}, found another, or none; the transmitter must send it");
    let stop = refused(ErrorCode::AuthenticationFailed, Failure::new(Reason::TransmitterUnauthenticated, detail));
    Err(Stop { fields: vec![("www-authenticate", "Bearer".to_owned())], ..stop })
}

/// Ends what the events are about, here at once, and tells the other replicas.
fn end(
    scene: &mut Scene<'_>,
    visit: &Visit,
    transmitter: &TransmitterSettings,
    event: SecurityEvent,
) -> Journey<AnnouncingEvents> {
    let settings = scene.settings;
    let SecurityEvent { jti, ends, ignored, verification } = event;
    let told = |happened: &str, followed| {
        let (request, transmitter) = (visit.reference(), transmitter.oidc.name.clone());
        Event::Transmitted(Box::new(Transmitted {
            request,
            transmitter,
            jti: jti.clone(),
            happened: happened.to_owned(),
            followed,
        }))
    };
    let mut events: Vec<_> =
        ignored.into_iter().map(|ignored| told(&ignored.event, Followed::Nothing { why: ignored.why })).collect();
    if let Verification::Event { state } = verification {
        events.push(told("verification", Followed::Verified { state }));
    }
    let (mut announcements, mut is_kept, mut all_hold, mut any_holds) = (Vec::new(), true, true, false);
    let until = settings.session.nothing_is_left_after(visit.now);
    let store_lacks_nothing = scene.background.revocations.owes_nothing(scene.world, visit.now);
    for end in &ends {
        // Such a token may be sent again for ever. It would only fill tables.
        if settings.session.nothing_is_left_after(end.before) <= visit.now {
            let why = "no session is left that began before it".to_owned();
            events.push(told(end.event.name(), Followed::Nothing { why }));
            continue;
        }
        for subject in &end.subjects {
            let [sub, sid, address] = parts(subject);
            let provider = subject.provider.as_str();
            let matching = End::Matching { provider, sub, sid, address, begun_by: end.before, until };
            let recorded = scene.background.ended.end_as_reported(scene.world, &matching);
            is_kept &= recorded.kept;
            all_hold &= recorded.holds;
            if recorded.holds {
                any_holds = true;
                let was_told = store_lacks_nothing && scene.background.ended.was_told_as_reported(scene.world, &recorded);
                announcements.extend((!was_told).then_some(recorded.announcement));
                let [sub, sid, email] = [sub, sid, address].map(|part| part.map(str::to_owned));
                let followed = Followed::Ended { provider: provider.to_owned(), subject: sub, session: sid, email };
                events.push(told(end.event.name(), followed));
            }
        }
    }
    // What holds here is told now, to the log and to others, whatever becomes of the rest and of the request.
    if !is_kept {
        scene.background.ended.tell_reported(scene.world, &announcements, SentBy::Tick);
        let detail = match (all_hold, any_holds) {
            (true, _) => "all ends hold at this gateway, but there was no room for each under each of session.keys",
            (false, true) => "some ends hold at this gateway, and for others there is no room",
            (false, false) => "there is no room for another end of this provider",
        };
        let failure = Failure::new(Reason::RevocationsUnavailable, format!("{detail}; see revocations_without_room"));
        return Err(Stop { events, ..refused(ErrorCode::InvalidRequest, failure) });
    }
    let Some(revocations) = settings.revocations.as_ref().filter(|_| !announcements.is_empty()) else {
        return Ok(accepted().after(events));
    };
    // If the request ends before the store has answered, it is told again.
    scene.background.ended.tell_reported(scene.world, &announcements, SentBy::Asker);
    let announcing = AnnouncingEvents { number: announcements.len() };
    Ok(Step::calling(revocations.store.announce(&announcements, &[], None), announcing).after(events))
}

/// Takes the store's reply.
pub(crate) fn announced(scene: &Scene<'_>, announcing: &AnnouncingEvents, reply: &Reply) -> Journey<AnnouncingEvents> {
    if let Some(revocations) = &scene.settings.revocations {
        let announced = revocations.store.announced(announcing.number, 0, reply);
        announced.map_err(|failure| refused(ErrorCode::InvalidRequest, failure))?;
    }
    Ok(accepted())
}

/// 202 (RFC 8935, section 2.2): the ends are recorded.
fn accepted() -> Step<AnnouncingEvents> {
    let headers = vec![("cache-control".to_owned(), "no-store".to_owned())];
    Step::answered(Response { status: 202, headers, body: String::new() }, Vec::new())
}

fn refused(err: ErrorCode, failure: Failure) -> Stop {
    Stop::new(JourneyKind::SecurityEvent(err), failure)
}
