//! The metadata of protected resources (RFC 9728), by which clients find out where to get a token. They are the same for everybody,
//! and never depend on whether a provider can be reached. It looks at nothing of a request but its method.

use crate::access::resources::WellKnown;
use crate::http::message::Response;
use crate::step::answers::redirect;
use crate::step::decision::{Journey, Step};
use crate::step::stop::Stop;
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};

/// What stands at the address of this request: GET, HEAD, and OPTIONS of a page that asks whether it may read it.
pub(crate) fn metadata(visit: &Visit, found: WellKnown<'_>) -> Journey {
    let mut stop = match (visit.request.method.as_str(), found) {
        (_, WellKnown::Nothing) => Failure::new(Reason::ResourceUnknown, "no resource has its metadata at this address").into(),
        ("OPTIONS", _) => {
            return Ok(Step::answered(readable(Response { status: 204, headers: vec![], body: String::new() }), vec![]));
        }
        ("GET" | "HEAD", WellKnown::Metadata(document)) => return Ok(Step::answered(readable(told(document)), vec![])),
        ("GET" | "HEAD", WellKnown::AuthorizationServer(address)) => {
            return Ok(Step::answered(readable(redirect(302, address, vec![])), vec![]));
        }
        _ => Stop::method("GET, HEAD, OPTIONS"),
    };
    stop.fields.push(("access-control-allow-origin", "*".to_owned()));
    Err(stop)
}

fn told(document: &str) -> Response {
    let headers =
        [("content-type", "application/json"), ("x-content-type-options", "nosniff"), ("cache-control", "public, max-age=300")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Response { status: 200, headers, body: document.to_owned() }
}

/// The same response, for pages of every origin to read. (Clients in a browser send `MCP-Protocol-Version` with the request.)
fn readable(mut response: Response) -> Response {
    let fields = [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "GET, HEAD, OPTIONS"),
        ("access-control-allow-headers", "*"),
        ("access-control-max-age", "86400"),
    ];
    response.headers.extend(fields.map(|(name, value)| (name.to_owned(), value.to_owned())));
    response
}
