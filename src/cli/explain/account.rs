//! What is told of the way of a request: as lines for people, and as JSON. Both say the same. No token is written.

use serde_json::{Value, json};

use crate::access::mcp::call::Call;
use crate::access::requirement::report::{Holds, Joined, Report};
use crate::access::route::Credentials;
use crate::access::upstream::believed::{ACCESS_TOKEN, ID_TOKEN};
use crate::cli::desk::answer::Answer;
use crate::cli::desk::documents::told_upstream_token;
use crate::cli::desk::target::Question;
use crate::cli::desk::world::OfRoute;
use crate::cli::desk::{Desk, Told};
use crate::cli::envoy::choice::Named;
use crate::cli::envoy::passage::{Passed, Source};
use crate::cli::explain::endpoints::{Endpoint, endpoint};
use crate::config::settings::Settings;
use crate::gateway::way::{Guarded, Way, Who};
use crate::http::message::CookieEdit;
use crate::step::decision::{Forward, Resource};
use crate::words::principal::Proof;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};
use crate::words::world::RouteMetadata;

/// The way of a request, in sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// Where the configuration stands.
    configuration: String,
    /// The method and the address.
    request: String,
    /// What became of the address before the filter.
    changes: Vec<String>,
    /// The origin, or why there is none.
    pub(crate) origin: Option<String>,
    /// How the path can be read.
    path: Option<String>,
    /// Which protected resource it is for, and what counts there.
    pub(crate) resource: Option<String>,
    /// What it calls at an MCP server.
    calls: Option<String>,
    /// The rules that do not fit, each with why.
    pub(crate) passed_over: Vec<(String, Vec<String>)>,
    /// The name of the rule that decides, or the endpoint that answers.
    pub(crate) decides: Option<String>,
    /// What that is for, and what it asks for.
    rule: Option<String>,
    /// What an endpoint needs.
    needs: Vec<String>,
    /// Which route of Envoy's takes it, and which policy that names.
    route: Option<String>,
    /// Who is asking.
    who: Option<String>,
    condition: Option<Report>,
    answer: String,
    name: &'static str,
    status: Option<u16>,
    reason: Option<&'static str>,
    /// Header fields that go on beside those of the client: names and values.
    pub(crate) adds: Vec<(String, String)>,
    /// The names of those that are taken away.
    pub(crate) removes: Vec<String>,
    notes: Vec<String>,
}

/// Makes the account of what a gateway told.
pub(crate) fn account(desk: &Desk, question: &Question, told: &Told) -> Account {
    let settings = desk.settings();
    let (scheme, authority) = (question.target.scheme, &question.target.authority);
    let mut changes: Vec<_> = match &told.passed {
        Passed::On(_, changes) => changes.clone(),
        Passed::Answered { sentence, .. } => vec![sentence.clone()],
    };
    if let Some(fragment) = &question.target.fragment {
        changes.insert(0, format!("#{fragment} stays in the browser"));
    }
    let way = told.way.as_ref();
    let guarded = way.and_then(|way| way.guarded.as_ref());
    let (adds, removes) = match &told.answer {
        Answer::LetThrough(forward) => edits(settings, forward),
        _ => (Vec::new(), Vec::new()),
    };
    let name = way.and_then(|way| way.endpoint);
    let at = way.and_then(|way| way.request.as_ref().ok()).map(|request| request.path.as_str());
    let address = way.and_then(|way| way.origin.as_ref()).zip(at);
    let asked = name.zip(address).map(|(name, address)| endpoint(settings, name, address)).unwrap_or_default();
    let Endpoint { does, needs } = asked;
    let mut notes = told.notes.clone();
    if desk.passage.source == Source::Assumed {
        notes.push("the file has no connection manager; normalize_path, merge_slashes and REJECT_REQUEST are assumed".to_owned());
    }
    if !desk.stood_in.is_empty() {
        notes.push(format!("not set here, so a random stand-in was used for each: {}", desk.stood_in.join(", ")));
    }
    Account {
        configuration: desk.place.clone(),
        request: format!("{} {scheme}://{authority}{}", question.method, question.target.target),
        changes,
        origin: way.map(|way| origin(settings, way)),
        path: way.and_then(path),
        resource: way.filter(|_| name.is_none()).and_then(|way| resource(settings, way)),
        calls: guarded.and_then(|guarded| guarded.call.as_ref()).map(calls),
        passed_over: guarded.map(passed_over).unwrap_or_default(),
        decides: way.and_then(Way::decides),
        rule: match (name, guarded) {
            (Some(_), Some(guarded)) => Some(format!("{does}; the rule is for {}", rule(guarded))),
            (Some(_), None) => Some(format!("it is answered before any rule, and {does}")),
            (None, guarded) => guarded.map(rule),
        },
        needs,
        route: told.route.as_ref().map(|of_route| route(&desk.file, of_route)),
        who: guarded.map(|guarded| &guarded.who).or_else(|| way?.signed_in.as_ref()).map(who),
        condition: guarded.and_then(|guarded| guarded.condition.clone()),
        answer: answer(&told.answer),
        name: told.answer.name(),
        status: told.answer.status(),
        reason: told.answer.reason().map(Reason::id),
        adds,
        removes,
        notes,
    }
}

