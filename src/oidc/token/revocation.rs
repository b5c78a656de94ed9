//! A refresh token is given back (RFC 7009), so that nobody can use it any more. Whose it was is not known here.

use crate::http::message::{HttpCall, Reply};
use crate::oidc::metadata::{EndpointName, Metadata};
use crate::oidc::provider::Provider;
use crate::words::reason::Reason;
use crate::words::secret::Secret;
use crate::words::world::World;

/// The request (section 2.1); `None` if the provider has no endpoint for it that may be used.
pub fn revocation_request(
    world: &mut dyn World,
    provider: &Provider,
    metadata: &Metadata,
    refresh_token: &Secret,
) -> Option<HttpCall> {
    let url = metadata.usable(EndpointName::Revocation)?;
    let parameters = [("token", refresh_token.expose()), ("token_type_hint", "refresh_token")];
    // Without a call, nothing is lost: the token ends by itself.
    provider.call_as_client(world, url, &parameters, Reason::Internal).ok()
}

/// What went wrong, as a phrase for the log (section 2.2); `None` if the token counts no longer.
pub fn trouble(reply: &Reply) -> Option<String> {
    match reply {
        Reply::Answered { status: 200, .. } => None,
        Reply::Answered { status, .. } => Some(format!("status {status}")),
        Reply::Reset => Some("the connection was reset".to_owned()),
        Reply::NotSent => Some("Envoy could not send it; is there a cluster of that name, with a healthy host?".to_owned()),
    }
}
