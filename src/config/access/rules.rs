//! The part `rules`: each rule by itself, and beside those before it. A rule that can never decide a request is refused, because
//! its author relies on it. How a requirement is evaluated is not known here.

mod allowed;
pub(crate) mod forward;
mod matches;
pub(crate) mod written;

use std::rc::Rc;

use crate::access::path::Spelling;
use crate::access::requirement::Requirement;
use crate::access::route::{Credentials, Match, PathMatch, Rule, SharedCache, Unauthenticated};
use crate::access::taken::{Taken, Verdict};
use crate::config::access::requirements::known::Known;
use crate::config::access::rules::allowed::allowed;
use crate::config::access::rules::forward::{Around, upstream_token};
use crate::config::access::rules::matches::matches;
use crate::config::access::rules::written::{CredentialsWord, RuleForwardShape, RuleShape, SharedCacheWord, UnauthenticatedWord};
use crate::config::reading::refusal::{Checked, Refusal, Refusals};
use crate::config::reading::values::Parts;
use crate::http::url::Origin;

/// What rules depend on beside what their requirements refer to.
pub(crate) struct Context<'a> {
    pub(crate) origins: &'a Checked<Vec<Origin>>,
    /// The names and the paths of the endpoints, which are answered before any rule.
    pub(crate) answered: &'a [(&'a str, &'a str)],
    /// Whether there are sessions in cookies.
    pub(crate) cookies: Checked<bool>,
    /// Whether bearer tokens are accepted: those of a provider, or sessions as JWTs.
    pub(crate) bearer_tokens: Checked<bool>,
    /// Whether the upstream gets an identity JWT, of which a rule can set the audience.
    pub(crate) identity_jwt: Checked<bool>,
    /// What tokens of its own for the application depend on.
    pub(crate) upstream_tokens: forward::Ground,
    /// The top-level `shared_cache`, for rules that do not say it themselves.
    pub(crate) shared_cache: Checked<Option<SharedCacheWord>>,
}

/// The rules, whether good or refused.
pub(crate) struct Rules {
    /// All of them, if none was refused.
    pub(crate) all: Checked<Vec<Rule>>,
    /// The requirements that are good, also those of rules that were refused.
    pub(crate) requirements: Vec<Requirement>,
    /// What an operator should look at in rules that are good.
    pub(crate) warnings: Vec<Refusal>,
}

/// Checks the rules, in order.
pub(crate) fn rules(
    shapes: Checked<Vec<Checked<RuleShape>>>,
    known: &Known<'_>,
    context: &Context<'_>,
    refusals: &mut Refusals,
) -> Rules {
    let (mut requirements, mut all) = (Vec::new(), Vec::new());
    let mut before = Before::new(context);
    let shapes = match shapes {
        Ok(shapes) => shapes,
        Err(refused) => return Rules { all: Err(refused), requirements, warnings: Vec::new() },
    };
    for (index, shape) in shapes.into_iter().enumerate() {
        let name = format!("rules[{index}]");
        let rule = shape.and_then(|shape| {
            let mut parts = Parts::default();
            let at_match = format!("{name}.match");
            let matches = matches(&at_match, shape.matches, context.origins, context.answered, &mut before.warnings, refusals);
            let matches = parts.part(matches.and_then(|matches| before.leaves(&name, matches, refusals)).map(Some));
            let at_allowed = format!("{name}.allow_in_path");
            let allowed = allowed(&at_allowed, shape.allow_in_path, matches.as_ref(), known.named_by_routes, refusals);
            let allowed = match matches.as_ref().is_some_and(|matches| matches.calls.is_some()) && allowed != Ok(Vec::new()) {
                true => allowed.and_then(|_| Err(refusals.refuse(&*at_allowed, ALLOWED_BESIDE_CALLS))),
                false => allowed,
            };
            let require = shape.require.and_then(|shape| known.requirement(&format!("{name}.require"), &shape, refusals));
            requirements.extend(require.clone());
            let answers = Answers {
                allow_in_path: allowed,
                require,
                unauthenticated: shape.unauthenticated,
                credentials: shape.credentials,
                audience: shape.audience,
                forward: shape.forward,
                shared_cache: shape.shared_cache,
            };
            let rule = answers.rule(&name, matches.unwrap_or_default(), context, refusals)?;
            parts.whole(rule)
        });
        all.push(rule);
    }
    Rules { all: all.into_iter().collect(), requirements, warnings: before.warnings }
}

const ALLOWED_BESIDE_CALLS: &str =
    "expected none beside match.mcp, because other calls with such a path fall to other rules, found some; remove it";

/// The rules before the next one, endpoints first, and the requests that they take.
struct Before<'a> {
    rules: Vec<Rule>,
    taken: Taken,
    /// The hosts that are served; `None` if origins were refused.
    hosts: Option<Vec<&'a str>>,
    warnings: Vec<Refusal>,
}

