//! Which route of a file takes a request, and what its metadata hold: as Envoy chooses it, by the host, and then by the first route
//! that takes the request. Where the file does not show that, or not for certain, this says why, and chooses nothing.

use crate::cli::envoy::around::{field, is_true, text};
use crate::cli::envoy::matching::{Asked, Takes};
use crate::cli::envoy::passage::Sent;
use crate::cli::envoy::routes::{VirtualHost, virtual_hosts};
use crate::cli::yaml::node::Node;
use crate::cli::yaml::scalars::Dialect;
use crate::cli::yaml::spot::Spot;
use crate::words::world::RouteMetadata;

/// The route of a request, as far as the file shows it.
#[derive(Clone, Debug)]
pub(crate) enum Choice {
    /// The routes that may take it, in order; `None` stands for no route at all.
    OneOf {
        routes: Vec<Option<Node>>,
        /// What decides between them; empty if there is one.
        by: Vec<&'static str>,
    },
    /// The file does not show it: why.
    Unknown(String),
}

/// What the route of a request has in its metadata, and where that route stands; `None` if there is no route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) spot: Option<Spot>,
    pub(crate) metadata: RouteMetadata,
}

impl Choice {
    /// The route of a request of this scheme. `manager` is the connection manager of the file, if it has one.
    pub(crate) fn of(manager: Option<&Node>, scheme: &str, sent: &Sent) -> Self {
        let unknown = |why: &str| Self::Unknown(why.to_owned());
        let Some(table) = manager.and_then(|manager| field(manager, "route_config")) else {
            return unknown("the routes are not in this file");
        };
        let Some(manager) = manager else { return unknown("the routes are not in this file") };
        let path = sent.target.split('?').next().unwrap_or_default();
        if is_true(table, "ignore_path_parameters_in_path_matching") && path.contains(';') {
            return unknown("ignore_path_parameters_in_path_matching is on, and the path has parameters");
        }
        if field(table, "vhost_header").is_some() {
            return unknown("vhost_header lets another header choose the virtual host");
        }
        let hosts: Vec<_> = virtual_hosts(manager).collect();
        let Some(host) = host_of(&hosts, &host_for_domains(table, &sent.authority)) else {
            return match field(table, "vhds") {
                Some(_) => unknown("the virtual host is not in this file"),
                None => Self::OneOf { routes: vec![None], by: Vec::new() },
            };
        };
        if field(host.node, "matcher").is_some() {
            return unknown("the virtual host has a matcher");
        }
        let requires_tls = text(host.node, "require_tls").is_some_and(|word| !matches!(word, "NONE" | "0"));
        if scheme == "http" && requires_tls {
            return unknown("the virtual host has require_tls, and the request comes by http");
        }
        Self::among(host, Asked { method: &sent.method, path })
    }

    fn among(host: VirtualHost<'_>, asked: Asked<'_>) -> Self {
        let (mut routes, mut by) = (Vec::new(), Vec::new());
        for route in host.routes() {
            match route.takes(asked) {
                Takes::Never => {}
                Takes::Perhaps(what) => {
                    routes.push(Some(route.node.clone()));
                    by.push(what);
                }
                Takes::Certainly => {
                    routes.push(Some(route.node.clone()));
                    return Self::OneOf { routes, by };
                }
            }
        }
        routes.push(None);
        Self::OneOf { routes, by }
    }

    /// What the route has in its metadata under a key of a namespace. Of several routes, all must have the same.
    ///
    /// # Errors
    /// Why it cannot be told, as a sentence.
    pub(crate) fn metadata(&self, namespace: &str, key: &str) -> Result<Named, String> {
        let (routes, by) = match self {
            Self::OneOf { routes, by } => (routes, by),
            Self::Unknown(why) => return Err(why.clone()),
        };
        let named = |route: &Option<Node>| Named {
            spot: route.as_ref().map(|route| route.spot),
            metadata: route.as_ref().map(|route| held(route, namespace, key)).unwrap_or_default(),
        };
        let all: Vec<_> = routes.iter().map(named).collect();
        let first = all.first().ok_or("no route was looked at")?;
        if all.iter().all(|other| other.metadata == first.metadata) {
            return Ok(first.clone());
        }
        let place = first.spot.map(|spot| format!(" in line {}", spot.line)).unwrap_or_default();
        let by = by.first().unwrap_or(&"something else than path and method");
        Err(format!("it depends on {by}, by which the route{place} may take the request"))
    }
}

/// What a route has in its metadata under a key. The filter gets a text, if it is not empty, and takes everything else for
/// unreadable.
fn held(route: &Node, namespace: &str, key: &str) -> RouteMetadata {
    let member = field(route, "metadata")
        .and_then(|metadata| field(metadata, "filter_metadata"))
        .and_then(|metadata| metadata.member(namespace))
        .and_then(|members| members.member(key));
    match member.map(|node| node.value(Dialect::Envoy)) {
        None => RouteMetadata::Absent,
        Some(serde_json::Value::String(text)) if !text.is_empty() => RouteMetadata::Text(text),
        Some(_) => RouteMetadata::Unreadable,
    }
}

/// The host as domains are compared with it.
fn host_for_domains(table: &Node, authority: &str) -> String {
    let port = authority.rsplit_once(':').filter(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    match port {
        Some((host, _)) if is_true(table, "ignore_port_in_host_matching") => host.to_ascii_lowercase(),
        _ => authority.to_ascii_lowercase(),
    }
}

/// The virtual host with the domain that fits this host best.
pub(crate) fn host_of<'a>(hosts: &[VirtualHost<'a>], host: &str) -> Option<VirtualHost<'a>> {
    let fits = hosts.iter().filter_map(|candidate| {
        let domains = field(candidate.node, "domains").map_or(&[][..], Node::elements);
        let best = domains.iter().filter_map(Node::text).filter_map(|domain| fit(&domain.to_ascii_lowercase(), host)).max()?;
        Some((best, candidate))
    });
    fits.max_by_key(|(best, _)| *best).map(|(_, candidate)| *candidate)
}

/// How well a domain, which may begin or end with a star, fits a host: `None` if it does not. The star stands for at least one
/// character. A whole name is best, then the longest end, then the longest beginning, and a star alone is last.
pub(crate) fn fit(domain: &str, host: &str) -> Option<(u8, usize)> {
    let longer = |rest: Option<&str>| rest.is_some_and(|rest| !rest.is_empty());
    let (rank, fits) = match (domain.strip_prefix('*'), domain.strip_suffix('*')) {
        (Some(""), _) => (0, true),
        (Some(suffix), _) => (2, longer(host.strip_suffix(suffix))),
        (_, Some(prefix)) => (1, longer(host.strip_prefix(prefix))),
        (None, None) => (3, domain == host),
    };
    fits.then_some((rank, domain.len()))
}

#[cfg(test)]
mod tests;
