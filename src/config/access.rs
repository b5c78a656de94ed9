//! Who may go where, and who is told about it: the hosts that are served, the paths that are answered here, protected
//! resources, rules with their requirements, named policies, headers for the upstream, fields of Envoy's access log, what audit lines say of a client.
//!
//! It knows providers by what [`crate::config::providers`] says of them. It never knows how somebody signs in, what a session
//! holds, or how a token is signed.

pub(crate) mod audit;
pub(crate) mod calls;
pub(crate) mod claim_to_headers;
pub(crate) mod endpoints;
pub(crate) mod filter_state;
pub(crate) mod header_names;
pub(crate) mod internal_redirects;
pub(crate) mod operator_logout;
pub(crate) mod origins;
pub(crate) mod paths;
pub(crate) mod policies;
pub(crate) mod requirements;
pub(crate) mod resources;
pub(crate) mod rules;
