//! A configuration as a whole: all its parts, and what must fit together across them. What a single part means is never decided
//! here.

mod access;
mod ground;
mod keys;
mod sessions;
mod signing_in;

use serde_json::Value;

use crate::access::readings::Readings;
use crate::access::route::Rules;
use crate::accounts::UserService;
use crate::config::access::audit::counted_tools::counted_tools;
use crate::config::access::audit::{self, AuditShape, audit};
use crate::config::access::claim_to_headers::{ClaimToHeaderShape, Identity, identity};
use crate::config::access::endpoints::EndpointsShape;
use crate::config::access::filter_state::filter_state;
use crate::config::access::internal_redirects::internal_redirects;
use crate::config::access::operator_logout::{OperatorLogoutShape, check_rule};
use crate::config::access::policies::RoutePoliciesShape;
#[cfg(not(target_arch = "wasm32"))]
use crate::config::access::requirements::written;
use crate::config::access::requirements::written::RequirementShape;
use crate::config::access::resources::{self, ResourceShape, audiences_of, resources};
use crate::config::access::rules::otherwise;
use crate::config::access::rules::written::{RuleShape, SharedCacheWord};
use crate::config::pages::site::{self as pages, Beside, HelpShape, SiteShape, check_logo, site, warn_of_diagnosis};
use crate::config::pages::texts::{TextsShape, texts};
use crate::config::providers::written::ProviderShape;
use crate::config::reading::place::{Place, shape};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::values::is_written;
use crate::config::revocations::{RevocationsShape, revocations};
use crate::config::sessions::fingerprints::Bound;
use crate::config::sessions::forward::ForwardShape;
use crate::config::sessions::logout::{LogoutShape, logout};
use crate::config::sessions::session::SessionShape;
use crate::config::settings::{Endpoints, PASSWORD, Password, ProviderSettings, Settings, TransmitterSettings};
use crate::config::signing_in::accounts::written::AccountsShape;
use crate::config::signing_in::password::PasswordShape;
use crate::config::signing_in::popup::PopupShape;
use crate::config::signing_in::sign_in::{SignInShape, sign_in};
use crate::config::transmitters::written::TransmitterShape;
use crate::config::transmitters::{check_addresses, transmitters};
use crate::config::whole::access::Access;
use crate::config::whole::ground::Ground;
use crate::config::whole::keys::Keys;
use crate::config::whole::sessions::{Needed, sessions};
use crate::config::whole::signing_in::SigningIn;
use crate::oidc::provider::Provider;
use crate::oidc::security_event::transmitter::EmailSubjects;
use crate::words::principal::ClaimPath;

