//! How replicas tell each other that something has ended: a mark under each key, each with a MAC. Whoever can write to the store
//! that they share can make none of them. Where announcements are kept is not known here.
//!
//! What is new is announced for a table of its own, in the same form: builds that have no such table skip it, and go on reading.

use crate::crypto::end_key::{EndKey, KEY_ID_BYTES, MAC_BYTES};
use crate::session::ended::mark::{MARK_BYTES, Mark};
use crate::session::ended::names::{Kind, names};

/// The version of announcements. No other is read.
const VERSION: u8 = 1;

/// The number of a table, in bytes: a keyed hash of the provider's configured name.
const TABLE_BYTES: usize = 4;

/// What one key says: the key, the table, the mark, and the MAC of all that.
const PART_BYTES: usize = KEY_ID_BYTES + TABLE_BYTES + MARK_BYTES + MAC_BYTES;

/// The most parts that are read: more keys than anybody has.
const MOST_PARTS: usize = 12;

/// What an announcement says to a replica with these keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announced {
    /// These marks belong into the table of this provider; into the one of all providers if it is empty.
    Marks(String, Vec<Mark>),
    /// These marks belong into the table of what nobody has proved.
    Unproved(Vec<Mark>),
    /// It is for a table that is not here: of a provider that is not configured, or of a kind that only other builds know.
    OfUnknownTable,
    /// It was made with keys that are not here.
    ByUnknownKeys,
    /// It is none, or nobody with our keys has made it so.
    Forged,
}

/// An announcement of marks, one under each key, in the order of the keys.
pub fn announcement(keys: &[EndKey], provider: &str, marks: &[Mark]) -> Vec<u8> {
    written(keys.iter().zip(marks), &Table::Of(provider))
}

/// The same, of what nobody has proved.
pub fn unproved_announcement(keys: &[EndKey], provider: &str, marks: &[Mark]) -> Vec<u8> {
    written(keys.iter().zip(marks), &Table::Unproved(provider))
}

/// An announcement of a mark whose key is not known any more.
pub fn announcement_again(keys: &[EndKey], provider: &str, mark: &Mark) -> Vec<u8> {
    written(keys.iter().map(|key| (key, mark)), &Table::Of(provider))
}

/// Whether two announcements that were made here are about the same: one of the names that they mark is in both.
pub fn are_about_the_same(one: &[u8], other: &[u8]) -> bool {
    let other: Vec<_> = marked(other).collect();
    marked(one).any(|name| other.contains(&name))
}

/// The names that an announcement marks.
fn marked(announcement: &[u8]) -> impl Iterator<Item = u64> {
    let parts = announcement.split_first().map(|(_, parts)| parts.as_chunks::<PART_BYTES>().0).unwrap_or_default();
    parts.iter().filter_map(|part| part.get(KEY_ID_BYTES + TABLE_BYTES..)?.first_chunk()).map(Mark::name_in)
}

/// The table that marks are for.
enum Table<'a> {
    /// Of what was proved at this provider; of all providers if it is empty.
    Of(&'a str),
    /// Of what nobody has proved, at this provider.
    Unproved(&'a str),
}

fn written<'a>(parts: impl Iterator<Item = (&'a EndKey, &'a Mark)>, table: &Table<'_>) -> Vec<u8> {
    let mut written = vec![VERSION];
    for (key, mark) in parts.take(MOST_PARTS) {
        let said = [&key.id()[..], &table.number(key), &mark.write()].concat();
        let mac = key.mac(&authenticated(&said));
        written.extend(said);
        written.extend(mac);
    }
    written
}

