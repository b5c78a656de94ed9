//! What is required of an authentication: of which class it must be, and how long ago it may have been (OpenID Connect Core,
//! section 3.1.2.1; RFC 9470). Whether an authentication meets that is not judged here.

/// The longest `acr_values` that are accepted: the lengths of the values added up, in bytes.
pub const LONGEST_ACR_VALUES: usize = 512;

/// The requirements on an authentication. The default requires nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// The accepted values of the ID token's `acr`; every value is accepted if there are none.
    pub acr_values: Vec<String>,
    /// How long ago the authentication (`auth_time`) may have been, in seconds; any time if absent.
    pub max_age: Option<u64>,
}

impl Demand {
    /// Reads the query parameters `acr_values`, separated by spaces, and `max_age`, in seconds. `None` if one of them is
    /// malformed or too long.
    pub fn parse(acr_values: Option<&str>, max_age: Option<&str>) -> Option<Self> {
        let acr_values = acr_values.unwrap_or_default();
        let acr_values: Vec<_> = acr_values.split(' ').filter(|value| !value.is_empty()).map(str::to_owned).collect();
        let short = acr_values.iter().map(String::len).sum::<usize>() <= LONGEST_ACR_VALUES;
        let max_age = match max_age {
            None => None,
            Some(digits) if digits.len() <= 9 && digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
            Some(_) => return None,
        };
        (short && acr_values.iter().all(|value| is_acr_value(value))).then_some(Self { acr_values, max_age })
    }

    /// Whether every authentication is good enough.
    pub const fn is_nothing(&self) -> bool {
        self.acr_values.is_empty() && self.max_age.is_none()
    }

    /// The requirements of both; `None` if no `acr` meets both.
    pub fn and(self, other: &Self) -> Option<Self> {
        let acr_values = match (self.acr_values.as_slice(), other.acr_values.as_slice()) {
            (mine, []) => mine.to_vec(),
            ([], theirs) => theirs.to_vec(),
            (mine, theirs) => mine.iter().filter(|value| theirs.contains(value)).cloned().collect(),
        };
        let contradictory = acr_values.is_empty() && !self.acr_values.is_empty();
        let max_age = self.max_age.into_iter().chain(other.max_age).min();
        (!contradictory).then_some(Self { acr_values, max_age })
    }

    /// The parameters `acr_values` and `max_age`, as far as they are required: for an authorization request, for the login
    /// endpoint, or for a challenge to a bearer token (RFC 9470, section 3).
    pub fn parameters(&self) -> impl Iterator<Item = (&'static str, String)> {
        let acr_values = (!self.acr_values.is_empty()).then(|| ("acr_values", self.acr_values.join(" ")));
        acr_values.into_iter().chain(self.max_age.map(|seconds| ("max_age", seconds.to_string())))
    }
}

/// Whether a text can be one `acr` value: it must fit into a list separated by spaces and into a quoted string.
pub fn is_acr_value(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(acr_values: &str, max_age: Option<u64>) -> Demand {
        Demand { acr_values: acr_values.split_whitespace().map(str::to_owned).collect(), max_age }
    }

    #[test]
    fn a_query_is_read_in_one_way_or_not_at_all() {
        assert_eq!(Demand::parse(Some("urn:a  b "), Some("300")), Some(demand("urn:a b", Some(300))));
        assert_eq!(Demand::parse(None, None), Some(Demand::default()));
        for (acr_values, max_age) in [
            (Some("a\"b"), None),
            (Some("a\\"), None),
            (Some("é"), None),
            (None, Some("-1")),
            (None, Some("+1")),
            (None, Some("")),
        ] {
            assert_eq!(Demand::parse(acr_values, max_age), None, "{acr_values:?} {max_age:?}");
        }
        assert_eq!(Demand::parse(Some(&"a".repeat(513)), None), None);
        assert_eq!(Demand::parse(None, Some("99999999999999999999")), None);
    }

    #[test]
    fn two_demands_together_are_as_strict_as_each_of_them() {
        assert_eq!(demand("a b", Some(300)).and(&demand("b c", Some(60))), Some(demand("b", Some(60))));
        assert_eq!(demand("", None).and(&demand("b", Some(60))), Some(demand("b", Some(60))));
        assert_eq!(demand("a", None).and(&demand("b", None)), None);
    }
}
