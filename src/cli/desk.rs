//! Asks a gateway about a request: the very gateway that the filter runs, with the configuration of a file, and with nobody on the
//! network. What the gateway would ask of a provider ends the question, and is said. Nothing is decided here.

pub(crate) mod answer;
pub(crate) mod documents;
pub(crate) mod target;
mod token;
pub(crate) mod who;
pub(crate) mod world;

use std::time::Duration;

use crate::cli::desk::answer::{Answer, of_response};
use crate::cli::desk::documents::{Documents, upstream_token};
use crate::cli::desk::target::{Question, Target};
use crate::cli::desk::token::{Looked, brought, look};
use crate::cli::desk::who::{By, Somebody, Who, session};
use crate::cli::desk::world::{DeskWorld, Known, OfRoute};
use crate::cli::envoy::choice::Choice;
use crate::cli::envoy::passage::{Passage, Passed, Sent};
use crate::cli::gateway::{self, Place, gateways};
use crate::cli::hidden::Hidden;
use crate::cli::machine::Machine;
use crate::cli::terminal::Trouble;
use crate::cli::yaml::node::Node;
use crate::config::settings::Settings;
use crate::gateway::Gateway;
use crate::gateway::way::Way;
use crate::http::message::{Following, Headers};
use crate::http::url::Origin;
use crate::step::decision::{Decision, News, Resource};
use crate::upkeep::fetch::Errand;
use crate::words::secret::LentSecret;
use crate::words::time::Timestamp;
use crate::words::world::World as _;

/// How often the clock ticks while a request waits for documents. Each wait ends long before.
const MOST_TICKS: usize = 200;

/// The time between two ticks.
const TICK: Duration = Duration::from_millis(100);

/// A gateway that can be asked.
pub(crate) struct Desk {
    gateway: Gateway,
    world: DeskWorld,
    documents: Documents,
    /// What becomes of requests on their way to it.
    pub(crate) passage: Passage,
    /// The connection manager that it is in, if its file has one.
    pub(crate) manager: Option<Node>,
    /// The policy that Envoy's route names, if the person says it.
    policy: Option<String>,
    /// The file that its configuration stands in; empty if it stands in none.
    pub(crate) file: String,
    /// Where it stands there, as `file:line:column`.
    pub(crate) place: String,
    /// The environment variables that got a random stand-in.
    pub(crate) stood_in: Vec<String>,
    /// The values of others, which must not be written.
    pub(crate) hidden: Hidden,
}

/// What a gateway said of a request.
pub(crate) struct Told {
    /// The request as the filter gets it, and what Envoy changed; or what Envoy itself answers.
    pub(crate) passed: Passed,
    /// The way of the request through the gateway; `None` if Envoy answers itself.
    pub(crate) way: Option<Way>,
    /// What was looked up of the request's route; `None` if nothing was.
    pub(crate) route: Option<OfRoute>,
    /// The answer.
    pub(crate) answer: Answer,
    /// What should be known about the question: what was not verified, what stands in for something.
    pub(crate) notes: Vec<String>,
}

impl Desk {
    /// The gateway with the configuration of a file. Of several configurations the first one counts that serves the host, or else
    /// the first.
    ///
    /// # Errors
    /// If the file holds no configuration that the filter takes.
    pub(crate) fn open(file: &str, place: &Place, authority: Option<&str>) -> Result<Self, Trouble> {
        let mut all = gateways(file, place)?;
        let serves =
            |found: &gateway::Gateway| authority.is_some_and(|host| found.settings.origin(&host.to_ascii_lowercase()).is_some());
        let chosen = all.iter().position(serves).unwrap_or_default();
        Self::of(all.swap_remove(chosen), file, Machine.now())
    }

    /// A gateway of a file, at this time.
    ///
    /// # Errors
    /// If the machine gives no random bytes.
    pub(crate) fn of(found: gateway::Gateway, file: &str, now: Timestamp) -> Result<Self, Trouble> {
        let gateway::Gateway { settings, stood_in, hidden, passage, manager, spot, .. } = found;
        let mut names: Vec<_> = stood_in.into_iter().map(|(_, name)| name).collect();
        names.dedup();
        let desk = Self::new(settings, passage, DeskWorld::at(now))?;
        let place = format!("{file}:{}:{}", spot.line, spot.column);
        Ok(Self { manager, file: file.to_owned(), place, stood_in: names, hidden, ..desk })
    }

    /// The time there.
    pub(crate) fn now(&self) -> Timestamp {
        self.world.now()
    }

