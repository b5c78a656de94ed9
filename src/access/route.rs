//! Which rule a request falls under: the first that matches its method, host and path; never its query, never another header.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use foldhash::fast::FixedState;

use crate::access::requirement::Requirement;

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// How logs name it: `rules[2]`, or `default`.
    pub name: Rc<str>,
    /// Which requests it is for.
    pub matches: Match,
    /// What it asks for.
    pub require: Requirement,
    /// What a request that is not signed in gets.
    pub unauthenticated: Unauthenticated,
    /// Which credentials count.
    pub credentials: Credentials,
    /// Whom the identity JWT is for; the origin that was asked otherwise.
    pub audience: Option<Rc<str>>,
    /// Whether shared caches may keep what somebody gets who is known.
    pub shared_cache: SharedCache,
}

/// Whether shared caches may keep answers to requests of somebody who is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SharedCache {
    /// They may not, whatever the application says.
    #[default]
    Refused,
    /// What the application says holds.
    Allowed,
}

/// Which credentials count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// A session, or a bearer token where a provider's are accepted.
    #[default]
    Any,
    /// A session only; an `Authorization` header is the upstream's own affair.
    Session,
    /// A bearer token only.
    Bearer,
}

/// Which requests a rule is for; everything given must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// The host, lower case, without port.
    pub host: Option<String>,
    /// The methods.
    pub methods: Option<Vec<String>>,
    /// The path.
    pub path: PathMatch,
}

/// Which paths a rule is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PathMatch {
    /// Every path.
    #[default]
    Any,
    /// This one. (Paths stand here as [`decoded`].)
    Exact(String),
    /// This one and everything below it: `/api` is for `/api` and `/api/x`, not for `/apix`.
    SeparatedPrefix(String),
    /// A pattern: `*` stands for anything within a segment, `**` for any number of segments.
    Glob(String),
}

/// What a request that is not signed in gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unauthenticated {
    /// A navigation is redirected to the provider; anything else gets 401.
    #[default]
    ByNavigation,
    /// Every GET and HEAD is redirected.
    Redirect,
    /// Everything gets 401.
    Respond,
}

impl Match {
    /// Whether a request fits.
    pub fn fits(&self, method: &str, host: &str, path: &str) -> bool {
        self.path.fits(path) && self.is_for(method, host)
    }

    /// Whether everything that fits `other` fits this one, as far as that is seen at once.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let host = self.host.is_none() || self.host == other.host;
        let methods = match (&self.methods, &other.methods) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(theirs)) => theirs.iter().all(|method| mine.iter().any(|wanted| covers_method(wanted, method))),
        };
        host && methods && self.path.covers(&other.path)
    }

    /// Whether a request fits as far as its method and its host go.
    pub(super) fn is_for(&self, method: &str, host: &str) -> bool {
        self.host.as_deref().is_none_or(|wanted| wanted == host)
            && self.methods.as_deref().is_none_or(|methods| methods.iter().any(|wanted| covers_method(wanted, method)))
    }
}

/// HEAD is GET without a body (RFC 9110, section 9.3.2): a rule for GET is for both.
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
            // What ends in `/**` is for its base too, as a prefix is.
            Self::Glob(pattern) => {
                let base = pattern.strip_suffix("/**");
                fast_glob::glob_match(pattern, path) || base.is_some_and(|base| fast_glob::glob_match(base, path))
            }
        }
    }

    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::SeparatedPrefix(_), Self::Exact(path) | Self::SeparatedPrefix(path)) | (_, Self::Exact(path)) => {
                self.fits(path)
            }
            _ => self == other,
        }
    }

    /// What every path that fits is, or begins with, a slash behind it.
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

/// A path as rules compare it: `/%40admin` and `/@admin`, `/caf%C3%A9` and `/caf%c3%a9` are the same to an upstream. For a path
/// that was checked this is the only way to read it: what is left of escapes stands for one character each, none a separator.
pub fn decoded(path: &str) -> Cow<'_, str> {
    // Most have no escape: nothing is to be decoded then, or looked through for UTF-8.
    if path.contains('%') { percent_encoding::percent_decode_str(path).decode_utf8_lossy() } else { path.into() }
}

/// The rules in their order, found by what their paths begin with: a thousand cost a request hardly more than one.
#[derive(Clone, Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    otherwise: Rule,
    /// For each [`PathMatch::base`] the number of its list in `listed`.
    /// The configuration chooses the keys: nobody else can make them meet, so that a quick hash without a secret will do.
    bases: HashMap<String, u32, FixedState>,
    /// The positions of the rules with one base, ascending.
    listed: Vec<Vec<usize>>,
    /// How long the longest base is: what is longer need not be looked up.
    longest: usize,
}

impl Rules {
    /// Rules in their order, and the last resort.
    pub fn new(rules: Vec<Rule>, otherwise: Rule) -> Self {
        let mut indexed = Self { rules: Vec::new(), otherwise, bases: HashMap::default(), listed: Vec::new(), longest: 0 };
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

    /// All of them, but for the last resort.
    pub fn all(&self) -> &[Rule] {
        &self.rules
    }

    /// What holds where none fits.
    pub const fn otherwise(&self) -> &Rule {
        &self.otherwise
    }

    /// The first rule that fits, or the last resort.
    pub fn find(&self, method: &str, host: &str, path: &str) -> &Rule {
        let path = &*decoded(path);
        let mut first = self.rules.len();
        // A rule fits only what is its base, or goes on with a slash behind it.
        let ends = path.bytes().enumerate().skip(1).filter(|(_, byte)| *byte == b'/').map(|(position, _)| position);
        for end in [0].into_iter().chain(ends.take_while(|end| *end <= self.longest)).chain([path.len()]) {
            let list = path.get(..end).filter(|base| base.len() <= self.longest).and_then(|base| self.bases.get(base));
            let list = list.and_then(|number| self.listed.get(usize::try_from(*number).ok()?));
            let earlier = list.into_iter().flatten().take_while(|position| **position < first);
            let fits = |position: &&usize| self.rules.get(**position).is_some_and(|rule| rule.matches.fits(method, host, path));
            if let Some(position) = { earlier }.find(fits) {
                first = *position;
            }
        }
        self.rules.get(first).unwrap_or(self.otherwise())
    }
}

#[cfg(test)]
mod tests;
