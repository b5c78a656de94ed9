//! The credentials of a request, from one pass to the next that follows by an internal redirect of Envoy. A pass has taken away what
//! proved who is asking before the request went upstream, and Envoy, which may have added credentials of its own, starts again with
//! what is left. So each pass keeps a record, sealed, in Envoy's filter state, where other filters can read and write: the credential
//! that proved somebody, and digests of those that stay with the request. It counts for the same stream and the same origin alone.
//! Here credentials are only put back, or taken out: whom they prove, and what they may do, the next pass decides again, like any
//! request.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::authenticate::bearer_token::{BearerToken, bearer_token};
use crate::config::settings::Settings;
use crate::crypto::seal::Purpose;
use crate::http::cookie::without;
use crate::http::internal_redirect::{self, ENVOYS_URL};
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
const VERSION: u8 = 3;

// The fields that a credential comes in.
const COOKIE: &str = "cookie";
const AUTHORIZATION: &str = "authorization";

// What stands in the place of a field where there is no credential.
const NOBODYS: &str = "";
const OF_REQUEST: &str = "request";

/// How a request goes upstream.
#[derive(Debug)]
pub struct Sent {
    /// What proved who is asking, if somebody is known.
    pub proof: Option<Proof>,
    /// Whether the upstream gets the request's `Authorization`.
    pub authorization: bool,
    /// Whether the answer is for one person only.
    pub private: bool,
}

/// What is kept for the pass after a request that goes upstream, sealed. Of several credentials, only the one that proved who is
/// asking is kept. `None` unless the configuration wants it.
pub fn after_forwarding(settings: &Settings, world: &mut dyn World, visit: &Visit, sent: &Sent) -> Option<String> {
    let shows_cookie = settings.forward.session_cookie && sent.proof == Some(Proof::SessionCookie);
    let stays = |field: &str| if field == COOKIE { shows_cookie } else { sent.authorization };
    after(settings, world, visit, sent.proof, stays, sent.private)
}

/// What is kept for the pass after an answer of ours, sealed: a filter in front may replace the answer by that of another page
/// (`custom_response`). What follows from an answer of ours is for one person only, as the answer is. The credentials of the request
/// did not go upstream, and count again if they counted now. `None` unless the configuration wants it.
pub fn after_answering(settings: &Settings, world: &mut dyn World, visit: &Visit) -> Option<String> {
    let proof = put_back_in(visit).map(|field| if field == COOKIE { Proof::SessionCookie } else { Proof::BearerToken });
    after(settings, world, visit, proof, |_| true, true)
}

/// What is kept for the pass after the answer to a request that was turned away, sealed: it is nobody's, because the origin that the
/// request was for may be none of ours. `None` unless the configuration wants it.
pub fn after_turning_away(settings: &Settings, world: &mut dyn World, now: Timestamp) -> Option<String> {
    if !settings.internal_redirects {
        return None;
    }
    let (stream, left) = (world.stream()?, Left::default());
    let kept = Kept { stream, time: now, private: true, origin: "", scheme: "", whose: Whose::Nobodys, left };
    kept.sealed(settings, world)
}

/// `stays` says of a field whether the credential in it stays with the request.
fn after(
    settings: &Settings,
    world: &mut dyn World,
    visit: &Visit,
    proof: Option<Proof>,
    stays: impl Fn(&str) -> bool,
    private: bool,
) -> Option<String> {
    if !settings.internal_redirects {
        return None;
    }
    let is_nobodys = visit.earlier_pass.as_ref().is_some_and(|earlier| earlier.counts == Counts::Nobodys);
    let whose = match proof.and_then(|proof| credential(settings, visit, proof)) {
        _ if is_nobodys => Whose::Nobodys,
        Some((field, line)) => Whose::Kept { field, line },
        None => Whose::OfRequest,
    };
    let headers = &visit.request.headers;
    // What was put back stands in the visit alone: Envoy does not have it.
    let left = Left::of(settings, headers, |field| stays(field) && put_back_in(visit) != Some(field));
    let (origin, scheme) = (visit.origin.to_string(), scheme_of(headers));
    let kept = Kept { stream: world.stream()?, time: visit.now, private, origin: &origin, scheme, whose, left };
    kept.sealed(settings, world)
}

