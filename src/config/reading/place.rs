//! A value of a configuration that knows its place, and how the parts of a configuration are read from it. What does not fit is
//! refused with its path, as "expected …, found …; remedy". A refusal never shows a value, which may be a secret; it shows the
//! unknown names of members, and unknown words where one of a closed list belongs. (Serde's derived readers repeat their code for
//! every shape and every kind of value: without them the module is five per cent smaller.)

use serde_json::{Map, Value};

use crate::config::reading::nearest::{did_you_mean, nearest};
use crate::config::reading::refusal::{Checked, Refusals, Refused};

/// A value, and its path in the document.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) value: &'a Value,
    step: Step<'a>,
}

/// The last step of a path, and the place that it begins at.
#[derive(Clone, Copy)]
enum Step<'a> {
    Top,
    Member(&'a Place<'a>, &'a str),
    Element(&'a Place<'a>, usize),
}

/// The members of an object.
pub(crate) struct Members<'a> {
    place: &'a Place<'a>,
    members: &'a Map<String, Value>,
    /// Known names of which an unknown member may be a misspelling, each with the refusal of that member.
    mistyped: Vec<(&'static str, Refused)>,
    /// The refusal of an unknown member whose name is close to no known one: it may have been meant as any member that is absent.
    unknown: Option<Refused>,
}

/// A type that can be read from a place.
pub(crate) trait Read: Sized {
    /// Reads the value at this place, or refuses it and says what was expected.
    fn read(place: &Place<'_>, refusals: &mut Refusals) -> Checked<Self>;

    /// The value of a member that is absent, if it may be.
    fn absent() -> Option<Self> {
        None
    }
}

impl<'a> Place<'a> {
    /// The whole document.
    pub(crate) const fn top(value: &'a Value) -> Self {
        Self { value, step: Step::Top }
    }

    /// The path from the document to here, such as `rules[2].require.claim`.
    pub(crate) fn path(&self) -> String {
        match self.step {
            Step::Top => String::new(),
            Step::Member(above, name) => above.path_of(name),
            Step::Element(above, index) => {
                let mut path = above.path();
                path.push('[');
                path.push_str(&index.to_string());
                path.push(']');
                path
            }
        }
    }

    fn path_of(&self, name: &str) -> String {
        let mut path = self.path();
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
        path
    }

    /// Reads the value at this place. A `null` was refused when the document was read.
    pub(crate) fn read<T: Read>(&self, refusals: &mut Refusals) -> Checked<T> {
        match self.value {
            Value::Null => Err(refusals.told_before()),
            _ => T::read(self, refusals),
        }
    }

    /// Refuses the value at this place. Of what was found only the type is told.
    pub(crate) fn mismatch(&self, expected: &str, remedy: &str, refusals: &mut Refusals) -> Refused {
        let found = match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        refusals.refuse(self.path(), ["expected ", expected, ", found ", found, "; ", remedy].concat())
    }

    /// Refuses the value at this place, because it is none of the known words.
    pub(crate) fn unknown_word(&self, known: &[&str], refusals: &mut Refusals) -> Refused {
        match self.value {
            Value::String(word) => refusals.refuse(self.path(), unknown(known, word, "write one of these")),
            _ => self.mismatch(&one_of(known), "write one of these", refusals),
        }
    }

