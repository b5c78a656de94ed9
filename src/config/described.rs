//! What the parts of a configuration look like, as data: their fields, and what may stand in each. The JSON Schema and the tables of
//! the reference are made of it. It is native only, and never reads a configuration.

use std::time::Duration;

use crate::words::principal::VERIFIABLE_CLAIMS;

/// A type that a part of a configuration is read as, and that says what may stand there.
pub(crate) trait Described {
    /// What may stand where this type is read.
    fn kind() -> Kind;
}

/// What may stand in a place.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A text, or the environment variable that holds it.
    Text(Text),
    /// A text that is nobody's business, or the environment variable that holds it.
    Secret,
    /// One of a closed list of words, or the environment variable that holds it.
    Words(Vec<Word>),
    /// `true` or `false`.
    Boolean,
    /// A whole number from the first to the second.
    Number(u64, Option<u64>),
    /// A span of time from the first to the second, as a text with units or a number of seconds.
    Span(Duration, Option<Duration>),
    /// A text, a number, `true` or `false`.
    Scalar,
    /// Whatever JSON can say, except `null`.
    Json,
    /// A list.
    List(List),
    /// An object whose members may have any name.
    Map(Box<Kind>),
    /// An object with fields of its own.
    Object(Object),
    /// One of these, and what the reference calls it.
    Either(&'static str, Vec<Kind>),
}

/// A text.
#[derive(Clone, Debug)]
pub struct Text {
    /// What the reference calls it, such as `origin`.
    pub called: &'static str,
    /// What it looks like, as a regular expression of JSON Schema; it lets through whatever the filter takes.
    pub pattern: Option<String>,
}

/// A word of a closed list.
#[derive(Clone, Debug)]
pub struct Word {
    /// The word.
    pub word: &'static str,
    /// What it means; empty where the field says it.
    pub meaning: &'static str,
}

/// A list.
#[derive(Clone, Debug)]
pub struct List {
    /// What its elements are.
    pub of: Box<Kind>,
    /// The fewest elements.
    pub least: usize,
    /// The most elements, if there is a limit.
    pub most: Option<usize>,
}

/// An object with fields of its own.
#[derive(Clone, Debug)]
pub struct Object {
    /// The name of its shape.
    pub name: &'static str,
    /// Its fields, in the order of the reference. (A function, because a condition may hold conditions.)
    pub fields: fn() -> Vec<Field>,
    /// What the reference calls it: mostly `object`.
    pub called: &'static str,
    /// Whether it must have at least one member.
    pub never_empty: bool,
    /// Whether it may have further members, which are ignored.
    pub is_open: bool,
}

/// A field of an object.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What may stand there.
    pub kind: Kind,
    /// Whether it must be there.
    pub is_required: bool,
    /// What it means, in Markdown.
    pub meaning: String,
    /// What holds where it is absent, in Markdown; `None` where the shape does not say it.
    pub default: Option<String>,
}

impl Field {
    /// A field whose documentation has these lines. One that begins with `Default: ` is its default, all others are its meaning.
    pub(crate) fn new(name: &'static str, kind: Kind, is_required: bool, lines: &[&str]) -> Self {
        let lines = lines.iter().map(|line| line.trim());
        let default = { lines.clone() }.find_map(|line| line.strip_prefix("Default: "));
        let default = default.map(|default| default.strip_suffix('.').unwrap_or(default).to_owned());
        let meaning = lines.filter(|line| !line.starts_with("Default: ")).collect::<Vec<_>>().join(" ");
        Self { name, kind, is_required, meaning, default }
    }

    /// The default as a value, if it is one: a single piece of code, such as `8h` between backticks.
    pub(crate) fn default_value(&self) -> Option<serde_json::Value> {
        let code = self.default.as_ref()?.strip_prefix('`')?.strip_suffix('`').filter(|code| !code.contains('`'))?;
        if let (Kind::List(_), Some(words)) = (&self.kind, code.strip_prefix('[').and_then(|code| code.strip_suffix(']'))) {
            let element = |word: &str| word.parse::<u64>().map_or_else(|_| word.into(), serde_json::Value::from);
            return Some(words.split(", ").filter(|word| !word.is_empty()).map(element).collect());
        }
        let is_text = matches!(self.kind, Kind::Text(_) | Kind::Words(_) | Kind::Span(..));
        let parsed = (!is_text).then(|| serde_json::from_str(code).ok()).flatten();
        Some(parsed.unwrap_or_else(|| code.into()))
    }
}

