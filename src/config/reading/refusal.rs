//! What is wrong with a configuration, collected: each mistake with its place, so that the check can go on with what is good.
//! Whoever refuses a value gets a [`Refused`] instead of it. Whatever depends on that value hands the mark on, and adds no
//! refusal of its own. Which values are wrong is never decided here.

use std::fmt;

use crate::words::secret::Secret;

/// The most mistakes that the log shows: nobody reads more.
const MOST_LINES: usize = 50;

/// Why a configuration is refused: the field's path, and a sentence with the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where in the configuration, such as `rules[2].require.claim`; empty for the whole of it.
    pub path: String,
    /// What is wrong, and what to do: `expected …, found …; write …`. It never has the value of a secret.
    pub sentence: String,
}

/// The mark of a value that was refused: it is written, but its meaning is not known. Only [`Refusals`] makes one, so that there
/// is a refusal for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused(());

/// A value that is good, or the mark that it was refused.
pub(crate) type Checked<T> = Result<T, Refused>;

/// All mistakes in a configuration. What [`crate::config::load`] hands out is never empty, and in the order of the configuration
/// reference.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    told: Vec<Refusal>,
    /// Paths of objects, each with the names of its members in the order of the reference.
    orders: Vec<(String, &'static [&'static str])>,
}

impl Refusal {
    /// A refusal of the field at `path`. (Never inlined, so that its many callers stay small.)
    #[cold]
    #[inline(never)]
    pub fn new(path: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self { path: path.into(), sentence: sentence.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return formatter.write_str(&self.sentence);
        }
        write!(formatter, "{}: {}", self.path, self.sentence)
    }
}

impl Refusals {
    /// Refuses the field at `path`.
    #[cold]
    #[inline(never)]
    pub(crate) fn refuse(&mut self, path: impl Into<String>, sentence: impl Into<String>) -> Refused {
        self.told.push(Refusal::new(path, sentence));
        Refused(())
    }

    /// The mark for a value whose refusal is among these already.
    pub(crate) const fn told_before(&self) -> Refused {
        Refused(())
    }

    /// Says in which order the reference has the members of the object at `path`.
    pub(crate) fn order(&mut self, path: String, names: &'static [&'static str]) {
        self.orders.push((path, names));
    }

    /// The value that was checked, if nothing was refused; otherwise all refusals in order. For each path only the first is kept,
    /// because a second one often follows from it.
    pub(crate) fn or<T>(mut self, checked: Checked<T>) -> Result<T, Self> {
        match checked {
            Ok(good) if self.told.is_empty() => Ok(good),
            Ok(_) | Err(Refused(())) => {
                let mut orders = std::mem::take(&mut self.orders);
                orders.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
                self.told.sort_by_cached_key(|refusal| (rank(&orders, &refusal.path), refusal.path.clone()));
                self.told.dedup_by(|later, first| later.path == first.path);
                Err(self)
            }
        }
    }

    /// All of them, in the order of the reference, elements of lists by their index.
    pub fn all(&self) -> &[Refusal] {
        &self.told
    }

    /// The lines for a log: one for each mistake, up to 50, and a last one with their number when there are several.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let count = self.told.len();
        let left = count.saturating_sub(MOST_LINES);
        let sum = match (count, left) {
            (0 | 1, _) => None,
            (_, 0) => Some(format!("{count} mistakes, one in each line above")),
            _ => Some(format!("{count} mistakes, of which {left} are not shown; correct those above first")),
        };
        self.told.iter().take(MOST_LINES).map(ToString::to_string).chain(sum)
    }

    /// The same with these texts blanked out. Texts of fewer than eight bytes stay: they are no secrets, and would be found
    /// within words.
    pub(crate) fn without(mut self, mut texts: Vec<Secret>) -> Self {
        const SHORTEST: usize = 8;
        // The longest first, because one may be a part of another.
        texts.sort_unstable_by_key(|text| std::cmp::Reverse(text.len()));
        for text in texts.iter().filter(|text| text.len() >= SHORTEST) {
            for refusal in &mut self.told {
                for shown in [&mut refusal.path, &mut refusal.sentence] {
                    *shown = shown.replace(text.expose(), "[what the environment variable holds]");
                }
            }
        }
        self
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.lines().collect();
        formatter.write_str(&lines.join("\n"))
    }
}