fn origin(settings: &Settings, way: &Way) -> String {
    match (&way.origin, &way.request) {
        (Some(origin), _) => origin.to_string(),
        (None, Ok(request)) => {
            let served: Vec<_> = settings.origins.iter().map(ToString::to_string).collect();
            format!("none: {} is none of {}", request.authority, served.join(", "))
        }
        (None, Err(reason)) => format!("none: {}", reason.id()),
    }
}

fn path(way: &Way) -> Option<String> {
    let request = way.request.as_ref().ok()?;
    let path = &request.path;
    let decided = match (&way.turned_away, way.path_is_plain) {
        (_, true) => "can be read in one way only".to_owned(),
        (Some((Reason::PathAmbiguous, detail)), false) => {
            let detail = detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
            format!("can be read in several ways, so that the application could serve another one{detail}")
        }
        (None, false) => "can be read in several ways, all of which fall to the rule, and it allows them".to_owned(),
        (Some(_), false) => "was not looked at".to_owned(),
    };
    Some(format!("{path} {decided}"))
}

fn passed_over(guarded: &Guarded) -> Vec<(String, Vec<String>)> {
    let said =
        guarded.passed_over.iter().map(|passed| (passed.rule.clone(), passed.why.iter().map(ToString::to_string).collect()));
    said.collect()
}

/// The resource that a request is for, and what counts there.
fn resource(settings: &Settings, way: &Way) -> Option<String> {
    let uri = way.resource.as_ref()?;
    let providers =
        settings.resources.all().find(|resource| resource.uri == *uri).map(|resource| resource.providers.join(" or "));
    let counts = format!("nothing but a bearer token for it counts there, of {}", providers.unwrap_or_default());
    // Neither an endpoint nor a rule is asked then.
    let refused = if way.guarded.is_none() && way.turned_away.is_none() { ", and no rule was asked" } else { "" };
    Some(format!("{uri}; {counts}{refused}"))
}

fn calls((call, refused): &(Call, Option<Failure>)) -> String {
    match refused {
        Some(failure) => failed(failure),
        None => call.says(),
    }
}

fn rule(Guarded { rule, together, .. }: &Guarded) -> String {
    if *together > 1 {
        return format!("it may fall under each of these, and must meet them all; they ask for {}", rule.require.in_words());
    }
    let matches = &rule.matches;
    let methods = matches.methods.as_ref().map(|methods| format!(", for {}", methods.join(", ")));
    let host = matches.host.as_ref().map(|host| format!(", at {host}"));
    let calls = matches.calls.as_ref().map(|calls| format!(", for calls: {}", calls.in_words()));
    let credentials = match rule.credentials {
        Credentials::Any => "",
        Credentials::Session => ", by a session alone",
        Credentials::Bearer => ", by a bearer token alone",
    };
    let paths = if &*rule.name == "default" { "whatever no rule fits".to_owned() } else { matches.path.in_words() };
    let narrower = [methods, host, calls].into_iter().flatten().collect::<String>();
    let token = rule.upstream_token.as_ref().map(|token| format!("; the application gets a token by {}", token.grant.member()));
    format!("{paths}{narrower}; it asks for {}{credentials}{}", rule.require.in_words(), token.unwrap_or_default())
}

