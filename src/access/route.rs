//! Which rule decides a request: the first that matches its method, host and path, and what it calls at an MCP server. The query and
//! headers are never looked at, and neither is what the rule asks for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use foldhash::fast::FixedState;

use crate::access::mcp::call::Call;
use crate::access::mcp::calls::Calls;
use crate::access::path::Spelling;
use crate::access::requirement::Requirement;
use crate::access::truth::Truth;
use crate::words::upstream_token::UpstreamToken;

/// A rule: which requests it is for, what it asks of them, and what becomes of them.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "their types say what they are")]
pub struct Rule {
    /// How logs name it: `rules[2]`, or `default`.
    pub name: Rc<str>,
    pub matches: Match,
    /// What may be in a path although servers read it differently, if every reading falls to this rule.
    pub allow_in_path: Vec<Spelling>,
    pub require: Requirement,
    pub unauthenticated: Unauthenticated,
    pub credentials: Credentials,
    /// The audience of the identity JWT; `None` for the origin that the request is for.
    pub audience: Option<Rc<str>>,
    /// The token of its own that the application gets; `None` if it gets none.
    pub upstream_token: Option<Rc<UpstreamToken>>,
    pub shared_cache: SharedCache,
}

/// Whether shared caches may keep answers to somebody who is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SharedCache {
    /// They must not, whatever the application says.
    #[default]
    Refused,
    /// They may, if the application allows it.
    Allowed,
}

/// Which credentials count for a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// A session, or a bearer token if one is accepted.
    #[default]
    Any,
    /// A session only. An `Authorization` header is left to the upstream.
    Session,
    /// A bearer token only.
    Bearer,
}

/// Which requests a rule is for: those that fit in everything that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// In lower case, without port.
    pub host: Option<String>,
    /// In upper case. GET stands for HEAD too.
    pub methods: Option<Vec<String>>,
    /// Compared with the path as [`decoded`], without the query.
    pub path: PathMatch,
    /// Calls to an MCP server; `None` for every request, whatever it calls.
    pub calls: Option<Calls>,
}

/// Which paths a rule is for. All stand here as [`decoded`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PathMatch {
    /// Every path.
    #[default]
    Any,
    /// This path.
    Exact(String),
    /// This path and everything below it: `/api` is for `/api` and `/api/x`, not for `/apix`.
    SeparatedPrefix(String),
    /// A pattern: `*` stands for anything within a segment, `**` for any number of segments.
    Glob(String),
}

/// How a request that is not signed in is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unauthenticated {
    /// Navigations are redirected to the provider, all others are answered 401.
    #[default]
    ByNavigation,
    /// Every GET and HEAD is redirected to the provider.
    Redirect,
    /// All are answered 401.
    Respond,
}

impl Match {
    /// Whether a request fits that may call whatever the rule is for. `host` is without port, `path` as [`decoded`].
    pub fn fits(&self, method: &str, host: &str, path: &str) -> bool {
        self.path.fits(path) && self.is_for(method, host)
    }

    /// Whether a request that fits otherwise calls what the rule is for.
    fn is_called(&self, call: &Call) -> Truth {
        self.calls.as_ref().map_or(Truth::True, |calls| calls.fits(call))
    }

    /// Whether a request certainly calls something else than what the rule is for.
    pub fn is_for_other_calls(&self, call: &Call) -> bool {
        self.is_called(call) == Truth::False
    }

    /// Whether every request that fits `other` certainly fits this one. Patterns are compared as texts only.
    pub(super) fn covers(&self, other: &Self) -> bool {
        if self.calls.is_some() && self.calls != other.calls {
            return false;
        }
        let host = self.host.is_none() || self.host == other.host;
        let methods = match (&self.methods, &other.methods) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(theirs)) => theirs.iter().all(|method| mine.iter().any(|wanted| covers_method(wanted, method))),
        };
        host && methods && self.path.covers(&other.path)
    }

    /// Whether the method and the host of a request fit.
    pub(super) fn is_for(&self, method: &str, host: &str) -> bool {
        self.host.as_deref().is_none_or(|wanted| wanted == host)
            && self.methods.as_deref().is_none_or(|methods| methods.iter().any(|wanted| covers_method(wanted, method)))
    }
}

/// Whether a rule for the method `wanted` is for `method`. HEAD is GET without a body (RFC 9110, section 9.3.2), so that GET
/// stands for both.
fn covers_method(wanted: &str, method: &str) -> bool {
    wanted == method || (wanted == "GET" && method == "HEAD")
}

impl PathMatch {
    pub(super) fn fits(&self, path: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact == path,
            Self::SeparatedPrefix(prefix) => {
                path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            // A pattern that ends in `/**` also fits what stands before that, as a prefix does.
            Self::Glob(pattern) => {
                let base = pattern.strip_suffix("/**");
                fast_glob::glob_match(pattern, path) || base.is_some_and(|base| fast_glob::glob_match(base, path))
            }
        }
    }

    /// Whether every path that fits `other` certainly fits this one. Patterns are compared as texts only.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::SeparatedPrefix(_), Self::Exact(path) | Self::SeparatedPrefix(path)) | (_, Self::Exact(path)) => {
                self.fits(path)
            }
            _ => self == other,
        }
    }

    /// Whether there may be a path that fits both. Of patterns only the beginnings are compared.
    pub fn touches(&self, other: &Self) -> bool {
        let below = |path: &str, base: &str| path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let (mine, theirs) = (self.base(), other.base());
        below(mine, theirs) || below(theirs, mine)
    }

    /// The path of [`PathMatch::Exact`] or [`PathMatch::SeparatedPrefix`]; empty for any other.
    pub fn literal(&self) -> &str {
        match self {
            Self::Exact(path) | Self::SeparatedPrefix(path) => path,
            Self::Any | Self::Glob(_) => "",
        }
    }

    /// A text without wildcards to which every path that fits is equal, or with which it begins, followed by a slash.
    fn base(&self) -> &str {
        match self {
            Self::Any => "",
            Self::Exact(path) | Self::SeparatedPrefix(path) => path,
            Self::Glob(pattern) => {
                let literal = pattern.split(['*', '?', '[', '{', '!', '\\']).next().unwrap_or_default();
                literal.rsplit_once('/').map_or("", |(base, _)| base)
            }
        }
    }
}

