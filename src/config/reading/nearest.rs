//! Which of the known names somebody may have meant by a mistyped one. It proposes nothing where none is close, because a wrong
//! guess misleads. Where the names come from is not known here.

/// Longer texts, in characters, are not taken for mistyped names. (The time to compare grows with the square of the length.)
const LONGEST: usize = 64;

/// The most letters that may differ in a mistyped name, however long it is.
const MOST_SLIPS: usize = 3;

/// The known name that is closest to what was found, if at most a third of its letters differ.
pub(crate) fn nearest<'k>(known: impl IntoIterator<Item = &'k str>, found: &str) -> Option<&'k str> {
    let letters = found.chars().count();
    if letters > LONGEST {
        return None;
    }
    let most = letters.max(3).checked_div(3).unwrap_or_default().min(MOST_SLIPS);
    let found = found.to_lowercase();
    let distances = known.into_iter().map(|name| (strsim::osa_distance(&name.to_lowercase(), &found), name));
    distances.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// ` (did you mean …?)`, to stand behind what was found in a refusal; empty when no known name is close.
pub(crate) fn did_you_mean<'k>(known: impl IntoIterator<Item = &'k str>, found: &str) -> String {
    nearest(known, found).map_or_else(String::new, |name| [" (did you mean `", name, "`?)"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let known = ["rules", "route_policies", "sign_in", "session", "RS256", "not"];
        for (found, meant) in [
            ("rulez", Some("rules")),
            ("rule", Some("rules")),
            ("signin", Some("sign_in")),
            ("sing_in", Some("sign_in")),
            ("sesion", Some("session")),
            ("route-policy", None),
            ("route-policies", Some("route_policies")),
            ("rs256", Some("RS256")),
            ("nto", Some("not")),
            ("", None),
            ("ttl", None),
            ("whatever", None),
        ] {
            assert_eq!(nearest(known, found), meant, "{found}");
        }
        assert_eq!(nearest(["x".repeat(65).as_str()], &"x".repeat(65)), None);
    }

    #[test]
    fn of_several_close_names_the_closest_is_proposed() {
        assert_eq!(did_you_mean(["claim", "claims"], "claimss"), " (did you mean `claims`?)");
        assert_eq!(did_you_mean([], "claims"), "");
    }
}
