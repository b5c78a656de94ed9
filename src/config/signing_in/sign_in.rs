//! How long a sign-in may take, and how long a request waits for what the provider says.

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

/// Both spans.
pub(crate) struct SignIn {
    /// How long a sign-in may take.
    pub(crate) timeout: Duration,
    /// How long a request waits.
    pub(crate) wait: Duration,
}

/// Both spans, with what is usual where nothing is written.
pub(crate) fn sign_in(shape: Checked<SignInShape>, refusals: &mut Refusals) -> Checked<SignIn> {
    let shape = shape?;
    let timeout = positive("sign_in.timeout", shape.timeout, Duration::from_secs(600), Duration::from_secs(3_600), refusals);
    let wait = positive("sign_in.wait", shape.wait, Duration::from_secs(5), LONGEST_WAIT, refusals);
    Ok(SignIn { timeout: timeout?, wait: wait? })
}