shape! {
    /// All parts, in the order of the configuration reference.
    struct Configuration {
        /// the origins of this gateway, as in the browser's address bar
        origins: Vec<Checked<String>> where list(origins()).at_least(1),
        /// other sites that may act for a signed-in person
        /// Default: `[]`
        trusted_origins: Vec<Checked<String>> = default where list(origins()),
        /// where people sign in, and whose tokens are accepted
        /// Default: at least one, unless people sign in only by password, or services make sessions
        providers: Vec<Checked<ProviderShape>> = default,
        /// what a session is
        session: SessionShape,
        /// the paths that Accredit answers itself
        endpoints: EndpointsShape = empty,
        /// a provider in a popup; needs `endpoints.popup`
        popup: Option<PopupShape>,
        /// how somebody signs out
        logout: LogoutShape = empty,
        /// what [operators](#operators-end-sessions) may end beside the sessions that they name; needs `endpoints.operator_logout`
        operator_logout: OperatorLogoutShape = empty,
        /// how long a sign-in may take
        sign_in: SignInShape = empty,
        /// which tokens the application gets
        forward: ForwardShape = empty,
        /// what the pages of Accredit look like
        site: SiteShape = empty,
        /// the same as `site.help`; in one of both places only
        help: Option<HelpShape>,
        /// what the pages say in other words, by the tag of the language and the id of the text
        /// Default: the texts of Accredit
        texts: TextsShape = default,
        /// whether each page also says what the log says of the same request; for trying out a configuration
        /// Default: `false`
        diagnose: bool = default,
        /// what Envoy's access log can print, as `%FILTER_STATE(wasm.accredit.subject:PLAIN)%` and so on. `subject` and `rule` cost
        /// each request about a microsecond; `audit`, the request's [audit lines](troubleshooting.md#audit-lines), only those that
        /// have any
        /// Default: none
        filter_state: Vec<Checked<String>> = default where list(words(["subject", "rule", "audit"])),
        /// how audit lines tell where a request was for, and where it came from, and which calls to MCP servers have one
        audit: AuditShape = empty,
        /// whether the pass after a redirect that Envoy follows itself knows who was asking
        /// Default: `false`
        internal_redirects: bool = default,
        /// what clients such as agents find the way into by themselves, with tokens for it alone: [protected
        /// resources](#protected-resources)
        /// Default: `[]`
        resources: Vec<Checked<ResourceShape>> = default,
        /// who may go where: the first rule that matches decides
        /// Default: sign-in is required everywhere
        rules: Vec<Checked<RuleShape>> = default,
        /// for all rules without a value of their own, and for requests that match no rule
        /// Default: `refused`
        shared_cache: Option<SharedCacheWord>,
        /// requirements with names, for `{policy: NAME}`. A policy may be `authenticated`, but not `public`
        /// Default: `{}`
        policies: Vec<(String, Checked<RequirementShape>)> = default where written::policies(),
        /// lets Envoy's routes name a policy
        /// Default: routes name none
        route_policies: Option<RoutePoliciesShape>,
        /// which claims the application gets in which headers
        /// Default: `sub`, `email`, `groups` and `preferred_username`, see below
        claim_to_headers: Option<Vec<Checked<ClaimToHeaderShape>>>,
        /// further headers of clients that are removed; a prefix of at least three characters may end in a star
        /// Default: `[]`
        request_headers_to_remove: Vec<Checked<String>> = default where list(text("header name", "^[A-Za-z0-9_-]+\\*?$")),
        /// how replicas tell each other [what has ended](security.md#what-has-ended-everywhere): without it, each Envoy knows only what it
        /// has ended itself
        revocations: Option<RevocationsShape>,
        /// who may end sessions by [security events](#security-events); needs `endpoints.security_events`
        /// Default: nobody
        transmitters: Vec<Checked<TransmitterShape>> = default,
        /// the service that knows your users
        accounts: Option<AccountsShape>,
        /// sign-in by name and password; needs `endpoints.password`
        password: Option<PasswordShape>,
    }
}

/// What a configuration looks like.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn described() -> crate::config::described::Kind {
    <Configuration as crate::config::described::Described>::kind()
}

