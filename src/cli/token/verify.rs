//! Whether the filter would accept a token: it is verified by the filter's own code, with the keys of a file, or those that the provider
//! publishes now. Without a configuration nothing is accepted: only the signature and the times are looked at. The token is never
//! printed, and sent to nobody.

use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::cli::doctor::client::Client;
use crate::cli::doctor::documents::unreached;
use crate::cli::doctor::findings::Report;
use crate::cli::doctor::trust::Trust;
use crate::cli::gateway::{Gateway, Place, gateways};
use crate::cli::input;
use crate::cli::machine::Machine;
use crate::cli::moment::moment;
use crate::cli::terminal::{Form, Outcome, Terminal, Trouble};
use crate::crypto::jws::{self, JwsError, LastHeader, Unverified};
use crate::crypto::key::{Algorithm, KeySet};
use crate::http::message::HttpCall;
use crate::oidc::bearer::accepted::{Bearer, BearerKeys};
use crate::oidc::bearer::access_token::{self, AccessTokenError, claimed_issuer};
use crate::oidc::discovery::{metadata_request, metadata_response};
use crate::oidc::id_token::{self, Expectations, ExpectedNonce, IdTokenError, IssuedWith};
use crate::oidc::keys::{key_set, keys_request, keys_response};
use crate::oidc::metadata::Metadata;
use crate::oidc::provider::{MetadataSource, Provider};
use crate::oidc::times::{self, WrongTime};
use crate::words::json;
use crate::words::quote::quote;
use crate::words::reason::Failure;
use crate::words::secret::{LentSecret, Secret};
use crate::words::time::Timestamp;
use crate::words::world::World as _;

/// What is to be verified, and by what.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Verify {
    /// The file with the token; without it, or as `-`, the standard input.
    #[arg(default_value = "-")]
    file: String,
    /// The provider's keys: a file with a JWK set, as its jwks_uri has it. Without it, the provider is asked for them.
    #[arg(long, value_name = "FILE", required_unless_present = "config")]
    keys: Option<String>,
    /// The configuration that says what is accepted: an Envoy's file, an object of Kubernetes, or the configuration alone. Without
    /// it, only the signature and the times are looked at.
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// What the token is taken for; by default a bearer token, where the provider's bearer tokens are accepted.
    #[arg(long = "as", value_name = "KIND", requires = "config")]
    kind: Option<Kind>,
    #[command(flatten)]
    place: Place,
    /// The authorities to trust when the provider is asked, in PEM; by default the trusted_ca of its cluster, or this machine's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<String>,
    #[command(flatten)]
    client: Client,
}

/// What a token is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// The ID token of a sign-in.
    IdToken,
    /// The bearer token of a request.
    Bearer,
}

/// What was found. The token is not in it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// The place of the configuration that judged, and the provider in it; `None` if none did, so that nothing can be accepted.
    judge: Option<String>,
    /// Whether one of the keys has signed it.
    is_signed: bool,
    /// What holds, in sentences.
    holds: Vec<String>,
    /// What does not: the reason that a log would name, if there is one, and a sentence.
    refused: Option<(Option<&'static str>, String)>,
    /// What nothing is known of.
    unknown: Vec<String>,
}

/// Verifies a token, and writes what holds and what does not.
///
/// # Errors
/// If a file cannot be read, the configuration does not fit the token, or the result cannot be written.
pub(crate) fn verify(arguments: &Verify, terminal: &mut Terminal<'_>) -> Result<Outcome, Trouble> {
    let token = input::token(&arguments.file)?;
    let keys = arguments.keys.as_deref().map(keys_of).transpose()?;
    let now = Machine.now();
    let found = match &arguments.config {
        None => by_keys(&token, &keys.unwrap_or_default(), now),
        Some(file) => by_configuration(&token, file, keys, arguments, now)?,
    };
    match terminal.form() {
        Form::Json => terminal.json(&found.as_json())?,
        Form::Words => found.in_words(terminal)?,
    }
    Ok(if found.refused.is_none() { Outcome::Fine } else { Outcome::Findings })
}

fn keys_of(file: &str) -> Result<KeySet, Trouble> {
    let text = input::text(file)?;
    let members = json::object(text.as_bytes()).map_err(str::to_owned);
    let keys = members.and_then(|members| key_set(&members));
    keys.map_err(|why| Trouble::told(format!("{file}: expected a JWK set with public keys, found something else: {why}")))
}

