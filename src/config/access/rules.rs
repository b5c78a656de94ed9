//! Rules, each by itself and beside those before it. One that never can count is refused: its author expects something of it.

mod matches;
pub(crate) mod written;

use std::rc::Rc;

use crate::access::requirement::Requirement;
use crate::access::route::{Credentials, Match, PathMatch, Rule, SharedCache, Unauthenticated};
use crate::access::taken::{Taken, Verdict};
use crate::config::access::requirements::known::Known;
use crate::config::access::rules::matches::matches;
use crate::config::access::rules::written::{CredentialsWord, RuleShape, SharedCacheWord, UnauthenticatedWord};
use crate::config::reading::refusal::{Checked, Refusal, Refusals};
use crate::config::reading::values::Parts;
use crate::http::url::Origin;

/// What rules depend on beside what requirements name.
pub(crate) struct Around<'a> {
    /// The origins that are served.
    pub(crate) origins: &'a Checked<Vec<Origin>>,
    /// Paths that are answered before any rule, by what each is for.
    pub(crate) answered: &'a [(&'a str, &'a str)],
    /// Whether sessions come in cookies at all.
    pub(crate) cookies: Checked<bool>,
    /// Whether bearer tokens of a provider are accepted, or sessions as such.
    pub(crate) bearer_tokens: Checked<bool>,
    /// Whether there is an identity JWT, which is for somebody.
    pub(crate) identity_jwt: Checked<bool>,
    /// What holds for caches where a rule does not say.
    pub(crate) shared_cache: Checked<Option<SharedCacheWord>>,
}

/// The rules.
pub(crate) struct Rules {
    /// All of them, if each is good.
    pub(crate) all: Checked<Vec<Rule>>,
    /// What the good requirements among them are.
    pub(crate) requirements: Vec<Requirement>,
    /// What is to be told of some of them.
    pub(crate) warnings: Vec<Refusal>,
}

/// Checks the rules, in order.
pub(crate) fn rules(
    shapes: Checked<Vec<Checked<RuleShape>>>,
    known: &Known<'_>,
    around: &Around<'_>,
    refusals: &mut Refusals,
) -> Rules {
    let (mut requirements, mut all) = (Vec::new(), Vec::new());
    let mut before = Before::new(around);
    let shapes = match shapes {
        Ok(shapes) => shapes,
        Err(refused) => return Rules { all: Err(refused), requirements, warnings: Vec::new() },
    };
    for (index, shape) in shapes.into_iter().enumerate() {
        let name = format!("rules[{index}]");
        let rule = shape.and_then(|shape| {
            let mut parts = Parts::default();
            let at_match = format!("{name}.match");
            let matches = matches(&at_match, shape.matches, around.origins, around.answered, refusals);
            let matches = parts.part(matches.and_then(|matches| before.leaves(&name, matches, refusals)).map(Some));
            let require = shape.require.and_then(|shape| known.requirement(&format!("{name}.require"), &shape, refusals));
            requirements.extend(require.clone());
            let answers = Answers {
                require,
                unauthenticated: shape.unauthenticated,
                credentials: shape.credentials,
                audience: shape.audience,
                shared_cache: shape.shared_cache,
            };
            let rule = answers.rule(&name, matches.unwrap_or_default(), around, refusals)?;
            parts.whole(rule)
        });
        all.push(rule);
    }
    Rules { all: all.into_iter().collect(), requirements, warnings: before.warnings }
}

/// The good rules before one, and what they leave.
struct Before<'a> {
    rules: Vec<Rule>,
    taken: Taken,
    /// The hosts that are served, if that is known.
    hosts: Option<Vec<&'a str>>,
    warnings: Vec<Refusal>,
}

impl<'a> Before<'a> {
    /// Endpoints are answered before any rule.
    fn new(around: &Around<'a>) -> Self {
        let hosts = around.origins.as_ref().ok().map(|origins| {
            let mut hosts: Vec<_> = origins.iter().map(Origin::host).collect();
            hosts.dedup();
            hosts
        });
        // Of a path with other characters there is a second spelling, which no endpoint answers to.
        let plain = |path: &str| path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte));
        let mut before = Self { rules: Vec::new(), taken: Taken::default(), hosts, warnings: Vec::new() };
        for (name, path) in around.answered.iter().filter(|(_, path)| plain(path)) {
            let matches = Match { path: PathMatch::Exact((*path).to_owned()), ..Match::default() };
            before.taken.add(&matches.path);
            before.add(&format!("endpoints.{name}"), matches);
        }
        before
    }

    /// Adds a rule whose path is among those that are taken already.
    fn add(&mut self, name: &str, matches: Match) {
        self.rules.push(Rule {
            name: name.into(),
            matches,
            require: Requirement::Public,
            unauthenticated: Unauthenticated::default(),
            credentials: Credentials::default(),
            audience: None,
            shared_cache: SharedCache::default(),
        });
    }

    /// Refuses a rule that those before it leave nothing; else it is one of them for those behind it.
    fn leaves(&mut self, name: &str, matches: Match, refusals: &mut Refusals) -> Checked<Match> {
        let verdict = match &self.hosts {
            Some(hosts) => self.taken.verdict(&self.rules, &matches, hosts),
            None => Verdict::Counts,
        };
        if self.hosts.is_some() {
            self.add(name, matches.clone());
        }
        match verdict {
            Verdict::Counts => {}
            Verdict::NeverCounts(takers) => {
                let takers = takers.iter().filter_map(|position| self.rules.get(*position));
                let takers: Vec<_> = takers.map(|rule| &*rule.name).collect();
                let takers = takers.join(", ");
                let sentence = format!(
                    "expected requests that nothing before it takes, found that all are taken by {takers}; move this rule up or remove it"
                );
                return Err(refusals.refuse(format!("{name}.match"), sentence));
            }
            Verdict::Undecided => self.warnings.push(Refusal::new(
                format!("{name}.match"),
                "it is not known whether the rules before leave anything for this one, because their patterns have too many stars; try whether it counts, or write fewer",
            )),
        }
        Ok(matches)
    }
}

