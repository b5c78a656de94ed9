//! The response to a refused request: a page for people or problem JSON (RFC 9457) for programs, with the challenges that belong
//! to it. Its words never come from a request, a token or a provider, except the name of the person who asks.

use serde_json::json;

use crate::answer::explanation::{Explanation, Next, explanation};
use crate::answer::language::Language;
use crate::answer::opener::OpenerMessage;
use crate::answer::page::{Action, Page};
use crate::answer::site::Site;
use crate::answer::texts::Text;
use crate::http::message::Response;
use crate::http::url::Origin;
use crate::words::demand::Demand;
use crate::words::reason::Reason;

/// What the response depends on beside the reason.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// Whether the client wants a page. If not, it gets problem JSON.
    pub page: bool,
    /// The request's identifier, which the log contains, too.
    pub request_id: &'a str,
    /// The origin of the request.
    pub origin: &'a str,
    /// The path of the login endpoint; empty if nobody can sign in.
    pub login: &'a str,
    /// The URL of the login endpoint with the place to return to, for "Sign in" and "Try again".
    pub sign_in: String,
    /// The path of the logout endpoint.
    pub logout: &'a str,
    /// The address of the front page: `/` on an origin that is served, else a URL; `None` if it is not known which site is meant.
    pub front_page: Option<String>,
    /// The name of the session cookie.
    pub cookie_name: &'a str,
    /// The site that the page stands in front of.
    pub site: &'a Site,
    /// The language of the page.
    pub language: &'a Language,
    /// Whether the request may have brought something that a person typed.
    pub posted: bool,
    /// What came, or did not, where that is the reason.
    pub came: Option<Came>,
    /// The person who asks, if that is known.
    pub visitor: Option<Visitor>,
    /// The origin of the page that gets a message, if the response may be in a popup.
    pub opener: Option<&'a Origin>,
    /// What to tell about bearer tokens.
    pub bearer: BearerChallenge,
    /// The address of the metadata of the protected resource that the request was for, if it was for one.
    pub resource_metadata: Option<&'a str>,
    /// The authentication that is required.
    pub demand: &'a Demand,
    /// What a page says to operators, where it may.
    pub diagnosis: Option<String>,
}

/// What a response says about bearer tokens (RFC 6750, section 3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BearerChallenge {
    /// Nothing, because none are accepted.
    #[default]
    NotAccepted,
    /// They are accepted.
    Accepted {
        /// The required scopes, separated by spaces; empty if there are none.
        scope: String,
        /// Whether nothing else is accepted.
        only: bool,
    },
    /// They are accepted, and one was sent: signing in would not help.
    TokenSent {
        /// The required scopes, separated by spaces; empty if there are none.
        scope: String,
    },
}

/// What came of the cookies that were needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// The session's cookies without these, which are named with commas between.
    WithoutCookies(String),
    /// Cookies of a session that do not belong together.
    MixedCookies,
    /// A request by http, to an origin that is https.
    ByHttp,
}

/// A person who is signed in and is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visitor {
    /// The name to show to the person.
    pub name: String,
    /// The names of the claims that the rule depends on.
    pub claim_names: Vec<String>,
    /// The provider that the rule requires, if it names one.
    pub provider: Option<String>,
}

/// What programs are told if a stronger or newer authentication is required.
const INSUFFICIENT: &str = "another authentication is asked for";

/// The response for a reason.
pub fn refuse(reason: Reason, context: &Context<'_>) -> Response {
    let mut explanation = explanation(reason);
    if context.login.is_empty() && matches!(explanation.next, Next::SignIn | Next::TryAgain) {
        explanation.next = Next::FrontPage;
    }
    let mut response = if context.page { page(reason, &explanation, context) } else { problem(reason, &explanation, context) };
    let mut header = |name: &str, value: String| response.headers.push((name.to_owned(), value));
    header("cache-control", "private, no-store".to_owned());
    header("x-accredit-reason", reason.id().to_owned());
    if offers_sign_in(&explanation, context) {
        let (origin, login, cookie) = (context.origin, context.login, context.cookie_name);
        header("www-authenticate", format!("Cookie realm=\"{origin}\", form-action=\"{login}\", cookie-name=\"{cookie}\""));
    }
    let challenge = match context.resource_metadata {
        Some(metadata) => resource_challenge(reason, metadata, context),
        None => bearer_challenge(reason, context),
    };
    if let Some(challenge) = challenge {
        header("www-authenticate", challenge);
    }
    // After too many failures, who refuses says how long to wait.
    if explanation.status == 503 || reason == Reason::TooManyEnds {
        header("retry-after", "5".to_owned());
    }
    response
}

