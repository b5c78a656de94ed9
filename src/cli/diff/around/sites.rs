//! The requests that are asked about, without who sends them: every path at every origin, by every method that a rule names and
//! one that none does. There is a limit, and what is beyond it is counted. Nothing is asked here.

use std::collections::BTreeSet;

use crate::access::path::Spelling;
use crate::access::resources::{AUTHORIZATION_SERVER_METADATA, METADATA};
use crate::access::route::PathMatch;
use crate::cli::desk::target::{Question, Target};
use crate::cli::diff::around::calls::{Fields, calls};
use crate::cli::diff::around::paths::{Path, paths};
use crate::cli::diff::around::sources::Both;
use crate::cli::explain::navigation;
use crate::config::settings::{Endpoints, Settings};

/// Methods of which the first is asked about that no rule names.
const OTHER_METHODS: [&str; 4] = ["PATCH", "PROPFIND", "REPORT", "SEARCH"];

/// An origin that no configuration serves or trusts.
const STRANGER: &str = "https://stranger.invalid";

/// A request, and what Envoy's route says of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Site {
    pub(crate) method: String,
    /// `https://app.example.com`.
    pub(crate) origin: String,
    pub(crate) path: String,
    pub(crate) form: Form,
    /// The policy that the route names.
    pub(crate) policy: Option<String>,
}

/// What a browser says of a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// Somebody opens a page.
    Page,
    /// A script of the same origin sends it.
    Script,
    /// A script of this origin sends it.
    From(String),
    /// A program sends it that says by these header fields what it calls at an MCP server.
    Calls(Fields),
}

impl Site {
    /// The question, with these further header fields.
    ///
    /// # Errors
    /// If it has no address that a client could send, as a sentence.
    pub(crate) fn question(&self, further: &[(String, String)]) -> Result<Question, String> {
        let target = Target::parse(&format!("{}{}", self.origin, self.path))?;
        let mut headers: Vec<_> = match &self.form {
            Form::Page => navigation().collect(),
            Form::Script => vec![("sec-fetch-site".to_owned(), "same-origin".to_owned())],
            Form::From(origin) => {
                vec![("sec-fetch-site".to_owned(), "cross-site".to_owned()), ("origin".to_owned(), origin.clone())]
            }
            Form::Calls(fields) => fields.clone(),
        };
        headers.extend(further.iter().cloned());
        Ok(Question { method: self.method.clone(), target, headers })
    }

    /// The request for people.
    pub(crate) fn says(&self) -> String {
        let form = match &self.form {
            Form::Page => ", opened as a page".to_owned(),
            Form::Script => String::new(),
            Form::From(origin) => format!(", from a page of {origin}"),
            Form::Calls(fields) => {
                let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                format!(", with {}", fields.join(", "))
            }
        };
        let policy = self.policy.as_ref().map(|policy| format!(", with the policy {policy}")).unwrap_or_default();
        format!("{} {}{}{form}{policy}", self.method, self.origin, self.path)
    }
}

/// The requests to ask about.
pub(crate) struct Sites {
    pub(crate) all: Vec<Site>,
    /// How many were left out because there are too many.
    pub(crate) left_out: usize,
    /// Whether there is a path of every kind that the rules tell apart.
    pub(crate) every_kind: bool,
}

/// What the requests are made of.
struct Parts<'a> {
    settings: Vec<&'a Settings>,
    origins: Vec<String>,
    trusted: Vec<String>,
    /// Methods that some rule names, and two that browsers send.
    methods: Vec<String>,
    other_method: String,
    policies: Vec<String>,
    /// The calls to MCP servers that rules tell apart.
    calls: Vec<Fields>,
}

/// The requests around the edges of both configurations, `most` at most; with `unlike`, their Envoys differ in what they make of paths.
pub(crate) fn sites(sides: &Both<Vec<&Settings>>, unlike: bool, most: usize) -> Sites {
    let all = || sides.iter().flatten().copied();
    let rules = || all().flat_map(|settings| settings.rules.all());
    let endpoints = all().flat_map(|settings| {
        let of_each = settings.providers.iter().flat_map(|provider| {
            let logouts = [&provider.backchannel_logout, &provider.frontchannel_logout];
            [&provider.callback].into_iter().chain(logouts.into_iter().flatten()).cloned()
        });
        answered(&settings.endpoints).into_iter().chain(of_each)
    });
    let mut patterns = Vec::new();
    let endpoints = endpoints.filter(|path| !path.is_empty()).map(PathMatch::Exact);
    for pattern in rules().map(|rule| rule.matches.path.clone()).chain(endpoints).chain(all().flat_map(of_resources)) {
        if !patterns.contains(&pattern) {
            patterns.push(pattern);
        }
    }
    patterns.push(PathMatch::Any);
    let is_allowed = |spelling: &Spelling| rules().any(|rule| rule.allow_in_path.contains(spelling));
    let spellings: Vec<_> = Spelling::ALL.into_iter().filter(is_allowed).collect();
    let (paths, every_kind) = paths(&patterns, &spellings, unlike);
    let (calls, every_call) = calls(sides);
    let (all, left_out) = Parts::of(sides, calls, unlike).with(&paths, most);
    Sites { all, left_out, every_kind: every_kind && every_call }
}

