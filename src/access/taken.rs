//! Which requests the rules before one take, and whether any is left for it. Decided exactly, by reading all the patterns together,
//! byte by byte, as one automaton. What the rules ask for is not looked at.

use crate::access::route::{Match, PathMatch, Rule};

// A pattern is spelled as its text, which has no control characters, and these:
/// `*`: any bytes but slashes, or none.
const STAR: u8 = 1;
/// `/**`: nothing, or a slash and then what [`BELOW`] stands for, which follows.
const DEEP: u8 = 2;
/// Any bytes, or none.
const BELOW: u8 = 3;
/// The end.
const END: u8 = 4;

/// Stands for every character that no pattern names: a path has no control characters either.
const ANY_OTHER: u8 = 0;

/// So many places in patterns are looked at for all rules together. Only patterns with many stars come near it.
const MOST_STEPS: usize = 4_000_000;

/// What is known of a rule behind others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is a request that it decides.
    Counts,
    /// Every request that fits it is taken before: by those at these positions.
    NeverCounts(Vec<usize>),
    /// It would take too long to find out.
    Undecided,
}

/// The patterns of rules, in their order.
#[derive(Debug)]
pub struct Taken {
    /// One behind the other.
    spelled: String,
    /// Where each begins.
    starts: Vec<usize>,
    /// How many steps may still be taken.
    steps: usize,
}

/// The beginning of a path.
#[derive(Clone, Debug)]
struct Beginning {
    read: Vec<u8>,
    /// The places in the patterns that may come next, ascending.
    places: Vec<usize>,
}

/// What comes of reading every path that fits a pattern.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// This path is left for it.
    Left(Vec<u8>),
    NothingLeft,
    TooMany,
}

impl Default for Taken {
    fn default() -> Self {
        Self { spelled: String::new(), starts: Vec::new(), steps: MOST_STEPS }
    }
}

impl Taken {
    /// Adds the pattern of a further rule.
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

    /// Adds the pattern of a rule behind `earlier`, whose patterns are here already, and says whether there is a request for one
    /// of the `hosts` that it decides.
    pub fn verdict(&mut self, earlier: &[Rule], later: &Match, hosts: &[&str]) -> Verdict {
        let own = self.starts.len();
        self.add(&later.path);
        // One that takes all of it alone is seen without reading anything.
        if let Some(position) = earlier.iter().position(|rule| rule.matches.covers(later)) {
            return Verdict::NeverCounts(vec![position]);
        }
        let mut near = Vec::new();
        for (position, rule) in earlier.iter().enumerate() {
            if !are_apart(self.pattern(position), self.pattern(own)) {
                near.push((position, rule));
            }
        }
        // Whoever takes a method that no rule names takes all of them, and whoever takes GET takes HEAD.
        let any_other = [String::new()];
        let methods = later.methods.as_deref().unwrap_or(&any_other);
        // None may spend more than a part of what the rules before it have left.
        let (mut takers, mut spendable) = (Vec::new(), self.steps / 8);
        let mut verdict = Verdict::NeverCounts(Vec::new());
        for host in hosts.iter().filter(|host| later.host.as_deref().is_none_or(|wanted| wanted == **host)) {
            for method in methods {
                let mut others = near.clone();
                others.retain(|(_, rule)| rule.matches.is_for(method, host));
                if self.samples(own).iter().any(|path| !others.iter().any(|(_, rule)| rule.matches.path.fits(path))) {
                    return Verdict::Counts;
                }
                // A single path is all there is to be asked for.
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

    /// Reads every path that fits the pattern `own`, the last one, and looks for one that fits none of the `others`. Whoever takes
    /// something of it becomes one of the `takers`.
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
            // Whoever takes all that follows is asked first.
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
                // Neither an empty segment in the middle nor a loose end of one.
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

    /// The places after one more byte.
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

    /// Paths that fit a pattern and are seldom taken by others: its stars stand for what no pattern names.
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
    /// Whether what can follow is the same.
    fn is_as_good_as(&self, other: &Self) -> bool {
        let end = |read: &[u8]| read.last().copied().filter(|last| matches!(last, b'/' | b'.' | b' '));
        self.places == other.places && end(&self.read) == end(&other.read)
    }
}

/// Whether a request may have this path, as far as its end goes: no segment ends with a dot or a space.
fn is_path(read: &[u8]) -> bool {
    !matches!(read.last(), None | Some(b'.' | b' '))
}

/// Whether no path fits both patterns, because they end or begin with other bytes.
fn are_apart(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    differ(one.iter().rev().zip(other.iter().rev())) || differ(one.iter().zip(other))
}

fn differ<'a>(mut pairs: impl Iterator<Item = (&'a u8, &'a u8)>) -> bool {
    pairs.find(|(one, other)| one != other || **one <= END).is_some_and(|(one, other)| *one > END && *other > END)
}

#[cfg(test)]
mod tests;
