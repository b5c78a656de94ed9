//! What a browser carries for us: sessions and sign-ins under way, sealed in cookies; and what a worker remembers of them.
//! This room knows neither the protocol that proved an identity nor the rules that use it.

pub mod attempt;
pub mod content;
pub mod cookie;
pub mod memory;
pub mod refreshed;
pub mod tombstone;

/// The settings of this room.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The session's cookies.
    pub cookie: cookie::CookieSettings,
    /// How long sessions last.
    pub lifetimes: content::Lifetimes,
    /// Whether a session is good only as long as the provider's tokens are.
    pub follow_provider: bool,
    /// How long a sign-in may take.
    pub attempt_timeout: std::time::Duration,
}
