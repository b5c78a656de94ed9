//! A browser as a plain value. It does nothing by itself.

use std::collections::BTreeMap;

use crate::http::message::{Headers, Response};

/// A browser: a jar of cookies. It panics on cookies that a real browser would drop, or that a cache could store.
#[derive(Clone, Default)]
pub(crate) struct Browser {
    /// Value and path, by name.
    pub(crate) jar: BTreeMap<String, (String, String)>,
    /// The body of its next request, if the gateway reads one.
    pub(crate) body: String,
}

impl Browser {
    /// A navigation to a page, typed into the address bar.
    pub(crate) fn navigate(&self, target: &str) -> Headers {
        self.send("GET", target, &[("sec-fetch-mode", "navigate"), ("sec-fetch-site", "none"), ("accept", "text/html")])
    }

    /// A request by a script of the same origin.
    pub(crate) fn script(&self, method: &str, target: &str) -> Headers {
        self.send(method, target, &[("sec-fetch-mode", "cors"), ("sec-fetch-site", "same-origin")])
    }

    pub(crate) fn send(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> Headers {
        let path = target.split('?').next().unwrap();
        let sent = self.jar.iter().filter(|(_, (_, scope))| path.starts_with(scope.as_str()));
        let cookie = sent.map(|(name, (value, _))| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let mut all = vec![(":method", method), (":authority", "app.example.com"), (":path", target), ("x-request-id", "r-1")];
        all.extend_from_slice(fields);
        if !cookie.is_empty() {
            all.push(("cookie", &cookie));
        }
        Headers::new(all.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect())
    }

    /// Takes the cookies of a response.
    pub(crate) fn take<'a>(&mut self, fields: impl Iterator<Item = (&'a str, &'a str)> + Clone) {
        let set: Vec<_> = fields.clone().filter(|(name, _)| *name == "set-cookie").map(|(_, value)| value).collect();
        let stored = fields.clone().find(|(name, _)| *name == "cache-control").map(|(_, value)| value);
        assert!(set.is_empty() || stored == Some("private, no-store"), "cookies in an answer that may be stored");
        for cookie in set {
            let (pair, attributes) = cookie.split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let attribute = |name: &str| attributes.split("; ").find_map(|attribute| attribute.strip_prefix(name));
            let path = attribute("Path=").unwrap();
            assert!(
                attribute("Secure").is_some() && attribute("HttpOnly").is_some() && attribute("Domain").is_none(),
                "{cookie}"
            );
            let prefixed = name.starts_with("__Host-") && path == "/" || name.starts_with("__Secure-");
            assert!(prefixed || name == "access_token" && path == "/", "{cookie}");
            assert!(pair.len() <= 4_096, "a browser drops {name}");
            if attribute("Max-Age=") == Some("0") {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), (value.to_owned(), path.to_owned()));
            }
        }
    }

    pub(crate) fn take_response(&mut self, response: &Response) {
        self.take(response.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    }

    /// The names of its cookies, without those of sign-in attempts.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.jar.keys().map(String::as_str).filter(|name| !name.contains("-attempt-")).collect()
    }

    /// The names of the cookies of sign-in attempts, and of their places.
    pub(crate) fn attempts(&self) -> Vec<&str> {
        self.jar.keys().map(String::as_str).filter(|name| name.contains("-attempt-")).collect()
    }
}
