//! The two fields by which the services that a request passes tie their traces together (W3C Trace Context). Only what is well
//! formed is passed on: both may be the client's own words. Who gets them is not decided here.

use std::borrow::Cow;

use crate::http::message::Headers;

/// The most of `tracestate` that is passed on, in bytes (section 3.3.1.5 asks for no more).
const LONGEST_STATE: usize = 512;

/// The most members of `tracestate` (section 3.3.1.1).
const MOST_MEMBERS: usize = 32;

/// The most characters of a key, and of a value, in `tracestate`.
const LONGEST_PART: usize = 256;

/// The fields of a request by which a call belongs to the same trace: `traceparent`, and `tracestate` beside it. None without a
/// well-formed `traceparent`.
pub fn trace_context(headers: &Headers) -> impl Iterator<Item = (Cow<'static, str>, String)> {
    let parent = headers.single("traceparent").filter(|parent| is_parent(parent)).map(str::to_owned);
    let state = parent.as_ref().and_then(|_| state(headers));
    let fields = [("traceparent", parent), ("tracestate", state)];
    fields.into_iter().filter_map(|(name, value)| Some((Cow::Borrowed(name), value?)))
}

/// Whether this is a `traceparent` of version 00 (section 3.2.2). Later versions may end with something that nobody knows yet.
fn is_parent(text: &str) -> bool {
    let hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
    };
    let identifies = |part: &str, length| hex(part, length) && part.bytes().any(|byte| byte != b'0');
    let parts: Vec<_> = text.split('-').collect();
    matches!(parts.as_slice(), ["00", trace, parent, flags] if identifies(trace, 32) && identifies(parent, 16) && hex(flags, 2))
}

/// All lines of `tracestate` as one, if each of their members is well formed (section 3.3.1).
fn state(headers: &Headers) -> Option<String> {
    let lines: Option<Vec<_>> = headers.all("tracestate").map(|line| std::str::from_utf8(line).ok()).collect();
    let lines = lines?;
    // Empty members are allowed, and say nothing.
    let members = lines.iter().flat_map(|line| line.split(',')).map(|member| member.trim_matches([' ', '\t']));
    let members: Vec<_> = members.filter(|member| !member.is_empty()).collect();
    let mut keys = Vec::new();
    for member in &members {
        let (key, value) = member.split_once('=')?;
        if !is_key(key) || !is_value(value) || keys.contains(&key) {
            return None;
        }
        keys.push(key);
    }
    let state = members.join(",");
    ((1..=MOST_MEMBERS).contains(&keys.len()) && state.len() <= LONGEST_STATE).then_some(state)
}

fn is_key(key: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let further = |byte: u8| first(byte) || matches!(byte, b'_' | b'-' | b'*' | b'/' | b'@');
    key.len() <= LONGEST_PART && key.bytes().next().is_some_and(first) && key.bytes().all(further)
}

fn is_value(value: &str) -> bool {
    value.len() <= LONGEST_PART && !value.is_empty() && value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn passed(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        let lines = fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        trace_context(&Headers::new(lines)).map(|(name, value)| (name.into_owned(), value)).collect()
    }

    #[test]
    fn a_well_formed_parent_is_passed_on_as_it_is() {
        for parent in [PARENT, "00-00000000000000000000000000000001-0000000000000001-00"] {
            assert_eq!(passed(&[("traceparent", parent)]), [("traceparent".to_owned(), parent.to_owned())]);
        }
    }

    #[test]
    fn a_malformed_parent_is_dropped_with_its_state() {
        for parent in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-will-be-like",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319cc-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 ",
            " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nauthorization: x",
        ] {
            assert_eq!(passed(&[("traceparent", parent), ("tracestate", "a=b")]), [], "{parent}");
        }
        assert_eq!(passed(&[("traceparent", PARENT), ("traceparent", PARENT)]), [], "two of them");
        assert_eq!(passed(&[("tracestate", "a=b")]), [], "none");
    }

    #[test]
    fn a_state_is_passed_on_only_whole() {
        let long = format!("a={}", "b".repeat(256));
        let members = |count: usize| (0..count).map(|number| format!("k{number}=v")).collect::<Vec<_>>().join(",");
        for (lines, expected) in [
            (vec!["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"], Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")),
            (vec!["a=1", "b=2"], Some("a=1,b=2")),
            (vec!["a=1 , ,\tb=2,"], Some("a=1,b=2")),
            (vec!["fw529a3039@dt=x*y", "0-_*/=~ z"], Some("fw529a3039@dt=x*y,0-_*/=~ z")),
            (vec![long.as_str()], Some(long.as_str())),
            (vec![members(32).as_str()], Some(members(32).as_str())),
            (vec![members(33).as_str()], None),
            (vec![long.as_str(), &long.replace("a=", "c=")], None),
            (vec![&format!("{long}b")], None),
            (vec!["a=1,a=2"], None),
            (vec!["a"], None),
            (vec!["=1"], None),
            (vec!["a="], None),
            (vec!["A=1"], None),
            (vec!["a=1=2"], None),
            (vec!["a=\u{e9}"], None),
            (vec!["a=1\r\nx: y"], None),
            (vec![""], None),
        ] {
            let fields: Vec<_> =
                [("traceparent", PARENT)].into_iter().chain(lines.iter().map(|line| ("tracestate", *line))).collect();
            let state = passed(&fields).into_iter().find(|(name, _)| name == "tracestate").map(|(_, value)| value);
            assert_eq!(state.as_deref(), expected, "{lines:?}");
        }
    }
}
