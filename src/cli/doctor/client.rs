//! Asks a provider over the network, once for each call: by the name in the URL, or at an address that was given for it. A
//! redirect is not followed, no proxy is used, and no more of an answer is read than the filter would read. What an answer means
//! is not known here.

use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring::default_provider;
use rustls::{CertificateError, Error as TlsError};
use ureq::config::Config;
use ureq::http::{Request, Uri};
use ureq::tls::TlsConfig;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};

use crate::cli::doctor::trust::Trust;
use crate::cli::machine::Machine;
use crate::http::message::{Headers, HttpCall, Reply};
use crate::http::url::Url;
use crate::oidc::discovery::LARGEST_DOCUMENT;
use crate::words::time::Timestamp;
use crate::words::world::World as _;

/// How providers are reached.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Client {
    /// The address to call for a host and port, as HOST:PORT:ADDRESS; may be given several times.
    #[arg(long, value_name = "HOST:PORT:ADDRESS", value_parser = Address::parse)]
    resolve: Vec<Address>,
    /// How many seconds a call may take, instead of the configuration's timeout.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..=600))]
    timeout: Option<u16>,
}

/// The address of a host and port, as `curl --resolve` has it: `HOST:PORT:ADDRESS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    host: String,
    port: u16,
    ip: IpAddr,
}

impl Address {
    /// Reads `HOST:PORT:ADDRESS`.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let expected = || format!("expected HOST:PORT:ADDRESS, such as sso.example.com:443:10.0.0.7, found {text}");
        let (host, rest) = match text.strip_prefix('[').and_then(|inside| inside.split_once("]:")) {
            Some(parts) => parts,
            None => text.split_once(':').ok_or_else(expected)?,
        };
        let (port, ip) = rest.split_once(':').ok_or_else(expected)?;
        let ip = ip.trim_start_matches('[').trim_end_matches(']').parse();
        match (port.parse(), ip) {
            (Ok(port), Ok(ip)) if !host.is_empty() => Ok(Self { host: host.to_ascii_lowercase(), port, ip }),
            _ => Err(expected()),
        }
    }
}

/// An answer, and when it was asked for and came, by our clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) reply: Reply,
    pub(crate) asked: Timestamp,
    pub(crate) came: Timestamp,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unreached {
    /// Nobody knows an address of this name.
    NoAddress,
    /// The certificate does not prove that it is the provider, or there is no TLS.
    Tls(TlsFault),
    /// It took longer than this.
    Late(Duration),
    /// Something else; in the words of the client.
    Other(String),
}

/// What is wrong with TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TlsFault {
    /// No trusted authority has signed the certificate.
    UnknownAuthority,
    /// It is for other names. The words are those of the client.
    OtherName(String),
    /// It is not valid any more, or not yet. The words are those of the client.
    OutOfTime(String),
    /// There is no TLS at this port.
    NoTls,
    /// Something else; in the words of the client.
    Other(String),
}

impl Client {
    /// One that calls a host at this address.
    #[cfg(test)]
    pub(crate) fn at(address: &str) -> Self {
        Self { resolve: vec![Address::parse(address).unwrap()], timeout: Some(5) }
    }

    /// Where to connect to for this host and port: to the address that was given, or to those that this machine knows.
    ///
    /// # Errors
    /// If it knows none.
    pub(crate) fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Unreached> {
        let is_for_it = |address: &&Address| address.host.eq_ignore_ascii_case(host) && address.port == port;
        match self.resolve.iter().find(is_for_it) {
            Some(address) => Ok(vec![SocketAddr::new(address.ip, port)]),
            None => (host, port).to_socket_addrs().map(Iterator::collect).map_err(|_| Unreached::NoAddress),
        }
    }

    /// How long a call may take that by the configuration may take as long as this.
    pub(crate) fn timeout(&self, written: Duration) -> Duration {
        self.timeout.map_or(written, |seconds| Duration::from_secs(seconds.into()))
    }

    /// Whether an address was given for the host and port of a URL.
    pub(crate) fn resolves(&self, url: &Url) -> bool {
        self.resolve.iter().any(|Address { host, port, .. }| {
            [format!("{host}:{port}"), format!("[{host}]:{port}")].contains(&url.host_and_port())
        })
    }

    /// Makes a call.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(crate) fn ask(&self, call: &HttpCall, trust: &Trust) -> Result<Answered, Unreached> {
        let timeout = self.timeout(call.timeout);
        let tls = TlsConfig::builder()
            .root_certs(trust.roots())
            .unversioned_rustls_crypto_provider(Arc::new(default_provider()))
            .build();
        let config = Config::builder()
            .tls_config(tls)
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("accredit/", env!("CARGO_PKG_VERSION"), " doctor"))
            .build();
        let agent = Agent::with_parts(config, DefaultConnector::default(), Addresses(self.resolve.clone()));
        let asked = Machine.now();
        let reply = send(&agent, call).map_err(|error| unreached(error, timeout))?;
        Ok(Answered { reply, asked, came: Machine.now() })
    }
}

