//! The credential of a request, kept for the pass that follows an internal redirect of Envoy. The first pass has taken it away
//! before the request went upstream, and Envoy starts again with what is left. It is kept sealed in Envoy's filter state, where
//! other filters can read and write, and counts for the same stream and the same origin alone. Here it is only put back, or, where it
//! does not count, everything like it taken out: whom it proves, and what they may do, the next pass decides again, like any request.

use std::time::Duration;

use crate::authenticate::bearer_token::{BearerToken, bearer_token};
use crate::config::settings::Settings;
use crate::crypto::seal::Purpose;
use crate::http::cookie::without;
use crate::http::message::{CookieEdit, Headers};
use crate::session::cookie::{self, Found};
use crate::step::visit::{Counts, EarlierPass, Visit, Withheld};
use crate::words::principal::Proof;
use crate::words::record::{Reader, Writer};
use crate::words::time::Timestamp;
use crate::words::world::{StreamId, World};

/// A redirect that comes later than this after its request is nobody's.
const LONGEST: Duration = Duration::from_secs(30);

/// The version of the order in which the values of the record stand.
const VERSION: u8 = 2;

// The fields that a credential comes in.
const COOKIE: &str = "cookie";
const AUTHORIZATION: &str = "authorization";

// What stands in the place of a field where there is no credential.
const NOBODYS: &str = "";
const OF_REQUEST: &str = "request";

/// The field in which Envoy's router says, at each internal redirect, which URL the pass before was for.
const ENVOYS_URL: &str = "x-envoy-original-url";

/// What is kept for the pass after a request that goes upstream, sealed: the credential that proved who is asking (`proof`), if
/// somebody is known, and whether an answer is for one person only (`private`). Another credential of the same request is not kept.
/// After a pass that knew somebody, one that does not keeps that nobody counts any more: a redirect that comes back from another
/// origin is that origin's doing. `None` unless the configuration wants it, and if there is nothing to keep.
pub fn after_forwarding(
    settings: &Settings,
    world: &mut dyn World,
    visit: &Visit,
    proof: Option<Proof>,
    private: bool,
) -> Option<String> {
    if !settings.internal_redirects {
        return None;
    }
    let credential = proof.and_then(|proof| credential(settings, visit, proof));
    let whose = match credential {
        Some((field, line)) => Whose::Kept { field, line },
        None => match visit.earlier_pass.as_ref().map(|earlier| &earlier.counts) {
            Some(Counts::OfRequest) => Whose::OfRequest,
            Some(Counts::Kept(_) | Counts::Nobodys(_)) => Whose::Nobodys,
            // A token that is the application's here may be one of ours at another origin.
            None if brings_token(settings, visit) => Whose::OfRequest,
            None => return None,
        },
    };
    sealed(settings, world, visit, &whose, private)
}

/// What is kept for the pass after an answer of ours, sealed: a filter in front may replace the answer by that of another page
/// (`custom_response`). What follows from an answer of ours is for one person only, as the answer is. The credentials of the request
/// did not go upstream, and count again if they counted now. `None` unless the configuration wants it.
pub fn after_answering(settings: &Settings, world: &mut dyn World, visit: &Visit) -> Option<String> {
    if !settings.internal_redirects {
        return None;
    }
    let whose = match visit.earlier_pass.as_ref().map(|earlier| &earlier.counts) {
        None | Some(Counts::OfRequest) => Whose::OfRequest,
        Some(Counts::Nobodys(_)) => Whose::Nobodys,
        Some(Counts::Kept(field)) => {
            let proof = if *field == COOKIE { Proof::SessionCookie } else { Proof::BearerToken };
            credential(settings, visit, proof).map_or(Whose::Nobodys, |(field, line)| Whose::Kept { field, line })
        }
    };
    sealed(settings, world, visit, &whose, true)
}

