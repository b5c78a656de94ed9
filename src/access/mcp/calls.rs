//! Which calls to an MCP server something is about, as an operator lists them, and which scopes each call needs. A call that a request
//! does not name is neither listed nor not listed. Who may make a call is not decided here.

use crate::access::mcp::call::{Call, Named, PROMPTS_GET, RESOURCES_READ, TOOLS_CALL};
use crate::access::truth::{Truth, any_true};

/// The calls that fit in everything that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// The call is one of these; empty for every call.
    pub listed: Vec<Listed>,
    /// Each of these arguments, by its name in lower case, has one of the values.
    pub params: Vec<(String, Vec<String>)>,
}

/// Calls of one method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// A pattern for the method.
    pub method: String,
    /// A pattern for the name of the tool or the prompt, or for the URI of the resource; `None` for every one.
    pub name: Option<String>,
}

/// The scopes that calls need, beside what else is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopesOfCalls(pub Vec<(Listed, Vec<String>)>);

impl Calls {
    /// Whether a call is one of these.
    pub fn fits(&self, call: &Call) -> Truth {
        let named = match call {
            Call::Nothing => return Truth::False,
            Call::Any => return Truth::Unknown,
            Call::Named(named) => named,
        };
        let listed = match self.listed.as_slice() {
            [] => Truth::True,
            listed => any_true(listed.iter().map(|one| one.fits(named))),
        };
        let params = self.params.iter().map(|(name, values)| {
            let came = named.params.iter().find(|(other, _)| other == name);
            // A server looks for it in the body, where it may be all the same.
            came.map_or(Truth::Unknown, |(_, value)| values.contains(value).into())
        });
        any_true([listed].into_iter().chain(params).map(Truth::not)).not()
    }
}

impl Calls {
    /// It, as a phrase for the log.
    pub fn in_words(&self) -> String {
        let listed = self.listed.iter().map(Listed::in_words).collect::<Vec<_>>().join(" or ");
        let listed = if listed.is_empty() { "anything".to_owned() } else { listed };
        let params = self.params.iter().map(|(name, values)| format!("{name}: {}", values.join(" or ")));
        [listed].into_iter().chain(params).collect::<Vec<_>>().join(" with ")
    }
}

impl Listed {
    fn in_words(&self) -> String {
        match &self.name {
            None => self.method.clone(),
            Some(name) => [&self.method, " of ", name].concat(),
        }
    }

    fn fits(&self, named: &Named) -> Truth {
        if !fast_glob::glob_match(&self.method, &named.method) {
            return Truth::False;
        }
        match (&self.name, &named.name) {
            (None, _) => Truth::True,
            (Some(_), None) => Truth::False,
            (Some(_), Some(name)) if named.method == RESOURCES_READ && !is_plain(name) => Truth::Unknown,
            (Some(pattern), Some(name)) => fast_glob::glob_match(pattern, name).into(),
        }
    }
}

impl ScopesOfCalls {
    /// They, as a phrase for the log.
    pub fn in_words(&self) -> String {
        let each = self.0.iter().map(|(listed, scopes)| format!("{} for {}", scopes.join(" "), listed.in_words()));
        each.collect::<Vec<_>>().join(", ")
    }

    /// The scopes that a call needs, in the order of the configuration: those of every entry that it may fall under.
    pub fn of<'a>(&'a self, call: &'a Call) -> impl Iterator<Item = &'a str> {
        let may_fall = move |listed: &Listed| match call {
            Call::Nothing => false,
            Call::Any => true,
            Call::Named(named) => listed.fits(named) != Truth::False,
        };
        self.0.iter().filter(move |(listed, _)| may_fall(listed)).flat_map(|(_, scopes)| scopes.iter().map(String::as_str))
    }
}

/// The calls that name something, each with the word by which an operator lists them.
pub const NAMING: [(&str, &str); 3] = [("tools", TOOLS_CALL), ("prompts", PROMPTS_GET), ("resources", RESOURCES_READ)];

/// Whether every server reads a URI in the same way: it has no escapes, no dots, backslashes or doubled slashes in its path, and no
/// capitals before that.
fn is_plain(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let dots = path.split(['/', '?', '#']).any(|segment| matches!(segment, "." | ".."));
    let capitals = scheme.chars().chain(authority.chars()).any(|character| character.is_ascii_uppercase());
    !dots && !capitals && !path.contains("//") && !uri.contains(['%', '\\']) && !uri.contains(char::is_control)
}
