//! A sign-in attempt: what must still be known when the provider sends the browser back. It is kept in a sealed cookie of its
//! own, so that several tabs do not disturb each other, and any replica can finish it. The cookie outlives the time in which the
//! attempt can be finished: then it opens for its [`place`] alone. Which provider is asked, and what happens at the end, is
//! decided elsewhere.

pub mod ending;
pub mod in_state;
pub mod place;
pub mod state;

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto::seal::Sealer;
use crate::http::cookie::{Attributes, SameSite, delete, set};
use crate::http::message::Headers;
use crate::http::url::Origin;
pub use crate::session::attempt::ending::Ending;
use crate::session::attempt::place::{Place, SHORTEST_LIFE};
use crate::session::attempt::state::{ID_BYTES, POPUP_MARK, cookie_name, cookie_of, cookies_of, id_of, own_and_sealed};
use crate::session::content::Fingerprint;
use crate::session::cookie::CookieSettings;
use crate::words::demand::Demand;
use crate::words::reason::Reason;
use crate::words::record::{Reader, Writer};
use crate::words::secret::Secret;
use crate::words::time::Timestamp;
use crate::words::world::{NoRandomness, World};

/// How many sign-in attempts a browser may keep, with those that can no longer be finished. A further one replaces one of these,
/// or else the oldest.
pub const MOST_ATTEMPTS: usize = 5;

/// The size of the largest cookie that browsers accept, in bytes of its name and value (RFC 6265, section 6.1).
const LARGEST_COOKIE: usize = 4_096;

/// How many attempt cookies are opened to find the newest. A browser that restores many tabs at once may send more.
const MOST_COOKIES_LOOKED_AT: usize = 20;

/// How many attempt cookies are deleted with one response. More are deleted with the next one.
const MOST_DELETED: usize = 60;

/// The version of the sealed content. No other version is read.
const VERSION: u8 = 3;

/// What a callback's `state` belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// An attempt that can be finished, unless it was used up meanwhile.
    Attempt(Box<Attempt>),
    /// An attempt that took too long.
    Expired(Place),
    /// An attempt that was used up.
    UsedUp(Place),
}

impl Found {
    /// For whom the attempt was begun: the configured name of the provider, and [`client_fingerprint`].
    pub fn begun_for(&self) -> (&str, &Fingerprint) {
        match self {
            Self::Attempt(attempt) => (&attempt.provider, &attempt.client_fingerprint),
            Self::Expired(place) | Self::UsedUp(place) => (&place.provider, &place.client_fingerprint),
        }
    }
}

/// What is known when an attempt begins. The fields are those of [`Attempt`].
#[expect(missing_docs, reason = "`Attempt` has the same fields, and says what they are")]
#[derive(Clone, Debug)]
pub struct Plan {
    pub ending: Ending,
    pub provider: String,
    pub redirect_uri: String,
    pub return_to: String,
    pub demand: Demand,
    pub another_account: bool,
    pub begun_again: bool,
    pub torn: bool,
    pub in_vain: u64,
    pub cross_site: bool,
    pub client_fingerprint: Fingerprint,
}

/// A sign-in attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// `state`: the attempt's identifier, a dot, `popup.` if it is for a popup, and 256 random bits. What [`in_state`] may send behind it
    /// is no part of it.
    pub state: Secret,
    /// `nonce`, which the ID token must contain.
    pub nonce: Secret,
    /// `code_verifier` (RFC 7636).
    pub code_verifier: Secret,
    /// The configured name of the provider. With several, an authorization response counts only if it is this one's.
    pub provider: String,
    /// The redirect URI of the authorization request, which the token request repeats.
    pub redirect_uri: String,
    /// Where to send the person after the sign-in.
    pub return_to: String,
    /// When the attempt began.
    pub created: Timestamp,
    /// Identifies the issuer, the client and the origin ([`client_fingerprint`]): another gateway with the same key cannot begin
    /// an attempt for this one.
    pub client_fingerprint: Fingerprint,
    /// What was required of the authentication. The ID token must show that it was met.
    pub demand: Demand,
    /// Whether the person is to choose another account: a session that began before does not do.
    pub another_account: bool,
    /// Whether this attempt was begun by itself, after one that could not be finished. That happens once: the next failure is
    /// shown to the person.
    pub begun_again: bool,
    /// Whether the browser had brought only a part of a session's cookies. At the end it must show that it brings all of them.
    pub torn: bool,
    /// How many sign-ins in a row, just before this one and for the same address, led to sessions that were not accepted.
    pub in_vain: u64,
    /// Whether the authorization response comes with a request that another site's page causes. The cookie is `SameSite=None`
    /// then.
    pub cross_site: bool,
    /// What the attempt ends with. It is not in the content, because the purpose of the seal says it.
    pub ending: Ending,
}

