//! Refresh tokens of sessions that somebody has signed out of: they are given back to the provider, once (RFC 7009). It is done after
//! the answer, and its failure changes nothing for anybody. Which sessions end is not known here.

use crate::config::settings::Settings;
use crate::http::message::Reply;
use crate::oidc::token::revocation::{revocation_request, trouble};
use crate::session::content::Session;
use crate::session::remembered::refreshed::newer;
use crate::step::event::Event;
use crate::upkeep::fetch::{Errand, Fetch};
use crate::upkeep::turn::Turn;
use crate::words::secret::Secret;
use crate::words::world::World;

/// The most tokens that wait to be given back.
const MOST: usize = 1_000;

/// The tokens that are to be given back, with the provider's name.
#[derive(Default)]
pub struct GivenBack(Vec<(String, Secret)>);

impl GivenBack {
    /// Gives back the refresh token of a session that has ended, if it has one: the newest, where it was refreshed meanwhile.
    pub fn add(&mut self, settings: &Settings, world: &dyn World, session: &Session) {
        let refreshed = session.tokens.refresh_token.as_ref().and_then(|_| newer(world, &settings.sealer, session));
        let token = refreshed.as_ref().unwrap_or(session).tokens.refresh_token.as_ref();
        if let Some(token) = token.filter(|_| self.0.len() < MOST) {
            self.0.push((session.provider.clone(), token.clone()));
        }
    }

    /// Whether a tick is wanted at once.
    pub const fn is_in_a_hurry(&self) -> bool {
        !self.0.is_empty()
    }

    /// Gives the tokens back.
    pub(super) fn look_after(&mut self, turn: &mut Turn<'_>) {
        for (name, token) in self.0.drain(..).chain(std::mem::take(&mut turn.needless)) {
            let Some(provider) = turn.settings.provider(&name) else { continue };
            let Some(metadata) = turn.metadata(&name) else {
                let trouble = Some("the provider's metadata are not here; see its fetch_failed lines".to_owned());
                turn.events.push(Event::TokenGivenBack { provider: name, trouble });
                continue;
            };
            if let Some(call) = revocation_request(turn.world, &provider.oidc, &metadata, &token) {
                turn.fetches.push(Fetch { provider: name, errand: Errand::GiveBack, call, began: turn.now });
            }
        }
    }
}

/// What the provider answered.
pub(super) fn answered(provider: &str, reply: &Reply) -> Event {
    Event::TokenGivenBack { provider: provider.to_owned(), trouble: trouble(reply) }
}