/// Reads an announcement. `providers` are the names of those that are configured here.
pub fn read<'a>(keys: &[EndKey], providers: impl Iterator<Item = &'a str>, bytes: &[u8]) -> Announced {
    let Some((&VERSION, parts)) = bytes.split_first() else { return Announced::Forged };
    let (parts, rest) = parts.as_chunks::<PART_BYTES>();
    if !rest.is_empty() || parts.is_empty() || parts.len() > MOST_PARTS {
        return Announced::Forged;
    }
    let mut marks = Vec::new();
    let mut tables = Vec::new();
    for part in parts {
        let (said, mac) = part.split_at(PART_BYTES - MAC_BYTES);
        let (Some((id, rest)), Some(mac)) = (said.split_first_chunk::<KEY_ID_BYTES>(), mac.first_chunk()) else { continue };
        let Some(key) = keys.iter().find(|key| key.id() == *id) else { continue };
        if !key.is_mac(mac, &authenticated(said)) {
            return Announced::Forged;
        }
        let Some((number, mark)) = rest.split_first_chunk::<TABLE_BYTES>() else { continue };
        if tables.iter().any(|(other, _): &(&EndKey, _)| other.id() == key.id()) {
            return Announced::Forged;
        }
        tables.push((key, *number));
        marks.extend(mark.first_chunk().map(Mark::read));
    }
    let Some((key, number)) = tables.first() else { return Announced::ByUnknownKeys };
    let mut all =
        [Table::Of("")].into_iter().chain(providers.flat_map(|provider| [Table::Of(provider), Table::Unproved(provider)]));
    let Some(table) = all.find(|table| table.number(key) == *number) else { return Announced::OfUnknownTable };
    // Parts of several announcements that somebody has put together are of several tables.
    if tables.iter().any(|(key, number)| table.number(key) != *number) {
        return Announced::Forged;
    }
    match table {
        Table::Of(provider) => Announced::Marks(provider.to_owned(), marks),
        Table::Unproved(_) => Announced::Unproved(marks),
    }
}

impl Table<'_> {
    /// Its number, under this key.
    fn number(&self, key: &EndKey) -> [u8; TABLE_BYTES] {
        let parts: &[&str] = match self {
            Self::Of(provider) => &[provider],
            Self::Unproved(provider) => &[provider, "unproved"],
        };
        let name = names(std::slice::from_ref(key), Kind::Table, parts).first().copied().unwrap_or_default().to_le_bytes();
        name.first_chunk().copied().unwrap_or_default()
    }
}

