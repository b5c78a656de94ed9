//! JSON and paths with gaps: what the user service is asked, and what a page is answered. A value that fills a gap is never read
//! as JSON itself, or as another part of a path. What a template is for is not known here.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::words::principal::{ClaimPath, Claims};
use crate::words::secret::Secret;

/// What is percent-encoded in a path: all but the unreserved characters of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// JSON whose texts may have gaps.
#[derive(Clone, Debug)]
pub enum Template {
    /// JSON without gaps.
    Fixed(Value),
    /// A text that is one gap: it becomes the value with its type, or without a value is left out with its member's name.
    Gap(Gap),
    /// A text with gaps in it.
    Text(Text),
    /// An array.
    List(Vec<Template>),
    /// Members of an object.
    Object(Vec<(String, Template)>),
}

/// A text with gaps.
#[derive(Clone, Debug)]
pub struct Text(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Literal(String),
    Gap(Gap),
}

/// What a gap is filled with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// `{account}`: the name that somebody wants to sign in with.
    Account,
    /// `{password}`: the password that they typed.
    Password,
    /// `{random_password}`: 256 random bits.
    RandomPassword,
    /// `{token}`: the session, as a JWT.
    Token,
    /// `{expires_in}`: the lifetime of that session, in seconds.
    ExpiresIn,
    /// `{claims.…}`: what the provider says of the person; `{json claims.…}` where that may be a list or an object.
    Claim(ClaimPath, Kind),
    /// `{user.…}`: what the user service says.
    User(ClaimPath),
}

/// Which types a claim may have that fills a gap. What people say of themselves must not become a structure that a service reads
/// as more than a value, for instance as an operator of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text, a number, `true` or `false`.
    Scalar,
    /// Also a list or an object.
    Json,
}

/// The values for gaps. A gap whose value is `None` is left out.
#[derive(Clone, Copy, Default)]
#[expect(missing_docs, reason = "each is named as its gap is")]
pub struct Filling<'a> {
    pub account: Option<&'a str>,
    pub password: Option<&'a Secret>,
    pub random_password: Option<&'a Secret>,
    pub token: Option<&'a Secret>,
    pub expires_in: Option<u64>,
    pub claims: Option<&'a Claims>,
    pub user: Option<&'a Claims>,
}