/// The field into which a credential was put back in this pass.
fn put_back_in(visit: &Visit) -> Option<&'static str> {
    match visit.earlier_pass.as_ref()?.counts {
        Counts::Kept(field) => Some(field),
        Counts::OfRequest | Counts::Nobodys => None,
    }
}

/// The field and the line of the credential by which somebody was proved.
fn credential(settings: &Settings, visit: &Visit, proof: Proof) -> Option<(&'static str, String)> {
    match (proof, bearer_token(visit)) {
        (Proof::SessionCookie, _) => {
            let line = cookie::line(&settings.session.cookie, &visit.request.headers);
            Some((COOKIE, String::from_utf8(line).ok()?))
        }
        (Proof::BearerToken | Proof::SessionToken, BearerToken::Present(token)) => {
            Some((AUTHORIZATION, ["Bearer ", token.expose()].concat()))
        }
        (Proof::BearerToken | Proof::SessionToken, BearerToken::Absent | BearerToken::Ambiguous) => None,
    }
}

/// Reads what an earlier pass of this stream has kept. If it was kept for this origin, and not long ago, its credential is put back
/// into a request that brings none of its kind; one that the request brings counts only if the pass before has left it there, and
/// not if it was added since. Otherwise nobody counts: the request may bring a credential, or evidence of its site, that was meant
/// for another origin. What does not count is taken out. If nothing was kept although Envoy says that there was a pass, a token may
/// be one that was added. Nothing else that is found has an effect.
pub fn restore(settings: &Settings, world: &dyn World, visit: &mut Visit) {
    if !settings.internal_redirects {
        return;
    }
    let plain = world.kept_with_stream().and_then(|text| settings.sealer.open(Purpose::NextPass, &text));
    let kept = plain.as_deref().and_then(Kept::read).filter(|kept| world.stream() == Some(kept.stream));
    let headers = &visit.request.headers;
    if kept.is_none() && !headers.contains(ENVOYS_URL) {
        return;
    }
    let is_from_elsewhere = internal_redirect::is_from_elsewhere(headers, &visit.origin);
    let came = Left::of(settings, headers, |_| true);
    let (private, whose, left) = match kept {
        Some(kept) if is_from_elsewhere || !kept.counts(visit) => (kept.private, Whose::Nobodys, kept.left),
        Some(kept) => (kept.private, kept.whose, kept.left),
        None if is_from_elsewhere => (true, Whose::Nobodys, Left::default()),
        None => (true, Whose::OfRequest, Left { authorization: String::new(), cookie: came.cookie.clone() }),
    };
    let is_nobodys = matches!(whose, Whose::Nobodys);
    let withheld = Withheld {
        cookie: if is_nobodys || came.cookie != left.cookie { withhold_cookies(settings, visit) } else { CookieEdit::Untouched },
        token: (is_nobodys || came.authorization != left.authorization) && withhold_token(settings, visit),
    };
    let counts = match whose {
        Whose::Nobodys => Counts::Nobodys,
        Whose::Kept { field, ref line } if put_back(settings, visit, field, line) => Counts::Kept(field),
        Whose::Kept { .. } | Whose::OfRequest => Counts::OfRequest,
    };
    if is_nobodys {
        withhold_evidence(&mut visit.request.headers);
    }
    visit.earlier_pass = Some(EarlierPass { private, counts, withheld });
}

/// Puts a credential back, and says whether it stands there now.
fn put_back(settings: &Settings, visit: &mut Visit, field: &str, line: &str) -> bool {
    let headers = &mut visit.request.headers;
    // Cookies of the application stand on other lines. Beside an `Authorization` of the application no other can stand.
    let brings_one = match field {
        COOKIE => cookie::read(&settings.session.cookie, headers) != Found::Nothing,
        _ => headers.contains(field),
    };
    if !brings_one {
        headers.add(field, line);
    }
    !brings_one
}