/// Checks every part of a configuration, even if others are refused.
pub(super) fn settings(document: &Value, refusals: &mut Refusals) -> Checked<Settings> {
    let mut written: Configuration = Place::top(document).read(refusals)?;
    let sections = (&written.session, &written.endpoints);
    let ground = Ground::new(written.origins, written.trusted_origins, written.providers, sections, refusals);
    let takes_events = match &written.endpoints {
        Ok(endpoints) => is_written(&endpoints.security_events),
        Err(refused) => Err(*refused),
    };
    let mut keys = Keys::new(&mut written.session, &mut written.forward, &ground, refusals);
    let signing_in = signing_in::Written {
        endpoints: written.endpoints,
        accounts: written.accounts,
        password: written.password,
        popup: written.popup,
    };
    let signing_in = SigningIn::new(signing_in, &ground, &mut keys, refusals);
    let sign_out = logout(written.logout, &ground.listed_origins, refusals);
    let sign_in = sign_in(written.sign_in, refusals);
    let shared_cache = written.shared_cache;
    let access = access::Written {
        rules: written.rules,
        shared_cache,
        policies: written.policies,
        route_policies: written.route_policies,
        operator_logout: written.operator_logout,
        keeps_access_token: match &written.forward {
            Ok(forward) => forward.access_token,
            Err(refused) => Err(*refused),
        },
    };
    let access = Access::new(access, &ground, &keys, &signing_in, refusals);
    let identity = headers(written.claim_to_headers, written.request_headers_to_remove, &keys, refusals);
    let transmitters = transmitters(written.transmitters, takes_events, &ground.providers, &mut keys.secrets, refusals);
    let transmitters = check_addresses(transmitters, &signing_in.accounts.settings, refusals);
    let named = identity.named.into_iter().chain(access.named).chain(of_subjects(&transmitters));
    let needed = Needed { named: named.collect(), compared: access.compared };
    let sessions = sessions(written.session, &written.forward, needed, &sign_in, (&ground, &mut keys), refusals);
    let mut warnings = Vec::new();
    let languages = texts(written.texts, &mut warnings, refusals);
    let beside = Beside { help: written.help, languages, diagnose: written.diagnose };
    let site = site(written.site, beside, &mut warnings, refusals);
    let filter_state = filter_state(written.filter_state, refusals);
    let audit = audit(written.audit, &keys.sealer, refusals);
    let revocations = revocations(written.revocations, &keys.sealer, refusals);
    let internal_redirects = internal_redirects(written.internal_redirects, &keys.sealer, &access.route_policies, refusals);

    let answered = signing_in.paths(&ground);
    let otherwise = || Ok(otherwise(signing_in.cookies?, shared_cache?));
    let rules = access.rules.and_then(|rules| Ok(Rules::new(rules, otherwise()?)));
    let operators = match (&signing_in.answered.endpoints, &ground.origins, &rules) {
        (Ok(endpoints), Ok(origins), Ok(rules)) => check_rule(endpoints.operator_logout.as_deref(), origins, rules, refusals),
        _ => Ok(()),
    };
    let route_policies: &[_] = match (&access.route_policies, &access.policies) {
        (Ok(Some(_)), Ok(policies)) => policies,
        _ => &[],
    };
    let of_resources =
        resources::Ground { origins: &ground.origins, providers: &ground.providers, rules: &rules, route_policies };
    let resources = resources(written.resources, &of_resources, &mut warnings, refusals);
    let calls = audit::check_calls(&audit, &resources, refusals);
    let logo = match (&site, &ground.origins, &rules) {
        (Ok(site), Ok(origins), Ok(rules)) => {
            warnings.extend(warn_of_diagnosis(site, origins));
            check_logo(site.logo.as_ref(), &pages::Ground { origins, answered: &answered, rules }, refusals)
        }
        _ => Ok(()),
    };

    // Every part was checked. From here on, a part that was refused refuses the whole configuration.
    logo?;
    operators?;
    calls?;
    let (rules, resources) = (rules?, resources?);
    let policies = access.policies?;
    let by_policy = policies.iter().any(|(_, policy)| policy.tests().iter().any(|test| test.looks_at_calls()));
    let by_rule = rules.all().iter().any(|rule| rule.require.looks_at_calls());
    let (sessions, accounts, endpoints) = (sessions?, signing_in.accounts.settings?, signing_in.answered.endpoints?);
    let bound = Bound {
        claims: &sessions.kept_claims,
        members: &sessions.kept_members,
        forward: sessions.forward,
        follow_provider: sessions.settings.follow_provider,
    };
    let mut providers = ground.providers.all()?;
    for (name, bearer) in providers.iter_mut().filter_map(|provider| Some((&provider.name, provider.bearer.as_mut()?))) {
        bearer.resource_audiences = audiences_of(&resources, name);
    }
    let providers = bound_providers(providers, accounts.as_ref(), &endpoints, &bound);
    let password = signing_in.password?.map(|password| bound_password(password, accounts.as_ref(), &bound));
    Ok(Settings {
        origins: ground.origins?,
        trusted_origins: ground.trusted_origins?,
        providers,
        several_claimants: access.several_claimants?,
        sealer: keys.sealer?,
        session: sessions.settings,
        endpoints,
        popup: signing_in.popup?,
        sign_out: sign_out?,
        wait: sign_in?.wait,
        readings: Readings::new(&rules, &answered),
        looks_at_calls: by_policy || by_rule || rules.tell_calls_apart(),
        counted_tools: counted_tools(&rules, &policies),
        rules,
        resources,
        policies,
        may_end_everybody: access.may_end_everybody?,
        route_policies: access.route_policies?,
        identity: identity.headers?,
        kept_claims: sessions.kept_claims,
        kept_members: sessions.kept_members,
        forward: sessions.forward,
        identity_jwt: keys.identity_jwt?,
        published_keys: keys.published?.unwrap_or_default(),
        revocations: revocations?,
        transmitters: transmitters?,
        accounts,
        password,
        site: site?,
        filter_state: filter_state?,
        audit: audit?,
        internal_redirects: internal_redirects?,
        warnings: access.warnings.into_iter().chain(sessions.warning).chain(warnings).collect(),
    })
}