enum Filled<'a> {
    Text(&'a str),
    Number(u64),
    Value(&'a Value),
    Absent,
}

/// What is wrong with a template: the path of the member, such as `.user.id`, and what was expected there.
pub type Unreadable = (String, &'static str);

const BRACES: &str = "expected gaps such as {claims.email}, found a single brace; write {{ or }} for a brace itself";
const UNKNOWN: &str = "expected a gap that can be filled here, found another; see the configuration reference for their names";

impl Template {
    /// Reads a template. `offered` says which gaps it may have.
    ///
    /// # Errors
    /// The first member that cannot be read.
    pub fn parse(value: &Value, offered: fn(&Gap) -> bool) -> Result<Self, Unreadable> {
        let below = |step: String| move |(path, what): Unreadable| (format!("{step}{path}"), what);
        Ok(match value {
            Value::String(text) => {
                let mut text = Text::parse(text, offered).map_err(|what| (String::new(), what))?;
                match (text.0.pop(), text.0.is_empty()) {
                    (None, _) => Self::Fixed(Value::String(String::new())),
                    (Some(Piece::Gap(gap)), true) => Self::Gap(gap),
                    (Some(Piece::Literal(literal)), true) => Self::Fixed(Value::String(literal)),
                    (Some(last), false) => {
                        text.0.push(last);
                        Self::Text(text)
                    }
                }
            }
            Value::Array(members) => {
                let each = members.iter().enumerate();
                let each = each.map(|(index, member)| Self::parse(member, offered).map_err(below(format!("[{index}]"))));
                Self::List(each.collect::<Result<_, _>>()?)
            }
            Value::Object(members) => {
                let each = members
                    .iter()
                    .map(|(name, member)| Ok((name.clone(), Self::parse(member, offered).map_err(below(format!(".{name}")))?)));
                Self::Object(each.collect::<Result<_, _>>()?)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Self::Fixed(value.clone()),
        })
    }

    /// Whether there is a `wanted` gap anywhere.
    pub fn has(&self, wanted: &dyn Fn(&Gap) -> bool) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Gap(gap) => wanted(gap),
            Self::Text(text) => text.has(wanted),
            Self::List(members) => members.iter().any(|member| member.has(wanted)),
            Self::Object(members) => members.iter().any(|(_, member)| member.has(wanted)),
        }
    }

    /// The JSON with its gaps filled. It is wiped when dropped, and so is every copy of a name or a password that is made on the
    /// way.
    pub fn json(&self, filling: &Filling<'_>) -> Zeroizing<String> {
        let mut written = Zeroizing::new(Vec::with_capacity(self.most_bytes(filling)));
        if !self.write(filling, &mut written) {
            written.extend_from_slice(b"null");
        }
        // A writer of JSON writes UTF-8.
        Zeroizing::new(String::from_utf8(std::mem::take(&mut *written)).unwrap_or_default())
    }

    /// Writes the JSON. False, with nothing written, when the template is a gap without a value.
    fn write(&self, filling: &Filling<'_>, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Fixed(value) => write_value(value, out),
            Self::Gap(gap) => match gap.fill(filling) {
                Filled::Text(text) => write_text(text, out),
                Filled::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
                Filled::Value(value) => write_value(value, out),
                Filled::Absent => return false,
            },
            Self::Text(text) => write_text(&text.fill(filling), out),
            Self::List(members) => {
                out.push(b'[');
                for (index, member) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    if !member.write(filling, out) {
                        out.extend_from_slice(b"null");
                    }
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                let begin = out.len();
                for (name, member) in members {
                    let before = out.len();
                    if before > begin {
                        out.push(b',');
                    }
                    write_text(name, out);
                    out.push(b':');
                    if !member.write(filling, out) {
                        out.truncate(before);
                    }
                }
                out.push(b'}');
            }
        }
        true
    }

    /// How many bytes are written at most, whatever names and passwords consist of; for claims and users this is only an
    /// estimate.
    fn most_bytes(&self, filling: &Filling<'_>) -> usize {
        let escaped = |length: usize| length.saturating_mul(6).saturating_add(8);
        match self {
            Self::Fixed(Value::String(text)) => escaped(text.len()),
            Self::Fixed(_) => 32,
            Self::Gap(gap) => escaped(gap.fill(filling).length()),
            Self::Text(text) => escaped(text.most_bytes(filling)),
            Self::List(members) => members.iter().map(|member| member.most_bytes(filling)).sum::<usize>().saturating_add(8),
            Self::Object(members) => {
                let each = members.iter().map(|(name, member)| escaped(name.len()).saturating_add(member.most_bytes(filling)));
                each.sum::<usize>().saturating_add(8)
            }
        }
    }
}

impl Text {
    /// Reads a text. `offered` says which gaps it may have.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str, offered: fn(&Gap) -> bool) -> Result<Self, &'static str> {
        let (mut pieces, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at_checked(at).ok_or(BRACES)?;
            literal.push_str(before);
            if let Some(after) = brace.strip_prefix("{{").or_else(|| brace.strip_prefix("}}")) {
                literal.extend(brace.chars().next());
                rest = after;
                continue;
            }
            let (name, after) = brace.strip_prefix('{').and_then(|inner| inner.split_once('}')).ok_or(BRACES)?;
            let gap = Gap::named(name).filter(offered).ok_or(UNKNOWN)?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Gap(gap));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self(pieces))
    }

    /// Whether there is a `wanted` gap.
    pub fn has(&self, wanted: &dyn Fn(&Gap) -> bool) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Gap(gap) if wanted(gap)))
    }

    /// The text before the first gap.
    pub fn beginning(&self) -> &str {
        match self.0.first() {
            Some(Piece::Literal(literal)) => literal,
            Some(Piece::Gap(_)) | None => "",
        }
    }

    /// A path with its gaps filled. All reserved characters of the values are percent-encoded.
    ///
    /// # Errors
    /// The first gap that has no value, or one that servers remove from a path (`.` and `..`).
    pub fn path(&self, filling: &Filling<'_>) -> Result<String, &Gap> {
        let mut path = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => path.push_str(literal),
                Piece::Gap(gap) => match gap.fill(filling).text() {
                    Some(text) if !matches!(&*text, "" | "." | "..") => path.extend(utf8_percent_encode(&text, RESERVED)),
                    Some(_) | None => return Err(gap),
                },
            }
        }
        Ok(path)
    }

    fn fill(&self, filling: &Filling<'_>) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.most_bytes(filling)));
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Gap(gap) => text.push_str(&gap.fill(filling).text().unwrap_or_default()),
            }
        }
        text
    }

    fn most_bytes(&self, filling: &Filling<'_>) -> usize {
        let each = self.0.iter().map(|piece| match piece {
            Piece::Literal(literal) => literal.len(),
            Piece::Gap(gap) => gap.fill(filling).length(),
        });
        each.sum()
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account => formatter.write_str("account"),
            Self::Password => formatter.write_str("password"),
            Self::RandomPassword => formatter.write_str("random_password"),
            Self::Token => formatter.write_str("token"),
            Self::ExpiresIn => formatter.write_str("expires_in"),
            Self::Claim(path, Kind::Scalar) => write!(formatter, "claims.{path}"),
            Self::Claim(path, Kind::Json) => write!(formatter, "json claims.{path}"),
            Self::User(path) => write!(formatter, "user.{path}"),
        }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Literal(literal) => formatter.write_str(literal),
            Piece::Gap(gap) => write!(formatter, "{{{gap}}}"),
        })
    }
}