/// The signature and the times: whether the token is for anybody in particular is for the configuration to say.
fn by_keys(token: &Secret, keys: &KeySet, now: Timestamp) -> Found {
    let asymmetric: Vec<_> = Algorithm::ALL.iter().copied().filter(|algorithm| !algorithm.is_symmetric()).collect();
    let verified = jws::verify(&Machine, token.expose(), keys, &asymmetric);
    let mut unknown = vec![
        "whether it is accepted: without a configuration (--config), only the signature and the times are looked at, and neither issuer nor audience"
            .to_owned(),
    ];
    let verified = match verified {
        Ok(verified) => verified,
        Err(why) => return Found { refused: Some((None, why.to_string())), unknown, ..Found::default() },
    };
    let (mut holds, mut refused) = (vec![signed(&verified)], None);
    // How far clocks may differ is for a configuration to say, too.
    match times::check(&verified.claims, Duration::ZERO, now) {
        Ok(Some(expires)) => holds.push(format!("by the clock of this machine it is in time, until {}", moment(expires))),
        Ok(None) => unknown.push("how long it is good: it has no exp, without which the filter accepts no token".to_owned()),
        Err(WrongTime::Expired(why) | WrongTime::Other(why)) => refused = Some((None, why)),
    }
    Found { judge: None, is_signed: true, holds, refused, unknown }
}

fn signed(verified: &jws::VerifiedJws) -> String {
    let key = verified.key_id.as_deref().map_or_else(|| "a key without kid".to_owned(), |kid| format!("the key {}", quote(kid)));
    format!("the signature is by {key}, with {}", verified.algorithm)
}

fn by_configuration(
    token: &Secret,
    file: &str,
    keys: Option<KeySet>,
    arguments: &Verify,
    now: Timestamp,
) -> Result<Found, Trouble> {
    let gateways = gateways(file, &arguments.place)?;
    let known = issuing(token, &gateways, file)?;
    let (gateway, provider) = known.first;
    let kind = arguments.kind.unwrap_or(if provider.bearer.is_some() { Kind::Bearer } else { Kind::IdToken });
    let listed = provider.bearer.as_ref().and_then(|bearer| match &bearer.keys {
        BearerKeys::Configured(keys) if kind == Kind::Bearer => Some(KeySet::clone(keys)),
        BearerKeys::Configured(_) | BearerKeys::Published => None,
    });
    let keys = keys.or(listed).map_or_else(|| published(provider, gateway, arguments), Ok)?;
    let judge = name(file, gateway, provider);
    let mut found = match (kind, &provider.bearer) {
        (Kind::IdToken, _) => as_id_token(token, provider, &keys, now),
        (Kind::Bearer, Some(accepted)) => as_bearer_token(token, provider, accepted, &keys, now),
        (Kind::Bearer, None) => {
            return Err(Trouble::told(format!("bearer tokens are not accepted by {judge}: it has no bearer")));
        }
    };
    let others = known.others.into_iter().map(|(gateway, provider)| name(file, gateway, provider));
    found.unknown.extend(others.map(|other| format!("{other}, which has the same issuer and may say something else")));
    found
        .unknown
        .push("what rules ask for besides: their conditions, also on the audience (accredit explain --token)".to_owned());
    found.judge = Some(judge);
    Ok(found)
}

/// How sentences name a provider of a gateway in a file.
fn name(file: &str, gateway: &Gateway, provider: &Provider) -> String {
    format!("provider {} at {file}:{}:{}", provider.name, gateway.spot.line, gateway.spot.column)
}

/// The providers with the issuer of a token, each with its gateway.
struct Issuing<'a> {
    /// The one that judges.
    first: (&'a Gateway, &'a Provider),
    others: Vec<(&'a Gateway, &'a Provider)>,
}

/// The providers that the token says it is from. Nothing about it is verified yet.
fn issuing<'a>(token: &Secret, gateways: &'a [Gateway], file: &str) -> Result<Issuing<'a>, Trouble> {
    let lent = LentSecret::new(token.expose());
    let read = Unverified::read(token.expose(), &mut LastHeader::default());
    let Some(issuer) = claimed_issuer(lent, &read) else {
        let why = read.err().unwrap_or(JwsError::Malformed("it names no issuer (iss)"));
        return Err(Trouble::told(why.to_string()));
    };
    let of_gateway = |gateway: &'a Gateway| gateway.settings.providers.iter().map(move |provider| (gateway, &provider.oidc));
    let mut known = gateways.iter().flat_map(of_gateway).filter(|(_, provider)| provider.issuer() == issuer);
    let first = known.next();
    let first = first
        .ok_or_else(|| Trouble::told(format!("{file}: no provider has the issuer that the token names, {}", quote(&issuer))));
    Ok(Issuing { first: first?, others: known.collect() })
}

