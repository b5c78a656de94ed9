//! The user service behind us: what it is asked, what its answers mean, and how often a password may be wrong. It knows people
//! by name and password, or by what a provider says of them; how that is proved, and what becomes of it, is not known here.

pub mod call;
pub mod credentials;
pub mod directory;
pub mod template;
pub mod throttle;
pub mod user;

use credentials::Verify;
use directory::Directory;
use user::Mapping;

/// The settings of this room.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What of a user becomes subject and claims.
    pub mapping: Mapping,
    /// How passwords are checked, where that is wanted.
    pub verify: Option<Verify>,
    /// How people are looked up whom a provider vouches for, where that is wanted.
    pub directory: Option<Directory>,
}

impl Settings {
    /// Who is asked, and what is taken for the subject: what sessions are bound to.
    pub fn source(&self) -> [String; 3] {
        let find = self.directory.as_ref().map(|directory| &directory.find.call);
        let call = self.verify.as_ref().map(|verify| &verify.call).or(find);
        let of_call = |part: fn(&call::Call) -> &String| call.map(part).cloned().unwrap_or_default();
        [of_call(|call| &call.cluster), of_call(|call| &call.authority), self.mapping.subject.to_string()]
    }
}
