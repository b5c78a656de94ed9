//! Begins a session: writes it into a cookie or a token, and ends the sessions that came before it in the same browser. It never
//! verifies whose session it is; its callers have done so.

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

/// A session that has begun, and how the browser gets it.
pub(super) struct BegunSession {
    pub(super) session: Session,
    /// `Set-Cookie` values; empty if no cookie is wanted.
    pub(super) cookies: Vec<String>,
    /// The session as a JWT, if sessions are JWTs.
    pub(super) token: Option<Secret>,
}

impl BegunSession {
    /// What a configured response can say of the session.
    pub(super) fn filling(&self, now: Timestamp) -> Filling<'_> {
        let expires_in = Some(self.session.ends.since(now).as_secs());
        Filling { token: self.token.as_ref(), expires_in, ..Filling::default() }
    }
}

/// Begins a session, in a cookie if `with_cookie`.
///
/// # Errors
/// [`Reason::SessionTooLarge`], [`Reason::Internal`].
pub(super) fn begin_session(
    scene: &mut Scene<'_>,
    visit: &Visit,
    mut new: NewSession,
    with_cookie: bool,
) -> Result<BegunSession, Failure> {
    let settings = scene.settings;
    if let Form::Jwt(jwt) = &settings.session.form {
        new.tokens_end = Some(jwt.end(visit.now));
    }
    let no_randomness = |_| Failure::new(Reason::Internal, "the host gave no random bytes");
    let mut session = Session::begin(scene.world, visit.now, settings.session.lifetimes, new).map_err(no_randomness)?;
    let (cookies, token) = write_session(settings, scene.world, visit, &mut session, with_cookie)?;
    // The browser's earlier sessions end, so that a renewal of one that is under way cannot bring it back. (A JWT that was signed
    // in the same second may be the same session.)
    let before = if with_cookie { carried::in_cookies(scene, visit).sessions } else { Vec::new() };
    for before in before.iter().filter(|before| before.id != session.id) {
        scene.background.ended.mark(scene.world, before);
    }
    Ok(BegunSession { session, cookies, token })
}

/// Writes a session in the configured form: the `Set-Cookie` values, and the JWT if sessions are JWTs.
fn write_session(
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

/// The failure for a session that does not fit into cookies, with its three largest parts for the log: claims, and tokens that it
/// keeps.
fn too_large(session: &Session, bytes: usize) -> Failure {
    let tokens = &session.tokens;
    let kept = [
        ("the access token", &tokens.access_token),
        ("the ID token", &tokens.id_token),
        ("the refresh token", &tokens.refresh_token),
    ];
    let kept = kept.into_iter().filter_map(|(name, token)| Some((token.as_ref()?.len(), name)));
    let claims = session.claims.iter().map(|(name, value)| (value.to_string().len(), name.as_str()));
    let mut sizes: Vec<_> = claims.chain(kept).collect();
    sizes.sort_unstable_by(|one, other| other.cmp(one));
    let largest: Vec<_> = sizes.iter().take(3).map(|(size, name)| format!("{name} ({size} bytes)")).collect();
    Failure::new(Reason::SessionTooLarge, format!("{bytes} bytes; the largest parts are {}", largest.join(", ")))
}
