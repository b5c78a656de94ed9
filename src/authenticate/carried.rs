//! All sessions that a request carries, for sign-out and for a new sign-in: the one that counts, and any others that came beside
//! it. It never ends one itself.

use crate::authenticate::bearer_token::{BearerToken, bearer_token};
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
    /// Every session that our keys have sealed or signed, once each: those that count, those that have expired (a request under
    /// way may still renew one that has just expired), and those that may count later or at another origin.
    pub sessions: Vec<Session>,
    /// What came besides and may be a credential too, but cannot be ended here: a phrase for the log.
    pub unknown: Option<&'static str>,
}

impl Carried {
    fn add(&mut self, session: Option<Session>) {
        self.sessions.extend(session.filter(|new| self.sessions.iter().all(|known| known.id != new.id)));
    }
}

/// The sessions in a request's cookies, in every way in which several cookies can be put together. This worker forgets that it
/// has verified them.
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
            // A session that is a JWT is never renewed: one that has expired need not be ended.
            Form::Jwt(jwt) => std::str::from_utf8(&text)
                .ok()
                .and_then(|text| jwt.read_for_sign_out(scene.world, text, &mut recall.last_header, visit.now).ok()),
        });
    }
    carried
}

/// The sessions in a request's cookies, and the one that came as a bearer token.
pub fn everywhere(scene: &mut Scene<'_>, visit: &Visit) -> Carried {
    let mut carried = in_cookies(scene, visit);
    let (settings, recall) = (scene.settings, &mut *scene.recall);
    let jwt = settings.session.as_bearer();
    // Where no bearer tokens are accepted, the field is the application's.
    if !settings.accepts_bearer_tokens() {
        return carried;
    }
    match (bearer_token(visit), jwt) {
        (BearerToken::Absent, _) => {}
        (BearerToken::Present(token), Some(jwt)) => {
            recall.forget(token.expose().as_bytes());
            match jwt.read_for_sign_out(scene.world, token.expose(), &mut recall.last_header, visit.now) {
                Ok(session) => carried.add(Some(session)),
                // It need not be ended.
                Err(JwtError::Expired(_)) => {}
                Err(JwtError::Invalid(_)) => carried.unknown = Some("the bearer token is no session of this gateway"),
            }
        }
        (BearerToken::Present(_), None) => carried.unknown = Some("the bearer token is its provider's, which alone can end it"),
        (BearerToken::Ambiguous, _) => {
            carried.unknown = Some("more than one bearer token came, or none that can be read in one way only")
        }
    }
    carried
}

fn unsealed(settings: &Settings, text: &[u8]) -> Option<Session> {
    Session::parse(&settings.sealer.open(Purpose::Session, text)?)
}
