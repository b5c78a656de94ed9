//! What an Envoy's file says of the clusters that reach a provider: whether they are there, whether the authorities that they trust
//! can be read here, and whether they verify another name than the one that was called. Nobody is asked here.

use std::path::Path;

use crate::cli::doctor::findings::{Id, Level, Report};
use crate::cli::envoy::tls;
use crate::cli::yaml::node::Node;
use crate::http::url::Url;
use crate::oidc::provider::Provider;
use crate::words::quote::quote;

/// Looks at the clusters of a provider. `count` is whether the authorities that they trust are those that calls are verified by.
pub(crate) fn of_clusters(provider: &Provider, bootstrap: &Node, count: bool, report: &mut Report<'_>) {
    let is_whole = tls::clusters(bootstrap).is_some() && tls::all_are_in_file(bootstrap);
    for name in provider.clusters.names() {
        let Some(cluster) = tls::cluster(bootstrap, name) else {
            if is_whole {
                let there = tls::names(bootstrap);
                let sentence = format!("there is no cluster {} in this file, so that Envoy reaches nobody; {there}", quote(name));
                report.tell(Id::Connection, Level::Error, sentence);
            }
            continue;
        };
        let authorities = tls::trusted_file(cluster).and_then(Node::text).filter(|file| !Path::new(file).exists());
        if let Some(file) = authorities.filter(|_| count) {
            let sentence = format!(
                "trusted_ca of the cluster {} is {}, which is not on this machine; the authorities of this machine were taken in its place, and Envoy needs the file where it runs",
                quote(name),
                quote(file)
            );
            report.tell(Id::Connection, Level::Note, sentence);
        }
    }
}

/// Says so if the cluster by which Envoy calls this place verifies another name: here, the name in the URL was verified.
pub(crate) fn of_name(provider: &Provider, bootstrap: &Node, place: &str, report: &mut Report<'_>) {
    let Ok(url) = Url::parse(place) else { return };
    let host = url.host().trim_start_matches('[').trim_end_matches(']');
    let name = provider.clusters.reaching(&url);
    let other = name.and_then(|name| Some((name, tls::other_name(tls::cluster(bootstrap, name)?, host, &[host])?)));
    if let Some((name, other)) = other.filter(|(_, other)| other.is_verified) {
        let sentence = format!(
            "the certificate of {place} was verified by the name {}, but the cluster {} verifies {}, which was not tried; if the certificate is not for that name, too, Envoy refuses it",
            quote(host),
            quote(name),
            quote(&other.name)
        );
        report.tell(Id::Connection, Level::Warning, sentence);
    }
}
