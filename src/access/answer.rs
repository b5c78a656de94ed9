//! The one place where a reason becomes an HTTP answer: its status, its words, a page for people and problem JSON (RFC 9457)
//! for programs. What it says never comes from a request, a token or a provider.

use serde_json::json;

use crate::access::opener::Message;
use crate::access::page::{Action, Page};
use crate::words::demand::Demand;
use crate::words::message::Response;
use crate::words::reason::Reason;
use crate::words::url::Origin;

/// What an answer must know beside its reason.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// Whether a page is wanted, rather than problem JSON.
    pub page: bool,
    /// The request's id, which the log has too.
    pub request_id: &'a str,
    /// The origin that was asked.
    pub origin: &'a str,
    /// The login endpoint; empty where nobody can sign in.
    pub login: &'a str,
    /// The login endpoint with the place to return to, for "sign in" and "try again".
    pub sign_in: String,
    /// The logout endpoint.
    pub logout: &'a str,
    /// The session cookie's name.
    pub cookie_name: &'a str,
    /// How to ask for access.
    pub help: &'a Help,
    /// Who is asking, when that is known.
    pub visitor: Option<Visitor>,
    /// The page that opened the window and is told, if there may be one.
    pub opener: Option<&'a Origin>,
    /// Whether a bearer token would do, and with which scopes.
    pub bearer: BearerChallenge,
    /// The authentication that is asked for.
    pub demand: &'a Demand,
}

/// What RFC 6750 has to say to a program without a good token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BearerChallenge {
    /// Nothing: bearer tokens are not accepted here.
    #[default]
    NotAccepted,
    /// They are accepted, and must have these scopes, separated by spaces.
    Accepted {
        /// Empty when none is asked for.
        scope: String,
        /// Whether nothing else would do.
        only: bool,
    },
    /// One came, so that signing in is no way in.
    Came {
        /// Likewise.
        scope: String,
    },
}

/// Somebody who is signed in and may not go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visitor {
    /// The name they know themselves by.
    pub name: String,
    /// The claims that the rule looks at, by name only.
    pub looked_at: Vec<String>,
    /// The provider that the rule asks for, if it names one.
    pub provider: Option<String>,
}

/// What a forbidden page says about asking for access.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Help {
    /// A sentence.
    pub text: Option<String>,
    /// An address, `https:` or `mailto:`.
    pub url: Option<String>,
}

/// How a reason is told.
struct Telling {
    status: u16,
    title: &'static str,
    text: &'static str,
    next: Next,
}

/// What a person can do then.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Nothing,
    SignIn,
    TryAgain,
    AnotherAccount,
    SignOut,
}

