//! How a Redis is reached, as it is configured. What is sent there is not known here.

use std::time::Duration;

use crate::words::secret::Secret;

/// How to reach the server, and under which names it keeps what is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redis {
    /// The name of Envoy's cluster.
    pub cluster: String,
    /// How long a call may take.
    pub timeout: Duration,
    /// The key of the stream. The names that are claimed are kept in keys that begin with it and a colon, so that one pattern of an
    /// ACL has all of them. It may be any text that is not empty. In a Redis Cluster, braces around a part of it keep all keys in
    /// one slot.
    pub stream: String,
    /// As whom to log in.
    pub login: Login,
}

/// As whom to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the other variants say it")]
pub enum Login {
    /// As nobody: the server asks for no password.
    Nobody,
    /// As the default user.
    Password(Secret),
    User {
        name: String,
        password: Secret,
    },
}