/// The keys that a provider publishes.
fn published(provider: &Provider, gateway: &Gateway, arguments: &Verify) -> Result<KeySet, Trouble> {
    let named = arguments.ca_file.as_deref().map(Trust::of_file).transpose()?;
    let told = |failure: Failure| Trouble::told(failure.detail);
    let ask = |call: &HttpCall| {
        let trust = Trust::for_call(named.as_ref(), gateway.bootstrap.as_ref(), provider, call);
        arguments.client.ask(call, &trust).map(|answered| answered.reply).map_err(|why| {
            let mut report = Report::of(&provider.name);
            unreached(&why, &format!("{}://{}", call.scheme, call.authority), trust.whose(), &mut report);
            Trouble::told(report.finish().into_iter().map(|finding| finding.sentence).collect::<String>())
        })
    };
    let metadata = match &provider.source {
        MetadataSource::Given(metadata) => Metadata::clone(metadata),
        MetadataSource::Discovery { .. } | MetadataSource::Transmitter { .. } | MetadataSource::Never { .. } => {
            let reply = ask(&metadata_request(provider).map_err(told)?)?;
            metadata_response(provider, &reply).map_err(told)?
        }
    };
    let reply = ask(&keys_request(provider, &metadata).map_err(told)?)?;
    keys_response(provider, &metadata, &reply).map_err(told)
}

fn as_id_token(token: &Secret, provider: &Provider, keys: &KeySet, now: Timestamp) -> Found {
    let expected = Expectations {
        keys,
        nonce: ExpectedNonce::NoneWasSent,
        issued_with: IssuedWith::NoAccessToken,
        now,
        provider_clock: None,
    };
    let signature = jws::verify(&Machine, token.expose(), keys, &provider.algorithms);
    let claims = match id_token::verify(&Machine, provider, token, &expected) {
        Ok(verified) => Ok(accepted(provider, "an ID token", &verified.subject, verified.expires)),
        Err(IdTokenError::KeyUnknown(failure) | IdTokenError::Refused(failure)) => Err(failure),
    };
    let unknown = vec!["nonce and at_hash, which belong to the sign-in that the token came from".to_owned()];
    Found { unknown, ..Found::of(signature, claims) }
}

fn as_bearer_token(token: &Secret, provider: &Provider, bearer: &Bearer, keys: &KeySet, now: Timestamp) -> Found {
    let read = || Unverified::read(token.expose(), &mut LastHeader::default());
    let signature = read().and_then(|read| read.verify(&Machine, keys, &bearer.algorithms));
    let claims = match access_token::verify(&Machine, provider, bearer, read(), keys, now) {
        Ok(verified) => Ok(accepted(provider, "a bearer token", &verified.subject, verified.expires)),
        Err(
            AccessTokenError::KeyUnknown(failure)
            | AccessTokenError::SignatureInvalid(failure)
            | AccessTokenError::Refused(failure),
        ) => Err(failure),
    };
    let asks = bearer.introspection.as_ref().is_some_and(|asked| asked.tokens.include_jwts());
    let revoked = asks.then(|| "whether the provider has revoked it: the filter would ask (introspection)".to_owned());
    Found { unknown: revoked.into_iter().collect(), ..Found::of(signature, claims) }
}

fn accepted(provider: &Provider, what: &str, subject: &str, expires: Timestamp) -> String {
    format!("the claims are those of {what} of provider {} for {}, until {}", provider.name, quote(subject), moment(expires))
}

impl Found {
    fn of(signature: Result<jws::VerifiedJws, JwsError>, claims: Result<String, Failure>) -> Self {
        let mut found = Self { is_signed: signature.is_ok(), ..Self::default() };
        found.holds.extend(signature.ok().map(|verified| signed(&verified)));
        match claims {
            Ok(sentence) => found.holds.push(sentence),
            Err(failure) => found.refused = Some((Some(failure.reason.id()), failure.detail)),
        }
        found
    }

    fn in_words(&self, terminal: &mut Terminal<'_>) -> Result<(), Trouble> {
        if let Some(judge) = &self.judge {
            terminal.line(format_args!("judged by {judge}"))?;
        }
        for sentence in &self.holds {
            terminal.line(format_args!("holds: {sentence}"))?;
        }
        if let Some((reason, sentence)) = &self.refused {
            let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
            terminal.line(format_args!("refused: {sentence}{reason}"))?;
        }
        for what in &self.unknown {
            terminal.line(format_args!("not looked at: {what}"))?;
        }
        Ok(())
    }

    fn as_json(&self) -> Value {
        let refused = self.refused.as_ref().map(|(reason, sentence)| json!({"reason": reason, "sentence": sentence}));
        // Whoever reads no more than this must not take a good signature for a yes.
        let accepted = match (&self.refused, &self.judge) {
            (Some(_), _) => Value::Bool(false),
            (None, Some(_)) => Value::Bool(true),
            (None, None) => Value::Null,
        };
        json!({
            "accepted": accepted, "judged_by": self.judge, "signature": self.is_signed, "holds": self.holds, "refused": refused,
            "not_looked_at": self.unknown,
        })
    }
}

#[cfg(test)]
mod tests;
