//! Whether and how long the body of a request to one of our own endpoints is read. A body is only read on a route without a
//! cluster: while it is read, the undecided request's headers go on to Envoy's `buffer` filter, and must not reach an upstream.
//! Nothing is read here, and no body is parsed.

use std::time::Duration;

use crate::http::address::Network;
use crate::http::body::{Body, LARGEST, MediaType, too_large};
use crate::step::decision::{Decision, FromTheStart, Step};
use crate::step::visit::Visit;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;
use crate::words::world::{Destination, World};

/// A body must be complete after this time: 64 KiB at 2 KiB/s. (Envoy's `stream_idle_timeout` starts again with each byte.)
const LONGEST_READING: Duration = Duration::from_secs(30);

/// The most bodies that one worker reads at a time: 4 MiB together, if each has the largest size. Whoever really signs in sends
/// the whole body within milliseconds.
const MOST_READING: usize = 64;

/// The most bodies that are read at a time from one client address (of IPv6: one /64 network): enough for an office behind one address that signs in at
/// once.
const MOST_FROM_ONE: usize = 16;

/// Whether one more body may be read, from `client`, while those of `clients` are read. Clients whose address Envoy does not know
/// count towards the worker's limit, and towards no address's.
pub fn may_read<'a>(clients: impl ExactSizeIterator<Item = Option<&'a Network>>, client: Option<&Network>) -> bool {
    let all = clients.len();
    let from_one = clients.filter(|other| client.is_some() && *other == client).count();
    all < MOST_READING && from_one < MOST_FROM_ONE
}

/// A body that has been read for less than this is not ended in favour of another one: real bodies come within milliseconds.
const GRACE: Duration = Duration::from_secs(1);

/// When [`may_read`] says no: the position of the body that is ended so that one of `client` can be read. That is the one that
/// has been read longest, if it has been read for at least a second; where the client has reached the limit of its address, one
/// of its own. `readers` are the bodies that are being read: the client's address, and until when.
pub fn slow_body_to_end<'a>(
    readers: impl Iterator<Item = (Option<&'a Network>, Timestamp)> + Clone,
    client: Option<&Network>,
    now: Timestamp,
) -> Option<usize> {
    let from_one = readers.clone().filter(|(other, _)| client.is_some() && *other == client).count();
    let in_the_way = |other: Option<&Network>| from_one < MOST_FROM_ONE || other == client;
    // A body whose time is over is being ended already, for another request.
    let slow = |until: Timestamp| until > now && until.plus(GRACE) <= now.plus(LONGEST_READING);
    let numbered = readers.enumerate().filter(|(_, (other, until))| in_the_way(*other) && slow(*until));
    numbered.min_by_key(|(_, (_, until))| *until).map(|(position, _)| position)
}

/// Whether the body that a journey needs is here.
#[derive(Debug, PartialEq)]
pub enum WantedBody {
    /// It is, as this media type.
    Read(MediaType),
    /// It must be read first: at most this many bytes, until this time.
    ToRead(usize, Timestamp),
}

/// Whether the body of a request is here, as one of the media types in `forms`, or must be read first.
///
/// # Errors
/// [`Reason::BodyTypeRefused`] for any other media type; [`Reason::BodyTooLarge`]; [`Reason::Internal`] on a route with a
/// cluster, where an upstream could get the request.
pub fn read(world: &dyn World, visit: &Visit, forms: &[MediaType]) -> Result<WantedBody, Failure> {
    match (&visit.body, MediaType::announced(forms, &visit.request.headers)) {
        (Body::TooLarge, _) => Err(too_large()),
        (_, Err(failure)) => Err(failure),
        (Body::Read(_), Ok(form)) => Ok(WantedBody::Read(form)),
        (Body::Unread, Ok(_)) => {
            check_route(world, visit)?;
            Ok(WantedBody::ToRead(LARGEST, visit.now.plus(LONGEST_READING)))
        }
    }
}

impl<C, W> Step<C, W> {
    /// Reads a body of at most `limit` bytes, until the given time.
    pub fn reading(limit: usize, until: Timestamp) -> Self {
        Self::new(Decision::ReadBody { limit, until, pending: FromTheStart })
    }
}

fn check_route(world: &dyn World, visit: &Visit) -> Result<(), Failure> {
    let found = match world.destination() {
        Destination::Nobody => return Ok(()),
        Destination::Cluster(name) => format!("a route to cluster {}", quote(&name)),
        Destination::Unknown => "a host that does not tell its routes".to_owned(),
    };
    let detail = format!(
        "expected a route with direct_response for {}, found {found}; a body is only read where nobody else could get the request: \
         write match: {{path: {}}}, direct_response: {{status: 404}}, and enable Envoy's buffer filter there, behind Accredit",
        visit.request.path, visit.request.path
    );
    Err(Failure::new(Reason::Internal, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_body_is_ended_for_a_new_one_and_a_client_at_its_limit_ends_one_of_its_own() {
        let now = Timestamp::from_seconds(1_000);
        let (a, b, c) = (vec![192, 0, 2, 1], vec![192, 0, 2, 2], vec![192, 0, 2, 3]);
        let began = |millis: u64| Timestamp::from_millis(now.millis() - millis).plus(LONGEST_READING);
        let room = |readers: &[(&Network, Timestamp)], client: &Network| {
            slow_body_to_end(readers.iter().map(|(client, until)| (Some(*client), *until)), Some(client), now)
        };
        assert_eq!(
            room(&[(&a, began(1_500)), (&b, began(2_500)), (&a, began(500))], &c),
            Some(1),
            "the one that has been read longest"
        );
        assert_eq!(room(&[(&a, began(999)), (&b, began(0))], &c), None, "none has been read for a second");
        assert_eq!(room(&[(&a, began(30_000)), (&b, began(31_000))], &c), None, "both are being ended already");
        let mut own = vec![(&b, began(5_000))];
        own.extend((0..MOST_FROM_ONE).map(|_| (&a, began(2_000))));
        assert_eq!(room(&own, &a), Some(1), "one of its own, although another's has been read for longer");
        assert_eq!(room(&own, &c), Some(0));
    }

    #[test]
    fn a_worker_reads_64_bodies_at_a_time_and_16_of_one_address() {
        let client = |number: u8| Some(vec![192, 0, 2, number]);
        let may =
            |clients: &[Option<Network>], client: Option<Network>| may_read(clients.iter().map(Option::as_ref), client.as_ref());
        let mut held = Vec::new();
        for number in 1..=4 {
            for _ in 0..MOST_FROM_ONE {
                assert!(may(&held, client(number)));
                held.push(client(number));
            }
            assert!(!may(&held, client(number)), "the address has reached its limit");
        }
        assert_eq!(held.len(), MOST_READING);
        assert!(!may(&held, client(5)) && !may(&held, None), "the worker has reached its limit");
        held.pop();
        assert!(may(&held, client(5)) && may(&held, client(4)), "one body was read to its end");
        assert!(may(&vec![None; MOST_READING - 1], None), "unknown addresses are not counted as one address");
    }
}