/// The challenge for bearer tokens (RFC 6750, section 3): without a token it names no error, and it names scopes only if one is
/// missing.
fn bearer_challenge(reason: Reason, context: &Context<'_>) -> Option<String> {
    let realm = context.origin;
    // Every 401 needs a challenge (RFC 9110, section 15.5.2).
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

/// The challenge of a protected resource (RFC 9728, section 5.1): where its metadata are, and which scopes to ask for (RFC 6750,
/// section 3). Some clients read one form of it only: one line, all values quoted, no blanks around `=`.
fn resource_challenge(reason: Reason, metadata: &str, context: &Context<'_>) -> Option<String> {
    let scope = match &context.bearer {
        BearerChallenge::Accepted { scope, .. } | BearerChallenge::TokenSent { scope } => scope.as_str(),
        BearerChallenge::NotAccepted => "",
    };
    let error = match reason {
        Reason::TokenMissing => None,
        Reason::TokenExpired => Some(("invalid_token", "the token has expired")),
        Reason::TokenInvalid | Reason::AudienceMissing => Some(("invalid_token", "the token is not accepted")),
        Reason::TokenAmbiguous => Some(("invalid_request", "the token must come once, in Authorization")),
        Reason::ScopeMissing => Some(("insufficient_scope", "the token lacks a scope")),
        // RFC 9470, section 3.
        Reason::AuthenticationInsufficient => Some(("insufficient_user_authentication", INSUFFICIENT)),
        _ => return None,
    };
    let error = error.into_iter().flat_map(|(error, description)| [("error", error), ("error_description", description)]);
    let scope = Some(("scope", scope)).filter(|(_, scope)| !scope.is_empty());
    let all = error.chain([("resource_metadata", metadata)]).chain(scope).map(|(name, value)| (name, value.to_owned()));
    let demand = (reason == Reason::AuthenticationInsufficient).then(|| context.demand.parameters());
    let all = all.chain(demand.into_iter().flatten()).map(|(name, value)| format!("{name}=\"{value}\""));
    Some(format!("Bearer {}", all.collect::<Vec<_>>().join(", ")))
}

fn offers_sign_in(explanation: &Explanation, context: &Context<'_>) -> bool {
    explanation.status == 401
        && explanation.next == Next::SignIn
        && context.resource_metadata.is_none()
        && !matches!(context.bearer, BearerChallenge::TokenSent { .. })
}

fn page(reason: Reason, explanation: &Explanation, context: &Context<'_>) -> Response {
    let language = context.language;
    let says = |text| language.says(text).to_owned();
    let mut paragraphs = vec![says(explanation.text)];
    paragraphs.extend(context.came.as_ref().map(|came| match came {
        Came::WithoutCookies(names) => language.says_with(Text::MissingCookies, names),
        Came::MixedCookies => says(Text::MixedCookies),
        Came::ByHttp => says(Text::CameByHttp),
    }));
    if context.posted && explanation.next == Next::SignIn {
        paragraphs.push(says(Text::NotTaken));
    }
    let mut actions = Vec::new();
    match explanation.next {
        // A popup has no further actions.
        _ if context.opener.is_some() => {}
        Next::FrontPage => actions.extend(front_page(context)),
        Next::SignIn => actions.push(context.go(Text::SignIn, context.sign_in.clone())),
        Next::TryAgain => actions.push(context.go(Text::TryAgain, context.sign_in.clone())),
        Next::SignOut => {
            actions.push(sign_out(context));
            actions.extend(front_page(context));
        }
        Next::AnotherAccount => {
            if let Some(visitor) = &context.visitor {
                paragraphs.insert(0, language.says_with(Text::SignedInAs, &visitor.name));
                if !visitor.claim_names.is_empty() {
                    paragraphs.push(language.says_with(Text::WhatCounts, &visitor.claim_names.join(", ")));
                }
            }
            paragraphs.push(context.site.help.text.clone().unwrap_or_else(|| says(Text::HowToAsk)));
            if let Some(url) = &context.site.help.url {
                actions.push(context.go(Text::AskForAccess, url.clone()));
            }
            actions.extend(another_account(context));
            // A bearer token cannot be signed out, and its owner is a program.
            if context.visitor.is_some() && !matches!(context.bearer, BearerChallenge::TokenSent { .. }) {
                actions.push(sign_out(context));
            }
        }
    }
    let message = context.opener.map(|origin| OpenerMessage::new(origin, &["{\"error\":\"", reason.id(), "\"}"].concat()));
    let page = Page {
        status: explanation.status,
        title: language.says(explanation.heading),
        paragraphs,
        actions,
        diagnosis: context.diagnosis.as_deref(),
        reason: reason.id(),
        request_id: context.request_id,
        at_home: context.front_page.as_deref() == Some("/"),
        message,
    };
    page.respond(context.site, language)
}

impl<'a> Context<'a> {
    fn go(&self, label: Text, href: String) -> Action<'a> {
        Action::Go { label: self.language.says(label), href }
    }
}

fn front_page<'a>(context: &Context<'a>) -> Option<Action<'a>> {
    context.front_page.clone().map(|href| context.go(Text::FrontPage, href))
}

fn sign_out<'a>(context: &Context<'a>) -> Action<'a> {
    Action::Post { label: context.language.says(Text::SignOut), action: context.logout }
}

/// A sign-in at which the provider asks for the account again; `None` if nobody can sign in.
fn another_account<'a>(context: &Context<'a>) -> Option<Action<'a>> {
    if context.login.is_empty() {
        return None;
    }
    let separator = if context.sign_in.contains('?') { '&' } else { '?' };
    let provider = context.visitor.as_ref().and_then(|visitor| visitor.provider.as_ref());
    let provider = provider.map(|name| format!("&provider={name}")).unwrap_or_default();
    let href = format!("{}{separator}prompt=login{provider}", context.sign_in);
    Some(context.go(Text::AnotherAccount, href))
}

/// Problem JSON is for programs, and in English whatever the request asks for.
fn problem(reason: Reason, explanation: &Explanation, context: &Context<'_>) -> Response {
    let mut body = json!({
        "type": "about:blank",
        "title": explanation.heading.english(),
        "status": explanation.status,
        "detail": explanation.text.english(),
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
