//! The user service behind us: what it is asked, what its answers mean, and how often a password may be wrong. It knows people
//! by name and password, or by what a provider says of them; how that is proved, and what becomes of it, is not known here.

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

/// The settings of this room.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What of a user becomes subject and claims.
    pub mapping: Mapping,
    /// Which addresses and numbers count of which it does not say whether they are verified.
    pub assumed_verified: AssumedVerified,
    /// How passwords are checked, where that is wanted.
    pub verify: Option<Verify>,
    /// How people are looked up whom a provider vouches for, where that is wanted.
    pub directory: Option<Directory>,
}

impl Settings {
    /// What sessions by password are bound to: who is asked, and what of the answer counts.
    pub fn source_of_passwords(&self) -> Option<Vec<String>> {
        self.verify.as_ref().map(|verify| self.source(&verify.call, verify.user.as_ref()))
    }

    /// What sessions of a provider are bound to, where people are looked up.
    pub fn source_of_look_ups(&self) -> Option<Vec<String>> {
        self.directory.as_ref().map(|directory| self.source(&directory.find.call, directory.find.user.as_ref()))
    }

    /// What counts without a verdict of people whom a provider vouches for: of what this service says of them it decides, of all
    /// else the provider.
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
