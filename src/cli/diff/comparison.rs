//! Asks two configurations the same: every request about nobody and about somebody, and one request of each kind about everybody
//! who matters to the rules that decide it. Which requests and people these are, others say.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use crate::cli::cases::case::Case;
use crate::cli::desk::target::Question;
use crate::cli::desk::who::{Somebody, Who};
use crate::cli::diff::around::people::{Asker, Crowd, Person};
use crate::cli::diff::around::sites::{Site, Sites, sites};
use crate::cli::diff::around::sources::{Both, Source, sources};
use crate::cli::diff::changes::{Change, Changes};
use crate::cli::diff::side::{Heard, Side};
use crate::config::settings::Settings;

/// The most that is asked. All else is counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The most requests.
    pub(super) requests: usize,
    /// The most questions: requests, each about one person.
    pub(super) questions: usize,
}

impl Limits {
    /// Enough for hundreds of rules, and for an answer within some seconds.
    pub(super) const USUAL: Self = Self { requests: 15_000, questions: 50_000 };
}

/// Header fields that decide something, so that they are not sent to see whether they are taken away.
const DECIDING: [&str; 6] = ["authorization", "connection", "cookie", "host", "origin", "upgrade"];

/// Two configurations, side by side.
pub(super) struct Comparison {
    sides: Both<Side>,
    crowd: Crowd,
    pub(super) changes: Changes,
    /// How many questions were asked.
    pub(super) asked: usize,
    /// What should be known about the questions.
    pub(super) notes: Vec<String>,
    /// Whether something differs that no question shows.
    pub(super) unasked: bool,
}

/// What two configurations say of the same.
type Heards = Both<Heard>;

impl Comparison {
    /// Of these two.
    pub(super) fn new(sides: Both<Side>) -> Self {
        let [old, new] = &sides;
        let settings = [old.settings(), new.settings()];
        let (sources, mut notes) = sources(&settings);
        let unasked = who_ends_sessions_of_others(&settings);
        notes.extend(unasked.iter().map(|name| {
            format!("{name} differs, which says who may end the sessions of others: that is not compared, so look at it")
        }));
        let is_checked_otherwise = are_checked_otherwise(&settings);
        if is_checked_otherwise {
            let sentence = "body_checked_by differs, which says who compares what requests say that they call with their bodies: that is not compared, so look at it";
            notes.push(sentence.to_owned());
        }
        let (unasked, crowd) = (!unasked.is_empty() || is_checked_otherwise, Crowd::new(&settings, sources));
        Self { crowd, sides, changes: Changes::default(), asked: 0, notes, unasked }
    }

    /// Where people come from.
    pub(super) fn sources(&self) -> &[Source] {
        &self.crowd.sources
    }

    /// Asks about a case of a file.
    ///
    /// # Errors
    /// If its provider is in neither, as a sentence.
    pub(super) fn ask_case(&mut self, case: &Case) -> Result<(), String> {
        let asker = match &case.who {
            Who::Somebody(Somebody { claims, provider, by }) => {
                let has = |source: &Source, name: &str| source.names.iter().flatten().any(|other| other == name);
                let source = match provider {
                    None => None,
                    Some(name) => Some(
                        self.crowd
                            .sources
                            .iter()
                            .position(|source| has(source, name))
                            .ok_or_else(|| format!("expected a provider of OLD or NEW, found {name}"))?,
                    ),
                };
                let says = "the person of the case".to_owned();
                Asker::Somebody(Person { source, by: *by, claims: claims.clone(), age: None, says })
            }
            Who::Nobody | Who::Token(_) | Who::Cookies(_) => Asker::Nobody,
        };
        let heard = self.ask(&case.question, case.policy.as_deref(), &asker);
        let target = &case.question.target;
        let request = format!("{} {}://{}{}", case.question.method, target.scheme, target.authority, target.target);
        self.tell(&request, Some(&case.name), &asker, &heard);
        Ok(())
    }

