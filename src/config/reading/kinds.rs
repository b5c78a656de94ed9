//! What may stand where the types are read that every part of a configuration has: texts, secrets, numbers, spans, lists, claims. It is
//! native only, like [`crate::config::described`]. How they are read is not known here.

use std::time::Duration;

use serde_json::Value;

use crate::config::described::{Described, Kind, Text, list, named, text};
use crate::config::reading::refusal::Checked;
use crate::config::reading::spellings::{ClaimName, Dotted, Reached, Span};
use crate::words::secret::Secret;

impl Described for String {
    fn kind() -> Kind {
        Kind::Text(Text { called: "text", pattern: None })
    }
}

impl Described for Secret {
    fn kind() -> Kind {
        Kind::Secret
    }
}

impl Described for bool {
    fn kind() -> Kind {
        Kind::Boolean
    }
}

impl Described for u64 {
    fn kind() -> Kind {
        Kind::Number(0, None)
    }
}

impl Described for Value {
    fn kind() -> Kind {
        Kind::Json
    }
}

impl Described for Span {
    fn kind() -> Kind {
        Kind::Span(Duration::ZERO, None)
    }
}

impl Described for Reached {
    fn kind() -> Kind {
        Kind::Either("cluster, or host → cluster", vec![named("cluster"), Kind::Map(Box::new(named("cluster")))])
    }
}

impl Described for ClaimName {
    fn kind() -> Kind {
        Kind::Either("claim", vec![named("claim"), list(named("name")).at_least(1)])
    }
}

impl Described for Dotted {
    fn kind() -> Kind {
        Kind::Either("place in JSON", vec![text("names", "^[^.]+(\\.[^.]+)*$"), list(String::kind()).at_least(1)])
    }
}

impl<T: Described> Described for Option<T> {
    fn kind() -> Kind {
        T::kind()
    }
}

impl<T: Described> Described for Box<T> {
    fn kind() -> Kind {
        T::kind()
    }
}

impl<T: Described> Described for Vec<Checked<T>> {
    fn kind() -> Kind {
        list(T::kind())
    }
}

impl<T: Described> Described for Vec<(String, Checked<T>)> {
    fn kind() -> Kind {
        Kind::Map(Box::new(T::kind()))
    }
}
