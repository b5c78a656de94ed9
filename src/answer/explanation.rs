//! The explanation of each reason: its status, its texts for people, and what they can do next. Nothing in it comes from a
//! request.

use crate::answer::texts::Text;
use crate::words::reason::Reason;

/// How a reason is explained.
pub struct Explanation {
    /// The HTTP status.
    pub status: u16,
    /// The heading of the page, and the `title` of the problem JSON.
    pub heading: Text,
    /// A sentence or two for people.
    pub text: Text,
    pub(super) next: Next,
}

/// What a person can do next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Open the front page: nothing else on the way can mend this.
    FrontPage,
    SignIn,
    TryAgain,
    AnotherAccount,
    /// Sign out, or open the front page.
    SignOut,
}

/// The explanation of a reason.
pub const fn explanation(reason: Reason) -> Explanation {
    use Next::{AnotherAccount, FrontPage, SignIn, SignOut, TryAgain};
    use Text as T;
    let (status, heading, text, next) = match reason {
        Reason::SessionMissing => (401, T::SessionMissingHeading, T::SessionMissingText, SignIn),
        Reason::SessionExpired | Reason::RefreshRefused => (401, T::SessionExpiredHeading, T::SessionExpiredText, SignIn),
        Reason::SessionInvalid => (401, T::SignInAgainHeading, T::SessionInvalidText, SignIn),
        Reason::SessionAmbiguous => (401, T::SessionAmbiguousHeading, T::SessionAmbiguousText, FrontPage),
        Reason::TokenMissing => (401, T::TokenMissingHeading, T::TokenMissingText, FrontPage),
        Reason::TokenExpired => (401, T::TokenExpiredHeading, T::TokenExpiredText, FrontPage),
        Reason::TokenInvalid => (401, T::TokenInvalidHeading, T::TokenInvalidText, FrontPage),
        Reason::TokenAmbiguous => (400, T::TokenAmbiguousHeading, T::TokenAmbiguousText, FrontPage),
        Reason::IntrospectionUnavailable => (503, T::IntrospectionUnavailableHeading, T::InAMomentText, FrontPage),
        Reason::AudienceMissing => (401, T::TokenInvalidHeading, T::AudienceMissingText, FrontPage),
        Reason::AuthenticationInsufficient => (401, T::SignInAgainHeading, T::AuthenticationInsufficientText, SignIn),
        Reason::StepUpFailed => (403, T::AccessDeniedHeading, T::StepUpFailedText, AnotherAccount),
        Reason::ScopeMissing => (403, T::AccessDeniedHeading, T::ScopeMissingText, FrontPage),
        Reason::ConditionFailed => (403, T::AccessDeniedHeading, T::ConditionFailedText, AnotherAccount),
        Reason::ProviderMismatch => (403, T::AccessDeniedHeading, T::ProviderMismatchText, AnotherAccount),
        Reason::CrossSite => (403, T::CrossSiteHeading, T::CrossSiteText, FrontPage),
        Reason::OriginRefused => (403, T::CrossSiteHeading, T::OriginRefusedText, FrontPage),
        Reason::McpFieldsInvalid | Reason::McpVersionRefused => (400, T::BadRequestHeading, T::McpCallText, FrontPage),
        Reason::ResourceUnknown => (404, T::ResourceUnknownHeading, T::ResourceUnknownText, FrontPage),
        Reason::SignOutUnconfirmed => (403, T::SignOutHeading, T::SignOutText, SignOut),
        Reason::SignOutIncomplete => (400, T::SignOutIncompleteHeading, T::SignOutIncompleteText, FrontPage),
        Reason::PathAmbiguous => (400, T::PathAmbiguousHeading, T::PathAmbiguousText, FrontPage),
        Reason::MethodMalformed => (400, T::BadRequestHeading, T::MethodMalformedText, FrontPage),
        Reason::HeaderAmbiguous => (400, T::BadRequestHeading, T::HeaderAmbiguousText, FrontPage),
        Reason::HostMissing => (400, T::BadRequestHeading, T::HostMissingText, FrontPage),
        Reason::QueryMalformed => (400, T::BadRequestHeading, T::QueryMalformedText, FrontPage),
        Reason::ReturnToRefused => (400, T::BadRequestHeading, T::ReturnToRefusedText, FrontPage),
        Reason::ProviderUnknown => (400, T::BadRequestHeading, T::ProviderUnknownText, FrontPage),
        Reason::HostUnknown => (421, T::HostUnknownHeading, T::HostUnknownText, FrontPage),
        Reason::MethodNotAllowed => (405, T::MethodNotAllowedHeading, T::MethodNotAllowedText, FrontPage),
        Reason::BodyTooLarge => (413, T::BodyTooLargeHeading, T::BodyTooLargeText, FrontPage),
        Reason::BodyTypeRefused => (415, T::BadRequestHeading, T::BodyTypeRefusedText, FrontPage),
        Reason::BodyMalformed => (400, T::BadRequestHeading, T::BodyMalformedText, FrontPage),
        Reason::BodyTimeout => (408, T::BodyTimeoutHeading, T::BodyTimeoutText, FrontPage),
        Reason::TooManyBodies => (503, T::TooManyBodiesHeading, T::InAMomentText, FrontPage),
        Reason::Undecided | Reason::AnsweredElsewhere | Reason::RequestEnded => {
            (503, T::UndecidedHeading, T::UndecidedText, FrontPage)
        }
        Reason::MetadataUnavailable | Reason::KeysUnavailable => {
            (503, T::MetadataUnavailableHeading, T::MetadataUnavailableText, TryAgain)
        }
        Reason::RevocationsUnavailable => (503, T::RefreshUnavailableHeading, T::InAMomentText, FrontPage),
        Reason::RefreshUnavailable => (503, T::RefreshUnavailableHeading, T::RefreshUnavailableText, FrontPage),
        Reason::UpstreamTokenUnavailable => (503, T::TooManyBodiesHeading, T::InAMomentText, FrontPage),
        Reason::UpstreamTokenRefused => (403, T::AccessDeniedHeading, T::UpstreamTokenRefusedText, AnotherAccount),
        Reason::RoutePolicyUnknown => (503, T::UndecidedHeading, T::UndecidedText, FrontPage),
        // Browsers throw away what they loaded before it was asked for, if it was refused.
        Reason::Speculative => (400, T::SpeculativeHeading, T::SpeculativeText, FrontPage),
        Reason::SessionTorn => (400, T::SessionTornHeading, T::SessionTornText, TryAgain),
        Reason::SessionRefusedAgain => (400, T::SessionRefusedAgainHeading, T::SessionRefusedAgainText, TryAgain),
        Reason::AttemptMissing => (400, T::SignInUnfinishedHeading, T::AttemptMissingText, TryAgain),
        Reason::AttemptExpired => (400, T::AttemptExpiredHeading, T::AttemptExpiredText, TryAgain),
        Reason::AttemptReplayed => (400, T::AttemptReplayedHeading, T::AttemptReplayedText, TryAgain),
        Reason::StateMissing | Reason::StateMismatch => (400, T::SignInUnfinishedHeading, T::StateMismatchText, TryAgain),
        Reason::AuthorizationDenied => (403, T::AuthorizationDeniedHeading, T::AuthorizationDeniedText, TryAgain),
        Reason::AuthorizationError => (400, T::SignInFailedHeading, T::AuthorizationErrorText, TryAgain),
        Reason::AuthorizationServerError => (502, T::SignInFailedHeading, T::AuthorizationServerErrorText, TryAgain),
        Reason::CodeMissing => (400, T::SignInFailedHeading, T::CodeMissingText, TryAgain),
        Reason::IssuerMismatch => (400, T::SignInFailedHeading, T::IssuerMismatchText, TryAgain),
        Reason::TokenEndpointUnreachable | Reason::UserinfoUnreachable => {
            (502, T::SignInFailedHeading, T::ProviderUnreachableText, TryAgain)
        }
        Reason::TokenEndpointTimeout | Reason::UserinfoTimeout => {
            (504, T::ProviderTimeoutHeading, T::ProviderTimeoutText, TryAgain)
        }
        Reason::ClientAuthenticationFailed => (502, T::SignInMisconfiguredHeading, T::ClientAuthenticationFailedText, TryAgain),
        Reason::TokenRequestRefused => (502, T::SignInMisconfiguredHeading, T::TokenRequestRefusedText, TryAgain),
        Reason::CodeRefused => (400, T::SignInFailedHeading, T::CodeRefusedText, TryAgain),
        Reason::ExchangeRefused => (401, T::SignInFailedHeading, T::ExchangeRefusedText, FrontPage),
        Reason::ResponseModeMismatch => (400, T::SignInFailedHeading, T::ResponseModeMismatchText, TryAgain),
        Reason::TokenResponseMalformed | Reason::UserinfoMalformed => {
            (502, T::SignInFailedHeading, T::ProviderMalformedText, TryAgain)
        }
        Reason::IdTokenMalformed
        | Reason::IdTokenAlgorithm
        | Reason::IdTokenSignature
        | Reason::IdTokenKeyUnknown
        | Reason::IdTokenIssuer
        | Reason::IdTokenAudience
        | Reason::IdTokenAuthorizedParty
        | Reason::IdTokenExpired
        | Reason::IdTokenIssuedAt
        | Reason::IdTokenSubject
        | Reason::IdTokenNonce
        | Reason::IdTokenAtHash
        | Reason::UserinfoSubject => (502, T::SignInFailedHeading, T::IdTokenText, TryAgain),
        Reason::LogoutTokenInvalid | Reason::SecurityEventInvalid => {
            (400, T::TokenInvalidHeading, T::TokenInvalidText, FrontPage)
        }
        Reason::TransmitterUnauthenticated => (401, T::TokenInvalidHeading, T::TokenInvalidText, FrontPage),
        Reason::CredentialsRefused => (401, T::CredentialsRefusedHeading, T::CredentialsRefusedText, FrontPage),
        Reason::TooManyFailures => (429, T::TooManyFailuresHeading, T::TooManyFailuresText, FrontPage),
        Reason::TooManyEnds => (429, T::TooManyBodiesHeading, T::InAMomentText, FrontPage),
        Reason::AccountsUnreachable | Reason::AccountsMalformed => {
            (502, T::AccountsUnreachableHeading, T::AccountsUnreachableText, TryAgain)
        }
        Reason::AccountsTimeout => (504, T::AccountsTimeoutHeading, T::AccountsTimeoutText, TryAgain),
        Reason::EmailUnverified => (403, T::EmailUnverifiedHeading, T::EmailUnverifiedText, TryAgain),
        Reason::AccountMissing => (403, T::AccountMissingHeading, T::AccountMissingText, TryAgain),
        Reason::AccountNotCreated => (502, T::AccountNotCreatedHeading, T::AccountNotCreatedText, TryAgain),
        Reason::SessionTooLarge => (502, T::SignInFailedHeading, T::SessionTooLargeText, FrontPage),
        Reason::Internal => (500, T::InternalHeading, T::InAMomentText, FrontPage),
    };
    Explanation { status, heading, text, next }
}
