//! From shapes to settings: what the values mean, and whether they make sense together. Every refusal names the field and what
//! to write instead.

use std::time::Duration;

use crate::access::answer::Help;
use crate::access::requirement::Requirement;
use crate::access::route::{Credentials, Match, Rule, Rules, Unauthenticated};
use crate::accounts;
use crate::config::Refusal;
use crate::config::accounts::{accounts, check_providers, several_claimants};
use crate::config::conditions::Known;
use crate::config::endpoints::{endpoints, front_end};
use crate::config::identity::{identity, kept_claims, named_claims};
use crate::config::origins::{origins, trusted_origins};
use crate::config::own_tokens::{self, Secrets};
use crate::config::settings::{FilterState, Forward, LONGEST_WAIT, PASSWORD, ProviderSettings, Settings, SignOut};
use crate::config::shapes::{self, Configuration};
use crate::config::spellings::Span;
use crate::config::values::positive;
use crate::config::{password, popup, providers, rules};
use crate::crypto::seal::{Sealer, UnusableKey};
use crate::oidc::client::ClientAuthentication;
use crate::oidc::provider::Provider;
use crate::session::content::{Fingerprint, Lifetimes};
use crate::session::cookie::{CookieSettings, Shape};
use crate::session::{self, Form};
use crate::words::cookie::SameSite;
use crate::words::principal::ClaimPath;
use crate::words::secret::Secret;
use crate::words::url::{Origin, ReturnTo};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Checks a configuration.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(configuration: Configuration) -> Result<Settings, Refusal> {
    let origins = origins(&configuration.origins)?;
    let trusted_origins = trusted_origins(&configuration.trusted_origins)?;
    let session_tokens = configuration.session.jwt.as_ref().is_some_and(|jwt| jwt.bearer);
    let by_password = configuration.endpoints.password.is_some();
    let (oidc, shared) = checked_providers(configuration.providers, session_tokens || by_password)?;
    let unsealed = oidc.is_empty() && configuration.session.jwt.is_some();
    let keys = configuration.session.keys;
    if keys.is_empty() && !unsealed {
        let sentence = "expected at least one key, found none; make one with: openssl rand -base64 32";
        return Err(Refusal::new("session.keys", sentence));
    }
    check_reuse(&keys, &oidc, &shared)?;
    let sealer = Sealer::new(&keys).map_err(|(index, why)| unusable_key(index, why))?;
    let mut secrets = Secrets::of(&keys, &oidc, shared)?;
    let signing_in = || oidc.iter().filter(|provider| provider.signs_in());
    let by_password = by_password.then_some(PASSWORD);
    let names = signing_in().map(|provider| provider.name.as_str()).chain(by_password).map(str::to_owned).collect();
    let jwt = configuration.session.jwt.map(|jwt| own_tokens::session_jwt(jwt, names, &origins, &mut secrets)).transpose()?;
    let identity_jwt = configuration.forward.identity_jwt;
    let identity_jwt = identity_jwt.map(|shape| own_tokens::identity_jwt(shape, &mut secrets)).transpose()?;
    let session_keys = jwt.iter().flat_map(|jwt| &jwt.keys);
    let published_keys = own_tokens::published(session_keys.chain(identity_jwt.iter().flat_map(|identity| &identity.keys)));
    let several = signing_in().nth(1).is_some();
    let accounts = configuration.accounts.map(|shape| accounts(shape, &mut secrets)).transpose()?;
    let mut password = password::password(configuration.password, by_password, accounts.as_ref(), &oidc, jwt.as_ref())?;
    let cookies = !oidc.is_empty() || password.as_ref().is_some_and(|password| password.delivery.cookie);
    accounts.as_ref().map_or(Ok(()), |accounts| check_providers(accounts, &oidc))?;
    let several_claimants = several_claimants(&oidc, accounts.as_ref(), by_password, jwt.is_some());
    let providers = if oidc.is_empty() { 0 } else { signing_in().count().max(1) };
    let endpoints = endpoints(configuration.endpoints, providers, published_keys.is_some())?;
    let listed: Vec<_> = origins.iter().chain(&trusted_origins).cloned().collect();
    front_end(&oidc, &endpoints, &listed)?;
    let looks_up = accounts.as_ref().is_some_and(|accounts| accounts.directory.is_some());
    let popup = popup::popup(configuration.popup, endpoints.popup.is_some(), &listed, jwt.as_ref(), looks_up)?;
    let sign_out = sign_out(configuration.logout, &listed)?;
    let known = Known {
        providers: oidc.iter().map(|provider| provider.name.as_str()).collect(),
        by_password,
        cookies,
        policies: &configuration.policies,
        bearer_providers: oidc
            .iter()
            .filter(|provider| provider.bearer.is_some())
            .map(|provider| provider.name.as_str())
            .collect(),
        several_claimants,
        session_tokens,
        identity_jwt: identity_jwt.is_some(),
        shared_cache: configuration.shared_cache,
        named_by_routes: configuration.route_policies.is_some(),
    };
    let mut policies = Vec::new();
    for (name, shape) in &configuration.policies {
        policies.push((name.clone(), known.policy(&format!("policies.{name}"), shape)?));
    }
    let base = &endpoints.callback;
    let callbacks = oidc.iter().map(|oidc| if several { format!("{base}/{}", oidc.name) } else { base.clone() });
    let callbacks: Vec<_> = callbacks.collect();
    let called_back =
        oidc.iter().zip(&callbacks).filter(|(oidc, _)| oidc.signs_in()).map(|(_, path)| ("callback", path.as_str()));
    let answered: Vec<_> = endpoints.all().chain(called_back).collect();
    let (rules, warnings) = rules::rules(&configuration.rules, &known, &origins, &answered)?;
    let route_policies = route_policies(configuration.route_policies, policies.is_empty())?;
    let header = identity_jwt.as_ref().map(|identity| &*identity.header);
    let claims = jwt.as_ref().map(|jwt| jwt.claims.as_slice());
    let identity = identity(configuration.claim_to_headers, claims, header, &configuration.request_headers_to_remove)?;
    let forward = Forward {
        access_token: configuration.forward.access_token,
        id_token: configuration.forward.id_token,
        session_cookie: configuration.forward.session_cookie,
    };
    let mut named = named_claims(&identity, &policies, &rules);
    let told = identity_jwt.iter().flat_map(|identity| &identity.claims);
    named.extend(told.flat_map(|claim| [claim.clone()].into_iter().chain(claim.verdict())));
    let follow_provider = configuration.session.follow_provider;
    let (lifetime, idle) = (configuration.session.lifetime, configuration.session.idle);
    let form = own_tokens::form(configuration.session.form, jwt, forward, &named)?;
    let lifetimes = match &form {
        Form::Sealed => lifetimes(lifetime, idle)?,
        Form::Jwt(_) if lifetime.is_some() || idle.is_some() || !configuration.session.claims.is_empty() || follow_provider => {
            return Err(Refusal::new(
                "session",
                "expected none of lifetime, idle, claims and follow_provider, because form is jwt, found one; write lifetime and claims under session.jwt (a JWT is never renewed)",
            ));
        }
        Form::Jwt(jwt) => {
            named.extend(jwt.claims.clone());
            Lifetimes::NONE
        }
    };
    let kept_claims = kept_claims(named, &configuration.session.claims)?;
    let shape = if matches!(form, Form::Sealed) { Shape::Split } else { Shape::Whole };
    let cookie = cookie(configuration.session.cookie, shape, !trusted_origins.is_empty())?;
    let attempt_timeout =
        positive("sign_in.timeout", configuration.sign_in.timeout, Duration::from_secs(600), Duration::from_secs(3_600))?;
    let providers = oidc.into_iter().zip(callbacks).map(|(oidc, callback)| {
        let looked_up = accounts.as_ref().and_then(accounts::Settings::source_of_look_ups).unwrap_or_default();
        let fingerprint = fingerprint(&oidc, looked_up, &kept_claims, forward, follow_provider);
        // Of whom a token speaks nobody is asked.
        let accounts = accounts.as_ref().filter(|_| oidc.signs_in());
        let assumed_verified =
            accounts.map_or(oidc.assumed_verified, |accounts| accounts.assumed_of_people(oidc.assumed_verified));
        ProviderSettings { oidc, fingerprint, assumed_verified, callback }
    });
    let providers: Vec<_> = providers.collect();
    if let Some(password) = &mut password {
        let source = accounts.as_ref().and_then(accounts::Settings::source_of_passwords).unwrap_or_default();
        let source: Vec<_> = [PASSWORD.to_owned()].into_iter().chain(source).collect();
        password.fingerprint = fingerprint_of(&source, &kept_claims, forward, follow_provider);
    }
    let otherwise = Rule {
        name: "default".into(),
        matches: Match::default(),
        require: Requirement::Authenticated,
        unauthenticated: Unauthenticated::ByNavigation,
        credentials: if cookies { Credentials::Any } else { Credentials::Bearer },
        audience: None,
        shared_cache: rules::shared_cache(configuration.shared_cache),
    };
    Ok(Settings {
        wait: positive("sign_in.wait", configuration.sign_in.wait, Duration::from_secs(5), LONGEST_WAIT)?,
        session: session::Settings { form, cookie, lifetimes, follow_provider, attempt_timeout },
        help: help(configuration.help)?,
        filter_state: filter_state(&configuration.filter_state)?,
        origins,
        trusted_origins,
        providers,
        accounts,
        password,
        several_claimants,
        sealer,
        endpoints,
        popup,
        sign_out,
        rules: Rules::new(rules, otherwise),
        policies,
        route_policies,
        identity,
        kept_claims,
        forward,
        identity_jwt,
        published_keys: published_keys.unwrap_or_default(),
        warnings,
    })
}