impl Attempt {
    /// Begins an attempt, with new random values.
    ///
    /// # Errors
    /// [`NoRandomness`] if the host gives none.
    pub fn begin(world: &mut dyn World, now: Timestamp, plan: Plan) -> Result<Self, NoRandomness> {
        let id = random_text::<ID_BYTES>(world)?;
        let mark = if plan.ending == Ending::Popup { POPUP_MARK } else { "." };
        Ok(Self {
            state: Secret::new(format!("{id}{mark}{}", random_text::<32>(world)?)),
            nonce: Secret::new(random_text::<32>(world)?),
            code_verifier: Secret::new(random_text::<32>(world)?),
            provider: plan.provider,
            redirect_uri: plan.redirect_uri,
            return_to: plan.return_to,
            created: now,
            demand: plan.demand,
            another_account: plan.another_account,
            begun_again: plan.begun_again,
            torn: plan.torn,
            in_vain: plan.in_vain,
            cross_site: plan.cross_site,
            client_fingerprint: plan.client_fingerprint,
            ending: plan.ending,
        })
    }

    /// The content to seal.
    fn write(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        for text in [self.nonce.expose(), self.code_verifier.expose(), &self.redirect_uri] {
            writer.text(text);
        }
        self.place().write(&mut writer);
        writer.finish(VERSION)
    }

    /// Reads the content that was sealed for this purpose.
    fn read(plain: &[u8], ending: Ending) -> Option<Self> {
        let mut read = Reader::new(plain, VERSION)?;
        // The fields stand here in the order in which they were written.
        let (nonce, code_verifier, redirect_uri) = (Secret::new(read.text()?), Secret::new(read.text()?), read.text()?);
        let place = Place::read(&mut read)?;
        let attempt = Self {
            nonce,
            code_verifier,
            redirect_uri,
            ending,
            state: place.state,
            provider: place.provider,
            return_to: place.return_to,
            created: place.created,
            client_fingerprint: place.client_fingerprint,
            demand: place.demand,
            another_account: place.another_account,
            begun_again: place.begun_again,
            torn: place.torn,
            in_vain: place.in_vain,
            cross_site: place.cross_site,
        };
        read.is_empty().then_some(attempt)
    }

    /// The identifier in `state`, which is part of the cookie's name.
    pub fn id(&self) -> &str {
        id_of(self.state.expose()).unwrap_or_default()
    }

    /// What is left of the attempt when it can no longer be finished.
    pub fn place(&self) -> Place {
        Place {
            state: self.state.clone(),
            provider: self.provider.clone(),
            return_to: self.return_to.clone(),
            client_fingerprint: self.client_fingerprint.clone(),
            created: self.created,
            demand: self.demand.clone(),
            another_account: self.another_account,
            begun_again: self.begun_again,
            torn: self.torn,
            in_vain: self.in_vain,
            cross_site: self.cross_site,
        }
    }

