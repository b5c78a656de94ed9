//! URLs, origins and queries: what is accepted, and how it is taken apart. Nothing here fetches or follows a
//! URL.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use fluent_uri::Uri;

use crate::words::reason::Reason;

/// An absolute `http` or `https` URL without user information or fragment.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    https: bool,
    host: String,
    port: Option<u16>,
    target: String,
}

impl Url {
    /// Reads a URL (RFC 3986).
    ///
    /// # Errors
    /// A phrase that completes "expected an absolute https URL, …".
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let uri = Uri::parse(text).map_err(|_| "found something that is no URL")?;
        let scheme = uri.scheme().as_str().to_ascii_lowercase();
        let https = match scheme.as_str() {
            "https" => true,
            "http" => false,
            _ => return Err("found another scheme"),
        };
        let authority = uri.authority().ok_or("found no host")?;
        if authority.has_userinfo() {
            return Err("found user information in it");
        }
        let host = authority.host();
        let plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
        if host.is_empty() || !(plain || host.starts_with('[')) {
            return Err("found no host, or one with other characters than letters, digits, - and .");
        }
        if uri.fragment().is_some() {
            return Err("found a fragment in it");
        }
        let port = authority.port_to_u16().map_err(|_| "found no valid port")?;
        let default_port = if https { 443 } else { 80 };
        let path = if uri.path().is_empty() { "/" } else { uri.path().as_str() };
        let target = match uri.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        Ok(Self {
            text: text.to_owned(),
            https,
            host: authority.host().to_ascii_lowercase(),
            port: port.filter(|port| *port != default_port),
            target,
        })
    }

    /// The URL as it was written. Issuers are compared by it, character by character.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme: `http` or `https`.
    pub const fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// Whether the scheme is `https`.
    pub const fn is_https(&self) -> bool {
        self.https
    }

    /// The host in lower case; an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host, and the port unless it is the scheme's default.
    pub fn authority(&self) -> String {
        match self.port {
            Some(_) => self.host_and_port(),
            None => self.host.clone(),
        }
    }

    /// The host and the port, even if that is the scheme's default.
    pub fn host_and_port(&self) -> String {
        format!("{}:{}", self.host, self.port.unwrap_or(if self.https { 443 } else { 80 }))
    }

    /// The path and the query.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Whether it names this machine: `localhost`, 127.0.0.0/8 or `[::1]`.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    /// The origin of the URL.
    pub fn origin(&self) -> Origin {
        Origin { https: self.https, authority: self.authority().into(), loopback: self.is_loopback() }
    }

    /// The URL with parameters added to its query, form-urlencoded (RFC 6749, appendix B).
    pub fn with_query<'a>(&self, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        let separator = if self.target.contains('?') { '&' } else { '?' };
        format!("{}{separator}{}", self.text, query.finish())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Scheme, host and port (RFC 6454).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    https: bool,
    /// Shared, because every request names its origin.
    authority: Rc<str>,
    loopback: bool,
}

impl Origin {
    /// Reads `https://host[:port]`, with nothing behind it.
    ///
    /// # Errors
    /// A phrase that completes "expected an origin such as `https://app.example.com`, …".
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text)?;
        if url.target() != "/" || text.ends_with('/') {
            return Err("found a path behind it");
        }
        Ok(url.origin())
    }

    /// The host, and the port unless it is the scheme's default, as in `:authority`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The host without the port.
    pub fn host(&self) -> &str {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => &self.authority,
        }
    }

    /// Whether `text` is the serialization of this origin (RFC 6454, section 6.2).
    pub fn is_serialized_as(&self, text: &str) -> bool {
        text.split_once("://") == Some((self.scheme(), &self.authority))
    }

    const fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// Whether the scheme is `https`.
    pub const fn is_https(&self) -> bool {
        self.https
    }

    /// Whether the host names this machine ([`Url::is_loopback`]).
    pub const fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether a request's `:authority`, in lower case, names this origin. It may contain the scheme's default port.
    pub fn answers_to(&self, authority: &str) -> bool {
        let default_port = if self.https { ":443" } else { ":80" };
        authority == &*self.authority || authority.strip_suffix(default_port) == Some(&*self.authority)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.scheme(), self.authority)
    }
}

/// Reads and decodes the parameters of a query that are `known`. Others are not looked at, however often they come: whoever adds
/// one must not stop anybody (RFC 6749, section 3.1: unrecognized parameters are ignored).
///
/// # Errors
/// [`Reason::QueryMalformed`] if a known one comes twice (RFC 6749, section 3.1).
pub fn query_parameters(query: Option<&str>, known: &[&str]) -> Result<BTreeMap<String, String>, Reason> {
    let mut parameters = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if known.contains(&&*name) && parameters.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(Reason::QueryMalformed);
        }
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_absolute_http_without_user_information_or_fragment() {
        for wrong in [
            "",
            "/x",
            "ftp://a",
            "https://",
            "https://u@a/",
            "https://a/#f",
            "https://a:99999/",
            "https://a b/",
            "https://*.a/",
            "https://%61/",
        ] {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
        let url = Url::parse("HTTPS://Sso.Example.com:443/realms/main?x=1").unwrap();
        assert_eq!((url.scheme(), url.authority().as_str(), url.target()), ("https", "sso.example.com", "/realms/main?x=1"));
        assert_eq!(url.with_query([("a b", "c&d")]), "HTTPS://Sso.Example.com:443/realms/main?x=1&a+b=c%26d");
        assert_eq!(Url::parse("http://127.0.0.1:9000").unwrap().authority(), "127.0.0.1:9000");
    }

    #[test]
    fn only_hosts_on_this_machine_are_recognised_as_loopback() {
        for (url, loopback) in [
            ("http://localhost", true),
            ("http://127.9.9.9:1", true),
            ("http://[::1]:1", true),
            ("http://localhost.evil", false),
            ("http://127.0.0.1.evil", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(Url::parse(url).unwrap().is_loopback(), loopback, "{url}");
        }
    }

    #[test]
    fn an_origin_answers_to_its_authority_only() {
        let origin = Origin::parse("https://app.example.com").unwrap();
        assert!(origin.answers_to("app.example.com") && origin.answers_to("app.example.com:443"));
        for other in ["app.example.com:80", "app.example.com.", "evil-app.example.com", "app.example.com.evil", ""] {
            assert!(!origin.answers_to(other), "{other}");
        }
        assert!(Origin::parse("https://app.example.com/").is_err());
        assert_eq!(Origin::parse("http://[::1]:80").unwrap().host(), "[::1]");
        assert_eq!(Origin::parse("http://localhost:10000").unwrap().host(), "localhost");
    }

    #[test]
    fn only_known_parameters_are_read_and_those_once() {
        let read = |query: &str| query_parameters(Some(query), &["code", "b"]);
        assert_eq!(read("code=a&code=b"), Err(Reason::QueryMalformed));
        assert_eq!(read("code=a&%63ode=b"), Err(Reason::QueryMalformed));
        assert_eq!(read("code=a&b=%20").unwrap()["b"], " ");
        let others = format!("x=1&x=2&Code=c&code[]=d&{}code=a", "y=1&".repeat(500));
        let parameters = read(&others).unwrap();
        assert_eq!(parameters.into_iter().collect::<Vec<_>>(), [("code".to_owned(), "a".to_owned())]);
        assert_eq!(query_parameters(None, &["code"]), Ok(BTreeMap::new()));
    }
}
