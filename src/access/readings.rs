//! Whether a path with spellings that a rule allows (`allow_in_path`) falls to that rule in every way that an application may read
//! it. Every `%2F`, `;`, `%3F` and `%23` is read in each of its ways, independently of the others, so that it does not matter how
//! an application is made. All readings are compared with all rules at once, as one automaton; none is preferred or repaired.

use percent_encoding::percent_decode_str;

use crate::access::path::{Part, Spelling, check_beside, parts};
use crate::access::patterns::{END, Patterns};
use crate::access::route::{PathMatch, Rules, decoded};
use crate::words::quote::quote;

/// The most places in patterns, and beginnings of readings, that are looked at for one request. For a path with ten encoded
/// slashes, a thousand rules need five thousand.
const MOST_STEPS: usize = 1 << 16;

/// Stands in a reading for a decoded slash that is data within a segment. No pattern names it.
const SLASH_AS_DATA: &str = "\0";

/// The endpoints and the rules of a configuration, of which at least one allows a spelling that can be read in several ways.
#[derive(Debug)]
pub struct Readings {
    /// The names of the endpoints, which are answered before any rule: no reading may be one of them.
    endpoints: Vec<&'static str>,
    /// Those of the endpoints, and behind them those of the rules, in their order.
    patterns: Patterns,
}

/// Where in a path a reading has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    /// Within a segment, or between two.
    Segment,
    /// Within a parameter, which is not read.
    Parameter,
}

/// What an application may do at a spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way<'a> {
    /// It reads this in its place.
    Reads(&'a str),
    /// It cuts off the parameter that begins here, or goes on cutting it.
    CutsParameter,
    /// It cuts off the rest of the path.
    CutsRest,
}

/// Where several readings have come to together: whatever follows, the same rule decides them.
#[derive(Clone, Debug)]
struct Beginning {
    /// How many parts of the path were read.
    parts: usize,
    inside: Inside,
    /// The places in the patterns that may come next, ascending.
    places: Vec<usize>,
    /// What one of these readings is so far, for the log.
    read: Vec<u8>,
}

/// Why not every reading is known to fall to the rule.
#[derive(Debug, PartialEq, Eq)]
enum Astray {
    /// This reading falls to the pattern with this number, or to none before the rule's.
    Falls(Vec<u8>, Option<usize>),
    /// It would take too long to know.
    TooMany,
}

