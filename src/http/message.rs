//! HTTP as values: what came in, what goes out, what we ask of others. No meaning is given to any of it here.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::words::reason::Reason;

/// Header fields in the order they came, names in lower case as HTTP/2 and Envoy write them; values are bytes. All of them lie in one
/// piece of memory. Debug output shows the names only: values are cookies and credentials.
#[derive(Clone, Default)]
pub struct Headers {
    bytes: Vec<u8>,
    /// Where name and value of each field are; what is no place in `bytes` is empty. Names are ASCII or came as text.
    fields: Vec<(Span, Span)>,
}

/// Where a text begins, and its length.
#[derive(Clone, Copy, Default)]
struct Span(usize, usize);

impl Span {
    #[inline]
    fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.0..self.0.saturating_add(self.1)).unwrap_or_default()
    }

    /// Whether this is there. (Most names differ in length.)
    #[inline]
    fn is(self, bytes: &[u8], name: &str) -> bool {
        self.1 == name.len() && self.of(bytes) == name.as_bytes()
    }
}

impl Headers {
    /// From fields that are one by one.
    pub fn new(fields: Vec<(String, Vec<u8>)>) -> Self {
        Self::of(fields.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())))
    }

    /// Takes fields over in the piece of memory in which a host hands them over (proxy-wasm's ABI 0.2.1): how many there are, the length
    /// of each name and of its value, then all these names and values with a zero behind each. Numbers have four bytes, the lowest
    /// first. No bytes are no fields. `None` for anything else, and where a name is not ASCII: HTTP has no others.
    pub fn read(bytes: Vec<u8>) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let number = |bytes: &[u8; 4]| usize::try_from(u32::from_le_bytes(*bytes)).ok();
        let (count, rest) = bytes.split_first_chunk()?;
        let (lengths, _) = rest.get(..number(count)?.checked_mul(8)?)?.as_chunks::<4>();
        let mut next = lengths.len().checked_add(1)?.checked_mul(4)?;
        let mut place = |length: &[u8; 4]| {
            let place = Span(next, number(length)?);
            let end = next.checked_add(place.1)?;
            next = end.checked_add(1)?;
            (end <= bytes.len()).then_some(place)
        };
        let mut fields = Vec::with_capacity(lengths.len() / 2);
        for [name, value] in lengths.as_chunks().0 {
            let (name, value) = (place(name)?, place(value)?);
            if !name.of(&bytes).is_ascii() {
                return None;
            }
            fields.push((name, value));
        }
        Some(Self { bytes, fields })
    }

    fn of<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut all = Self::default();
        let mut place = |part: &[u8]| {
            let place = Span(all.bytes.len(), part.len());
            all.bytes.extend_from_slice(part);
            place
        };
        all.fields = fields.map(|(name, value)| (place(name), place(value))).collect();
        all
    }

    /// Every value of a field, first to last. One name may come on several lines.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let fields = self.fields.iter().filter(move |(field, _)| field.is(&self.bytes, name));
        fields.map(|(_, value)| value.of(&self.bytes))
    }

    /// A field that may come once only: its value as text; `None` when it is absent, comes twice or is not UTF-8.
    pub fn single(&self, name: &str) -> Option<&str> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (Some(value), None) => std::str::from_utf8(value).ok(),
            _ => None,
        }
    }

    /// Like [`Headers::single`], but the value is taken away: an empty one stays with the name, which is still asked for. Of a field
    /// that comes twice nothing is taken; a value that is not UTF-8 is lost.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let fields = self.fields.iter_mut().filter(|(field, _)| field.is(&self.bytes, name));
        let mut values = fields.map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(value), None) => std::str::from_utf8(std::mem::take(value).of(&self.bytes)).ok().map(str::to_owned),
            _ => None,
        }
    }

    /// Whether a field is there at all.
    pub fn contains(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// Only the lines of one field.
    pub fn only(&self, name: &str) -> Self {
        Self::of(self.all(name).map(|value| (name.as_bytes(), value)))
    }

    /// The names, as often as they come.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| std::str::from_utf8(name.of(&self.bytes)).unwrap_or_default())
    }

    fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|(name, value)| (name.of(&self.bytes), value.of(&self.bytes)))
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.pairs().eq(other.pairs())
    }
}

impl Eq for Headers {}

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
mod tests;
