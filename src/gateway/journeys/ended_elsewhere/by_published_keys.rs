//! Has a token that somebody posted judged by the published keys of whoever should have signed it, and waits for them where that may
//! help. What the token says is not known here.

use crate::authenticate::scene::Scene;
use crate::crypto::key::KeySet;
use crate::oidc::discovery::{self, Need};
use crate::oidc::provider::Provider;
use crate::step::decision::Resource;
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};
use crate::words::world::World;

/// What became of a token.
pub(super) enum ByPublishedKeys<T> {
    /// It was judged.
    Judged(T),
    /// This must be waited for; the request then begins again.
    Wait(Resource),
}

/// Has a token judged. `signer` is a provider, or stands for a transmitter. `judge` is asked with the keys that are here; of its
/// verdict, `by_unknown_key` is the failure if newer keys may help: they are waited for, once.
///
/// # Errors
/// [`Reason::MetadataUnavailable`], [`Reason::KeysUnavailable`]: the token was not judged, and may be good.
pub(super) fn judged_by_published_keys<T>(
    scene: &mut Scene<'_>,
    visit: &mut Visit,
    signer: &Provider,
    judge: impl FnOnce(&dyn World, &KeySet) -> T,
    by_unknown_key: impl FnOnce(&T) -> Option<&Failure>,
) -> Result<ByPublishedKeys<T>, Failure> {
    let (settings, name) = (scene.settings, signer.name.as_str());
    let documents = &mut scene.background.documents;
    let Some(metadata) = documents.metadata(settings, scene.world, name, visit.now) else {
        return Ok(wait(scene, visit, Resource::Metadata(name.to_owned())));
    };
    discovery::check(signer, &metadata, Need::Keys)?;
    let newer = |newer_than| Resource::Keys { provider: name.to_owned(), newer_than };
    let Some(keys) = documents.keys(settings, scene.world, name, visit.now) else {
        return match visit.keys_refreshed {
            true => Err(Failure::new(Reason::KeysUnavailable, format!("the keys of {name} are not here"))),
            false => Ok(wait(scene, visit, newer(None))),
        };
    };
    let judged = judge(scene.world, &keys.set);
    let Some(failure) = by_unknown_key(&judged).filter(|_| !visit.keys_refreshed) else {
        return Ok(ByPublishedKeys::Judged(judged));
    };
    // Anybody can send tokens that name unknown keys: while the keys may not be fetched again, nobody waits for them. It may be a
    // good one by a new key, though: whoever sent it may send it again.
    if !documents.may_refresh_keys(name, visit.now) {
        return Err(Failure { reason: Reason::KeysUnavailable, ..failure.clone() });
    }
    Ok(wait(scene, visit, newer(Some(keys.fetched))))
}

fn wait<T>(scene: &mut Scene<'_>, visit: &mut Visit, resource: Resource) -> ByPublishedKeys<T> {
    scene.background.documents.want(&resource);
    visit.keys_refreshed |= matches!(resource, Resource::Keys { .. });
    ByPublishedKeys::Wait(resource)
}
