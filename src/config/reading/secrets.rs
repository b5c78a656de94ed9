//! Secrets of a configuration, by their paths. One key serves one purpose: reuse is refused.

use crate::config::reading::refusal::{Checked, Refusals};
use crate::words::secret::Secret;

/// All that were seen so far. Each is to be there once.
#[derive(Default)]
pub(crate) struct Secrets(Vec<(String, Secret)>);

impl Secrets {
    /// Takes one in that may stand elsewhere, too: two clients of one provider can have the same secret.
    pub(crate) fn allow(&mut self, path: String, secret: &Secret) {
        self.0.push((path, secret.clone()));
    }

    /// Takes one in that may stand nowhere else.
    pub(crate) fn add(&mut self, path: String, secret: &Secret, refusals: &mut Refusals) -> Checked<()> {
        if let Some((other, _)) = self.0.iter().find(|(_, other)| other == secret) {
            let sentence = format!("expected a key of its own, found that of {other}; make one with: openssl rand -base64 48");
            return Err(refusals.refuse(path, sentence));
        }
        self.allow(path, secret);
        Ok(())
    }
}
