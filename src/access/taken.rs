//! Whether earlier rules take every request that a later one is for. This is decided exactly, by reading all patterns together,
//! byte by byte, as one automaton. What the rules ask for is never looked at.

use crate::access::patterns::{ANY_OTHER, END, Patterns, are_apart};
use crate::access::route::{Match, PathMatch, Rule};

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
    patterns: Patterns,
    /// How many steps are left of [`MOST_STEPS`].
    steps: usize,
}

/// The beginning of a path, and how far it has come in each pattern.
#[derive(Clone, Debug)]
struct Beginning {
    read: Vec<u8>,
    /// The places in the patterns that may come next, ascending.
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
        Self { patterns: Patterns::default(), steps: MOST_STEPS }
    }
}

impl Taken {
    /// Adds the pattern of the next rule.
    pub fn add(&mut self, path: &PathMatch) {
        self.patterns.add(path);
    }

    /// Adds the pattern of the next rule, which is for the requests `later`, and says whether it decides any request for one of
    /// the `hosts`. `earlier` are the rules before it, whose patterns were added already.
    pub fn verdict(&mut self, earlier: &[Rule], later: &Match, hosts: &[&str]) -> Verdict {
        let own = self.patterns.len();
        self.add(&later.path);
        // A single rule that takes all of it is found without reading anything.
        if let Some(position) = earlier.iter().position(|rule| rule.matches.covers(later)) {
            return Verdict::NeverCounts(vec![position]);
        }
        let mut near = Vec::new();
        for (position, rule) in earlier.iter().enumerate() {
            // A rule for certain calls leaves all others.
            let takes_all_calls = rule.matches.calls.is_none() || rule.matches.calls == later.calls;
            if takes_all_calls && !are_apart(self.patterns.text(position), self.patterns.text(own)) {
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
                if self.patterns.samples(own).iter().any(|path| !others.iter().any(|(_, rule)| rule.matches.path.fits(path))) {
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
        let start = self.patterns.start(own);
        let mut beginnings = vec![Beginning { read: Vec::new(), places: Vec::new() }];
        if let Some(first) = beginnings.first_mut() {
            for rule in others.iter().chain([&own]) {
                self.patterns.enter(&mut first.places, self.patterns.start(*rule));
            }
        }
        let mut next = 0_usize;
        while let Some(Beginning { read, places }) = beginnings.get(next).cloned() {
            next = next.saturating_add(1);
            let ends = |place: usize| self.patterns.byte(place) == END && is_path(&read);
            // A pattern that fits whatever follows is asked first: then nothing that follows has to be read.
            let of_others = || places.iter().take_while(|place| **place < start).copied();
            let all_taken = of_others().find(|place| self.patterns.takes_all(*place));
            let fits = places.last().is_some_and(|place| ends(*place));
            match all_taken.or_else(|| of_others().find(|place| fits && ends(*place))) {
                Some(place) => {
                    let taker = self.patterns.rule(place);
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
            for byte in places.iter().map(|place| self.patterns.byte(*place)) {
                if byte > END && !bytes.contains(&byte) {
                    bytes.push(byte);
                }
            }
            for byte in bytes {
                // No request has a path with an empty segment, or with one that ends in a dot or a space.
                if byte == b'/' && matches!(read.last(), Some(b'/' | b'.' | b' ')) {
                    continue;
                }
                let longer = Beginning { read: [read.as_slice(), &[byte]].concat(), places: self.patterns.step(&places, byte) };
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

#[cfg(test)]
mod tests;