/// Fields without those of these names, which another use of the same shape has.
pub(crate) fn without(mut fields: Vec<Field>, names: &[&str]) -> Vec<Field> {
    fields.retain(|field| !names.contains(&field.name));
    fields
}

/// Fields of which one has another meaning in another use of the same shape, by the lines of its documentation.
pub(crate) fn meaning(mut fields: Vec<Field>, name: &str, lines: &[&str]) -> Vec<Field> {
    for field in fields.iter_mut().filter(|field| field.name == name) {
        *field = Field::new(field.name, field.kind.clone(), field.is_required, lines);
    }
    fields
}

/// Fields of which one may hold something else in another use of the same shape.
pub(crate) fn written(mut fields: Vec<Field>, name: &str, kind: Kind) -> Vec<Field> {
    for field in fields.iter_mut().filter(|field| field.name == name) {
        field.kind = kind.clone();
    }
    fields
}

impl Kind {
    /// The object that stands here, or whose likes stand here in a list, in a map or beside something else.
    pub fn object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            Self::List(list) => list.of.object(),
            Self::Map(of) => of.object(),
            Self::Either(_, kinds) => kinds.iter().find_map(Self::object),
            _ => None,
        }
    }

    /// The same list with at least so many elements.
    pub(crate) fn at_least(self, least: usize) -> Self {
        match self {
            Self::List(list) => Self::List(List { least, ..list }),
            other => other,
        }
    }

    /// The same list with at most so many elements.
    pub(crate) fn at_most(self, most: usize) -> Self {
        match self {
            Self::List(list) => Self::List(List { most: Some(most), ..list }),
            other => other,
        }
    }

    /// The same object, called so, with at least one member.
    pub(crate) fn never_empty(self, called: &'static str) -> Self {
        match self {
            Self::Object(object) => Self::Object(Object { called, never_empty: true, ..object }),
            other => other,
        }
    }

    /// The same object with further members, which are ignored.
    pub(crate) fn open(self) -> Self {
        match self {
            Self::Object(object) => Self::Object(Object { is_open: true, ..object }),
            other => other,
        }
    }

    /// An object with these fields. No two that differ have one name.
    pub(crate) fn with_fields(name: &'static str, fields: fn() -> Vec<Field>) -> Self {
        Self::Object(Object { name, fields, called: "object", never_empty: false, is_open: false })
    }
}

/// A text of this name, which looks like this regular expression.
pub(crate) fn text(called: &'static str, pattern: &str) -> Kind {
    Kind::Text(Text { called, pattern: Some(pattern.to_owned()) })
}

/// A text that is not empty.
pub(crate) fn named(called: &'static str) -> Kind {
    text(called, "^[\\s\\S]")
}

/// An origin.
pub(crate) fn origins() -> Kind {
    text("origin", "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@\\s]+$")
}

/// An absolute URL.
pub(crate) fn urls() -> Kind {
    text("URL", "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@\\s]+([/?][^#\\s]*)?$")
}

/// An absolute path.
pub(crate) fn paths() -> Kind {
    text("path", "^/")
}

/// The path of an endpoint.
pub(crate) fn endpoints() -> Kind {
    text("path", "^/[^*%\"'<>,]+$")
}

/// A host, with or without a port.
pub(crate) fn hosts() -> Kind {
    text("host", "^[A-Za-z0-9.:\\[\\]_-]+$")
}

/// The name of a header.
pub(crate) fn header_names() -> Kind {
    text("header name", "^[A-Za-z0-9-]+$")
}

/// A status of HTTP that is no failure of the server.
pub(crate) fn statuses() -> Kind {
    numbers(200, 499)
}

/// A list of claims that count only if they are verified.
pub(crate) fn verifiable_claims() -> Kind {
    list(words(VERIFIABLE_CLAIMS.map(|(claim, _)| claim)))
}

/// One of these words.
pub(crate) fn words(words: impl IntoIterator<Item = &'static str>) -> Kind {
    Kind::Words(words.into_iter().map(|word| Word { word, meaning: "" }).collect())
}

/// A list of these.
pub(crate) fn list(of: Kind) -> Kind {
    Kind::List(List { of: Box::new(of), least: 0, most: None })
}

/// A whole number from `least` to `most`.
pub(crate) fn numbers(least: u64, most: u64) -> Kind {
    Kind::Number(least, Some(most))
}

/// A span from `least` to `most`.
pub(crate) fn spans(least: Duration, most: Duration) -> Kind {
    Kind::Span(least, Some(most))
}

/// A span from a second to `most`.
pub(crate) fn positive_spans(most: Duration) -> Kind {
    spans(Duration::from_secs(1), most)
}
