//! The address where a person wanted to go, sealed within `state` itself. It is read only if the browser no longer has the cookie of
//! that sign-in attempt, because too many others are open at once, or because it keeps no such cookies. A `state` proves nothing about
//! the browser that brings it: anybody can bring their own, or have others bring it. So this address becomes a link on a page, and
//! never a redirect. Who begins an attempt, and who answers, is not known here.

use std::time::Duration;

use crate::crypto::seal::{Purpose, Sealer};
use crate::http::message::Headers;
use crate::session::attempt::place::{Place, is_alive};
use crate::session::attempt::state::{cookie_of, id_of, own_and_sealed};
use crate::session::content::Fingerprint;
use crate::session::cookie::CookieSettings;
use crate::words::record::{Reader, Writer};
use crate::words::secret::Secret;
use crate::words::time::Timestamp;
use crate::words::world::{NoRandomness, World};

/// The length of the longest `state` with an address, in bytes. No specification bounds it, but some providers do.
pub const LONGEST_STATE: usize = 250;

/// The version of the sealed content. No other version is read.
const VERSION: u8 = 1;

/// An address that was read from `state` alone: good for a link, and for nothing that happens by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkOnly {
    /// The address, to be checked again like every address to return to.
    pub return_to: String,
}

/// The `state` to send to the provider: that of the attempt, a dot and its sealed address. The address is left out if it is `/`, where
/// the page leads anyway, or if `state` would be longer than [`LONGEST_STATE`].
///
/// # Errors
/// [`NoRandomness`] if the host gives none.
pub fn with_address(world: &mut dyn World, sealer: &Sealer, place: &Place) -> Result<Secret, NoRandomness> {
    if place.return_to == "/" || place.return_to.len() >= LONGEST_STATE {
        return Ok(place.state.clone());
    }
    let mut writer = Writer::default();
    writer.number(place.created.millis());
    writer.text(&place.return_to);
    let own = place.state.expose();
    let bound_to = bound_to(own, &place.client_fingerprint);
    let sealed = sealer.seal_bound(world, Purpose::StatePlace, &bound_to, &writer.finish(VERSION))?;
    let whole = Secret::new([own, ".", &sealed].concat());
    Ok(if whole.len() > LONGEST_STATE { place.state.clone() } else { whole })
}

/// The address in a callback's `state`. `None` if the cookie of its attempt is among the request's `headers`, whatever is in it; or if
/// the address was sealed for another attempt, for another issuer, client or origin than `begun_for`, or too long ago.
pub fn address_of(
    sealer: &Sealer,
    settings: &CookieSettings,
    timeout: Duration,
    headers: &Headers,
    state: &str,
    now: Timestamp,
    begun_for: &Fingerprint,
) -> Option<LinkOnly> {
    let (own, sealed) = own_and_sealed(state);
    let sealed = sealed.filter(|_| state.len() <= LONGEST_STATE)?;
    if cookie_of(settings, headers, id_of(own)?).is_some() {
        return None;
    }
    let plain = sealer.open_bound(Purpose::StatePlace, &bound_to(own, begun_for), sealed.as_bytes())?;
    let mut read = Reader::new(&plain, VERSION)?;
    let (created, return_to) = (Timestamp::from_millis(read.number()?), read.text()?);
    (read.is_empty() && is_alive(created, now, timeout)).then_some(LinkOnly { return_to })
}

/// What the sealed address belongs to: the two parts of `state` before it, and whom the attempt is for. Neither has a space.
fn bound_to(own: &str, begun_for: &Fingerprint) -> String {
    [own, " ", begun_for.as_str()].concat()
}
