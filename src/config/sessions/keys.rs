//! The part `session.keys`: the first key seals, all of them open, and none serves another purpose. What is sealed is not known
//! here.

use crate::config::providers::Providers;
use crate::config::reading::refusal::{Checked, Refusals, Refused};
use crate::crypto::seal::{Sealer, UnusableSealingKey};
use crate::words::secret::Secret;

/// The keys that are good, and what seals with them if all are good. The list may be empty (`may_be_none`) where nothing is
/// sealed.
pub(crate) fn keys(
    written: Checked<Vec<Checked<Secret>>>,
    may_be_none: Checked<bool>,
    providers: &Providers,
    refusals: &mut Refusals,
) -> (Vec<Secret>, Checked<Sealer>) {
    let mut good: Vec<Secret> = Vec::new();
    let mut sealer = Sealer::new(&good).map_err(|(_, why)| unusable(0, why, refusals));
    let written = match written {
        Ok(written) if written.is_empty() && may_be_none == Ok(false) => {
            let sentence = "expected at least one key, found none; make one with: openssl rand -base64 32";
            return (good, Err(refusals.refuse("session.keys", sentence)));
        }
        Ok(written) => written,
        Err(refused) => return (good, Err(refused)),
    };
    for (index, key) in written.into_iter().enumerate() {
        let checked = key.and_then(|key| {
            let mut of_clients = providers.readable().flat_map(|(_, listed)| &listed.client_secrets);
            if let Some((member, _)) = of_clients.find(|(_, secret)| *secret == key) {
                let sentence =
                    format!("expected a key of its own, found a provider's {member}; make one with: openssl rand -base64 32");
                return Err(refusals.refuse(format!("session.keys[{index}]"), sentence));
            }
            good.push(key);
            Sealer::new(&good).map_err(|(_, why)| {
                drop(good.pop());
                unusable(index, why, refusals)
            })
        });
        sealer = match (sealer, checked) {
            (Ok(_), Ok(sealer)) => Ok(sealer),
            (Err(refused), _) | (_, Err(refused)) => Err(refused),
        };
    }
    (good, sealer)
}

fn unusable(index: usize, why: UnusableSealingKey, refusals: &mut Refusals) -> Refused {
    let found = match why {
        UnusableSealingKey::NotBase64 => "found something else",
        UnusableSealingKey::TooShort => "found fewer",
        UnusableSealingKey::Repeated => "found ones that stand here twice",
    };
    refusals.refuse(
        format!("session.keys[{index}]"),
        format!("expected at least 32 bytes in base64, {found}; make one with: openssl rand -base64 32"),
    )
}
