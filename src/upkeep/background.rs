//! The background of one worker (or of Envoy's main thread): what it keeps, and what it does at each tick of the timer. It makes
//! no call: it returns what is to be fetched, and is called again with the reply. Workers agree by a lease in shared memory which
//! of them fetches; what was fetched stands there too, so that other workers and the next configuration find it.

use std::time::Duration;

use crate::config::settings::Settings;
use crate::http::message::Reply;
use crate::oidc::metadata::Remark;
use crate::session::ended::EndedSessions;
use crate::session::remembered::attempts::UsedAttempts;
use crate::step::decision::{News, Resource};
use crate::step::event::Event;
use crate::upkeep::documents::Documents;
use crate::upkeep::fetch::{Errand, Fetch, Upkeep};
use crate::upkeep::given_back::{self, GivenBack};
use crate::upkeep::refresh::Refreshes;
use crate::upkeep::revocations::Revocations;
use crate::upkeep::turn::Turn;
use crate::upkeep::upstream_tokens::UpstreamTokens;
use crate::words::time::Timestamp;
use crate::words::world::World;

/// The time between two ticks when nothing is missing.
const IDLE_PERIOD: Duration = Duration::from_secs(1);

/// The time between two ticks when a document is missing or a session is due.
const BUSY_PERIOD: Duration = Duration::from_millis(100);

/// Almost at once, but not before this call of the host's has returned.
const AT_ONCE: Duration = Duration::from_millis(1);

/// What the background keeps: all providers' documents, the sessions that are to be refreshed, and those that have ended.
#[expect(missing_docs, reason = "the types of the fields say it")]
pub struct Background {
    pub documents: Documents,
    pub refreshes: Refreshes,
    /// The sessions that have ended, in any worker of this process.
    pub ended: EndedSessions,
    /// Refresh tokens that are given back to their providers.
    pub given_back: GivenBack,
    /// The tokens of their own that applications get.
    pub upstream_tokens: UpstreamTokens,
    /// How replicas tell each other what has ended.
    pub revocations: Revocations,
    /// What became of sign-in attempts, in any worker of this process.
    pub attempts: UsedAttempts,
    /// The names of providers whose missing refresh token was reported already.
    without_refresh_token: Vec<String>,
    /// Calls to the store that its own answer was followed by. They wait for the next turn: while Envoy hands over an answer that
    /// ended with its connection, it may give that very connection to the next call, which is then reset.
    held: Vec<Fetch>,
}

impl Background {
    /// Nothing fetched yet.
    pub fn new(settings: &Settings) -> Self {
        let store = settings.revocations.as_ref().map(|configured| configured.store.names().join("/"));
        Self {
            documents: Documents::new(settings),
            refreshes: Refreshes::default(),
            ended: EndedSessions::new(settings.sealer.end_keys(), settings.names_of_beginnings(), store.as_deref())
                .of_people(settings.names_of_beginnings().map(|name| (name.to_owned(), settings.people(name))).collect())
                .of_sessions_that_last(settings.session.lasts_at_most()),
            given_back: GivenBack::default(),
            upstream_tokens: UpstreamTokens::default(),
            revocations: Revocations::new(settings),
            attempts: UsedAttempts::default(),
            without_refresh_token: Vec::new(),
            held: Vec::new(),
        }
    }

    /// Reports that this provider issued no refresh token although one is needed: an event the first time, `None` after that.
    pub fn report_missing_refresh_token(&mut self, name: &str) -> Option<Event> {
        if self.without_refresh_token.iter().any(|reported| reported == name) {
            return None;
        }
        self.without_refresh_token.push(name.to_owned());
        Some(Event::RefreshTokenMissing { provider: name.to_owned() })
    }

    /// The news for a request that waits for this resource until the given time: it is here, or it will not come in time; `None`
    /// while neither is known.
    pub fn news(&mut self, world: &dyn World, resource: &Resource, until: Timestamp) -> Option<News> {
        let now = world.now();
        match resource {
            Resource::Metadata(name) => self.documents.metadata_news(now, name, until),
            Resource::Keys { provider, newer_than } => self.documents.keys_news(now, provider, *newer_than, until),
            Resource::Refresh(session) => self.refreshes.news(now, session, until),
            Resource::UpstreamToken(name) => self.upstream_tokens.news(now, *name, until),
            Resource::SignIn(state) => match self.attempts.outcome(world, state, now) {
                Some(_) => Some(News::Ready),
                None => (now >= until).then(|| News::Missing(resource.missing())),
            },
        }
    }

