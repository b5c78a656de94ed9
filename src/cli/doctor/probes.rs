//! Two harmless attempts: an authorization request without a browser, and a token request with a code that nobody issued. A
//! provider answers both as it likes, so that only what its answers allow is concluded. No request is sent from here.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::cli::doctor::client::Client;
use crate::cli::doctor::documents::members;
use crate::cli::doctor::findings::{Id, Level, Report};
use crate::http::cause::error_words;
use crate::http::message::{HttpCall, Reply, UNCOMPRESSED};
use crate::http::url::Url;
use crate::oidc::authorization::{AuthorizationRequest, authorization_request, code_challenge};
use crate::oidc::metadata::{EndpointName, Metadata};
use crate::oidc::provider::{Provider, ResponseMode};
use crate::oidc::token::{token_request, token_response};
use crate::words::demand::Demand;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::world::World;

/// Words by which pages say that the redirect URI or the client is not known, in an answer that is otherwise like any other. The
/// last one is Microsoft's.
const REFUSING: [&str; 5] =
    ["invalid_redirect_uri", "redirect_uri_mismatch", "invalid_client", "unauthorized_client", "AADSTS50011"];

/// Whether the authorization endpoint may be asked from this machine. The filter sends browsers there, to any host that the
/// provider's document names; this machine may reach what browsers do not, and calls only what its operator has listed.
///
/// # Errors
/// A sentence that says why not, and what to do.
pub(crate) fn may_be_asked(provider: &Provider, metadata: &Metadata, client: &Client) -> Result<(), String> {
    // Whether there is a usable one is for the request to say.
    let Some(url) = metadata.usable(EndpointName::Authorization) else { return Ok(()) };
    let not_asked = format!("the redirect URI was not tried: the authorization endpoint is at {}", url.authority());
    if url.is_loopback() && !Url::parse(provider.issuer()).is_ok_and(|issuer| issuer.is_loopback()) {
        return Err(format!("{not_asked}, which is this machine, and the issuer is elsewhere"));
    }
    if provider.clusters.reaching(url).is_none() && !client.resolves(url) {
        let (host, name) = (url.host_and_port(), &provider.name);
        return Err(format!("{not_asked}, which is not in clusters of provider {name}; --resolve {host}:ADDRESS asks it there"));
    }
    Ok(())
}

/// The authorization request that a browser would be sent to. Nobody can sign in by it: what it would need afterwards is not kept.
///
/// # Errors
/// If the provider has no usable authorization endpoint, or there is no randomness.
pub(crate) fn authorization_call(
    world: &mut dyn World,
    provider: &Provider,
    metadata: &Metadata,
    redirect_uri: &str,
) -> Result<HttpCall, Failure> {
    let [state, nonce, verifier] = [made_up(world)?, made_up(world)?, made_up(world)?];
    let by_form = provider.response_mode == ResponseMode::FormPost;
    let request = AuthorizationRequest {
        state: state.expose(),
        nonce: nonce.expose(),
        code_challenge: &code_challenge(verifier.expose()),
        redirect_uri,
        response_mode: by_form.then_some("form_post"),
        prompt: None,
        demand: &Demand::default(),
    };
    let unusable = |what: &str| Failure::new(Reason::MetadataUnavailable, what);
    let url = Url::parse(&authorization_request(provider, metadata, &request)?).map_err(unusable)?;
    let (coding, identity) = UNCOMPRESSED;
    let headers = [("accept", "text/html"), (coding, identity)];
    Ok(HttpCall {
        cluster: String::new(),
        method: "GET",
        scheme: url.scheme().to_owned(),
        authority: url.authority(),
        path: url.target().to_owned(),
        headers: headers.map(|(name, value)| (Cow::Borrowed(name), value.to_owned())).to_vec(),
        body: Vec::new().into(),
        timeout: provider.timeout,
    })
}

/// What a provider did with an authorization request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    /// It sent the browser back to the redirect URI, with an error or with what it had to say.
    Back(Option<String>),
    /// It looks like a refusal; with the words that say so.
    Refused(String),
    /// A page, or a redirect to one: a browser would go on.
    GoesOn,
    /// The provider is in trouble.
    Broken(u16),
}

fn answer(redirect_uri: &str, reply: &Reply) -> Answer {
    let Reply::Answered { status, headers, body } = reply else { return Answer::Broken(503) };
    let target = headers.single("location").filter(|_| (300..400).contains(status));
    match (*status, target) {
        (500.., _) => Answer::Broken(*status),
        (400..=499, _) => Answer::Refused(format!("status {status}{}", words(reply))),
        (_, Some(target)) if is_back(redirect_uri, target) => Answer::Back(error_in(target)),
        // Some providers redirect to a page of theirs that shows the error.
        (_, Some(target)) if target.to_ascii_lowercase().contains("error") => {
            Answer::Refused(format!("status {status}, to {}", quote(target.split('?').next().unwrap_or_default())))
        }
        (_, Some(_)) => Answer::GoesOn,
        (_, None) => match refusing_word(body) {
            Some(word) => Answer::Refused(format!("status {status}, with the word {word} in the page")),
            None => Answer::GoesOn,
        },
    }
}

