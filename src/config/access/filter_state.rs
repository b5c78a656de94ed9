//! The part `filter_state`: which fields are left with a request for Envoy's access log. Their values are not known here.

use crate::config::reading::nearest::did_you_mean;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::values::each;
use crate::config::settings::FilterState;

/// Checks the names in the list.
pub(crate) fn filter_state(names: Checked<Vec<Checked<String>>>, refusals: &mut Refusals) -> Checked<FilterState> {
    let names = each(names?, |index, name| match name.as_str() {
        "subject" | "rule" | "audit" => Ok(name),
        _ => {
            let meant = did_you_mean(["subject", "rule", "audit"], &name);
            let sentence =
                format!("expected subject, rule or audit, found another word{meant}; write filter_state: [subject, rule]");
            Err(refusals.refuse(format!("filter_state[{index}]"), sentence))
        }
    })?;
    let lists = |word: &str| names.iter().any(|name| name == word);
    Ok(FilterState { subject: lists("subject"), rule: lists("rule"), audit: lists("audit") })
}