/// Checks which headers the upstream gets. The claims of its identity JWT are added to those that are needed.
fn headers(
    claims: Checked<Option<Vec<Checked<ClaimToHeaderShape>>>>,
    removed: Checked<Vec<Checked<String>>>,
    keys: &Keys,
    refusals: &mut Refusals,
) -> Identity {
    let only = keys.session_claims.as_ref().ok().and_then(Option::as_deref);
    let identity_jwt = keys.identity_jwt.as_ref().ok().and_then(Option::as_ref);
    let header = identity_jwt.map(|identity| &*identity.header);
    let mut identity = identity(claims, only, header, removed, refusals);
    let told = identity_jwt.into_iter().flat_map(|identity| &identity.claims);
    identity.named.extend(told.flat_map(|claim| [claim.clone()].into_iter().chain(claim.verdict())));
    identity
}

/// The claims that sessions keep so that security events can name their people.
fn of_subjects(transmitters: &Checked<Vec<TransmitterSettings>>) -> impl Iterator<Item = ClaimPath> {
    let by_address = |transmitter: &TransmitterSettings| transmitter.oidc.email == EmailSubjects::Accepted;
    let email = transmitters.iter().flatten().any(by_address).then(|| ClaimPath::named("email"));
    email.into_iter().flat_map(|email| [email.verdict(), Some(email)]).flatten()
}

/// The settings of the providers, with the fingerprints of sessions that begin there.
fn bound_providers(
    providers: Vec<Provider>,
    accounts: Option<&UserService>,
    endpoints: &Endpoints,
    bound: &Bound<'_>,
) -> Vec<ProviderSettings> {
    let several = providers.iter().filter(|provider| provider.signs_in()).nth(1).is_some();
    let each = providers.into_iter().map(|oidc| {
        let of_each = |base: &String| if several { format!("{base}/{}", oidc.name) } else { base.clone() };
        let callback = of_each(&endpoints.callback);
        let [backchannel_logout, frontchannel_logout] = [&endpoints.backchannel_logout, &endpoints.frontchannel_logout]
            .map(|base| base.as_ref().filter(|_| oidc.signs_in()).map(of_each));
        let looked_up = accounts.and_then(UserService::source_of_look_ups).unwrap_or_default();
        let fingerprint = bound.of_provider(&oidc, looked_up);
        // The user service is asked about people who sign in, never about those whose bearer token came.
        let accounts = accounts.filter(|_| oidc.signs_in());
        let assumed_verified =
            accounts.map_or(oidc.assumed_verified, |accounts| accounts.assumed_of_people(oidc.assumed_verified));
        ProviderSettings { oidc, fingerprint, assumed_verified, callback, backchannel_logout, frontchannel_logout }
    });
    each.collect()
}

/// Sign-in by password, with the fingerprint of its sessions.
fn bound_password(password: Password, accounts: Option<&UserService>, bound: &Bound<'_>) -> Password {
    let source = accounts.and_then(UserService::source_of_passwords).unwrap_or_default();
    let source: Vec<_> = [PASSWORD.to_owned()].into_iter().chain(source).collect();
    Password { fingerprint: bound.of(&source), ..password }
}
