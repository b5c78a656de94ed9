//! The identity JWT: a short-lived token that tells the upstream who is asking, for an upstream that does not want to trust plain
//! headers. It is signed once per credential, issuer and audience, and again after half of its lifetime. It never ends later than
//! the credential, with one exception: for a bearer token that has expired within `clock_skew_seconds`, it lives five seconds.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::config::settings::Settings;
use crate::session::jwt::PROVIDER_CLAIM;
use crate::step::visit::Visit;
use crate::words::principal::{ClaimPath, Claims, Principal, is_verified};
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// The most identity JWTs that are remembered for one credential. A further one replaces the oldest.
const MOST_REMEMBERED: usize = 4;

/// The lifetime of an identity JWT for a bearer token that has expired by our clock, but may not have by its issuer's: long
/// enough for one request.
const AFTER_EXPIRY: Duration = Duration::from_secs(5);

/// The identity JWTs that were signed for one credential and can be used again.
pub struct IdentityJwts {
    tokens: Cell<Vec<Signed>>,
    /// Whether identity JWTs are configured.
    enabled: bool,
}

impl IdentityJwts {
    /// Nothing signed yet.
    pub fn new(settings: &Settings) -> Self {
        Self { tokens: Cell::default(), enabled: settings.identity_jwt.is_some() }
    }

    /// The most bytes that they take, roughly, for a principal whose claims take `claims` bytes.
    pub fn most_bytes(&self, claims: usize) -> usize {
        if self.enabled { claims.saturating_mul(2).saturating_add(1_024).saturating_mul(MOST_REMEMBERED) } else { 0 }
    }

    /// The name and value of the header that tells the upstream of this principal; `None` if identity JWTs are not configured. Without an
    /// `audience`, it is the origin of the request.
    ///
    /// # Errors
    /// [`Reason::Internal`] when it cannot be signed. The request must not go on then: the upstream would take it for anonymous.
    pub fn header(
        &self,
        settings: &Settings,
        world: &mut dyn World,
        visit: &Visit,
        audience: Option<&Rc<str>>,
        principal: &Principal,
    ) -> Result<Option<(Rc<str>, String)>, Failure> {
        let Some(identity_jwt) = &settings.identity_jwt else { return Ok(None) };
        let origin: Rc<str> = Rc::from(visit.origin.to_string());
        let issuer = identity_jwt.issuer.clone().unwrap_or_else(|| Rc::clone(&origin));
        let audience = audience.cloned().unwrap_or(origin);
        let name = Rc::clone(&identity_jwt.header);
        let mut signed = self.tokens.take();
        signed.retain(|one| visit.now < one.until);
        if let Some(token) =
            signed.iter().find(|one| one.issuer == issuer && one.audience == audience).map(|one| one.token.clone())
        {
            self.tokens.set(signed);
            return Ok(Some((name, token)));
        }
        let mut claims = Claims::new();
        // Addresses that are not verified are left out: a reader may not look at the claim that says so.
        let fit = |path: &&ClaimPath| is_verified(path.first(), &principal.claims, principal.assumed);
        identity_jwt.claims.iter().filter(fit).for_each(|path| path.copy(&principal.claims, &mut claims));
        // `sub` is unique within one issuer only (OpenID Connect Core, section 2).
        if settings.several_claimants && !principal.provider.is_empty() {
            claims.insert(PROVIDER_CLAIM.to_owned(), principal.provider.as_str().into());
        }
        let ends = if principal.expires > visit.now { principal.expires } else { visit.now.plus(AFTER_EXPIRY) };
        let life = visit.now..ends.min(visit.now.plus(identity_jwt.lifetime));
        let token = identity_jwt.sign(world, &principal.subject, &issuer, &audience, claims, life);
        let token = token.map_err(|_| Failure::new(Reason::Internal, "the identity JWT could not be signed"))?;
        if signed.len() >= MOST_REMEMBERED {
            signed.remove(0);
        }
        let until = ends.min(visit.now.plus(identity_jwt.lifetime.checked_div(2).unwrap_or_default()));
        signed.push(Signed { issuer, audience, token: token.clone(), until });
        self.tokens.set(signed);
        Ok(Some((name, token)))
    }
}

/// Always equal: what was signed follows from the other fields of whatever holds this.
impl PartialEq for IdentityJwts {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

struct Signed {
    issuer: Rc<str>,
    audience: Rc<str>,
    token: String,
    until: Timestamp,
}