impl<'a> Before<'a> {
    /// Begins with the endpoints, which are answered before any rule.
    fn new(context: &Context<'a>) -> Self {
        let hosts = context.origins.as_ref().ok().map(|origins| {
            let mut hosts: Vec<_> = origins.iter().map(Origin::host).collect();
            hosts.dedup();
            hosts
        });
        // A path with other characters can also be requested percent-encoded. No endpoint answers to that spelling, so that rules
        // may decide it.
        let plain = |path: &str| path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte));
        let mut before = Self { rules: Vec::new(), taken: Taken::default(), hosts, warnings: Vec::new() };
        for (name, path) in context.answered.iter().filter(|(_, path)| plain(path)) {
            let matches = Match { path: PathMatch::Exact((*path).to_owned()), ..Match::default() };
            before.taken.add(&matches.path);
            before.add(&format!("endpoints.{name}"), matches);
        }
        before
    }

    /// Adds a rule whose path was added to `taken` already.
    fn add(&mut self, name: &str, matches: Match) {
        self.rules.push(Rule {
            name: name.into(),
            matches,
            allow_in_path: Vec::new(),
            require: Requirement::Public,
            unauthenticated: Unauthenticated::default(),
            credentials: Credentials::default(),
            audience: None,
            upstream_token: None,
            shared_cache: SharedCache::default(),
        });
    }

    /// Refuses a rule if those before it take all its requests; else it counts among them for the rules behind it.
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

/// The members of a rule that say what becomes of its requests.
struct Answers {
    allow_in_path: Checked<Vec<Spelling>>,
    require: Checked<Requirement>,
    unauthenticated: Checked<Option<UnauthenticatedWord>>,
    credentials: Checked<Option<CredentialsWord>>,
    audience: Checked<Option<String>>,
    forward: Checked<Option<RuleForwardShape>>,
    shared_cache: Checked<Option<SharedCacheWord>>,
}

impl Answers {
    fn rule(self, name: &str, matches: Match, context: &Context<'_>, refusals: &mut Refusals) -> Checked<Rule> {
        let unauthenticated = self.unauthenticated(name, refusals);
        let credentials = self.credentials(name, context, refusals);
        let audience = self.audience(name, context, refusals);
        let around = Around { require: self.require.as_ref().map_err(|refused| *refused), credentials };
        let upstream_token =
            self.forward.and_then(|shape| upstream_token(name, shape, &around, &context.upstream_tokens, refusals));
        let shared_cache = shared_cache(self.shared_cache?.or(context.shared_cache?));
        Ok(Rule {
            name: name.into(),
            matches,
            allow_in_path: self.allow_in_path?,
            require: self.require?,
            unauthenticated: unauthenticated?,
            credentials: credentials?,
            audience: audience?,
            upstream_token: upstream_token?,
            shared_cache,
        })
    }

    /// Checks `unauthenticated`, which says how a request that is not signed in is answered.
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

    /// Checks `credentials`. Where it is not written, and only a bearer token can meet the requirement, only bearer tokens count.
    fn credentials(&self, name: &str, context: &Context<'_>, refusals: &mut Refusals) -> Checked<Credentials> {
        let require = self.require.as_ref().map_err(|refused| *refused);
        let by_token_only = require.map(|require| matches!(require, Requirement::When(condition) if condition.demands_token()));
        let credentials = match self.credentials? {
            // Without sessions in cookies, only a bearer token can count.
            None if by_token_only? || !context.cookies? => Credentials::Bearer,
            None | Some(CredentialsWord::Any) => Credentials::Any,
            Some(CredentialsWord::Session) if by_token_only? => {
                let sentence =
                    "expected bearer or any, because the requirement asks for a bearer token, found session; remove it";
                return Err(refusals.refuse(format!("{name}.credentials"), sentence));
            }
            Some(CredentialsWord::Session) => Credentials::Session,
            Some(CredentialsWord::Bearer) => Credentials::Bearer,
        };
        if credentials == Credentials::Bearer && context.bearer_tokens == Ok(false) {
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

    /// Checks `audience`, which says whom the identity JWT is for.
    fn audience(&self, name: &str, context: &Context<'_>, refusals: &mut Refusals) -> Checked<Option<Rc<str>>> {
        let Some(audience) = self.audience.as_ref().map_err(|refused| *refused)? else { return Ok(None) };
        if audience.is_empty() || context.identity_jwt == Ok(false) {
            let sentence =
                "expected the name of an audience where forward.identity_jwt is set, found none of both; set it, or remove this";
            return Err(refusals.refuse(format!("{name}.audience"), sentence));
        }
        Ok(Some(Rc::from(audience.as_str())))
    }
}

/// The rule for requests that no other matches: it asks for somebody who is signed in.
pub(crate) fn otherwise(cookies: bool, shared_cache: Option<SharedCacheWord>) -> Rule {
    Rule {
        name: "default".into(),
        matches: Match::default(),
        allow_in_path: Vec::new(),
        require: Requirement::Authenticated,
        unauthenticated: Unauthenticated::ByNavigation,
        credentials: if cookies { Credentials::Any } else { Credentials::Bearer },
        audience: None,
        upstream_token: None,
        shared_cache: self::shared_cache(shared_cache),
    }
}

/// Without a word, shared caches keep no answer to somebody who is known.
const fn shared_cache(written: Option<SharedCacheWord>) -> SharedCache {
    match written {
        Some(SharedCacheWord::Allowed) => SharedCache::Allowed,
        Some(SharedCacheWord::Refused) | None => SharedCache::Refused,
    }
}
