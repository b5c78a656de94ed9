//! What a browser keeps for us in cookies, sessions and sign-in attempts, and what workers remember of them. This room knows
//! neither the protocol that proves an identity nor the rules that use it.

pub mod attempt;
pub mod content;
pub mod cookie;
pub mod ended;
pub mod jwt;
pub mod open;
pub mod remembered;

/// What a configuration says about sessions, and about the sign-ins that begin them.
#[derive(Debug)]
pub struct SessionSettings {
    /// What stands in a session's cookie.
    pub form: Form,
    /// The name and the attributes of that cookie.
    pub cookie: cookie::CookieSettings,
    /// How long sessions last.
    pub lifetimes: content::Lifetimes,
    /// Whether a session ends with the provider's tokens, unless they can be refreshed.
    pub follow_provider: bool,
    /// How long a sign-in may take.
    pub attempt_timeout: std::time::Duration,
}

/// What stands in a session's cookie.
#[derive(Debug)]
pub enum Form {
    /// A sealed session, which only Accredit can read.
    Sealed,
    /// A signed token (JWT), which others can read too.
    Jwt(Box<jwt::JwtSettings>),
}

impl SessionSettings {
    /// The settings of signed sessions, if they are also accepted as bearer tokens.
    pub fn as_bearer(&self) -> Option<&jwt::JwtSettings> {
        self.signed().filter(|jwt| jwt.bearer)
    }

    /// How long a session lasts at most.
    pub fn longest(&self) -> std::time::Duration {
        self.signed().map_or(self.lifetimes.absolute, |jwt| jwt.lifetime)
    }

    /// From when on no session is left that has begun by now, at any replica: their clocks may differ by ten minutes.
    pub fn nothing_is_left_after(&self, now: crate::words::time::Timestamp) -> crate::words::time::Timestamp {
        now.plus(self.longest()).plus(std::time::Duration::from_secs(600))
    }

    /// The settings of signed sessions.
    pub fn signed(&self) -> Option<&jwt::JwtSettings> {
        match &self.form {
            Form::Jwt(jwt) => Some(jwt),
            Form::Sealed => None,
        }
    }
}