/// What the MAC is of.
fn authenticated(said: &[u8]) -> Vec<u8> {
    [&[VERSION], said].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::ended::mark::Ends;
    use crate::session::ended::testing::keys;
    use crate::words::time::Timestamp;

    const PROVIDERS: [&str; 2] = ["idp", "partner"];

    fn mark(name: u64) -> Mark {
        Mark::new(name, Timestamp::from_seconds(1_900_000_000), Ends::All { account: 7 })
    }

    fn said(keys: &[EndKey], bytes: &[u8]) -> Announced {
        read(keys, PROVIDERS.into_iter(), bytes)
    }

    #[test]
    fn replicas_with_one_key_in_common_understand_each_other() {
        let all = keys(&[1, 2]);
        let told = announcement(&all, "partner", &[mark(1), mark(2)]);
        assert_eq!(told.len(), 1 + 2 * 40);
        assert_eq!(said(&all, &told), Announced::Marks("partner".into(), vec![mark(1), mark(2)]));
        assert_eq!(said(&keys(&[1]), &told), Announced::Marks("partner".into(), vec![mark(1)]));
        assert_eq!(said(&keys(&[3, 2]), &told), Announced::Marks("partner".into(), vec![mark(2)]));
        assert_eq!(said(&keys(&[3]), &told), Announced::ByUnknownKeys);
        assert_eq!(
            said(&all, &announcement(&all, "", &[mark(1), mark(2)])),
            Announced::Marks(String::new(), vec![mark(1), mark(2)])
        );
        assert_eq!(said(&all, &announcement(&all, "third", &[mark(1)])), Announced::OfUnknownTable);
        let unproved = unproved_announcement(&all, "partner", &[mark(1), mark(2)]);
        assert_eq!(said(&keys(&[2]), &unproved), Announced::Unproved(vec![mark(2)]));
        assert_eq!(said(&all, &unproved_announcement(&all, "third", &[mark(1)])), Announced::OfUnknownTable);
        let again = announcement_again(&all, "idp", &mark(1));
        assert_eq!(said(&keys(&[2]), &again), Announced::Marks("idp".into(), vec![mark(1)]));
    }

    #[test]
    fn an_announcement_that_was_changed_cut_or_added_to_ends_nothing() {
        let keys = keys(&[1, 2]);
        let told = announcement(&keys, "idp", &[mark(1), mark(2)]);
        for position in 0..told.len() {
            let mut changed = told.clone();
            changed[position] ^= 0x40;
            // A part of a key that is not here is skipped; what is left is what its own key says.
            let of_key = |start: usize| (start..start + KEY_ID_BYTES).contains(&position);
            let left = match (of_key(1), of_key(1 + PART_BYTES)) {
                (true, _) => Announced::Marks("idp".into(), vec![mark(2)]),
                (_, true) => Announced::Marks("idp".into(), vec![mark(1)]),
                _ => Announced::Forged,
            };
            assert_eq!(said(&keys, &changed), left, "{position}");
        }
        for length in (0..told.len()).filter(|length| *length != 1 + PART_BYTES) {
            assert_eq!(said(&keys, &told[..length]), Announced::Forged, "{length}");
        }
        assert_eq!(said(&keys, &[told.as_slice(), b"x"].concat()), Announced::Forged);
        let many = [&[VERSION][..], &told[1..=PART_BYTES].repeat(MOST_PARTS + 1)].concat();
        assert_eq!(said(&keys, &many), Announced::Forged);
    }

    #[test]
    fn two_announcements_are_about_the_same_if_they_share_a_name_whatever_else_they_say_of_it() {
        let keys = keys(&[1, 2]);
        let told = announcement(&keys, "idp", &[mark(1), mark(2)]);
        let later = |name| Mark::new(name, Timestamp::from_seconds(1_900_000_600), Ends::Begun { by: 9 });
        for (marks, expected) in [
            ([later(1), later(2)], true),
            ([later(3), later(2)], true),
            ([later(3), later(4)], false),
            ([mark(3), mark(4)], false),
        ] {
            let other = announcement(&keys, "idp", &marks);
            let both = [are_about_the_same(&told, &other), are_about_the_same(&other, &told)];
            assert_eq!(both, [expected; 2], "{marks:?}");
        }
        assert!(!are_about_the_same(&told, b"") && !are_about_the_same(b"junk", &told));
    }

    #[test]
    fn parts_of_several_announcements_that_were_put_together_end_nothing() {
        let keys = keys(&[1, 2]);
        let (one, other) = (announcement(&keys, "idp", &[mark(1), mark(2)]), announcement(&keys, "partner", &[mark(3), mark(4)]));
        let unproved = unproved_announcement(&keys, "idp", &[mark(5), mark(6)]);
        let part = |told: &[u8], number: usize| told[1 + number * PART_BYTES..1 + (number + 1) * PART_BYTES].to_vec();
        for parts in [
            [part(&one, 0), part(&other, 1)],
            [part(&other, 0), part(&one, 1)],
            [part(&one, 0), part(&one, 0)],
            [part(&one, 0), part(&other, 0)],
            [part(&one, 0), part(&unproved, 1)],
            [part(&unproved, 0), part(&one, 1)],
        ] {
            assert_eq!(said(&keys, &[vec![VERSION], parts.concat()].concat()), Announced::Forged);
        }
    }

    #[test]
    fn what_nobody_has_proved_is_told_for_a_table_that_earlier_builds_take_for_one_of_another_provider() {
        let keys = keys(&[1]);
        let [proved, unproved] = [announcement, unproved_announcement].map(|told| told(&keys, "idp", &[mark(1)]));
        let number = |told: &[u8]| told[5..9].to_vec();
        assert_eq!((proved[0], proved.len()), (unproved[0], unproved.len()));
        // They look for the number among those of all providers and of none.
        for provider in ["", "idp", "partner"] {
            assert_ne!(number(&announcement(&keys, provider, &[mark(1)])), number(&unproved), "{provider}");
        }
        // Whoever can write to the store cannot make a proved end of it.
        let changed = [&unproved[..5], &number(&proved), &unproved[9..]].concat();
        assert_eq!(said(&keys, &changed), Announced::Forged);
    }

    #[test]
    fn neither_an_account_nor_a_person_nor_a_table_can_be_read_from_an_announcement() {
        let told = announcement(&keys(&[1]), "idp", &[mark(1)]);
        assert!(!told.windows(3).any(|part| part == b"idp"));
        assert_ne!(told[5..9], announcement(&keys(&[2]), "idp", &[mark(1)])[5..9]);
    }
}