    /// The `Set-Cookie` values that store this attempt, and delete those in the request's `headers` that are too many, too old or
    /// forged. If the place to return to does not fit into a cookie, it becomes `/`.
    ///
    /// # Errors
    /// [`NoRandomness`] if the host gives none.
    pub fn store(
        &mut self,
        world: &mut dyn World,
        sealer: &Sealer,
        settings: &CookieSettings,
        timeout: Duration,
        headers: &Headers,
    ) -> Result<Vec<String>, NoRandomness> {
        let name = cookie_name(settings, self.id());
        let mut sealed = sealer.seal(world, self.ending.purpose(), &self.write())?;
        if name.len().saturating_add(sealed.len()) > LARGEST_COOKIE {
            self.return_to = "/".to_owned();
            sealed = sealer.seal(world, self.ending.purpose(), &self.write())?;
        }
        let attributes = Attributes { path: "/", same_site: self.same_site(), max_age: self.ending.life(sealed.len(), timeout) };
        let mut cookies = vec![set(&name, &sealed, attributes)];
        let (mut kept, mut over) = (Vec::new(), BTreeSet::new());
        for (position, (id, value)) in cookies_of(settings, headers).enumerate() {
            let age = if position < MOST_COOKIES_LOOKED_AT { age(sealer, value, self.created, timeout) } else { None };
            match age {
                Some(age) => kept.push((age, id)),
                None => drop(over.insert(id)),
            }
        }
        while let (Some(first), MOST_ATTEMPTS..) = (kept.iter().min().copied(), kept.len()) {
            kept.retain(|other| *other != first);
            over.insert(first.1);
        }
        cookies.extend(over.into_iter().take(MOST_DELETED).map(|id| delete(&cookie_name(settings, id), "/", self.same_site())));
        Ok(cookies)
    }

    /// Finds what a callback's `state` belongs to (RFC 6749, section 10.12): an attempt, or what is left of one. Its cookie must be
    /// among the request's `headers`, be sealed for one of `endings`, and contain exactly this `state`; of an attempt that ends with
    /// a session, its first two parts, behind which [`in_state`] may have put an address.
    ///
    /// # Errors
    /// [`Reason::StateMissing`], [`Reason::AttemptMissing`], [`Reason::StateMismatch`]; [`Reason::AttemptExpired`] when nothing is
    /// left of it.
    pub fn find(
        sealer: &Sealer,
        settings: &CookieSettings,
        timeout: Duration,
        headers: &Headers,
        state: &str,
        now: Timestamp,
        endings: &[Ending],
    ) -> Result<Found, Reason> {
        if state.is_empty() {
            return Err(Reason::StateMissing);
        }
        let value = id_of(state).and_then(|id| cookie_of(settings, headers, id)).ok_or(Reason::AttemptMissing)?;
        let (whole, own) = (Secret::new(state), Secret::new(own_and_sealed(state).0));
        if let Some(attempt) = open_any(sealer, value, endings) {
            let came = if attempt.ending == Ending::Session { own } else { whole };
            return match attempt.place() {
                place if place.state != came => Err(Reason::StateMismatch),
                _ if attempt.is_young(now, timeout) => Ok(Found::Attempt(Box::new(attempt))),
                place if attempt.ending == Ending::Session && place.is_alive(now, timeout) => Ok(Found::Expired(place)),
                _ => Err(Reason::AttemptExpired),
            };
        }
        match Place::open(sealer, value).filter(|_| endings.contains(&Ending::Session)) {
            None => Err(Reason::AttemptMissing),
            Some(place) if place.state != own => Err(Reason::StateMismatch),
            Some(place) if place.is_alive(now, timeout) => Ok(Found::UsedUp(place)),
            Some(_) => Err(Reason::AttemptExpired),
        }
    }

    /// The place of the attempt with this identifier, whatever became of it; `None` unless its cookie is among the request's
    /// `headers`.
    pub fn find_place(
        sealer: &Sealer,
        settings: &CookieSettings,
        timeout: Duration,
        headers: &Headers,
        id: &str,
        now: Timestamp,
    ) -> Option<Place> {
        let value = cookie_of(settings, headers, id)?;
        let attempt = || open(sealer, value, Ending::Session).map(|attempt| attempt.place());
        Place::open(sealer, value).or_else(attempt).filter(|place| place.id() == id && place.is_alive(now, timeout))
    }

