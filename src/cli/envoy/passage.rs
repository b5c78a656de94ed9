//! What becomes of a request's host and path on its way through an Envoy to its filters: by the settings of the HTTP connection
//! manager. The order is Envoy's own, and the end-to-end tests compare the results with a real one. Nothing is judged here.

use crate::cli::envoy::around::{Around, inner, is_true, text};
use crate::cli::yaml::node::Node;

/// The settings of a connection manager that change a request's host and path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    /// What becomes of `%2F` and `%5C`: `path_with_escaped_slashes_action`.
    escaped_slashes: EscapedSlashes,
    /// `normalize_path`.
    normalizes: bool,
    /// `merge_slashes`.
    merges: bool,
    /// `strip_any_host_port`, `strip_matching_host_port`.
    strips: StripsPort,
    /// `strip_trailing_host_dot`.
    strips_dot: bool,
    /// Where the settings come from.
    pub(crate) source: Source,
}

/// Where the settings come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// They stand in the file.
    File,
    /// The file has no connection manager: those are taken that README.md asks for.
    Assumed,
}

/// What becomes of `%2F` and `%5C`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EscapedSlashes {
    Keep,
    Reject,
    Redirect,
    Unescape,
}

/// Which port is taken off the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StripsPort {
    None,
    /// That of the listener.
    Matching(Option<u16>),
    Any,
}

/// A request as a client sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) method: String,
    /// `Host`, or `:authority`.
    pub(crate) authority: String,
    /// The path and the query.
    pub(crate) target: String,
}

/// What an Envoy makes of a request before its filters see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// It hands on this, after these changes, each as a sentence.
    On(Sent, Vec<String>),
    /// It answers itself, and no filter is asked.
    Answered {
        status: u16,
        /// Why.
        sentence: String,
    },
}

impl Passage {
    /// An Envoy that changes nothing.
    #[cfg(test)]
    pub(crate) const UNCHANGED: Self = Self {
        escaped_slashes: EscapedSlashes::Keep,
        normalizes: false,
        merges: false,
        strips: StripsPort::None,
        strips_dot: false,
        source: Source::File,
    };

    /// The settings of the manager that a filter is in.
    pub(crate) fn of(around: Option<&Around<'_>>) -> Self {
        let Some(around) = around else {
            return Self {
                escaped_slashes: EscapedSlashes::Reject,
                normalizes: true,
                merges: true,
                strips: StripsPort::None,
                strips_dot: false,
                source: Source::Assumed,
            };
        };
        let manager = around.manager;
        let strips = match (is_true(manager, "strip_any_host_port"), is_true(manager, "strip_matching_host_port")) {
            (true, _) => StripsPort::Any,
            (false, true) => StripsPort::Matching(around.listener.and_then(port)),
            (false, false) => StripsPort::None,
        };
        Self {
            escaped_slashes: match text(manager, "path_with_escaped_slashes_action") {
                Some("REJECT_REQUEST" | "2") => EscapedSlashes::Reject,
                Some("UNESCAPE_AND_REDIRECT" | "3") => EscapedSlashes::Redirect,
                Some("UNESCAPE_AND_FORWARD" | "4") => EscapedSlashes::Unescape,
                _ => EscapedSlashes::Keep,
            },
            normalizes: is_true(manager, "normalize_path"),
            merges: is_true(manager, "merge_slashes"),
            strips,
            strips_dot: is_true(manager, "strip_trailing_host_dot"),
            source: Source::File,
        }
    }

    /// What becomes of a request.
    pub(crate) fn pass(&self, sent: Sent) -> Passed {
        let mut changes = Vec::new();
        let authority = self.host(&sent.authority);
        if authority != sent.authority {
            changes.push(format!("Envoy makes the host {authority} of {}", sent.authority));
        }
        // A CONNECT request has no path.
        if sent.method == "CONNECT" {
            return Passed::On(Sent { authority, ..sent }, changes);
        }
        let (path, query) = sent.target.split_once('?').map_or((sent.target.as_str(), None), |(path, query)| (path, Some(query)));
        let mut path = path.to_owned();
        let unescaped = unescape_slashes(&path);
        if unescaped != path {
            match self.escaped_slashes {
                EscapedSlashes::Keep => {}
                EscapedSlashes::Reject => {
                    let sentence = "path_with_escaped_slashes_action: REJECT_REQUEST refuses %2F and %5C".to_owned();
                    return Passed::Answered { status: 400, sentence };
                }
                EscapedSlashes::Redirect => {
                    let Some(place) = self.tidied(&unescaped) else { return refused_null() };
                    let sentence = format!("path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT redirects to {place}");
                    return Passed::Answered { status: 307, sentence };
                }
                EscapedSlashes::Unescape => {
                    changes.push(format!("Envoy makes the path {unescaped} of {path}: UNESCAPE_AND_FORWARD"));
                    path = unescaped;
                }
            }
        }
        let Some(tidied) = self.tidied(&path) else { return refused_null() };
        if tidied != path {
            let settings = [("normalize_path", self.normalizes), ("merge_slashes", self.merges)];
            let on: Vec<_> = settings.into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| name).collect();
            changes.push(format!("Envoy makes the path {tidied} of {path}: {}", on.join(", ")));
        }
        let target = query.map_or(tidied.clone(), |query| format!("{tidied}?{query}"));
        Passed::On(Sent { authority, target, ..sent }, changes)
    }

    /// The path as it is normalized and merged; `None` if it is refused.
    fn tidied(&self, path: &str) -> Option<String> {
        if self.normalizes && path.contains("%00") {
            return None;
        }
        let normalized = if self.normalizes { canonical(&without_parameters_of_dots(path)) } else { path.to_owned() };
        Some(if self.merges { merged(&normalized) } else { normalized })
    }

    fn host(&self, authority: &str) -> String {
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => (host, Some(port)),
            _ => (authority, None),
        };
        let host = if self.strips_dot { host.strip_suffix('.').unwrap_or(host) } else { host };
        let goes = |port: &str| match self.strips {
            StripsPort::None => false,
            StripsPort::Any => true,
            StripsPort::Matching(own) => own.is_some() && port.parse().ok() == own,
        };
        match port {
            Some(port) if !goes(port) => format!("{host}:{port}"),
            Some(_) | None => host.to_owned(),
        }
    }
}

