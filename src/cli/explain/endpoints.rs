//! What each endpoint of ours does, and what a request must bring for it, by the configuration. Whether a request brings it, the
//! endpoint itself says by its answer.

use crate::access::resources::WellKnown;
use crate::config::settings::{ProviderSettings, Settings};
use crate::gateway::way::RESOURCES;
use crate::http::url::Origin;
use crate::oidc::provider::ResponseMode;

/// What an endpoint does, and what it needs, each as a part of a sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) does: String,
    pub(crate) needs: Vec<String>,
}

const READS: &str = "GET or HEAD";
const POSTS: &str = "POST";
const NO_PREFETCH: &str = "no prefetch (Sec-Purpose)";
const EVIDENCE: &str = "Sec-Fetch-Site: same-origin, or an Origin that is this one or a trusted one";
const NOT_UNSEEN: &str = "no script and no frame of a site that is neither this one nor trusted";
const BEGUN_HERE: &str = "the cookie of the sign-in, which this browser got when it began (--session with a file)";

/// The endpoint of this name in the configuration, at this origin and path.
pub(crate) fn endpoint(settings: &Settings, name: &str, (origin, path): (&Origin, &str)) -> Endpoint {
    let made = |does: String, needs: &[&str]| Endpoint { does, needs: needs.iter().map(|need| (*need).to_owned()).collect() };
    match name {
        RESOURCES => metadata(settings, origin, path),
        "login" => {
            let posts = signing_in(settings).any(|provider| provider.oidc.response_mode == ResponseMode::FormPost);
            let does = format!("begins a sign-in at {}: a script gets the address, all others are redirected", whose(settings));
            let needs = if posts { &[READS, NO_PREFETCH, NOT_UNSEEN][..] } else { &[READS, NO_PREFETCH] };
            made(does, needs)
        }
        "callback" => callback(settings, path),
        "logout" => {
            let too = if settings.sign_out.at_provider { ", and then the one at the provider, if it can be ended" } else { "" };
            let evidence = format!("POST with {EVIDENCE}; or a navigation by GET with one of these");
            made(format!("ends every session that comes with the request{too}"), &[&evidence])
        }
        "session" => {
            made("says who is signed in, and until when; 401 if nobody is".to_owned(), &[READS, "the cookie of a session"])
        }
        "authorize" => {
            let does =
                format!("begins a sign-in at {} for a page that keeps its own token, and gets the code itself", whose(settings));
            made(does, &[READS, NO_PREFETCH, NOT_UNSEEN])
        }
        "token" => made(
            "gives that page the access token for its code, and begins no session".to_owned(),
            &[
                POSTS,
                EVIDENCE,
                "a body {\"code\": …} as application/json",
                BEGUN_HERE,
                "an answer of the provider's token endpoint",
            ],
        ),
        "popup" => {
            let member = settings.popup.as_ref().map(|popup| popup.url_member.as_str()).unwrap_or_default();
            let does = format!("begins a sign-in at {} in a popup, whose address is in the answer as {member}", whose(settings));
            made(does, &[READS, NO_PREFETCH, NOT_UNSEEN])
        }
        "password" => password(settings),
        "jwks" => made("publishes the public keys that verify what is signed here".to_owned(), &[READS]),
        "backchannel_logout" => made(
            "ends the sessions that a provider's logout token names; no cookie is looked at".to_owned(),
            &[
                POSTS,
                "logout_token in a form: a token that the provider has signed",
                "the store's acknowledgement, if replicas share one",
            ],
        ),
        "security_events" => security_events(settings),
        "frontchannel_logout" => frontchannel_logout(settings, path),
        "operator_logout" => made(
            "ends the sessions that an operator names".to_owned(),
            &[
                POSTS,
                "by a session's cookie: Sec-Fetch-Site: same-origin, or an Origin that is this one or a trusted one",
                match &settings.accounts {
                    Some(_) => {
                        "a body {\"provider\": …, \"sub\": …}, {\"provider\": …, \"subject\": …}, {\"session\": …} or {\"everybody\": true} as application/json"
                    }
                    None => "a body {\"provider\": …, \"sub\": …}, {\"session\": …} or {\"everybody\": true} as application/json",
                },
                match &settings.may_end_everybody {
                    Some(_) => "for everybody, what operator_logout.everybody asks for",
                    None => "for everybody, operator_logout.everybody, which is not set: nobody may",
                },
                "the store's acknowledgement, if replicas share one",
            ],
        ),
        _ => Endpoint::default(),
    }
}

