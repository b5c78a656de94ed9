//! The member `forward` of a rule: which token of its own the application gets. How one is asked for is not known here.

use std::rc::Rc;

use crate::access::requirement::Requirement;
use crate::access::route::Credentials;
use crate::config::access::rules::written::{ClientCredentialsShape, RuleForwardShape, TokenExchangeShape, TokenTypeWord};
use crate::config::reading::nearest::did_you_mean;
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::values::each;
use crate::words::upstream_token::{Grant, TokenType, UpstreamToken};

/// What is known of one provider.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) name: String,
    /// Whether people sign in there.
    pub(crate) signs_in: bool,
    /// Whether we have a client there that authenticates.
    pub(crate) has_client: bool,
    /// Whether its bearer tokens are accepted.
    pub(crate) has_bearer: bool,
    /// Whether the application gets these (`bearer.forward`).
    pub(crate) forwards: bool,
}

/// What rules with tokens for the application depend on.
pub(crate) struct Ground {
    /// All providers.
    pub(crate) providers: Checked<Vec<Known>>,
    /// Whether people sign in by password.
    pub(crate) by_password: Checked<bool>,
    /// Whether sessions keep the provider's access token (`forward.access_token`).
    pub(crate) keeps_access_token: Checked<bool>,
}

/// A rule, as far as it is good.
pub(super) struct Around<'a> {
    pub(super) require: Checked<&'a Requirement>,
    pub(super) credentials: Checked<Credentials>,
}

/// Checks which token of its own the application gets under a rule, which is at this path.
pub(super) fn upstream_token(
    rule: &str,
    shape: Option<RuleForwardShape>,
    around: &Around<'_>,
    ground: &Ground,
    refusals: &mut Refusals,
) -> Checked<Option<Rc<UpstreamToken>>> {
    let Some(shape) = shape else { return Ok(None) };
    let path = format!("{rule}.forward");
    let token = match (shape.token_exchange?, shape.client_credentials?) {
        (Some(shape), None) => exchanged(&format!("{path}.token_exchange"), shape, refusals),
        (None, Some(shape)) => of_client(&format!("{path}.client_credentials"), shape, refusals),
        (found, _) => {
            let (found, remedy) = match found {
                Some(_) => ("both", "keep one"),
                None => ("none", "write token_exchange: {audience: …}, or remove forward"),
            };
            let sentence = format!("expected token_exchange or client_credentials, found {found}; {remedy}");
            Err(refusals.refuse(&path, sentence))
        }
    };
    if around.require == Ok(&Requirement::Public) {
        let sentence = "expected a rule that lets nobody in who is not known, because whoever comes would use this token, found a public one; write require: authenticated, or remove forward";
        return Err(refusals.refuse(path, sentence));
    }
    let token = token?;
    Beside { path: &path, token: &token, require: around.require?, credentials: around.credentials?, ground }.check(refusals)?;
    Ok(Some(Rc::new(token)))
}

fn exchanged(path: &str, shape: TokenExchangeShape, refusals: &mut Refusals) -> Checked<UpstreamToken> {
    let requested = match shape.requested_token_type {
        Ok(None | Some(TokenTypeWord::AccessToken)) => Ok(TokenType::AccessToken),
        Ok(Some(TokenTypeWord::Jwt)) => Ok(TokenType::Jwt),
        Err(refused) => Err(refused),
    };
    let target = target(path, (shape.audience, shape.resource, shape.scope), refusals);
    let (audience, resource, scope) = target?;
    if audience.is_none() && resource.is_none() {
        let sentence = "expected audience or resource, for whom the token is, found none; write the provider's name for the application: audience: NAME";
        return Err(refusals.refuse(path, sentence));
    }
    Ok(UpstreamToken { grant: Grant::TokenExchange(requested?), provider: shape.provider?, audience, resource, scope })
}

fn of_client(path: &str, shape: ClientCredentialsShape, refusals: &mut Refusals) -> Checked<UpstreamToken> {
    let target = target(path, (shape.audience, shape.resource, shape.scope), refusals);
    let (audience, resource, scope) = target?;
    if audience.is_none() && resource.is_none() && scope.is_empty() {
        let sentence = "expected audience, resource or scope, for what the token is, found none; write the one by which the provider knows the application: scope: [NAME]";
        return Err(refusals.refuse(path, sentence));
    }
    Ok(UpstreamToken { grant: Grant::ClientCredentials, provider: shape.provider?, audience, resource, scope })
}

/// `audience`, `resource` and `scope` as they are written.
type WrittenTarget = (Checked<Option<String>>, Checked<Option<String>>, Checked<Option<Vec<Checked<String>>>>);

/// Checks for whom a token is, and what it may allow.
fn target(
    path: &str,
    (audience, resource, scope): WrittenTarget,
    refusals: &mut Refusals,
) -> Checked<(Option<String>, Option<String>, Vec<String>)> {
    let audience = audience.and_then(|audience| match audience {
        Some(name) if name.trim().is_empty() => {
            let sentence = "expected the provider's name for the application, found an empty text; write it, or remove audience";
            Err(refusals.refuse(format!("{path}.audience"), sentence))
        }
        audience => Ok(audience),
    });
    let resource = resource.and_then(|resource| match resource {
        Some(uri) if !is_absolute_uri(&uri) => {
            // RFC 8707, section 2.
            let sentence =
                "expected an absolute URI without a fragment, found something else; write https://notes.example.com/api";
            Err(refusals.refuse(format!("{path}.resource"), sentence))
        }
        resource => Ok(resource),
    });
    let scope = scope.and_then(|scope| scope.map(|scope| scope_of(&format!("{path}.scope"), scope, refusals)).transpose());
    Ok((audience?, resource?, scope?.unwrap_or_default()))
}

