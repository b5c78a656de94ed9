//! The members of `accounts`, as an operator writes them. What they mean is never checked here.

use serde_json::Value;

use crate::config::reading::place::{shape, words};
use crate::config::reading::refusal::Checked;
use crate::config::reading::spellings::{Dotted, Span};
use crate::words::secret::Secret;

shape! {
    pub(crate) struct AccountsShape {
        pub(super) cluster: Option<String>,
        pub(super) authority: Option<String>,
        pub(super) headers: Vec<(String, Checked<Secret>)> = default,
        pub(super) subject: Dotted,
        pub(super) claims: Vec<(String, Checked<Dotted>)> = default,
        pub(super) dangerously_assume_verified: Vec<Checked<String>> = default,
        pub(super) verify: Option<Exchange>,
        pub(super) find: Option<Exchange>,
        pub(super) create: Option<Exchange>,
        pub(super) notify: Option<Exchange>,
        pub(super) dangerously_match_unverified_email: bool = default,
    }
}

shape! {
    /// A call, and which statuses of its answer mean what. Some members mean something for one call only.
    pub(super) struct Exchange {
        pub(super) cluster: Option<String>,
        pub(super) authority: Option<String>,
        pub(super) method: Option<Method>,
        pub(super) path: String,
        pub(super) body: Option<Value>,
        pub(super) timeout: Option<Span>,
        pub(super) user: Option<Dotted>,
        pub(super) succeeded: Option<Vec<Checked<u64>>>,
        pub(super) refused: Option<Vec<Checked<u64>>>,
        pub(super) found: Option<Vec<Checked<u64>>>,
        pub(super) absent: Option<Vec<Checked<u64>>>,
        pub(super) created: Option<Vec<Checked<u64>>>,
        pub(super) conflict: Option<Vec<Checked<u64>>>,
    }
}

words! {
    /// The HTTP methods that a call may have.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(super) enum Method {
        Get = "GET",
        Post = "POST",
        Put = "PUT",
        Patch = "PATCH",
    }
}
