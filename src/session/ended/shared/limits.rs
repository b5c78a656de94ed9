//! How many ends count that nobody has proved: of one client, of the networks that it belongs to, and of one provider; and of how
//! many that do not count the log is told. What ends is not known here.

use std::time::Duration;

use crate::http::address::networks;
use crate::session::ended::shared::rate::{Counted, Limit, allows, to_tell};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// Whose page shows the address, as far as the request says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownBy {
    /// One of the provider's, by `Referer`. No page of another site can have a browser say so; a program can.
    ProvidersPage,
    /// Any.
    AnyPage,
}

/// How many are taken by each Envoy.
struct Limits {
    /// What the keys in shared data begin with where they are counted.
    key: &'static str,
    /// Of one client, and of the wider networks that one line and one site may have.
    clients: [(&'static str, Limit); 3],
    /// Of one provider.
    provider: Limit,
}

/// What any page can show. Sixty at once are those of a small office behind one address.
const OF_ANY_PAGE: Limits = Limits {
    key: "accredit/4/ended/unproved/rate",
    clients: [
        ("client", Limit { at_once: 60, period: Duration::from_secs(60) }),
        ("line", Limit { at_once: 60, period: Duration::from_secs(60) }),
        ("site", Limit { at_once: 120, period: Duration::from_secs(15) }),
    ],
    provider: Limit { at_once: 300, period: Duration::from_secs(1) },
};

/// What the provider's own page shows. Five thousand people behind one address may sign out at the same time, and again a day later:
/// all is allowed again after 17 hours.
const OF_PROVIDERS_PAGE: Limits = Limits {
    key: "accredit/4/ended/unproved/rate/page",
    clients: [
        ("client", Limit { at_once: 5_000, period: Duration::from_secs(12) }),
        ("line", Limit { at_once: 5_000, period: Duration::from_secs(12) }),
        ("site", Limit { at_once: 10_000, period: Duration::from_secs(3) }),
    ],
    provider: Limit { at_once: 20_000, period: Duration::from_secs(1) },
};

/// How often it is told of each client that too many came, or that they came from no frame.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What did not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untaken {
    /// Too many came.
    TooMany,
    /// It came from no frame.
    NotInFrame,
}

/// The client of a request: hashes of its network, and of the wider ones.
pub struct Client {
    hashes: Vec<u64>,
}

impl Client {
    /// The client of the request that is under way, with such hashes. Those whose address is not known are one.
    pub fn of(world: &dyn World, hash: impl Fn(&str) -> u64) -> Self {
        let mut networks = world.client_address().as_deref().map(networks).unwrap_or_default();
        if networks.is_empty() {
            networks.push(Vec::new());
        }
        let written = |network: &Vec<u8>| network.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Self { hashes: networks.iter().map(|network| hash(&written(network))).collect() }
    }

    /// Whether it may end something once more at this provider; then it is counted.
    pub fn may_end(&self, world: &mut dyn World, provider: &str, shown_by: ShownBy, now: Timestamp) -> bool {
        let Limits { key, clients, provider: of_provider } = match shown_by {
            ShownBy::ProvidersPage => OF_PROVIDERS_PAGE,
            ShownBy::AnyPage => OF_ANY_PAGE,
        };
        let of_clients = self.hashes.iter().zip(clients);
        let mut counted: Vec<_> =
            of_clients.map(|(client, (name, limit))| Counted::of(&format!("{key}/{name}"), *client, limit)).collect();
        counted.push(Counted::of_all(&format!("{key}/provider/{provider}"), of_provider));
        allows(world, &counted, now)
    }

    /// Counts one that does not count. Returns how many did not since that was told last of this client, if it is to be told now.
    pub fn to_tell(&self, world: &mut dyn World, untaken: Untaken, now: Timestamp) -> Option<u32> {
        let widest = self.hashes.last().copied().unwrap_or_default();
        let key = match untaken {
            Untaken::TooMany => "accredit/4/ended/unproved/rate/told",
            Untaken::NotInFrame => "accredit/4/ended/unproved/rate/not_in_frame",
        };
        to_tell(world, key, widest, TOLD_EVERY, now)
    }
}

/// The most ends of one provider that one Envoy has at a time, of which each matters for this time.
#[cfg(test)]
pub fn most_of_a_provider(matters: Duration) -> u64 {
    [OF_ANY_PAGE, OF_PROVIDERS_PAGE]
        .iter()
        .map(|limits| u64::from(limits.provider.at_once) + matters.as_secs() / limits.provider.period.as_secs())
        .sum()
}