/// How one step of a path is sorted among others below the same place: elements of a list by their index; members in the order of
/// the reference, after unknown ones; members that may have any name by that name.
type Step = (usize, String);

/// How a path is sorted among others: an object or a list comes before what it holds. (A name with a dot in it counts as several
/// steps.)
fn rank(orders: &[(String, &'static [&'static str])], path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut begin = 0_usize;
    for piece in path.split_inclusive(['.', '[']) {
        let text = piece.trim_end_matches(['.', '[']);
        let around = path.get(..begin).unwrap_or_default().trim_end_matches(['.', '[']);
        begin = begin.saturating_add(piece.len());
        if let Some(index) = text.strip_suffix(']').and_then(|digits| digits.parse().ok()) {
            steps.push((index, String::new()));
        } else if !text.is_empty() {
            let found = orders.binary_search_by(|(other, _)| other.as_str().cmp(around)).ok();
            let names = found.and_then(|found| orders.get(found)).map_or(&[][..], |(_, names)| names);
            let position = names.iter().position(|known| *known == text);
            steps.push((position.map_or(0, |position| position.saturating_add(1)), text.to_owned()));
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(paths: &[&str]) -> Refusals {
        let mut refusals = Refusals::default();
        refusals.order(String::new(), &["origins", "rules", "policies"]);
        refusals.order("rules[2]".to_owned(), &["match", "require"]);
        let refused = paths.iter().map(|path| refusals.refuse(*path, "expected this, found that; write this")).last();
        refusals.or::<()>(Err(refused.unwrap())).unwrap_err()
    }

    fn sorted<'a>(paths: &[&'a str]) -> Vec<&'a str> {
        let refusals = told(paths);
        let each = refusals.all().iter();
        each.map(|refusal| *paths.iter().find(|path| **path == refusal.path).unwrap()).collect()
    }

    #[test]
    fn mistakes_come_in_the_order_of_the_reference_and_members_of_lists_by_their_index() {
        let expected = [
            "",
            "typo",
            "origins[0]",
            "origins[2]",
            "rules",
            "rules[2]",
            "rules[2].unknown",
            "rules[2].match",
            "rules[2].match.path",
            "rules[2].require.all[0]",
            "rules[2].require.all[10]",
            "rules[10].require",
            "policies.a",
            "policies.b.claim",
        ];
        let mut backwards = expected;
        backwards.reverse();
        assert_eq!(sorted(&backwards), expected);
        assert_eq!(sorted(&["policies.a.b", "policies.a"]), ["policies.a", "policies.a.b"]);
    }

    #[test]
    fn two_mistakes_in_one_place_are_told_as_one() {
        assert_eq!(told(&["rules", "rules"]).all().len(), 1);
    }

    #[test]
    fn each_mistake_has_a_line_and_the_last_line_counts_them_also_those_not_shown() {
        assert_eq!(told(&["rules"]).to_string(), "rules: expected this, found that; write this");
        let two = told(&["rules", "origins"]).to_string();
        assert_eq!(
            two,
            "origins: expected this, found that; write this\nrules: expected this, found that; write this\n2 mistakes, one in each line above"
        );
        let paths: Vec<_> = (0..73).map(|index| format!("origins[{index}]")).collect();
        let many = told(&paths.iter().map(String::as_str).collect::<Vec<_>>());
        let lines: Vec<_> = many.lines().collect();
        assert_eq!((many.all().len(), lines.len()), (73, 51));
        assert_eq!(lines.last().unwrap(), "73 mistakes, of which 23 are not shown; correct those above first");
        assert_eq!(paths.iter().filter(|path| lines.iter().any(|line| line.starts_with(&format!("{path}: ")))).count(), 50);
    }

    #[test]
    fn values_of_environment_variables_stay_out_of_every_line() {
        let mut refusals = Refusals::default();
        let _ = refusals.refuse("a.hunter2hunter2", "found hunter2hunter2");
        let _ = refusals.refuse("b", "found hunter2hunter2, too");
        let shown = refusals.without(vec![Secret::new("hunter2hunter2")]).to_string();
        assert!(!shown.contains("hunter2") && shown.contains("[what the environment variable holds]"), "{shown}");
    }
}
