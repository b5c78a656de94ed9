//! Why a request was refused: stable identifiers for logs, counters, headers and problem documents. The words for people and the
//! HTTP statuses are not known here; they are in `answer::explanation`.

use std::fmt;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $name:ident = $id:literal,)+) => {
        /// Why a request was not simply forwarded.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[doc = $doc])* $name,)+
        }

        impl Reason {
            /// Every reason, for tables and tests.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The stable identifier: in logs, counters, `x-accredit-reason` and problem documents.
            pub const fn id(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)+
                }
            }

            /// What it means, in one or two sentences, for the command line.
            #[cfg(not(target_arch = "wasm32"))]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),*).trim_ascii_start(),)+
                }
            }
        }
    };
}

reasons! {
    /// No session and no bearer token came with the request.
    SessionMissing = "session_missing",
    /// The session was valid, and has ended.
    SessionExpired = "session_expired",
    /// This gateway did not make the session in the cookie, or made it under another configuration.
    SessionInvalid = "session_invalid",
    /// Two session cookies with one name and different values came.
    SessionAmbiguous = "session_ambiguous",
    /// No bearer token came, and nothing else is accepted.
    TokenMissing = "token_missing",
    /// The bearer token has expired.
    TokenExpired = "token_expired",
    /// The bearer token is not accepted; the log says why.
    TokenInvalid = "token_invalid",
    /// More than one bearer token came, or one in the query.
    TokenAmbiguous = "token_ambiguous",
    /// The provider could not be asked about the token.
    IntrospectionUnavailable = "introspection_unavailable",
    /// The token does not have an audience that the rule asks for.
    AudienceMissing = "audience_missing",
    /// The rule asks for a stronger or a newer authentication than the one that was made.
    AuthenticationInsufficient = "authentication_insufficient",
    /// A stronger or a newer authentication was asked for, and the provider made one that does not meet that.
    StepUpFailed = "step_up_failed",
    /// The token lacks a scope that the rule asks for.
    ScopeMissing = "scope_missing",
    /// A rule's condition on claims does not hold.
    ConditionFailed = "condition_failed",
    /// The rule asks for another provider than the one that signed this person in.
    ProviderMismatch = "provider_mismatch",
    /// A request with an unsafe method and a session cookie, or a sign-out by a script, without evidence that our own site caused it.
    CrossSite = "cross_site",
    /// A person opened the logout endpoint by a typed address, a bookmark or another site, and is asked first.
    SignOutUnconfirmed = "sign_out_unconfirmed",
    /// A session or token that came to the logout endpoint cannot be ended there.
    SignOutIncomplete = "sign_out_incomplete",
    /// A page of another origin called a protected resource, or the request has an `Origin` that cannot be read in one way only.
    OriginRefused = "origin_refused",
    /// The header fields of a call to an MCP server can be read in two ways, or one is missing that its version demands; or trailers
    /// came where Envoy's `mcp` filter compares the fields with the body, which it would not read then; or it is not known what is
    /// called, where the server gets another token for some calls.
    McpFieldsInvalid = "mcp_fields_invalid",
    /// A call to an MCP server by a version of MCP that is refused there, always or because the server gets another token for some
    /// calls.
    McpVersionRefused = "mcp_version_refused",
    /// No protected resource has its metadata at this address.
    ResourceUnknown = "resource_unknown",
    /// The path can be read in two ways.
    PathAmbiguous = "path_ambiguous",
    /// The method is not a token of upper-case letters.
    MethodMalformed = "method_malformed",
    /// A header that identity is read from, and that the upstream would read differently.
    HeaderAmbiguous = "header_ambiguous",
    /// The request has no authority.
    HostMissing = "host_missing",
    /// The query of one of our endpoints names a parameter twice that is read there, or has a value that is not offered.
    QueryMalformed = "query_malformed",
    /// A `return_to` that is neither on this site nor on a listed origin.
    ReturnToRefused = "return_to_refused",
    /// The request names a provider that is not configured.
    ProviderUnknown = "provider_unknown",
    /// The authority is none of the configured origins.
    HostUnknown = "host_unknown",
    /// One of our endpoints was asked with a method it does not have.
    MethodNotAllowed = "method_not_allowed",
    /// The body is larger than an endpoint reads.
    BodyTooLarge = "body_too_large",
    /// The body is not of the type that the endpoint reads.
    BodyTypeRefused = "body_type_refused",
    /// The body is not what the endpoint reads, or can be read in two ways.
    BodyMalformed = "body_malformed",
    /// The body did not come in time.
    BodyTimeout = "body_timeout",
    /// Too many bodies are being read already, in this worker or from this address.
    TooManyBodies = "too_many_bodies",
    /// The upstream answered a request that this filter had not decided.
    Undecided = "undecided",
    /// The request ended before it was answered: the client left, or Envoy ended it.
    RequestEnded = "request_ended",
    /// Envoy, or another of its filters, answered the request before it was decided.
    AnsweredElsewhere = "answered_elsewhere",
    /// The provider's metadata have not been fetched yet, or cannot be fetched.
    MetadataUnavailable = "metadata_unavailable",
    /// The provider's keys have not been fetched yet, or cannot be fetched.
    KeysUnavailable = "keys_unavailable",
    /// The route names a policy that the configuration does not have.
    RoutePolicyUnknown = "route_policy_unknown",
    /// The browser loads an endpoint of a sign-in before the person has asked for it.
    Speculative = "speculative",
    /// The browser brings only a part of its session's cookies, also after a new sign-in.
    SessionTorn = "session_torn",
    /// The session is not accepted here, also after two new sign-ins in a row: another gateway, or another replica, makes sessions
    /// that this one does not accept.
    SessionRefusedAgain = "session_refused_again",
    /// The callback came without the cookie of its sign-in attempt.
    AttemptMissing = "attempt_missing",
    /// The sign-in attempt took too long.
    AttemptExpired = "attempt_expired",
    /// The sign-in attempt was finished before.
    AttemptReplayed = "attempt_replayed",
    /// The callback has no `state`.
    StateMissing = "state_missing",
    /// The callback's `state` is not the one of its sign-in attempt.
    StateMismatch = "state_mismatch",
    /// The authorization response says `access_denied`: the person or the provider declined.
    AuthorizationDenied = "authorization_denied",
    /// The authorization response is another error.
    AuthorizationError = "authorization_error",
    /// The authorization response says that the provider has a problem of its own (`server_error`, `temporarily_unavailable`).
    AuthorizationServerError = "authorization_server_error",
    /// The authorization response has no `code`.
    CodeMissing = "code_missing",
    /// The authorization response names another issuer (RFC 9207), or none where one is required, or came to another provider's
    /// redirect URI.
    IssuerMismatch = "issuer_mismatch",
    /// The token endpoint did not answer, or with a status of 500 or more.
    TokenEndpointUnreachable = "token_endpoint_unreachable",
    /// The token endpoint took too long.
    TokenEndpointTimeout = "token_endpoint_timeout",
    /// The provider does not accept our client authentication (`invalid_client`).
    ClientAuthenticationFailed = "client_authentication_failed",
    /// The token endpoint refuses what was requested, whatever the code: the client may not request it, or the provider does not
    /// offer it.
    TokenRequestRefused = "token_request_refused",
    /// The provider does not accept the code.
    CodeRefused = "code_refused",
    /// The provider does not accept the code that a page sent to this gateway's own token endpoint.
    ExchangeRefused = "exchange_refused",
    /// The code came in the query, though `response_mode=form_post` was requested.
    ResponseModeMismatch = "response_mode_mismatch",
    /// The token response is not what RFC 6749 and OpenID Connect say.
    TokenResponseMalformed = "token_response_malformed",
    /// The ID token is no JWS, or its claims can be read in two ways, or it is a logout token or another token that tells of events.
    IdTokenMalformed = "id_token_malformed",
    /// The ID token's algorithm is not allowed, or does not belong to its key.
    IdTokenAlgorithm = "id_token_algorithm",
    /// The ID token's signature is wrong.
    IdTokenSignature = "id_token_signature",
    /// No key of the provider fits the ID token.
    IdTokenKeyUnknown = "id_token_key_unknown",
    /// The ID token's `iss` is another issuer.
    IdTokenIssuer = "id_token_issuer",
    /// The ID token's `aud` does not contain our client identifier.
    IdTokenAudience = "id_token_audience",
    /// The ID token's `azp` is missing where it is required, or is another client.
    IdTokenAuthorizedParty = "id_token_authorized_party",
    /// The ID token's `exp` has passed, or is missing.
    IdTokenExpired = "id_token_expired",
    /// The ID token's `iat` is missing, or its `iat` or `nbf` is ahead of our clock.
    IdTokenIssuedAt = "id_token_issued_at",
    /// The ID token's `sub` is missing, or cannot be used.
    IdTokenSubject = "id_token_subject",
    /// The ID token's `nonce` is not the one that was sent.
    IdTokenNonce = "id_token_nonce",
    /// The ID token's `at_hash` does not belong to the access token.
    IdTokenAtHash = "id_token_at_hash",
    /// The logout token that a provider sent is not accepted; the log says why.
    LogoutTokenInvalid = "logout_token_invalid",
    /// The security event token that a transmitter sent is not accepted; the log says why.
    SecurityEventInvalid = "security_event_invalid",
    /// Whoever posted a security event did not send the `Authorization` that its transmitter must send.
    TransmitterUnauthenticated = "transmitter_unauthenticated",
    /// The provider does not accept the refresh token, so the session has ended.
    RefreshRefused = "refresh_refused",
    /// The provider's tokens have expired, and new ones could not be obtained, or not yet.
    RefreshUnavailable = "refresh_unavailable",
    /// The provider refuses the token of its own that the application is to get for this request.
    UpstreamTokenRefused = "upstream_token_refused",
    /// The token of its own that the application is to get for this request could not be obtained.
    UpstreamTokenUnavailable = "upstream_token_unavailable",
    /// The userinfo endpoint did not answer, or refused.
    UserinfoUnreachable = "userinfo_unreachable",
    /// The userinfo endpoint took too long.
    UserinfoTimeout = "userinfo_timeout",
    /// The userinfo response cannot be read.
    UserinfoMalformed = "userinfo_malformed",
    /// The userinfo response is about another subject than the ID token.
    UserinfoSubject = "userinfo_subject",
    /// The user service does not accept name and password.
    CredentialsRefused = "credentials_refused",
    /// Name and password were wrong too often, for this account or from this network.
    TooManyFailures = "too_many_failures",
    /// The user service did not answer, or with a status of 500 or more.
    AccountsUnreachable = "accounts_unreachable",
    /// The user service took too long.
    AccountsTimeout = "accounts_timeout",
    /// The user service's answer is not one of those that are configured.
    AccountsMalformed = "accounts_malformed",
    /// The account would be found by an e-mail address or a phone number that the provider does not call verified.
    EmailUnverified = "email_unverified",
    /// The provider knows the person, the user service does not, and no account is created.
    AccountMissing = "account_missing",
    /// The user service did not create the account of somebody who came for the first time.
    AccountNotCreated = "account_not_created",
    /// An operator, or all operators together, ended sessions too often.
    TooManyEnds = "too_many_ends",
    /// The store in which replicas tell each other which sessions have ended was not reached, or did not acknowledge.
    RevocationsUnavailable = "revocations_unavailable",
    /// The session does not fit into its cookies.
    SessionTooLarge = "session_too_large",
    /// The host failed, for example because it gave no random bytes.
    Internal = "internal",
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.id())
    }
}

/// A refusal, with what an operator needs to know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The stable reason, which the client is told too.
    pub reason: Reason,
    /// For the log, and for a page only where `diagnose` is on: what was expected, what was found, what to do. It holds no secret,
    /// code or token, and of claims only those of the person who asks.
    pub detail: String,
}

impl Failure {
    /// A refusal with what the log says about it. (Never inlined, so that its many callers stay small.)
    #[inline(never)]
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_an_id_of_its_own() {
        let ids: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.id()).collect();
        assert_eq!(ids.len(), Reason::ALL.len());
    }
}