    /// The gateway with this configuration.
    ///
    /// # Errors
    /// If the machine gives no random bytes.
    pub(crate) fn new(mut settings: Settings, passage: Passage, mut world: DeskWorld) -> Result<Self, Trouble> {
        // Nobody is on the network: what has ended elsewhere is not asked about.
        settings.revocations = None;
        let no_randomness = |_| Trouble::told("this machine gives no random bytes");
        let documents = Documents::new(&mut world).map_err(no_randomness)?;
        let gateway = Gateway::new(&mut world, settings).map_err(no_randomness)?;
        let (file, place, stood_in) = (String::new(), String::new(), Vec::new());
        let hidden = Hidden::default();
        let mut desk = Self { gateway, world, documents, passage, manager: None, policy: None, file, place, stood_in, hidden };
        // A second passes, so that what is asked about did not happen at the very beginning.
        desk.tick();
        Ok(desk)
    }

    /// Lets Envoy's route name a policy, or none if the name is empty. Otherwise the route is looked for in the file.
    pub(crate) fn name_policy(&mut self, policy: Option<&str>) {
        self.policy = policy.map(str::to_owned);
    }

    /// Publishes the keys of a JWK set as those of the provider whose token this is.
    ///
    /// # Errors
    /// If the token is of no provider here, or its signature cannot be verified with a published key.
    pub(crate) fn bring_keys(&mut self, token: LentSecret<'_>, keys: serde_json::Value) -> Result<(), Trouble> {
        self.documents.brought = Some(brought(self.gateway.settings(), token, keys)?);
        Ok(())
    }

    /// The configuration.
    pub(crate) const fn settings(&self) -> &Settings {
        self.gateway.settings()
    }

    /// What must not be written of the answer to a question: values of the environment, except what the question itself says.
    pub(crate) fn hidden_from(&self, question: &Question) -> Hidden {
        let Target { scheme, authority, target, .. } = &question.target;
        self.hidden.sparing(&format!("{scheme}://{authority}{target}"))
    }

    /// Asks about a request.
    ///
    /// # Errors
    /// If the question cannot be asked: the credential of `who` cannot be made or looked at.
    pub(crate) fn ask(&mut self, question: &Question, who: &Who) -> Result<Told, Trouble> {
        let mut notes = Vec::new();
        let Target { authority, target, .. } = &question.target;
        let sent = Sent { method: question.method.clone(), authority: authority.clone(), target: target.clone() };
        let passed = self.passage.pass(sent);
        let on = match &passed {
            Passed::On(on, _) => on.clone(),
            Passed::Answered { status, .. } => {
                let answer = Answer::ByEnvoy { status: *status };
                return Ok(Told { passed, way: None, route: None, answer, notes });
            }
        };
        self.world.route = match &self.policy {
            Some(name) => Known::Policy(name.clone()),
            None => Known::File(Choice::of(self.manager.as_ref(), question.target.scheme, &on)),
        };
        self.world.told.replace(None);
        let mut headers = headers(question, &on);
        for (name, value) in self.credential(&on.authority, who, &mut notes)? {
            headers.add(name, &value);
        }
        let answer = self.settle(headers.clone());
        let way = self.gateway.way(&mut self.world, headers);
        let route = self.world.told.take();
        // Without the policy, the gateway refuses the request, and Envoy's would not.
        let answer = match &route {
            Some(OfRoute::Unknown(why)) => Answer::Unfinished {
                why: format!(
                    "the policy that Envoy's route names is not known, because {why}; say it with --policy (policy in a file of cases)"
                ),
            },
            _ => answer,
        };
        Ok(Told { passed, way: Some(way), route, answer, notes })
    }

    /// The header fields that say who sends a request.
    fn credential(
        &mut self,
        authority: &str,
        who: &Who,
        notes: &mut Vec<String>,
    ) -> Result<Vec<(&'static str, String)>, Trouble> {
        match who {
            Who::Nobody => Ok(Vec::new()),
            Who::Cookies(line) => {
                if !self.stood_in.is_empty() {
                    let names = self.stood_in.join(", ");
                    notes.push(format!("no session can be opened by a stand-in: {names} had no value here"));
                }
                Ok(vec![("cookie", line.expose().to_owned())])
            }
            Who::Somebody(Somebody { by: By::Token, claims, provider }) => {
                let settings = self.gateway.settings();
                let (provider, token, says) =
                    token::made(settings, provider.as_deref(), claims, self.world.now()).map_err(Trouble::told)?;
                self.gateway.vouch_for_token(&mut self.world, &provider, LentSecret::new(&token), says);
                Ok(vec![("authorization", ["Bearer ", &token].concat())])
            }
            Who::Somebody(somebody) => {
                let settings = self.gateway.settings();
                let named = settings.origin(&authority.to_ascii_lowercase()).or_else(|| settings.origins.first());
                let origin: Origin = named.cloned().ok_or_else(|| Trouble::told("the configuration has no origin"))?;
                let line = session(settings, &mut self.world, &origin, somebody).map_err(Trouble::told)?;
                Ok(vec![match somebody.by {
                    By::SessionToken => ("authorization", ["Bearer ", line.split_once('=').unwrap_or_default().1].concat()),
                    By::Session | By::Token => ("cookie", line),
                }])
            }
            Who::Token(token) => {
                let token = token.expose();
                let keys_were_brought = self.documents.brought.is_some();
                match look(self.gateway.settings(), LentSecret::new(token), keys_were_brought)? {
                    Looked::Verified(by) => notes.push(by),
                    Looked::Unverified(provider, says) => {
                        notes.push("the signature of the token was not verified; --keys FILE verifies it".to_owned());
                        self.gateway.vouch_for_token(&mut self.world, &provider, LentSecret::new(token), says);
                    }
                }
                Ok(vec![("authorization", ["Bearer ", token].concat())])
            }
        }
    }

