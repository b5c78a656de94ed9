//! The wait of a sign-in for keys that its provider has published since ours were fetched. The code is used by then, so that the
//! sign-in cannot begin again. It waits once: for the key of its ID token, or for that of its userinfo. Nothing is verified here.

use crate::authenticate::scene::Scene;
use crate::config::settings::ProviderSettings;
use crate::step::decision::{News, Resource, Step};
use crate::step::visit::Visit;
use crate::upkeep::documents::HeldKeys;
use crate::words::reason::{Failure, Reason};

/// Whether the provider's keys were fetched again for this sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFetch {
    /// They were not.
    NotTried,
    /// They were, and are here.
    Done,
    /// They did not come, for this reason.
    InVain(Reason),
}

impl From<News> for KeyFetch {
    fn from(news: News) -> Self {
        match news {
            News::Ready => Self::Done,
            News::Missing(reason) => Self::InVain(reason),
        }
    }
}

/// Why the keys that are here verify no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// None is the key that signed.
    KeyUnknown,
    /// One is the key that should have signed, and it did not.
    SignatureWrong,
}

/// Whether a sign-in waits for newer keys, because those that are here did not verify what the provider sent.
///
/// # Errors
/// The failure of the sign-in, if it has waited before: `failure` if newer keys came. If none came, they may be missing for want of
/// an answer, or of a fetch after too many bad tokens; then the reason is why they did not come, because what was sent may be good.
/// But while keys can be fetched, a wrong signature stays a wrong signature.
pub fn may_wait(
    scene: &Scene<'_>,
    provider: &ProviderSettings,
    failure: Failure,
    misfit: Misfit,
    key_fetch: KeyFetch,
) -> Result<(), Failure> {
    match key_fetch {
        KeyFetch::NotTried => Ok(()),
        KeyFetch::Done => Err(failure),
        KeyFetch::InVain(missing) => {
            let failing = scene.background.documents.keys_failing(scene.world, &provider.oidc.name);
            if misfit == Misfit::SignatureWrong && !failing {
                return Err(failure);
            }
            Err(Failure::new(missing, "no key that fits could be fetched"))
        }
    }
}

/// Waits for newer keys than those that are here. The sign-in has used its code, so that this wait has the whole time to itself.
pub fn wait<C, W>(
    scene: &mut Scene<'_>,
    visit: &Visit,
    provider: &ProviderSettings,
    held: Option<&HeldKeys>,
    pending: W,
) -> Step<C, W> {
    let resource = Resource::Keys { provider: provider.oidc.name.clone(), newer_than: held.map(|keys| keys.fetched) };
    scene.background.documents.want(&resource);
    Step::waiting(resource, visit.now.plus(scene.settings.wait), pending)
}
