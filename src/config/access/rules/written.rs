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
        /// `aud` of the identity JWT that the application gets. It says nothing of tokens that clients send: that is `require.audience`
        /// Default: the request's origin
        pub(super) audience: Option<String> where named("text"),
        /// which [token of its own](#a-token-of-its-own-for-the-application) the application gets in `Authorization`
        /// Default: none
        pub(super) forward: Option<RuleForwardShape>,
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
        /// below a [protected resource](#protected-resources): what is called at an [MCP server](#calls-to-mcp-servers)
        /// Default: every request, whatever it calls
        pub(super) mcp: Option<CallsShape>,
    }
}

shape! {
    pub(super) struct RuleForwardShape {
        /// the token that proved who sends the request, exchanged for another
        /// Default: none; not beside `client_credentials`
        pub(super) token_exchange: Option<TokenExchangeShape>,
        /// a token of the client that Accredit is at the provider, whoever sends the request
        /// Default: none; not beside `token_exchange`
        pub(super) client_credentials: Option<ClientCredentialsShape>,
    }
}

shape! {
    pub(super) struct TokenExchangeShape {
        /// the parameter `audience`: for whom the new token is, by the provider's name for the application
        /// Default: this or `resource`
        pub(super) audience: Option<String> where text("text", "\\S"),
        /// the parameter `resource` (RFC 8707): for whom the new token is, by the application's URI, without a fragment
        /// Default: this or `audience`
        pub(super) resource: Option<String> where uris(),
        /// the most that the token may allow
        /// Default: the provider's choice
        pub(super) scope: Option<Vec<Checked<String>>> where list(scopes()).at_least(1),
        /// the provider that is asked
        /// Default: the one that vouches for the person or client
        pub(super) provider: Option<String> where named("text"),
        /// `jwt` for a provider that issues opaque tokens otherwise
        /// Default: `access_token`
        pub(super) requested_token_type: Option<TokenTypeWord>,
    }
}

shape! {
    pub(super) struct ClientCredentialsShape {
        /// the parameter `audience`: for whom the new token is, by the provider's name for the application
        /// Default: this, `resource` or `scope`
        pub(super) audience: Option<String> where text("text", "\\S"),
        /// the parameter `resource` (RFC 8707): for whom the new token is, by the application's URI, without a fragment
        /// Default: this, `audience` or `scope`
        pub(super) resource: Option<String> where uris(),
        /// the most that the token may allow
        /// Default: the provider's choice
        pub(super) scope: Option<Vec<Checked<String>>> where list(scopes()).at_least(1),
        /// the provider that is asked
        /// Default: the one that vouches for the person or client
        pub(super) provider: Option<String> where named("text"),
    }
}

/// An absolute URI (RFC 3986, section 4.3).
#[cfg(not(target_arch = "wasm32"))]
fn uris() -> crate::config::described::Kind {
    crate::config::described::text("URI", "^[A-Za-z][A-Za-z0-9+.-]*:[!$-;=?-\\[\\]_a-z~]+$")
}

/// A scope (RFC 6749, section 3.3).
#[cfg(not(target_arch = "wasm32"))]
fn scopes() -> crate::config::described::Kind {
    crate::config::described::text("scope", "^[!#-\\[\\]-~]+$")
}

words! {
    /// What is asked for in exchange, by the last words of the identifiers of RFC 8693, section 3.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(super) enum TokenTypeWord {
        AccessToken = "access_token",
        Jwt = "jwt",
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
