//! Values that the command has from its surroundings, and that must not be written: a file of a stranger can name any variable of the
//! environment. What is written names the variable in their place. Nothing is decided here.

use serde_json::Value;

use crate::words::quote::quote;

/// From this length on, in bytes, a value is hidden also as a part of a longer word: `diff` makes up words around those of a file.
const LONG: usize = 12;

/// Texts that must not be written, each with the name of its variable: the longest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hidden(Vec<(String, String)>);

impl Hidden {
    /// These variables: their names and values.
    pub(crate) fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut texts = Vec::new();
        for (name, value) in variables {
            let value = value.trim();
            // As it is, and as JSON and quotations have it.
            for form in [value, unquoted(&Value::from(value).to_string()), unquoted(&quote(value))] {
                if !form.is_empty() && texts.iter().all(|(other, _)| other != form) {
                    texts.push((form.to_owned(), name.to_owned()));
                }
            }
        }
        texts.sort_by_key(|(form, _)| std::cmp::Reverse(form.len()));
        Self(texts)
    }

    /// Those of all of these.
    pub(crate) fn of_all<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut texts: Vec<_> = all.into_iter().flat_map(|hidden| hidden.0.iter().cloned()).collect();
        texts.sort_by_key(|(form, _)| std::cmp::Reverse(form.len()));
        Self(texts)
    }

    /// Without those that whoever asks has written themselves, in this text.
    pub(crate) fn sparing(&self, written: &str) -> Self {
        Self(self.0.iter().filter(|(form, _)| !written.contains(form)).cloned().collect())
    }

    /// The text with the variables in the places of their values, whether in lower or upper case. A part of a longer word is none, unless it is
    /// long itself.
    pub(crate) fn in_text(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let (mut rest, mut before) = (text, None);
        while let Some(next) = rest.chars().next() {
            let found = self.0.iter().find_map(|(form, name)| {
                let (head, behind) = rest.split_at_checked(form.len())?;
                let is_part = is_one_word(before, form.chars().next()) || is_one_word(form.chars().last(), behind.chars().next());
                (head.eq_ignore_ascii_case(form) && (!is_part || form.len() >= LONG)).then_some((name, behind))
            });
            if let Some((name, behind)) = found {
                ["{environment_variable: ", name, "}"].into_iter().for_each(|part| shown.push_str(part));
                (rest, before) = (behind, None);
            } else {
                shown.push(next);
                (rest, before) = (rest.get(next.len_utf8()..).unwrap_or_default(), Some(next));
            }
        }
        shown
    }

    /// The same for all texts in a value.
    pub(crate) fn in_json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => self.in_text(&text).into(),
            Value::Array(elements) => elements.into_iter().map(|element| self.in_json(element)).collect(),
            Value::Object(members) => members.into_iter().map(|(name, member)| (name, self.in_json(member))).collect(),
            other => other,
        }
    }
}

/// The text between quotation marks.
fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

fn is_one_word(left: Option<char>, right: Option<char>) -> bool {
    left.zip(right).is_some_and(|(left, right)| left.is_alphanumeric() && right.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_written_nowhere_in_no_form_and_words_that_only_hold_it_stay() {
        let hidden =
            Hidden::of([("KEY", "wJalrXUtnFEMI/K7MDENG"), ("TWO", " a \"b\"\nc "), ("LONG", &"x".repeat(300)), ("A", "a")]);
        for (text, shown) in [
            ("groups: \"wJalrXUtnFEMI/K7MDENG\"", "groups: \"{environment_variable: KEY}\""),
            ("x-wjalrxutnfemi/k7mdeng: 1", "x-{environment_variable: KEY}: 1"),
            ("one of [\"a \\\"b\\\"\\nc\"]", "one of [\"{environment_variable: TWO}\"]"),
            ("found \"a ?b??c\"", "found \"{environment_variable: TWO}\""),
            ("a plan, ä", "{environment_variable: A} plan, ä"),
            ("/wJalrXUtnFEMI/K7MDENGx", "/{environment_variable: KEY}x"),
        ] {
            assert_eq!(hidden.in_text(text), shown);
        }
        assert!(!hidden.in_text(&quote(&"x".repeat(300))).contains('x'));
        let value = json!({"says": ["a", 1, {"name": "ab wJalrXUtnFEMI/K7MDENG"}]});
        let shown = json!({"says": ["{environment_variable: A}", 1, {"name": "ab {environment_variable: KEY}"}]});
        assert_eq!(hidden.in_json(value), shown);
        assert_eq!(hidden.sparing("GET https://a.example/").in_text("a wJalrXUtnFEMI/K7MDENG"), "a {environment_variable: KEY}");
    }
}
