//! What most other parts depend on, and which is therefore checked first: origins, providers, and two facts about sessions and
//! sign-in. What depends on it is not known here.

use crate::config::access::endpoints::EndpointsShape;
use crate::config::access::origins::{origins, trusted_origins};
use crate::config::providers::written::ProviderShape;
use crate::config::providers::{Providers, providers};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::values::{either, is_written};
use crate::config::sessions::session::SessionShape;
use crate::config::signing_in::delivery::Tokens;
use crate::http::url::Origin;

/// A list of texts as an operator writes it.
type Texts = Checked<Vec<Checked<String>>>;

/// These parts, whether good or refused.
pub(super) struct Ground {
    pub(super) origins: Checked<Vec<Origin>>,
    pub(super) trusted_origins: Checked<Vec<Origin>>,
    /// `origins` and `trusted_origins`.
    pub(super) listed_origins: Checked<Vec<Origin>>,
    pub(super) providers: Providers,
    /// Whether people sign in by password.
    pub(super) by_password: Checked<bool>,
    pub(super) tokens: Tokens,
}

impl Ground {
    /// Checks origins and providers. Of sessions and endpoints it only looks at what is written.
    pub(super) fn new(
        served: Texts,
        trusted: Texts,
        shapes: Checked<Vec<Checked<ProviderShape>>>,
        (session, endpoints): (&Checked<SessionShape>, &Checked<EndpointsShape>),
        refusals: &mut Refusals,
    ) -> Self {
        let origins = origins(served, refusals);
        let trusted_origins = trusted_origins(trusted, refusals);
        let listed_origins = || Ok(origins.clone()?.into_iter().chain(trusted_origins.clone()?).collect());
        let listed_origins: Checked<Vec<_>> = listed_origins();
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
        Self { origins, trusted_origins, listed_origins, providers, by_password, tokens }
    }

    /// The number of providers that people sign in at, but at least 1 if there is any provider: the paths for sign-in have their
    /// defaults then.
    pub(super) fn sign_in_providers(&self) -> Checked<usize> {
        match self.providers.count()? {
            0 => Ok(0),
            _ => Ok(self.providers.signing_in()?.max(1)),
        }
    }

    /// Whether there is any provider.
    pub(super) fn has_providers(&self) -> Checked<bool> {
        self.providers.count().map(|count| count > 0)
    }
}
