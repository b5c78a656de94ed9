//! Which of the known names somebody may have meant by another one: a mistyped one, or the word that other programs have for the
//! same. It proposes nothing where none is close, because a wrong guess misleads. Where the names come from is not known here.

/// Longer texts, in characters, are not taken for mistyped names. (The time to compare grows with the square of the length.)
const LONGEST: usize = 64;

/// The most letters that may differ in a mistyped name, however long it is.
const MOST_SLIPS: usize = 3;

/// Words that other programs have, or that come to mind, and what they are called here. A word may be meant in more than one way:
/// the first counts that is known where the word stands.
const MEANT: [(&str, &str); 42] = [
    ("prefix", "path_separated_prefix"),
    ("path_prefix", "path_separated_prefix"),
    ("regex", "path"),
    ("safe_regex", "path"),
    ("pattern", "path"),
    ("exact", "path"),
    ("hostname", "host"),
    ("domain", "host"),
    ("domain", "email_domain"),
    ("domains", "host"),
    ("domains", "origins"),
    ("hosts", "origins"),
    ("allow", "require"),
    ("condition", "require"),
    ("unauthorized", "unauthenticated"),
    ("cache", "shared_cache"),
    ("group", "claim"),
    ("groups", "claim"),
    ("role", "claim"),
    ("roles", "claim"),
    ("values", "any_of"),
    ("in", "any_of"),
    ("and", "all"),
    ("all_of", "all"),
    ("or", "any"),
    ("aud", "audience"),
    ("acr_values", "acr"),
    ("max_age", "max_auth_age"),
    ("max_age", "lifetime"),
    ("ttl", "lifetime"),
    ("expires", "lifetime"),
    ("idle_timeout", "idle"),
    ("discovery", "issuer"),
    ("discovery_url", "issuer"),
    ("issuer_url", "issuer"),
    ("id", "client_id"),
    ("secret", "client_secret"),
    ("secret", "keys"),
    ("header", "header_name"),
    ("claim", "claim_name"),
    ("anonymous", "public"),
    ("signed_in", "authenticated"),
];

/// The known name that is meant by what was found: another word for it, or the closest, if at most a third of its letters differ.
pub(crate) fn nearest<'k>(known: impl IntoIterator<Item = &'k str>, found: &str) -> Option<&'k str> {
    among(&known.into_iter().collect::<Vec<_>>(), found)
}

fn among<'k>(known: &[&'k str], found: &str) -> Option<&'k str> {
    let meant = MEANT.iter().filter(|(word, _)| *word == found);
    if let Some(name) = { meant }.find_map(|(_, name)| known.iter().find(|known| *known == name)) {
        return Some(name);
    }
    let letters = found.chars().count();
    if letters > LONGEST {
        return None;
    }
    let most = letters.max(3).checked_div(3).unwrap_or_default().min(MOST_SLIPS);
    let found = found.to_lowercase();
    let distances = known.iter().map(|name| (strsim::osa_distance(&name.to_lowercase(), &found), name));
    distances.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance).map(|(_, name)| *name)
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
    fn a_word_of_other_programs_is_understood_where_what_it_means_may_stand() {
        let (rule, provider, session) =
            (["host", "methods", "path", "path_separated_prefix"], ["issuer", "client_secret"], ["keys", "lifetime"]);
        assert_eq!(nearest(rule, "prefix"), Some("path_separated_prefix"));
        assert_eq!(nearest(rule, "safe_regex"), Some("path"));
        assert_eq!(nearest(provider, "prefix"), None);
        assert_eq!(
            [nearest(provider, "secret"), nearest(session, "secret"), nearest(rule, "secret")],
            [Some("client_secret"), Some("keys"), None]
        );
        // It is closer to `any`, which would let more people in.
        assert_eq!(nearest(["any", "all"], "and"), Some("all"));
        for (word, name) in MEANT {
            assert!(nearest([name], word) == Some(name) && word != name, "{word}");
        }
    }

    #[test]
    fn of_several_close_names_the_closest_is_proposed() {
        assert_eq!(did_you_mean(["claim", "claims"], "claimss"), " (did you mean `claims`?)");
        assert_eq!(did_you_mean([], "claims"), "");
    }
}
