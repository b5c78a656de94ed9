//! The routes of a connection manager, and which settings of a filter hold there. Routes that Envoy gets while it runs are in no
//! file.

use crate::cli::envoy::around::field;
use crate::cli::envoy::matching::{Asked, Takes, takes};
use crate::cli::yaml::node::Node;

/// A virtual host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VirtualHost<'a> {
    /// Its own entry.
    pub(crate) node: &'a Node,
    /// The route configuration that it is in.
    table: &'a Node,
}

/// A route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route<'a> {
    /// Its own entry.
    pub(crate) node: &'a Node,
    /// The virtual host that it is in.
    pub(crate) host: VirtualHost<'a>,
}

/// The virtual hosts of a manager.
pub(crate) fn virtual_hosts(manager: &Node) -> impl Iterator<Item = VirtualHost<'_>> {
    let table = field(manager, "route_config");
    let hosts = table.and_then(|table| field(table, "virtual_hosts")).map_or(&[][..], Node::elements);
    hosts.iter().filter_map(move |node| Some(VirtualHost { node, table: table? }))
}

/// All routes of a manager, in order.
pub(crate) fn routes(manager: &Node) -> impl Iterator<Item = Route<'_>> {
    virtual_hosts(manager).flat_map(VirtualHost::routes)
}

impl<'a> VirtualHost<'a> {
    /// Its routes, in order.
    pub(crate) fn routes(self) -> impl Iterator<Item = Route<'a>> {
        let routes = field(self.node, "routes").map_or(&[][..], Node::elements);
        routes.iter().map(move |node| Route { node, host: self })
    }

    /// The first route that takes a POST to this path; `None` if there is none, or if it cannot be told.
    pub(crate) fn route_of_post(self, path: &str) -> Option<Route<'a>> {
        let asked = Asked { method: "POST", path };
        let first = self.routes().map(|route| (route, route.takes(asked))).find(|(_, takes)| *takes != Takes::Never)?;
        (first.1 == Takes::Certainly).then_some(first.0)
    }

    /// The routes that may take a POST to this path: up to the first that certainly does.
    pub(crate) fn routes_of_post(self, path: &str) -> impl Iterator<Item = Route<'a>> {
        let takes = self.routes().map(|route| (route, route.takes(Asked { method: "POST", path })));
        let may = takes.filter(|(_, takes)| *takes != Takes::Never);
        let mut is_taken = false;
        may.take_while(move |(_, takes)| !std::mem::replace(&mut is_taken, *takes == Takes::Certainly)).map(|(route, _)| route)
    }

    /// What a filter of this name is told for the virtual host.
    pub(crate) fn settings_of(self, filter: &str) -> Option<&'a Node> {
        [self.node, self.table].into_iter().find_map(|level| own_settings(level, filter))
    }
}

impl<'a> Route<'a> {
    /// What a filter of this name is told for the route: by itself, its virtual host or the whole table.
    pub(crate) fn settings_of(self, filter: &str) -> Option<&'a Node> {
        own_settings(self.node, filter).or_else(|| self.host.settings_of(filter))
    }

    /// What it does with requests that it leads to a cluster.
    pub(crate) fn to_cluster(self) -> Option<&'a Node> {
        field(self.node, "route")
    }

    /// Whether the route takes a request.
    pub(crate) fn takes(self, asked: Asked<'_>) -> Takes {
        field(self.node, "match").map_or(Takes::Perhaps("something else than path and method"), |matched| takes(matched, asked))
    }
}

fn own_settings<'a>(level: &'a Node, filter: &str) -> Option<&'a Node> {
    field(level, "typed_per_filter_config")?.member(filter)
}

/// The route configuration, its virtual hosts and their routes: every place that can hold settings of a filter.
pub(crate) fn levels(manager: &Node) -> impl Iterator<Item = &Node> {
    let hosts = virtual_hosts(manager).map(|host| host.node);
    field(manager, "route_config").into_iter().chain(hosts).chain(routes(manager).map(|route| route.node))
}

/// What a filter of this name is told anywhere in the routes.
pub(crate) fn all_settings_of<'a>(manager: &'a Node, filter: &str) -> impl Iterator<Item = &'a Node> {
    levels(manager).filter_map(move |level| own_settings(level, filter))
}
