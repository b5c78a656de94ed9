//! Whether earlier rules take every request that a later one is for. This is decided exactly, by reading all patterns together,
//! byte by byte, as one automaton. What the rules ask for is never looked at.

use crate::access::route::{Match, PathMatch, Rule};

// A pattern is written here as its text, which has no control characters, with these for its wildcards:
/// `*`: any number of bytes that are not slashes.
const STAR: u8 = 1;
/// `/**`, with a [`BELOW`] behind it: nothing, or a slash and what [`BELOW`] stands for.
const DEEP: u8 = 2;
/// Any number of bytes.
const BELOW: u8 = 3;
/// The end of a pattern.
const END: u8 = 4;

/// Stands, in a path, for every character that no pattern names. Paths have no control characters either.
const ANY_OTHER: u8 = 0;

/// The most places in patterns that are looked at for all rules together. Only patterns with many stars come near it.
const MOST_STEPS: usize = 4_000_000;

/// Whether a rule decides any request that the rules before it leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It decides at least one.
    Counts,
    /// It decides none: the rules at these positions take all that fit it.
    NeverCounts(Vec<usize>),
    /// It would take too long to know.
    Undecided,
}

/// The patterns of rules, in their order.
#[derive(Debug)]
pub struct Taken {
    /// All patterns, one behind the other.
    spelled: String,
    /// Where in `spelled` each begins.
    starts: Vec<usize>,
    /// How many steps are left of [`MOST_STEPS`].
    steps: usize,
}

/// The beginning of a path, and how far it has come in each pattern.
#[derive(Clone, Debug)]
struct Beginning {
    read: Vec<u8>,
    /// The places in `spelled` that may come next, ascending.
    places: Vec<usize>,
}

/// The outcome of reading every path that fits a pattern.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// No other pattern fits this path.
    Left(Vec<u8>),
    /// Other patterns fit every path.
    NothingLeft,
    /// There were more steps than could be spent.
    TooMany,
}

impl Default for Taken {
    fn default() -> Self {
        Self { spelled: String::new(), starts: Vec::new(), steps: MOST_STEPS }
    }
}

impl Taken {
    /// Adds the pattern of the next rule.
    pub fn add(&mut self, path: &PathMatch) {
        self.starts.push(self.spelled.len());
        let pattern = match path {
            PathMatch::Any => "\u{2}\u{3}",
            PathMatch::Exact(path) | PathMatch::SeparatedPrefix(path) => path,
            PathMatch::Glob(pattern) => &pattern.replace("/**", "\u{2}\u{3}").replace('*', "\u{1}"),
        };
        self.spelled.push_str(pattern);
        self.spelled.push_str(if matches!(path, PathMatch::SeparatedPrefix(_)) { "\u{2}\u{3}\u{4}" } else { "\u{4}" });
    }

    /// Adds the pattern of the next rule, which is for the requests `later`, and says whether it decides any request for one of
    /// the `hosts`. `earlier` are the rules before it, whose patterns were added already.
    pub fn verdict(&mut self, earlier: &[Rule], later: &Match, hosts: &[&str]) -> Verdict {
        let own = self.starts.len();
        self.add(&later.path);
        // A single rule that takes all of it is found without reading anything.
        if let Some(position) = earlier.iter().position(|rule| rule.matches.covers(later)) {
            return Verdict::NeverCounts(vec![position]);
        }
        let mut near = Vec::new();
        for (position, rule) in earlier.iter().enumerate() {
            if !are_apart(self.pattern(position), self.pattern(own)) {
                near.push((position, rule));
            }
        }
        // A rule that is for a method which no rule names is for all methods. (HEAD needs no look: it is taken by whoever takes
        // GET.)
        let any_other = [String::new()];
        let methods = later.methods.as_deref().unwrap_or(&any_other);
        // No rule may spend more than an eighth of the steps that are left.
        let (mut takers, mut spendable) = (Vec::new(), self.steps / 8);
        let mut verdict = Verdict::NeverCounts(Vec::new());
        for host in hosts.iter().filter(|host| later.host.as_deref().is_none_or(|wanted| wanted == **host)) {
            for method in methods {
                let mut others = near.clone();
                others.retain(|(_, rule)| rule.matches.is_for(method, host));
                if self.samples(own).iter().any(|path| !others.iter().any(|(_, rule)| rule.matches.path.fits(path))) {
                    return Verdict::Counts;
                }
                // A rule for a single path needs no more reading: that path is taken.
                if let PathMatch::Exact(path) = &later.path {
                    let taker = others.iter().find(|(_, rule)| rule.matches.path.fits(path)).map(|(position, _)| *position);
                    takers.extend(taker.filter(|taker| !takers.contains(taker)));
                    continue;
                }
                let others: Vec<_> = others.iter().map(|(position, _)| *position).collect();
                let before = spendable;
                let outcome = self.read_all(own, &others, &mut spendable, &mut takers);
                self.steps = self.steps.saturating_sub(before.saturating_sub(spendable));
                match outcome {
                    Outcome::Left(_) => return Verdict::Counts,
                    Outcome::NothingLeft => {}
                    Outcome::TooMany => verdict = Verdict::Undecided,
                }
            }
        }
        if verdict == Verdict::Undecided { verdict } else { Verdict::NeverCounts(takers) }
    }