/// Takes our cookies out of a request.
fn withhold_cookies(settings: &Settings, visit: &mut Visit) -> CookieEdit {
    let headers = &mut visit.request.headers;
    let edit = without(headers, |name| settings.session.cookie.is_ours(name));
    if edit != CookieEdit::Untouched {
        headers.remove(COOKIE);
    }
    if let CookieEdit::Replaced(others) = &edit {
        headers.add(COOKIE, others);
    }
    edit
}

/// Takes a bearer token that may count here, or that a pass has got for its application, out of a request, and says whether there was
/// one. Where there is neither, `Authorization` is the application's.
fn withhold_token(settings: &Settings, visit: &mut Visit) -> bool {
    let may_be_ours = settings.accepts_bearer_tokens() || settings.gives_upstream_tokens();
    let brings_one = may_be_ours && !matches!(bearer_token(visit), BearerToken::Absent);
    if brings_one {
        visit.request.headers.remove(AUTHORIZATION);
    }
    brings_one
}

/// Takes out what the browser tells about the site that caused the request, because it is about a request to another origin.
fn withhold_evidence(headers: &mut Headers) {
    headers.remove("origin");
    headers.remove("sec-fetch-site");
    headers.add("sec-fetch-site", "cross-site");
}

/// The credentials that stand in a request, as digests; empty where there is none.
#[derive(Default)]
struct Left {
    cookie: String,
    authorization: String,
}

impl Left {
    /// Those in the fields of which `stays` holds.
    fn of(settings: &Settings, headers: &Headers, stays: impl Fn(&str) -> bool) -> Self {
        let digest = |bytes: &[u8]| if bytes.is_empty() { String::new() } else { URL_SAFE_NO_PAD.encode(Sha256::digest(bytes)) };
        let cookie = || digest(&cookie::line(&settings.session.cookie, headers));
        let authorization = || digest(&headers.all(AUTHORIZATION).collect::<Vec<_>>().join(b"\n".as_slice()));
        Self {
            cookie: stays(COOKIE).then(cookie).unwrap_or_default(),
            authorization: stays(AUTHORIZATION).then(authorization).unwrap_or_default(),
        }
    }
}

/// Whose credential counts in the next pass.
enum Whose {
    /// Nobody's, whatever the request brings.
    Nobodys,
    /// The one that is left in the request, if there is one.
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
    left: Left,
}

impl<'a> Kept<'a> {
    fn sealed(&self, settings: &Settings, world: &mut dyn World) -> Option<String> {
        let Self { stream: StreamId { connection, began }, time, private, origin, scheme, whose, left } = self;
        let (field, line) = match whose {
            Whose::Nobodys => (NOBODYS, ""),
            Whose::OfRequest => (OF_REQUEST, ""),
            Whose::Kept { field, line } => (*field, line.as_str()),
        };
        let mut writer = Writer::default();
        [*connection, *began, time.millis(), u64::from(*private)].into_iter().for_each(|number| writer.number(number));
        [origin, scheme, field, line, &left.cookie, &left.authorization].into_iter().for_each(|text| writer.text(text));
        settings.sealer.seal(world, Purpose::NextPass, &writer.finish(VERSION)).ok()
    }

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
            left: Left { cookie: record.text()?, authorization: record.text()? },
        })
    }

    /// Whether the pass was of the same origin, and not long ago.
    fn counts(&self, visit: &Visit) -> bool {
        let of_origin = visit.origin.is_serialized_as(self.origin) && self.scheme == scheme_of(&visit.request.headers);
        let in_time = self.time <= visit.now && visit.now.since(self.time) <= LONGEST;
        of_origin && in_time
    }
}

/// `:scheme`: an origin as it is configured has that of the browser, and Envoy's may change by a redirect.
fn scheme_of(headers: &Headers) -> &str {
    headers.single(":scheme").unwrap_or_default()
}