impl Gap {
    /// Whether it is filled with a number, `true`, `false` or a text that is not empty.
    pub fn is_filled(&self, filling: &Filling<'_>) -> bool {
        self.fill(filling).text().is_some_and(|text| !text.is_empty())
    }

    /// Whether it is filled with a claim that is a list or an object, but may only be a [`Kind::Scalar`].
    pub fn is_unwanted_structure(&self, filling: &Filling<'_>) -> bool {
        let structure = || matches!(self.fill(filling), Filled::Value(Value::Array(_) | Value::Object(_)));
        matches!(self, Self::Claim(_, Kind::Scalar)) && structure()
    }

    fn named(name: &str) -> Option<Self> {
        let path = |prefix: &str| ClaimPath::dotted(name.strip_prefix(prefix)?);
        match name {
            "account" => Some(Self::Account),
            "password" => Some(Self::Password),
            "random_password" => Some(Self::RandomPassword),
            "token" => Some(Self::Token),
            "expires_in" => Some(Self::ExpiresIn),
            _ => {
                let claim = |prefix, kind| path(prefix).map(|path| Self::Claim(path, kind));
                let claim = claim("claims.", Kind::Scalar).or_else(|| claim("json claims.", Kind::Json));
                claim.or_else(|| path("user.").map(Self::User))
            }
        }
    }

    fn fill<'a>(&self, filling: &Filling<'a>) -> Filled<'a> {
        let secret = |secret: Option<&'a Secret>| secret.map(|secret| Filled::Text(secret.expose()));
        let found =
            |path: &ClaimPath, members: Option<&'a Claims>| members.and_then(|members| path.find(members)).map(Filled::Value);
        let filled = match self {
            Self::Account => filling.account.map(Filled::Text),
            Self::Password => secret(filling.password),
            Self::RandomPassword => secret(filling.random_password),
            Self::Token => secret(filling.token),
            Self::ExpiresIn => filling.expires_in.map(Filled::Number),
            Self::Claim(path, _) => found(path, filling.claims),
            Self::User(path) => found(path, filling.user),
        };
        filled.unwrap_or(Filled::Absent)
    }
}

impl<'a> Filled<'a> {
    /// The value as text; `None` for lists and objects.
    fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Value(Value::String(text)) => Some(Cow::Borrowed(text)),
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
            Self::Value(value @ (Value::Number(_) | Value::Bool(_))) => Some(Cow::Owned(value.to_string())),
            Self::Value(Value::Null | Value::Array(_) | Value::Object(_)) | Self::Absent => None,
        }
    }

    fn length(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Value(Value::String(text)) => text.len(),
            Self::Number(_) | Self::Value(_) | Self::Absent => 32,
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    // Writing to memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, value);
}

#[cfg(test)]
mod tests;
