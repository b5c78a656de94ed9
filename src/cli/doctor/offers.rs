//! What the discovery document offers beside endpoints, compared with what the configuration asks for. A document that says nothing
//! is wrong in nothing: many say less than their provider can.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cli::doctor::findings::{Id, Level, Report};
use crate::oidc::metadata::{EndpointName, Metadata};
use crate::oidc::provider::{Provider, ResponseMode};
use crate::words::principal::Claims;
use crate::words::quote::quote;

/// Compares what a document offers with what is configured. `at_provider` is whether signing out ends the provider's session, too.
pub(crate) fn of_document(
    provider: &Provider,
    metadata: &Metadata,
    members: &Claims,
    at_provider: bool,
    report: &mut Report<'_>,
) {
    if provider.signs_in() {
        pkce(members, report);
        response_mode(provider, members, report);
        scopes(provider, members, report);
        sign_out(metadata, at_provider, report);
    }
    if provider.signs_in() || provider.has_client() {
        client_authentication("token_endpoint_auth_methods_supported", provider, members, report);
    }
    if provider.introspects() {
        client_authentication("introspection_endpoint_auth_methods_supported", provider, members, report);
    }
}

/// The texts of a list; `None` if there is no list.
fn listed<'a>(members: &'a Claims, name: &str) -> Option<Vec<&'a str>> {
    Some(members.get(name)?.as_array()?.iter().filter_map(Value::as_str).collect())
}

/// RFC 8414, section 2: without the list, "the authorization server does not support PKCE". Many support it and do not say so.
fn pkce(members: &Claims, report: &mut Report<'_>) {
    match listed(members, "code_challenge_methods_supported") {
        Some(methods) if methods.contains(&"S256") => {
            report.tell(Id::Pkce, Level::Well, "the provider binds codes to the browser that asked for them (PKCE, S256)");
        }
        Some(methods) => report.tell(
            Id::Pkce,
            Level::Warning,
            format!(
                "the filter always sends a code_challenge by S256, and the provider offers {} alone; allow S256 for this client",
                shown(&methods)
            ),
        ),
        None => report.tell(
            Id::Pkce,
            Level::Note,
            "the provider does not say whether it supports PKCE; the filter sends a code_challenge by S256 all the same, and verifies the nonce",
        ),
    }
}

/// OpenID Connect Discovery, section 3: without the list, `client_secret_basic` is meant.
fn client_authentication(name: &str, provider: &Provider, members: &Claims, report: &mut Report<'_>) {
    let method = provider.authentication.method();
    let Some(offered) = listed(members, name) else {
        if method != "client_secret_basic" && name.starts_with("token") {
            let sentence = format!("{name} is not in the document, which means client_secret_basic; {method} is configured");
            report.tell(Id::ClientAuthentication, Level::Note, sentence);
        }
        return;
    };
    if offered.contains(&method) {
        return report.tell(Id::ClientAuthentication, Level::Well, format!("the provider offers {method}, as it is configured"));
    }
    let ours: Vec<_> =
        ["client_secret_basic", "client_secret_post", "none"].into_iter().filter(|method| offered.contains(method)).collect();
    let remedy = match ours.first() {
        Some(other) => format!("write token_endpoint_auth_method: {other}"),
        None => "allow one that the filter has, such as client_secret_basic".to_owned(),
    };
    let sentence = format!("{method} is configured, and {name} has {} alone; {remedy}", shown(&offered));
    report.tell(Id::ClientAuthentication, Level::Warning, sentence);
}

/// OpenID Connect Discovery, section 3: without the list, `query` and `fragment` are meant.
fn response_mode(provider: &Provider, members: &Claims, report: &mut Report<'_>) {
    let mode = match provider.response_mode {
        ResponseMode::Query => "query",
        ResponseMode::FormPost => "form_post",
    };
    match listed(members, "response_modes_supported") {
        Some(modes) if !modes.contains(&mode) => {
            let sentence = format!("response_mode {mode} is configured, and the provider offers {} alone", shown(&modes));
            report.tell(Id::ResponseMode, Level::Warning, format!("{sentence}; write one of query and form_post that it offers"));
        }
        None if provider.response_mode == ResponseMode::FormPost => {
            report.tell(
                Id::ResponseMode,
                Level::Note,
                "form_post is configured, and the provider does not say that it offers it",
            );
        }
        Some(_) | None => report.tell(Id::ResponseMode, Level::Well, format!("the provider sends its response by {mode}")),
    }
}

/// OpenID Connect Discovery, section 3: a provider need not list every scope that it knows.
fn scopes(provider: &Provider, members: &Claims, report: &mut Report<'_>) {
    let Some(known) = listed(members, "scopes_supported") else { return };
    let unlisted: Vec<_> = provider.scope.split(' ').filter(|scope| !scope.is_empty() && !known.contains(scope)).collect();
    if unlisted.is_empty() {
        return report.tell(Id::Scopes, Level::Well, format!("the provider knows every scope of {}", quote(&provider.scope)));
    }
    let sentence = format!("scopes_supported does not list {}, which scope asks for; some providers refuse it", shown(&unlisted));
    report.tell(Id::Scopes, Level::Note, sentence);
}

/// Names the scopes that rules seem to need and that are not asked for: the provider has one of the name of a claim that they look
/// at. `looked_at` are these claims.
pub(crate) fn scopes_not_asked_for(provider: &Provider, members: &Claims, looked_at: &BTreeSet<String>, report: &mut Report<'_>) {
    let known = listed(members, "scopes_supported").unwrap_or_default();
    let asked: Vec<_> = provider.scope.split(' ').collect();
    for claim in looked_at.iter().map(String::as_str).filter(|claim| known.contains(claim) && !asked.contains(claim)) {
        let sentence = format!(
            "rules look at the claim {claim}, and the provider has a scope of this name, which is not asked for; add {claim} to scope",
            claim = quote(claim)
        );
        report.tell(Id::Scopes, Level::Warning, sentence);
    }
}

fn sign_out(metadata: &Metadata, at_provider: bool, report: &mut Report<'_>) {
    let has_endpoint = metadata.usable(EndpointName::EndSession).is_some();
    match (at_provider, has_endpoint) {
        (true, true) => report.tell(Id::SignOut, Level::Well, "signing out ends the provider's session, too"),
        (true, false) => {
            let why = metadata.needed(EndpointName::EndSession).err().unwrap_or_default();
            let sentence = format!("signing out cannot end the provider's session, as logout.provider asks: {why}");
            report.tell(Id::SignOut, Level::Warning, sentence);
        }
        (false, true) => report.tell(
            Id::SignOut,
            Level::Note,
            "signing out ends the session here alone; logout: {provider: true} would end the provider's, too",
        ),
        (false, false) => {}
    }
}

fn shown(texts: &[&str]) -> String {
    quote(&texts.join(", "))
}