const fn telling(reason: Reason) -> Telling {
    use Next::{AnotherAccount, Nothing, SignIn, SignOut, TryAgain};
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
            Nothing,
        ),
        Reason::TokenMissing => (401, "A token is needed", "Send a bearer token in the Authorization header.", Nothing),
        Reason::TokenExpired => (401, "The token has expired", "Get a new token.", Nothing),
        Reason::TokenInvalid => (401, "The token is not accepted", "It is not a token for this service.", Nothing),
        Reason::TokenAmbiguous => {
            (400, "One token, please", "Send one bearer token, in the Authorization header and nowhere else.", Nothing)
        }
        Reason::IntrospectionUnavailable => {
            (503, "The token cannot be checked right now", "Please try again in a moment.", Nothing)
        }
        Reason::AudienceMissing => (401, "The token is not accepted", "It is not a token for this part of the service.", Nothing),
        Reason::AuthenticationInsufficient => {
            (401, "Please sign in again", "This page asks you to sign in again, or in a stronger way than you did.", SignIn)
        }
        Reason::StepUpFailed => (
            403,
            "Access denied",
            "This page asks for a stronger, or a newer, sign-in than the one that the sign-in service made.",
            AnotherAccount,
        ),
        Reason::ScopeMissing => (403, "Access denied", "The token does not have the scope that this asks for.", Nothing),
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
            SignOut,
        ),
        Reason::PathAmbiguous => {
            (400, "This address is not clear", "It can be read in more than one way, so it was not followed.", Nothing)
        }
        Reason::MethodMalformed => (400, "Bad request", "The request's method is not one that HTTP knows.", Nothing),
        Reason::HeaderAmbiguous => (400, "Bad request", "A header of the request would be read differently further on.", Nothing),
        Reason::HostMissing => (400, "Bad request", "The request does not say which site it is for.", Nothing),
        Reason::QueryMalformed => (
            400,
            "Bad request",
            "The address names one of its parameters twice, has too many, or one with a value that is not offered.",
            Nothing,
        ),
        Reason::ReturnToRefused => (400, "Bad request", "The page to return to after signing in is not on this site.", Nothing),
        Reason::ProviderUnknown => (400, "Bad request", "There is no provider of that name here.", Nothing),
        Reason::HostUnknown => (421, "Not this site", "This gateway does not serve the site that was asked for.", Nothing),
        Reason::MethodNotAllowed => (405, "Method not allowed", "This address does not answer to that method.", Nothing),
        Reason::BodyTooLarge => (413, "Too large", "The body of the request is larger than what is read here.", Nothing),
        Reason::BodyTypeRefused => (415, "Bad request", "The body of the request is not of the type that is read here.", Nothing),
        Reason::BodyMalformed => {
            (400, "Bad request", "The body of the request cannot be read, or can be read in two ways.", Nothing)
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
            Nothing,
        ),
        Reason::RoutePolicyUnknown => (503, "Not available", "This page is not set up completely.", Nothing),
        Reason::AttemptMissing => (
            400,
            "This sign-in cannot be finished",
            "Your browser did not bring back the cookie of this sign-in. Was it begun in another browser, on another address of this site, or with cookies blocked?",
            TryAgain,
        ),
        Reason::AttemptExpired => (400, "This sign-in took too long", "Please begin again.", TryAgain),
        Reason::AttemptReplayed => {
            (400, "This sign-in was already finished", "It cannot be used twice. Please begin again.", TryAgain)
        }
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
        Reason::CodeRefused => (
            400,
            "Sign-in did not work",
            "The sign-in service did not accept this sign-in any more. Please begin again.",
            TryAgain,
        ),
        Reason::ExchangeRefused => {
            (401, "Sign-in did not work", "The sign-in service does not accept this code. Begin again.", Nothing)
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
        | Reason::IdTokenAuthTime
        | Reason::UserinfoSubject => (
            502,
            "Sign-in did not work",
            "The sign-in service's answer did not pass our checks. Please tell the people who run this site.",
            TryAgain,
        ),
        Reason::SessionTooLarge => (
            502,
            "Sign-in did not work",
            "Your account brings more information than a session can hold. Please tell the people who run this site.",
            Nothing,
        ),
        Reason::Internal => (500, "Something went wrong", "Please try again in a moment.", Nothing),
    };
    Telling { status, title, text, next }
}

/// What programs are told of an authentication that will not do.
const INSUFFICIENT: &str = "another authentication is asked for";

/// The answer for a reason.
pub fn refuse(reason: Reason, context: &Context<'_>) -> Response {
    let mut telling = telling(reason);
    if context.login.is_empty() && telling.next != Next::SignOut {
        telling.next = Next::Nothing;
    }
    let mut response = if context.page { page(reason, &telling, context) } else { problem(reason, &telling, context) };
    let mut header = |name: &str, value: String| response.headers.push((name.to_owned(), value));
    header("cache-control", "private, no-store".to_owned());
    header("x-accredit-reason", reason.id().to_owned());
    if offers_sign_in(&telling, context) {
        let (origin, login, cookie) = (context.origin, context.login, context.cookie_name);
        header("www-authenticate", format!("Cookie realm=\"{origin}\", form-action=\"{login}\", cookie-name=\"{cookie}\""));
    }
    if let Some(challenge) = bearer_challenge(reason, context) {
        header("www-authenticate", challenge);
    }
    if telling.status == 503 {
        header("retry-after", "5".to_owned());
    }
    response
}

