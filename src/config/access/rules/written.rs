//! The members of a rule, as an operator writes them. What they mean is never checked here.

#[cfg(not(target_arch = "wasm32"))]
use crate::access::path::Spelling;
use crate::config::access::calls::CallsShape;
use crate::config::access::requirements::written::RequirementShape;
use crate::config::reading::place::{shape, words};
use crate::config::reading::refusal::Checked;

shape! {
    pub(crate) struct RuleShape {
        /// which requests the rule decides
        pub(super) matches: MatchShape as "match" = empty,
        /// see [Paths that servers read differently](#paths-that-servers-read-differently)
        pub(super) allow_in_path: Option<Vec<Checked<String>>>
            where list(words(Spelling::ALL.map(|spelling| spelling.as_str()))).at_least(1),
        /// who is let in; see [Requirements](#requirements)
        pub(super) require: RequirementShape,
        /// [what a request without a session gets](#what-a-request-without-a-session-gets); not with `require: public`
        /// Default: by the request
        pub(super) unauthenticated: Option<UnauthenticatedWord>,
        /// which credentials count; see [Bearer tokens](#bearer-tokens)
        /// Default: `any`; `bearer` where the requirement asks for a token
        pub(super) credentials: Option<CredentialsWord>,
        /// `aud` of the identity JWT
        /// Default: the request's origin
        pub(super) audience: Option<String> where named("text"),
        /// for requests that match this rule; see [Caches](#caches)
        /// Default: the top-level `shared_cache`
        pub(super) shared_cache: Option<SharedCacheWord>,
    }
}

shape! {
    pub(super) struct MatchShape {
        /// the host of one of the `origins`, without port
        /// Default: every host
        pub(super) host: Option<String> where named("text"),
        /// upper case; `GET` includes `HEAD`
        /// Default: every method
        pub(super) methods: Option<Vec<Checked<String>>> where list(text("method", "^[A-Z-]+$")).at_least(1),
        /// the whole path, or a pattern
        /// Default: every path
        pub(super) path: Option<String> where paths(),
        /// this path and everything below it; no slash at its end
        /// Default: every path
        pub(super) path_separated_prefix: Option<String> where paths(),
        /// below a [resource](#protected-resources): what is called at an [MCP server](#calls-to-mcp-servers)
        /// Default: every request, whatever it calls
        pub(super) mcp: Option<CallsShape>,
    }
}

words! {
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(crate) enum SharedCacheWord {
        Refused = "refused",
        Allowed = "allowed",
    }
}

words! {
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(super) enum CredentialsWord {
        Any = "any",
        Session = "session",
        Bearer = "bearer",
    }
}

words! {
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(super) enum UnauthenticatedWord {
        Redirect = "redirect",
        Respond = "respond",
    }
}
