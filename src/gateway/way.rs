//! What is found out about a request on its way through the gateway, for people. Every answer is that of the function which the
//! gateway itself asks, in the same order; nothing is decided here, and nothing is done with it. Only the command line uses it: it
//! is not in the module.

use std::rc::Rc;

use crate::access::mcp::call::Call;
use crate::access::path;
use crate::access::requirement::report::Report;
use crate::access::requirement::test::{Case, Moment};
use crate::access::route::Rule;
use crate::authenticate::identity::Identity;
use crate::authenticate::scene::Scene;
use crate::authenticate::verified::Verified;
use crate::authenticate::who::{by_cookie, who};
use crate::config::settings::{Endpoints, Settings};
use crate::gateway::journeys::rule_of;
use crate::gateway::passed_over::{PassedOver, passed_over};
use crate::http::message::Request;
use crate::http::url::Origin;
use crate::step::decision::Resource;
use crate::step::visit::Visit;
use crate::words::reason::{Failure, Reason};

/// What was found out about a request, as far as it came.
#[derive(Debug)]
pub struct Way {
    /// The request as the gateway reads it; or why it cannot be read.
    pub request: Result<Request, Reason>,
    /// The origin that it is for.
    pub origin: Option<Origin>,
    /// Whether its path can be read in one way only.
    pub path_is_plain: bool,
    /// Why it is turned away before anything else is looked at, and what the log says of that; `None` if it is not.
    pub turned_away: Option<(Reason, Option<String>)>,
    /// The protected resource that it is for, by its identifier.
    pub resource: Option<Rc<str>>,
    /// The endpoint of ours that answers it, as the configuration names it; [`RESOURCES`] for the metadata of resources.
    pub endpoint: Option<&'static str>,
    /// Who is signed in, if the endpoint tells that.
    pub signed_in: Option<Who>,
    /// What the rules say; `None` if they are not asked.
    pub guarded: Option<Guarded>,
}

/// What stands for the metadata of resources among the names of endpoints: the part of the configuration that they are made of.
pub const RESOURCES: &str = "resources";

impl Way {
    /// What decides, by its name in the configuration: an endpoint, the rule that an endpoint asks, or a rule. `None` if neither is
    /// asked.
    pub fn decides(&self) -> Option<String> {
        match (self.endpoint, self.guarded.as_ref().map(|guarded| &guarded.rule.name)) {
            (Some(RESOURCES), _) => Some(RESOURCES.to_owned()),
            (Some(name), Some(rule)) => Some(format!("endpoints.{name}, by {rule}")),
            (Some(name), None) => Some(format!("endpoints.{name}")),
            (None, rule) => rule.map(ToString::to_string),
        }
    }
}

/// What the rules say of a request.
#[derive(Debug)]
pub struct Guarded {
    /// The rules before the one that decides that are not for this request.
    pub passed_over: Vec<PassedOver>,
    /// The one that decides, with the policy of Envoy's route. Several that the request may fall under are one here.
    pub rule: Rule,
    /// How many rules that is.
    pub together: usize,
    /// What it calls at an MCP server, and why it is refused for that, if it is; `None` where no rule looks at calls.
    pub call: Option<(Call, Option<Failure>)>,
    /// Who is asking.
    pub who: Who,
    /// How its condition stands with them; `None` if it has none, or nobody is known.
    pub condition: Option<Report>,
}

/// Who is asking.
#[derive(Debug)]
pub enum Who {
    /// Somebody.
    Known(Rc<Verified>),
    /// Nobody who is known.
    Nobody(Failure),
    /// It is unknown before this is here.
    Waits(Resource),
    /// It is unknown before this provider was asked about the token.
    Asks(String),
}

impl From<Identity> for Who {
    fn from(identity: Identity) -> Self {
        match identity {
            Identity::Known(verified, _) => Self::Known(verified),
            Identity::Unknown(failure) => Self::Nobody(failure),
            Identity::Unclear(resource) => Self::Waits(resource),
            Identity::Asked(_, asking) => Self::Asks(asking.provider),
        }
    }
}

