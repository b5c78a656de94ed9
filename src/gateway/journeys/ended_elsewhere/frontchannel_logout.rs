//! Front-channel logout (OpenID Connect Front-Channel Logout 1.0): when somebody signs out at a provider, its page shows this address
//! in a frame, and the session that it names ends here and at all replicas. Browsers send no cookie into such a frame, so none is
//! looked at, set or deleted: the name of the provider's session, `sid`, says which sessions end.
//!
//! Any page can open this address, so that nothing is proved by it: it ends one `sid` of one provider, and has room and a rate of its
//! own ([`crate::session::ended::unproved`]); the provider's own pages may do it more often than others. What became of it is never
//! answered: whoever asks learns neither whether there is such a session, nor whether others sign out at the same time.

use crate::authenticate::scene::Scene;
use crate::config::settings::ProviderSettings;
use crate::http::message::{Request, Response};
use crate::http::url::{Url, query_parameters};
use crate::oidc::claims::kept_name;
use crate::oidc::provider::Provider;
use crate::session::ended::unproved::ShownBy;
use crate::step::decision::{Journey, Step};
use crate::step::event::Event;
use crate::step::stop::Stop;
use crate::step::visit::Visit;
use crate::words::quote::quote;
use crate::words::reason::{Failure, Reason};

/// The parameters (section 2).
const ISSUER: &str = "iss";
const SESSION: &str = "sid";

/// What a browser's request is for (Fetch Metadata Request Headers, section 2.1).
const DESTINATION: &str = "sec-fetch-dest";

/// The page that shows the frame (RFC 9110, section 10.1.3): its origin, or its address.
const REFERER: &str = "referer";

/// The longest name of a provider's session, in bytes. Some providers seal it.
const LONGEST_NAME: usize = 2_048;

/// The endpoint that this provider's page shows in a frame.
pub(crate) fn begin(scene: &mut Scene<'_>, visit: &Visit, provider: &ProviderSettings) -> Journey {
    if visit.request.method != "GET" {
        return Err(Stop::method("GET"));
    }
    let session = session(&visit.request, &provider.oidc)?;
    let name = provider.oidc.name.as_str();
    let until = scene.settings.session.nothing_is_left_after(visit.now);
    let taken = if is_in_frame(&visit.request) {
        let shown_by = shown_by(&visit.request, &provider.oidc);
        scene.background.ended.end_unproved(scene.world, (name, &session), until, shown_by)
    } else {
        scene.background.ended.not_in_frame(scene.world)
    };
    let event = Event::LoggedOutInFrame { request: visit.reference(), provider: name.to_owned(), session, taken };
    Ok(Step::answered(answer(&provider.oidc), vec![event]))
}

/// Whether the request may come from a frame. Browsers say what a request is for (Fetch Metadata): one for an image, which any page
/// makes by the hundred, neither ends anything nor is counted. Old browsers say nothing.
fn is_in_frame(request: &Request) -> bool {
    !request.headers.contains(DESTINATION) || matches!(request.headers.single(DESTINATION), Some("iframe" | "frame"))
}

/// Whose page shows the frame. Browsers name the page's origin in `Referer` (Fetch, section 3.2), unless the page asks them not to, and
/// no page can have them name another. A program can.
fn shown_by(request: &Request, provider: &Provider) -> ShownBy {
    let page = request.headers.single(REFERER).and_then(|referer| Url::parse(referer).ok());
    match page {
        Some(page) if provider.frame_ancestors().contains(&page.origin()) => ShownBy::ProvidersPage,
        _ => ShownBy::AnyPage,
    }
}

/// Which session of the provider ends, in the form in which sessions keep its name.
///
/// # Errors
/// [`Reason::QueryMalformed`].
fn session(request: &Request, provider: &Provider) -> Result<String, Failure> {
    let malformed = |detail: String| Failure::new(Reason::QueryMalformed, detail);
    let mut parameters = query_parameters(request.query.as_deref(), &[ISSUER, SESSION])
        .map_err(|_| malformed("expected iss and sid once each, found one of them twice".to_owned()))?;
    if let Some(issuer) = parameters.get(ISSUER)
        && issuer != provider.issuer()
    {
        return Err(malformed(format!("expected the issuer {} as iss, found {}", quote(provider.issuer()), quote(issuer))));
    }
    let session = parameters.remove(SESSION).unwrap_or_default();
    if session.is_empty() {
        let sentence = "expected sid, found none; register frontchannel_logout_session_required: true at the provider";
        return Err(malformed(sentence.to_owned()));
    }
    // The decoder replaces bytes that are not UTF-8 by this character, so that different names would become the same.
    if session.len() > LONGEST_NAME || session.contains(char::REPLACEMENT_CHARACTER) {
        return Err(malformed(format!("expected a sid of at most {LONGEST_NAME} bytes of UTF-8, found another")));
    }
    Ok(kept_name(&session))
}

/// An empty document, which only the provider's pages can show in a frame. (Some wait until it is loaded, which browsers never say
/// of a 204.) There is no `X-Frame-Options`, which cannot name another origin.
fn answer(provider: &Provider) -> Response {
    let framed_by: Vec<_> = provider.frame_ancestors().iter().map(ToString::to_string).collect();
    let framed_by = if framed_by.is_empty() { "'none'".to_owned() } else { framed_by.join(" ") };
    let headers = [
        ("content-type", "text/html; charset=utf-8".to_owned()),
        ("cache-control", "no-store".to_owned()),
        ("content-security-policy", format!("default-src 'none'; frame-ancestors {framed_by}")),
        ("x-content-type-options", "nosniff".to_owned()),
        ("referrer-policy", "no-referrer".to_owned()),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
    Response { status: 200, headers, body: String::new() }
}
