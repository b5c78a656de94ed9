//! What a browser keeps for us in cookies, sessions and sign-in attempts, and what workers remember of them. This room knows
//! neither the protocol that proves an identity nor the rules that use it.

pub mod attempt;
pub mod content;
pub mod cookie;
pub mod jwt;
pub mod remembered;

/// The settings of this room.
#[derive(Debug)]
pub struct Settings {
    /// What a session is, in its cookie.
    pub form: Form,
    /// The session's cookies.
    pub cookie: cookie::CookieSettings,
    /// How long sessions last.
    pub lifetimes: content::Lifetimes,
    /// Whether a session is good only as long as the provider's tokens are.
    pub follow_provider: bool,
    /// How long a sign-in may take.
    pub attempt_timeout: std::time::Duration,
}

/// The form of a session in its cookie.
#[derive(Debug)]
pub enum Form {
    /// Sealed: only this gateway can read it.
    Sealed,
    /// A signed JWT, which services can read, too.
    Jwt(Box<jwt::JwtSettings>),
}

impl Settings {
    /// The settings of signed sessions, if they are also accepted as bearer tokens.
    pub fn as_bearer(&self) -> Option<&jwt::JwtSettings> {
        self.signed().filter(|jwt| jwt.bearer)
    }

    /// The settings of signed sessions.
    pub fn signed(&self) -> Option<&jwt::JwtSettings> {
        match &self.form {
            Form::Jwt(jwt) => Some(jwt),
            Form::Sealed => None,
        }
    }
}
