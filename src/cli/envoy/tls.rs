//! Whether Envoy speaks TLS, by which names it calls the servers of a cluster, and by which it verifies their certificates, as far as
//! the file says so. Whether a server has such a certificate is not known here.

use crate::cli::envoy::around::{field, inner, is_true, text};
use crate::cli::yaml::node::Node;
use crate::cli::yaml::spot::Spot;

/// The part of a message's type that is before the package of a transport socket.
const SOCKETS: &str = ".transport_sockets.";

/// What a transport socket does with what is sent through it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Socket<'a> {
    /// It sends it as it is.
    Plain,
    /// TLS, with these settings.
    Tls(&'a Node),
    /// Something else, of which the file does not say whether others can read what is sent.
    Other,
}

impl<'a> Socket<'a> {
    /// How a cluster, or a filter chain, sends. Envoy goes by the type of the message and never by the name beside it, as tried with
    /// Envoy 1.40. (It refuses a socket without a type, so that nothing depends on the name that is then looked at.)
    pub(crate) fn of(holder: &'a Node) -> Self {
        let Some(socket) = field(holder, "transport_socket") else { return Self::Plain };
        let (message, typed) = match field(socket, "typed_config") {
            None => (socket, None),
            Some(any) => match any.member("@type").and_then(Node::text) {
                // A message that this Envoy reads as a struct (TypedStruct of xDS).
                Some(url) if url.ends_with(".TypedStruct") => (field(any, "value").unwrap_or(any), text(any, "type_url")),
                typed => (any, typed),
            },
        };
        let kind = typed.or_else(|| text(socket, "name")).and_then(|words| words.split_once(SOCKETS)?.1.split('.').next());
        let inner_tls = |name: &str| field(message, name).map_or(Self::Other, Self::Tls);
        match kind {
            Some("raw_buffer" | "starttls") => Self::Plain,
            Some("tls") => Self::Tls(message),
            Some("quic") if field(message, "downstream_tls_context").is_some() => inner_tls("downstream_tls_context"),
            Some("quic") => inner_tls("upstream_tls_context"),
            // They send by another one.
            Some("http_11_proxy" | "proxy_protocol" | "tap" | "tcp_stats") => Self::of(message),
            _ => Self::Other,
        }
    }

    /// The settings of TLS.
    pub(crate) const fn tls(self) -> Option<&'a Node> {
        match self {
            Self::Tls(settings) => Some(settings),
            Self::Plain | Self::Other => None,
        }
    }
}

/// A name by which Envoy calls or verifies a server that is known by another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OtherName {
    /// Where it is written.
    pub(crate) spot: Spot,
    /// The name; of several the first.
    pub(crate) name: String,
    /// Whether the certificate is verified by it. If not, the server is only told that it is called by this name.
    pub(crate) is_verified: bool,
}

/// The clusters that stand in a file.
pub(crate) fn clusters(bootstrap: &Node) -> Option<&[Node]> {
    inner(bootstrap, &["static_resources", "clusters"]).map(Node::elements)
}

/// Whether Envoy gets no further clusters while it runs.
pub(crate) fn all_are_in_file(bootstrap: &Node) -> bool {
    inner(bootstrap, &["dynamic_resources", "cds_config"]).is_none()
}

/// The cluster of this name.
pub(crate) fn cluster<'a>(bootstrap: &'a Node, name: &str) -> Option<&'a Node> {
    clusters(bootstrap)?.iter().find(|cluster| text(cluster, "name") == Some(name))
}

/// The names of the clusters in a file, for a sentence.
pub(crate) fn names(bootstrap: &Node) -> String {
    let named = clusters(bootstrap).unwrap_or_default().iter().filter_map(|cluster| text(cluster, "name"));
    match named.collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => "there is none".to_owned(),
        some => format!("there are {some}"),
    }
}

/// What TLS verifies a certificate by, without what comes by SDS.
pub(crate) fn validation_context(tls: &Node) -> Option<&Node> {
    let common = field(tls, "common_tls_context")?;
    let combined = || inner(common, &["combined_validation_context", "default_validation_context"]);
    field(common, "validation_context").or_else(combined)
}

/// The file with the authorities that a cluster trusts, if the cluster names one.
pub(crate) fn trusted_file(cluster: &Node) -> Option<&Node> {
    let tls = Socket::of(cluster).tls()?;
    inner(validation_context(tls)?, &["trusted_ca", "filename"])
}

/// Whether Envoy tells the server which name it calls (RFC 6066, section 3).
pub(crate) fn names_its_server(cluster: &Node, tls: &Node) -> bool {
    let written = text(tls, "sni").is_some_and(|name| !name.is_empty());
    written || names_the_host(cluster, tls)
}

