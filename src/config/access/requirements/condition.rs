//! Requirements, and conditions that consist of others (`all`, `any`, `not`, `policy`); whether it is said whose claims a
//! condition is about. The members that are a single test are not checked here.

use crate::access::requirement::Requirement;
use crate::access::requirement::condition::Condition;
use crate::config::access::requirements::known::Known;
use crate::config::access::requirements::leaves::{self, given};
use crate::config::access::requirements::written::{ConditionShape, RequirementShape};
use crate::config::reading::nearest::did_you_mean;
use crate::config::reading::refusal::{Checked, Refusals, Refused};

/// How many levels of conditions there may be: more are never needed, and every request would pay for them.
const DEEPEST: usize = 16;

/// Whether it is said whose claims a condition is about. With several providers it must be: otherwise one could assert the claims
/// that a rule expects of another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Claimant {
    /// There is only one provider, or one is named, or `any_provider` is written.
    Settled,
    /// It is not said yet.
    Open,
    /// It was not said outside of a `not`. To name a provider within the `not` would let everybody in from all other providers.
    OpenWithinNot,
}

/// The check of one requirement or policy.
struct Check<'a> {
    known: &'a Known<'a>,
    refusals: &'a mut Refusals,
    /// The refusal for too many levels. It is given once, because a policy that names itself has too many in many places.
    too_deep: Option<Refused>,
}

impl Known<'_> {
    /// Checks the requirement of a rule.
    pub(crate) fn requirement(&self, path: &str, shape: &RequirementShape, refusals: &mut Refusals) -> Checked<Requirement> {
        match shape {
            RequirementShape::Word(word) => match word.as_str() {
                "public" => Ok(Requirement::Public),
                "authenticated" => Ok(Requirement::Authenticated),
                _ => {
                    let meant = did_you_mean(["public", "authenticated"], word);
                    let sentence = format!(
                        "expected public, authenticated or a condition, found another word{meant}; for a named policy write {{policy: NAME}}"
                    );
                    Err(refusals.refuse(path, sentence))
                }
            },
            RequirementShape::Condition(condition) => {
                let mut check = Check { known: self, refusals, too_deep: None };
                check.condition(path, condition, DEEPEST, self.anybody()).map(Requirement::When)
            }
        }
    }

    /// Checks a named policy. Where routes can name policies, each must say whose claims it is about.
    pub(crate) fn policy(&self, path: &str, shape: &RequirementShape, refusals: &mut Refusals) -> Checked<Condition> {
        let claimant = if self.named_by_routes == Ok(true) { self.anybody() } else { Claimant::Settled };
        Check { known: self, refusals, too_deep: None }.policy_within(path, shape, DEEPEST, claimant)
    }

    /// Whose claims a condition is about before any of its members says so.
    fn anybody(&self) -> Claimant {
        if self.several_claimants == Ok(true) { Claimant::Open } else { Claimant::Settled }
    }
}

