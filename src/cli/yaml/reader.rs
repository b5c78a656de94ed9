//! From a text to trees: the events of the parser, anchors and aliases, and keys that stand twice. What a stranger wrote is
//! bounded: its bytes, how deep it is nested, and how much it is once every alias stands for what it names.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use crate::cli::yaml::node::{Content, Member, Node};
use crate::cli::yaml::scalars::{Scalar, Style};
use crate::cli::yaml::spot::{Origin, Spot};

/// The most bytes of a text.
pub(crate) const MOST_BYTES: usize = 8 * 1024 * 1024;

/// The most levels of lists and maps.
const DEEPEST: usize = 100;

/// The most weight of a stream: each value weighs as much as its text, and this.
const HEAVIEST: usize = 32 * 1024 * 1024;
const WEIGHT_OF_A_NODE: usize = 16;

/// The documents of a text.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The documents, in order.
    pub(crate) documents: Vec<Node>,
    /// The keys that stand twice in one map.
    pub(crate) repeated: Vec<Repeated>,
}

/// A key that stands in one map again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repeated {
    pub(crate) name: String,
    pub(crate) first: Spot,
    pub(crate) again: Spot,
}

/// Why a text is no YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) spot: Spot,
    pub(crate) sentence: String,
}

/// Reads all documents of a text, which may itself stand in a file at `origin`.
///
/// # Errors
/// If it is no YAML, or passes one of the bounds.
pub(crate) fn read(text: &str, origin: Origin) -> Result<Stream, Malformed> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MOST_BYTES {
        let sentence = format!("expected at most {MOST_BYTES} bytes, found {}; split the file", text.len());
        return Err(Malformed { spot: origin.spot(1, 1), sentence });
    }
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        lines: text.lines().collect(),
        origin,
        anchors: HashMap::new(),
        repeated: Vec::new(),
        weight: 0,
    };
    let mut documents = Vec::new();
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => return Ok(Stream { documents, repeated: reader.repeated }),
            (Event::DocumentStart(_), _) => {
                let (event, span) = reader.next()?;
                documents.push(reader.node(event, span, 0)?.node);
                // An alias names an anchor of its own document.
                reader.anchors.clear();
            }
            _ => {}
        }
    }
}

