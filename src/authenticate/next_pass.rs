//! The credential of a request, kept for the pass that follows an internal redirect of Envoy. The first pass has taken it away
//! before the request went upstream, and Envoy starts again with what is left. It is kept sealed in Envoy's filter state, where
//! other filters can read and write, and counts for the same stream and the same origin alone. Here it is only put back: whether
//! it still counts, and where, the next pass decides again, like that of any request.

use std::time::Duration;

use crate::authenticate::bearer_token::{BearerToken, bearer_token};
use crate::config::settings::Settings;
use crate::crypto::seal::Purpose;
use crate::http::message::Headers;
use crate::session::cookie::{self, Found};
use crate::step::visit::{EarlierPass, Visit};
use crate::words::principal::Proof;
use crate::words::record::{Reader, Writer};
use crate::words::time::Timestamp;
use crate::words::world::{StreamId, World};

/// A redirect that comes later than this after its request is nobody's.
const LONGEST: Duration = Duration::from_secs(30);

/// The version of the order in which the values of the record stand.
const VERSION: u8 = 1;

// The fields that a credential comes in.
const COOKIE: &str = "cookie";
const AUTHORIZATION: &str = "authorization";

/// The field in which Envoy's router says, at each internal redirect, which URL the pass before was for.
const ENVOYS_URL: &str = "x-envoy-original-url";

/// What is kept for the next pass, sealed: the credential that proved who is asking (`proof`), if somebody is known, and whether
/// an answer is for one person only (`private`). Another credential of the same request is not kept. After a pass that knew
/// somebody, one that does not keeps that nobody counts any more: a redirect that comes back from another origin is that origin's
/// doing. `None` unless the configuration wants it, and if there is nothing to keep.
pub fn sealed(settings: &Settings, world: &mut dyn World, visit: &Visit, proof: Option<Proof>, private: bool) -> Option<String> {
    if !settings.internal_redirects {
        return None;
    }
    let credential = proof.and_then(|proof| credential(settings, visit, proof));
    if credential.is_none() && visit.earlier_pass.is_none() {
        return None;
    }
    let (field, line) = credential.unwrap_or_default();
    let mut writer = Writer::default();
    let StreamId { connection, began } = world.stream()?;
    writer.number(connection);
    writer.number(began);
    writer.number(visit.now.millis());
    writer.number(private.into());
    for text in [&visit.origin.to_string(), scheme_of(&visit.request.headers), field, &line] {
        writer.text(text);
    }
    settings.sealer.seal(world, Purpose::NextPass, &writer.finish(VERSION)).ok()
}

/// The field and the line of the credential by which somebody was proved.
fn credential(settings: &Settings, visit: &Visit, proof: Proof) -> Option<(&'static str, String)> {
    match (proof, bearer_token(visit)) {
        (Proof::SessionCookie, _) => Some((COOKIE, cookie::line(&settings.session.cookie, &visit.request.headers)?)),
        (Proof::BearerToken | Proof::SessionToken, BearerToken::Present(token)) => {
            Some((AUTHORIZATION, ["Bearer ", token.expose()].concat()))
        }
        (Proof::BearerToken | Proof::SessionToken, BearerToken::Absent | BearerToken::Ambiguous) => None,
    }
}

/// Reads what an earlier pass of this stream has kept, and puts its credential back into a request that brings none of its kind,
/// if it was kept for this origin, and not long ago. Nothing else that is found there has an effect.
pub fn restore(settings: &Settings, world: &dyn World, visit: &mut Visit) {
    if !settings.internal_redirects {
        return;
    }
    let Some(plain) = world.kept_with_stream().and_then(|text| settings.sealer.open(Purpose::NextPass, &text)) else { return };
    let Some(kept) = Kept::read(&plain).filter(|kept| world.stream() == Some(kept.stream)) else { return };
    visit.earlier_pass = Some(EarlierPass { private: kept.private });
    let brings_one = cookie::read(&settings.session.cookie, &visit.request.headers) != Found::Nothing;
    if brings_one || kept.field.is_empty() || !kept.counts(settings, visit) {
        return;
    }
    let headers = &mut visit.request.headers;
    // Whatever `Authorization` the request brings stays alone. Cookies of the application stand on other lines.
    if kept.field == COOKIE || !headers.contains(kept.field) {
        headers.add(kept.field, kept.line);
    }
}

/// What a pass has kept.
struct Kept<'a> {
    stream: StreamId,
    time: Timestamp,
    private: bool,
    origin: &'a str,
    scheme: &'a str,
    /// The field of the credential; empty if nobody counts.
    field: &'a str,
    line: &'a str,
}

impl<'a> Kept<'a> {
    fn read(plain: &'a [u8]) -> Option<Self> {
        let mut record = Reader::new(plain, VERSION)?;
        // The fields stand here in the order in which they were written.
        Some(Self {
            stream: StreamId { connection: record.number()?, began: record.number()? },
            time: Timestamp::from_millis(record.number()?),
            private: record.number()? != 0,
            origin: record.borrowed_text()?,
            scheme: record.borrowed_text()?,
            field: record.borrowed_text()?,
            line: record.borrowed_text()?,
        })
    }

    /// Whether the pass before was of the same origin, and not long ago.
    fn counts(&self, settings: &Settings, visit: &Visit) -> bool {
        let headers = &visit.request.headers;
        let of_origin = visit.origin.is_serialized_as(self.origin) && self.scheme == scheme_of(headers);
        // A pass between these two may have gone where Accredit is not. Envoy names the URL of the pass before.
        let from_there = |url: &[u8]| {
            let url = std::str::from_utf8(url).ok().and_then(|url| url.split_once("://"));
            let Some((scheme, rest)) = url else { return false };
            let authority = rest.split(['/', '?']).next().unwrap_or_default();
            scheme == self.scheme && settings.origin(authority) == Some(&visit.origin)
        };
        let in_time = self.time <= visit.now && visit.now.since(self.time) <= LONGEST;
        of_origin && in_time && headers.all(ENVOYS_URL).all(from_there)
    }
}

/// `:scheme`: an origin as it is configured has that of the browser, and Envoy's may change by a redirect.
fn scheme_of(headers: &Headers) -> &str {
    headers.single(":scheme").unwrap_or_default()
}
