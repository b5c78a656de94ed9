//! What is around the filter in an Envoy's file: the connection manager, its other filters, its routes and its logs, and the
//! clusters. The filter's own configuration is looked at only for what it needs of these.

mod bodies;
mod clusters;
mod cors;
mod filters;
mod identity;
mod logs;
mod manager;
mod mcp;
mod redirects;
mod routes;
mod sockets;
mod store;
mod waits;

use serde_json::Value;

use crate::cli::envoy::plugins::Plugin;
use crate::cli::findings::Report;
use crate::config::settings::Settings;

/// Checks what is around a plugin. `written` is its configuration with the values of variables; `settings` is what the filter
/// makes of that, if it takes it.
pub(super) fn of_surroundings(plugin: &Plugin<'_>, written: &Value, settings: Option<&Settings>, report: &mut Report<'_>) {
    if let Some(around) = &plugin.around {
        filters::of_filters(around, written, report);
        manager::of_manager(around, written, settings, report);
        sockets::of_sockets(around, report);
        identity::of_identity(around, written, report);
        if let Some(settings) = settings {
            bodies::of_bodies(around, settings, report);
            logs::of_logs(around.manager, settings, report);
            cors::of_cors(around, settings, report);
            identity::of_tokens(around, settings, report);
            mcp::of_mcp(around, settings, report);
            routes::of_routes(around, settings, report);
            redirects::of_redirects(around, settings, report);
            waits::of_waits(around, settings, report);
        }
    }
    clusters::of_clusters(plugin, written, report);
    store::of_store(plugin, written, report);
}