/// A secret that a provider shares with us for its tokens, and the path of the field where it stands.
type SharedSecret = (String, Secret);

/// The providers, and the secrets that some share with us.
fn checked_providers(shapes: Vec<shapes::Provider>, may_be_none: bool) -> Result<(Vec<Provider>, Vec<SharedSecret>), Refusal> {
    if shapes.is_empty() && !may_be_none {
        return Err(Refusal::new(
            "providers",
            "expected at least one provider, found none; write name, issuer, clusters, client_id",
        ));
    }
    let mut providers: Vec<Provider> = Vec::new();
    let mut secrets = Vec::new();
    for (index, mut shape) in shapes.into_iter().enumerate() {
        let path = format!("providers[{index}]");
        let shared = shape.bearer.as_mut().and_then(|bearer| bearer.secret.take());
        let at_secret = format!("{path}.bearer.secret");
        let provider = providers::provider(&path, shape, shared.as_ref())?;
        secrets.extend(shared.map(|secret| (at_secret, secret)));
        if provider.name.ends_with('.') {
            return Err(Refusal::new(
                format!("{path}.name"),
                "expected a name that can end a path, found one that ends in a dot; it stands at the end of the redirect URI",
            ));
        }
        let same_tokens = |other: &Provider| other.bearer.is_some() && other.issuer() == provider.issuer();
        if provider.bearer.is_some() && providers.iter().any(same_tokens) {
            return Err(Refusal::new(
                format!("{path}.bearer"),
                "expected one provider for the tokens of an issuer, found another before; list all audiences there",
            ));
        }
        if asks_about_opaque_tokens(&provider) && providers.iter().any(asks_about_opaque_tokens) {
            return Err(Refusal::new(
                format!("{path}.bearer.introspection.when"),
                "expected one provider for opaque tokens, found another before; an opaque token does not say whose it is, so write when: jwt at one of them",
            ));
        }
        if providers.iter().any(|other| other.name == provider.name) {
            return Err(Refusal::new(format!("{path}.name"), "expected a name of its own, found one that is taken; rename it"));
        }
        providers.push(provider);
    }
    Ok((providers, secrets))
}

