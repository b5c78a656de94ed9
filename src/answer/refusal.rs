//! The one place where a reason becomes an HTTP answer: its status, its words, a page for people and problem JSON (RFC 9457)
//! for programs. What it says never comes from a request, a token or a provider.

use serde_json::json;

use crate::answer::explanation::{Explanation, Next, explanation};
use crate::answer::opener::OpenerMessage;
use crate::answer::page::{Action, Page};
use crate::http::message::Response;
use crate::http::url::Origin;
use crate::words::demand::Demand;
use crate::words::reason::Reason;

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
    TokenSent {
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
    pub claim_names: Vec<String>,
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

/// What programs are told of an authentication that will not do.
const INSUFFICIENT: &str = "another authentication is asked for";

/// The answer for a reason.
pub fn refuse(reason: Reason, context: &Context<'_>) -> Response {
    let mut explanation = explanation(reason);
    if context.login.is_empty() && explanation.next != Next::SignOut {
        explanation.next = Next::Nothing;
    }
    let mut response = if context.page { page(reason, &explanation, context) } else { problem(reason, &explanation, context) };
    let mut header = |name: &str, value: String| response.headers.push((name.to_owned(), value));
    header("cache-control", "private, no-store".to_owned());
    header("x-accredit-reason", reason.id().to_owned());
    if offers_sign_in(&explanation, context) {
        let (origin, login, cookie) = (context.origin, context.login, context.cookie_name);
        header("www-authenticate", format!("Cookie realm=\"{origin}\", form-action=\"{login}\", cookie-name=\"{cookie}\""));
    }
    if let Some(challenge) = bearer_challenge(reason, context) {
        header("www-authenticate", challenge);
    }
    if explanation.status == 503 {
        header("retry-after", "5".to_owned());
    }
    response
}

/// RFC 6750, section 3: without a token no error is named, and a scope only where one is missing.
fn bearer_challenge(reason: Reason, context: &Context<'_>) -> Option<String> {
    let realm = context.origin;
    // No 401 is without a challenge (RFC 9110, section 15.5.2).
    if matches!(reason, Reason::ExchangeRefused | Reason::CredentialsRefused) {
        return Some(format!("Bearer realm=\"{realm}\""));
    }
    let (BearerChallenge::Accepted { scope, .. } | BearerChallenge::TokenSent { scope }) = &context.bearer else { return None };
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

fn offers_sign_in(explanation: &Explanation, context: &Context<'_>) -> bool {
    explanation.status == 401 && explanation.next == Next::SignIn && !matches!(context.bearer, BearerChallenge::TokenSent { .. })
}

fn page(reason: Reason, explanation: &Explanation, context: &Context<'_>) -> Response {
    let mut paragraphs = vec![explanation.text.to_owned()];
    let mut actions = Vec::new();
    match explanation.next {
        // In a popup there is nowhere to go on.
        _ if context.opener.is_some() => {}
        Next::Nothing => {}
        Next::SignIn => actions.push(Action::Go { label: "Sign in", href: context.sign_in.clone() }),
        Next::TryAgain => actions.push(Action::Go { label: "Try again", href: context.sign_in.clone() }),
        Next::SignOut => actions.push(Action::Post { label: "Sign out", action: context.logout }),
        Next::AnotherAccount => {
            if let Some(visitor) = &context.visitor {
                paragraphs.insert(0, format!("You are signed in as {}.", visitor.name));
                if !visitor.claim_names.is_empty() {
                    paragraphs.push(format!("What counts here: {}.", visitor.claim_names.join(", ")));
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
    let (title, request_id) = (explanation.title, context.request_id);
    let message = context.opener.map(|origin| OpenerMessage::new(origin, &["{\"error\":\"", reason.id(), "\"}"].concat()));
    Page { status: explanation.status, title, paragraphs, actions, reason: reason.id(), request_id, message }.respond()
}

fn problem(reason: Reason, explanation: &Explanation, context: &Context<'_>) -> Response {
    let mut body = json!({
        "type": "about:blank",
        "title": explanation.title,
        "status": explanation.status,
        "detail": explanation.text,
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
        if offers_sign_in(explanation, context) {
            let query = query.finish();
            let separator = if query.is_empty() { "" } else { "?" };
            body.insert("sign_in".to_owned(), json!(format!("{}{separator}{query}", context.login)));
        }
    }
    let headers = vec![("content-type".to_owned(), "application/problem+json".to_owned())];
    Response { status: explanation.status, headers, body: body.to_string() }
}

#[cfg(test)]
mod tests;
