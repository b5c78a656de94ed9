//! What ends: by a logout token, by the subject of a security event, by an operator, or because somebody signs out everywhere. Whoever
//! says so was believed before, and nothing ends here.

use crate::config::settings::{PASSWORD, Settings};
use crate::gateway::wanted_end::{WantedEnd, Whose};
use crate::oidc::security_event::subject::{EndedSubject, SubjectPart};
use crate::session::SessionSettings;
use crate::session::content::{Session, SubjectsOf};
use crate::session::ended::end::End;
use crate::step::visit::Visit;
use crate::words::time::Timestamp;

/// What ends by a token with `sub`, `sid`, or both; nothing without. Only that session of the provider's ends by both (OpenID Connect
/// Back-Channel Logout 1.0, section 2.4, means all of the person's where there is no `sid`). But some providers write `sid` into logout
/// tokens and not into ID tokens, and of a session without `sid` nobody knows that it is another one: it is of the person, so it ends,
/// too.
pub(super) fn of_logout_token<'a>(
    provider: &'a str,
    (sub, sid): (Option<&'a str>, Option<&'a str>),
    begun_by: Timestamp,
    until: Timestamp,
) -> Vec<End<'a>> {
    let Some(sid) = sid else {
        return sub.map(|sub| End::Person { provider, sub, begun_by, until }).into_iter().collect();
    };
    let without_sid = sub.map(|sub| End::PersonWithoutSid { provider, sub, begun_by, until });
    [End::AtProvider { provider, sid, begun_by, until }].into_iter().chain(without_sid).collect()
}

/// What ends all sessions of the person whose session this is, as of now. Where the user service has given them their subject, they may
/// have sessions that do not say what `sub` at the provider is. This session may have begun later than now, where our clock is behind
/// that of the replica that began it: what began before it ends, too, as far as clocks may differ.
pub(super) fn of_person<'a>(settings: &Settings, session: &'a Session, now: Timestamp) -> Vec<End<'a>> {
    let begun_by = now.max(session.created.min(SessionSettings::all_has_begun_by(now)));
    let (provider, until) = (session.provider.as_str(), settings.session.nothing_is_left_after(begun_by));
    let subjects = settings.people(provider).subjects;
    let by_sub = session.subject_at_provider(subjects).map(|sub| End::PersonHere { provider, sub, begun_by, until });
    let subject = (subjects == SubjectsOf::UserService).then_some(session.subject.as_str());
    let by_subject = subject.map(|subject| End::SubjectHere { provider, subject, begun_by, until });
    by_sub.into_iter().chain(by_subject).collect()
}

/// What a subject says of sessions: `sub`, `sid`, and the e-mail address. It never says two of a kind.
pub(super) fn parts(subject: &EndedSubject) -> [Option<&str>; 3] {
    let mut parts = [None; 3];
    for part in &subject.all_of {
        let [sub, sid, address] = &mut parts;
        match part {
            SubjectPart::Person { sub: found } => *sub = Some(found.as_str()),
            SubjectPart::Session { sid: found } => *sid = Some(found.as_str()),
            SubjectPart::Email { address: found } => *address = Some(found.as_str()),
        }
    }
    parts
}

/// The end that is wanted. One text never names two people, one at the provider and one at the user service.
pub(super) fn end_of<'a>(settings: &Settings, wanted: &'a WantedEnd, visit: &Visit) -> End<'a> {
    let (begun_by, until) = (wanted.begun_by, settings.session.nothing_is_left_after(visit.now));
    match &wanted.whose {
        Whose::Session(id) => End::SessionId { id, begun_by: SessionSettings::all_has_begun_by(visit.now), until },
        Whose::Person { provider, sub } => End::PersonHere { provider, sub, begun_by, until },
        // Who signed in by password has no other subject.
        Whose::Subject { provider, subject } if provider == PASSWORD => {
            End::PersonHere { provider, sub: subject, begun_by, until }
        }
        Whose::Subject { provider, subject } => End::SubjectHere { provider, subject, begun_by, until },
        Whose::Everybody { provider } => {
            End::EverybodyHere { provider: provider.as_deref().unwrap_or_default(), begun_by, until }
        }
    }
}
