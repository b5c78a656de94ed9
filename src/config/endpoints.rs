//! Paths that are answered here: each of its own, and none that another reading of a path could reach.

use crate::access::path;
use crate::config::Refusal;
use crate::config::settings::Endpoints;
use crate::config::shapes;
use crate::oidc::provider::Provider;
use crate::words::url::Origin;

/// The paths that are answered here.
pub(super) fn endpoints(shape: shapes::Endpoints, providers: usize, public_keys: bool) -> Result<Endpoints, Refusal> {
    if providers == 0
        && [&shape.login, &shape.callback, &shape.authorize, &shape.token, &shape.popup].iter().any(|path| path.is_some())
    {
        return Err(Refusal::new(
            "endpoints",
            "expected none that signs people in, because there is no provider, found one; remove it",
        ));
    }
    if shape.jwks.is_some() && !public_keys {
        return Err(Refusal::new(
            "endpoints.jwks",
            "expected a key that can be published, found only shared secrets; write algorithm: ES256 or RS256 where tokens are signed, or remove it",
        ));
    }
    // Without a provider they are empty, which no path is.
    let of_sign_in = |path: Option<String>, usual: &str| match providers {
        0 => String::new(),
        _ => path.unwrap_or_else(|| usual.to_owned()),
    };
    let endpoints = Endpoints {
        login: of_sign_in(shape.login, "/api/login"),
        callback: of_sign_in(shape.callback, "/api/callback"),
        logout: shape.logout.unwrap_or_else(|| "/api/logout".to_owned()),
        session: shape.session.unwrap_or_else(|| "/api/session".to_owned()),
        authorize: shape.authorize,
        token: shape.token,
        popup: shape.popup,
        jwks: shape.jwks,
        password: shape.password,
    };
    let mut seen = Vec::new();
    for (name, endpoint) in endpoints.all() {
        if providers == 0 && endpoint.is_empty() && matches!(name, "login" | "callback") {
            continue;
        }
        let path = format!("endpoints.{name}");
        if path::check(endpoint).is_err() || endpoint.contains(['*', '%', '"', '\'', '<', '>', ',']) || endpoint == "/" {
            return Err(Refusal::new(path, "expected an absolute path of plain characters, found another; write /api/login"));
        }
        // With several providers, the callbacks stand below the callback's path.
        if providers > 1 && name != "callback" && endpoint.starts_with(&format!("{}/", endpoints.callback)) {
            return Err(Refusal::new(path, "expected a path that is not below the callback's, found one; change it"));
        }
        if seen.contains(&endpoint) {
            return Err(Refusal::new(path, "expected a path of its own, found one that another endpoint has; change it"));
        }
        seen.push(endpoint);
    }
    Ok(endpoints)
}

/// A front end that keeps its own token: two endpoints, and the page that each provider sends the code to.
pub(super) fn front_end(providers: &[Provider], endpoints: &Endpoints, listed: &[Origin]) -> Result<(), Refusal> {
    let (here, missing) = match (&endpoints.authorize, &endpoints.token) {
        (Some(_), None) => ("authorize", "token"),
        (None, Some(_)) => ("token", "authorize"),
        (None, None) | (Some(_), Some(_)) => ("", ""),
    };
    if here != missing {
        let sentence = format!("expected a path, because {here} is of no use alone, found none; write /api/{missing}");
        return Err(Refusal::new(format!("endpoints.{missing}"), sentence));
    }
    for (index, provider) in providers.iter().enumerate() {
        let refused = |sentence: &str| Err(Refusal::new(format!("providers[{index}].redirect_uri"), sentence));
        let Some(url) = &provider.redirect_uri else {
            if index == 0 && endpoints.token.is_some() {
                return refused(
                    "expected the page that the provider sends the code to, because endpoints.token is there, found none; write https://front.example.com/auth/callback",
                );
            }
            continue;
        };
        if endpoints.token.is_none() {
            return refused("expected endpoints.authorize and endpoints.token beside it, found none; write both, or remove it");
        }
        if !listed.contains(&url.origin()) {
            return refused("expected a page on one of the origins or trusted_origins, found another; list its origin there");
        }
        if endpoints.all().any(|(_, path)| path == url.target()) {
            return refused("expected a page, found one of the endpoints; write /auth/callback");
        }
        let earlier = providers.iter().take(index).filter_map(|earlier| earlier.redirect_uri.as_ref());
        if earlier.into_iter().any(|earlier| earlier == url) {
            return refused("expected a page for each provider, found one that another has; write another path");
        }
    }
    Ok(())
}
