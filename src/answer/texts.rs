//! The texts of the pages, each with the id by which an operator can replace it. Their English is here; `answer::french` has the
//! French. Which text a page shows is decided elsewhere.
//!
//! A text may have one gap, such as `{name}`, and a text in its place has the same one or none.

macro_rules! texts {
    ($($text:ident $id:literal $english:literal)+) => {
        /// A text of the pages.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "their English says what they are for")]
        pub enum Text {
            $($text,)+
        }

        impl Text {
            /// Every text.
            pub const ALL: &[Self] = &[$(Self::$text,)+];

            /// The stable identifier, for the configuration.
            pub const fn id(self) -> &'static str {
                match self {
                    $(Self::$text => $id,)+
                }
            }

            /// The text in English.
            pub const fn english(self) -> &'static str {
                match self {
                    $(Self::$text => $english,)+
                }
            }
        }
    };
}

texts! {
    SignIn "sign_in" "Sign in"
    TryAgain "try_again" "Try again"
    FrontPage "front_page" "Go to the front page"
    SignOut "sign_out" "Sign out"
    AskForAccess "ask_for_access" "Ask for access"
    AnotherAccount "another_account" "Use another account"
    Request "request" "request"
    SignedInAs "signed_in_as" "You are signed in as {name}."
    WhatCounts "what_counts" "What counts here: {claims}."
    HowToAsk "how_to_ask" "To ask for access, write to the people who run this site and give them the request number below."
    NotTaken "not_taken" "What you sent was not taken. Go back to copy it before you sign in."
    MissingCookies "missing_cookies" "These cookies did not come: {cookies}."
    MixedCookies "mixed_cookies" "The cookies that came do not belong together."
    CameByHttp "came_by_http" "What came: a request by http, as far as this site can tell; browsers bring these cookies by https only."

    DiagnosisHeading "diagnosis_heading" "For the people who run this site"

    SignedInHeading "signed_in_heading" "You are signed in"
    SignedInText "signed_in_text" "You can close this window."

    SessionMissingHeading "session_missing_heading" "Please sign in"
    SessionMissingText "session_missing_text" "This page is for people who are signed in."
    SessionExpiredHeading "session_expired_heading" "Your session has ended"
    SessionExpiredText "session_expired_text" "You were signed out after some time. Sign in again to go on."
    SignInAgainHeading "sign_in_again_heading" "Please sign in again"
    SessionInvalidText "session_invalid_text" "The session your browser sent is not one we can read, for example after a change on our side."
    AuthenticationInsufficientText "authentication_insufficient_text" "This page asks you to sign in again, or in a stronger way than you did."
    SessionAmbiguousHeading "session_ambiguous_heading" "Two sessions at once"
    SessionAmbiguousText "session_ambiguous_text" "Your browser sent two different session cookies, and one of them may not be yours. Delete the cookies of this site and of the domain that it belongs to, then sign in again."

    TokenMissingHeading "token_missing_heading" "A token is needed"
    TokenMissingText "token_missing_text" "Send a bearer token in the Authorization header."
    TokenExpiredHeading "token_expired_heading" "The token has expired"
    TokenExpiredText "token_expired_text" "Get a new token."
    TokenInvalidHeading "token_invalid_heading" "The token is not accepted"
    TokenInvalidText "token_invalid_text" "It is not a token for this service."
    AudienceMissingText "audience_missing_text" "It is not a token for this part of the service."
    TokenAmbiguousHeading "token_ambiguous_heading" "One token, please"
    TokenAmbiguousText "token_ambiguous_text" "Send one bearer token, in the Authorization header and nowhere else."
    IntrospectionUnavailableHeading "introspection_unavailable_heading" "The token cannot be checked right now"
    InAMomentText "in_a_moment_text" "Please try again in a moment."

    AccessDeniedHeading "access_denied_heading" "Access denied"
    StepUpFailedText "step_up_failed_text" "This page asks for a stronger, or a newer, sign-in than the one that the sign-in service made."
    ScopeMissingText "scope_missing_text" "The token does not have the scope that this asks for."
    ConditionFailedText "condition_failed_text" "Your account is not among those that may open this page."
    ProviderMismatchText "provider_mismatch_text" "This page asks you to sign in with another provider than the one you used."
    UpstreamTokenRefusedText "upstream_token_refused_text" "The sign-in service does not let your account use the service behind this page."
    CrossSiteHeading "cross_site_heading" "Not from this site"
    OriginRefusedText "origin_refused_text" "A page of another site sent this request, and that site may not call this service."
    McpCallText "mcp_call_text" "This call of a tool cannot be taken in the form in which it came."
    ResourceUnknownHeading "resource_unknown_heading" "Nothing here"
    ResourceUnknownText "resource_unknown_text" "No service has its description at this address."
    CrossSiteText "cross_site_text" "Nothing shows that this site itself sent the request, so it was not carried out."
    SignOutHeading "sign_out_heading" "Sign out?"
    SignOutText "sign_out_text" "You came here by a typed address, a bookmark or another site, so nothing has been done yet. Do you want to sign out?"
    SignOutIncompleteHeading "sign_out_incomplete_heading" "Not everything was signed out"
    SignOutIncompleteText "sign_out_incomplete_text" "The session of this browser has ended, but what came with the request cannot all be ended here."

    PathAmbiguousHeading "path_ambiguous_heading" "This address is not clear"
    PathAmbiguousText "path_ambiguous_text" "It can be read in more than one way, so it was not followed."
    BadRequestHeading "bad_request_heading" "Bad request"
    MethodMalformedText "method_malformed_text" "The request's method is not one that HTTP knows."
    HeaderAmbiguousText "header_ambiguous_text" "A header of the request would be read differently further on."
    HostMissingText "host_missing_text" "The request does not say which site it is for."
    QueryMalformedText "query_malformed_text" "The address names one of its parameters twice, or one with a value that is not offered."
    ReturnToRefusedText "return_to_refused_text" "The page to return to after signing in is not on this site."
    ProviderUnknownText "provider_unknown_text" "There is no provider of that name here."
    HostUnknownHeading "host_unknown_heading" "Not this site"
    HostUnknownText "host_unknown_text" "This gateway does not serve the site that was asked for."
    MethodNotAllowedHeading "method_not_allowed_heading" "Method not allowed"
    MethodNotAllowedText "method_not_allowed_text" "This address does not answer to that method."
    BodyTooLargeHeading "body_too_large_heading" "Too large"
    BodyTooLargeText "body_too_large_text" "The body of the request is larger than what is read here."
    BodyTypeRefusedText "body_type_refused_text" "The body of the request is not of the type that is read here."
    BodyMalformedText "body_malformed_text" "The body of the request cannot be read, or can be read in two ways."
    BodyTimeoutHeading "body_timeout_heading" "Too slow"
    BodyTimeoutText "body_timeout_text" "The body of the request did not come in time."

    TooManyBodiesHeading "too_many_bodies_heading" "Not possible right now"
    UndecidedHeading "undecided_heading" "Not available"
    UndecidedText "undecided_text" "This page is not set up completely."
    MetadataUnavailableHeading "metadata_unavailable_heading" "Signing in is not possible right now"
    MetadataUnavailableText "metadata_unavailable_text" "Signing in does not work at the moment. Please try again; if it stays so, tell the people who run this site."
    RefreshUnavailableHeading "refresh_unavailable_heading" "Not available right now"
    RefreshUnavailableText "refresh_unavailable_text" "The sign-in service could not be asked whether your session goes on. Please try again in a moment."
    SpeculativeHeading "speculative_heading" "Not opened yet"
    SpeculativeText "speculative_text" "Your browser loaded this page before you asked for it. Please open it again."
    SessionTornHeading "session_torn_heading" "Your browser brings only a part of your session"
    SessionTornText "session_torn_text" "You have signed in, but not all cookies of your session came back. Something on the way limits cookies: the browser, an extension or a proxy. If trying again does not help, please tell the people who run this site."
    SessionRefusedAgainHeading "session_refused_again_heading" "Your session is not accepted here"
    SessionRefusedAgainText "session_refused_again_text" "You have signed in more than once, and the session is still not one that this page accepts. A part of this site is set up differently from another. If trying again does not help, please tell the people who run it."

    SignInUnfinishedHeading "sign_in_unfinished_heading" "This sign-in cannot be finished"
    AttemptMissingText "attempt_missing_text" "Your browser did not bring back the cookie of this sign-in. Was it begun in another browser, on another address of this site, or with cookies blocked? It is also lost when many sign-ins are open at once, or one for very long."
    AttemptExpiredHeading "attempt_expired_heading" "This sign-in took too long"
    AttemptExpiredText "attempt_expired_text" "The page of the sign-in service was open for longer than this site waits. Nothing else went wrong."
    AttemptReplayedHeading "attempt_replayed_heading" "This sign-in was already finished"
    AttemptReplayedText "attempt_replayed_text" "It cannot be used twice, and you are not signed in. Please begin again."
    StateMismatchText "state_mismatch_text" "The answer does not belong to a sign-in that this browser began. Did you come by a bookmark?"
    AuthorizationDeniedHeading "authorization_denied_heading" "Sign-in was refused"
    AuthorizationDeniedText "authorization_denied_text" "Either you declined, or the sign-in service does not allow this account here."
    SignInFailedHeading "sign_in_failed_heading" "Sign-in did not work"
    AuthorizationErrorText "authorization_error_text" "The sign-in service refused the request."
    AuthorizationServerErrorText "authorization_server_error_text" "The sign-in service has a problem of its own. Please try again in a moment."
    CodeMissingText "code_missing_text" "The answer of the sign-in service is not complete."
    IssuerMismatchText "issuer_mismatch_text" "The answer came from another sign-in service than the one that was asked."
    ProviderUnreachableText "provider_unreachable_text" "The sign-in service could not be reached. Please try again in a moment."
    ProviderTimeoutHeading "provider_timeout_heading" "Sign-in took too long"
    ProviderTimeoutText "provider_timeout_text" "The sign-in service did not answer in time. Please try again in a moment."
    SignInMisconfiguredHeading "sign_in_misconfigured_heading" "Sign-in is not set up correctly"
    ClientAuthenticationFailedText "client_authentication_failed_text" "The sign-in service does not accept this site's credentials. Please tell the people who run it."
    TokenRequestRefusedText "token_request_refused_text" "The sign-in service does not accept this site's requests. Please tell the people who run it."
    CodeRefusedText "code_refused_text" "The sign-in service did not accept this sign-in any more. Please begin again."
    ExchangeRefusedText "exchange_refused_text" "The sign-in service does not accept this code. Begin again."
    ResponseModeMismatchText "response_mode_mismatch_text" "The answer of the sign-in service came in another way than was asked for."
    ProviderMalformedText "provider_malformed_text" "The sign-in service gave an answer that we cannot read."
    IdTokenText "id_token_text" "The sign-in service's answer did not pass our checks. Please tell the people who run this site."
    SessionTooLargeText "session_too_large_text" "Your account brings more information than a session can hold. Please tell the people who run this site."

    CredentialsRefusedHeading "credentials_refused_heading" "Not signed in"
    CredentialsRefusedText "credentials_refused_text" "Name and password do not fit together."
    TooManyFailuresHeading "too_many_failures_heading" "Too many attempts"
    TooManyFailuresText "too_many_failures_text" "Signing in failed too often. Please wait a moment before you try again."
    AccountsUnreachableHeading "accounts_unreachable_heading" "Signing in does not work right now"
    AccountsUnreachableText "accounts_unreachable_text" "The list of accounts could not be asked. Please try again in a moment."
    AccountsTimeoutHeading "accounts_timeout_heading" "Signing in took too long"
    AccountsTimeoutText "accounts_timeout_text" "The list of accounts did not answer in time. Please try again in a moment."
    EmailUnverifiedHeading "email_unverified_heading" "Your e-mail address is not verified"
    EmailUnverifiedText "email_unverified_text" "Accounts are found by e-mail address or telephone number here, and the sign-in service does not vouch for yours. Verify it there, then try again."
    AccountMissingHeading "account_missing_heading" "There is no account for you"
    AccountMissingText "account_missing_text" "You have signed in, but there is no account of yours here."
    AccountNotCreatedHeading "account_not_created_heading" "Your account could not be created"
    AccountNotCreatedText "account_not_created_text" "You have signed in, but an account for you could not be made. Please try again; if it stays so, tell the people who run this site."
    InternalHeading "internal_heading" "Something went wrong"
}

impl Text {
    /// The text with this id.
    pub fn by_id(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|text| text.id() == id)
    }

    /// The gap that this text may have, such as `{name}`.
    pub fn gap(self) -> Option<&'static str> {
        let (_, behind) = self.english().split_at_checked(self.english().find('{')?)?;
        behind.get(..behind.find('}')?.checked_add(1)?)
    }
}
