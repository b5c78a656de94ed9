//! The part `sign_in`: how long a sign-in may take, and how long a request waits for a provider's metadata or keys. Where people
//! sign in is not known here.

use std::time::Duration;

use crate::config::reading::place::shape;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::spellings::Span;
use crate::config::reading::values::positive;
use crate::config::settings::LONGEST_WAIT;

shape! {
    pub(crate) struct SignInShape {
        timeout: Option<Span>,
        wait: Option<Span>,
    }
}

/// Both spans, named as in the configuration.
pub(crate) struct SignIn {
    pub(crate) timeout: Duration,
    pub(crate) wait: Duration,
}

/// Checks both spans, with their defaults where they are not written.
pub(crate) fn sign_in(shape: Checked<SignInShape>, refusals: &mut Refusals) -> Checked<SignIn> {
    let shape = shape?;
    let timeout = positive("sign_in.timeout", shape.timeout, Duration::from_secs(600), Duration::from_secs(3_600), refusals);
    let wait = positive("sign_in.wait", shape.wait, Duration::from_secs(5), LONGEST_WAIT, refusals);
    Ok(SignIn { timeout: timeout?, wait: wait? })
}
