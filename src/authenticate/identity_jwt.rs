//! The token that tells the upstream who is asking, for one that does not want to trust plain headers. It is signed once for each
//! session and audience, and again when half of its life is over. It does not outlive what it tells of, but for a
//! bearer token that is past its end within `clock_skew_seconds`: then it lives five seconds.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::access::route::Rule;
use crate::config::settings::Settings;
use crate::session::jwt::PROVIDER_CLAIM;
use crate::step::visit::Visit;
use crate::words::principal::{ClaimPath, Claims, Principal, is_verified};
use crate::words::reason::{Failure, Reason};
use crate::words::time::Timestamp;
use crate::words::world::World;

/// So many tokens are remembered for one session; a further one takes the place of the first.
const MOST_REMEMBERED: usize = 4;

/// A bearer token that has ended by our clock, and may be good by its provider's, is told of for this long: for one request.
const IN_DOUBT: Duration = Duration::from_secs(5);

/// The tokens that were signed for somebody lately.
pub struct Remembered {
    tokens: Cell<Vec<Signed>>,
    /// Whether there will be any.
    some: bool,
}

impl Remembered {
    /// None yet.
    pub fn for_some(settings: &Settings) -> Self {
        Self { tokens: Cell::default(), some: settings.identity_jwt.is_some() }
    }

    /// About how many bytes they take at most, for somebody whose claims have so many.
    pub fn most_bytes(&self, claims: usize) -> usize {
        if self.some { claims.saturating_mul(2).saturating_add(1_024).saturating_mul(MOST_REMEMBERED) } else { 0 }
    }

    /// The header that tells the upstream of this principal, its name and its value; `None` where none is wanted.
    ///
    /// # Errors
    /// [`Reason::Internal`] when it cannot be signed: an upstream that asks for it must not take the request for anonymous.
    pub fn header(
        &self,
        settings: &Settings,
        world: &mut dyn World,
        visit: &Visit,
        rule: &Rule,
        principal: &Principal,
    ) -> Result<Option<(Rc<str>, String)>, Failure> {
        let Some(identity_jwt) = &settings.identity_jwt else { return Ok(None) };
        let origin: Rc<str> = Rc::from(visit.origin.to_string());
        let issuer = identity_jwt.issuer.clone().unwrap_or_else(|| Rc::clone(&origin));
        let audience = rule.audience.clone().unwrap_or(origin);
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
        // A reader may never look at the claim that says whether an address is verified.
        let fit = |path: &&ClaimPath| is_verified(path.first(), &principal.claims, principal.assumed);
        identity_jwt.claims.iter().filter(fit).for_each(|path| path.copy(&principal.claims, &mut claims));
        // `sub` is unique within one provider only.
        if settings.several_claimants && !principal.provider.is_empty() {
            claims.insert(PROVIDER_CLAIM.to_owned(), principal.provider.as_str().into());
        }
        let ends = if principal.expires > visit.now { principal.expires } else { visit.now.plus(IN_DOUBT) };
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

/// What was signed follows from everything else.
impl PartialEq for Remembered {
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