fn asks_about_opaque_tokens(provider: &Provider) -> bool {
    let introspection = provider.bearer.as_ref().and_then(|bearer| bearer.introspection.as_ref());
    introspection.is_some_and(|introspection| introspection.about.opaque_tokens())
}

/// One key serves one purpose.
fn check_reuse(keys: &[Secret], providers: &[Provider], shared: &[SharedSecret]) -> Result<(), Refusal> {
    for (index, key) in keys.iter().enumerate() {
        let path = format!("session.keys[{index}]");
        if providers.iter().any(|provider| is_client_secret(provider, key)) {
            return Err(Refusal::new(
                path,
                "expected a key of its own, found a provider's client_secret; make one with: openssl rand -base64 32",
            ));
        }
    }
    for (index, (path, secret)) in shared.iter().enumerate() {
        let elsewhere = keys.contains(secret)
            || providers.iter().any(|provider| is_client_secret(provider, secret))
            || shared.iter().take(index).any(|(_, other)| other == secret);
        if elsewhere {
            return Err(Refusal::new(
                path,
                "expected a secret for these tokens alone, found one that stands elsewhere too; make one with: openssl rand -base64 32",
            ));
        }
    }
    Ok(())
}

fn is_client_secret(provider: &Provider, text: &Secret) -> bool {
    match &provider.authentication {
        ClientAuthentication::SecretBasic(secret) | ClientAuthentication::SecretPost(secret) => secret == text,
        ClientAuthentication::None => false,
    }
}

fn unusable_key(index: usize, why: UnusableKey) -> Refusal {
    let found = match why {
        UnusableKey::NotBase64 => "found something else",
        UnusableKey::TooShort => "found fewer",
        UnusableKey::Repeated => "found ones that stand here twice",
    };
    Refusal::new(
        format!("session.keys[{index}]"),
        format!("expected at least 32 bytes in base64, {found}; make one with: openssl rand -base64 32"),
    )
}