    /// Goes on with a request until it is answered, or until the gateway would have to ask somebody.
    fn settle(&mut self, headers: Headers) -> Answer {
        let mut step = self.gateway.begin(&mut self.world, headers, Following::Nothing);
        loop {
            step = match step.decision {
                Decision::Forward(forward) => return Answer::LetThrough(Box::new(forward)),
                Decision::Respond(response) => return of_response(&response, &step.events),
                Decision::ReadBody { .. } => return Answer::ReadsBody,
                Decision::Call(call, pending) => {
                    return unasked(&format!("an answer of the cluster {} ({})", call.cluster, pending.stage().stage));
                }
                Decision::Await { resource, until, pending } => {
                    let wants = match &resource {
                        Resource::Metadata(provider) | Resource::Keys { provider, .. } => format!("documents of {provider}"),
                        Resource::Refresh(_) => "new tokens for the session from its provider".to_owned(),
                        Resource::UpstreamToken(_) => "a token of its own for the application".to_owned(),
                        Resource::SignIn(_) => "the end of a sign-in that is under way".to_owned(),
                    };
                    match self.news(&resource, until) {
                        Some(news) => self.gateway.resume_wait(&mut self.world, *pending, news),
                        None => return unasked(&wants),
                    }
                }
            };
        }
    }

    /// The news for a request that waits for a document, or for a token for the application; `None` if it waits for something else.
    fn news(&mut self, resource: &Resource, until: Timestamp) -> Option<News> {
        if !matches!(resource, Resource::Metadata(_) | Resource::Keys { .. } | Resource::UpstreamToken(_)) {
            return None;
        }
        for _ in 0..MOST_TICKS {
            if let Some(news) = self.gateway.news(&self.world, resource, until) {
                return Some(news);
            }
            self.tick();
        }
        None
    }

    /// Lets a moment pass, in which the documents come that are due.
    fn tick(&mut self) {
        self.world.wait(TICK);
        let mut due = self.gateway.tick(&mut self.world).fetches;
        while let Some(fetch) = due.pop() {
            let provider = self.gateway.settings().provider(&fetch.provider);
            let reply = match (&fetch.errand, provider) {
                (Errand::Document(kind), Some(provider)) => self.documents.reply(&provider.oidc, *kind),
                (Errand::UpstreamToken(_), Some(_)) => upstream_token(&fetch),
                _ => continue,
            };
            due.extend(self.gateway.fetch_answered(&mut self.world, &fetch, &reply).fetches);
        }
    }
}

/// The end of a request that waits for somebody or something which is not here.
fn unasked(wants: &str) -> Answer {
    Answer::Unfinished { why: format!("it waits for {wants}, and nobody is asked here") }
}

/// The header fields of a request without credentials.
fn headers(question: &Question, on: &Sent) -> Headers {
    let mut fields = vec![(":method", on.method.as_str()), (":scheme", question.target.scheme), (":authority", &on.authority)];
    if on.method != "CONNECT" {
        fields.push((":path", &on.target));
    }
    fields.push(("x-forwarded-proto", question.target.scheme));
    fields.push(("x-request-id", "accredit-explain"));
    let has = |name: &str, word: &str| {
        question.headers.iter().any(|(other, value)| other == name && value.to_ascii_lowercase().contains(word))
    };
    // Envoy takes these away before its filters, unless the request asks for another protocol.
    let upgrades = has("connection", "upgrade") && has("upgrade", "");
    let stays = |name: &str| upgrades || !matches!(name, "connection" | "upgrade");
    let given = question.headers.iter().filter(|(name, _)| stays(name));
    fields.extend(given.map(|(name, value)| (name.as_str(), value.as_str())));
    Headers::new(fields.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect())
}