fn sealed(settings: &Settings, world: &mut dyn World, visit: &Visit, whose: &Whose, private: bool) -> Option<String> {
    let StreamId { connection, began } = world.stream()?;
    let mut writer = Writer::default();
    writer.number(connection);
    writer.number(began);
    writer.number(visit.now.millis());
    writer.number(private.into());
    writer.text(&visit.origin.to_string());
    writer.text(scheme_of(&visit.request.headers));
    let (field, line) = match whose {
        Whose::Nobodys => (NOBODYS, ""),
        Whose::OfRequest => (OF_REQUEST, ""),
        Whose::Kept { field, line } => (*field, line.as_str()),
    };
    writer.text(field);
    writer.text(line);
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

/// Reads what an earlier pass of this stream has kept. If it was kept for this origin, and not long ago, its credential is put back
/// into a request that brings none of its kind. Otherwise nobody counts: the request may bring a credential that was meant for
/// another origin, because its own pass sent it upstream, and is taken out of it. Nothing else that is found there has an effect.
pub fn restore(settings: &Settings, world: &dyn World, visit: &mut Visit) {
    if !settings.internal_redirects {
        return;
    }
    let Some(plain) = world.kept_with_stream().and_then(|text| settings.sealer.open(Purpose::NextPass, &text)) else { return };
    let Some(kept) = Kept::read(&plain).filter(|kept| world.stream() == Some(kept.stream)) else { return };
    let counts = match kept.whose {
        Whose::Nobodys => Counts::Nobodys(withhold(settings, visit)),
        _ if !kept.counts(settings, visit) => Counts::Nobodys(withhold(settings, visit)),
        Whose::Kept { field, ref line } if put_back(settings, visit, field, line) => Counts::Kept(field),
        Whose::Kept { .. } | Whose::OfRequest => Counts::OfRequest,
    };
    visit.earlier_pass = Some(EarlierPass { private: kept.private, counts });
}

/// Puts a credential back, and says whether it stands there now.
fn put_back(settings: &Settings, visit: &mut Visit, field: &str, line: &str) -> bool {
    let headers = &mut visit.request.headers;
    let brings_one = cookie::read(&settings.session.cookie, headers) != Found::Nothing;
    // Whatever `Authorization` the request brings stays alone. Cookies of the application stand on other lines.
    let puts = !brings_one && (field == COOKIE || !headers.contains(field));
    if puts {
        headers.add(field, line);
    }
    puts
}

/// Whether a request has a bearer token that may count here. Where none is accepted, `Authorization` is the application's.
fn brings_token(settings: &Settings, visit: &Visit) -> bool {
    settings.accepts_bearer_tokens() && !matches!(bearer_token(visit), BearerToken::Absent)
}

/// Takes our cookies and a bearer token out of a request.
fn withhold(settings: &Settings, visit: &mut Visit) -> Withheld {
    let token = brings_token(settings, visit);
    let headers = &mut visit.request.headers;
    let cookie = without(headers, |name| settings.session.cookie.is_ours(name));
    if cookie != CookieEdit::Untouched {
        headers.remove(COOKIE);
    }
    if let CookieEdit::Replaced(others) = &cookie {
        headers.add(COOKIE, others);
    }
    if token {
        headers.remove(AUTHORIZATION);
    }
    Withheld { cookie, token }
}

/// Whose credential counts in the next pass.
enum Whose {
    /// Nobody's.
    Nobodys,
    /// The one that the request brings itself.
    OfRequest,
    /// This one.
    Kept { field: &'static str, line: String },
}

/// What a pass has kept.
struct Kept<'a> {
    stream: StreamId,
    time: Timestamp,
    private: bool,
    origin: &'a str,
    scheme: &'a str,
    whose: Whose,
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
            whose: match (record.borrowed_text()?, record.borrowed_text()?) {
                (OF_REQUEST, _) => Whose::OfRequest,
                (COOKIE, line) => Whose::Kept { field: COOKIE, line: line.to_owned() },
                (AUTHORIZATION, line) => Whose::Kept { field: AUTHORIZATION, line: line.to_owned() },
                _ => Whose::Nobodys,
            },
        })
    }

    /// Whether the pass before was of the same origin, and not long ago.
    fn counts(&self, settings: &Settings, visit: &Visit) -> bool {
        let headers = &visit.request.headers;
        let of_origin = visit.origin.is_serialized_as(self.origin) && self.scheme == scheme_of(headers);
        // A pass between these two may have gone where Accredit is not. Envoy names the URL of the pass before; its scheme is that of
        // the connection, and not the browser's where a proxy in front has ended TLS. The host alone tells the origin.
        let from_there = |url: &[u8]| {
            let rest = std::str::from_utf8(url).ok().and_then(|url| Some(url.split_once("://")?.1));
            let authority = rest.and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
            settings.origin(authority) == Some(&visit.origin)
        };
        let in_time = self.time <= visit.now && visit.now.since(self.time) <= LONGEST;
        of_origin && in_time && headers.all(ENVOYS_URL).all(from_there)
    }
}

/// `:scheme`: an origin as it is configured has that of the browser, and Envoy's may change by a redirect.
fn scheme_of(headers: &Headers) -> &str {
    headers.single(":scheme").unwrap_or_default()
}
