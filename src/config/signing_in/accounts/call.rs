//! One call of the user service: where it goes, what it sends, and which statuses mean what. What is asked by it is not known
//! here.

use std::time::Duration;

use crate::accounts::call::Call;
use crate::accounts::template::{Gap, Template, Text};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::spellings::Dotted;
use crate::config::reading::values::{is_written, positive};
use crate::config::settings::LONGEST_TIMEOUT;
use crate::config::signing_in::accounts::written::{Exchange, Method};
use crate::config::signing_in::delivery::template;
use crate::words::principal::ClaimPath;
use crate::words::secret::Secret;

/// The members of `accounts` that hold for every call which does not set them itself.
pub(super) struct Defaults {
    pub(super) cluster: Checked<Option<String>>,
    pub(super) authority: Checked<Option<String>>,
    pub(super) headers: Checked<Vec<(String, Secret)>>,
}

/// Refuses members that mean something for other calls only. `known` are those that mean something for this one.
pub(super) fn check_fields(path: &str, shape: &Exchange, known: &[&str], refusals: &mut Refusals) -> Checked<()> {
    let there = [
        ("user", is_written(&shape.user)),
        ("succeeded", is_written(&shape.succeeded)),
        ("refused", is_written(&shape.refused)),
        ("found", is_written(&shape.found)),
        ("absent", is_written(&shape.absent)),
        ("created", is_written(&shape.created)),
        ("conflict", is_written(&shape.conflict)),
    ];
    let mut checked = Ok(());
    for (name, _) in there.iter().filter(|(name, there)| *there == Ok(true) && !known.contains(name)) {
        let sentence = "expected only fields that mean something for this call, found one of another; remove it";
        checked = Err(refusals.refuse(format!("{path}.{name}"), sentence));
    }
    checked
}

/// The place of the user in an answer; `None` when the answer is the user.
pub(super) fn user(place: Checked<Option<Dotted>>) -> Checked<Option<ClaimPath>> {
    Ok(place?.map(|place| place.0))
}

/// A list of statuses: its name, what is written, and its default.
pub(super) type Named = (&'static str, Checked<Option<Vec<Checked<u64>>>>, &'static [u16]);

/// Checks two lists of statuses, which must have none in common.
pub(super) fn statuses(path: &str, one: Named, other: Named, refusals: &mut Refusals) -> Checked<(Vec<u16>, Vec<u16>)> {
    let names = [one.0, other.0];
    let mut read = |(name, given, default): Named| {
        let Some(given) = given? else { return Ok(default.to_vec()) };
        let given = given.into_iter().collect::<Checked<Vec<_>>>()?;
        let each = given.iter().map(|status| u16::try_from(*status).ok().filter(|status| (200..500).contains(status)));
        each.collect::<Option<Vec<_>>>().ok_or_else(|| {
            let sentence = "expected statuses from 200 to 499, found another; 5xx is always a failure, remove it";
            refusals.refuse(format!("{path}.{name}"), sentence)
        })
    };
    let (ones, others) = (read(one), read(other));
    let (ones, others) = (ones?, others?);
    if ones.iter().any(|status| others.contains(status)) {
        let [one, other] = names;
        let sentence = format!("expected other statuses than those of {one}, found one twice; write each once");
        return Err(refusals.refuse(format!("{path}.{other}"), sentence));
    }
    Ok((ones, others))
}

/// Checks a call. `offered` says which gaps can be filled in it.
pub(super) fn call(
    path: &str,
    shape: Exchange,
    defaults: &mut Defaults,
    offered: fn(&Gap) -> bool,
    refusals: &mut Refusals,
) -> Checked<Call> {
    let has_own_cluster = is_written(&shape.cluster);
    let cluster = cluster(path, shape.cluster, defaults, refusals);
    let authority = authority(path, shape.authority, has_own_cluster, &cluster, defaults, refusals);
    let text = shape.path.and_then(|text| text_of(path, &text, offered, refusals));
    let body =
        shape.body.and_then(|body| body.map(|body| template(&format!("{path}.body"), &body, offered, refusals)).transpose());
    let method = shape.method.and_then(|word| method(path, word, &body, refusals));
    let timeout = positive(&format!("{path}.timeout"), shape.timeout, Duration::from_secs(5), LONGEST_TIMEOUT, refusals);
    let cluster = cluster?;
    // The headers authenticate us at one service. Another must not see them.
    let headers = if !has_own_cluster? || defaults.cluster.as_ref().is_ok_and(|default| default.as_ref() == Some(&cluster)) {
        defaults.headers.clone()?
    } else {
        Vec::new()
    };
    Ok(Call { cluster, authority: authority?, method: method?, path: text?, body: body?, headers, timeout: timeout? })
}

fn cluster(path: &str, own: Checked<Option<String>>, defaults: &mut Defaults, refusals: &mut Refusals) -> Checked<String> {
    let own = own?;
    let is_default = own.is_none();
    let cluster = if is_default { defaults.cluster.clone()? } else { own };
    cluster.filter(|cluster| !cluster.is_empty()).ok_or_else(|| {
        let sentence = "expected the name of an Envoy cluster, here or in accounts, found none; write users";
        let refused = refusals.refuse(format!("{path}.cluster"), sentence);
        if is_default {
            // It is refused once, not again for every other call.
            defaults.cluster = Err(refused);
        }
        refused
    })
}

fn authority(
    path: &str,
    own: Checked<Option<String>>,
    has_own_cluster: Checked<bool>,
    cluster: &Checked<String>,
    defaults: &mut Defaults,
    refusals: &mut Refusals,
) -> Checked<String> {
    let own = own?;
    let of_default = if own.is_some() || has_own_cluster? { None } else { defaults.authority.clone()? };
    let is_default = of_default.is_some();
    let authority = match own.or(of_default) {
        Some(authority) => authority,
        None => cluster.clone()?,
    };
    if authority.is_empty()
        || !authority.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'[' | b']' | b'_'))
    {
        let sentence = "expected host or host:port, found another; write users.internal";
        let refused = refusals.refuse(format!("{path}.authority"), sentence);
        if is_default {
            // It is refused once, not again for every other call.
            defaults.authority = Err(refused);
        }
        return Err(refused);
    }
    Ok(authority)
}

fn text_of(path: &str, written: &str, offered: fn(&Gap) -> bool, refusals: &mut Refusals) -> Checked<Text> {
    let path = format!("{path}.path");
    let text = Text::parse(written, offered).map_err(|what| refusals.refuse(path.clone(), what))?;
    let plain = written.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\'));
    if !plain || !text.beginning().starts_with('/') || text.beginning().starts_with("//") {
        let sentence = "expected an absolute path of plain characters, found another; write /users/{claims.sub}";
        return Err(refusals.refuse(path, sentence));
    }
    Ok(text)
}

fn method(path: &str, word: Option<Method>, body: &Checked<Option<Template>>, refusals: &mut Refusals) -> Checked<&'static str> {
    let has_body = !matches!(body, Ok(None));
    match word {
        Some(Method::Get) if has_body => {
            let sentence = "expected none, because a GET has no body, found one; write method: POST";
            Err(refusals.refuse(format!("{path}.body"), sentence))
        }
        Some(Method::Get) => Ok("GET"),
        Some(Method::Post) => Ok("POST"),
        Some(Method::Put) => Ok("PUT"),
        Some(Method::Patch) => Ok("PATCH"),
        None => Ok(if has_body { "POST" } else { "GET" }),
    }
}
