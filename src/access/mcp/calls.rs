//! Which calls to an MCP server something is about, as an operator lists them, and which scopes each call needs. A call that a request
//! does not name is neither listed nor not listed. Who may make a call is not decided here.

use std::borrow::Cow;

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
        if !fits(&self.method, &named.method) {
            return Truth::False;
        }
        match (&self.name, &named.name) {
            (None, _) => Truth::True,
            (Some(_), None) => Truth::False,
            (Some(_), Some(name)) if named.method == RESOURCES_READ && !is_plain(name) => Truth::Unknown,
            (Some(pattern), Some(name)) if named.method == RESOURCES_READ => fast_glob::glob_match(pattern, name).into(),
            (Some(pattern), Some(name)) => fits(pattern, name).into(),
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

/// Whether a text fits a pattern in which `*` stands for anything. A slash is a character like others: only URIs have segments.
pub fn fits(pattern: &str, text: &str) -> bool {
    if !pattern.contains('*') {
        return pattern == text;
    }
    // To the matcher of paths a slash is special, and this character is not. No name that a server has contains it.
    fn plain(text: &str) -> Cow<'_, str> {
        if text.contains('/') { text.replace('/', "\u{1}").into() } else { text.into() }
    }
    fast_glob::glob_match(&*plain(pattern), &*plain(text))
}

/// The schemes whose URIs are written anew when a server reads them (URL Standard, special schemes).
const SPECIAL: [&str; 6] = ["file", "ftp", "http", "https", "ws", "wss"];

/// Whether every server reads a URI in the same way, also one that writes it anew before it looks it up (URL Standard): it has no
/// escapes and nothing that would be escaped, no dots, backslashes or doubled slashes in its path, no capitals before that, and one
/// way only to write its host.
fn is_plain(uri: &str) -> bool {
    let is_kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(&byte);
    let Some((scheme, rest)) = uri.split_once(':').filter(|_| uri.bytes().all(is_kept)) else { return false };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            (Some(authority), path)
        }
        None => (None, rest),
    };
    let dots = path.split(['/', '?', '#']).any(|segment| matches!(segment, "." | ".."));
    let before_path = scheme.chars().chain(authority.unwrap_or_default().chars());
    let is_written_once = match (SPECIAL.contains(&scheme), authority) {
        (false, _) => true,
        (true, None) => false,
        (true, Some("")) => scheme == "file" && path.starts_with('/'),
        (true, Some(authority)) => {
            let last = authority.rsplit('.').next().unwrap_or_default();
            // An address has several spellings, and so have a port and a name before the host.
            let is_name = !last.is_empty() && !last.starts_with(|first: char| first.is_ascii_digit());
            scheme != "file" && is_name && !authority.contains([':', '@', '[']) && path.starts_with('/')
        }
    };
    !dots && { before_path }.all(|character| !character.is_ascii_uppercase()) && !path.contains("//") && is_written_once
}
