//! HTTP as values: what came in, what goes out, what we ask of others. No meaning is given to any of it here.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::words::reason::Reason;

/// Header fields in the order they came, names in lower case as HTTP/2 and Envoy write them; values are bytes.
/// Debug output shows the names only: values are cookies and credentials.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// Takes the fields over.
    pub fn new(fields: Vec<(String, Vec<u8>)>) -> Self {
        Self(fields)
    }

    /// Every value of a field, first to last. One name may come on several lines.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_slice())
    }

    /// A field that may come once only: its value as text; `None` when it is absent, comes twice or is not UTF-8.
    pub fn single(&self, name: &str) -> Option<&str> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (Some(value), None) => std::str::from_utf8(value).ok(),
            _ => None,
        }
    }

    /// Like [`Headers::single`], but the value is moved out: an empty one stays with the name, which is still asked for. Of a
    /// field that comes twice nothing is moved; a value that is not UTF-8 is lost.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let mut values = self.0.iter_mut().filter(|(field, _)| field == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(value), None) => String::from_utf8(std::mem::take(value)).ok(),
            _ => None,
        }
    }

    /// Whether a field is there at all.
    pub fn contains(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// Only the lines of one field.
    pub fn only(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|(field, _)| field == name).cloned().collect())
    }

    /// The names, as often as they come.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.names()).finish()
    }
}

/// A request as it came from the client.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The method, as sent: methods are case-sensitive.
    pub method: String,
    /// `:authority`, in lower case.
    pub authority: String,
    /// The path without query.
    pub path: String,
    /// What follows the first `?`. It may hold a code.
    pub query: Option<String>,
    /// All fields in the order they came. The values of `:method`, `:authority` and `:path` stand above, and are empty here; so is
    /// an `x-request-id` that the gateway took.
    pub headers: Headers,
}

impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}{}", self.method, self.authority, self.path)
    }
}

impl Request {
    /// Reads the pseudo-headers.
    ///
    /// # Errors
    /// [`Reason::HostMissing`] without an authority; [`Reason::PathAmbiguous`] without a path (CONNECT) or with one that is not
    /// UTF-8; [`Reason::MethodMalformed`] likewise.
    pub fn from_headers(mut headers: Headers) -> Result<Self, Reason> {
        let method = headers.take(":method").ok_or(Reason::MethodMalformed)?;
        let mut authority = headers.take(":authority").ok_or(Reason::HostMissing)?;
        authority.make_ascii_lowercase();
        let mut path = headers.take(":path").ok_or(Reason::PathAmbiguous)?;
        let query = path.find('?').map(|mark| {
            let query = path.split_off(mark.saturating_add(1));
            path.truncate(mark);
            query
        });
        Ok(Self { method, authority, path, query, headers })
    }

    /// Path and query as they were sent.
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }
}

/// An answer that we give ourselves.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The fields, `Set-Cookie` as often as needed.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Response {
    /// Sets these cookies, each given as the value of a `Set-Cookie` field.
    pub fn set_cookies(&mut self, cookies: impl IntoIterator<Item = String>) {
        self.headers.extend(cookies.into_iter().map(|cookie| ("set-cookie".to_owned(), cookie)));
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Cookies, a sign-in's state and an ID token as hint for sign-out are among the values.
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        write!(formatter, "{}, {names:?}, {} bytes", self.status, self.body.len())
    }
}

/// What to change about a request before it goes on. Names are in lower case.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Edits {
    /// Fields to take away, by the names that came.
    pub remove: Vec<String>,
    /// Fields to set, in place of whatever came.
    pub set: Rc<[(Rc<str>, String)]>,
    /// What becomes of `Cookie`.
    pub cookie: CookieEdit,
}

impl fmt::Debug for Edits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Forwarded tokens are among the values.
        let set: Vec<_> = self.set.iter().map(|(name, _)| name).collect();
        write!(formatter, "remove {:?}, set {set:?}, cookies {:?}", self.remove, self.cookie)
    }
}

/// What becomes of the `Cookie` header.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum CookieEdit {
    /// It stays as it came.
    #[default]
    Untouched,
    /// It goes: nothing is left in it.
    Dropped,
    /// It is replaced by one line with what is left, byte for byte.
    Replaced(Vec<u8>),
}

impl fmt::Debug for CookieEdit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untouched => formatter.write_str("untouched"),
            Self::Dropped => formatter.write_str("dropped"),
            Self::Replaced(left) => write!(formatter, "replaced by {} bytes", left.len()),
        }
    }
}

