//! The members of `accounts`, as an operator writes them. What they mean is never checked here.

use serde_json::Value;

use crate::config::reading::place::{shape, words};
use crate::config::reading::refusal::Checked;
use crate::config::reading::spellings::{Dotted, Span};
#[cfg(not(target_arch = "wasm32"))]
use crate::config::settings::LONGEST_TIMEOUT;
use crate::words::secret::Secret;

shape! {
    pub(crate) struct AccountsShape {
        /// Envoy's cluster for the calls; a call may name another
        /// Default: each call names its own
        pub(super) cluster: Option<String> where named("cluster"),
        /// the `Host` header
        /// Default: the cluster's name
        pub(super) authority: Option<String> where hosts(),
        /// secrets that prove who is calling; sent to `cluster`, but not to another cluster that a call names
        /// Default: none
        pub(super) headers: Vec<(String, Checked<Secret>)> = default,
        /// the place of the user's subject in the service's answer. It must be a text of 1 to 255 printable characters that begins
        /// with neither `client:` nor `username:`, or a whole number
        pub(super) subject: Dotted,
        /// claims of the session, and the place of each in the answer. Not `sub`, and not claims of the protocol or about the sign-in
        /// (`exp`, `iss`, `acr`, …). If the answer lacks one of these claims, the user does not have it. If `claims` has `email` or
        /// `email_verified`, neither is taken from the provider (likewise for `phone_number`). `email` without `email_verified`
        /// (`phone_number` likewise) is refused, because it would never [count](#verified-addresses), unless
        /// `dangerously_assume_verified` lists it
        /// Default: none
        pub(super) claims: Vec<(String, Checked<Dotted>)> = default,
        /// counts as verified if the service does not say so. Only for a service that verifies every address before it accepts it
        /// Default: none
        pub(super) dangerously_assume_verified: Vec<Checked<String>> = default where verifiable_claims(),
        /// checks name and password; required by `endpoints.password`
        pub(super) verify: Option<Exchange> where Kind::with_fields("Verify", || without(Exchange::described_fields(), &["found", "absent", "created", "conflict"])),
        /// looks up a person who signed in at a provider
        pub(super) find: Option<Exchange> where Kind::with_fields("Find", || without(Exchange::described_fields(), &["succeeded", "refused", "created", "conflict"])),
        /// creates a user who was not found; without it such a person gets 403 `account_missing`
        pub(super) create: Option<Exchange> where Kind::with_fields("Create", || without(Exchange::described_fields(), &["succeeded", "refused", "found", "absent"])),
        /// called once for each user who was created here
        pub(super) notify: Option<Exchange>
            where Kind::with_fields("Notify", || without(Exchange::described_fields(), &["user", "succeeded", "refused", "found", "absent", "created", "conflict"])),
        /// whether an account may be found by an address that the provider does not call verified
        /// Default: `false`
        pub(super) dangerously_match_unverified_email: bool = default,
    }
}

shape! {
    /// A call, and which statuses of its answer mean what. Some members mean something for one call only.
    pub(super) struct Exchange {
        /// Envoy's cluster for this call
        /// Default: that of `accounts`
        pub(super) cluster: Option<String> where named("cluster"),
        /// the `Host` header
        /// Default: that of `accounts`; beside a `cluster` of its own, the cluster's name
        pub(super) authority: Option<String> where hosts(),
        /// the method; a GET has no body
        /// Default: `POST` with a body, otherwise `GET`
        pub(super) method: Option<Method>,
        /// an absolute path with gaps (placeholders), whose values are percent-encoded. If the value of a gap is missing, `.` or
        /// `..`, the call is not made: 502 `accounts_malformed`
        pub(super) path: String where paths(),
        /// JSON with gaps
        pub(super) body: Option<Value>,
        /// then 504 `accounts_timeout`
        /// Default: `5s`
        pub(super) timeout: Option<Span> where positive_spans(LONGEST_TIMEOUT),
        /// the place of the user in the answer (not for `notify`)
        /// Default: the whole answer
        pub(super) user: Option<Dotted>,
        /// for `verify`: the statuses for a right password. All statuses are from 200 to 499, and each has one meaning
        /// Default: `[200]`
        pub(super) succeeded: Option<Vec<Checked<u64>>> where list(statuses()),
        /// for `verify`: the statuses for a wrong password
        /// Default: `[400, 401, 404]`
        pub(super) refused: Option<Vec<Checked<u64>>> where list(statuses()),
        /// for `find`: the statuses where the user is there
        /// Default: `[200]`
        pub(super) found: Option<Vec<Checked<u64>>> where list(statuses()),
        /// for `find`: the statuses where there is none
        /// Default: `[404]`
        pub(super) absent: Option<Vec<Checked<u64>>> where list(statuses()),
        /// for `create`: the statuses where the user was created
        /// Default: `[200, 201]`
        pub(super) created: Option<Vec<Checked<u64>>> where list(statuses()),
        /// for `create`: the statuses where the user is there already. After such a conflict, or an answer without a user, `find` is
        /// called again
        /// Default: `[409]`
        pub(super) conflict: Option<Vec<Checked<u64>>> where list(statuses()),
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