/// Whether a redirect leads to the redirect URI: what follows it can only be a query or a fragment.
fn is_back(redirect_uri: &str, target: &str) -> bool {
    target.strip_prefix(redirect_uri).is_some_and(|rest| rest.is_empty() || rest.starts_with(['?', '#', '&']))
}

fn error_in(target: &str) -> Option<String> {
    let (_, parameters) = target.split_once(['?', '#'])?;
    let parameters: BTreeMap<_, _> = form_urlencoded::parse(parameters.as_bytes()).collect();
    Some(error_words(parameters.get("error")?, parameters.get("error_description").map(AsRef::as_ref)))
}

/// The error that a refusal names.
fn words(reply: &Reply) -> String {
    let members = members(reply);
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let Reply::Answered { body, .. } = reply else { return String::new() };
    match (text("error"), refusing_word(body)) {
        (Some(error), _) => format!(", {}", error_words(error, text("error_description"))),
        (None, Some(word)) => format!(", with the word {word} in the page"),
        (None, None) => String::new(),
    }
}

fn refusing_word(body: &[u8]) -> Option<&'static str> {
    let page = String::from_utf8_lossy(body);
    REFUSING.into_iter().find(|word| page.contains(word))
}

/// Judges what the provider did with a redirect URI, compared with what it did with one that nobody registered.
pub(crate) fn redirect_uri(provider: &Provider, uri: &str, ours: &Reply, made_up: (&str, &Reply), report: &mut Report<'_>) {
    let (ours, other) = (answer(uri, ours), answer(made_up.0, made_up.1));
    if matches!(other, Answer::Back(_)) {
        let sentence = "the provider sent its answer to an address that nobody registered; register exact redirect URIs, without wildcards, or codes can be stolen";
        report.tell(Id::RedirectUri, Level::Warning, sentence);
    }
    let client = quote(&provider.client_id);
    match (ours, other) {
        (Answer::Back(error), _) => {
            report.tell(Id::RedirectUri, Level::Well, format!("{uri} is registered: the provider sent its answer there"));
            if let Some(error) = error {
                let sentence =
                    format!("the provider answered the authorization request with {error}; look at client {client} there");
                report.tell(Id::Authorization, Level::Warning, sentence);
            }
        }
        (Answer::Refused(how), _) => {
            let sentence =
                format!("{uri} looks refused ({how}); register exactly this redirect URI at the provider, for client {client}");
            report.tell(Id::RedirectUri, Level::Error, sentence);
        }
        (Answer::GoesOn, Answer::Refused(_)) => {
            report.tell(Id::RedirectUri, Level::Well, format!("{uri} was not refused, and a made-up address was"));
        }
        (Answer::GoesOn, _) => report.tell(
            Id::RedirectUri,
            Level::Note,
            format!(
                "{uri} was not refused, but a made-up address was not, either: only a browser will show whether it is registered"
            ),
        ),
        (Answer::Broken(status), _) => report.tell(
            Id::RedirectUri,
            Level::Warning,
            format!("the provider answered the authorization request for {uri} with status {status}; look at its log"),
        ),
    }
}

/// A token request with a code that nobody issued.
///
/// # Errors
/// If the provider has no usable token endpoint, or there is no randomness.
pub(crate) fn token_call(
    world: &mut dyn World,
    provider: &Provider,
    metadata: &Metadata,
    redirect_uri: &str,
) -> Result<HttpCall, Failure> {
    let [code, verifier] = [made_up(world)?, made_up(world)?];
    token_request(world, provider, metadata, &code, &verifier, redirect_uri)
}

/// Judges whether the provider accepted the client, which it does before it looks at the code (RFC 6749, section 5.2).
pub(crate) fn client(provider: &Provider, metadata: &Metadata, reply: &Reply, report: &mut Report<'_>) {
    let failure = match token_response(provider, metadata, reply) {
        Err(failure) => failure,
        Ok(_) => {
            let sentence = "the provider gave tokens for a code that nobody issued; do not use it";
            return report.tell(Id::Client, Level::Error, sentence);
        }
    };
    let is_grant = members(reply).get("error").and_then(Value::as_str) == Some("invalid_grant");
    match failure.reason {
        Reason::ClientAuthenticationFailed => {
            report.tell(Id::Client, Level::Error, format!("the provider refuses the client: {}", failure.detail));
        }
        Reason::CodeRefused if is_grant => {
            let what = if provider.authentication.method() == "none" { "client_id was" } else { "client_id and secret were" };
            report.tell(Id::Client, Level::Well, format!("{what} not refused: the provider refused the made-up code alone"));
        }
        _ => report.tell(
            Id::Client,
            Level::Warning,
            format!("whether the provider accepts the client is not known: {}", failure.detail),
        ),
    }
}

/// A text that nobody can guess, and that is used for nothing.
pub(crate) fn made_up(world: &mut dyn World) -> Result<Secret, Failure> {
    let mut bytes = [0; 32];
    world.random(&mut bytes).map_err(|_| Failure::new(Reason::Internal, "this machine gives no randomness"))?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}