/// RFC 6750, section 3: without a token no error is named, and a scope only where one is missing.
fn bearer_challenge(reason: Reason, context: &Context<'_>) -> Option<String> {
    let realm = context.origin;
    if reason == Reason::ExchangeRefused {
        return Some(format!("Bearer realm=\"{realm}\""));
    }
    let (BearerChallenge::Accepted { scope, .. } | BearerChallenge::Came { scope }) = &context.bearer else { return None };
    match reason {
        Reason::TokenMissing | Reason::SessionMissing | Reason::SessionExpired | Reason::SessionInvalid => {
            Some(format!("Bearer realm=\"{realm}\""))
        }
        Reason::TokenExpired | Reason::TokenInvalid | Reason::AudienceMissing => {
            let description = if reason == Reason::TokenExpired { "the token has expired" } else { "the token is not accepted" };
            Some(format!("Bearer realm=\"{realm}\", error=\"invalid_token\", error_description=\"{description}\""))
        }
        Reason::TokenAmbiguous => Some(format!("Bearer realm=\"{realm}\", error=\"invalid_request\"")),
        Reason::ScopeMissing => Some(format!("Bearer realm=\"{realm}\", error=\"insufficient_scope\", scope=\"{scope}\"")),
        // RFC 9470, section 3.
        Reason::AuthenticationInsufficient => {
            let mut challenge = format!(
                "Bearer realm=\"{realm}\", error=\"insufficient_user_authentication\", error_description=\"{INSUFFICIENT}\""
            );
            for (name, value) in context.demand.parameters() {
                challenge.push_str(&format!(", {name}=\"{value}\""));
            }
            Some(challenge)
        }
        _ => None,
    }
}

fn offers_sign_in(telling: &Telling, context: &Context<'_>) -> bool {
    telling.status == 401 && telling.next == Next::SignIn && !matches!(context.bearer, BearerChallenge::Came { .. })
}

fn page(reason: Reason, telling: &Telling, context: &Context<'_>) -> Response {
    let mut paragraphs = vec![telling.text.to_owned()];
    let mut actions = Vec::new();
    match telling.next {
        // In a popup there is nowhere to go on.
        _ if context.opener.is_some() => {}
        Next::Nothing => {}
        Next::SignIn => actions.push(Action::Go { label: "Sign in", href: context.sign_in.clone() }),
        Next::TryAgain => actions.push(Action::Go { label: "Try again", href: context.sign_in.clone() }),
        Next::SignOut => actions.push(Action::Post { label: "Sign out", action: context.logout }),
        Next::AnotherAccount => {
            if let Some(visitor) = &context.visitor {
                paragraphs.insert(0, format!("You are signed in as {}.", visitor.name));
                if !visitor.looked_at.is_empty() {
                    paragraphs.push(format!("What counts here: {}.", visitor.looked_at.join(", ")));
                }
            }
            let default = "To ask for access, write to the people who run this site and give them the request number below.";
            paragraphs.push(context.help.text.clone().unwrap_or_else(|| default.to_owned()));
            if let Some(url) = &context.help.url {
                actions.push(Action::Go { label: "Ask for access", href: url.clone() });
            }
            let separator = if context.sign_in.contains('?') { '&' } else { '?' };
            let provider = context.visitor.as_ref().and_then(|visitor| visitor.provider.as_ref());
            let provider = provider.map(|name| format!("&provider={name}")).unwrap_or_default();
            let href = format!("{}{separator}prompt=login{provider}", context.sign_in);
            actions.push(Action::Go { label: "Use another account", href });
        }
    }
    let (title, request_id) = (telling.title, context.request_id);
    let message = context.opener.map(|origin| Message::new(origin, &json!({ "error": reason.id() })));
    Page { status: telling.status, title, paragraphs, actions, reason: reason.id(), request_id, message }.respond()
}

fn problem(reason: Reason, telling: &Telling, context: &Context<'_>) -> Response {
    let mut body = json!({
        "type": "about:blank",
        "title": telling.title,
        "status": telling.status,
        "detail": telling.text,
        "reason": reason.id(),
        "request_id": context.request_id,
    });
    if let Some(body) = body.as_object_mut() {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if reason == Reason::AuthenticationInsufficient {
            for (name, value) in context.demand.parameters() {
                query.append_pair(name, &value);
                body.insert(name.to_owned(), json!(value));
            }
        }
        if offers_sign_in(telling, context) {
            let query = query.finish();
            let separator = if query.is_empty() { "" } else { "?" };
            body.insert("sign_in".to_owned(), json!(format!("{}{separator}{query}", context.login)));
        }
    }
    let headers = vec![("content-type".to_owned(), "application/problem+json".to_owned())];
    Response { status: telling.status, headers, body: body.to_string() }
}

#[cfg(test)]
mod tests;
