//! The providers: each by itself, and beside the others. What somebody who signed in there may do is never known here.

pub(super) mod algorithms;
pub(super) mod bearer;
mod client;
mod introspection;
pub(super) mod provider;
pub(super) mod source;
pub(super) mod written;

use crate::config::providers::provider::{Listed, provider};
use crate::config::providers::written::ProviderShape;
use crate::config::reading::refusal::{Checked, Refusals, Refused};
use crate::oidc::provider::Provider;
use crate::words::secret::Secret;

/// All providers that are written, whether good or refused.
pub(crate) struct Providers {
    listed: Checked<Vec<Checked<Listed>>>,
}

impl Providers {
    /// Those that are objects at all, each with its index. Some of their members may have been refused.
    pub(super) fn readable(&self) -> impl Iterator<Item = (usize, &Listed)> {
        let listed = self.listed.iter().flatten().enumerate();
        listed.filter_map(|(index, listed)| Some((index, listed.as_ref().ok()?)))
    }

    /// Those of which nothing was refused, each with its index.
    pub(super) fn good(&self) -> impl Iterator<Item = (usize, &Provider)> {
        self.readable().filter_map(|(index, listed)| Some((index, listed.provider.as_ref().ok()?)))
    }

    /// A property of each of them, if it is known of all.
    pub(super) fn of_each<T>(&self, what: impl Fn(&Listed) -> Checked<T>) -> Checked<Vec<T>> {
        let listed = self.listed.as_ref().map_err(|refused| *refused)?;
        listed.iter().map(|listed| what(listed.as_ref().map_err(|refused| *refused)?)).collect()
    }

    /// The number of all providers.
    pub(super) fn count(&self) -> Checked<usize> {
        self.listed.as_ref().map(Vec::len).map_err(|refused| *refused)
    }

    /// The number of those that people can sign in at.
    pub(super) fn signing_in(&self) -> Checked<usize> {
        Ok(self.of_each(|listed| listed.signs_in)?.into_iter().filter(|signs_in| *signs_in).count())
    }

    /// The number of those that say who somebody is: where people sign in, or whose bearer tokens are accepted.
    pub(super) fn vouching(&self) -> Checked<usize> {
        Ok(self.of_each(Listed::vouches)?.into_iter().filter(|vouches| *vouches).count())
    }

    /// The names of those for which `wanted` is true.
    pub(super) fn names(&self, wanted: impl Fn(&Listed) -> Checked<bool>) -> Checked<Vec<String>> {
        let names = self.of_each(|listed| Ok((listed.name.clone()?, wanted(listed)?)))?;
        Ok(names.into_iter().filter(|(_, wanted)| *wanted).map(|(name, _)| name).collect())
    }

    /// Refuses `frame_ancestors` where they would have no effect. `is_shown` says whether `endpoints.frontchannel_logout` is written.
    pub(super) fn check_frame_ancestors(&self, is_shown: Checked<bool>, refusals: &mut Refusals) {
        if is_shown != Ok(false) {
            return;
        }
        for (index, _) in self.good().filter(|(_, provider)| !provider.frame_ancestors.is_empty()) {
            let sentence = "expected endpoints.frontchannel_logout, which alone can be shown in a frame, found none; write it, or remove this";
            let _ = refusals.refuse(format!("providers[{index}].frame_ancestors"), sentence);
        }
    }

    /// All of them, if none was refused.
    pub(super) fn all(self) -> Checked<Vec<Provider>> {
        self.listed?.into_iter().map(|listed| listed?.provider).collect()
    }
}

/// Checks the providers. The list may be empty (`may_be_none`) where people sign in by password, or where services make sessions.
pub(super) fn providers(
    shapes: Checked<Vec<Checked<ProviderShape>>>,
    may_be_none: Checked<bool>,
    refusals: &mut Refusals,
) -> Providers {
    let listed = shapes.and_then(|shapes| {
        if shapes.is_empty() && may_be_none == Ok(false) {
            let sentence = "expected at least one provider, found none; write name, issuer, clusters, client_id";
            return Err(refusals.refuse("providers", sentence));
        }
        let mut listed: Vec<Checked<Listed>> = Vec::new();
        for (index, shape) in shapes.into_iter().enumerate() {
            let path = format!("providers[{index}]");
            let next = shape.map(|shape| {
                let mut next = provider(&path, shape, refusals);
                let earlier = listed.iter().flatten();
                if let Err(refused) = check_beside(&path, &next, earlier, refusals) {
                    next.provider = Err(refused);
                }
                next
            });
            listed.push(next);
        }
        Ok(listed)
    });
    Providers { listed }
}

/// Refuses a name, an issuer of bearer tokens or the introspection of opaque tokens that an earlier provider has already.
fn check_beside<'a>(
    path: &str,
    next: &Listed,
    earlier: impl Iterator<Item = &'a Listed> + Clone,
    refusals: &mut Refusals,
) -> Checked<()> {
    let mut refused: Checked<()> = Ok(());
    if let Ok(name) = &next.name
        && earlier.clone().any(|other| other.name.as_ref() == Ok(name))
    {
        let sentence = "expected a name of its own, found one that is taken; rename it";
        refused = Err(refusals.refuse(format!("{path}.name"), sentence));
    }
    let Ok(provider) = &next.provider else { return refused };
    let mut others = earlier.filter_map(|other| other.provider.as_ref().ok());
    let same_tokens = |other: &Provider| other.bearer.is_some() && other.issuer() == provider.issuer();
    if provider.bearer.is_some() && others.clone().any(same_tokens) {
        let sentence = "expected one provider for the tokens of an issuer, found another before; list all audiences there";
        return Err(refusals.refuse(format!("{path}.bearer"), sentence));
    }
    if asks_about_opaque_tokens(provider) && others.any(asks_about_opaque_tokens) {
        return Err(refusals.refuse(
            format!("{path}.bearer.introspection.when"),
            "expected one provider for opaque tokens, found another before; an opaque token does not say whose it is, so write when: jwt at one of them",
        ));
    }
    refused
}

fn asks_about_opaque_tokens(provider: &Provider) -> bool {
    let introspection = provider.bearer.as_ref().and_then(|bearer| bearer.introspection.as_ref());
    introspection.is_some_and(|introspection| introspection.tokens.include_opaque())
}

/// Refuses a secret for a provider's bearer tokens that stands elsewhere too: among the `keys` of sessions, as a client secret,
/// or at an earlier provider.
pub(super) fn check_shared_secrets(providers: &Providers, keys: &[Secret], refusals: &mut Refusals) -> Checked<()> {
    let mut checked: Result<(), Refused> = Ok(());
    for (index, listed) in providers.readable() {
        let Some(secret) = &listed.shared else { continue };
        let elsewhere = keys.contains(secret)
            || providers.readable().any(|(_, other)| other.client_secrets.iter().any(|(_, of_client)| of_client == secret))
            || providers
                .readable()
                .take_while(|(before, _)| *before < index)
                .any(|(_, other)| other.shared.as_ref() == Some(secret));
        if elsewhere {
            let sentence = "expected a secret for these tokens alone, found one that stands elsewhere too; make one with: openssl rand -base64 32";
            checked = Err(refusals.refuse(format!("providers[{index}].bearer.secret"), sentence));
        }
    }
    checked
}