/// What becomes of the requests that a rule is for.
struct Answers {
    require: Checked<Requirement>,
    unauthenticated: Checked<Option<UnauthenticatedWord>>,
    credentials: Checked<Option<CredentialsWord>>,
    audience: Checked<Option<String>>,
    shared_cache: Checked<Option<SharedCacheWord>>,
}

impl Answers {
    fn rule(self, name: &str, matches: Match, around: &Around<'_>, refusals: &mut Refusals) -> Checked<Rule> {
        let unauthenticated = self.unauthenticated(name, refusals);
        let credentials = self.credentials(name, around, refusals);
        let audience = self.audience(name, around, refusals);
        let shared_cache = shared_cache(self.shared_cache?.or(around.shared_cache?));
        Ok(Rule {
            name: name.into(),
            matches,
            require: self.require?,
            unauthenticated: unauthenticated?,
            credentials: credentials?,
            audience: audience?,
            shared_cache,
        })
    }

    /// What a request that is not signed in gets.
    fn unauthenticated(&self, name: &str, refusals: &mut Refusals) -> Checked<Unauthenticated> {
        let unauthenticated = match self.unauthenticated? {
            None => return Ok(Unauthenticated::ByNavigation),
            Some(UnauthenticatedWord::Redirect) => Unauthenticated::Redirect,
            Some(UnauthenticatedWord::Respond) => Unauthenticated::Respond,
        };
        if self.require == Ok(Requirement::Public) {
            let sentence = "expected none, because a public rule lets everybody in; remove it, or require: authenticated";
            return Err(refusals.refuse(format!("{name}.unauthenticated"), sentence));
        }
        Ok(unauthenticated)
    }

    /// Which credentials count: what is written, else what the requirement can only be met by.
    fn credentials(&self, name: &str, around: &Around<'_>, refusals: &mut Refusals) -> Checked<Credentials> {
        let require = self.require.as_ref().map_err(|refused| *refused);
        let by_token_only = require.map(|require| matches!(require, Requirement::When(condition) if condition.demands_token()));
        let credentials = match self.credentials? {
            // Nobody can sign in where there is no provider.
            None if by_token_only? || !around.cookies? => Credentials::Bearer,
            None | Some(CredentialsWord::Any) => Credentials::Any,
            Some(CredentialsWord::Session) if by_token_only? => {
                let sentence =
                    "expected bearer or any, because the requirement asks for a bearer token, found session; remove it";
                return Err(refusals.refuse(format!("{name}.credentials"), sentence));
            }
            Some(CredentialsWord::Session) => Credentials::Session,
            Some(CredentialsWord::Bearer) => Credentials::Bearer,
        };
        if credentials == Credentials::Bearer && around.bearer_tokens == Ok(false) {
            return Err(refusals.refuse(
                format!("{name}.credentials"),
                "expected a provider whose bearer tokens are accepted, found none; write bearer: {audiences: […]} at a provider, or session.jwt.bearer: true",
            ));
        }
        if credentials == Credentials::Bearer && self.unauthenticated == Ok(Some(UnauthenticatedWord::Redirect)) {
            let sentence = "expected respond, because signing in brings no bearer token, found redirect; remove it";
            return Err(refusals.refuse(format!("{name}.unauthenticated"), sentence));
        }
        Ok(credentials)
    }

    /// Whom the identity JWT is for.
    fn audience(&self, name: &str, around: &Around<'_>, refusals: &mut Refusals) -> Checked<Option<Rc<str>>> {
        let Some(audience) = self.audience.as_ref().map_err(|refused| *refused)? else { return Ok(None) };
        if audience.is_empty() || around.identity_jwt == Ok(false) {
            let sentence =
                "expected the name of an audience where forward.identity_jwt is set, found none of both; set it, or remove this";
            return Err(refusals.refuse(format!("{name}.audience"), sentence));
        }
        Ok(Some(Rc::from(audience.as_str())))
    }
}

/// What holds where no rule matches: one must be signed in.
pub(crate) fn otherwise(cookies: bool, shared_cache: Option<SharedCacheWord>) -> Rule {
    Rule {
        name: "default".into(),
        matches: Match::default(),
        require: Requirement::Authenticated,
        unauthenticated: Unauthenticated::ByNavigation,
        credentials: if cookies { Credentials::Any } else { Credentials::Bearer },
        audience: None,
        shared_cache: self::shared_cache(shared_cache),
    }
}

/// Shared caches keep nothing of anybody's, unless it is written.
const fn shared_cache(written: Option<SharedCacheWord>) -> SharedCache {
    match written {
        Some(SharedCacheWord::Allowed) => SharedCache::Allowed,
        Some(SharedCacheWord::Refused) | None => SharedCache::Refused,
    }
}
