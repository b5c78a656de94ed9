//! One of the two configurations: its gateways, and how they are asked. A person of both gets the credential that this one gives.
//! What is compared is not known here.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::access::requirement::Requirement;
use crate::access::requirement::condition::Condition;
use crate::access::resources::WellKnown;
use crate::cli::desk::Desk;
use crate::cli::desk::target::Question;
use crate::cli::desk::who::{By, SOMEBODY, Somebody, Who};
use crate::cli::diff::around::people::{Asker, Person};
use crate::cli::diff::around::sources::Source;
use crate::cli::diff::outcome::Outcome;
use crate::cli::envoy::passage::{Passage, Passed};
use crate::cli::gateway::{Place, gateways};
use crate::cli::hidden::Hidden;
use crate::cli::terminal::Trouble;
use crate::config::settings::{PASSWORD, Settings};
use crate::gateway::way::{RESOURCES, Way};
use crate::words::json::object;
use crate::words::secret::Secret;
use crate::words::time::Timestamp;

/// A configuration.
pub(super) struct Side {
    /// 0 for the old one, 1 for the new one.
    number: usize,
    /// At least one.
    desks: Vec<Desk>,
}

/// What was heard of a request.
pub(super) struct Heard {
    pub(super) outcome: Outcome,
    /// What decided it: requests with the same differ only in who sends them, and by which method.
    pub(super) decided: String,
    /// The condition of the rule that decided.
    pub(super) condition: Option<Condition>,
}

impl Side {
    /// The gateways of a file, at this time.
    ///
    /// # Errors
    /// If the file holds none that the filter takes.
    pub(super) fn open(number: usize, file: &str, place: &Place, now: Timestamp) -> Result<Self, Trouble> {
        let desks = gateways(file, place)?.into_iter().map(|found| Desk::of(found, file, now));
        Ok(Self { number, desks: desks.collect::<Result<_, _>>()? })
    }

    /// With this gateway.
    #[cfg(test)]
    pub(super) fn of(number: usize, desk: Desk) -> Self {
        Self { number, desks: vec![desk] }
    }

    /// What must not be written of it: values of the environment, except origins, which everybody sees who visits them.
    pub(super) fn hidden(&self) -> Hidden {
        let origins: Vec<_> = self.settings().iter().flat_map(|settings| &settings.origins).map(ToString::to_string).collect();
        Hidden::of_all(self.desks.iter().map(|desk| &desk.hidden)).sparing(&origins.join(" "))
    }

    /// Its settings, one for each gateway.
    pub(super) fn settings(&self) -> Vec<&Settings> {
        self.desks.iter().map(Desk::settings).collect()
    }

    /// What becomes of requests on their way to its gateways.
    pub(super) fn passages(&self) -> Vec<Passage> {
        self.desks.iter().map(|desk| desk.passage).collect()
    }

