//! The members of a rule, as an operator writes them. What they mean is never checked here.

use crate::config::access::requirements::written::RequirementShape;
use crate::config::reading::place::{shape, words};
use crate::config::reading::refusal::Checked;

shape! {
    pub(crate) struct RuleShape {
        pub(super) matches: MatchShape as "match" = empty,
        pub(super) allow_in_path: Option<Vec<Checked<String>>>,
        pub(super) require: RequirementShape,
        pub(super) unauthenticated: Option<UnauthenticatedWord>,
        pub(super) credentials: Option<CredentialsWord>,
        pub(super) audience: Option<String>,
        pub(super) shared_cache: Option<SharedCacheWord>,
    }
}

shape! {
    pub(super) struct MatchShape {
        pub(super) host: Option<String>,
        pub(super) methods: Option<Vec<Checked<String>>>,
        pub(super) path: Option<String>,
        pub(super) path_separated_prefix: Option<String>,
    }
}

words! {
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(crate) enum SharedCacheWord {
        Refused = "refused",
        Allowed = "allowed",
    }
}

words! {
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(super) enum CredentialsWord {
        Any = "any",
        Session = "session",
        Bearer = "bearer",
    }
}

words! {
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(super) enum UnauthenticatedWord {
        Redirect = "redirect",
        Respond = "respond",
    }
}
