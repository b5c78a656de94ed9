//! Sign-out: ends every session that a request carries, in all workers and in the browser, and at the provider if that is
//! configured. A request that a page of another site could have caused never ends a session; it gets a page from which a person
//! can do so.

use serde_json::json;

use crate::access::browser;
use crate::authenticate::carried;
use crate::authenticate::scene::Scene;
use crate::crypto::seal::Purpose;
use crate::gateway::what_ends::of_person;
use crate::http::cookie::{delete, pairs};
use crate::http::message::Request;
use crate::http::url::query_parameters;
use crate::oidc::logout::{EndSessionRequest, end_session_request};
use crate::session::content::Session;
use crate::session::cookie::forget;
use crate::step::answers::{json_answer, redirect};
use crate::step::decision::{Journey, Step};
use crate::step::event::Event;
use crate::step::stop::Stop;
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;

/// Has the browser forget the pages that it stored of this origin (Clear Site Data, section 3.1). It goes only on an answer that
/// ended a session. `"cookies"` would delete other applications' cookies too.
const EMPTY_CACHE: (&str, &str) = ("clear-site-data", "\"cache\"");

/// The parameter that ends all sessions of the person.
const EVERYWHERE: &str = "everywhere";

/// The logout endpoint: POST from this site or a trusted origin, or a navigation by GET.
pub(super) fn begin(scene: &mut Scene<'_>, visit: &Visit) -> Journey {
    let settings = scene.settings;
    let request = &visit.request;
    let allowed = match request.method.as_str() {
        "POST" => browser::has_same_origin_evidence(&request.headers, &visit.origin, &settings.trusted_origins),
        "GET" | "HEAD" => browser::is_own_navigation(request, &visit.origin, &settings.trusted_origins),
        _ => return Err(Stop::method("GET, HEAD, POST")),
    };
    if !allowed {
        let reason = if browser::wants_page(request) { Reason::SignOutUnconfirmed } else { Reason::CrossSite };
        return Err(Failure::new(reason, "sign-out needs evidence that this site asked for it").into());
    }
    let everywhere = everywhere(request)?;
    let mut carried = carried::everywhere(scene, visit);
    let mut sessions = std::mem::take(&mut carried.sessions);
    let (ended, world) = (&mut scene.background.ended, &mut *scene.world);
    sessions.retain(|session| !ended.has_uncached(world, session, visit.now));
    for session in &sessions {
        if !ended.mark(world, session) {
            carried.unknown = Some("there is no room for another end of this provider");
        }
    }
    for session in sessions.iter().filter(|session| settings.is_of_here(session)) {
        scene.background.given_back.add(settings, world, session);
    }
    if everywhere {
        // Only who is signed in now ends others: not whoever has a cookie that has expired, or that is of another issuer of before.
        let counts = |session: &&Session| visit.now < session.expires(settings.session.lifetimes) && settings.is_of_here(session);
        for session in sessions.iter().filter(counts) {
            for end in of_person(settings, session, visit.now) {
                if !ended.end_and_tell(world, &end) {
                    carried.unknown = Some("there is no room for another end of this provider");
                }
            }
        }
    }
    let mut ours = sessions.iter().filter(|session| settings.has_origin(&session.origin));
    let at_provider = ours.find_map(|session| at_provider(scene, visit, session));
    let mut cookies = forget(&settings.session.cookie, &request.headers, &visit.origin);
    if settings.sign_out.at_provider {
        cookies.push(delete(&settings.session.cookie.hint_name, &settings.endpoints.logout, settings.session.cookie.same_site));
    }
    let signed_out = |provider, subject, session| Event::SignedOut { request: visit.reference(), provider, subject, session };
    let emptied = (!sessions.is_empty()).then_some(EMPTY_CACHE);
    let nobody = sessions.is_empty().then(|| signed_out(None, None, None));
    let named = |provider: String| Some(provider).filter(|name| !name.is_empty());
    let people = sessions.into_iter().map(|session| signed_out(named(session.provider), Some(session.subject), Some(session.id)));
    let signed_out: Vec<_> = people.chain(nobody).collect();
    if let Some(what) = carried.unknown {
        let fields = emptied.into_iter().map(|(name, value)| (name, value.to_owned()));
        let fields = fields.chain(cookies.into_iter().map(|cookie| ("set-cookie", cookie))).collect();
        let stop = Stop::from(Failure::new(Reason::SignOutIncomplete, what));
        return Err(Stop { fields, ..stop.after(signed_out) });
    }
    let mut response = if browser::wants_page(request) {
        redirect(303, at_provider.as_deref().unwrap_or(settings.sign_out.return_to.as_str()), cookies)
    } else {
        let mut body = json!({"logout": "ok"});
        if let (Some(url), Some(body)) = (at_provider, body.as_object_mut()) {
            body.insert("end_session_url".to_owned(), json!(url));
        }
        json_answer(&body, cookies)
    };
    response.headers.extend(emptied.map(|(name, value)| (name.to_owned(), value.to_owned())));
    Ok(Step::answered(response, signed_out))
}

/// Whether all sessions of the person end, also those of other browsers: the parameter `everywhere`, without a value or `true`.
///
/// # Errors
/// [`Reason::QueryMalformed`] if it has another value, or comes twice.
fn everywhere(request: &Request) -> Result<bool, Failure> {
    let malformed = |reason| Failure::new(reason, "expected everywhere once, without a value");
    let parameters = query_parameters(request.query.as_deref(), &[EVERYWHERE]).map_err(malformed)?;
    match parameters.get(EVERYWHERE).map(String::as_str) {
        None => Ok(false),
        Some("" | "true") => Ok(true),
        Some(_) => Err(malformed(Reason::QueryMalformed)),
    }
}

/// The URL of the provider's logout for this session (OpenID Connect RP-Initiated Logout, section 2); `None` if it is not
/// configured, or the provider has none. `None` too while the metadata are missing: signing out here waits for nobody.
fn at_provider(scene: &mut Scene<'_>, visit: &Visit, session: &Session) -> Option<String> {
    let settings = scene.settings;
    if !settings.sign_out.at_provider {
        return None;
    }
    let provider = settings.provider(&session.provider)?;
    let metadata = scene.metadata(provider, visit.now)?;
    let hint_name = settings.session.cookie.hint_name.as_str();
    // The specification puts the ID token into the URL as a hint. A navigation gets it there; a script would be able to read it,
    // and does not.
    let by_navigation = browser::wants_page(&visit.request);
    let hint = pairs(&visit.request.headers, hint_name).find(|(name, _)| by_navigation && *name == hint_name.as_bytes());
    let hint = hint.and_then(|(_, value)| settings.sealer.open(Purpose::LogoutHint, value));
    // A hint of another session, perhaps of an earlier person or planted by somebody, is not sent.
    let hint = hint.and_then(|plain| String::from_utf8(plain).ok());
    let hint = hint.as_deref().and_then(|content| content.strip_prefix(&session.id)?.strip_prefix(' ')).map(Secret::new);
    let return_to = settings.sign_out.return_to.as_str();
    let absolute = if return_to.starts_with('/') { format!("{}{return_to}", visit.origin) } else { return_to.to_owned() };
    let request = EndSessionRequest { id_token_hint: hint.as_ref(), post_logout_redirect_uri: Some(&absolute), state: None };
    end_session_request(&provider.oidc, &metadata, &request)
}
