//! Whose certificates are trusted when a provider is asked: those of a file that was named, or of the file that the provider's
//! cluster trusts, or else those that this machine trusts. Nothing here ever trusts everybody.

use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, Error as TlsError, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

use crate::cli::envoy::around::{field, inner, text};
use crate::cli::envoy::tls::{self, Socket};
use crate::cli::input;
use crate::cli::terminal::Trouble;
use crate::cli::yaml::node::Node;
use crate::http::message::HttpCall;
use crate::http::url::Url;
use crate::oidc::provider::Provider;

/// Whose certificates are trusted.
#[derive(Clone)]
pub(crate) enum Trust {
    /// Those that this machine trusts.
    OfMachine,
    /// Those in a file of this name.
    Of(String, Vec<Certificate<'static>>),
}

impl Trust {
    /// The certificates of a file in PEM.
    ///
    /// # Errors
    /// If it cannot be read, or has no certificate.
    pub(crate) fn of_file(file: &str) -> Result<Self, Trouble> {
        let none = || Trouble::told(format!("{file}: expected certificates in PEM, found none"));
        certificates(&input::text(file)?).map(|certificates| Self::Of(file.to_owned(), certificates)).ok_or_else(none)
    }

    /// Whose certificates are trusted in this cluster: those that were named, or those that it trusts, or this machine's.
    pub(super) fn for_cluster(named: Option<&Self>, bootstrap: &Node, name: &str) -> Self {
        named.cloned().or_else(|| Self::of_cluster(bootstrap, name)).unwrap_or(Self::OfMachine)
    }

    /// The settings of TLS that trusts these.
    ///
    /// # Errors
    /// What rustls says, if this machine has no authorities, or a certificate cannot be read.
    pub(super) fn tls(&self) -> Result<ClientConfig, TlsError> {
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions()?;
        let builder = match self {
            Self::OfMachine => builder.with_platform_verifier()?,
            Self::Of(_, certificates) => {
                let mut roots = RootCertStore::empty();
                certificates.iter().try_for_each(|certificate| roots.add(certificate.der().to_vec().into()))?;
                builder.with_root_certificates(roots)
            }
        };
        Ok(builder.with_no_client_auth())
    }

    /// Whose certificates are trusted for a call: those that were named, or those that the cluster trusts which reaches the host, or
    /// this machine's. Browsers, which are sent to the authorization endpoint, trust whom they like.
    pub(crate) fn for_call(named: Option<&Self>, bootstrap: Option<&Node>, provider: &Provider, call: &HttpCall) -> Self {
        if let Some(named) = named {
            return named.clone();
        }
        let url = Url::parse(&format!("{}://{}/", call.scheme, call.authority)).ok();
        let cluster = url.as_ref().and_then(|url| provider.clusters.reaching(url));
        let of_cluster = bootstrap.zip(cluster).and_then(|(file, name)| Self::of_cluster(file, name));
        of_cluster.unwrap_or(Self::OfMachine)
    }

    /// The authority that an Envoy's file trusts for a cluster, if it is in a file that can be read here, or in the Envoy's file
    /// itself.
    fn of_cluster(bootstrap: &Node, name: &str) -> Option<Self> {
        let clusters = inner(bootstrap, &["static_resources", "clusters"])?.elements();
        let cluster = clusters.iter().find(|cluster| text(cluster, "name") == Some(name))?;
        let source = field(tls::validation_context(Socket::of(cluster).tls()?)?, "trusted_ca")?;
        if let Some(inline) = text(source, "inline_string") {
            return Some(Self::Of(format!("trusted_ca of cluster {name}"), certificates(inline)?));
        }
        let file = text(source, "filename")?;
        let certificates = certificates(&input::text_of_regular(file).ok()?)?;
        Some(Self::Of(file.to_owned(), certificates))
    }

    /// Whose they are, for a sentence.
    pub(crate) fn whose(&self) -> &str {
        match self {
            Self::OfMachine => "this machine",
            Self::Of(name, _) => name,
        }
    }

    pub(super) fn roots(&self) -> RootCerts {
        match self {
            Self::OfMachine => RootCerts::PlatformVerifier,
            Self::Of(_, certificates) => RootCerts::new_with_certs(certificates),
        }
    }
}

/// The certificates in a text; `None` if there is none, or something in it cannot be read.
fn certificates(text: &str) -> Option<Vec<Certificate<'static>>> {
    let mut found = Vec::new();
    for item in parse_pem(text.as_bytes()) {
        if let PemItem::Certificate(certificate) = item.ok()? {
            found.push(certificate);
        }
    }
    Some(found).filter(|found| !found.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::Folder;
    use crate::cli::yaml::reader::read;
    use crate::cli::yaml::spot::Origin;

    /// The names of those whose certificates are trusted, where a file of an Envoy names this file.
    fn trusted(file: &str) -> Option<String> {
        let text = format!(
            "static_resources:\n  clusters:\n  - name: sso\n    transport_socket: {{name: envoy.transport_sockets.tls, typed_config: {{common_tls_context: {{validation_context: {{trusted_ca: {{filename: {file:?}}}}}}}}}}}\n"
        );
        let bootstrap = read(&text, Origin::FILE).unwrap().documents.remove(0);
        Trust::of_cluster(&bootstrap, "sso").map(|trust| trust.whose().to_owned())
    }

    #[test]
    fn a_file_of_a_stranger_cannot_have_a_pipe_a_device_or_the_standard_input_read() {
        let folder = Folder::new("trusted-ca");
        let pipe = folder.path("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for file in [pipe.as_str(), "/dev/zero", "-", &folder.path(""), &folder.path("absent"), &folder.file("empty.pem", "")] {
            assert_eq!(trusted(file), None, "{file}");
        }
        let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", "AAAA");
        let good = folder.file("ca.pem", &pem);
        assert_eq!(trusted(&good), Some(good));
    }
}