/// A call to somebody else: to a cluster, never to an address.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpCall {
    /// Envoy's cluster.
    pub cluster: String,
    /// The method.
    pub method: &'static str,
    /// `http` or `https`, for the pseudo-header.
    pub scheme: String,
    /// The authority that is asked.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// Further fields. They may hold credentials.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body. It may hold credentials, and is wiped when dropped.
    pub body: Zeroizing<String>,
    /// How long to wait.
    pub timeout: Duration,
}

impl fmt::Debug for HttpCall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Header values, the query and the body carry codes, secrets and tokens.
        let path = self.path.split('?').next().unwrap_or_default();
        write!(formatter, "{} {}://{}{path} by {}", self.method, self.scheme, self.authority, self.cluster)
    }
}

/// What came of a call.
#[derive(Clone, PartialEq, Eq)]
pub enum Reply {
    /// An answer, whoever gave it: Envoy itself says 503 for a refused connection and 504 for a time-out.
    Answered {
        /// The status code.
        status: u16,
        /// The fields.
        headers: Headers,
        /// The body.
        body: Vec<u8>,
    },
    /// The connection was reset before an answer.
    Reset,
    /// Envoy does not know the cluster, or could not send.
    NotSent,
}

impl fmt::Debug for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered { status, body, .. } => write!(formatter, "{status}, {} bytes", body.len()),
            Self::Reset => formatter.write_str("reset"),
            Self::NotSent => formatter.write_str("not sent"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &[u8])]) -> Headers {
        Headers::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect())
    }

    #[test]
    fn a_field_that_comes_twice_or_not_as_utf8_is_not_single() {
        let headers = fields(&[("a", b"1"), ("b", b"1"), ("b", b"2"), ("c", b"\xff")]);
        assert_eq!(headers.single("a"), Some("1"));
        assert_eq!([headers.single("b"), headers.single("c"), headers.single("d")], [None; 3]);
        assert_eq!(headers.all("b").count(), 2);
    }

    #[test]
    fn what_is_taken_was_single_and_leaves_its_name() {
        let mut headers = fields(&[("a", b"1"), ("b", b"1"), ("b", b"2"), ("c", b"\xff")]);
        assert_eq!(["a", "b", "c", "d"].map(|name| headers.take(name)), [Some("1".to_owned()), None, None, None]);
        assert_eq!((headers.single("a"), headers.all("b").collect::<Vec<_>>()), (Some(""), vec![b"1".as_slice(), b"2"]));
        assert_eq!(headers.names().collect::<Vec<_>>(), ["a", "b", "b", "c"]);
    }

    #[test]
    fn connect_without_a_path_is_refused_and_not_a_panic() {
        let headers = fields(&[(":method", b"CONNECT"), (":authority", b"a")]);
        assert_eq!(Request::from_headers(headers), Err(Reason::PathAmbiguous));
    }

    #[test]
    fn the_query_is_not_part_of_the_path() {
        let headers = fields(&[(":method", b"GET"), (":authority", b"A.example"), (":path", b"/x?y=/z?")]);
        let request = Request::from_headers(headers).unwrap();
        assert_eq!((request.path.as_str(), request.query.as_deref()), ("/x", Some("y=/z?")));
        assert_eq!((request.authority.as_str(), request.target()), ("a.example", "/x?y=/z?".to_owned()));
        let empty = fields(&[(":method", b"GET"), (":authority", b"a"), (":path", b"/x?")]);
        assert_eq!(Request::from_headers(empty).unwrap().target(), "/x?");
    }

    #[test]
    fn a_request_prints_neither_query_nor_header_values() {
        let headers = fields(&[(":method", b"GET"), (":authority", b"a"), (":path", b"/cb?code=x"), ("cookie", b"secret")]);
        assert!(!format!("{headers:?}").contains("secret"));
        assert_eq!(format!("{:?}", Request::from_headers(headers).unwrap()), "GET a/cb");
    }

    #[test]
    fn a_call_prints_neither_query_nor_body_nor_credentials() {
        let call = HttpCall {
            cluster: "sso".into(),
            method: "POST",
            scheme: "https".into(),
            authority: "sso.example".into(),
            path: "/token?code=abc".into(),
            headers: vec![("authorization".into(), "Basic xyz".into())],
            body: Zeroizing::new("client_secret=xyz".into()),
            timeout: Duration::from_secs(5),
        };
        assert_eq!(format!("{call:?}"), "POST https://sso.example/token by sso");
    }
}
