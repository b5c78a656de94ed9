//! HTTP messages as values: a client's request, our response, our calls to clusters and their outcome. What they mean is not
//! known here.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::words::bytes::ByteSet;
use crate::words::reason::Reason;

/// The bytes that a bearer token may have (`token68`; RFC 9110, section 11.2; RFC 6750, section 2.1).
pub const TOKEN68: ByteSet = ByteSet::EMPTY.with_range(b'A', b'Z').with_range(b'a', b'z').with_range(b'0', b'9').with(b"-._~+/=");

/// Header fields in the order in which they came. Names are in lower case, as HTTP/2 and Envoy write them; values are bytes. All
/// of them lie in one piece of memory. Debug output shows the names alone, because values are cookies and credentials.
#[derive(Clone, Default)]
pub struct Headers {
    bytes: Vec<u8>,
    /// Where the name and the value of each field are in `bytes`; a span outside of it is empty. Names are UTF-8.
    fields: Vec<(Span, Span)>,
}

/// The first byte of a text, and its length in bytes.
#[derive(Clone, Copy, Default)]
struct Span(usize, usize);

impl Span {
    #[inline]
    fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.0..self.0.saturating_add(self.1)).unwrap_or_default()
    }

    /// Whether this text is there. (The lengths are compared first, because most names differ in length.)
    #[inline]
    fn is(self, bytes: &[u8], name: &str) -> bool {
        self.1 == name.len() && self.of(bytes) == name.as_bytes()
    }
}

impl Headers {
    /// Header fields from a list of names and values.
    pub fn new(fields: Vec<(String, Vec<u8>)>) -> Self {
        Self::of(fields.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())))
    }

    /// Reads the form in which proxy-wasm hosts hand over a header map (ABI 0.2.1): the number of fields, the lengths of each
    /// name and its value, then all names and values, each with a zero byte behind it. Numbers have four bytes, little-endian; an
    /// empty map may be no bytes at all. `None` for anything else, and if a name is not ASCII, as all names of HTTP are.
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

    /// All values of a field, in order; a field may come on several lines.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let fields = self.fields.iter().filter(move |(field, _)| field.is(&self.bytes, name));
        fields.map(|(_, value)| value.of(&self.bytes))
    }

    /// The value of a field that may come once only; `None` if it is absent, comes more than once or is not UTF-8.
    pub fn single(&self, name: &str) -> Option<&str> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (Some(value), None) => std::str::from_utf8(value).ok(),
            _ => None,
        }
    }

    /// Like [`Headers::single`], but takes the value out: the name stays, with an empty value. A field that comes more than once
    /// stays as it is; a value that is not UTF-8 is lost.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let fields = self.fields.iter_mut().filter(|(field, _)| field.is(&self.bytes, name));
        let mut values = fields.map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(value), None) => std::str::from_utf8(std::mem::take(value).of(&self.bytes)).ok().map(str::to_owned),
            _ => None,
        }
    }

    /// Whether the field came at all.
    pub fn contains(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| field.is(&self.bytes, name))
    }

    /// Adds a line behind the others.
    pub fn add(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        let place = Span(self.bytes.len(), name.len());
        self.bytes.extend_from_slice(name.as_bytes());
        self.fields.push((place, Span(self.bytes.len(), value.len())));
        self.bytes.extend_from_slice(value);
    }

    /// Removes all lines of a field.
    pub fn remove(&mut self, name: &str) {
        let Self { bytes, fields } = self;
        fields.retain(|(field, _)| !field.is(bytes, name));
    }

    /// The lines of one field alone.
    pub fn only(&self, name: &str) -> Self {
        Self::of(self.all(name).map(|value| (name.as_bytes(), value)))
    }

    /// The names of all lines: one that comes twice is listed twice.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named(|_| true)
    }

    /// The names for which `wanted` holds, which sees them as ASCII.
    pub fn named(&self, wanted: impl Fn(&[u8]) -> bool) -> impl Iterator<Item = &str> {
        let names = self.fields.iter().map(|(name, _)| name.of(&self.bytes)).filter(move |name| wanted(name));
        names.map(|name| std::str::from_utf8(name).unwrap_or_default())
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

/// What comes behind the headers of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Following {
    /// Nothing: it ended with them.
    Nothing,
    /// A body, which may be empty, or trailers. Whatever the headers say of that, a body may follow (RFC 9113, section 8.1).
    Body,
}