fn refused_null() -> Passed {
    Passed::Answered { status: 400, sentence: "normalize_path refuses %00".to_owned() }
}

fn port(listener: &Node) -> Option<u16> {
    inner(listener, &["address", "socket_address"]).and_then(|address| text(address, "port_value"))?.parse().ok()
}

/// The path with `%2F` and `%5C` decoded.
fn unescape_slashes(path: &str) -> String {
    let mut parts = path.split('%');
    let mut unescaped = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (sign, rest) = match part.split_at_checked(2) {
            Some(("2F" | "2f", rest)) => ("/", rest),
            Some(("5C" | "5c", rest)) => ("\\", rest),
            _ => ("%", part),
        };
        unescaped.push_str(sign);
        unescaped.push_str(rest);
    }
    unescaped
}

/// The path without repeated slashes. Envoy leaves two of a path that is nothing but slashes.
fn merged(path: &str) -> String {
    if path.len() > 1 && path.bytes().all(|byte| byte == b'/') {
        return "//".to_owned();
    }
    let mut merged = String::with_capacity(path.len());
    for sign in path.chars() {
        if sign != '/' || !merged.ends_with('/') {
            merged.push(sign);
        }
    }
    merged
}

/// The path without what stands behind a `;` in a segment `.` or `..`, for which the library does not look further. Escaped dots are
/// not meant.
fn without_parameters_of_dots(path: &str) -> String {
    let segments = path.split('/').map(|segment| match segment.split_once(';') {
        Some((dots @ ("." | ".."), _)) => dots,
        _ => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

/// The path as the library normalizes it that Envoy uses, which is Chromium's: escapes of letters, digits and `-._~` are decoded,
/// `\` becomes `/`, dot segments are carried out, and what may not stand in a path is escaped. (An escape inside of a broken one,
/// `%%32e`, becomes `%252e` there. The filter refuses both.)
fn canonical(path: &str) -> String {
    let mut made = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(sign) = rest.chars().next() {
        if let Some(after_dot) = strip_dot(rest).filter(|_| made.ends_with('/')) {
            match strip_dot(after_dot).filter(|after| is_end(after)) {
                Some(after) => {
                    up(&mut made);
                    rest = strip_slash(after);
                    continue;
                }
                None if is_end(after_dot) => {
                    rest = strip_slash(after_dot);
                    continue;
                }
                None => {}
            }
        }
        match (sign, escaped(rest)) {
            ('\\', _) => made.push('/'),
            ('%', Some((byte, written, after))) => {
                match byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                    true => made.push(char::from(byte)),
                    false => made.push_str(written),
                }
                rest = after;
                continue;
            }
            (' '..='~', _) if !matches!(sign, ' ' | '"' | '<' | '>' | '`' | '{' | '|' | '}' | '#' | '^') => made.push(sign),
            _ => {
                let mut bytes = [0; 4];
                made.extend(sign.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")));
            }
        }
        rest = rest.get(sign.len_utf8()..).unwrap_or_default();
    }
    made
}

/// What is behind a dot, which may be escaped.
fn strip_dot(path: &str) -> Option<&str> {
    path.strip_prefix('.').or_else(|| path.strip_prefix("%2e")).or_else(|| path.strip_prefix("%2E"))
}

fn is_end(path: &str) -> bool {
    path.is_empty() || path.starts_with(['/', '\\'])
}

fn strip_slash(path: &str) -> &str {
    path.strip_prefix(['/', '\\']).unwrap_or(path)
}

/// Takes the last segment off a path that ends in a slash.
fn up(made: &mut String) {
    made.pop();
    let end = made.rfind('/').map_or(0, |slash| slash.saturating_add(1));
    made.truncate(end);
    if made.is_empty() {
        made.push('/');
    }
}

/// The byte of the escape that the path begins with, the escape as it is written, and what is behind it.
fn escaped(path: &str) -> Option<(u8, &str, &str)> {
    let (written, after) = path.split_at_checked(3)?;
    let digits = written.strip_prefix('%').filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    Some((u8::from_str_radix(digits, 16).ok()?, written, after))
}

#[cfg(test)]
mod tests;