/// The paths of protected resources, and the addresses of their metadata.
fn of_resources(settings: &Settings) -> Vec<PathMatch> {
    let metadata = [METADATA, AUTHORIZATION_SERVER_METADATA].map(str::to_owned);
    let mut all = Vec::new();
    for resource in settings.resources.all() {
        all.push(PathMatch::SeparatedPrefix(resource.path.clone()));
        let of_this =
            [METADATA, AUTHORIZATION_SERVER_METADATA].map(|beginning| PathMatch::Exact([beginning, &resource.path].concat()));
        all.extend(of_this);
        all.extend(metadata.clone().map(PathMatch::SeparatedPrefix));
    }
    all.into_iter().map(|pattern| if pattern.literal().is_empty() { PathMatch::Any } else { pattern }).collect()
}

/// The paths that Accredit answers itself.
fn answered(endpoints: &Endpoints) -> Vec<String> {
    let Endpoints {
        login,
        callback,
        logout,
        session,
        authorize,
        token,
        popup,
        jwks,
        password,
        backchannel_logout,
        frontchannel_logout,
        security_events,
        operator_logout,
    } = endpoints;
    let others =
        [authorize, token, popup, jwks, password, backchannel_logout, frontchannel_logout, security_events, operator_logout];
    [login, callback, logout, session].into_iter().chain(others.into_iter().flatten()).cloned().collect()
}

/// Adds texts that are not there yet.
fn add(all: &mut Vec<String>, further: impl IntoIterator<Item = String>) {
    further.into_iter().for_each(|text| {
        if !all.contains(&text) {
            all.push(text);
        }
    });
}

impl<'a> Parts<'a> {
    fn of(sides: &Both<Vec<&'a Settings>>, calls: Vec<Fields>, unlike: bool) -> Self {
        let (mut origins, mut trusted, mut policies) = (Vec::new(), Vec::new(), Vec::new());
        let mut named = vec!["GET".to_owned(), "POST".to_owned()];
        for settings in sides.iter().flatten() {
            add(&mut origins, settings.origins.iter().map(ToString::to_string));
            add(&mut trusted, settings.listed_origins().iter().map(ToString::to_string));
            let calling = settings.resources.all().flat_map(|resource| &resource.allowed_origins);
            add(&mut trusted, calling.map(ToString::to_string));
            add(&mut named, settings.rules.all().iter().flat_map(|rule| rule.matches.methods.iter().flatten().cloned()));
            if settings.route_policies.is_some() {
                add(&mut policies, settings.policies.iter().map(|(name, _)| name.clone()));
            }
        }
        if unlike {
            // An Envoy may take the port or a dot off the host.
            let odd = origins.iter().flat_map(|origin| [format!("{origin}."), format!("{origin}:1")]).collect::<Vec<_>>();
            add(&mut origins, odd);
        }
        trusted.push(STRANGER.to_owned());
        let other_method = OTHER_METHODS.iter().find(|method| named.iter().all(|named| named != *method));
        let other_method = other_method.copied().unwrap_or("UNLINK").to_owned();
        let settings = sides.iter().flatten().copied().collect();
        Self { settings, origins, trusted, policies, calls, other_method, methods: named }
    }

    /// Whether this is a path of a protected resource in one of the configurations.
    fn is_of_resource(&self, origin: &str, path: &str) -> bool {
        self.settings.iter().any(|settings| {
            let origin = settings.origins.iter().find(|other| other.to_string() == origin);
            origin.is_some_and(|origin| settings.resources.find(origin, path).is_some())
        })
    }

    /// The requests, the most telling first, `most` at most; and how many are left out.
    fn with(&self, paths: &[Path], most: usize) -> (Vec<Site>, usize) {
        let (mut all, mut left_out) = (Vec::new(), 0_usize);
        let mut keep = |site: Site| {
            if all.len() < most {
                all.push(site);
            } else {
                left_out = left_out.saturating_add(1);
            }
        };
        let highest = paths.iter().map(|path| path.rank).max().unwrap_or_default();
        for rank in 0..=highest {
            let of_rank = || paths.iter().filter(move |path| path.rank == rank);
            for origin in &self.origins {
                for path in of_rank() {
                    let forms = self.forms(path, origin);
                    forms.into_iter().for_each(|(method, form, policy)| {
                        keep(Site { method, origin: origin.clone(), path: path.text.clone(), form, policy });
                    });
                }
            }
        }
        let nowhere = Site { method: "GET".into(), origin: STRANGER.into(), path: "/".into(), form: Form::Page, policy: None };
        keep(nowhere);
        (all, left_out)
    }

    /// How a path is requested: the method, what a browser says, and the policy of the route.
    fn forms(&self, path: &Path, origin: &str) -> Vec<(String, Form, Option<String>)> {
        let mut forms = vec![("GET".to_owned(), Form::Page, None)];
        let named = self.methods.iter().chain([&self.other_method]);
        forms.extend(named.map(|method| (method.clone(), Form::Script, None)));
        let calls: &[Fields] = if self.is_of_resource(origin, &path.text) { &self.calls } else { &[] };
        forms.extend(calls.iter().map(|fields| ("POST".to_owned(), Form::Calls(fields.clone()), None)));
        if path.rank == 0 {
            let elsewhere = self.trusted.iter().filter(|trusted| *trusted != origin);
            forms.extend(elsewhere.map(|trusted| ("POST".to_owned(), Form::From(trusted.clone()), None)));
            for policy in &self.policies {
                forms.push(("GET".to_owned(), Form::Page, Some(policy.clone())));
                forms.extend(calls.iter().map(|fields| ("POST".to_owned(), Form::Calls(fields.clone()), Some(policy.clone()))));
                let methods: BTreeSet<_> = self.methods.iter().collect();
                forms.extend(methods.into_iter().map(|method| (method.clone(), Form::Script, Some(policy.clone()))));
            }
        }
        forms
    }
}