impl Check<'_> {
    fn policy_within(&mut self, path: &str, shape: &RequirementShape, depth: usize, claimant: Claimant) -> Checked<Condition> {
        match shape {
            RequirementShape::Condition(condition) => self.condition(path, condition, depth, claimant),
            // An empty list of conditions holds for everybody who is signed in.
            RequirementShape::Word(word) if word == "authenticated" => Ok(Condition::All(Vec::new())),
            RequirementShape::Word(word) => {
                let meant = did_you_mean(["authenticated"], word);
                let sentence =
                    format!("expected authenticated or a condition, found another word{meant}; a policy cannot be public");
                Err(self.refusals.refuse(path, sentence))
            }
        }
    }

    fn condition(&mut self, path: &str, shape: &ConditionShape, depth: usize, claimant: Claimant) -> Checked<Condition> {
        let depth = self.deeper(path, depth)?;
        let claimant = settled(shape, claimant);
        let mut all = leaves::leaves(path, shape, self.known, self.refusals);
        if claimant != Claimant::Settled && leaves::speak_of_claims(shape) {
            all.push(Err(self.refusals.refuse(
                path,
                "expected the provider whose claims count, found none, and there are several; write provider: NAME beside the condition (outside of not), or any_provider: true",
            )));
        }
        if let Some(name) = given(&shape.policy) {
            all.push(name.and_then(|name| self.named_policy(&format!("{path}.policy"), name, depth, claimant)));
        }
        for (member, conditions) in [("all", &shape.all), ("any", &shape.any)] {
            if let Some(conditions) = given(conditions) {
                let list = conditions.and_then(|conditions| self.list(&format!("{path}.{member}"), conditions, depth, claimant));
                all.push(list.map(if member == "all" { Condition::All } else { Condition::Any }));
            }
        }
        if let Some(condition) = given(&shape.not) {
            let claimant = if claimant == Claimant::Open { Claimant::OpenWithinNot } else { claimant };
            let negated = condition.and_then(|condition| self.condition(&format!("{path}.not"), condition, depth, claimant));
            all.push(negated.map(|condition| Condition::Not(Box::new(condition))));
        }
        if all.is_empty() {
            return Err(self.refusals.refuse(
                path,
                "expected a condition, found an empty object; write {claim: groups, any_of: [admins]}, or authenticated",
            ));
        }
        shape.any_provider?;
        let mut all: Vec<_> = all.into_iter().collect::<Checked<_>>()?;
        match (all.pop(), all.is_empty()) {
            (Some(only), true) => Ok(only),
            (last, _) => {
                all.extend(last);
                Ok(Condition::All(all))
            }
        }
    }

    /// How many levels are left below this one.
    fn deeper(&mut self, path: &str, depth: usize) -> Checked<usize> {
        if let Some(refused) = self.too_deep {
            return Err(refused);
        }
        depth.checked_sub(1).ok_or_else(|| {
            // Mostly a policy that leads to itself gets here, and its path repeats itself: the beginning says enough.
            let beginning = path.split(".policy.policy").next().unwrap_or(path);
            let sentence = format!("expected at most {DEEPEST} levels, found more; does a policy name itself?");
            let refused = self.refusals.refuse(beginning, sentence);
            self.too_deep = Some(refused);
            refused
        })
    }

    fn named_policy(&mut self, path: &str, name: &str, depth: usize, claimant: Claimant) -> Checked<Condition> {
        let policies = self.known.policies.as_ref().map_err(|refused| *refused)?;
        let Some(index) = policies.iter().position(|(other, _)| other == name) else {
            let meant = did_you_mean(self.known.policy_names(), name);
            let sentence = format!("expected the name of a policy, found {name}{meant}; define it under policies");
            return Err(self.refusals.refuse(path, sentence));
        };
        let Some(good) = &self.known.good_policies else { return Ok(Condition::All(Vec::new())) };
        if let Some(Err(refused)) = good.get(index) {
            return Err(*refused);
        }
        let Some((_, Ok(policy))) = policies.get(index) else { return Err(self.refusals.told_before()) };
        self.policy_within(path, policy, depth, claimant)
    }

    fn list(
        &mut self,
        path: &str,
        conditions: &[Checked<ConditionShape>],
        depth: usize,
        claimant: Claimant,
    ) -> Checked<Vec<Condition>> {
        if conditions.is_empty() {
            let sentence = "expected conditions, found an empty list; remove it or fill it";
            return Err(self.refusals.refuse(path, sentence));
        }
        let each = conditions.iter().enumerate().map(|(index, condition)| {
            let condition = condition.as_ref().map_err(|refused| *refused)?;
            self.condition(&format!("{path}[{index}]"), condition, depth, claimant)
        });
        let each: Vec<_> = each.collect();
        each.into_iter().collect()
    }
}

/// Whether it is said whose claims this condition is about, where `claimant` is what was said around it.
fn settled(shape: &ConditionShape, claimant: Claimant) -> Claimant {
    let says = |member: &Checked<Option<String>>| !matches!(member, Ok(None));
    match claimant {
        Claimant::Open if says(&shape.provider) || says(&shape.bearer) => Claimant::Settled,
        Claimant::Open | Claimant::OpenWithinNot if shape.any_provider != Ok(false) => Claimant::Settled,
        claimant => claimant,
    }
}