/// A path as rules compare it, percent-decoded: `/%40admin` and `/@admin`, `/caf%C3%A9` and `/caf%c3%a9` are the same to an
/// upstream. A path that passed [`crate::access::path::check`] can be decoded in one way only: each escape in it stands for one
/// character, which is not a separator.
pub fn decoded(path: &str) -> Cow<'_, str> {
    // A shorter way for most paths, which have no escape.
    if path.contains('%') { percent_encoding::percent_decode_str(path).decode_utf8_lossy() } else { path.into() }
}

/// The rules in their order, indexed by what their paths begin with, so that a thousand cost a request hardly more than one.
#[derive(Clone, Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    otherwise: Rule,
    /// For each [`PathMatch::base`] the number of its list in `listed`. The keys come from the configuration alone, so that
    /// nobody can choose keys with equal hashes: a quick hash without a secret will do.
    bases: HashMap<String, u32, FixedState>,
    /// The positions of the rules with the same base, ascending.
    listed: Vec<Vec<usize>>,
    /// The length of the longest base, in bytes. Longer beginnings of a path need not be looked up.
    longest: usize,
    tell_calls_apart: bool,
}

impl Rules {
    /// From the rules in their order, and the one for requests that no other fits.
    pub fn new(rules: Vec<Rule>, otherwise: Rule) -> Self {
        let tell_calls_apart = rules.iter().any(|rule| rule.matches.calls.is_some());
        let (bases, listed) = (HashMap::default(), Vec::new());
        let mut indexed = Self { rules: Vec::new(), otherwise, bases, listed, longest: 0, tell_calls_apart };
        for (position, rule) in rules.iter().enumerate() {
            let base = rule.matches.path.base();
            indexed.longest = indexed.longest.max(base.len());
            let number = indexed.bases.get(base).and_then(|number| usize::try_from(*number).ok());
            match number.and_then(|number| indexed.listed.get_mut(number)) {
                Some(list) => list.push(position),
                None => {
                    indexed.bases.insert(base.to_owned(), u32::try_from(indexed.listed.len()).unwrap_or(u32::MAX));
                    indexed.listed.push(vec![position]);
                }
            }
        }
        Self { rules, ..indexed }
    }

    /// All rules, except that for requests which no other fits.
    pub fn all(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule for requests that no other fits.
    pub const fn otherwise(&self) -> &Rule {
        &self.otherwise
    }

    /// The first rule that fits a request which calls nothing, or that for requests which no other fits. `path` is as it came, without
    /// the query.
    pub fn find(&self, method: &str, host: &str, path: &str) -> &Rule {
        if self.tell_calls_apart {
            return self.deciding(method, host, path, &Call::Nothing).0;
        }
        let position = self.position(method, host, &decoded(path));
        position.and_then(|position| self.rules.get(position)).unwrap_or(self.otherwise())
    }

    /// Whether any rule is for certain calls only.
    pub fn tell_calls_apart(&self) -> bool {
        self.tell_calls_apart
    }

    /// The first rule that certainly fits, and those before it that fit if the request calls what they are for, which is not known. A
    /// request that may fall to any of them must meet them all. `path` is as it came, without the query.
    pub fn deciding<'a>(&'a self, method: &str, host: &str, path: &str, call: &Call) -> (&'a Rule, Vec<&'a Rule>) {
        let path = decoded(path);
        let mut fitting: Vec<usize> = self.listed_for(&path).flatten().copied().collect();
        fitting.sort_unstable();
        let mut possible = Vec::new();
        for rule in fitting.iter().filter_map(|position| self.rules.get(*position)) {
            match rule.matches.is_called(call) {
                _ if !rule.matches.fits(method, host, &path) => {}
                Truth::True => return (rule, possible),
                Truth::Unknown => possible.push(rule),
                Truth::False => {}
            }
        }
        (self.otherwise(), possible)
    }

    /// The lists of rules whose base is a beginning of this path, which is as [`decoded`].
    fn listed_for<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Vec<usize>> {
        // Every path that a rule fits is its base, or begins with it and a slash.
        let ends = path.bytes().enumerate().skip(1).filter(|(_, byte)| *byte == b'/').map(|(position, _)| position);
        let ends = [0].into_iter().chain(ends.take_while(|end| *end <= self.longest)).chain([path.len()]);
        ends.filter_map(|end| {
            let base = path.get(..end).filter(|base| base.len() <= self.longest)?;
            self.listed.get(usize::try_from(*self.bases.get(base)?).ok()?)
        })
    }

    /// The position of the first rule that fits, whatever a request calls; `None` if none does. `path` is as [`decoded`].
    pub(super) fn position(&self, method: &str, host: &str, path: &str) -> Option<usize> {
        let mut first = self.rules.len();
        for list in self.listed_for(path) {
            let earlier = list.iter().take_while(|position| **position < first);
            let fits = |position: &&usize| self.rules.get(**position).is_some_and(|rule| rule.matches.fits(method, host, path));
            if let Some(position) = { earlier }.find(fits) {
                first = *position;
            }
        }
        (first < self.rules.len()).then_some(first)
    }
}

#[cfg(test)]
mod tests;