/// What stands at an address that belongs to protected resources.
fn metadata(settings: &Settings, origin: &Origin, path: &str) -> Endpoint {
    let of_document = |document: &str| settings.resources.all().find(|resource| resource.document == document);
    let does = match settings.resources.well_known(origin, path) {
        Some(WellKnown::Metadata(document)) => {
            let uri = of_document(document).map(|resource| &*resource.uri).unwrap_or_default();
            format!("tells every client where it gets a token for {uri}, and for which scopes")
        }
        Some(WellKnown::AuthorizationServer(address)) => format!("redirects to {address}, for clients from before 2025-06-18"),
        Some(WellKnown::Nothing) | None => {
            return Endpoint { does: "answers 404, because no resource has its metadata here".to_owned(), needs: Vec::new() };
        }
    };
    Endpoint { does, needs: vec!["GET, HEAD or OPTIONS; no cookie and no token is looked at".to_owned()] }
}

fn security_events(settings: &Settings) -> Endpoint {
    let all = settings.transmitters.iter();
    let names: Vec<_> = all.clone().map(|transmitter| transmitter.oidc.name.as_str()).collect();
    let authorized: Vec<_> = all.filter(|one| one.authorization.is_some()).map(|one| one.oidc.name.as_str()).collect();
    let does = format!("ends the sessions that a security event is about, of {}; no cookie is looked at", names.join(", "));
    let mut needs = vec![POSTS.to_owned(), "a token as application/secevent+jwt, which the transmitter has signed".to_owned()];
    if !authorized.is_empty() {
        needs.push(format!("the Authorization of the transmitter, for {}", authorized.join(", ")));
    }
    needs.push("the store's acknowledgement, if replicas share one".to_owned());
    Endpoint { does, needs }
}

fn frontchannel_logout(settings: &Settings, path: &str) -> Endpoint {
    let shown_by = settings.providers.iter().find(|provider| provider.frontchannel_logout.as_deref() == Some(path));
    let Some(provider) = shown_by else { return Endpoint::default() };
    let name = &provider.oidc.name;
    let framed_by: Vec<_> = provider.oidc.frame_ancestors().iter().map(ToString::to_string).collect();
    let framed_by = framed_by.join(", ");
    Endpoint {
        does: format!("ends the sessions of one sid of {name}, in a frame of {framed_by}; no cookie is looked at"),
        needs: vec![
            "GET".to_owned(),
            format!("sid, and if iss comes too, {}", provider.oidc.issuer()),
            "nothing that proves it: so it counts only for so many from an address, and in all".to_owned(),
        ],
    }
}

fn callback(settings: &Settings, path: &str) -> Endpoint {
    let Some(provider) = signing_in(settings).find(|provider| provider.callback == path) else {
        let does = "accepts nothing, because it is the path of no provider: each has one of its own below it".to_owned();
        return Endpoint { does, needs: Vec::new() };
    };
    let name = &provider.oidc.name;
    let brings = match provider.oidc.response_mode {
        ResponseMode::FormPost => {
            format!("POST with the form that {name} lets the browser send, or GET: state, and code or error")
        }
        _ => format!("GET with the query that {name} sends: state, and code or error"),
    };
    let asked = [
        ("its token endpoint", true),
        ("its userinfo endpoint", provider.oidc.userinfo),
        ("the user service", settings.accounts.as_ref().is_some_and(|accounts| accounts.directory.is_some())),
    ];
    let asked: Vec<_> = asked.into_iter().filter(|(_, is_asked)| *is_asked).map(|(who, _)| who).collect();
    let needs = vec![brings, NO_PREFETCH.to_owned(), BEGUN_HERE.to_owned(), format!("what {name} answers: {}", asked.join(", "))];
    Endpoint {
        does: format!("completes a sign-in at {name}: the code is exchanged, the ID token verified, and a session begun"),
        needs,
    }
}

fn password(settings: &Settings) -> Endpoint {
    let Some(password) = &settings.password else { return Endpoint::default() };
    let or_none = if password.delivery.cookie { "" } else { "; or neither of these two headers" };
    let form = format!("a body with {} and {}, as application/json or as a form", password.account, password.password);
    let needs = vec![POSTS.to_owned(), format!("{EVIDENCE}{or_none}"), form, "an answer of the user service".to_owned()];
    Endpoint { does: "asks the user service about name and password, and begins a session".to_owned(), needs }
}

fn signing_in(settings: &Settings) -> impl Iterator<Item = &ProviderSettings> {
    settings.providers.iter().filter(|provider| provider.oidc.signs_in())
}

/// At which provider a sign-in begins.
fn whose(settings: &Settings) -> String {
    let names: Vec<_> = signing_in(settings).map(|provider| provider.oidc.name.as_str()).collect();
    match names.as_slice() {
        [only] => (*only).to_owned(),
        [first, ..] => format!("{first}, or at the one that the parameter provider names of {}", names.join(", ")),
        [] => "no provider".to_owned(),
    }
}
