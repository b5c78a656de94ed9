//! The user service behind the gateway: what it is asked, what its answers mean, and how often a password may be wrong. It knows
//! people by name and password, or by what a provider says about them. This room never knows how a provider proves that, nor what
//! a session is.

pub mod call;
pub mod credentials;
pub mod directory;
pub mod template;
pub mod throttle;
pub mod user;

use call::Call;
use credentials::Verify;
use directory::Directory;
use user::Mapping;

use crate::words::principal::{AssumedVerified, ClaimPath};

/// The user service, as it is configured.
#[derive(Clone, Debug)]
pub struct UserService {
    /// Where subject and claims stand in what it says about a user.
    pub mapping: Mapping,
    /// Which claims count as verified although it does not say so.
    pub assumed_verified: AssumedVerified,
    /// How names and passwords are checked; `None` where nobody signs in by password.
    pub verify: Option<Verify>,
    /// How people are looked up who signed in at a provider; `None` where they are not.
    pub directory: Option<Directory>,
}

impl UserService {
    /// What sessions by password depend on: who is asked, and which parts of the answer are used. `None` where nobody signs in by
    /// password.
    pub fn source_of_passwords(&self) -> Option<Vec<String>> {
        self.verify.as_ref().map(|verify| self.source(&verify.call, verify.user.as_ref()))
    }

    /// The same for sessions that began at a provider; `None` where people are not looked up.
    pub fn source_of_look_ups(&self) -> Option<Vec<String>> {
        self.directory.as_ref().map(|directory| self.source(&directory.find.call, directory.find.user.as_ref()))
    }

    /// Which claims count as verified although nobody says so, of people who signed in at a provider. For claims that this
    /// service says itself its own setting holds, for all others the provider's.
    pub fn assumed_of_people(&self, by_provider: AssumedVerified) -> AssumedVerified {
        let settled = |claim: &str| self.directory.is_some() && self.mapping.settled().any(|name| name == claim);
        AssumedVerified {
            email: if settled("email") { self.assumed_verified.email } else { by_provider.email },
            phone_number: if settled("phone_number") { self.assumed_verified.phone_number } else { by_provider.phone_number },
        }
    }

    fn source(&self, call: &Call, user: Option<&ClaimPath>) -> Vec<String> {
        let user = user.map(ToString::to_string).unwrap_or_default();
        let mut source =
            vec![call.cluster.clone(), call.authority.clone(), call.path.to_string(), user, self.mapping.subject.to_string()];
        source.extend(self.mapping.claims.iter().flat_map(|(name, path)| [name.clone(), path.to_string()]));
        source
    }
}
