//! A value of a configuration that knows its place, so that whatever does not fit is reported with its path. It deserializes into
//! shapes as any value does. (A library that adds paths to another deserializer repeats
//! its code for every shape; without it the module is six per cent smaller.)

use std::cell::RefCell;
use std::rc::Rc;

use serde::de::value::Error;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor};
use serde_json::{Map, Value};

use crate::config::Refusal;

/// Reads a shape from a document.
///
/// # Errors
/// The path of what does not fit, and serde's words about it.
pub(super) fn read<'de, T: serde::Deserialize<'de>>(document: Value) -> Result<T, Refusal> {
    let innermost = Rc::new(RefCell::new(None));
    let place = Place { value: document, path: String::new(), innermost: Rc::clone(&innermost) };
    T::deserialize(place).map_err(|error| Refusal::new(innermost.take().unwrap_or_default(), error.to_string()))
}

/// A value, where it stands, and where the first thing stood that did not fit.
struct Place {
    value: Value,
    path: String,
    innermost: Rc<RefCell<Option<String>>>,
}

impl Place {
    /// Notes the path of an error, unless it comes from further inside.
    fn noting<T>(path: String, innermost: &RefCell<Option<String>>, outcome: Result<T, Error>) -> Result<T, Error> {
        if outcome.is_err()
            && let Ok(mut innermost) = innermost.try_borrow_mut()
        {
            innermost.get_or_insert(path);
        }
        outcome
    }

    /// What stands here is not what was expected.
    fn mismatch<'de, V: Visitor<'de>>(self, visitor: &V) -> Result<V::Value, Error> {
        let found = match &self.value {
            Value::Null => Unexpected::Unit,
            Value::Bool(truth) => Unexpected::Bool(*truth),
            Value::Number(_) => Unexpected::Other("integer"),
            Value::String(text) => Unexpected::Str(text),
            Value::Array(_) => Unexpected::Seq,
            Value::Object(_) => Unexpected::Map,
        };
        let error = Error::invalid_type(found, visitor);
        Self::noting(self.path, &self.innermost, Err(error))
    }

    fn members(path: &str, innermost: &Rc<RefCell<Option<String>>>, members: Map<String, Value>) -> Members {
        let (path, innermost) = (path.to_owned(), Rc::clone(innermost));
        Members { path, innermost, members: members.into_iter(), value: None }
    }

    fn elements(path: &str, innermost: &Rc<RefCell<Option<String>>>, elements: Vec<Value>) -> Elements {
        let (path, innermost) = (path.to_owned(), Rc::clone(innermost));
        Elements { path, innermost, elements: elements.into_iter().enumerate() }
    }
}

/// For one kind of value: the visitor's method for it, or a mismatch.
macro_rules! expecting {
    ($($method:ident: $pattern:pat => |$visitor:ident, $path:ident, $innermost:ident| $visit:expr;)+) => {$(
        fn $method<V: Visitor<'de>>(self, $visitor: V) -> Result<V::Value, Error> {
            match self.value {
                $pattern => {
                    let ($path, $innermost) = (self.path, self.innermost);
                    let outcome = $visit;
                    Self::noting($path, &$innermost, outcome)
                }
                _ => self.mismatch(&$visitor),
            }
        }
    )+};
}

impl<'de> Deserializer<'de> for Place {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Self { value, path, innermost } = self;
        let outcome = match value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(truth),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => visitor.visit_u64(number),
                (_, Some(number), _) => visitor.visit_i64(number),
                (.., number) => visitor.visit_f64(number.unwrap_or_default()),
            },
            Value::String(text) => visitor.visit_string(text),
            Value::Array(elements) => visitor.visit_seq(Self::elements(&path, &innermost, elements)),
            Value::Object(members) => visitor.visit_map(Self::members(&path, &innermost, members)),
        };
        Self::noting(path, &innermost, outcome)
    }

    expecting! {
        deserialize_bool: Value::Bool(truth) => |visitor, path, innermost| visitor.visit_bool(truth);
        deserialize_string: Value::String(text) => |visitor, path, innermost| visitor.visit_string(text);
        deserialize_seq: Value::Array(elements) => |visitor, path, innermost| visitor.visit_seq(Self::elements(&path, &innermost, elements));
        deserialize_map: Value::Object(members) => |visitor, path, innermost| visitor.visit_map(Self::members(&path, &innermost, members));
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value.as_u64() {
            Some(number) => visitor.visit_u64(number),
            None => self.mismatch(&visitor),
        }
    }

    /// `null` was refused before; what is there is there.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value {
            Value::String(variant) => {
                let outcome = visitor.visit_enum(variant.into_deserializer());
                Self::noting(self.path, &self.innermost, outcome)
            }
            _ => self.mismatch(&visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char str bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct Members {
    path: String,
    innermost: Rc<RefCell<Option<String>>>,
    members: serde_json::map::IntoIter,
    value: Option<Place>,
}

impl<'de> MapAccess<'de> for Members {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((name, value)) = self.members.next() else { return Ok(None) };
        let path = if self.path.is_empty() { name.clone() } else { format!("{}.{name}", self.path) };
        let key = seed.deserialize(name.into_deserializer()).map(Some);
        self.value = Some(Place { value, path: path.clone(), innermost: Rc::clone(&self.innermost) });
        Place::noting(path, &self.innermost, key)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        match self.value.take() {
            Some(place) => seed.deserialize(place),
            None => Err(Error::custom("a value was asked for before its name")),
        }
    }
}

struct Elements {
    path: String,
    innermost: Rc<RefCell<Option<String>>>,
    elements: std::iter::Enumerate<std::vec::IntoIter<Value>>,
}

impl<'de> SeqAccess<'de> for Elements {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some((index, value)) = self.elements.next() else { return Ok(None) };
        let place = Place { value, path: format!("{}[{index}]", self.path), innermost: Rc::clone(&self.innermost) };
        seed.deserialize(place).map(Some)
    }
}
