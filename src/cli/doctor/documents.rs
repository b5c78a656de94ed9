//! What the provider's documents and its clock say, judged by the code of the filter. Nobody is asked here: the answers come as
//! values.

use std::time::Duration;

use serde_json::Value;

use crate::cli::doctor::client::{Answered, TlsFault, Unreached};
use crate::cli::doctor::findings::{Id, Level, Report};
use crate::crypto::key::{Algorithm, KeySet, VerificationKey};
use crate::http::message::Reply;
use crate::oidc::discovery::{self, metadata_response};
use crate::oidc::keys::keys_response;
use crate::oidc::metadata::{Metadata, Remark};
use crate::oidc::provider::Provider;
use crate::words::json;
use crate::words::principal::Claims;
use crate::words::quote::quote;
use crate::words::time::Timestamp;

/// The name system and Envoy's cluster may know different addresses.
const RESOLVE: &str = "--resolve HOST:PORT:ADDRESS gives the address that Envoy's cluster has";

/// Says why there is no answer from a URL, which was called by `whose` authorities.
pub(crate) fn unreached(why: &Unreached, url: &str, whose: &str, report: &mut Report<'_>) {
    let why = match why {
        Unreached::NoAddress => format!("no address is known of this name here; correct it, or {RESOLVE}"),
        Unreached::Late(waited) => format!(
            "it did not answer within {} s, and the filter waits no longer; look at the way there, or write a longer timeout",
            waited.as_secs_f32()
        ),
        Unreached::Other(words) => format!("{words}; is the port right, and does a firewall let this machine through?"),
        Unreached::Tls(fault) => tls(fault, whose),
    };
    report.tell(Id::Connection, Level::Error, format!("{url} was not reached: {why}"));
}

fn tls(fault: &TlsFault, whose: &str) -> String {
    match fault {
        TlsFault::UnknownAuthority => format!(
            "no authority that {whose} trusts has signed its certificate; name the file of its authority by --ca-file, and as trusted_ca of the cluster"
        ),
        TlsFault::OtherName(words) => {
            format!("its certificate is for other names: {words}; correct the URL, or give the provider a certificate for it")
        }
        TlsFault::OutOfTime(words) => {
            format!("its certificate is not valid now: {words}; renew it, or set the clock of this machine")
        }
        TlsFault::NoTls => {
            "it speaks no TLS at this port; correct the port, or write http for a provider on this machine".to_owned()
        }
        TlsFault::Other(words) => format!("TLS failed: {words}"),
    }
}

/// Compares the provider's clock, as its `Date` tells, with ours.
pub(crate) fn clock(answered: &Answered, skew: Duration, report: &mut Report<'_>) {
    let Some(date) = date(&answered.reply) else {
        return report.tell(Id::Clock, Level::Note, "the provider sends no Date, so that its clock is not known");
    };
    // A Date is whole seconds, and may have been written at any time between question and answer.
    let second = Duration::from_secs(1);
    let ahead = date.since(answered.came);
    let behind = answered.asked.since(date.plus(second));
    let tolerated = skew.as_secs();
    let (apart, which) = if ahead > behind { (ahead, "ahead of") } else { (behind, "behind") };
    let seconds = apart.as_secs();
    if apart > skew {
        let remedy = "set both by NTP; this machine's clock is only Envoy's if Envoy runs here, too";
        let sentence =
            format!("the provider's clock is {seconds} s {which} ours, and {tolerated} s are tolerated (clock_skew_seconds)");
        report.tell(Id::Clock, Level::Error, format!("{sentence}; {remedy}"));
    } else if seconds > 1 {
        report.tell(
            Id::Clock,
            Level::Well,
            format!("the provider's clock is {seconds} s {which} ours; {tolerated} s are tolerated"),
        );
    } else {
        report.tell(Id::Clock, Level::Well, "the provider's clock and ours agree");
    }
}

fn date(reply: &Reply) -> Option<Timestamp> {
    let Reply::Answered { headers, .. } = reply else { return None };
    let date = httpdate::parse_http_date(headers.single("date")?).ok()?;
    Some(Timestamp::default().plus(date.duration_since(std::time::UNIX_EPOCH).ok()?))
}

/// The members of a discovery document, as the provider wrote them; none if it cannot be read.
pub(crate) fn members(reply: &Reply) -> Claims {
    let Reply::Answered { body, .. } = reply else { return Claims::default() };
    json::object(body).unwrap_or_default()
}