/// A node, with what it adds to the tree wherever an alias names it.
#[derive(Clone)]
struct Built {
    node: Node,
    weight: usize,
    height: usize,
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    lines: Vec<&'a str>,
    origin: Origin,
    anchors: HashMap<usize, Built>,
    repeated: Vec<Repeated>,
    weight: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Malformed> {
        match self.events.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let spot = self.origin.spot(error.marker().line(), error.marker().col().saturating_add(1));
                Err(Malformed { spot, sentence: format!("expected YAML, found something else: {}; correct it", error.info()) })
            }
            None => Err(self.refused(self.origin.spot(self.lines.len().max(1), 1), "the end of the text")),
        }
    }

    fn refused(&self, spot: Spot, found: &str) -> Malformed {
        Malformed { spot, sentence: format!("expected YAML that can be read, found {found}; correct it") }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Built, Malformed> {
        let spot = self.origin.spot(span.start.line(), span.start.col().saturating_add(1));
        let mut height = 0;
        let before = self.weight;
        let (content, anchor) = match event {
            Event::Alias(id) => return self.named(id, spot, depth),
            Event::Scalar(text, style, id, tag) => {
                self.weighs(text.len(), spot)?;
                let tag = tag.map(|tag| format!("{}{}", tag.handle, tag.suffix));
                let origin = self.origin_of(&text, style, span, spot);
                let style = if style == ScalarStyle::Plain { Style::Plain } else { Style::Text };
                (Content::Scalar(Scalar { text: text.into_owned(), style, tag, origin }), id)
            }
            Event::SequenceStart(id, _) => (Content::List(self.list(spot, depth, &mut height)?), id),
            Event::MappingStart(id, _) => (Content::Map(self.map(spot, depth, &mut height)?), id),
            _ => return Err(self.refused(spot, "no value where one must be")),
        };
        let weight = self.weight.saturating_sub(before);
        let built = Built { node: Node { spot, content: Rc::new(content) }, weight, height };
        // Without an anchor, the number is 0.
        if anchor != 0 {
            self.anchors.insert(anchor, built.clone());
        }
        Ok(built)
    }

    fn list(&mut self, spot: Spot, depth: usize, height: &mut usize) -> Result<Vec<Node>, Malformed> {
        let depth = self.deeper(spot, depth)?;
        let mut elements = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(elements),
                (event, span) => elements.push(self.part(event, span, depth, height)?),
            }
        }
    }

    fn map(&mut self, spot: Spot, depth: usize, height: &mut usize) -> Result<Vec<Member>, Malformed> {
        let depth = self.deeper(spot, depth)?;
        let mut members = Vec::new();
        loop {
            match self.next()? {
                (Event::MappingEnd, _) => break,
                (event, span) => {
                    let key = self.part(event, span, depth, height)?;
                    let (event, span) = self.next()?;
                    members.push(Member { key, value: self.part(event, span, depth, height)? });
                }
            }
        }
        self.repeated.extend(repeated(&members));
        Ok(members)
    }

    fn part(&mut self, event: Event<'a>, span: Span, depth: usize, height: &mut usize) -> Result<Node, Malformed> {
        let built = self.node(event, span, depth)?;
        *height = built.height.saturating_add(1).max(*height);
        Ok(built.node)
    }

    /// What an alias names.
    fn named(&mut self, id: usize, spot: Spot, depth: usize) -> Result<Built, Malformed> {
        let Some(built) = self.anchors.get(&id).cloned() else {
            return Err(self.refused(spot, "an alias of what is not complete there"));
        };
        if depth.saturating_add(built.height) > DEEPEST {
            return Err(self.too_deep(spot));
        }
        self.weighs(built.weight, spot)?;
        Ok(Built { node: Node { spot, content: built.node.content }, ..built })
    }

    fn deeper(&mut self, spot: Spot, depth: usize) -> Result<usize, Malformed> {
        self.weighs(0, spot)?;
        if depth >= DEEPEST {
            return Err(self.too_deep(spot));
        }
        Ok(depth.saturating_add(1))
    }

    fn too_deep(&self, spot: Spot) -> Malformed {
        self.refused(spot, &format!("more than {DEEPEST} levels of lists and maps"))
    }

    fn weighs(&mut self, bytes: usize, spot: Spot) -> Result<(), Malformed> {
        self.weight = self.weight.saturating_add(bytes).saturating_add(WEIGHT_OF_A_NODE);
        if self.weight > HEAVIEST {
            return Err(self.refused(spot, "too many values, or aliases that make too many of them"));
        }
        Ok(())
    }

    /// Where the text of a scalar stands. Only a literal block has the lines of the file.
    fn origin_of(&self, text: &str, style: ScalarStyle, span: Span, spot: Spot) -> Origin {
        let begins_with_text = text.lines().position(|line| !line.trim().is_empty());
        let (ScalarStyle::Literal, Some(blank)) = (style, begins_with_text) else {
            return Origin::One(spot);
        };
        // The parser says where its `|` is, or where its first line is that is not blank.
        let line = span.start.line().saturating_sub(1);
        let at_start = self.lines.get(line).and_then(|line| line.chars().nth(span.start.col()));
        let above = if at_start == Some('|') { line.saturating_add(1) } else { line.saturating_sub(blank) };
        let indent_of = |line: Option<&str>| line.map_or(0, |line| line.chars().take_while(|sign| *sign == ' ').count());
        let in_file = indent_of(self.lines.get(above.saturating_add(blank)).copied());
        self.origin.inside(above, in_file.saturating_sub(indent_of(text.lines().nth(blank))))
    }
}

fn repeated(members: &[Member]) -> Vec<Repeated> {
    let mut seen: HashMap<&str, Spot> = HashMap::new();
    let mut repeated = Vec::new();
    for member in members {
        let Some(name) = member.key.text() else { continue };
        match seen.get(name) {
            Some(first) => repeated.push(Repeated { name: name.to_owned(), first: *first, again: member.key.spot }),
            None => {
                seen.insert(name, member.key.spot);
            }
        }
    }
    repeated
}