impl Readings {
    /// `answered` are the names and paths of the endpoints, which no request with such a path may reach. `None` if no rule allows
    /// anything, so that a path which is not plain is refused without being looked at.
    pub fn new(rules: &Rules, answered: &[(&'static str, String)]) -> Option<Self> {
        rules.all().iter().find(|rule| !rule.allow_in_path.is_empty())?;
        let mut patterns = Patterns::default();
        answered.iter().for_each(|(_, path)| patterns.add(&PathMatch::Exact(path.clone())));
        rules.all().iter().for_each(|rule| patterns.add(&rule.matches.path));
        Some(Self { endpoints: answered.iter().map(|(name, _)| *name).collect(), patterns })
    }

    /// Judges a path that [`crate::access::path::check`] has refused. `rules` are those that this was made of, and `host` is
    /// without port. If it is good, [`Rules::find`] finds the rule to which all readings fall.
    ///
    /// # Errors
    /// The path must be refused: a reading of it falls to an endpoint, or to another rule than others do; the rule does not allow
    /// something that is in it; or beside that it is not plain. The text is for the log: what an operator can do something about,
    /// if there is anything.
    pub fn judge(&self, rules: &Rules, method: &str, host: &str, path: &str) -> Result<(), Option<String>> {
        let parts = parts(path);
        // The rule that decides, if all readings fall to the same one, since this is one of them.
        let position = rules.position(method, host, &decoded(path));
        let rule = position.and_then(|position| rules.all().get(position)).unwrap_or(rules.otherwise());
        let name = &rule.name;
        let not_allowed = |spelling: &Spelling| !rule.allow_in_path.contains(spelling);
        if let Some(spelling) = parts.iter().filter_map(|(_, behind)| behind.map(|(spelling, _)| spelling)).find(not_allowed) {
            return Err(Some(format!("decoded, the path falls to {name}, which does not allow {}", spelling.as_str())));
        }
        check_beside(path, &rule.allow_in_path).map_err(|_| None)?;
        let position = position.ok_or(None)?;
        let earlier = rules.all().iter().take(position).enumerate();
        let earlier = earlier.filter(|(_, rule)| rule.matches.is_for(method, host)).map(|(earlier, _)| earlier);
        let own = self.pattern(position);
        let patterns = (0..self.endpoints.len()).chain(earlier.map(|earlier| self.pattern(earlier))).chain([own]);
        let mut reader = Reader { patterns: &self.patterns, own, steps: MOST_STEPS, beginnings: Vec::new() };
        reader.read_all(patterns, &parts).map_err(|astray| match astray {
            Astray::TooMany => Some(format!("it takes too long to compare all its readings with the rules before {name}")),
            Astray::Falls(reading, pattern) => {
                let reading = String::from_utf8_lossy(&reading);
                let other = match pattern.and_then(|pattern| self.endpoints.get(pattern)) {
                    Some(endpoint) => format!("endpoints.{endpoint}"),
                    None => {
                        let other = rules.position(method, host, &reading).and_then(|position| rules.all().get(position));
                        other.unwrap_or(rules.otherwise()).name.to_string()
                    }
                };
                let reading = quote(&reading.replace(SLASH_AS_DATA, "%2F"));
                Some(format!("decoded, the path falls to {name}, and read as {reading} to {other}"))
            }
        })
    }

    /// The number of a rule's pattern.
    fn pattern(&self, position: usize) -> usize {
        self.endpoints.len().saturating_add(position)
    }
}

/// Reads one path in every way.
struct Reader<'a> {
    patterns: &'a Patterns,
    /// The number of the pattern that every reading must fit, and none before.
    own: usize,
    /// How many steps are left of [`MOST_STEPS`].
    steps: usize,
    /// All that were found, in the order in which they are read on.
    beginnings: Vec<Beginning>,
}

impl Reader<'_> {
    /// Looks for a reading that does not fall to the own pattern. `patterns` are the numbers of those that are for the request's
    /// method and host.
    fn read_all(&mut self, patterns: impl Iterator<Item = usize>, parts: &[Part<'_>]) -> Result<(), Astray> {
        let mut places = Vec::new();
        patterns.for_each(|pattern| self.patterns.enter(&mut places, self.patterns.start(pattern)));
        self.add(Beginning { parts: 0, inside: Inside::Segment, places, read: Vec::new() })?;
        let mut next = 0_usize;
        while let Some(mut beginning) = self.beginnings.get(next).cloned() {
            next = next.saturating_add(1);
            let Some((before, spelling)) = parts.get(beginning.parts) else { continue };
            let before = match beginning.inside {
                Inside::Segment => *before,
                Inside::Parameter => before.find('/').and_then(|end| before.get(end..)).unwrap_or_default(),
            };
            if !before.is_empty() {
                beginning.inside = Inside::Segment;
            }
            beginning.parts = beginning.parts.saturating_add(1);
            self.read(&mut beginning, percent_decode_str(before))?;
            let Some((spelling, written)) = spelling else {
                self.end(beginning)?;
                continue;
            };
            for way in ways(beginning.inside, *spelling, written) {
                let mut beginning = beginning.clone();
                match way {
                    Way::CutsRest => self.end(beginning)?,
                    Way::CutsParameter => self.add(Beginning { inside: Inside::Parameter, ..beginning })?,
                    Way::Reads(text) => {
                        self.read(&mut beginning, text.bytes())?;
                        self.add(Beginning { inside: Inside::Segment, ..beginning })?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads these bytes on.
    fn read(&mut self, beginning: &mut Beginning, bytes: impl Iterator<Item = u8>) -> Result<(), Astray> {
        for byte in bytes {
            self.spend(beginning.places.len().saturating_add(1))?;
            beginning.places = self.patterns.step(&beginning.places, byte);
            beginning.read.push(byte);
        }
        Ok(())
    }

    /// Remembers where readings have come to, to read on from there, unless that is known already or changes nothing.
    fn add(&mut self, beginning: Beginning) -> Result<(), Astray> {
        let Beginning { parts, inside, places, .. } = &beginning;
        let start = self.patterns.start(self.own);
        let is_decided =
            places.first().is_some_and(|first| *first >= start) && places.iter().any(|place| self.patterns.takes_all(*place));
        self.spend(self.beginnings.len())?;
        let is_same = |known: &Beginning| known.parts == *parts && known.inside == *inside && known.places == *places;
        if !is_decided && !self.beginnings.iter().any(is_same) {
            self.beginnings.push(beginning);
        }
        Ok(())
    }

    /// Checks that readings which end here fall to the own pattern: the first that fits decides.
    fn end(&self, Beginning { places, read, .. }: Beginning) -> Result<(), Astray> {
        let first = places.iter().find(|place| self.patterns.byte(**place) == END).map(|place| self.patterns.rule(*place));
        if first == Some(self.own) { Ok(()) } else { Err(Astray::Falls(read, first)) }
    }

    fn spend(&mut self, steps: usize) -> Result<(), Astray> {
        self.steps = self.steps.checked_sub(steps).ok_or(Astray::TooMany)?;
        Ok(())
    }
}

/// All that an application may do at a spelling. Within a parameter it is a part of that, or whatever it is elsewhere: a parameter
/// ends where an application looks for its end.
fn ways<'a>(inside: Inside, spelling: Spelling, written: &'a str) -> Vec<Way<'a>> {
    let mut ways = match spelling {
        Spelling::Slash => vec![Way::Reads(written), Way::Reads(SLASH_AS_DATA), Way::Reads("/")],
        Spelling::QuestionMark => vec![Way::Reads(written), Way::Reads("?"), Way::CutsRest],
        Spelling::NumberSign => vec![Way::Reads(written), Way::Reads("#"), Way::CutsRest],
        Spelling::Semicolon => vec![Way::Reads(written), Way::CutsParameter, Way::CutsRest],
    };
    if inside == Inside::Parameter {
        ways.push(Way::CutsParameter);
    }
    ways
}

#[cfg(test)]
mod tests;
