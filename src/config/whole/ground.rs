//! What most parts of a configuration depend on: origins, providers, and what is written of sessions and sign-in.

use crate::config::access::endpoints::EndpointsShape;
use crate::config::access::origins::{origins, trusted_origins};
use crate::config::providers::written::ProviderShape;
use crate::config::providers::{Providers, providers};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::values::{either, is_written};
use crate::config::sessions::session::SessionShape;
use crate::config::signing_in::delivery::Tokens;
use crate::http::url::Origin;

/// A list of texts, as it is written.
type Texts = Checked<Vec<Checked<String>>>;

/// All of that, as far as it is known.
pub(super) struct Ground {
    /// The origins that are served.
    pub(super) origins: Checked<Vec<Origin>>,
    /// Others that may act for somebody.
    pub(super) trusted_origins: Checked<Vec<Origin>>,
    /// Both.
    pub(super) listed: Checked<Vec<Origin>>,
    /// The providers.
    pub(super) providers: Providers,
    /// Whether people sign in by password.
    pub(super) by_password: Checked<bool>,
    /// What sessions are.
    pub(super) tokens: Tokens,
}

impl Ground {
    /// Checks origins and providers, and looks at the rest.
    pub(super) fn new(
        served: Texts,
        trusted: Texts,
        shapes: Checked<Vec<Checked<ProviderShape>>>,
        (session, endpoints): (&Checked<SessionShape>, &Checked<EndpointsShape>),
        refusals: &mut Refusals,
    ) -> Self {
        let origins = origins(served, refusals);
        let trusted_origins = trusted_origins(trusted, refusals);
        let listed = || Ok(origins.clone()?.into_iter().chain(trusted_origins.clone()?).collect());
        let listed: Checked<Vec<_>> = listed();
        let jwt = match session {
            Ok(session) => session.jwt.as_ref().map_err(|refused| *refused),
            Err(refused) => Err(*refused),
        };
        let bearer = jwt.and_then(|jwt| jwt.as_ref().map_or(Ok(false), |jwt| jwt.bearer));
        let tokens = Tokens { jwt: jwt.map(Option::is_some), bearer };
        let by_password = match endpoints {
            Ok(endpoints) => is_written(&endpoints.password),
            Err(refused) => Err(*refused),
        };
        let providers = providers(shapes, either(bearer, by_password), refusals);
        Self { origins, trusted_origins, listed, providers, by_password, tokens }
    }

    /// At how many providers people sign in: one at least where there is any.
    pub(super) fn sign_in_providers(&self) -> Checked<usize> {
        match self.providers.count()? {
            0 => Ok(0),
            _ => Ok(self.providers.signing_in()?.max(1)),
        }
    }

    /// Whether there is a provider.
    pub(super) fn has_providers(&self) -> Checked<bool> {
        self.providers.count().map(|count| count > 0)
    }
}
