//! The part `audit`: what audit lines say of a request's host and of its client's address, and which calls to MCP servers have one. What
//! else a line says is not known here.

pub(crate) mod counted_tools;

use std::num::NonZeroU64;

use crate::access::resources::ProtectedResources;
use crate::config::reading::place::{shape, words};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::settings::{Audit, Told};
use crate::crypto::seal::Sealer;

/// The largest `mcp_calls_one_in`.
const MOST_ONE_IN: u64 = 1_000_000;

words! {
    #[derive(Clone, Copy, Default)]
    enum ToldWord {
        #[default]
        Plain = "plain",
        Hash = "hash",
        None = "none",
    }
}

words! {
    #[derive(Clone, Copy, Default, PartialEq, Eq)]
    enum CallsWord {
        /// Those that are refused
        #[default]
        Refused = "refused",
        /// Those that are let through, too
        All = "all",
    }
}

shape! {
    pub(crate) struct AuditShape {
        /// the host of the request
        /// Default: `plain`
        host: ToldWord = default,
        /// the address of its client, which is determined as for [`throttle`](#throttle)
        /// Default: `plain`
        address: ToldWord = default,
        /// which calls to MCP servers have a line: with `all`, also those that are let through, `mcp_call`. Needs a resource with
        /// `body_checked_by`
        /// Default: `refused`
        mcp_calls: CallsWord = default,
        /// with `mcp_calls: all`: one in so many of the calls that are let through has a line, which chance decides. Refusals always have one
        /// Default: `1`, each of them
        mcp_calls_one_in: Option<u64> where numbers(1, 1_000_000),
    }
}

/// Checks what is to be told, beside the keys that make hashes.
pub(crate) fn audit(shape: Checked<AuditShape>, sealer: &Checked<Sealer>, refusals: &mut Refusals) -> Checked<Audit> {
    let AuditShape { host, address, mcp_calls, mcp_calls_one_in } = shape?;
    let mut told = |member: &str, word: Checked<ToldWord>| match (word?, sealer.as_ref().map(Sealer::pseudonyms)) {
        (ToldWord::Plain, _) => Ok(Told::Plain),
        (ToldWord::None, _) => Ok(Told::Nothing),
        (ToldWord::Hash, Ok(Some(pseudonyms))) => Ok(Told::Pseudonym(Box::new(pseudonyms.clone()))),
        (ToldWord::Hash, Ok(None)) => {
            let sentence = "expected session.keys, the first of which makes hashes, found none; make one with: openssl rand -base64 32, or write plain or none";
            Err(refusals.refuse(format!("audit.{member}"), sentence))
        }
        (ToldWord::Hash, Err(refused)) => Err(*refused),
    };
    let (host, address) = (told("host", host), told("address", address));
    let calls = calls(mcp_calls, mcp_calls_one_in, refusals);
    Ok(Audit { host: host?, address: address?, calls: calls? })
}

/// One in so many calls that are let through has a line; `None` if none has.
fn calls(which: Checked<CallsWord>, one_in: Checked<Option<u64>>, refusals: &mut Refusals) -> Checked<Option<NonZeroU64>> {
    let (which, one_in) = (which?, one_in?);
    let number = NonZeroU64::new(one_in.unwrap_or(1)).filter(|number| number.get() <= MOST_ONE_IN);
    let sentence = match (which, number) {
        (_, None) => "expected a number from 1 to 1000000, found another; write 10 for every tenth",
        (CallsWord::Refused, _) if one_in.is_some() => {
            "expected none, because no call has a line that is let through, found one; write mcp_calls: all, or remove it"
        }
        (CallsWord::Refused, _) => return Ok(None),
        (CallsWord::All, number) => return Ok(number),
    };
    Err(refusals.refuse("audit.mcp_calls_one_in", sentence))
}

/// Checks that there are calls to tell of: where nobody compares what a request says with its body, a line would say what its client wants.
pub(crate) fn check_calls(
    audit: &Checked<Audit>,
    resources: &Checked<ProtectedResources>,
    refusals: &mut Refusals,
) -> Checked<()> {
    match (audit, resources) {
        (Ok(Audit { calls: Some(_), .. }), Ok(resources))
            if !resources.all().any(|resource| resource.body_checked_by.is_some()) =>
        {
            let sentence = "expected a resource with body_checked_by, whose calls are known, found none; write body_checked_by in resources, or remove it";
            Err(refusals.refuse("audit.mcp_calls", sentence))
        }
        _ => Ok(()),
    }
}