/// Judges a discovery document.
pub(crate) fn discovery(provider: &Provider, reply: &Reply, report: &mut Report<'_>) -> Option<Metadata> {
    let metadata = match metadata_response(provider, reply) {
        Ok(metadata) => metadata,
        Err(failure) => {
            report.tell(Id::Discovery, Level::Error, failure.detail);
            return None;
        }
    };
    report.tell(Id::Discovery, Level::Well, "the document can be read, and its issuer is the configured one");
    let complete = discovery::is_complete(provider, &metadata);
    if complete {
        report.tell(
            Id::Endpoint,
            Level::Well,
            "every endpoint that the configuration needs can be used, and a cluster reaches it",
        );
    }
    for remark in &metadata.remarks {
        match remark {
            Remark::Endpoint(what) => report.tell(Id::Endpoint, if complete { Level::Note } else { Level::Error }, what.clone()),
            Remark::Algorithms(what) => report.tell(Id::Algorithms, Level::Warning, what.clone()),
        }
    }
    Some(metadata)
}

/// Judges the published keys.
pub(crate) fn keys(provider: &Provider, metadata: &Metadata, reply: &Reply, report: &mut Report<'_>) {
    passed_over(reply, report);
    let keys = match keys_response(provider, metadata, reply) {
        Ok(keys) => keys,
        Err(failure) => return report.tell(Id::Keys, Level::Error, failure.detail),
    };
    let of_bearer = provider.bearer.as_ref().filter(|_| provider.publishes_bearer_keys()).map(|bearer| &bearer.algorithms);
    let of_sign_in = Some(&provider.algorithms).filter(|_| provider.signs_in());
    let of_events = Some(&provider.algorithms).filter(|_| !provider.signs_in() && provider.bearer.is_none());
    for (what, algorithms) in [("ID tokens", of_sign_in), ("bearer tokens", of_bearer), ("security events", of_events)] {
        if let Some(algorithms) = algorithms {
            serving(what, algorithms, &keys, report);
        }
    }
    let unnamed = keys.iter().filter(|key| key.key_id().is_none()).count();
    if unnamed > 0 && keys.len() > 1 {
        let sentence =
            format!("{unnamed} of {} keys have no kid; let the provider name each, so that keys can change", keys.len());
        report.tell(Id::Keys, Level::Note, sentence);
    }
}

/// Whether some key is for one of the algorithms that are accepted.
fn serving(what: &str, accepted: &[Algorithm], keys: &KeySet, report: &mut Report<'_>) {
    let joined = |algorithms: &[Algorithm]| algorithms.iter().map(|algorithm| algorithm.as_str()).collect::<Vec<_>>().join(", ");
    let served = |algorithms: &[Algorithm]| -> Vec<Algorithm> {
        algorithms.iter().copied().filter(|algorithm| keys.iter().any(|key| key.serves(*algorithm))).collect()
    };
    let usable = served(accepted);
    if usable.is_empty() {
        let sentence = format!(
            "no published key is for an algorithm by which {what} are accepted ({}); the keys are for {}: write algorithms: [{}] if the provider signs so",
            joined(accepted),
            joined(&served(Algorithm::ALL)),
            joined(&served(Algorithm::ALL))
        );
        return report.tell(Id::Keys, Level::Error, sentence);
    }
    let named = keys.iter().filter(|key| usable.iter().any(|algorithm| key.serves(*algorithm)));
    let named: Vec<_> = named.map(|key| key.key_id().map_or_else(|| "one without kid".to_owned(), quote)).collect();
    report.tell(Id::Keys, Level::Well, format!("{what} can be verified by {}, with {}", named.join(", "), joined(&usable)));
}

/// Says which keys the filter passes over, and why. That is usual: a key may be for encryption, or for somebody else.
fn passed_over(reply: &Reply, report: &mut Report<'_>) {
    let members = members(reply);
    for key in members.get("keys").and_then(Value::as_array).into_iter().flatten() {
        if let Err(why) = VerificationKey::from_jwk(key) {
            let kid = key.get("kid").and_then(Value::as_str).map_or_else(|| "without kid".to_owned(), quote);
            report.tell(Id::Keys, Level::Note, format!("the key {kid} is passed over, because {why}"));
        }
    }
}