    /// What is left of the sign-ins to return to this address that were begun just now, and are over.
    pub fn just_over(
        sealer: &Sealer,
        settings: &CookieSettings,
        timeout: Duration,
        headers: &Headers,
        return_to: &str,
        now: Timestamp,
    ) -> Vec<Place> {
        let places =
            cookies_of(settings, headers).take(MOST_COOKIES_LOOKED_AT).filter_map(|(_, value)| Place::open(sealer, value));
        let recent = timeout.saturating_add(SHORTEST_LIFE);
        places.filter(|place| place.return_to == return_to && now.since(place.created) < recent).collect()
    }

    /// What `name` says of the first of these cookies of attempts and places of which it says anything: by which key it was sealed.
    pub fn first_named<T>(settings: &CookieSettings, headers: &Headers, name: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        cookies_of(settings, headers).take(MOST_COOKIES_LOOKED_AT).find_map(|(_, value)| name(value))
    }

    /// Finds the newest attempt of this browser that ends with `ending`, for a page that does not send a `state`.
    ///
    /// # Errors
    /// [`Reason::AttemptMissing`] if there is none; [`Reason::AttemptExpired`] if it is too old.
    pub fn newest(
        sealer: &Sealer,
        settings: &CookieSettings,
        timeout: Duration,
        headers: &Headers,
        now: Timestamp,
        ending: Ending,
    ) -> Result<Self, Reason> {
        let looked_at = cookies_of(settings, headers).take(MOST_COOKIES_LOOKED_AT);
        let opened = looked_at.filter_map(|(_, value)| open(sealer, value, ending));
        let newest = opened.max_by_key(|attempt| attempt.created).ok_or(Reason::AttemptMissing)?;
        if newest.is_young(now, timeout) { Ok(newest) } else { Err(Reason::AttemptExpired) }
    }

    fn is_young(&self, now: Timestamp, timeout: Duration) -> bool {
        now.since(self.created) < timeout && self.created <= now.plus(timeout)
    }

    /// `SameSite` of the cookie. Its deletion needs it, too: browsers accept no other cookie in a response to another site's
    /// page.
    const fn same_site(&self) -> SameSite {
        if self.cross_site { SameSite::None } else { SameSite::Lax }
    }

    /// The `Set-Cookie` value that deletes the cookie of this attempt.
    pub fn forget(&self, settings: &CookieSettings) -> String {
        delete(&cookie_name(settings, self.id()), "/", self.same_site())
    }
}

/// Identifies whom an attempt is for: the provider's issuer, our client identifier there, and the origin where it began.
pub fn client_fingerprint(issuer: &str, client_id: &str, origin: &Origin) -> Fingerprint {
    Fingerprint::of(["sign-in", issuer, client_id, &origin.to_string()])
}

/// When the attempt or the place in a cookie began, and whether it can still be finished (`true` comes last); `None` for what does
/// not open, or has had its time.
fn age(sealer: &Sealer, value: &[u8], now: Timestamp, timeout: Duration) -> Option<(bool, Timestamp)> {
    let (begun, ending, whole) = match open_any(sealer, value, &Ending::ALL) {
        Some(attempt) => (attempt.created, attempt.ending, true),
        None => (Place::open(sealer, value)?.created, Ending::Session, false),
    };
    let age = now.since(begun);
    (age < ending.life(value.len(), timeout)).then_some((whole && age < timeout, begun))
}

fn open(sealer: &Sealer, value: &[u8], ending: Ending) -> Option<Attempt> {
    Attempt::read(&sealer.open(ending.purpose(), value)?, ending)
}

fn open_any(sealer: &Sealer, value: &[u8], endings: &[Ending]) -> Option<Attempt> {
    endings.iter().find_map(|ending| open(sealer, value, *ending))
}

fn random_text<const BYTES: usize>(world: &mut dyn World) -> Result<String, NoRandomness> {
    let mut bytes = [0; BYTES];
    world.random(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests;
