//! Keys for tests.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::crypto::end_key::EndKey;
use crate::crypto::seal::Sealer;
use crate::words::secret::Secret;

/// Keys that are derived from `session.keys`, each of which consists of one byte.
pub(crate) fn keys(bytes: &[u8]) -> Vec<EndKey> {
    let keys: Vec<_> = bytes.iter().map(|byte| Secret::new(STANDARD.encode([*byte; 32]))).collect();
    Sealer::new(&keys).ok().unwrap().end_keys().to_vec()
}