fn route(file: &str, of_route: &OfRoute) -> String {
    let names = |metadata: &RouteMetadata| match metadata {
        RouteMetadata::Absent => "it names no policy".to_owned(),
        RouteMetadata::Text(name) => format!("it names the policy {}", quote(name)),
        RouteMetadata::Unreadable => "what it names is empty, or no text".to_owned(),
    };
    match of_route {
        OfRoute::Said(metadata) => format!("{}, as you say", names(metadata)),
        OfRoute::Found(Named { spot: Some(spot), metadata }) => {
            format!("{file}:{}:{}: {}", spot.line, spot.column, names(metadata))
        }
        OfRoute::Found(Named { spot: None, .. }) => {
            "none takes it: what the filter lets through, Envoy answers with 404".to_owned()
        }
        OfRoute::Unknown(why) => format!("unknown: {why}"),
    }
}

fn who(who: &Who) -> String {
    match who {
        Who::Known(verified) => {
            let principal = &verified.principal;
            let proof = match principal.proof {
                Proof::SessionCookie => "a session",
                Proof::SessionToken => "a session as bearer token",
                Proof::BearerToken => "a bearer token",
            };
            let of_provider = if principal.provider.is_empty() { String::new() } else { format!(" of {}", principal.provider) };
            format!("{}{of_provider}, by {proof}", principal.subject)
        }
        Who::Nobody(failure) => format!("nobody: {}", failed(failure)),
        Who::Waits(Resource::Refresh(_)) => "unknown until the session has new tokens of its provider".to_owned(),
        Who::Waits(_) => "unknown until the documents of the provider are here".to_owned(),
        Who::Asks(provider) => format!("unknown until {provider} is asked about the token"),
    }
}

fn failed(Failure { reason, detail, .. }: &Failure) -> String {
    if detail.is_empty() { reason.id().to_owned() } else { format!("{} ({detail})", reason.id()) }
}

pub(crate) fn answer(answer: &Answer) -> String {
    match answer {
        Answer::LetThrough(_) => "let through".to_owned(),
        Answer::SignsIn { status, provider, .. } => format!("{status}, to sign in at {provider}"),
        Answer::Refused { status, reason, detail } if detail.is_empty() => format!("{status} {}", reason.id()),
        Answer::Refused { status, reason, detail } => format!("{status} {} ({detail})", reason.id()),
        Answer::Answers { status, did, .. } => [vec![format!("{status}, by the endpoint")], did.clone()].concat().join("; "),
        Answer::ReadsBody => "unknown: it waits for the body of the request, and nobody is asked here".to_owned(),
        Answer::Unfinished { why } => format!("unknown: {why}"),
        Answer::ByEnvoy { status } => format!("{status}, by Envoy itself, which does not ask the filter"),
    }
}

/// The header fields that are added, and the names of those that are taken away.
fn edits(settings: &Settings, forward: &Forward) -> (Vec<(String, String)>, Vec<String>) {
    let jwt = settings.identity_jwt.as_ref().map(|jwt| &*jwt.header);
    let is_token = |name: &str| [ACCESS_TOKEN, ID_TOKEN].contains(&name) || jwt == Some(name);
    let shown = |name: &str, value: &str| match name {
        "authorization" => told_upstream_token(value),
        name if is_token(name) => "(a token)".to_owned(),
        _ => value.to_owned(),
    };
    let adds = forward.edits.add.iter().map(|(name, value)| (name.to_string(), shown(name, value))).collect();
    let mut removes = forward.edits.remove.clone();
    match forward.edits.cookie {
        CookieEdit::Untouched => {}
        CookieEdit::Dropped => removes.push("cookie".to_owned()),
        CookieEdit::Replaced(_) => removes.push("our cookies in cookie".to_owned()),
    }
    (adds, removes)
}