/// What is found out about a request. `admitted` is what the gateway said of it at the door. It is asked after the request was
/// answered, so that what it needed is here, as far as it comes at all.
pub(super) fn way(scene: &mut Scene<'_>, request: Request, admitted: Result<Origin, (Reason, Option<String>)>) -> Way {
    let settings = scene.settings;
    let origin = settings.origin(&request.authority).cloned();
    let path_is_plain = path::check(&request.path).is_ok();
    let resource = origin.as_ref().and_then(|origin| settings.resources.find(origin, &request.path));
    let resource = resource.map(|resource| Rc::clone(&resource.uri));
    let mut way = Way {
        request: Ok(request.clone()),
        resource,
        origin,
        path_is_plain,
        turned_away: None,
        endpoint: None,
        signed_in: None,
        guarded: None,
    };
    let endpoint = admitted.as_ref().ok().and_then(|origin| endpoint_at(settings, origin, &request.path));
    match (admitted, endpoint) {
        (Err(why), _) => way.turned_away = Some(why),
        (Ok(origin), Some(endpoint)) => {
            way.endpoint = Some(endpoint);
            // This one is protected by a rule.
            if settings.endpoints.operator_logout.as_ref() == Some(&request.path) {
                way.guarded = guarded(scene, request, origin);
                return way;
            }
            let visit = visit(scene, request, origin);
            way.signed_in = (endpoint == "session").then(|| by_cookie(scene, &visit, &mut Vec::new()).into());
        }
        (Ok(origin), None) => way.guarded = guarded(scene, request, origin),
    }
    way
}

/// The way of a request that cannot be read.
pub(super) const fn unreadable(reason: Reason) -> Way {
    let (origin, path_is_plain, resource, endpoint, signed_in, guarded) = (None, false, None, None, None, None);
    Way { request: Err(reason), origin, path_is_plain, turned_away: Some((reason, None)), resource, endpoint, signed_in, guarded }
}

/// The request as the journeys see it. Whatever could be waited for has been.
fn visit(scene: &Scene<'_>, request: Request, origin: Origin) -> Visit {
    let visit = Visit::new(scene.world.now(), scene.settings.wait, request, origin, String::new());
    Visit { keys_refreshed: true, ..visit }
}

/// What the rules say; `None` if they are not asked, because the policy of the route is not known, or the `Origin` is one whose pages
/// may not call the resource.
fn guarded(scene: &mut Scene<'_>, request: Request, origin: Origin) -> Option<Guarded> {
    let settings = scene.settings;
    let visit = visit(scene, request, origin);
    let resource = visit.resource(settings);
    resource.is_none_or(|resource| resource.check_origin(&visit.origin, &visit.request.headers).is_ok()).then_some(())?;
    let (rule, call, refused) = rule_of(settings, scene.world, &visit).ok()?;
    let rule = rule.into_owned();
    let (rules, method, host) = (&settings.rules, &visit.request.method, visit.origin.host());
    let passed_over = passed_over(rules, (method, host, &visit.request.path), &call);
    let together = rules.deciding(method, host, &visit.request.path, &call).1.len().saturating_add(1);
    let who = Who::from(who(scene, &visit, &rule, resource, &mut Vec::new()));
    let condition = match &who {
        Who::Known(verified) => {
            let skew = settings.provider(&verified.principal.provider).map(|provider| provider.oidc.clock_skew);
            let moment = Moment { now: visit.now, skew: skew.unwrap_or_default() };
            rule.require.report(Case { principal: &verified.principal, moment, call: &call })
        }
        Who::Nobody(_) | Who::Waits(_) | Who::Asks(_) => None,
    };
    let call = Some((call, refused)).filter(|(_, refused)| resource.is_some() && (settings.looks_at_calls || refused.is_some()));
    Some(Guarded { passed_over, rule, together, call, who, condition })
}

/// The endpoint of ours at this address, by its name in the configuration.
fn endpoint_at(settings: &Settings, origin: &Origin, path: &str) -> Option<&'static str> {
    if settings.resources.well_known(origin, path).is_some() {
        return Some(RESOURCES);
    }
    let Endpoints {
        login,
        callback,
        logout,
        session,
        authorize,
        token,
        popup,
        jwks,
        password,
        security_events,
        operator_logout,
        // With several providers, the path that those of each begin with is an address like any other.
        backchannel_logout: _,
        frontchannel_logout: _,
    } = &settings.endpoints;
    let called_back = settings.providers.iter().any(|provider| provider.oidc.signs_in() && provider.callback == path);
    let always = [("login", login), ("callback", callback), ("logout", logout), ("session", session)];
    let others = [
        ("authorize", authorize),
        ("token", token),
        ("popup", popup),
        ("jwks", jwks),
        ("password", password),
        ("security_events", security_events),
        ("operator_logout", operator_logout),
    ];
    let is = |of_provider: &Option<String>| of_provider.as_deref() == Some(path);
    let posted_to = settings.providers.iter().any(|provider| is(&provider.backchannel_logout));
    let shown_by = settings.providers.iter().any(|provider| is(&provider.frontchannel_logout));
    let others = others.into_iter().filter_map(|(name, path)| Some((name, path.as_ref()?)));
    let named = always.into_iter().chain(others).find(|(_, endpoint)| *endpoint == path).map(|(name, _)| name);
    let of_each = [("callback", called_back), ("backchannel_logout", posted_to), ("frontchannel_logout", shown_by)];
    named.or_else(|| of_each.into_iter().find(|(_, is_it)| *is_it).map(|(name, _)| name))
}