    /// Reads every path that fits the last pattern, `own`, and looks for one that fits none of the `others`. Those that fit one
    /// of these paths are added to `takers`. `spendable` is the number of steps that may still be taken.
    fn read_all(&self, own: usize, others: &[usize], spendable: &mut usize, takers: &mut Vec<usize>) -> Outcome {
        let start = self.start(own);
        let mut beginnings = vec![Beginning { read: Vec::new(), places: Vec::new() }];
        if let Some(first) = beginnings.first_mut() {
            for rule in others.iter().chain([&own]) {
                self.enter(&mut first.places, self.start(*rule));
            }
        }
        let mut next = 0_usize;
        while let Some(Beginning { read, places }) = beginnings.get(next).cloned() {
            next = next.saturating_add(1);
            let ends = |place: usize| self.byte(place) == END && is_path(&read);
            let takes_all = |place: usize| self.byte(place) == BELOW && self.byte(place.saturating_add(1)) == END;
            // A pattern that fits whatever follows is asked first: then nothing that follows has to be read.
            let of_others = || places.iter().take_while(|place| **place < start).copied();
            let all_taken = of_others().find(|place| takes_all(*place));
            let fits = places.last().is_some_and(|place| ends(*place));
            match all_taken.or_else(|| of_others().find(|place| fits && ends(*place))) {
                Some(place) => {
                    let taker = self.starts.partition_point(|start| *start <= place).saturating_sub(1);
                    if !takers.contains(&taker) {
                        takers.push(taker);
                    }
                }
                None if fits => return Outcome::Left(read),
                None => {}
            }
            if all_taken.is_some() {
                continue;
            }
            let mut bytes = vec![b'/', ANY_OTHER];
            for byte in places.iter().map(|place| self.byte(*place)) {
                if byte > END && !bytes.contains(&byte) {
                    bytes.push(byte);
                }
            }
            for byte in bytes {
                // No request has a path with an empty segment, or with one that ends in a dot or a space.
                if byte == b'/' && matches!(read.last(), Some(b'/' | b'.' | b' ')) {
                    continue;
                }
                let longer = Beginning { read: [read.as_slice(), &[byte]].concat(), places: self.step(&places, byte) };
                let Some(rest) = spendable.checked_sub(places.len().saturating_add(beginnings.len())) else {
                    return Outcome::TooMany;
                };
                *spendable = rest;
                let goes_on = longer.places.last().is_some_and(|place| *place >= start);
                if goes_on && !beginnings.iter().any(|known| known.is_as_good_as(&longer)) {
                    beginnings.push(longer);
                }
            }
        }
        Outcome::NothingLeft
    }

    /// The places that are reached from `places` by reading one more byte.
    fn step(&self, places: &[usize], read: u8) -> Vec<usize> {
        let mut reached = Vec::with_capacity(places.len());
        for place in places {
            let (goes_on, place) = match self.byte(*place) {
                STAR => (read != b'/', *place),
                BELOW => (true, *place),
                DEEP => (read == b'/', place.saturating_add(1)),
                byte => (read == byte, place.saturating_add(1)),
            };
            if goes_on {
                self.enter(&mut reached, place);
            }
        }
        reached
    }

    /// Adds a place, and those that are reached from it without reading anything.
    fn enter(&self, places: &mut Vec<usize>, mut place: usize) {
        while let Err(position) = places.binary_search(&place) {
            places.insert(position, place);
            place = place.saturating_add(match self.byte(place) {
                STAR | BELOW => 1,
                DEEP => 2,
                _ => return,
            });
        }
    }

    /// Two paths that fit a pattern, with a character for its stars that no pattern names: seldom does another fit them.
    fn samples(&self, rule: usize) -> [String; 2] {
        ["", "/\0"].map(|deep| {
            let path = self.pattern(rule).replace("\u{2}\u{3}", deep).replace('\u{1}', "\0");
            if path.is_empty() { "/".to_owned() } else { path }
        })
    }

    /// A pattern without its end.
    fn pattern(&self, rule: usize) -> &str {
        let pattern = self.spelled.get(self.start(rule)..).unwrap_or_default();
        pattern.split('\u{4}').next().unwrap_or_default()
    }

    fn start(&self, rule: usize) -> usize {
        self.starts.get(rule).copied().unwrap_or_default()
    }

    fn byte(&self, place: usize) -> u8 {
        self.spelled.as_bytes().get(place).copied().unwrap_or(END)
    }
}

impl Beginning {
    /// Whether the same can follow both.
    fn is_as_good_as(&self, other: &Self) -> bool {
        let end = |read: &[u8]| read.last().copied().filter(|last| matches!(last, b'/' | b'.' | b' '));
        self.places == other.places && end(&self.read) == end(&other.read)
    }
}

/// Whether a path of a request may end like this: its last segment does not end with a dot or a space.
fn is_path(read: &[u8]) -> bool {
    !matches!(read.last(), None | Some(b'.' | b' '))
}

/// Whether no path can fit both patterns, because they begin or end with different bytes.
fn are_apart(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    differ(one.iter().rev().zip(other.iter().rev())) || differ(one.iter().zip(other))
}

fn differ<'a>(mut pairs: impl Iterator<Item = (&'a u8, &'a u8)>) -> bool {
    pairs.find(|(one, other)| one != other || **one <= END).is_some_and(|(one, other)| *one > END && *other > END)
}

#[cfg(test)]
mod tests;
