//! The place of a sign-in attempt: what is left of it when it can no longer be finished, because it took too long or was used up.
//! It says where the person wanted to go, and how to begin again. It holds neither verifier nor nonce, so that nobody can be
//! signed in by it. A place is kept for sign-ins that end with a session, not for those of popups and of pages that keep a token.

use std::time::Duration;

use crate::crypto::seal::{Purpose, Sealer};
use crate::http::cookie::{Attributes, SameSite, set};
use crate::session::attempt::state::{cookie_name, id_of};
use crate::session::content::Fingerprint;
use crate::session::cookie::CookieSettings;
use crate::words::demand::Demand;
use crate::words::record::{Reader, Writer};
use crate::words::secret::Secret;
use crate::words::time::Timestamp;
use crate::words::world::{NoRandomness, World};

/// How long a place is kept, from the beginning of its attempt: a login page may be left open overnight.
pub const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// A place is kept at least so long, for callbacks that come again.
pub const SHORTEST_LIFE: Duration = Duration::from_secs(120);

/// A sealed text of more bytes is kept for as long as a sign-in may take, and no longer: many long addresses at once must not fill
/// what a server accepts as header fields.
const LARGEST_LASTING: usize = 1_000;

/// The version of the sealed content. No other version is read.
const VERSION: u8 = 2;

/// The place of an attempt. The fields without a comment are those of [`Attempt`](super::Attempt).
#[expect(missing_docs, reason = "`Attempt` has the same fields, and says what they are")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub state: Secret,
    pub provider: String,
    pub return_to: String,
    pub client_fingerprint: Fingerprint,
    pub created: Timestamp,
    pub demand: Demand,
    pub another_account: bool,
    pub begun_again: bool,
    pub torn: bool,
    pub in_vain: u64,
    pub cross_site: bool,
}

impl Place {
    /// Appends the place to a record.
    pub(super) fn write(&self, writer: &mut Writer) {
        for text in [self.state.expose(), &self.provider, &self.return_to, self.client_fingerprint.as_str()] {
            writer.text(text);
        }
        writer.number(self.created.millis());
        writer.text(&self.demand.acr_values.join(" "));
        writer.optional_number(self.demand.max_age);
        for truth in [self.another_account, self.begun_again, self.torn, self.cross_site] {
            writer.number(truth.into());
        }
        writer.number(self.in_vain);
    }

    /// Reads a place from a record.
    pub(super) fn read(read: &mut Reader<'_>) -> Option<Self> {
        // The fields stand here in the order in which they were written.
        Some(Self {
            state: Secret::new(read.text()?),
            provider: read.text()?,
            return_to: read.text()?,
            client_fingerprint: Fingerprint::written(read.text()?),
            created: Timestamp::from_millis(read.number()?),
            demand: Demand { acr_values: words(read.borrowed_text()?), max_age: read.optional_number()? },
            another_account: read.number()? != 0,
            begun_again: read.number()? != 0,
            torn: read.number()? != 0,
            cross_site: read.number()? != 0,
            in_vain: read.number()?,
        })
    }

    /// Opens the sealed text of a cookie.
    pub(super) fn open(sealer: &Sealer, value: &[u8]) -> Option<Self> {
        let plain = sealer.open(Purpose::Place, value)?;
        let mut read = Reader::new(&plain, VERSION)?;
        let place = Self::read(&mut read)?;
        read.is_empty().then_some(place)
    }

    /// The identifier of the attempt.
    pub fn id(&self) -> &str {
        id_of(self.state.expose()).unwrap_or_default()
    }

    /// Whether the place still counts.
    pub(super) fn is_alive(&self, now: Timestamp, timeout: Duration) -> bool {
        is_alive(self.created, now, timeout)
    }

    /// The `Set-Cookie` value that puts the place where the attempt was, for at most `longest`. `timeout` is how long a sign-in may
    /// take.
    ///
    /// # Errors
    /// [`NoRandomness`] if the host gives none.
    pub fn store(
        &self,
        world: &mut dyn World,
        sealer: &Sealer,
        settings: &CookieSettings,
        now: Timestamp,
        timeout: Duration,
        longest: Duration,
    ) -> Result<String, NoRandomness> {
        let mut writer = Writer::default();
        self.write(&mut writer);
        let sealed = sealer.seal(world, Purpose::Place, &writer.finish(VERSION))?;
        let left = life(sealed.len(), timeout).saturating_sub(now.since(self.created));
        let max_age = left.max(SHORTEST_LIFE).min(longest);
        let attributes = Attributes { path: "/", same_site: self.same_site(), max_age };
        Ok(set(&cookie_name(settings, self.id()), &sealed, attributes))
    }

    /// `SameSite` of the cookie, which is the attempt's.
    const fn same_site(&self) -> SameSite {
        if self.cross_site { SameSite::None } else { SameSite::Lax }
    }
}

/// Whether what is left of an attempt that began at `created` still counts. One from the future (a clock was set back) does not.
pub(super) fn is_alive(created: Timestamp, now: Timestamp, timeout: Duration) -> bool {
    now.since(created) < LONGEST_LIFE && created <= now.plus(timeout)
}

/// How long a cookie with a sealed text of this length, in bytes, is kept from the beginning of its attempt.
pub(super) fn life(length: usize, timeout: Duration) -> Duration {
    if length > LARGEST_LASTING { timeout } else { LONGEST_LIFE.max(timeout) }
}

/// Words that were written with spaces between them.
fn words(text: &str) -> Vec<String> {
    text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}
