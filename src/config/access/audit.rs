//! The part `audit`: what audit lines say of a request's host and of its client's address. When there is a line, and what else it
//! says, is not known here.

use crate::config::reading::place::{shape, words};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::settings::{Audit, Told};
use crate::crypto::seal::Sealer;

words! {
    #[derive(Clone, Copy, Default)]
    enum ToldWord {
        #[default]
        Plain = "plain",
        Hash = "hash",
        None = "none",
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
    }
}

/// Checks what is to be told, beside the keys that make hashes.
pub(crate) fn audit(shape: Checked<AuditShape>, sealer: &Checked<Sealer>, refusals: &mut Refusals) -> Checked<Audit> {
    let AuditShape { host, address } = shape?;
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
    Ok(Audit { host: host?, address: address? })
}