fn sign_out(shape: shapes::Logout, listed: &[Origin]) -> Result<SignOut, Refusal> {
    let return_to = match shape.post_logout_redirect_uri {
        None => ReturnTo::front_page(),
        Some(text) => ReturnTo::parse(&text, listed).map_err(|_| {
            Refusal::new(
                "logout.post_logout_redirect_uri",
                "expected a path, or an address on one of the origins or trusted_origins, found another; write /goodbye",
            )
        })?,
    };
    Ok(SignOut { at_provider: shape.provider, return_to })
}

fn route_policies(shape: Option<shapes::RoutePolicies>, no_policies: bool) -> Result<Option<String>, Refusal> {
    match shape {
        Some(shape) if shape.filter_metadata.is_empty() => Err(Refusal::new(
            "route_policies.filter_metadata",
            "expected the namespace of the route metadata, found an empty text; write accredit",
        )),
        Some(_) if no_policies => {
            Err(Refusal::new("route_policies", "expected policies that routes can name, found none; define them under policies"))
        }
        shape => Ok(shape.map(|shape| shape.filter_metadata)),
    }
}

fn cookie(shape: shapes::Cookie, form: Shape, has_trusted_origins: bool) -> Result<CookieSettings, Refusal> {
    let name = shape.name.unwrap_or_else(|| "__Host-accredit".to_owned());
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let bare = match name.strip_prefix("__Host-") {
        Some(bare) => bare,
        // Others read a JWT, and have their own name for its cookie.
        None if form == Shape::Whole => &name,
        None => "",
    };
    if bare.is_empty() || !plain || name.len() > 64 {
        return Err(Refusal::new(
            "session.cookie.name",
            "expected __Host- and then letters, digits, - and _, found another name; without __Host- a sibling domain could set the cookie too",
        ));
    }
    let same_site = match shape.same_site {
        Some(shapes::SameSite::Lax) => SameSite::Lax,
        Some(shapes::SameSite::None) => SameSite::None,
        // A front end on another site gets no Lax cookie sent with its calls.
        None if has_trusted_origins => SameSite::None,
        None => SameSite::Lax,
    };
    Ok(CookieSettings::new(name, same_site, form))
}

fn lifetimes(lifetime: Option<Span>, idle: Option<Span>) -> Result<Lifetimes, Refusal> {
    let absolute = positive("session.lifetime", lifetime, Duration::from_secs(8 * 3_600), DAY.saturating_mul(400))?;
    let usual_idle = Duration::from_secs(1_800).min(absolute);
    let idle = positive("session.idle", idle, usual_idle, DAY.saturating_mul(400))?;
    if idle > absolute {
        return Err(Refusal::new("session.idle", "expected no more than session.lifetime, found more; it would never apply"));
    }
    Ok(Lifetimes { absolute, idle })
}

fn filter_state(names: &[String]) -> Result<FilterState, Refusal> {
    let mut wanted = FilterState::default();
    for (index, name) in names.iter().enumerate() {
        match name.as_str() {
            "subject" => wanted.subject = true,
            "rule" => wanted.rule = true,
            _ => {
                let path = format!("filter_state[{index}]");
                return Err(Refusal::new(
                    path,
                    "expected subject or rule, found another word; write filter_state: [subject, rule]",
                ));
            }
        }
    }
    Ok(wanted)
}

fn help(shape: shapes::Help) -> Result<Help, Refusal> {
    let good = |url: &String| url.starts_with("https://") || url.starts_with("mailto:");
    if shape.url.as_ref().is_some_and(|url| !good(url)) {
        return Err(Refusal::new("help.url", "expected https: or mailto:, found another address; write mailto:help@example.com"));
    }
    Ok(Help { text: shape.text, url: shape.url })
}

fn fingerprint(
    provider: &Provider,
    looked_up: Vec<String>,
    claims: &[ClaimPath],
    forward: Forward,
    follow_provider: bool,
) -> Fingerprint {
    let source = [&provider.name, provider.issuer(), &provider.client_id].map(str::to_owned);
    let source: Vec<_> = source.into_iter().chain(looked_up).collect();
    fingerprint_of(&source, claims, forward, follow_provider)
}

fn fingerprint_of(source: &[String], claims: &[ClaimPath], forward: Forward, follow_provider: bool) -> Fingerprint {
    let forward = format!("{forward:?}{}", if follow_provider { " FollowProvider" } else { "" });
    let claims: Vec<_> = claims.iter().map(|claim| format!("{claim:?}")).collect();
    Fingerprint::of(source.iter().map(String::as_str).chain([forward.as_str()]).chain(claims.iter().map(String::as_str)))
}