/// Whether Envoy compares the certificate with the name that it calls.
pub(crate) fn verifies_the_host(cluster: &Node, tls: &Node) -> bool {
    upstream_options(cluster).any(|options| is_true(options, "auto_san_validation")) || is_true(tls, "auto_sni_san_validation")
}

/// The option by which Envoy takes the host of each call for the name of the server.
pub(crate) fn option_by_call(cluster: &Node) -> Option<&'static str> {
    let has = |name: &&str| upstream_options(cluster).any(|options| is_true(options, name));
    ["auto_sni", "auto_san_validation"].into_iter().find(has)
}

/// What TLS does not verify of a certificate, in words; `None` if it verifies who has signed it, and the name in it, or if that is not
/// in the file. `by_host` is whether it verifies the name that is called.
pub(crate) fn unverified(tls: &Node, by_host: bool) -> Option<&'static str> {
    const NO_AUTHORITY: &str = "no certificate authority (validation_context with trusted_ca)";
    let Some(common) = field(tls, "common_tls_context") else { return Some(NO_AUTHORITY) };
    // What comes by SDS, or is verified by an extension, is in no file.
    let elsewhere = ["validation_context_sds_secret_config", "validation_context_certificate_provider_instance"];
    if elsewhere.iter().any(|name| field(common, name).is_some()) {
        return None;
    }
    let combined = field(common, "combined_validation_context");
    let context = validation_context(tls);
    let by_sds = combined.is_some_and(|combined| field(combined, "validation_context_sds_secret_config").is_some());
    let has = |names: &[&str]| context.is_some_and(|context| names.iter().any(|name| field(context, name).is_some()));
    if has(&["custom_validator_config", "verify_certificate_spki", "verify_certificate_hash"]) {
        return None;
    }
    let trusts = by_sds || has(&["trusted_ca", "system_root_certs", "ca_certificate_provider_instance"]);
    let accepts_all = context.and_then(|context| text(context, "trust_chain_verification")) == Some("ACCEPT_UNTRUSTED");
    let by_name = by_host || is_true(tls, "auto_sni_san_validation");
    let names = by_name || has(&["match_typed_subject_alt_names", "match_subject_alt_names"]);
    if !trusts || accepts_all {
        return Some(NO_AUTHORITY);
    }
    (!names && !by_sds).then_some("no name (match_typed_subject_alt_names, or auto_sni_san_validation with sni)")
}

/// A name by which the cluster calls or verifies its servers, if it is none of `host`. `hosts` are all that the cluster serves,
/// each without port and brackets.
pub(crate) fn other_name(cluster: &Node, host: &str, hosts: &[&str]) -> Option<OtherName> {
    if field(cluster, "transport_socket_matches").is_some() {
        return None;
    }
    let tls = Socket::of(cluster).tls()?;
    if let Some((list, name)) = validation_context(tls).and_then(|context| of_certificate(context, host)) {
        // Further names come by SDS.
        let by_sds = ["combined_validation_context", "validation_context_sds_secret_config"];
        let is_whole = inner(field(tls, "common_tls_context")?, &by_sds).is_none();
        if is_whole {
            return Some(OtherName { spot: list.spot, name, is_verified: true });
        }
    }
    let sni = field(tls, "sni").filter(|_| !names_the_host(cluster, tls))?;
    let name = sni.text().filter(|name| !name.is_empty() && hosts.iter().all(|host| !host.eq_ignore_ascii_case(name)))?;
    Some(OtherName { spot: sni.spot, name: name.to_owned(), is_verified: false })
}

/// The list of names in a certificate, and the first one, if none of them is `host`'s.
fn of_certificate<'a>(context: &'a Node, host: &str) -> Option<(&'a Node, String)> {
    let lists = ["match_typed_subject_alt_names", "match_subject_alt_names"];
    let list = lists.iter().find_map(|name| field(context, name))?;
    let matchers = list.elements().iter().map(|element| field(element, "matcher").unwrap_or(element));
    let mut first = None;
    for matcher in matchers {
        let (kind, name) =
            ["exact", "prefix", "suffix", "contains"].into_iter().find_map(|kind| Some((kind, text(matcher, kind)?)))?;
        if fits(kind, &name.to_ascii_lowercase(), &host.to_ascii_lowercase()) {
            return None;
        }
        first = first.or_else(|| Some(name.to_owned()));
    }
    first.map(|name| (list, name))
}

/// Whether a certificate for a host may have a name that this takes.
fn fits(kind: &str, name: &str, host: &str) -> bool {
    let wildcard = host.split_once('.').map(|(_, parent)| ["*.", parent].concat()).unwrap_or_default();
    [host, &wildcard].iter().any(|host| match kind {
        "exact" => *host == name,
        "prefix" => host.starts_with(name),
        "suffix" => host.ends_with(name),
        _ => host.contains(name),
    })
}

fn names_the_host(cluster: &Node, tls: &Node) -> bool {
    is_true(tls, "auto_host_sni") || upstream_options(cluster).any(|options| is_true(options, "auto_sni"))
}

