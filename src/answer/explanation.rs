//! The explanation of each reason: its status, its words for people, and what they can do next. Nothing in it comes from a
//! request.

use crate::words::reason::Reason;

/// How a reason is explained.
pub struct Explanation {
    /// The HTTP status.
    pub status: u16,
    /// The heading of the page, and the `title` of the problem JSON.
    pub title: &'static str,
    /// A sentence or two for people.
    pub text: &'static str,
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
    let (status, title, text, next) = match reason {
        Reason::SessionMissing => (401, "Please sign in", "This page is for people who are signed in.", SignIn),
        Reason::SessionExpired | Reason::RefreshRefused => {
            (401, "Your session has ended", "You were signed out after some time. Sign in again to go on.", SignIn)
        }
        Reason::SessionInvalid => (
            401,
            "Please sign in again",
            "The session your browser sent is not one we can read, for example after a change on our side.",
            SignIn,
        ),
        Reason::SessionAmbiguous => (
            401,
            "Two sessions at once",
            "Your browser sent two different session cookies, and one of them may not be yours. Delete the cookies of this site and of the domain that it belongs to, then sign in again.",
            FrontPage,
        ),
        Reason::TokenMissing => (401, "A token is needed", "Send a bearer token in the Authorization header.", FrontPage),
        Reason::TokenExpired => (401, "The token has expired", "Get a new token.", FrontPage),
        Reason::TokenInvalid => (401, "The token is not accepted", "It is not a token for this service.", FrontPage),
        Reason::TokenAmbiguous => {
            (400, "One token, please", "Send one bearer token, in the Authorization header and nowhere else.", FrontPage)
        }
        Reason::IntrospectionUnavailable => {
            (503, "The token cannot be checked right now", "Please try again in a moment.", FrontPage)
        }
        Reason::AudienceMissing => {
            (401, "The token is not accepted", "It is not a token for this part of the service.", FrontPage)
        }
        Reason::AuthenticationInsufficient => {
            (401, "Please sign in again", "This page asks you to sign in again, or in a stronger way than you did.", SignIn)
        }
        Reason::StepUpFailed => (
            403,
            "Access denied",
            "This page asks for a stronger, or a newer, sign-in than the one that the sign-in service made.",
            AnotherAccount,
        ),
        Reason::ScopeMissing => (403, "Access denied", "The token does not have the scope that this asks for.", FrontPage),
        Reason::ConditionFailed => {
            (403, "Access denied", "Your account is not among those that may open this page.", AnotherAccount)
        }
        Reason::ProviderMismatch => {
            (403, "Access denied", "This page asks you to sign in with another provider than the one you used.", AnotherAccount)
        }
        Reason::CrossSite => (
            403,
            "Not from this site",
            "Nothing shows that this site itself sent the request, so it was not carried out.",
            FrontPage,
        ),
        Reason::SignOutUnconfirmed => (
            403,
            "Sign out?",
            "You came here by a typed address, a bookmark or another site, so nothing has been done yet. Do you want to sign out?",
            SignOut,
        ),
        Reason::SignOutIncomplete => (
            400,
            "Not everything was signed out",
            "The session of this browser has ended, but what came with the request cannot all be ended here.",
            FrontPage,
        ),
        Reason::PathAmbiguous => {
            (400, "This address is not clear", "It can be read in more than one way, so it was not followed.", FrontPage)
        }
        Reason::MethodMalformed => (400, "Bad request", "The request's method is not one that HTTP knows.", FrontPage),
        Reason::HeaderAmbiguous => {
            (400, "Bad request", "A header of the request would be read differently further on.", FrontPage)
        }
        Reason::HostMissing => (400, "Bad request", "The request does not say which site it is for.", FrontPage),
        Reason::QueryMalformed => (
            400,
            "Bad request",
            "The address names one of its parameters twice, or one with a value that is not offered.",
            FrontPage,
        ),
        Reason::ReturnToRefused => (400, "Bad request", "The page to return to after signing in is not on this site.", FrontPage),
        Reason::ProviderUnknown => (400, "Bad request", "There is no provider of that name here.", FrontPage),
        Reason::HostUnknown => (421, "Not this site", "This gateway does not serve the site that was asked for.", FrontPage),
        Reason::MethodNotAllowed => (405, "Method not allowed", "This address does not answer to that method.", FrontPage),
        Reason::BodyTooLarge => (413, "Too large", "The body of the request is larger than what is read here.", FrontPage),
        Reason::BodyTypeRefused => {
            (415, "Bad request", "The body of the request is not of the type that is read here.", FrontPage)
        }
        Reason::BodyMalformed => {
            (400, "Bad request", "The body of the request cannot be read, or can be read in two ways.", FrontPage)
        }
        Reason::BodyTimeout => (408, "Too slow", "The body of the request did not come in time.", FrontPage),
        Reason::TooManyBodies => (503, "Not possible right now", "Please try again in a moment.", FrontPage),
        Reason::Undecided | Reason::AnsweredElsewhere | Reason::RequestEnded => {
            (503, "Not available", "This page is not set up completely.", FrontPage)
        }
        Reason::MetadataUnavailable | Reason::KeysUnavailable => (
            503,
            "Signing in is not possible right now",
            "Signing in does not work at the moment. Please try again; if it stays so, tell the people who run this site.",
            TryAgain,
        ),
        Reason::RefreshUnavailable => (
            503,
            "Not available right now",
            "The sign-in service could not be asked whether your session goes on. Please try again in a moment.",
            FrontPage,
        ),
        Reason::RoutePolicyUnknown => (503, "Not available", "This page is not set up completely.", FrontPage),
        // Browsers throw away what they loaded before it was asked for, if it was refused.
        Reason::Speculative => {
            (400, "Not opened yet", "Your browser loaded this page before you asked for it. Please open it again.", FrontPage)
        }
        Reason::SessionTorn => (
            400,
            "Your browser brings only a part of your session",
            "You have signed in, but not all cookies of your session came back. Something on the way limits cookies: the browser, an extension or a proxy. If trying again does not help, please tell the people who run this site.",
            TryAgain,
        ),
        Reason::SessionRefusedAgain => (
            400,
            "Your session is not accepted here",
            "You have signed in more than once, and the session is still not one that this page accepts. A part of this site is set up differently from another. If trying again does not help, please tell the people who run it.",
            TryAgain,
        ),
        Reason::AttemptMissing => (
            400,
            "This sign-in cannot be finished",
            "Your browser did not bring back the cookie of this sign-in. Was it begun in another browser, on another address of this site, or with cookies blocked? It is also lost when many sign-ins are open at once, or one for very long.",
            TryAgain,
        ),
        Reason::AttemptExpired => (
            400,
            "This sign-in took too long",
            "The page of the sign-in service was open for longer than this site waits. Nothing else went wrong.",
            TryAgain,
        ),
        Reason::AttemptReplayed => (
            400,
            "This sign-in was already finished",
            "It cannot be used twice, and you are not signed in. Please begin again.",
            TryAgain,
        ),
        Reason::StateMissing | Reason::StateMismatch => (
            400,
            "This sign-in cannot be finished",
            "The answer does not belong to a sign-in that this browser began. Did you come by a bookmark?",
            TryAgain,
        ),
        Reason::AuthorizationDenied => (
            403,
            "Sign-in was refused",
            "Either you declined, or the sign-in service does not allow this account here.",
            TryAgain,
        ),
        Reason::AuthorizationError => (400, "Sign-in did not work", "The sign-in service refused the request.", TryAgain),
        Reason::AuthorizationServerError => {
            (502, "Sign-in did not work", "The sign-in service has a problem of its own. Please try again in a moment.", TryAgain)
        }
        Reason::CodeMissing => (400, "Sign-in did not work", "The answer of the sign-in service is not complete.", TryAgain),
        Reason::IssuerMismatch => {
            (400, "Sign-in did not work", "The answer came from another sign-in service than the one that was asked.", TryAgain)
        }
        Reason::TokenEndpointUnreachable | Reason::UserinfoUnreachable => {
            (502, "Sign-in did not work", "The sign-in service could not be reached. Please try again in a moment.", TryAgain)
        }
        Reason::TokenEndpointTimeout | Reason::UserinfoTimeout => {
            (504, "Sign-in took too long", "The sign-in service did not answer in time. Please try again in a moment.", TryAgain)
        }
        Reason::ClientAuthenticationFailed => (
            502,
            "Sign-in is not set up correctly",
            "The sign-in service does not accept this site's credentials. Please tell the people who run it.",
            TryAgain,
        ),
        Reason::TokenRequestRefused => (
            502,
            "Sign-in is not set up correctly",
            "The sign-in service does not accept this site's requests. Please tell the people who run it.",
            TryAgain,
        ),
        Reason::CodeRefused => (
            400,
            "Sign-in did not work",
            "The sign-in service did not accept this sign-in any more. Please begin again.",
            TryAgain,
        ),
        Reason::ExchangeRefused => {
            (401, "Sign-in did not work", "The sign-in service does not accept this code. Begin again.", FrontPage)
        }
        Reason::ResponseModeMismatch => {
            (400, "Sign-in did not work", "The answer of the sign-in service came in another way than was asked for.", TryAgain)
        }
        Reason::TokenResponseMalformed | Reason::UserinfoMalformed => {
            (502, "Sign-in did not work", "The sign-in service gave an answer that we cannot read.", TryAgain)
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
        | Reason::UserinfoSubject => (
            502,
            "Sign-in did not work",
            "The sign-in service's answer did not pass our checks. Please tell the people who run this site.",
            TryAgain,
        ),
        Reason::CredentialsRefused => (401, "Not signed in", "Name and password do not fit together.", FrontPage),
        Reason::TooManyFailures => {
            (429, "Too many attempts", "Signing in failed too often. Please wait a moment before you try again.", FrontPage)
        }
        Reason::AccountsUnreachable | Reason::AccountsMalformed => (
            502,
            "Signing in does not work right now",
            "The list of accounts could not be asked. Please try again in a moment.",
            TryAgain,
        ),
        Reason::AccountsTimeout => (
            504,
            "Signing in took too long",
            "The list of accounts did not answer in time. Please try again in a moment.",
            TryAgain,
        ),
        Reason::EmailUnverified => (
            403,
            "Your e-mail address is not verified",
            "Accounts are found by e-mail address or telephone number here, and the sign-in service does not vouch for yours. Verify it there, then try again.",
            TryAgain,
        ),
        Reason::AccountMissing => {
            (403, "There is no account for you", "You have signed in, but there is no account of yours here.", TryAgain)
        }
        Reason::AccountNotCreated => (
            502,
            "Your account could not be created",
            "You have signed in, but an account for you could not be made. Please try again; if it stays so, tell the people who run this site.",
            TryAgain,
        ),
        Reason::SessionTooLarge => (
            502,
            "Sign-in did not work",
            "Your account brings more information than a session can hold. Please tell the people who run this site.",
            FrontPage,
        ),
        Reason::Internal => (500, "Something went wrong", "Please try again in a moment.", FrontPage),
    };
    Explanation { status, title, text, next }
}
