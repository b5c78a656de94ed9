//! All sessions that a request carries, for whoever ends them: the one that counts, and those beside it that did not, because which
//! of them is meant cannot be said. It ends none itself.

use crate::authenticate::brought::{Brought, brought};
use crate::authenticate::scene::Scene;
use crate::config::settings::Settings;
use crate::crypto::seal::Purpose;
use crate::session::Form;
use crate::session::content::Session;
use crate::session::cookie;
use crate::session::jwt::JwtError;
use crate::step::visit::Visit;

/// The sessions that a request carries.
#[derive(Debug, Default)]
pub struct Carried {
    /// Each once, whatever our keys have made: those that count, those that have run out (one that has just expired may still be
    /// renewed by a request under way), and those that may count later or elsewhere.
    pub sessions: Vec<Session>,
    /// What came beside them and may be somebody's all the same, but cannot be ended here: a phrase for the log.
    pub unknown: Option<&'static str>,
}

impl Carried {
    fn add(&mut self, session: Option<Session>) {
        self.sessions.extend(session.filter(|new| self.sessions.iter().all(|known| known.id != new.id)));
    }
}

/// The sessions that stand in a request's cookies, however many there are and however they may be put together. This worker
/// forgets what it remembers of them.
pub fn in_cookies(scene: &mut Scene<'_>, visit: &Visit) -> Carried {
    let (settings, recall) = (scene.settings, &mut *scene.recall);
    let (texts, all) = cookie::read_all(&settings.session.cookie, &visit.request.headers);
    let mut carried = Carried::default();
    if !all {
        carried.unknown = Some("there are too many ways to put the cookies of the session together");
    }
    for text in texts {
        recall.forget(&text);
        carried.add(match &settings.session.form {
            Form::Sealed => unsealed(settings, &text),
            // It is not renewed: what has run out needs no ending.
            Form::Jwt(jwt) => std::str::from_utf8(&text)
                .ok()
                .and_then(|text| jwt.read_for_sign_out(scene.world, text, &mut recall.last_header, visit.now).ok()),
        });
    }
    carried
}

/// The same, and the session that came as a bearer token.
pub fn everywhere(scene: &mut Scene<'_>, visit: &Visit) -> Carried {
    let mut carried = in_cookies(scene, visit);
    let (settings, recall) = (scene.settings, &mut *scene.recall);
    let jwt = settings.session.as_bearer();
    // Where no tokens are accepted, the header is the application's own affair.
    if jwt.is_none() && !settings.accepts_provider_tokens() {
        return carried;
    }
    match (brought(visit), jwt) {
        (Brought::Nothing, _) => {}
        (Brought::Token(token), Some(jwt)) => {
            recall.forget(token.expose().as_bytes());
            match jwt.read_for_sign_out(scene.world, token.expose(), &mut recall.last_header, visit.now) {
                Ok(session) => carried.add(Some(session)),
                // It has ended by itself.
                Err(JwtError::Expired(_)) => {}
                Err(JwtError::Invalid(_)) => carried.unknown = Some("the bearer token is no session of this gateway"),
            }
        }
        (Brought::Token(_), None) => carried.unknown = Some("the bearer token is its provider's, which alone can end it"),
        (Brought::TooMuch, _) => {
            carried.unknown = Some("more than one bearer token came, or none that can be read in one way only")
        }
    }
    carried
}

fn unsealed(settings: &Settings, text: &[u8]) -> Option<Session> {
    Session::parse(&settings.sealer.open(Purpose::Session, text)?)
}
