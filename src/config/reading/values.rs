//! Checks that several parts of a configuration need: of each element of a list, of spans of time, of origins, of claims, of claims that
//! count as verified, and of what is known when parts were refused. It never knows which part it checks.

use std::time::Duration;

use crate::config::reading::nearest::did_you_mean;
use crate::config::reading::refusal::{Checked, Refusals, Refused};
use crate::config::reading::spellings::{ClaimName, Span, written};
use crate::http::url::Origin;
use crate::words::principal::{AssumedVerified, ClaimPath};

/// Checks each element of a list, with its index. All are checked even if one is refused; then the list is refused.
pub(crate) fn each<T, U>(list: Vec<Checked<T>>, mut check: impl FnMut(usize, T) -> Checked<U>) -> Checked<Vec<U>> {
    let each = list.into_iter().enumerate().map(|(index, member)| member.and_then(|member| check(index, member)));
    let checked: Vec<_> = each.collect();
    checked.into_iter().collect()
}

/// Reads one origin, of whatever scheme.
pub(crate) fn origin(path: &str, text: &str, refusals: &mut Refusals) -> Checked<Origin> {
    Origin::parse(text).map_err(|found| {
        // The text may be the value of a variable, and is not repeated.
        let is_one_without = text.strip_suffix('/').is_some_and(|rest| Origin::parse(rest).is_ok());
        let remedy = if is_one_without { "remove the / at its end" } else { "write https://app.example.com, without a path" };
        refusals.refuse(path, format!("expected an origin, {found}; {remedy}"))
    })
}

/// Whether a member is there.
pub(crate) fn is_written<T>(member: &Checked<Option<T>>) -> Checked<bool> {
    member.as_ref().map(Option::is_some).map_err(|refused| *refused)
}

/// A span of at least a second and at most `longest`; `default` if none is written.
pub(crate) fn positive(
    path: &str,
    span: Checked<Option<Span>>,
    default: Duration,
    longest: Duration,
    refusals: &mut Refusals,
) -> Checked<Duration> {
    let span = span?.map_or(default, |span| span.0);
    if span < Duration::from_secs(1) || span > longest {
        let sentence = format!("expected a span from 1s to {}, found {}; write another", written(longest), written(span));
        return Err(refusals.refuse(path, sentence));
    }
    Ok(span)
}

/// `dangerously_assume_verified`: which claims count as verified although nobody says so.
pub(crate) fn assumed_verified(path: &str, claims: Vec<Checked<String>>, refusals: &mut Refusals) -> Checked<AssumedVerified> {
    let claims = each(claims, |index, claim| match claim.as_str() {
        "email" | "phone_number" => Ok(claim),
        _ => {
            let meant = did_you_mean(["email", "phone_number"], &claim);
            let sentence =
                format!("expected email or phone_number, found another claim{meant}; others need no verdict, remove it");
            Err(refusals.refuse(format!("{path}[{index}]"), sentence))
        }
    })?;
    let lists = |claim: &str| claims.iter().any(|listed| listed == claim);
    Ok(AssumedVerified { email: lists("email"), phone_number: lists("phone_number") })
}

/// The path of a claim; an empty one is refused.
pub(crate) fn claim_path(path: &str, claim: ClaimName, refusals: &mut Refusals) -> Checked<ClaimPath> {
    if claim.0.is_empty() || claim.0.iter().any(String::is_empty) {
        let sentence = "expected a claim name or a path of names, found an empty one; write claim: groups";
        return Err(refusals.refuse(path, sentence));
    }
    Ok(ClaimPath::new(claim.0))
}

/// Collects the parts of a value. A part that was refused is replaced by a default, so that what does not depend on it can be
/// checked; in the end the whole value is refused.
#[derive(Default)]
pub(crate) struct Parts(Option<Refused>);

impl Parts {
    /// The part, or its type's default if it was refused.
    pub(crate) fn part<T: Default>(&mut self, part: Checked<T>) -> T {
        part.unwrap_or_else(|refused| {
            self.0 = Some(refused);
            T::default()
        })
    }

    /// The whole value, if none of its parts was refused.
    pub(crate) fn whole<T>(self, whole: T) -> Checked<T> {
        self.0.map_or(Ok(whole), Err)
    }
}

/// Whether at least one holds. If one does, it does not matter that the other was refused.
pub(crate) fn either(one: Checked<bool>, other: Checked<bool>) -> Checked<bool> {
    if one == Ok(true) || other == Ok(true) { Ok(true) } else { Ok(one? || other?) }
}

/// Whether both hold. If one does not, it does not matter that the other was refused.
pub(crate) fn both(one: Checked<bool>, other: Checked<bool>) -> Checked<bool> {
    if one == Ok(false) || other == Ok(false) { Ok(false) } else { Ok(one? && other?) }
}