fn send(agent: &Agent, call: &HttpCall) -> Result<Reply, Error> {
    let url = format!("{}://{}{}", call.scheme, call.authority, call.path);
    let mut request = Request::builder().method(call.method).uri(url);
    for (name, value) in &call.headers {
        request = request.header(name.as_ref(), value);
    }
    let response = match call.method {
        "GET" => agent.run(request.body(())?),
        _ => agent.run(request.body(call.body.as_slice())?),
    }?;
    let (parts, body) = response.into_parts();
    let fields = parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    let headers = Headers::new(fields.collect());
    let mut bytes = Vec::new();
    let most = u64::try_from(LARGEST_DOCUMENT).unwrap_or(u64::MAX).saturating_add(1);
    body.into_reader().take(most).read_to_end(&mut bytes)?;
    Ok(Reply::Answered { status: parts.status.as_u16(), headers, body: bytes })
}

fn unreached(error: Error, timeout: Duration) -> Unreached {
    match error {
        Error::Timeout(_) => Unreached::Late(timeout),
        Error::HostNotFound => Unreached::NoAddress,
        Error::Rustls(error) => Unreached::Tls(fault(&error)),
        Error::Tls(words) => Unreached::Tls(TlsFault::Other(words.to_owned())),
        Error::Io(error) => by_io(&error, timeout),
        other => Unreached::Other(other.to_string()),
    }
}

/// Why there is no answer, after this error of input or output.
pub(super) fn by_io(error: &io::Error, timeout: Duration) -> Unreached {
    match tls_error(error) {
        Some(error) => Unreached::Tls(fault(error)),
        // A socket with a time-out says that it would block.
        None if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => Unreached::Late(timeout),
        // The system's look-up has no kind of its own.
        None if error.to_string().contains("lookup address") => Unreached::NoAddress,
        None => Unreached::Other(error.to_string()),
    }
}

/// The error of TLS inside of one of input and output.
fn tls_error(error: &io::Error) -> Option<&TlsError> {
    let inner = error.get_ref()?;
    inner.downcast_ref::<TlsError>().or_else(|| inner.source()?.downcast_ref::<TlsError>())
}

fn fault(error: &TlsError) -> TlsFault {
    let words = error.to_string();
    match error {
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            TlsFault::UnknownAuthority
        }
        TlsError::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
            TlsFault::OtherName(words)
        }
        TlsError::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => TlsFault::OutOfTime(words),
        TlsError::InvalidMessage(_) => TlsFault::NoTls,
        _ => TlsFault::Other(words),
    }
}

/// Looks names up: in the addresses that were given, and then as this machine does.
#[derive(Debug)]
struct Addresses(Vec<Address>);

impl Resolver for Addresses {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        match self.0.iter().find(|address| address.host == host && address.port == port) {
            Some(address) => {
                let mut found = self.empty();
                found.push(SocketAddr::new(address.ip, port));
                Ok(found)
            }
            None => DefaultResolver::default().resolve(uri, config, timeout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_curl_reads_it() {
        let address = |host: &str, port, ip: &str| Ok(Address { host: host.to_owned(), port, ip: ip.parse().unwrap() });
        assert_eq!(Address::parse("SSO.example.com:443:10.0.0.7"), address("sso.example.com", 443, "10.0.0.7"));
        assert_eq!(Address::parse("sso.example.com:8443:[::1]"), address("sso.example.com", 8443, "::1"));
        assert_eq!(Address::parse("[::1]:443:127.0.0.1"), address("::1", 443, "127.0.0.1"));
        for text in ["", "sso.example.com", "sso.example.com:443", "sso.example.com:x:10.0.0.7", ":443:10.0.0.7", "a:443:b"] {
            let refused = Address::parse(text).unwrap_err();
            assert!(refused.starts_with("expected HOST:PORT:ADDRESS"), "{refused}");
        }
    }

    #[test]
    fn an_address_is_for_its_host_and_port_alone() {
        for (address, url, is_for_it) in [
            ("sso.example.com:443:10.0.0.7", "https://SSO.example.com/auth", true),
            ("sso.example.com:443:10.0.0.7", "https://sso.example.com:8443/auth", false),
            ("sso.example.com:443:10.0.0.7", "http://sso.example.com/auth", false),
            ("sso.example.com:443:10.0.0.7", "https://login.example.com/auth", false),
            ("[2001:db8::1]:443:10.0.0.7", "https://[2001:db8::1]/auth", true),
        ] {
            assert_eq!(Client::at(address).resolves(&Url::parse(url).unwrap()), is_for_it, "{address} {url}");
        }
    }
}
