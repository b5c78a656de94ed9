//! The secrets of a configuration, by their paths. One key serves one purpose, so that a key which stands in two places is
//! refused. What a key is for is not known here.

use crate::config::reading::refusal::{Checked, Refusals};
use crate::words::secret::Secret;

/// The secrets that were seen so far, each with its path.
#[derive(Default)]
pub(crate) struct Secrets(Vec<(String, Secret)>);

impl Secrets {
    /// Takes in a secret that may stand elsewhere too: two clients of one provider can have the same one.
    pub(crate) fn allow(&mut self, path: String, secret: &Secret) {
        self.0.push((path, secret.clone()));
    }

    /// Takes in a secret, and refuses it if it was seen before.
    pub(crate) fn add(&mut self, path: String, secret: &Secret, refusals: &mut Refusals) -> Checked<()> {
        if let Some((other, _)) = self.0.iter().find(|(_, other)| other == secret) {
            let sentence = format!("expected a key of its own, found that of {other}; make one with: openssl rand -base64 48");
            return Err(refusals.refuse(path, sentence));
        }
        self.allow(path, secret);
        Ok(())
    }
}
