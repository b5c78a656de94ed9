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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::cookie::SameSite;
    use crate::session::cookie::Shape;
    use crate::words::demand::Demand;
    use crate::words::world::testing::Still;

    const TIMEOUT: Duration = Duration::from_secs(600);
    const BEGUN: u64 = 1_750_000_000;

    fn sealer(keys: &[char]) -> Sealer {
        let keys: Vec<_> = keys.iter().map(|letter| Secret::new(letter.to_string().repeat(43))).collect();
        Sealer::new(&keys).ok().unwrap()
    }

    fn place(own: &str, return_to: &str) -> Place {
        Place {
            state: Secret::new(own),
            provider: "main".into(),
            return_to: return_to.into(),
            client_fingerprint: Fingerprint::of(["ours"]),
            created: Timestamp::from_seconds(BEGUN),
            demand: Demand::default(),
            another_account: false,
            begun_again: false,
            torn: false,
            in_vain: 0,
            cross_site: false,
        }
    }

    fn own(letter: &str) -> String {
        format!("{}.{}", letter.repeat(8), letter.repeat(43))
    }

    /// The `state` that is sent for this address.
    fn sent(own: &str, return_to: &str) -> String {
        with_address(&mut Still::default(), &sealer(&['Q']), &place(own, return_to)).unwrap().expose().to_owned()
    }

    fn read(keys: &[char], cookies: &str, state: &str, seconds: u64, whom: &str) -> Option<String> {
        let settings = CookieSettings::new("__Host-accredit".into(), SameSite::Lax, Shape::Split);
        let came = Headers::new(vec![("cookie".into(), cookies.as_bytes().to_vec())]);
        let (now, whom) = (Timestamp::from_seconds(seconds), Fingerprint::of([whom]));
        address_of(&sealer(keys), &settings, TIMEOUT, &came, state, now, &whom).map(|link| link.return_to)
    }

    #[test]
    fn the_address_is_read_by_every_sealing_key_for_a_day_and_by_nobody_else() {
        let state = sent(&own("A"), "/page?x=1");
        let address = Some("/page?x=1".to_owned());
        for keys in [&['Q'][..], &['g', 'Q']] {
            assert_eq!(read(keys, "", &state, BEGUN, "ours"), address);
        }
        assert_eq!(read(&['g'], "", &state, BEGUN, "ours"), None);
        let day = 24 * 60 * 60;
        let times = [(BEGUN + day - 1, true), (BEGUN + day, false), (BEGUN - 600, true), (BEGUN - 601, false)];
        for (seconds, is_read) in times {
            assert_eq!(read(&['Q'], "", &state, seconds, "ours").is_some(), is_read, "{seconds}");
        }
        assert!(state.starts_with(&format!("{}.", own("A"))) && !state.contains("page"), "{state}");
    }

    #[test]
    fn an_address_of_another_state_does_not_open() {
        let state = sent(&own("A"), "/page");
        let (ours, sealed) = own_and_sealed(&state);
        let sealed = sealed.unwrap();
        let other_random = format!("AAAAAAAA.{}", "B".repeat(43));
        let other_id = format!("BBBBBBBB.{}", "A".repeat(43));
        for other in [own("B"), other_random, other_id, "AAAAAAAA.".into(), "AAAAAAAA".into(), ".A".into(), String::new()] {
            assert_eq!(read(&['Q'], "", &format!("{other}.{sealed}"), BEGUN, "ours"), None, "{other}");
        }
        // Nor does it for another issuer, client or origin, nor if it was changed, cut or lengthened.
        assert_eq!(read(&['Q'], "", &state, BEGUN, "theirs"), None);
        let cut = (0..sealed.len()).map(|length| &sealed[..length]);
        assert!(cut.into_iter().all(|cut| read(&['Q'], "", &format!("{ours}.{cut}"), BEGUN, "ours").is_none()));
        for changed in
            [format!("{state}A"), format!("{state}."), format!("{state}.x"), format!("{ours}..{sealed}"), ours.to_owned()]
        {
            assert_eq!(read(&['Q'], "", &changed, BEGUN, "ours"), None, "{changed}");
        }
        let mut forged = state.clone().into_bytes();
        for at in ours.len() + 1..state.len() {
            forged[at] ^= 1;
            assert_eq!(read(&['Q'], "", &String::from_utf8_lossy(&forged), BEGUN, "ours"), None, "{at}");
            forged[at] ^= 1;
        }
    }

    #[test]
    fn nothing_else_that_we_seal_is_an_address() {
        let (sealer, mut world, whose) = (sealer(&['Q']), Still::default(), Fingerprint::of(["ours"]));
        let mut writer = Writer::default();
        writer.number(BEGUN * 1_000);
        writer.text("/page");
        let plain = writer.finish(VERSION);
        for purpose in Purpose::ALL {
            let unbound = sealer.seal(&mut world, purpose, &plain).unwrap();
            assert_eq!(read(&['Q'], "", &format!("{}.{unbound}", own("A")), BEGUN, "ours"), None, "{purpose:?}");
            let bound = sealer.seal_bound(&mut world, purpose, &bound_to(&own("A"), &whose), &plain).unwrap();
            let opened = read(&['Q'], "", &format!("{}.{bound}", own("A")), BEGUN, "ours").is_some();
            assert_eq!(opened, purpose == Purpose::StatePlace, "{purpose:?}");
        }
        for wrong in [[&[VERSION + 1], &plain[1..]].concat(), [&plain[..], b"x"].concat(), plain[..plain.len() - 1].to_vec()] {
            let bound = sealer.seal_bound(&mut world, Purpose::StatePlace, &bound_to(&own("A"), &whose), &wrong).unwrap();
            assert_eq!(read(&['Q'], "", &format!("{}.{bound}", own("A")), BEGUN, "ours"), None);
        }
    }

    #[test]
    fn a_browser_that_brings_the_attempts_cookie_gets_nothing_from_its_state_whatever_the_cookie_holds() {
        let state = sent(&own("A"), "/page");
        for cookie in ["__Host-accredit-attempt-AAAAAAAA=", "x=y; __Host-accredit-attempt-AAAAAAAA=junk"] {
            assert_eq!(read(&['Q'], cookie, &state, BEGUN, "ours"), None, "{cookie}");
        }
        assert_eq!(read(&['Q'], "__Host-accredit-attempt-BBBBBBBB=junk", &state, BEGUN, "ours"), Some("/page".into()));
    }

    #[test]
    fn an_address_of_up_to_94_bytes_fits_and_a_longer_one_leaves_the_state_as_short_as_without() {
        let address = |length: usize| format!("/{}", "x".repeat(length - 1));
        // What docs/decisions/places.md says.
        for (length, expected) in [(2, 127), (20, 151), (40, 177), (94, 249), (95, 52), (249, 52), (8_192, 52)] {
            let state = sent(&own("A"), &address(length));
            assert_eq!(state.len(), expected, "an address of {length} bytes");
            assert!(state.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
            let read = read(&['Q'], "", &state, BEGUN, "ours");
            assert_eq!(read, (length < 95).then(|| address(length)), "{length}");
        }
        assert_eq!(sent(&own("A"), "/"), own("A"), "the page leads there anyway");
        // Nothing longer is opened.
        assert_eq!(read(&['Q'], "", &format!("{}.{}", own("A"), "A".repeat(198)), BEGUN, "ours"), None);
    }
}
