//! A value of a configuration that knows its place, and how shapes are read from it: what does not fit is refused with its path,
//! as expected …, found …; remedy. Values are left out, because one of them may be a secret; only words of a closed list are shown. (Serde's
//! derived readers repeat their code for every shape and every kind of value: without them the module is five per cent smaller.)

use serde_json::{Map, Value};

use crate::config::Refusal;

/// A value, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) value: &'a Value,
    step: Step<'a>,
}

/// The last step of a path.
#[derive(Clone, Copy)]
enum Step<'a> {
    Top,
    Member(&'a Place<'a>, &'a str),
    Element(&'a Place<'a>, usize),
}

/// The members of an object.
#[derive(Clone, Copy)]
pub(super) struct Members<'a> {
    place: &'a Place<'a>,
    members: &'a Map<String, Value>,
}

/// What can be read from a place.
pub(super) trait Read: Sized {
    /// Reads what stands here, or tells what was expected.
    fn read(place: &Place<'_>) -> Result<Self, Refusal>;

    /// What a member is that is not there, if it may be absent.
    fn absent() -> Option<Self> {
        None
    }
}

impl<'a> Place<'a> {
    /// The whole document.
    pub(super) const fn top(value: &'a Value) -> Self {
        Self { value, step: Step::Top }
    }

    /// Such as `rules[2].require.claim`.
    pub(super) fn path(&self) -> String {
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

    /// What stands here is not what was expected.
    pub(super) fn mismatch(&self, expected: &str, remedy: &str) -> Refusal {
        let found = match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        Refusal::new(self.path(), ["expected ", expected, ", found ", found, "; ", remedy].concat())
    }

    /// The word here is none of those that are known; anything else is no word at all.
    pub(super) fn unknown_word(&self, known: &[&str]) -> Refusal {
        match self.value {
            Value::String(word) => Refusal::new(self.path(), unknown(known, word, "write one of these")),
            _ => self.mismatch(&one_of(known), "write one of these"),
        }
    }

    /// The members of the object that stands here.
    pub(super) fn members(&'a self) -> Result<Members<'a>, Refusal> {
        match self.value {
            Value::Object(members) => Ok(Members { place: self, members }),
            _ => Err(self.mismatch("an object", "write {NAME: VALUE}")),
        }
    }

    /// The members of the object that stands here, each of which is known.
    pub(super) fn members_of(&'a self, known: &[&str]) -> Result<Members<'a>, Refusal> {
        let members = self.members()?;
        match members.members.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(members),
            Some(name) => Err(Refusal::new(self.path_of(name), unknown(known, name, "correct its name or remove it"))),
        }
    }
}

impl<'a> Members<'a> {
    fn find(&self, name: &'a str) -> Option<Place<'a>> {
        self.members.get(name).map(|value| Place { value, step: Step::Member(self.place, name) })
    }

    fn missing(&self, name: &str) -> Refusal {
        Refusal::new(self.place.path_of(name), "expected a value, found none; add it")
    }

    /// A member that must be there, unless its absence has a meaning.
    pub(super) fn member<T: Read>(&self, name: &'static str) -> Result<T, Refusal> {
        match self.find(name) {
            Some(place) => T::read(&place),
            None => T::absent().ok_or_else(|| self.missing(name)),
        }
    }

    /// A member, or what stands for it.
    pub(super) fn member_or_default<T: Read + Default>(&self, name: &'static str) -> Result<T, Refusal> {
        match self.find(name) {
            Some(place) => T::read(&place),
            None => Ok(T::default()),
        }
    }
}

fn unknown(known: &[&str], found: &str, remedy: &str) -> String {
    ["expected ", &one_of(known), ", found `", found, "`; ", remedy].concat()
}

fn one_of(known: &[&str]) -> String {
    match known {
        [first, second] => ["`", first, "` or `", second, "`"].concat(),
        [only] => ["`", only, "`"].concat(),
        several => ["one of `", &several.join("`, `"), "`"].concat(),
    }
}

impl Read for Value {
    fn read(place: &Place<'_>) -> Result<Self, Refusal> {
        Ok(place.value.clone())
    }
}

impl Read for String {
    fn read(place: &Place<'_>) -> Result<Self, Refusal> {
        match place.value {
            Value::String(text) => Ok(text.clone()),
            _ => Err(place.mismatch("a text", "write it in quotes")),
        }
    }
}

impl Read for bool {
    fn read(place: &Place<'_>) -> Result<Self, Refusal> {
        place.value.as_bool().ok_or_else(|| place.mismatch("true or false", "write it without quotes"))
    }
}

impl Read for u64 {
    fn read(place: &Place<'_>) -> Result<Self, Refusal> {
        place.value.as_u64().ok_or_else(|| place.mismatch("a whole number", "write it without quotes"))
    }
}

/// `null` was refused before; what is there is there.
impl<T: Read> Read for Option<T> {
    fn read(place: &Place<'_>) -> Result<Self, Refusal> {
        T::read(place).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Read> Read for Box<T> {
    fn read(place: &Place<'_>) -> Result<Self, Refusal> {
        T::read(place).map(Self::new)
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(place: &Place<'_>) -> Result<Self, Refusal> {
        let Value::Array(elements) = place.value else { return Err(place.mismatch("a list", "write [VALUE, …]")) };
        let mut read = Self::new();
        for (index, value) in elements.iter().enumerate() {
            read.push(T::read(&Place { value, step: Step::Element(place, index) })?);
        }
        Ok(read)
    }
}

/// Members by name, in the order of the names.
impl<T: Read> Read for Vec<(String, T)> {
    fn read(place: &Place<'_>) -> Result<Self, Refusal> {
        let mut read = Self::new();
        for (name, value) in place.members()?.members {
            read.push((name.clone(), T::read(&Place { value, step: Step::Member(place, name) })?));
        }
        Ok(read)
    }
}

/// A shape, and how it is read: its fields, each under its own name or `as` another, some with a `= default`. Other members are refused.
macro_rules! shape {
    ($(#[$attribute:meta])* $visibility:vis struct $shape:ident {
        $($access:vis $field:ident: $kind:ty $(as $name:literal)? $(= $default:ident)?,)+
    }) => {
        $(#[$attribute])* $visibility struct $shape { $($access $field: $kind,)+ }

        impl $crate::config::place::Read for $shape {
            #[inline(never)]
            fn read(place: &$crate::config::place::Place<'_>) -> Result<Self, $crate::config::Refusal> {
                let members = place.members_of(&[$($crate::config::place::shape!(@name $field $($name)?)),+])?;
                Ok(Self {
                    $($field: $crate::config::place::shape!(
                        @member $($default)? members, $crate::config::place::shape!(@name $field $($name)?)
                    ),)+
                })
            }
        }
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
    (@member $members:ident, $name:expr) => { $members.member($name)? };
    (@member default $members:ident, $name:expr) => { $members.member_or_default($name)? };
}

/// A choice, and the word for each.
macro_rules! words {
    ($(#[$attribute:meta])* $visibility:vis enum $choice:ident { $($(#[$mark:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$attribute])* $visibility enum $choice { $($(#[$mark])* $variant,)+ }

        impl $crate::config::place::Read for $choice {
            #[inline(never)]
            fn read(place: &$crate::config::place::Place<'_>) -> Result<Self, $crate::config::Refusal> {
                match place.value.as_str() {
                    $(Some($word) => Ok(Self::$variant),)+
                    _ => Err(place.unknown_word(&[$($word),+])),
                }
            }
        }
    };
}

pub(super) use {shape, words};