    /// Asks about requests around the edges of all rules.
    pub(super) fn ask_around(&mut self, limits: Limits) {
        let [old, new] = &self.sides;
        let unlike = old.passages() != new.passages();
        let Sites { all, left_out, every_kind } = sites(&[old.settings(), new.settings()], unlike, limits.requests);
        let further = self.further();
        let anybody = self.crowd.anybody();
        let mut people = HashMap::<_, Rc<(Vec<Asker>, bool)>>::new();
        let mut seen = BTreeSet::new();
        let (mut every_person, mut not_asked) = (true, left_out);
        for site in &all {
            if self.asked > limits.questions {
                not_asked = not_asked.saturating_add(1);
                continue;
            }
            let Ok(question) = site.question(&further) else { continue };
            let heard = self.ask_site(site, &question, &Asker::Nobody);
            anybody.iter().for_each(|anybody| drop(self.ask_site(site, &question, anybody)));
            let [old, new] = &heard;
            let decided = (old.decided.clone(), new.decided.clone());
            let origin = (site.origin.clone(), site.policy.clone());
            if !seen.insert((decided.clone(), site.method.clone(), site.form.clone(), origin.clone())) {
                continue;
            }
            let who = people.entry((decided, origin)).or_insert_with(|| {
                let conditions: Vec<_> = [old, new].into_iter().filter_map(|heard| heard.condition.as_ref()).collect();
                Rc::new(self.crowd.people(&conditions))
            });
            let who = Rc::clone(who);
            every_person &= who.1;
            let others = who.0.iter().filter(|person| anybody.as_ref() != Some(person));
            others.for_each(|person| drop(self.ask_site(site, &question, person)));
        }
        if not_asked > 0 {
            let count = all.len().saturating_add(left_out);
            self.notes.push(format!("{not_asked} of {count} requests were not asked about, because they are too many"));
        }
        if !every_kind {
            self.notes.push("the paths or the calls of the rules cross in more ways than were asked about".to_owned());
        }
        if !every_person {
            self.notes.push("some conditions name so much that not every combination of claims was asked about".to_owned());
        }
    }

    /// Header fields that one of the two takes away from what a client sends, so that it shows what the other does.
    fn further(&self) -> Vec<(String, String)> {
        let taken = |side: &Side| -> BTreeSet<String> {
            side.settings().iter().flat_map(|settings| settings.identity.taken_away().collect::<Vec<_>>()).collect()
        };
        let [old, new] = &self.sides;
        let (old, new) = (taken(old), taken(new));
        let names = old.symmetric_difference(&new).map(|name| name.replace('*', "x"));
        let names = names.filter(|name| !DECIDING.contains(&name.as_str()) && !name.starts_with("sec-"));
        names.map(|name| (name, "of-the-client".to_owned())).collect()
    }

    fn ask_site(&mut self, site: &Site, question: &Question, asker: &Asker) -> Heards {
        // Where a site names no policy, its route names none, whatever the routes of the files do.
        let heard = self.ask(question, Some(site.policy.as_deref().unwrap_or_default()), asker);
        self.tell(&site.says(), None, asker, &heard);
        heard
    }

    /// What both say.
    pub(super) fn ask(&mut self, question: &Question, policy: Option<&str>, asker: &Asker) -> Heards {
        self.asked = self.asked.saturating_add(1);
        let sources = &self.crowd.sources;
        self.sides.each_mut().map(|side| side.ask(question, policy, asker, sources))
    }

    fn tell(&mut self, request: &str, case: Option<&str>, asker: &Asker, [old, new]: &Heards) {
        self.changes.add(Change::between(request, case, asker, [&old.outcome, &new.outcome]));
    }
}

/// Whether somebody else compares header fields with bodies for a resource that is in both.
fn are_checked_otherwise([old, new]: &Both<Vec<&Settings>>) -> bool {
    let mut before = old.iter().flat_map(|settings| settings.resources.all());
    let after = || new.iter().flat_map(|settings| settings.resources.all());
    before.any(|one| after().any(|other| other.uri == one.uri && other.body_checked_by != one.body_checked_by))
}

/// What differs of the settings that say who may end the sessions of others. What they decide depends on bodies, and no question has
/// one.
fn who_ends_sessions_of_others([old, new]: &Both<Vec<&Settings>>) -> Vec<&'static str> {
    let everybody = |side: &[&Settings]| side.iter().map(|settings| settings.may_end_everybody.clone()).collect::<Vec<_>>();
    let differ = [
        ("operator_logout.everybody", everybody(old) != everybody(new)),
        (
            "transmitters",
            !old.iter().map(|settings| &settings.transmitters).eq(new.iter().map(|settings| &settings.transmitters)),
        ),
    ];
    differ.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}