    /// Does everything that is due now. The timer calls this.
    pub fn tick(&mut self, settings: &Settings, world: &mut dyn World) -> Upkeep {
        self.turn(settings, world, (Vec::new(), None), |_, _| {})
    }

    /// Takes the reply to a fetch, then does everything that is due now.
    pub fn fetch_answered(&mut self, settings: &Settings, world: &mut dyn World, fetch: &Fetch, reply: &Reply) -> Upkeep {
        let events = match &fetch.errand {
            Errand::Document(kind) => {
                let (remarks, failure) = match self.documents.fetch_answered(settings, world, &fetch.provider, *kind, reply) {
                    Ok(remarks) => (remarks, None),
                    Err(failure) => (Vec::new(), Some(failure)),
                };
                let told = |remark| match remark {
                    Remark::Endpoint(detail) => Event::EndpointUnusable { provider: fetch.provider.clone(), detail },
                    Remark::Algorithms(detail) => Event::AlgorithmsDiffer { provider: fetch.provider.clone(), detail },
                };
                let fetched = Event::Fetched { kind: *kind, provider: fetch.provider.clone(), failure };
                [fetched].into_iter().chain(remarks.into_iter().map(told)).collect()
            }
            Errand::GiveBack => vec![given_back::answered(&fetch.provider, reply)],
            Errand::Refresh(_)
            | Errand::Revocations(_)
            | Errand::ClaimRefresh(_)
            | Errand::LookAtRefresh(_)
            | Errand::LeaveRefresh(_) => Vec::new(),
            Errand::UpstreamToken(_) => Vec::new(),
        };
        self.turn(settings, world, (events, Some(fetch)), |(refreshes, upstream_tokens, revocations), turn| match &fetch.errand {
            Errand::Document(_) | Errand::GiveBack => {}
            Errand::Refresh(session) => refreshes.fetch_answered(turn, session, reply),
            Errand::ClaimRefresh(session) => refreshes.claim_answered(turn, session, reply),
            Errand::LookAtRefresh(session) => refreshes.look_answered(turn, session, reply),
            Errand::LeaveRefresh(left) => refreshes.left(turn, left, reply),
            Errand::UpstreamToken(name) => upstream_tokens.answered(turn, *name, reply),
            Errand::Revocations(question) => revocations.answered(turn, question, fetch.began, reply),
        })
    }

    fn turn(
        &mut self,
        settings: &Settings,
        world: &mut dyn World,
        (events, reply_to): (Vec<Event>, Option<&Fetch>),
        answered: impl FnOnce((&mut Refreshes, &mut UpstreamTokens, &mut Revocations), &mut Turn<'_>),
    ) -> Upkeep {
        let now = world.now();
        let Self { documents, refreshes, ended, given_back, upstream_tokens, revocations, held, .. } = self;
        let (fetches, needless) = (Vec::new(), Vec::new());
        let mut turn = Turn { settings, world, now, documents, ended, needless, fetches, events };
        answered((refreshes, upstream_tokens, revocations), &mut turn);
        refreshes.look_after(&mut turn);
        given_back.look_after(&mut turn);
        upstream_tokens.look_after(&mut turn);
        let mut next = revocations.look_after(&mut turn);
        let Turn { world, documents, mut fetches, mut events, .. } = turn;
        let missing = documents.look_after(settings, world, now, (&mut fetches, &mut events));
        let attentive = missing || !refreshes.is_empty() || !upstream_tokens.is_idle();
        next = next.min(if attentive { BUSY_PERIOD } else { IDLE_PERIOD });
        if reply_to.is_some_and(|fetch| fetch.errand.is_of_store()) {
            let (of_store, others): (Vec<_>, Vec<_>) = fetches.into_iter().partition(|fetch| fetch.errand.is_of_store());
            held.extend(of_store);
            fetches = others;
        } else {
            fetches.extend(held.drain(..).map(|fetch| Fetch { began: now, ..fetch }));
        }
        Upkeep { fetches, events, next: if held.is_empty() { next } else { AT_ONCE } }
    }
}
