//! Why something was refused: stable identifiers for logs, counters, headers and problem documents. No prose, no statuses;
//! those belong to `answer::refusal`.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $id:literal,)+) => {
        /// Why a request was not simply forwarded.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])* $name,)+
        }

        impl Reason {
            /// Every reason there is, for tables and tests.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The stable identifier: in logs, counters, `x-accredit-reason` and problem documents.
            pub const fn id(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)+
                }
            }
        }
    };
}

reasons! {
    /// No credential came with the request.
    SessionMissing = "session_missing",
    /// The session was good and is over.
    SessionExpired = "session_expired",
    /// A session cookie came that we did not seal, or not for this configuration.
    SessionInvalid = "session_invalid",
    /// Two session cookies of one name came, and they differ.
    SessionAmbiguous = "session_ambiguous",
    /// No bearer token came, where only one will do.
    TokenMissing = "token_missing",
    /// The bearer token has expired.
    TokenExpired = "token_expired",
    /// The bearer token is not one that we accept; the log says why.
    TokenInvalid = "token_invalid",
    /// More than one token came, or one in the address.
    TokenAmbiguous = "token_ambiguous",
    /// The provider could not be asked about the token.
    IntrospectionUnavailable = "introspection_unavailable",
    /// The token is not for what the rule is about.
    AudienceMissing = "audience_missing",
    /// The rule asks for a stronger, or a newer, authentication than the one that was made.
    AuthenticationInsufficient = "authentication_insufficient",
    /// A stronger, or a newer, authentication was asked for, and the provider made another.
    StepUpFailed = "step_up_failed",
    /// The token lacks a scope that the rule asks for.
    ScopeMissing = "scope_missing",
    /// A rule's condition on claims does not hold.
    ConditionFailed = "condition_failed",
    /// The rule wants another provider than the one that signed this person in.
    ProviderMismatch = "provider_mismatch",
    /// An unsafe request with a cookie session, and no evidence that our own site sent it.
    CrossSite = "cross_site",
    /// Something came to sign-out that cannot be ended here.
    SignOutIncomplete = "sign_out_incomplete",
    /// The path can be read in two ways.
    PathAmbiguous = "path_ambiguous",
    /// The method is not a token of upper-case letters.
    MethodMalformed = "method_malformed",
    /// A header that identity is read from, and that the upstream would not see as we do.
    HeaderAmbiguous = "header_ambiguous",
    /// No authority in the request.
    HostMissing = "host_missing",
    /// The query of one of our endpoints cannot be read, or names a parameter twice.
    QueryMalformed = "query_malformed",
    /// A `return_to` that leaves the listed origins.
    ReturnToRefused = "return_to_refused",
    /// A provider's name that is not configured.
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
    /// A response came, from upstream, to a request that was not decided.
    Undecided = "undecided",
    /// The request ended before it was answered: the client left, or Envoy ended it.
    RequestEnded = "request_ended",
    /// Envoy, or another of its filters, answered a request before it was decided.
    AnsweredElsewhere = "answered_elsewhere",
    /// The provider's metadata is not here (yet).
    MetadataUnavailable = "metadata_unavailable",
    /// The provider's keys are not here (yet).
    KeysUnavailable = "keys_unavailable",
    /// The route names a policy that the configuration does not have.
    RoutePolicyUnknown = "route_policy_unknown",
    /// The callback came without the cookie of its attempt.
    AttemptMissing = "attempt_missing",
    /// The attempt took too long.
    AttemptExpired = "attempt_expired",
    /// The attempt was finished before.
    AttemptReplayed = "attempt_replayed",
    /// The callback has no `state`.
    StateMissing = "state_missing",
    /// The callback's `state` is not the one of its attempt.
    StateMismatch = "state_mismatch",
    /// The person, or the provider, said no.
    AuthorizationDenied = "authorization_denied",
    /// The provider answered with another error.
    AuthorizationError = "authorization_error",
    /// The provider says it has a problem of its own (`server_error`, `temporarily_unavailable`).
    AuthorizationServerError = "authorization_server_error",
    /// The callback has no `code`.
    CodeMissing = "code_missing",
    /// The answer names another issuer (RFC 9207), or none where one is announced, or came to another provider's redirect URI.
    IssuerMismatch = "issuer_mismatch",
    /// No answer from the token endpoint, or a 5xx.
    TokenEndpointUnreachable = "token_endpoint_unreachable",
    /// The token endpoint took too long.
    TokenEndpointTimeout = "token_endpoint_timeout",
    /// The provider does not accept our client authentication.
    ClientAuthenticationFailed = "client_authentication_failed",
    /// The provider does not accept the code.
    CodeRefused = "code_refused",
    /// The provider does not accept the code that a page sent to the token endpoint.
    ExchangeRefused = "exchange_refused",
    /// The code came in the address, where it was to be posted.
    ResponseModeMismatch = "response_mode_mismatch",
    /// The token endpoint's answer is not what RFC 6749 and OpenID Connect say.
    TokenResponseMalformed = "token_response_malformed",
    /// Not a JWS, or claims that cannot be read one way only.
    IdTokenMalformed = "id_token_malformed",
    /// An algorithm that is not allowed, or not the key's.
    IdTokenAlgorithm = "id_token_algorithm",
    /// The signature is wrong.
    IdTokenSignature = "id_token_signature",
    /// No key of the provider fits.
    IdTokenKeyUnknown = "id_token_key_unknown",
    /// Issued by somebody else.
    IdTokenIssuer = "id_token_issuer",
    /// Issued for somebody else.
    IdTokenAudience = "id_token_audience",
    /// `azp` is missing where it is demanded, or is not us.
    IdTokenAuthorizedParty = "id_token_authorized_party",
    /// Expired, or without an expiry.
    IdTokenExpired = "id_token_expired",
    /// `iat` is missing, or ahead of our clock.
    IdTokenIssuedAt = "id_token_issued_at",
    /// No `sub`.
    IdTokenSubject = "id_token_subject",
    /// `nonce` is not the one that was sent.
    IdTokenNonce = "id_token_nonce",
    /// `at_hash` does not belong to the access token.
    IdTokenAtHash = "id_token_at_hash",
    /// `auth_time` of a refreshed ID token is not the one of the sign-in.
    IdTokenAuthTime = "id_token_auth_time",
    /// The provider does not accept the refresh token: the session has ended.
    RefreshRefused = "refresh_refused",
    /// The provider's tokens have ended, and it could not be asked for new ones (yet).
    RefreshUnavailable = "refresh_unavailable",
    /// No answer from the userinfo endpoint, or a refusal.
    UserinfoUnreachable = "userinfo_unreachable",
    /// The userinfo endpoint took too long.
    UserinfoTimeout = "userinfo_timeout",
    /// The userinfo endpoint's answer cannot be read.
    UserinfoMalformed = "userinfo_malformed",
    /// The userinfo endpoint speaks of somebody else.
    UserinfoSubject = "userinfo_subject",
    /// The user service does not accept name and password.
    CredentialsRefused = "credentials_refused",
    /// Name and password were wrong too often, for this account or from this address.
    TooManyFailures = "too_many_failures",
    /// No answer from the user service, or a 5xx.
    AccountsUnreachable = "accounts_unreachable",
    /// The user service took too long.
    AccountsTimeout = "accounts_timeout",
    /// The user service's answer is not one of those that are configured.
    AccountsMalformed = "accounts_malformed",
    /// An account is to be found by an e-mail address that the provider does not call verified.
    EmailUnverified = "email_unverified",
    /// The provider knows the person, the user service does not, and nobody is created.
    AccountMissing = "account_missing",
    /// The user service did not create the account of somebody who came for the first time.
    AccountNotCreated = "account_not_created",
    /// The session does not fit into cookies.
    SessionTooLarge = "session_too_large",
    /// The host failed us (no random bytes).
    Internal = "internal",
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.id())
    }
}

/// A refusal and what an operator needs to know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The stable reason.
    pub reason: Reason,
    /// For the log only, never for a page: what was expected, what came, what to do. Never a secret, a code or a token.
    pub detail: String,
}

impl Failure {
    /// A refusal with what the log should say about it. (Written out at each of its callers it would take four thousand bytes of
    /// the module.)
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
