//! What a browser keeps for us in cookies, sessions and sign-in attempts, and what workers remember of them. This room knows
//! neither the protocol that proves an identity nor the rules that use it.

pub mod attempt;
pub mod content;
pub mod cookie;
pub mod ended;
pub mod jwt;
pub mod open;
pub mod remembered;

use std::time::Duration;

use crate::words::time::Timestamp;

/// How far the clocks of replicas may differ, and in which steps is told until when an end matters.
const TEN_MINUTES: Duration = Duration::from_secs(600);

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
    pub attempt_timeout: Duration,
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
    pub fn longest(&self) -> Duration {
        self.signed().map_or(self.lifetimes.absolute, |jwt| jwt.lifetime)
    }

    /// From when on no session is left that has begun by now, at any replica: their clocks may differ by ten minutes. It is a multiple
    /// of ten minutes, so that an end that is told again, which is usual after a 503, is the same in every byte, and is known as such.
    pub fn nothing_is_left_after(&self, now: Timestamp) -> Timestamp {
        rounded_up(now.plus(self.lasts_at_most()))
    }

    /// How long what has begun lasts at most, by the clock of any replica.
    pub fn lasts_at_most(&self) -> Duration {
        self.longest().saturating_add(TEN_MINUTES)
    }

    /// By which time everything has begun that has begun by now, by the clock of any replica.
    pub fn all_has_begun_by(now: Timestamp) -> Timestamp {
        now.plus(TEN_MINUTES)
    }

    /// The settings of signed sessions.
    pub fn signed(&self) -> Option<&jwt::JwtSettings> {
        match &self.form {
            Form::Jwt(jwt) => Some(jwt),
            Form::Sealed => None,
        }
    }
}

/// The first multiple of ten minutes that is not before this time.
fn rounded_up(time: Timestamp) -> Timestamp {
    let step = TEN_MINUTES.as_secs().saturating_mul(1_000);
    Timestamp::from_millis(time.millis().div_ceil(step).saturating_mul(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn until_when_an_end_matters_is_told_in_steps_of_ten_minutes_and_is_never_earlier() {
        for (millis, expected) in
            [(0, 0), (1, 600_000), (599_999, 600_000), (600_000, 600_000), (600_001, 1_200_000), (u64::MAX, u64::MAX)]
        {
            assert_eq!(rounded_up(Timestamp::from_millis(millis)).millis(), expected);
        }
    }
}