fn scope_of(path: &str, scope: Vec<Checked<String>>, refusals: &mut Refusals) -> Checked<Vec<String>> {
    if scope.is_empty() {
        let sentence = "expected the most that the token may allow, found nothing; write scope: [notes:read], or remove it, and the provider chooses";
        return Err(refusals.refuse(path, sentence));
    }
    each(scope, |index, value| {
        // RFC 6749, section 3.3.
        let plain = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
        let sentence = "expected one scope without spaces, found another text; write a list: scope: [notes:read, notes:write]";
        if plain { Ok(value) } else { Err(refusals.refuse(format!("{path}[{index}]"), sentence)) }
    })
}

/// RFC 3986, section 4.3.
fn is_absolute_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let begins = scheme.bytes().next().is_some_and(|first| first.is_ascii_alphabetic());
    let of_rest = |byte: u8| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte);
    begins && scheme.bytes().all(of_scheme) && !rest.is_empty() && rest.bytes().all(of_rest)
}

/// A token that is good by itself, beside everything that it depends on.
struct Beside<'a> {
    path: &'a str,
    token: &'a UpstreamToken,
    require: &'a Requirement,
    credentials: Credentials,
    ground: &'a Ground,
}

impl Beside<'_> {
    fn check(&self, refusals: &mut Refusals) -> Checked<()> {
        let providers = self.ground.providers.as_ref().map_err(|refused| *refused)?;
        let refuse = |refusals: &mut Refusals, member: &str, sentence: String| {
            Err(refusals.refuse([self.path, member].concat(), sentence))
        };
        if let Some(forwarding) = self.of_tokens(providers).find(|provider| provider.forwards) {
            let sentence = format!(
                "expected none where bearer.forward hands on the client's own token, found one beside that of provider {}; remove one of both",
                forwarding.name
            );
            return refuse(refusals, "", sentence);
        }
        let member = format!(".{}", self.token.grant.member());
        if let Grant::TokenExchange(_) = self.token.grant {
            if self.sessions_count() && !self.ground.keeps_access_token? {
                let sentence = "expected sessions that keep the token which is exchanged, found others; write forward: {access_token: true} at the top, or credentials: bearer in this rule";
                return refuse(refusals, &member, sentence.to_owned());
            }
            if !self.sessions_count() && self.of_tokens(providers).next().is_none() {
                let sentence = "expected a provider whose bearer tokens are accepted, found none whose token could be exchanged; write bearer: {audiences: […]} there";
                return refuse(refusals, &member, sentence.to_owned());
            }
        }
        let without = match &self.token.provider {
            Some(name) => match providers.iter().find(|provider| provider.name == *name) {
                Some(asked) => Some(asked).filter(|asked| !asked.has_client),
                None => {
                    let meant = did_you_mean(providers.iter().map(|provider| provider.name.as_str()), name);
                    let sentence = format!("expected the name of a provider, found another{meant}; write one of their names");
                    return refuse(refusals, &format!("{member}.provider"), sentence);
                }
            },
            None if self.has_people_without_provider()? => {
                let sentence = "expected the name of a provider, because people who sign in by password have none, found none; write provider: NAME";
                return refuse(refusals, &format!("{member}.provider"), sentence.to_owned());
            }
            None => self.own(providers).find(|provider| !provider.has_client),
        };
        let Some(without) = without else { return Ok(()) };
        let sentence = format!(
            "expected a provider where Accredit has a client that authenticates, found {}, where it has none; write client_id and client_secret there, or the name of another",
            without.name
        );
        refuse(refusals, &format!("{member}.provider"), sentence)
    }

    const fn sessions_count(&self) -> bool {
        !matches!(self.credentials, Credentials::Bearer)
    }

    /// Those that may vouch for whoever meets the rule.
    fn own<'a>(&self, providers: &'a [Known]) -> impl Iterator<Item = &'a Known> {
        let (sessions, tokens) = (self.sessions_count(), self.credentials != Credentials::Session);
        let only = self.require.provider().map(str::to_owned);
        let counts = move |provider: &&Known| (sessions && provider.signs_in) || (tokens && provider.has_bearer);
        providers.iter().filter(counts).filter(move |provider| only.as_ref().is_none_or(|only| *only == provider.name))
    }

    /// Those whose bearer tokens count.
    fn of_tokens<'a>(&self, providers: &'a [Known]) -> impl Iterator<Item = &'a Known> {
        let tokens = self.credentials != Credentials::Session;
        self.own(providers).filter(move |provider| tokens && provider.has_bearer)
    }

    /// Whether people meet the rule for whom no provider vouches. None of them has a token that could be exchanged.
    fn has_people_without_provider(&self) -> Checked<bool> {
        let for_all = self.token.grant == Grant::ClientCredentials && self.require.provider().is_none();
        Ok(for_all && self.sessions_count() && self.ground.by_password?)
    }
}
