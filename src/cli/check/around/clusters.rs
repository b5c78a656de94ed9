//! The clusters that the configuration names: whether they are there, and whether the provider's is called by TLS that verifies
//! whom it talks to.

use serde_json::Value;

use crate::cli::envoy::around::{field, inner, is_true, text};
use crate::cli::envoy::plugins::Plugin;
use crate::cli::findings::{Id, Report};
use crate::cli::yaml::node::Node;
use crate::words::quote::quote;

/// Checks the clusters that the plugin's configuration names.
pub(crate) fn of_clusters(plugin: &Plugin<'_>, written: &Value, report: &mut Report<'_>) {
    let (Some(around), Some(held)) = (&plugin.around, &plugin.held) else { return };
    let Some(clusters) = inner(around.bootstrap, &["static_resources", "clusters"]).map(Node::elements) else { return };
    // Clusters that Envoy gets while it runs are in no file.
    let all_are_here = inner(around.bootstrap, &["dynamic_resources", "cds_config"]).is_none();
    for (path, name, secure) in named(written) {
        match clusters.iter().find(|cluster| text(cluster, "name") == Some(&name)) {
            Some(cluster) if secure => of_tls(cluster, report),
            Some(_) => {}
            None if all_are_here => {
                // Its name may be the value of a variable, which is not printed.
                let sentence = "there is no cluster of this name; add it to clusters, or write the name of one that is there";
                report.tell_of(Id::ClusterMissing, held.at(&path, plugin.node.spot), &path, sentence);
            }
            None => {}
        }
    }
}

/// The clusters that a configuration names: the path, the name, and whether a provider is called there by https.
fn named(written: &Value) -> Vec<(String, String, bool)> {
    let mut found = Vec::new();
    let providers = written.get("providers").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for (index, provider) in providers.iter().enumerate() {
        let secure = provider.get("issuer").and_then(Value::as_str).is_some_and(|issuer| issuer.starts_with("https://"));
        let path = format!("providers[{index}].clusters");
        match provider.get("clusters") {
            Some(Value::String(name)) => found.push((path, name.clone(), secure)),
            Some(Value::Object(hosts)) => {
                let each =
                    hosts.iter().filter_map(|(host, name)| Some((format!("{path}.{host}"), name.as_str()?.to_owned(), secure)));
                found.extend(each);
            }
            _ => {}
        }
    }
    if let Some(accounts) = written.get("accounts").and_then(Value::as_object) {
        let own = accounts.get("cluster").map(|name| ("accounts.cluster".to_owned(), name));
        let calls = accounts.iter().filter_map(|(call, value)| Some((format!("accounts.{call}.cluster"), value.get("cluster")?)));
        let texts = own.into_iter().chain(calls).filter_map(|(path, name)| Some((path, name.as_str()?.to_owned(), false)));
        found.extend(texts);
    }
    found
}

fn of_tls(cluster: &Node, report: &mut Report<'_>) {
    if field(cluster, "transport_socket_matches").is_some() {
        return;
    }
    let shown = quote(text(cluster, "name").unwrap_or_default());
    let Some(tls) = inner(cluster, &["transport_socket", "typed_config"]) else {
        let sentence = format!("the provider's issuer is https, and the cluster {shown} has no TLS; give it a transport_socket");
        return report.tell(Id::ClusterPlain, cluster.spot, sentence);
    };
    let Some(common) = field(tls, "common_tls_context") else {
        return unverified(cluster, &shown, "no certificate authority (validation_context with trusted_ca)", report);
    };
    if !names_its_server(cluster, tls) {
        let sentence = format!(
            "servers of several sites answer with the certificate of another one, or not at all, because the TLS of the cluster {shown} names none; write sni, or auto_sni: true"
        );
        report.tell(Id::ClusterSni, tls.spot, sentence);
    }
    // What comes by SDS, or is verified by an extension, is in no file.
    let elsewhere = ["validation_context_sds_secret_config", "validation_context_certificate_provider_instance"];
    if elsewhere.iter().any(|name| field(common, name).is_some()) {
        return;
    }
    let combined = field(common, "combined_validation_context");
    let context = field(common, "validation_context").or_else(|| field(combined?, "default_validation_context"));
    let by_sds = combined.is_some_and(|combined| field(combined, "validation_context_sds_secret_config").is_some());
    let has = |names: &[&str]| context.is_some_and(|context| names.iter().any(|name| field(context, name).is_some()));
    if has(&["custom_validator_config"]) {
        return;
    }
    let trusts = by_sds || has(&["trusted_ca", "system_root_certs", "ca_certificate_provider_instance"]);
    let pinned = has(&["verify_certificate_spki", "verify_certificate_hash"]);
    let accepts_all = context.and_then(|context| text(context, "trust_chain_verification")) == Some("ACCEPT_UNTRUSTED");
    let names = has(&["match_typed_subject_alt_names", "match_subject_alt_names"]) || verifies_names(cluster, tls);
    if !pinned && (!trusts || accepts_all) {
        unverified(cluster, &shown, "no certificate authority (validation_context with trusted_ca)", report);
    } else if !pinned && !names && !by_sds {
        unverified(cluster, &shown, "no name (auto_san_validation with auto_sni, or match_typed_subject_alt_names)", report);
    }
}

/// Whether Envoy tells the server which name it calls (RFC 6066, section 3).
fn names_its_server(cluster: &Node, tls: &Node) -> bool {
    let written = text(tls, "sni").is_some_and(|name| !name.is_empty());
    written || is_true(tls, "auto_host_sni") || upstream_options(cluster).any(|options| is_true(options, "auto_sni"))
}

/// Whether Envoy compares the certificate with the name that it calls.
fn verifies_names(cluster: &Node, tls: &Node) -> bool {
    upstream_options(cluster).any(|options| is_true(options, "auto_san_validation")) || is_true(tls, "auto_sni_san_validation")
}

fn upstream_options(cluster: &Node) -> impl Iterator<Item = &Node> {
    let options = field(cluster, "typed_extension_protocol_options").map_or(&[][..], Node::members);
    let messages = options.iter().map(|member| &member.value).chain([cluster]);
    messages.filter_map(|message| field(message, "upstream_http_protocol_options"))
}

fn unverified(cluster: &Node, shown: &str, lacking: &str, report: &mut Report<'_>) {
    let sentence = format!(
        "anybody on the way can answer in place of the provider, because the TLS of the cluster {shown} verifies {lacking}; add it"
    );
    report.tell(Id::ClusterUnverified, cluster.spot, sentence);
}
