//! The part `sign_in`: how long a sign-in may take, and how long a request waits for a provider's metadata or keys. Where people
//! sign in is not known here.

use std::time::Duration;

use crate::config::reading::place::shape;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::spellings::Span;
use crate::config::reading::values::positive;
use crate::config::settings::LONGEST_WAIT;

const HOUR: Duration = Duration::from_secs(3_600);

shape! {
    pub(crate) struct SignInShape {
        /// how long a sign-in may take. After that the way back leads to a page with a link to where it began, for a day (not with a
        /// long address)
        /// Default: `10m`
        timeout: Option<Span> where positive_spans(HOUR),
        /// how long a request waits for the provider's metadata, its keys, new tokens or a token for the application, before 503; and
        /// how long a callback that comes again waits for the first one
        /// Default: `5s`
        wait: Option<Span> where positive_spans(LONGEST_WAIT),
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
    let timeout = positive("sign_in.timeout", shape.timeout, Duration::from_secs(600), HOUR, refusals);
    let wait = positive("sign_in.wait", shape.wait, Duration::from_secs(5), LONGEST_WAIT, refusals);
    Ok(SignIn { timeout: timeout?, wait: wait? })
}