/// A request as it came from the client.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The method as it was sent: methods are case-sensitive.
    pub method: String,
    /// `:authority`, in lower case.
    pub authority: String,
    /// The path without the query.
    pub path: String,
    /// The query: what follows the first `?`. It may hold an authorization code.
    pub query: Option<String>,
    /// All fields in the order in which they came. The values of `:method`, `:authority` and `:path` are empty here, because they
    /// were moved to the fields above; so may be that of `x-request-id`.
    pub headers: Headers,
    /// What comes behind the headers.
    pub following: Following,
}

impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}{}", self.method, self.authority, self.path)
    }
}

impl Request {
    /// Reads the pseudo-header fields of a request that ends with its headers.
    ///
    /// # Errors
    /// [`Reason::HostMissing`] without an authority; [`Reason::PathAmbiguous`] without a path (CONNECT);
    /// [`Reason::MethodMalformed`] without a method. A value that comes twice or is not UTF-8 is as good as none.
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
        Ok(Self { method, authority, path, query, headers, following: Following::Nothing })
    }

    /// The path and the query, as they were sent.
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }
}

/// A response that this filter gives itself.
#[expect(missing_docs, reason = "the names say it")]
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// The header fields; `set-cookie` may come several times.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Response {
    /// Adds a `set-cookie` field for each of these values.
    pub fn set_cookies(&mut self, cookies: impl IntoIterator<Item = String>) {
        self.headers.extend(cookies.into_iter().map(|cookie| ("set-cookie".to_owned(), cookie)));
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values hold cookies, the `state` of a sign-in, and the ID token as a hint for sign-out.
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        write!(formatter, "{}, {names:?}, {} bytes", self.status, self.body.len())
    }
}

/// The changes to a request before it goes upstream. Names are in lower case.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Edits {
    /// The fields to remove, by the names that came.
    pub remove: Vec<String>,
    /// The fields to add, after those of `remove` are gone. `remove` has every field of the client with one of these names, so that
    /// none stands beside ours.
    pub add: Rc<[(Rc<str>, String)]>,
    /// The change to `cookie`.
    pub cookie: CookieEdit,
}

impl fmt::Debug for Edits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values hold forwarded tokens.
        let add: Vec<_> = self.add.iter().map(|(name, _)| name).collect();
        write!(formatter, "remove {:?}, add {add:?}, cookies {:?}", self.remove, self.cookie)
    }
}

/// The change to a request's `cookie` field.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum CookieEdit {
    /// None: it stays as it came.
    #[default]
    Untouched,
    /// It is removed, because nothing would be left in it.
    Dropped,
    /// It is replaced by one line with the cookies that are left, byte for byte.
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

/// The header of every call of ours by which its answer comes as it is (RFC 9110, section 12.5.3). Without it, a server may
/// compress.
pub const UNCOMPRESSED: (&str, &str) = ("accept-encoding", "identity");

/// An HTTP call of ours. It goes to one of Envoy's clusters, never to an address.
#[expect(missing_docs, reason = "the names say it")]
#[derive(Clone, PartialEq, Eq)]
pub struct HttpCall {
    /// The name of Envoy's cluster.
    pub cluster: String,
    pub method: &'static str,
    /// `:scheme`: `http` or `https`.
    pub scheme: String,
    /// `:authority`.
    pub authority: String,
    /// `:path`: the path and the query.
    pub path: String,
    /// The further fields. They may hold credentials.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body. It may hold credentials, and is wiped when it is dropped.
    pub body: Zeroizing<Vec<u8>>,
    /// How long to wait for the response.
    pub timeout: Duration,
}

impl fmt::Debug for HttpCall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Header values, the query and the body carry codes, secrets and tokens.
        let path = self.path.split('?').next().unwrap_or_default();
        write!(formatter, "{} {}://{}{path} by {}", self.method, self.scheme, self.authority, self.cluster)
    }
}

/// The outcome of an HTTP call.
#[derive(Clone, PartialEq, Eq)]
pub enum Reply {
    /// There is a response. Envoy itself may have made it: a 503 if the connection is refused, a 504 after a time-out.
    #[expect(missing_docs, reason = "the names say it")]
    Answered { status: u16, headers: Headers, body: Vec<u8> },
    /// The connection was reset before the response.
    Reset,
    /// The call was not sent: Envoy does not know the cluster, or refused.
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
