//! What a worker has verified before and need not verify again: sessions, bearer tokens, refusals. It is bound to one configuration
//! and its keys, and gone with them.

use std::rc::Rc;

use crate::authenticate::verified::Verified;
use crate::crypto::jws::LastHeader;
use crate::session::remembered::memory::{Memory, Name, NamingKey};
use crate::words::reason::Failure;
use crate::words::time::Timestamp;
use crate::words::world::{NoRandomness, World};

/// What a worker remembers of verified sessions, in bytes.
const SESSION_BYTES: usize = 8 * 1024 * 1024;

/// What it remembers of verified tokens, in bytes.
const TOKEN_BYTES: usize = SESSION_BYTES - REFUSED_BYTES;

/// What it remembers of tokens that were refused, in bytes. All three are 16 MiB.
const REFUSED_BYTES: usize = 512 * 1024;

/// So many questions about tokens may be under way in one worker.
const MOST_ASKING: usize = 64;

/// What was verified before.
pub struct Recall {
    /// What names a credential, in all that is remembered below.
    naming: NamingKey,
    /// Sessions that were verified, by their sealed text.
    pub(super) sessions: Memory<Verified>,
    /// Bearer tokens that were verified. Apart, so that one can never be taken for the other.
    pub(super) tokens: Memory<Verified>,
    /// Bearer tokens that their provider does not accept. Apart, so that a flood of bad ones pushes no good one out.
    pub(super) refused: Memory<Failure>,
    /// Each question about a token that is under way holds it once more.
    asking: Rc<()>,
    /// Of the last JWT that was read, a session or a bearer token.
    pub(super) last_header: LastHeader,
}

impl Recall {
    /// Nothing yet.
    ///
    /// # Errors
    /// [`NoRandomness`] when the host has no random bytes.
    pub fn new(world: &mut dyn World) -> Result<Self, NoRandomness> {
        let naming = NamingKey::new(world)?;
        let (sessions, tokens, refused) = (Memory::new(SESSION_BYTES), Memory::new(TOKEN_BYTES), Memory::new(REFUSED_BYTES));
        Ok(Self { naming, sessions, tokens, refused, asking: Rc::default(), last_header: LastHeader::default() })
    }

    /// The name under which a credential is remembered.
    pub(super) fn name(&self, credential: &[u8]) -> Name {
        self.naming.name(credential)
    }

    /// A place for one more question about a token, free again when it is dropped; `None` when all are taken.
    pub(super) fn place_to_ask(&self) -> Option<Rc<()>> {
        (Rc::strong_count(&self.asking) <= MOST_ASKING).then(|| Rc::clone(&self.asking))
    }

    /// Remembers whose token has this name and so many bytes, until then at most.
    pub(super) fn remember_token(&mut self, name: Name, bytes: usize, verified: &Rc<Verified>, until: Timestamp) {
        let until = until.min(verified.principal.expires);
        self.tokens.remember(name, Rc::clone(verified), verified.weight(bytes), until);
    }

    /// Forgets a session, whichever way it came.
    pub(super) fn forget(&mut self, credential: &[u8]) {
        let name = self.name(credential);
        self.sessions.forget(name);
        self.tokens.forget(name);
    }
}