fn upstream_options(cluster: &Node) -> impl Iterator<Item = &Node> {
    let options = field(cluster, "typed_extension_protocol_options").map_or(&[][..], Node::members);
    let messages = options.iter().map(|member| &member.value).chain([cluster]);
    messages.filter_map(|message| field(message, "upstream_http_protocol_options"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::yaml::reader::read;
    use crate::cli::yaml::spot::Origin;

    #[test]
    fn a_name_is_another_one_if_nothing_of_the_host_can_fit_it() {
        const HOST: &str = "sso.example.com";
        let exact = |name: &str| format!("match_typed_subject_alt_names: [{{san_type: DNS, matcher: {{exact: {name}}}}}]");
        for (sni, context, options, expected) in [
            ("", exact("sso.other.com"), "", Some(("sso.other.com", true))),
            ("sso.other.com", exact("sso.other.com"), "", Some(("sso.other.com", true))),
            ("sso.other.com", exact("SSO.example.com"), "", Some(("sso.other.com", false))),
            ("sso.other.com", exact("'*.example.com'"), "auto_sni: true", None),
            ("login.example.com", exact(HOST), "", None),
            (HOST, exact(HOST), "", None),
            ("", "match_subject_alt_names: [{exact: a.example.com}, {suffix: .example.com}]".to_owned(), "", None),
            (
                "",
                "match_subject_alt_names: [{exact: a.example.com}, {suffix: .other.com}]".to_owned(),
                "",
                Some(("a.example.com", true)),
            ),
            // What an expression fits is not looked at.
            ("", "match_subject_alt_names: [{exact: a.com}, {safe_regex: {regex: x}}]".to_owned(), "", None),
            ("", "trusted_ca: {filename: x}".to_owned(), "", None),
        ] {
            let file = format!(
                "transport_socket: {{name: envoy.transport_sockets.tls, typed_config: {{sni: '{sni}', common_tls_context: {{validation_context: {{{context}}}}}}}}}\nupstream_http_protocol_options: {{{options}}}"
            );
            let stream = read(&file, Origin::FILE).unwrap();
            let found = other_name(&stream.documents[0], HOST, &[HOST, "login.example.com"]);
            let found = found.as_ref().map(|other| (other.name.as_str(), other.is_verified));
            assert_eq!(found, expected, "{file}");
        }
    }

    #[test]
    fn whether_a_socket_is_tls_is_told_by_its_type_whatever_it_is_called() {
        let of = |package: &str, message: &str, more: &str| {
            format!(
                "typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.{package}.v3.{message}{more}}}"
            )
        };
        let tls = of("tls", "UpstreamTlsContext", ", sni: found");
        let raw = of("raw_buffer", "RawBuffer", "");
        let wrapped = |package: &str, within: &str| {
            of(package, "Wrapper", &format!(", transport_socket: {{name: envoy.transport_sockets.tls, {within}}}"))
        };
        let as_struct = |package: &str| {
            format!(
                "typed_config: {{\"@type\": type.googleapis.com/xds.type.v3.TypedStruct, type_url: x/a.transport_sockets.{package}.v3.A, value: {{sni: found}}}}"
            )
        };
        for (written, expected) in [
            (tls.clone(), "found"),
            (raw.clone(), "plain"),
            (of("starttls", "UpstreamStartTlsConfig", ", tls_socket_config: {sni: x}"), "plain"),
            (of("quic", "QuicUpstreamTransport", ", upstream_tls_context: {sni: found}"), "found"),
            (of("quic", "QuicDownstreamTransport", ", downstream_tls_context: {sni: found}"), "found"),
            (wrapped("proxy_protocol", &tls), "found"),
            (wrapped("proxy_protocol", &raw), "plain"),
            (wrapped("tap", &wrapped("tcp_stats", &tls)), "found"),
            (of("http_11_proxy", "Http11ProxyUpstreamTransport", ""), "plain"),
            (wrapped("internal_upstream", &tls), "other"),
            (of("alts", "Alts", ""), "other"),
            (as_struct("tls"), "found"),
            (as_struct("raw_buffer"), "plain"),
        ] {
            for name in ["envoy.transport_sockets.tls", "envoy.transport_sockets.raw_buffer", "mine"] {
                let file = format!("transport_socket: {{name: {name}, {written}}}");
                let stream = read(&file, Origin::FILE).unwrap();
                let found = match Socket::of(&stream.documents[0]) {
                    Socket::Plain => "plain",
                    Socket::Tls(settings) => text(settings, "sni").unwrap_or_default(),
                    Socket::Other => "other",
                };
                assert_eq!(found, expected, "{file}");
            }
        }
        assert!(matches!(Socket::of(&read("name: a", Origin::FILE).unwrap().documents[0]), Socket::Plain));
    }
}
