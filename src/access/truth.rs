//! The three values of Kleene's logic, and how the value of a claim is compared with the values or the keys that a condition
//! lists. Whose claims they are is not known here, and nothing is decided.

use serde_json::{Map, Value};

/// Whether something holds; unknown when the claim that would tell is absent or of another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    True,
    False,
    Unknown,
}

impl From<bool> for Truth {
    fn from(truth: bool) -> Self {
        if truth { Self::True } else { Self::False }
    }
}

impl Truth {
    /// The opposite. That of what is unknown is unknown, too.
    pub const fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}

/// True if one is true, false if all are false, otherwise unknown.
pub(super) fn any_true(truths: impl Iterator<Item = Truth>) -> Truth {
    let mut so_far = Truth::False;
    for truth in truths {
        match truth {
            Truth::True => return Truth::True,
            Truth::Unknown => so_far = Truth::Unknown,
            Truth::False => {}
        }
    }
    so_far
}

/// Whether a value is one of those listed. If it is of another type than all of them, that is unknown: `"true"` may be meant as
/// `true`.
pub(super) fn is_listed(listed: &[Value], value: &Value) -> Truth {
    if let Value::String(text) = value {
        return is_text_listed(listed, text);
    }
    let mut truth = Truth::Unknown;
    for other in listed {
        let same = match (other, value) {
            // `1` and `1.0` are the same; whole numbers are compared exactly, because large ones are not as floating point.
            (Value::Number(left), Value::Number(right)) if left.is_f64() || right.is_f64() => left.as_f64() == right.as_f64(),
            (left, right) if std::mem::discriminant(left) == std::mem::discriminant(right) => left == right,
            _ => continue,
        };
        if same {
            return Truth::True;
        }
        truth = Truth::False;
    }
    truth
}

/// The same for a text. (It has a shorter way: with every request, all groups of a person may have to be compared.)
pub(super) fn is_text_listed(listed: &[Value], text: &str) -> Truth {
    let mut truth = Truth::Unknown;
    for other in listed.iter().filter_map(Value::as_str) {
        if other == text {
            return Truth::True;
        }
        truth = Truth::False;
    }
    truth
}

/// Whether an object says that somebody has one of these keys: one of its members has that name, and a value that [`counts`].
pub(super) fn has_one_of(object: &Map<String, Value>, keys: &[String]) -> bool {
    keys.iter().filter_map(|key| object.get(key)).any(counts)
}

/// Whether the value of a key says that somebody has the key. A value that is empty or false says that they do not.
fn counts(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(members) => !members.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whether_a_value_is_listed_is_unknown_if_none_listed_is_of_its_type() {
        let listed = |listed: Value| listed.as_array().cloned().unwrap();
        for (among, value, truth) in [
            (json!(["a", "b"]), json!("b"), Truth::True),
            (json!(["a", true]), json!("true"), Truth::False),
            (json!([1, true]), json!("true"), Truth::Unknown),
            (json!(["true", 1]), json!(true), Truth::Unknown),
            (json!(["1", false]), json!(true), Truth::False),
            (json!([1, "b"]), json!("b"), Truth::True),
            (json!(["a", 1]), json!(null), Truth::Unknown),
            (json!([]), json!("a"), Truth::Unknown),
            (json!([true]), json!(false), Truth::False),
            (json!([1, 2]), json!(3), Truth::False),
            (json!([1]), json!(1.0), Truth::True),
            (json!([1.0]), json!(1), Truth::True),
            (json!([1.5]), json!(1.5), Truth::True),
            (json!([1.5]), json!(1), Truth::False),
            // As doubles they would be equal.
            (json!([9_007_199_254_740_993_u64]), json!(9_007_199_254_740_992_u64), Truth::False),
        ] {
            assert_eq!(is_listed(&listed(among.clone()), &value), truth, "{value} among {among}");
        }
    }

    #[test]
    fn a_key_whose_value_is_empty_or_false_is_not_had() {
        for (value, had) in [
            (json!(null), false),
            (json!(false), false),
            (json!(""), false),
            (json!({}), false),
            (json!([]), false),
            (json!(true), true),
            (json!(0), true),
            (json!("false"), true),
            (json!(" "), true),
            (json!([null]), true),
            (json!({"a": null}), true),
        ] {
            let object = json!({"a": value, "b": true}).as_object().unwrap().clone();
            let has = |keys: &[&str]| has_one_of(&object, &keys.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!((has(&["a"]), has(&["x", "a"]), has(&["a", "b"])), (had, had, true), "{value}");
            assert!(!has(&["x", "A", "a ", ""]) && !has(&[]), "{value}");
        }
    }

    #[test]
    fn any_is_true_with_one_truth_and_unknown_without_one_if_anything_is_unknown() {
        use Truth::{False, True, Unknown};
        for (truths, truth) in [
            (vec![], False),
            (vec![False, False], False),
            (vec![False, Unknown, False], Unknown),
            (vec![Unknown, True], True),
            (vec![True, Unknown, False], True),
            (vec![False, False, True], True),
        ] {
            assert_eq!(any_true(truths.iter().copied()), truth, "{truths:?}");
        }
    }
}
