//! What a worker has verified before and need not verify again: sessions, bearer tokens, refusals of bearer tokens. It belongs to
//! one configuration with its keys, and ends with it. It never verifies anything itself.

use std::rc::Rc;

use crate::authenticate::verified::Verified;
use crate::crypto::jws::LastHeader;
use crate::session::remembered::memory::{Memory, Name, NamingKey};
use crate::words::reason::Failure;
use crate::words::time::Timestamp;
use crate::words::world::{NoRandomness, World};

/// The most memory for verified sessions, in bytes.
const SESSION_BYTES: usize = 8 * 1024 * 1024;

/// The most memory for verified bearer tokens, in bytes.
const TOKEN_BYTES: usize = SESSION_BYTES - REFUSED_BYTES;

/// The most memory for refused bearer tokens, in bytes. All three together are 16 MiB.
const REFUSED_BYTES: usize = 512 * 1024;

/// The most introspection requests that may be under way in one worker.
const MOST_ASKING: usize = 64;

/// What was verified before.
pub struct Recall {
    /// The key of the hash under which credentials are remembered.
    naming: NamingKey,
    /// Verified sessions, by the text of their cookie.
    pub(super) sessions: Memory<Verified>,
    /// Verified bearer tokens: separate from the cookies, so that neither can be used in the other's place.
    pub(super) tokens: Memory<Verified>,
    /// Bearer tokens that their provider refused: separate, so that many bad ones cannot displace a good one.
    pub(super) refused: Memory<Failure>,
    /// Counts the introspection requests under way: each holds one reference to it, as its permit.
    permits: Rc<()>,
    /// The header of the last JWT that was read, of a session or a bearer token. Most JWTs have the same one.
    pub(super) last_header: LastHeader,
}

impl Recall {
    /// Nothing is remembered yet.
    ///
    /// # Errors
    /// [`NoRandomness`] when the host has no random bytes.
    pub fn new(world: &mut dyn World) -> Result<Self, NoRandomness> {
        let naming = NamingKey::new(world)?;
        let (sessions, tokens, refused) = (Memory::new(SESSION_BYTES), Memory::new(TOKEN_BYTES), Memory::new(REFUSED_BYTES));
        Ok(Self { naming, sessions, tokens, refused, permits: Rc::default(), last_header: LastHeader::default() })
    }

    /// The name under which a credential is remembered, or what was obtained for one.
    pub fn name(&self, credential: &[u8]) -> Name {
        self.naming.name(credential)
    }

    /// The permit for one more introspection request, which ends when it is dropped; `None` when too many are under way.
    pub(super) fn permit_to_ask(&self) -> Option<Rc<()>> {
        (Rc::strong_count(&self.permits) <= MOST_ASKING).then(|| Rc::clone(&self.permits))
    }

    /// Remembers a verified bearer token of this length in bytes, until the given time or its own end.
    pub(super) fn remember_token(&mut self, name: Name, bytes: usize, verified: &Rc<Verified>, until: Timestamp) {
        let until = until.min(verified.principal.expires);
        self.tokens.remember(name, Rc::clone(verified), verified.weight(bytes), until);
    }

    /// Forgets a session, as a cookie and as a bearer token.
    pub(super) fn forget(&mut self, credential: &[u8]) {
        let name = self.name(credential);
        self.sessions.forget(name);
        self.tokens.forget(name);
    }
}
