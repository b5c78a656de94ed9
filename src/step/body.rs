//! Gets the body of a request to one of our own endpoints. It can only be got where Envoy's route leads to nobody: the headers
//! go on, undecided, as far as Envoy's `buffer` filter, and must not reach anybody.

use std::time::Duration;

use crate::http::address::Network;
use crate::http::body::{Body, LARGEST, MediaType, too_large};
use crate::step::decision::{Decision, FromTheStart, Step};
use crate::step::visit::Visit;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;
use crate::words::world::{Destination, World};

/// A body takes so long at most: 64 KiB, at two a second. (Envoy's `stream_idle_timeout` begins anew with each byte.)
const LONGEST_READING: Duration = Duration::from_secs(30);

/// So many bodies are read at a time in one worker: 4 MiB, when all are as large as they may be. They come whole, within
/// milliseconds, from whoever means to sign in.
const MOST_READING: usize = 64;

/// So many of them from one address: an office behind one, all of it at once.
const MOST_FROM_ONE: usize = 16;

/// Whether one more body may be read beside those of these clients. Addresses that Envoy does not know are counted together only.
pub fn may_read<'a>(clients: impl ExactSizeIterator<Item = Option<&'a Network>>, client: Option<&Network>) -> bool {
    let all = clients.len();
    let from_one = clients.filter(|other| client.is_some() && *other == client).count();
    all < MOST_READING && from_one < MOST_FROM_ONE
}

/// So long is nobody's reading ended for somebody else's: real bodies come within milliseconds.
const UNDISTURBED: Duration = Duration::from_secs(1);

/// Which of these bodies makes room for one more where there is no place: the one that has been read longest, if it is not just
/// coming; of the same client, where that one has all its places. Each is told by its client and until when it is read.
pub fn makes_room<'a>(
    readers: impl Iterator<Item = (Option<&'a Network>, Timestamp)> + Clone,
    client: Option<&Network>,
    now: Timestamp,
) -> Option<usize> {
    let from_one = readers.clone().filter(|(other, _)| client.is_some() && *other == client).count();
    let in_the_way = |other: Option<&Network>| from_one < MOST_FROM_ONE || other == client;
    // Whose time is over already makes room for another one.
    let slow = |until: Timestamp| until > now && until.plus(UNDISTURBED) <= now.plus(LONGEST_READING);
    let numbered = readers.enumerate().filter(|(_, (other, until))| in_the_way(*other) && slow(*until));
    numbered.min_by_key(|(_, (_, until))| *until).map(|(position, _)| position)
}

/// A body that was asked for.
#[derive(Debug, PartialEq)]
pub enum Wanted {
    /// It is here, in this form.
    Read(MediaType),
    /// Not yet: this much is to be read of it, in bytes, until then.
    ToRead(usize, Timestamp),
}

/// The form of a visit's body, in one of these; or how to get it.
///
/// # Errors
/// Why it is not read, or not taken: [`Reason::BodyTypeRefused`], [`Reason::BodyTooLarge`]; [`Reason::Internal`] where somebody
/// behind us could get it.
pub fn read(world: &dyn World, visit: &Visit, forms: &[MediaType]) -> Result<Wanted, Failure> {
    match (&visit.body, MediaType::announced(forms, &visit.request.headers)) {
        (Body::TooLarge, _) => Err(too_large()),
        (_, Err(failure)) => Err(failure),
        (Body::Read(_), Ok(form)) => Ok(Wanted::Read(form)),
        (Body::Unread, Ok(_)) => {
            check_route(world, visit)?;
            Ok(Wanted::ToRead(LARGEST, visit.now.plus(LONGEST_READING)))
        }
    }
}

impl<C, W> Step<C, W> {
    /// Reads a body of at most `limit` bytes, until then.
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
    fn bodies_that_do_not_come_make_room_for_those_that_do_and_one_client_makes_room_for_itself() {
        let now = Timestamp::from_seconds(1_000);
        let (a, b, c) = (vec![192, 0, 2, 1], vec![192, 0, 2, 2], vec![192, 0, 2, 3]);
        let began = |millis: u64| Timestamp::from_millis(now.millis() - millis).plus(LONGEST_READING);
        let room = |readers: &[(&Network, Timestamp)], client: &Network| {
            makes_room(readers.iter().map(|(client, until)| (Some(*client), *until)), Some(client), now)
        };
        assert_eq!(
            room(&[(&a, began(1_500)), (&b, began(2_500)), (&a, began(500))], &c),
            Some(1),
            "the one that is read longest"
        );
        assert_eq!(room(&[(&a, began(999)), (&b, began(0))], &c), None, "real ones come in time");
        assert_eq!(room(&[(&a, began(30_000)), (&b, began(31_000))], &c), None, "their time is over as it is");
        let mut own = vec![(&b, began(5_000))];
        own.extend((0..MOST_FROM_ONE).map(|_| (&a, began(2_000))));
        assert_eq!(room(&own, &a), Some(1), "nobody makes room for a client that has all its places but itself");
        assert_eq!(room(&own, &c), Some(0));
    }

    #[test]
    fn a_worker_reads_as_many_bodies_as_fit_and_one_address_cannot_take_all_the_places() {
        let client = |number: u8| Some(vec![192, 0, 2, number]);
        let may =
            |clients: &[Option<Network>], client: Option<Network>| may_read(clients.iter().map(Option::as_ref), client.as_ref());
        let mut held = Vec::new();
        for number in 1..=4 {
            for _ in 0..MOST_FROM_ONE {
                assert!(may(&held, client(number)));
                held.push(client(number));
            }
            assert!(!may(&held, client(number)), "its places are taken");
        }
        assert_eq!(held.len(), MOST_READING);
        assert!(!may(&held, client(5)) && !may(&held, None), "all are");
        held.pop();
        assert!(may(&held, client(5)) && may(&held, client(4)), "until one is free again");
        assert!(may(&vec![None; MOST_READING - 1], None), "whoever has no address is counted with all");
    }
}
