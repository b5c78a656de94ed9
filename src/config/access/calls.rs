//! The member `mcp` of `match` and of a requirement: calls to an MCP server, and which scopes each needs. Whether anybody compares them
//! with the body of a request is not known here.

#[cfg(not(target_arch = "wasm32"))]
use crate::config::described::{Kind, list, named, text};

use crate::access::mcp::calls::{Calls, Listed, NAMING, ScopesOfCalls, fits};
use crate::access::requirement::test::is_scope;
use crate::config::access::paths::mistake;
use crate::config::reading::place::shape;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::values::each;

/// A list of texts, of which each may have been refused.
type Texts = Vec<Checked<String>>;

/// Lists by name.
type Lists = Vec<(String, Checked<Texts>)>;

shape! {
    /// A call that is one of those which are listed. If nothing is listed, it is every call.
    pub(crate) struct CallsShape {
        /// methods, such as `tools/list`; `*` stands for anything
        methods: Option<Texts> where list(named("method")).at_least(1),
        /// tools that are called; `delete_*` is for all names that begin so
        tools: Option<Texts> where list(named("tool")).at_least(1),
        /// prompts that are got
        prompts: Option<Texts> where list(named("prompt")).at_least(1),
        /// MCP resources that are read, which have nothing to do with protected ones: by their URIs, such as `file:///docs/**`
        resources: Option<Texts> where list(named("URI")).at_least(1),
        /// beside these: each argument, by the name that its tool gives it in `Mcp-Param-NAME`, has one of the values
        params: Option<Lists> where lists(),
        /// not in `match`, only in `require.mcp`: the scopes of the bearer token that a call needs besides, by its method and a pattern for the name
        /// of the tool or the prompt, or for the URI
        pub(crate) scopes: Option<Vec<(String, Checked<Lists>)>> where scopes_of_calls(),
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn lists() -> Kind {
    Kind::Map(Box::new(list(named("value")).at_least(1)))
}

#[cfg(not(target_arch = "wasm32"))]
fn scopes_of_calls() -> Kind {
    Kind::Map(Box::new(Kind::Map(Box::new(list(text("scope", "^[!#-\\[\\]-~]+$")).at_least(1)))))
}

/// What is asked of calls.
pub(crate) struct Asked {
    /// The calls; `None` if every call will do.
    pub(crate) calls: Option<Calls>,
    /// The scopes that they need; `None` if they need none.
    pub(crate) scopes: Option<ScopesOfCalls>,
}

/// Checks `mcp` of a `match`.
pub(crate) fn matched(path: &str, shape: CallsShape, refusals: &mut Refusals) -> Checked<Calls> {
    if !matches!(shape.scopes, Ok(None)) {
        let sentence = "expected none in match, because scopes are asked for and not matched, found one; move it to require.mcp";
        return Err(refusals.refuse(format!("{path}.scopes"), sentence));
    }
    asked(path, &shape, refusals).map(|asked| asked.calls.unwrap_or_default())
}

/// Checks `mcp` of a requirement.
pub(crate) fn asked(path: &str, shape: &CallsShape, refusals: &mut Refusals) -> Checked<Asked> {
    let methods = shape.methods.clone().and_then(|written| patterns(&format!("{path}.methods"), written, refusals));
    let mut listed: Vec<Listed> = Vec::new();
    let named = [&shape.tools, &shape.prompts, &shape.resources];
    let mut naming = Vec::new();
    for ((member, method), written) in NAMING.into_iter().zip(named) {
        let at = format!("{path}.{member}");
        let patterns = written.clone().and_then(|written| patterns(&at, written, refusals));
        naming.push(patterns.and_then(|patterns| {
            let includes = |pattern: &String| fits(pattern, method);
            if !patterns.is_empty() && methods.iter().flatten().any(includes) {
                let sentence = format!(
                    "expected none beside methods with {method}, which is every one of them, found some; remove {method} there"
                );
                return Err(refusals.refuse(at, sentence));
            }
            Ok(patterns.into_iter().map(|name| Listed { method: method.to_owned(), name: every(name) }).collect::<Vec<_>>())
        }));
    }
    let params = shape.params.clone().and_then(|written| params(&format!("{path}.params"), written, refusals));
    let scopes = shape.scopes.clone().and_then(|written| scopes(&format!("{path}.scopes"), written, refusals));
    listed.extend(methods?.into_iter().map(|method| Listed { method, name: None }));
    for each in naming {
        listed.extend(each?);
    }
    let (params, scopes) = (params?, scopes?);
    let calls = Some(Calls { listed, params }).filter(|calls| !calls.listed.is_empty() || !calls.params.is_empty());
    if calls.is_none() && scopes.is_none() {
        let sentence = "expected calls, found none; write tools: [NAME], or methods: [tools/list]";
        return Err(refusals.refuse(path, sentence));
    }
    Ok(Asked { calls, scopes })
}

/// A pattern for names; `None` of one that is for every name, also for one with slashes.
fn every(pattern: String) -> Option<String> {
    Some(pattern).filter(|pattern| pattern != "*" && pattern != "**")
}

fn patterns(path: &str, written: Option<Texts>, refusals: &mut Refusals) -> Checked<Vec<String>> {
    let Some(written) = written else { return Ok(Vec::new()) };
    if written.is_empty() {
        return Err(refusals.refuse(path, "expected at least one, found none; remove it for every one"));
    }
    each(written, |index, pattern| pattern_of(&format!("{path}[{index}]"), pattern, refusals))
}

/// Checks a pattern. What a method is, is not checked: servers may have others than those of MCP.
fn pattern_of(path: &str, pattern: String, refusals: &mut Refusals) -> Checked<String> {
    let sentence = if pattern.is_empty() || pattern.trim() != pattern || pattern.contains(char::is_control) {
        "expected a name, or a pattern with *, found nothing, or blanks around it; write delete_*"
    } else if let Some(sentence) = mistake(&pattern, &pattern) {
        sentence
    } else {
        return Ok(pattern);
    };
    Err(refusals.refuse(path, sentence))
}

fn params(path: &str, written: Option<Lists>, refusals: &mut Refusals) -> Checked<Vec<(String, Vec<String>)>> {
    let checked = written.into_iter().flatten().map(|(name, values)| {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(token) {
            let sentence = "expected the NAME of a field Mcp-Param-NAME, found another; write region: [eu]";
            return Err(refusals.refuse(format!("{path}.{name}"), sentence));
        }
        let values: Vec<String> = values?.into_iter().collect::<Checked<_>>()?;
        if values.is_empty() {
            let sentence = "expected at least one value, found none; write region: [eu]";
            return Err(refusals.refuse(format!("{path}.{name}"), sentence));
        }
        Ok((name.to_ascii_lowercase(), values))
    });
    let checked: Vec<_> = checked.collect();
    checked.into_iter().collect()
}

fn scopes(path: &str, written: Option<Vec<(String, Checked<Lists>)>>, refusals: &mut Refusals) -> Checked<Option<ScopesOfCalls>> {
    let mut all = Vec::new();
    for (method, names) in written.into_iter().flatten() {
        let at = format!("{path}.{method}");
        for (name, scopes) in names? {
            let at = format!("{at}.{name}");
            let scopes: Vec<String> = scopes?.into_iter().collect::<Checked<_>>()?;
            if scopes.is_empty() || !scopes.iter().all(|scope| is_scope(scope)) {
                let sentence = "expected scopes without spaces, found none or others; write [files:delete]";
                return Err(refusals.refuse(at, sentence));
            }
            let name = pattern_of(&at, name, refusals)?;
            let named = NAMING.iter().any(|(_, naming)| *naming == method);
            if !named && every(name.clone()).is_some() {
                let sentence = "expected * for a method whose calls name nothing, found a name; write \"*\"";
                return Err(refusals.refuse(at, sentence));
            }
            all.push((Listed { method: pattern_of(path, method.clone(), refusals)?, name: every(name) }, scopes));
        }
    }
    Ok(Some(ScopesOfCalls(all)).filter(|scopes| !scopes.0.is_empty()))
}
