//! A document of YAML as a tree in which every key and every value knows its place. What came by an alias stands where it is
//! written.

use std::rc::Rc;

use serde_json::{Map, Value};

use crate::cli::yaml::scalars::{Dialect, Scalar};
use crate::cli::yaml::spot::Spot;

/// A value with its place. A clone shares the content.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where it begins.
    pub(crate) spot: Spot,
    /// What it is.
    pub(crate) content: Rc<Content>,
}

/// What a value is.
#[derive(Debug)]
pub(crate) enum Content {
    /// A value without parts.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A map, as it is written: a key may stand in it twice.
    Map(Vec<Member>),
}

/// A key and its value.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) key: Node,
    pub(crate) value: Node,
}

impl Node {
    /// The scalar that this is.
    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match &*self.content {
            Content::Scalar(scalar) => Some(scalar),
            Content::List(_) | Content::Map(_) => None,
        }
    }

    /// The text of the scalar that this is, whatever the filter makes of it.
    pub(crate) fn text(&self) -> Option<&str> {
        Some(&self.scalar()?.text)
    }

    /// The elements of the list that this is; none if it is no list.
    pub(crate) fn elements(&self) -> &[Self] {
        match &*self.content {
            Content::List(elements) => elements,
            Content::Scalar(_) | Content::Map(_) => &[],
        }
    }

    /// The members of the map that this is; none if it is no map.
    pub(crate) fn members(&self) -> &[Member] {
        match &*self.content {
            Content::Map(members) => members,
            Content::Scalar(_) | Content::List(_) => &[],
        }
    }

    /// Calls `look` with each scalar in it that is no key, and its text.
    pub(crate) fn each_text<'a>(&'a self, look: &mut dyn FnMut(&'a Self, &'a str)) {
        match &*self.content {
            Content::Scalar(scalar) => look(self, &scalar.text),
            Content::List(elements) => elements.iter().for_each(|element| element.each_text(look)),
            Content::Map(members) => members.iter().for_each(|member| member.value.each_text(look)),
        }
    }

    /// The value of this name. Of several, the last counts, for Envoy as for Kubernetes.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        self.members().iter().rev().find(|member| member.key.text() == Some(name)).map(|member| &member.value)
    }

    /// What the filter gets for it.
    pub(crate) fn value(&self, dialect: Dialect) -> Value {
        match &*self.content {
            Content::Scalar(scalar) => scalar.value(dialect),
            Content::List(elements) => elements.iter().map(|element| element.value(dialect)).collect(),
            Content::Map(members) => Value::Object(object(members, dialect)),
        }
    }

    /// The place of a field by its path, such as `rules[2].require.claim`: that of its key. What is not there has the place of
    /// the nearest thing around it that is.
    pub(crate) fn at(&self, path: &str) -> Spot {
        self.place(path, self.spot)
    }

    fn place(&self, path: &str, own: Spot) -> Spot {
        match &*self.content {
            Content::Scalar(_) => own,
            Content::List(elements) => {
                let found = index(path).and_then(|(index, rest)| Some((elements.get(index)?, rest)));
                found.map_or(own, |(element, rest)| element.place(rest, element.spot))
            }
            Content::Map(members) => {
                let fitting = members.iter().filter_map(|member| Some((member, after(path, member.key.text()?)?)));
                // A name may have dots in it, so the longest one that fits is meant. Of several equal ones the last counts.
                let longest =
                    fitting.min_by(|(_, left), (_, right)| left.len().cmp(&right.len()).then(std::cmp::Ordering::Greater));
                longest.map_or(own, |(member, rest)| member.value.place(rest, member.key.spot))
            }
        }
    }
}

fn object(members: &[Member], dialect: Dialect) -> Map<String, Value> {
    let mut object = Map::new();
    if dialect == Dialect::Kubernetes {
        // Members that are merged count less than those that are written.
        for merged in members.iter().filter(|member| is_merge(member)) {
            let all = std::slice::from_ref(&merged.value).iter().chain(merged.value.elements());
            for (name, value) in all.filter(|node| !node.members().is_empty()).flat_map(|node| object_of(node, dialect)) {
                object.entry(name).or_insert(value);
            }
        }
    }
    for member in members.iter().filter(|member| dialect == Dialect::Envoy || !is_merge(member)) {
        if let Some(name) = member.key.text() {
            object.insert(name.to_owned(), member.value.value(dialect));
        }
    }
    object
}

fn object_of(node: &Node, dialect: Dialect) -> Map<String, Value> {
    object(node.members(), dialect)
}

fn is_merge(member: &Member) -> bool {
    member.key.text() == Some("<<")
}

/// The index that the path begins with, and the rest of the path.
fn index(path: &str) -> Option<(usize, &str)> {
    let (digits, rest) = path.strip_prefix('[')?.split_once(']')?;
    Some((digits.parse().ok()?, rest))
}

/// The rest of a path that begins with this name.
fn after<'p>(path: &'p str, name: &str) -> Option<&'p str> {
    let rest = path.strip_prefix('.').unwrap_or(path).strip_prefix(name)?;
    (!name.is_empty() && (rest.is_empty() || rest.starts_with(['.', '[']))).then_some(rest)
}