    /// The members of the object at this place, whatever their names are.
    pub(crate) fn members(&'a self, refusals: &mut Refusals) -> Checked<Members<'a>> {
        match self.value {
            Value::Object(members) => Ok(Members { place: self, members, mistyped: Vec::new(), unknown: None }),
            _ => Err(self.mismatch("an object", "write {NAME: VALUE}", refusals)),
        }
    }

    /// The members of the object at this place. Those whose names are not `known` are refused; the others can be read.
    pub(crate) fn members_of(&'a self, known: &'static [&'static str], refusals: &mut Refusals) -> Checked<Members<'a>> {
        let mut members = self.members(refusals)?;
        refusals.order(self.path(), known);
        for name in members.members.keys().filter(|name| !known.contains(&name.as_str())) {
            let refused = refusals.refuse(self.path_of(name), unknown(known, name, "correct its name or remove it"));
            match nearest(known.iter().copied(), name) {
                Some(meant) => members.mistyped.push((meant, refused)),
                None => members.unknown = Some(refused),
            }
        }
        Ok(members)
    }
}

impl<'a> Members<'a> {
    fn find(&self, name: &'a str) -> Option<Place<'a>> {
        self.members.get(name).map(|value| Place { value, step: Step::Member(self.place, name) })
    }

    /// The value `absent` for a member that is not there, or a refusal where there is no such value. Where an unknown member may
    /// be a misspelling of this one, only that is refused.
    fn absent<T>(&self, name: &str, refusals: &mut Refusals, absent: Option<T>) -> Checked<T> {
        let mistyped = self.mistyped.iter().find(|(meant, _)| *meant == name).map(|(_, refused)| *refused);
        match mistyped.or(self.unknown) {
            Some(refused) => Err(refused),
            None => absent.ok_or_else(|| refusals.refuse(self.place.path_of(name), "expected a value, found none; add it")),
        }
    }

    /// Reads a member that must be there, unless [`Read::absent`] gives a value for it.
    pub(crate) fn member<T: Read>(&self, name: &'static str, refusals: &mut Refusals) -> Checked<T> {
        match self.find(name) {
            Some(place) => place.read(refusals),
            None => self.absent(name, refusals, T::absent()),
        }
    }

    /// Reads a member; when it is absent, it is the default of its type.
    pub(crate) fn member_or_default<T: Read + Default>(&self, name: &'static str, refusals: &mut Refusals) -> Checked<T> {
        match self.find(name) {
            Some(place) => place.read(refusals),
            None => self.absent(name, refusals, Some(T::default())),
        }
    }

    /// Reads a member that is an object; when it is absent, it is read as an object without members.
    pub(crate) fn member_or_empty<T: Read>(&self, name: &'static str, refusals: &mut Refusals) -> Checked<T> {
        match self.find(name) {
            Some(place) => place.read(refusals),
            None => {
                self.absent(name, refusals, Some(()))?;
                let empty = Value::Object(Map::new());
                Place { value: &empty, step: Step::Member(self.place, name) }.read(refusals)
            }
        }
    }
}

fn unknown(known: &[&str], found: &str, remedy: &str) -> String {
    let meant = did_you_mean(known.iter().copied(), found);
    ["expected ", &one_of(known), ", found `", found, "`", &meant, "; ", remedy].concat()
}

fn one_of(known: &[&str]) -> String {
    match known {
        [first, second] => ["`", first, "` or `", second, "`"].concat(),
        [only] => ["`", only, "`"].concat(),
        several => ["one of `", &several.join("`, `"), "`"].concat(),
    }
}

/// Whether this value is `null`, or has one somewhere inside.
fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

impl Read for Value {
    fn read(place: &Place<'_>, refusals: &mut Refusals) -> Checked<Self> {
        if has_null(place.value) { Err(refusals.told_before()) } else { Ok(place.value.clone()) }
    }
}

impl Read for String {
    fn read(place: &Place<'_>, refusals: &mut Refusals) -> Checked<Self> {
        match place.value {
            Value::String(text) => Ok(text.clone()),
            _ => Err(place.mismatch("a text", "write it in quotes", refusals)),
        }
    }
}

impl Read for bool {
    fn read(place: &Place<'_>, refusals: &mut Refusals) -> Checked<Self> {
        place.value.as_bool().ok_or_else(|| place.mismatch("true or false", "write it without quotes", refusals))
    }
}

impl Read for u64 {
    fn read(place: &Place<'_>, refusals: &mut Refusals) -> Checked<Self> {
        place.value.as_u64().ok_or_else(|| place.mismatch("a whole number", "write it without quotes", refusals))
    }
}

/// Only an absent member is `None`: a `null` was refused when the document was read.
impl<T: Read> Read for Option<T> {
    fn read(place: &Place<'_>, refusals: &mut Refusals) -> Checked<Self> {
        T::read(place, refusals).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// Keeps the refusal of one element from refusing its whole list.
impl<T: Read> Read for Checked<T> {
    fn read(place: &Place<'_>, refusals: &mut Refusals) -> Checked<Self> {
        Ok(place.read(refusals))
    }
}

impl<T: Read> Read for Box<T> {
    fn read(place: &Place<'_>, refusals: &mut Refusals) -> Checked<Self> {
        T::read(place, refusals).map(Self::new)
    }
}

impl<T: Read> Read for Vec<Checked<T>> {
    fn read(place: &Place<'_>, refusals: &mut Refusals) -> Checked<Self> {
        let Value::Array(elements) = place.value else {
            return Err(place.mismatch("a list", "write [VALUE, …]", refusals));
        };
        let each = elements.iter().enumerate();
        Ok(each.map(|(index, value)| Place { value, step: Step::Element(place, index) }.read(refusals)).collect())
    }
}

/// An object whose members may have any name, sorted by name.
impl<T: Read> Read for Vec<(String, Checked<T>)> {
    fn read(place: &Place<'_>, refusals: &mut Refusals) -> Checked<Self> {
        let members = place.members(refusals)?.members.iter();
        Ok(members.map(|(name, value)| (name.clone(), Place { value, step: Step::Member(place, name) }.read(refusals))).collect())
    }
}

/// Declares a shape, which is a part of the configuration as an operator writes it, and how it is read. Each field is read from
/// the member of its name, or from that named after `as`. With `= default`, an absent member is the default of its type; with
/// `= empty`, it is read as an object without members. Other members are refused. Each field is [`Checked`]: one that was refused
/// does not refuse the others.
///
/// The schema and the reference say of a field what its documentation says, in Markdown; a line `Default: …` has what holds where
/// it is absent. After `where` stands what may be written, in the words of [`crate::config::described`], where its type does not
/// say all of it.
macro_rules! shape {
    ($(#[$attribute:meta])* $visibility:vis struct $shape:ident {
        $($(#[doc = $doc:literal])* $access:vis $field:ident: $kind:ty $(as $name:literal)? $(= $default:ident)? $(where $written:expr)?,)+
    }) => {
        $(#[$attribute])* $visibility struct $shape {
            $($(#[doc = $doc])* $access $field: $crate::config::reading::refusal::Checked<$kind>,)+
        }

        impl $crate::config::reading::place::Read for $shape {
            #[inline(never)]
            fn read(
                place: &$crate::config::reading::place::Place<'_>,
                refusals: &mut $crate::config::reading::refusal::Refusals,
            ) -> $crate::config::reading::refusal::Checked<Self> {
                const NAMES: &[&str] = &[$($crate::config::reading::place::shape!(@name $field $($name)?)),+];
                let members = place.members_of(NAMES, refusals)?;
                Ok(Self {
                    $($field: $crate::config::reading::place::shape!(
                        @member $($default)? members, refusals, $crate::config::reading::place::shape!(@name $field $($name)?)
                    ),)+
                })
            }
        }

        #[cfg(not(target_arch = "wasm32"))]
        impl $shape {
            /// What is written in its fields, in their order.
            $visibility fn described_fields() -> Vec<$crate::config::described::Field> {
                #[allow(clippy::wildcard_imports, unused_imports, reason = "what stands after `where` uses these words")]
                use $crate::config::described::*;
                vec![$(Field::new(
                    $crate::config::reading::place::shape!(@name $field $($name)?),
                    $crate::config::reading::place::shape!(@kind $kind $(, $written)?),
                    $crate::config::reading::place::shape!(@required $kind $(, $default)?),
                    &[$($doc),*],
                )),+]
            }
        }

        #[cfg(not(target_arch = "wasm32"))]
        impl $crate::config::described::Described for $shape {
            fn kind() -> $crate::config::described::Kind {
                $crate::config::described::Kind::with_fields(stringify!($shape), Self::described_fields)
            }
        }
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
    (@member $members:ident, $refusals:ident, $name:expr) => { $members.member($name, $refusals) };
    (@member default $members:ident, $refusals:ident, $name:expr) => { $members.member_or_default($name, $refusals) };
    (@member empty $members:ident, $refusals:ident, $name:expr) => { $members.member_or_empty($name, $refusals) };
    (@kind $kind:ty) => { <$kind as $crate::config::described::Described>::kind() };
    (@kind $kind:ty, $written:expr) => { $written };
    (@required $kind:ty) => { <$kind as $crate::config::reading::place::Read>::absent().is_none() };
    (@required $kind:ty, $default:ident) => { false };
}

/// Declares an enum that is written as one of a closed list of words, and how it is read. What the documentation of a word says
/// stands in the schema.
macro_rules! words {
    ($(#[$attribute:meta])* $visibility:vis enum $choice:ident {
        $($(#[$mark:ident $(= $doc:literal)?])* $variant:ident = $word:literal,)+
    }) => {
        $(#[$attribute])* $visibility enum $choice { $($(#[$mark $(= $doc)?])* $variant,)+ }

        impl $crate::config::reading::place::Read for $choice {
            #[inline(never)]
            fn read(
                place: &$crate::config::reading::place::Place<'_>,
                refusals: &mut $crate::config::reading::refusal::Refusals,
            ) -> $crate::config::reading::refusal::Checked<Self> {
                match place.value.as_str() {
                    $(Some($word) => Ok(Self::$variant),)+
                    _ => Err(place.unknown_word(&[$($word),+], refusals)),
                }
            }
        }

        #[cfg(not(target_arch = "wasm32"))]
        impl $crate::config::described::Described for $choice {
            fn kind() -> $crate::config::described::Kind {
                let words = [$(($word, concat!($($($doc,)?)*))),+];
                let words = words.map(|(word, meaning)| $crate::config::described::Word { word, meaning: meaning.trim() });
                $crate::config::described::Kind::Words(words.to_vec())
            }
        }
    };
}

pub(crate) use {shape, words};
