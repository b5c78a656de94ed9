//! The part `revocations`: the store in which replicas tell each other what has ended, and what happens while nobody knows whether
//! it is reachable. What is told is not known here.

use std::time::Duration;

use crate::config::reading::place::{shape, words};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::spellings::{Span, written};
use crate::config::reading::values::positive;
use crate::config::settings::Revocations;
use crate::crypto::seal::Sealer;
use crate::revocations::redis::settings::{Login, Redis};
use crate::revocations::store::Store;
use crate::words::secret::Secret;

/// The longest `redis.timeout`: what is waited for must not hold up the next second for long.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest `stale_after`.
const LONGEST_STALE: Duration = Duration::from_secs(24 * 3_600);

/// The shortest `stale_after` with which sessions are refused, beside twice `redis.timeout`: what is known is a second old before it is
/// read again, and each reading may take that time-out; after the clock was set or the machine stood still, one reading is waited for.
const SHORTEST_STALE: Duration = Duration::from_secs(3);

/// The longest name of a stream, in bytes.
const LONGEST_NAME: usize = 200;

shape! {
    pub(crate) struct RevocationsShape {
        /// a Redis or a Valkey
        redis: RedisShape,
        /// what becomes of sessions while what is known of ends is older than `stale_after`: they go on (`accept`), or get 503
        /// `revocations_unavailable` (`refuse`), also in a new replica, until it has read everything
        /// Default: `accept`
        when_stale: WhenStaleWord = default,
        /// how old what is known may be; with `refuse` at least 3 s and twice `redis.timeout`
        /// Default: `10s`
        stale_after: Option<Span> where positive_spans(LONGEST_STALE),
    }
}

shape! {
    struct RedisShape {
        /// Envoy's cluster, with [`TcpConnectionPoolProto`](deployment.md#redis)
        cluster: String,
        /// the user of an ACL; without it, the default user
        username: Option<String>,
        /// the password
        /// Default: none is sent
        password: Option<Secret>,
        /// the key of the stream; the other keys begin with it and a colon
        /// Default: `accredit`
        stream: Option<String>,
        /// how long an answer may take
        /// Default: `1s`
        timeout: Option<Span> where positive_spans(LONGEST_TIMEOUT),
    }
}

words! {
    /// What becomes of sessions while nobody knows what has ended elsewhere.
    #[derive(Clone, Copy, Default, PartialEq, Eq)]
    pub(crate) enum WhenStaleWord {
        #[default]
        Accept = "accept",
        Refuse = "refuse",
    }
}

/// Checks how replicas tell each other what has ended. They know each other by the keys of `sealer`.
pub(crate) fn revocations(
    shape: Checked<Option<RevocationsShape>>,
    sealer: &Checked<Sealer>,
    refusals: &mut Refusals,
) -> Checked<Option<Revocations>> {
    let Some(shape) = shape? else { return Ok(None) };
    let keys = match sealer {
        Ok(sealer) if sealer.key_ids().next().is_none() => {
            let sentence = "expected session.keys, by which replicas know each other, found none; write them, or remove it";
            Err(refusals.refuse("revocations", sentence))
        }
        Ok(_) => Ok(()),
        Err(refused) => Err(*refused),
    };
    let stale_after = positive("revocations.stale_after", shape.stale_after, Duration::from_secs(10), LONGEST_STALE, refusals);
    let store = shape.redis.and_then(|shape| redis(shape, refusals));
    keys?;
    let (stale_after, store) = (stale_after?, store?);
    let refuse_after = match shape.when_stale? {
        WhenStaleWord::Accept => None,
        WhenStaleWord::Refuse => Some(long_enough(stale_after, store.timeout, refusals)?),
    };
    Ok(Some(Revocations { store: Store::Redis(store), refuse_after }))
}

/// Checks that this leaves time to read the store in.
fn long_enough(stale_after: Duration, timeout: Duration, refusals: &mut Refusals) -> Checked<Duration> {
    let shortest = SHORTEST_STALE.saturating_add(timeout.saturating_mul(2));
    if stale_after < shortest {
        let [shortest, found] = [shortest, stale_after].map(written);
        let sentence = format!("expected at least 3s and twice redis.timeout with refuse, found {found}; write {shortest}");
        return Err(refusals.refuse("revocations.stale_after", sentence));
    }
    Ok(stale_after)
}

fn redis(shape: RedisShape, refusals: &mut Refusals) -> Checked<Redis> {
    let timeout = positive("revocations.redis.timeout", shape.timeout, Duration::from_secs(1), LONGEST_TIMEOUT, refusals);
    let stream = shape.stream.and_then(|stream| {
        let stream = stream.unwrap_or_else(|| "accredit".to_owned());
        if (1..=LONGEST_NAME).contains(&stream.len()) {
            return Ok(stream);
        }
        let sentence = format!("expected 1 to {LONGEST_NAME} bytes, found {}; write accredit", stream.len());
        Err(refusals.refuse("revocations.redis.stream", sentence))
    });
    let login = match (shape.username, shape.password) {
        (Ok(None), Ok(None)) => Ok(Login::Nobody),
        (Ok(None), Ok(Some(password))) => Ok(Login::Password(password)),
        (Ok(Some(name)), Ok(Some(password))) => Ok(Login::User { name, password }),
        (Ok(Some(_)), Ok(None)) => {
            let sentence = "expected a password for this user, found none; write {environment_variable: NAME}";
            Err(refusals.refuse("revocations.redis.password", sentence))
        }
        (Err(refused), _) | (_, Err(refused)) => Err(refused),
    };
    Ok(Redis { cluster: shape.cluster?, timeout: timeout?, stream: stream?, login: login? })
}