    /// Asks the gateway for this host; the first one if none is for it.
    pub(super) fn ask(&mut self, question: &Question, policy: Option<&str>, asker: &Asker, sources: &[Source]) -> Heard {
        let authority = question.target.authority.to_ascii_lowercase();
        let serves = |desk: &Desk| desk.settings().origin(&authority).is_some();
        let position = self.desks.iter().position(serves).unwrap_or_default();
        let Some(desk) = self.desks.get_mut(position) else { return unasked("there is no gateway".to_owned()) };
        let who = match asker {
            Asker::Nobody => Who::Nobody,
            Asker::Somebody(person) => who(desk, self.number, person, sources),
        };
        let came_with = match &who {
            Who::Nobody => None,
            Who::Somebody(Somebody { by: By::Session, .. }) | Who::Cookies(_) => Some("cookie"),
            Who::Somebody(_) | Who::Token(_) => Some("authorization"),
        };
        desk.name_policy(policy);
        let told = match desk.ask(question, &who) {
            Ok(told) => told,
            Err(Trouble::Told(sentence)) => return unasked(sentence),
            Err(Trouble::NobodyReads) => return unasked("nobody reads".to_owned()),
        };
        let way = told.way.as_ref();
        let guarded = way.and_then(|way| way.guarded.as_ref());
        let endpoint = way.and_then(|way| way.endpoint);
        let decides = way.and_then(Way::decides);
        let turned_away = way.and_then(|way| way.turned_away.as_ref()).map(|(reason, _)| reason.id());
        let by_envoy = match &told.passed {
            Passed::On(..) => None,
            Passed::Answered { status, .. } => Some(*status),
        };
        let resource = way.and_then(|way| way.resource.as_ref());
        let decided = format!("{position} {decides:?} {turned_away:?} {by_envoy:?} {resource:?}");
        let condition = guarded.and_then(|guarded| match &guarded.rule.require {
            Requirement::Public | Requirement::Authenticated => None,
            Requirement::When(condition) => Some(condition.clone()),
        });
        let mut outcome = Outcome::new(desk.settings(), question, came_with, endpoint, &told.answer, decides);
        if endpoint == Some(RESOURCES) && outcome.status == Some(200) {
            outcome.details = way.map(|way| metadata(desk.settings(), way)).unwrap_or_default();
        }
        Heard { outcome, decided, condition }
    }
}

/// The members of the metadata of a resource, which stand at the address of a request.
fn metadata(settings: &Settings, way: &Way) -> BTreeMap<String, String> {
    let (Some(origin), Ok(request)) = (&way.origin, &way.request) else { return BTreeMap::new() };
    match settings.resources.well_known(origin, &request.path) {
        Some(WellKnown::Metadata(document)) => {
            let members = object(document.as_bytes()).unwrap_or_default();
            members.into_iter().map(|(name, value)| (name, value.to_string())).collect()
        }
        Some(WellKnown::AuthorizationServer(_) | WellKnown::Nothing) | None => BTreeMap::new(),
    }
}

fn unasked(why: String) -> Heard {
    Heard { outcome: Outcome::not_asked(why), decided: String::new(), condition: None }
}

/// A person as this gateway knows them. Where their source is not, their sessions are none, and their tokens are of a stranger.
fn who(desk: &Desk, number: usize, person: &Person, sources: &[Source]) -> Who {
    let settings = desk.settings();
    let source = person.source.and_then(|source| sources.get(source));
    let name = source.map(|source| source.names.get(number).cloned().flatten());
    let provider = name.as_ref().and_then(Option::as_deref).and_then(|name| settings.provider(name));
    let signs_in = match &name {
        None => true,
        Some(Some(name)) if name.is_empty() => settings.providers.is_empty() && settings.session.signed().is_some(),
        Some(Some(name)) if name == PASSWORD => settings.password.is_some(),
        Some(_) => provider.is_some_and(|provider| provider.oidc.signs_in()),
    };
    let issues = name.is_none() || provider.is_some_and(|provider| provider.oidc.bearer.is_some());
    let is_good = match person.by {
        By::Session => signs_in,
        By::Token => issues,
        By::SessionToken => signs_in && settings.session.as_bearer().is_some(),
    };
    let mut claims = person.claims.clone();
    if let Some(age) = person.age {
        claims.insert("auth_time".to_owned(), Value::from(desk.now().seconds().saturating_sub(age)));
    }
    let provider = name.flatten().filter(|name| !name.is_empty());
    match (is_good, person.by) {
        (true, by) => Who::Somebody(Somebody { claims, provider, by }),
        (false, By::Session) => Who::Nobody,
        (false, By::Token | By::SessionToken) => Who::Token(of_a_stranger()),
    }
}

/// A bearer token that nobody here accepts.
fn of_a_stranger() -> Secret {
    let encoded = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = encoded(json!({"alg": "ES256"}));
    let claims = encoded(json!({"iss": "https://stranger.invalid", "sub": SOMEBODY}));
    Secret::new([header, claims, "c3RyYW5nZXI".to_owned()].join("."))
}
