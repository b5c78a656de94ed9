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
use crate::step::visit::Visit;
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

/// The credential that proved who is asking, sealed for the next pass; `None` unless the configuration wants that. Another
/// credential of the same request is not kept.
pub fn sealed(settings: &Settings, world: &mut dyn World, visit: &Visit, proof: Proof) -> Option<String> {
    if !settings.internal_redirects {
        return None;
    }
    let (field, line) = match (proof, bearer_token(visit)) {
        (Proof::SessionCookie, _) => (COOKIE, cookie::line(&settings.session.cookie, &visit.request.headers)?),
        (Proof::BearerToken | Proof::SessionToken, BearerToken::Present(token)) => {
            (AUTHORIZATION, ["Bearer ", token.expose()].concat())
        }
        (Proof::BearerToken | Proof::SessionToken, BearerToken::Absent | BearerToken::Ambiguous) => return None,
    };
    let mut writer = Writer::default();
    let StreamId { connection, began } = world.stream()?;
    writer.number(connection);
    writer.number(began);
    writer.number(visit.now.millis());
    writer.text(&visit.origin.to_string());
    writer.text(scheme_of(&visit.request.headers));
    writer.text(field);
    writer.text(&line);
    settings.sealer.seal(world, Purpose::NextPass, &writer.finish(VERSION)).ok()
}

/// Puts the credential of the first pass back into a request that brings none of its kind, if it was kept for this stream and
/// this origin, and not long ago. Nothing else that is found there has an effect.
pub fn restore(settings: &Settings, world: &dyn World, visit: &mut Visit) {
    if !settings.internal_redirects || cookie::read(&settings.session.cookie, &visit.request.headers) != Found::Nothing {
        return;
    }
    let Some(plain) = world.kept_with_stream().and_then(|text| settings.sealer.open(Purpose::NextPass, &text)) else { return };
    let Some((field, line)) = kept(&plain, world, visit) else { return };
    let headers = &mut visit.request.headers;
    // Whatever `Authorization` the request brings stays alone. Cookies of the application stand on other lines.
    if field == COOKIE || !headers.contains(field) {
        headers.add(field, line);
    }
}

/// The field and its line, if the record is of this stream, this origin and the last seconds.
fn kept<'a>(plain: &'a [u8], world: &dyn World, visit: &Visit) -> Option<(&'a str, &'a str)> {
    let mut record = Reader::new(plain, VERSION)?;
    let stream = StreamId { connection: record.number()?, began: record.number()? };
    let sealed = Timestamp::from_millis(record.number()?);
    let (origin, scheme) = (record.borrowed_text()?, record.borrowed_text()?);
    let (field, line) = (record.borrowed_text()?, record.borrowed_text()?);
    let of_stream = world.stream() == Some(stream);
    let of_origin = visit.origin.is_serialized_as(origin) && scheme == scheme_of(&visit.request.headers);
    let in_time = sealed <= visit.now && visit.now.since(sealed) <= LONGEST;
    (of_stream && of_origin && in_time).then_some((field, line))
}

/// `:scheme`: an origin as it is configured has that of the browser, and Envoy's may change by a redirect.
fn scheme_of(headers: &Headers) -> &str {
    headers.single(":scheme").unwrap_or_default()
}