const fn word(holds: Holds) -> &'static str {
    match holds {
        Holds::Yes => "holds",
        Holds::No => "fails",
        Holds::Unknown => "unknown",
    }
}

impl Account {
    /// The whole way, as lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut tell = |label: &str, text: &str| lines.push(format!("{label:<14}{text}"));
        if !self.configuration.is_empty() {
            tell("configuration", &self.configuration);
        }
        tell("request", &self.request);
        self.changes.iter().for_each(|change| tell("", change));
        self.origin.iter().for_each(|origin| tell("origin", origin));
        self.path.iter().for_each(|path| tell("path", path));
        self.resource.iter().for_each(|resource| tell("resource", resource));
        self.calls.iter().for_each(|calls| tell("calls", calls));
        for (name, why) in &self.passed_over {
            tell("passed over", &format!("{name}: {}", why.join("; ")));
        }
        if let Some(decides) = &self.decides {
            tell("rule", &format!("{decides}: {}", self.rule.as_deref().unwrap_or_default()));
        }
        self.route.iter().for_each(|route| tell("route", route));
        self.needs.iter().for_each(|need| tell("needs", need));
        self.who.iter().for_each(|who| tell("who", who));
        if let Some(report) = &self.condition {
            let mut parts = Vec::new();
            condition_lines(report, 0, &mut parts);
            parts.iter().enumerate().for_each(|(index, part)| tell(if index == 0 { "condition" } else { "" }, part));
        }
        tell("answer", &self.answer);
        for (name, value) in &self.adds {
            tell("adds", &format!("{name}: {value}"));
        }
        self.removes.iter().for_each(|name| tell("takes away", name));
        self.notes.iter().for_each(|note| tell("note", note));
        lines
    }

    /// The way in one line: what decided, and how it ends.
    pub(crate) fn short(&self) -> String {
        let decides = self.decides.as_ref().map(|decides| format!("{decides}: "));
        format!("{}{}", decides.unwrap_or_default(), self.answer)
    }

    /// The same as JSON.
    pub(crate) fn as_json(&self) -> Value {
        let passed = self.passed_over.iter().map(|(name, why)| json!({"rule": name, "why": why}));
        let adds = self.adds.iter().map(|(name, value)| json!({"name": name, "value": value}));
        json!({
            "configuration": self.configuration,
            "request": self.request,
            "changes": self.changes,
            "origin": self.origin,
            "path": self.path,
            "resource": self.resource,
            "calls": self.calls,
            "passed_over": passed.collect::<Value>(),
            "rule": self.decides.as_ref().map(|name| json!({"name": name, "says": self.rule})),
            "needs": self.needs,
            "route": self.route,
            "who": self.who,
            "condition": self.condition.as_ref().map(condition_json),
            "answer": {"name": self.name, "status": self.status, "reason": self.reason, "says": self.answer},
            "adds": adds.collect::<Value>(),
            "removes": self.removes,
            "notes": self.notes,
        })
    }
}

fn condition_lines(report: &Report, depth: usize, lines: &mut Vec<String>) {
    let wanted = match report.joined {
        Joined::Alone => format!("{} ({})", report.wanted, report.came.join(", ")),
        Joined::All => "all of".to_owned(),
        Joined::Any => "one of".to_owned(),
        Joined::Not => "not".to_owned(),
    };
    lines.push(format!("{:indent$}{}: {wanted}", "", word(report.holds), indent = depth.saturating_mul(2)));
    report.parts.iter().for_each(|part| condition_lines(part, depth.saturating_add(1), lines));
}

fn condition_json(report: &Report) -> Value {
    let joined = match report.joined {
        Joined::Alone => "test",
        Joined::All => "all",
        Joined::Any => "any",
        Joined::Not => "not",
    };
    json!({
        "kind": joined, "wanted": report.wanted, "came": report.came, "holds": word(report.holds),
        "parts": report.parts.iter().map(condition_json).collect::<Value>(),
    })
}
