//! A session begins: what carries it, and what becomes of the one before. Whose it is was proved by others.

use crate::accounts::template::Filling;
use crate::authenticate::carried;
use crate::authenticate::scene::Scene;
use crate::config::settings::Settings;
use crate::crypto::seal::Purpose;
use crate::session::Form;
use crate::session::content::{NewSession, Session};
use crate::session::cookie;
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::time::Timestamp;
use crate::words::world::World;

/// A session that has begun, and what carries it.
pub(super) struct Begun {
    pub(super) session: Session,
    /// Empty where no cookie is wanted.
    pub(super) cookies: Vec<String>,
    /// The session itself, where it is a token.
    pub(super) token: Option<Secret>,
}

impl Begun {
    /// What an answer can say of it.
    pub(super) fn filling(&self, now: Timestamp) -> Filling<'_> {
        let expires_in = Some(self.session.ends.since(now).as_secs());
        Filling { token: self.token.as_ref(), expires_in, ..Filling::default() }
    }
}

/// Begins a session, in a cookie or not.
///
/// # Errors
/// [`Reason::SessionTooLarge`], [`Reason::Internal`].
pub(super) fn begin(scene: &mut Scene<'_>, visit: &Visit, mut new: NewSession, with_cookie: bool) -> Result<Begun, Failure> {
    let settings = scene.settings;
    if let Form::Jwt(jwt) = &settings.session.form {
        new.tokens_end = Some(jwt.end(visit.now));
    }
    let no_randomness = |_| Failure::new(Reason::Internal, "the host gave no random bytes");
    let mut session = Session::begin(scene.world, visit.now, settings.session.lifetimes, new).map_err(no_randomness)?;
    let (cookies, token) = carry(settings, scene.world, visit, &mut session, with_cookie)?;
    // A renewal of a session that was there before must not bring it back. (A JWT of the same second may be the very same.)
    let before = if with_cookie { carried::in_cookies(scene, visit).sessions } else { Vec::new() };
    for before in before.iter().filter(|before| before.id != session.id) {
        scene.kept.ended.mark(scene.world, before);
    }
    Ok(Begun { session, cookies, token })
}

/// What carries a session, in the form that is configured.
fn carry(
    settings: &Settings,
    world: &mut dyn World,
    visit: &Visit,
    session: &mut Session,
    with_cookie: bool,
) -> Result<(Vec<String>, Option<Secret>), Failure> {
    let cookie = &settings.session.cookie;
    match &settings.session.form {
        Form::Sealed => {
            let sealed = settings.sealer.seal(world, Purpose::Session, &session.write());
            let sealed = sealed.map_err(|_| Failure::new(Reason::Internal, "the host gave no random bytes"))?;
            let written = cookie::write(cookie, &sealed, visit.now, session.ends, &visit.request.headers);
            Ok((written.map_err(|_| too_large(session, sealed.len()))?, None))
        }
        Form::Jwt(jwt) => {
            let token = jwt.write(world, session, settings.assumed_verified(&session.provider));
            let token = token.map_err(|_| Failure::new(Reason::Internal, "the session could not be signed"))?;
            let written = with_cookie.then(|| cookie::write_whole(cookie, &token, jwt.lifetime, &visit.origin));
            let written = written.transpose().map_err(|_| too_large(session, token.len()))?;
            Ok((written.into_iter().collect(), Some(Secret::new(token))))
        }
    }
}

/// Says which claims weigh most.
fn too_large(session: &Session, bytes: usize) -> Failure {
    let mut weights: Vec<_> = session.claims.iter().map(|(name, value)| (value.to_string().len(), name)).collect();
    let mut heaviest = Vec::new();
    while let (Some((weight, name)), 0..3) = (weights.iter().max().copied(), heaviest.len()) {
        heaviest.push(format!("{name} ({weight} bytes)"));
        weights.retain(|(_, other)| *other != name);
    }
    let detail = format!("{bytes} bytes; the largest claims are {}", heaviest.join(", "));
    Failure::new(Reason::SessionTooLarge, detail)
}
