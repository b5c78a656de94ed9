//! Why an exchange with Redis failed, in words for operators: what was expected, what was found, what to do. What the server says is
//! repeated in a bounded length, and never if it might hold the password.

use std::borrow::Cow;

use crate::http::cause::{by_envoy, counters};
use crate::http::message::Reply;
use crate::revocations::redis::settings::{Login, Redis};
use crate::words::quote::quote_prose;
use crate::words::reason::{Failure, Reason};

/// The command whose arguments must not be repeated.
pub(super) const LOGIN: &str = "AUTH";

/// The most bytes of something that is no reply of Redis that are repeated.
const MOST_REPEATED: usize = 64;

/// What to do about an error. Its first word is the error's code; an error with the code `ERR` is known by words in it.
const REMEDIES: [(&str, &str); 22] = [
    ("NOAUTH ", "set the password, and the user's name if it is not the default user's"),
    ("WRONGPASS ", "check the user's name and password, and that the user is on"),
    ("NOPERM ", "give the user the commands +time +xadd +xrange +set +get, and the keys ~STREAM ~STREAM:*"),
    ("OOM ", "its memory (maxmemory) is full: give it more, or a server of its own"),
    ("READONLY ", "this is a replica: let the cluster lead to the primary"),
    ("MASTERDOWN ", "this is a replica without its primary: let the cluster lead to a primary"),
    ("LOADING ", "it has just started and still reads its data"),
    ("MOVED ", "this is a Redis Cluster: let the cluster lead to the primary that has the stream's slot"),
    ("ASK ", "this is a Redis Cluster: let the cluster lead to the primary that has the stream's slot"),
    ("CROSSSLOT ", "this is a Redis Cluster: put braces around a part of the stream's name, which keeps all keys in one slot"),
    ("CLUSTERDOWN ", "this is a Redis Cluster that does not serve all slots: look at CLUSTER INFO"),
    ("WRONGTYPE ", "a key with this name holds something else: choose another name for the stream, or delete the key"),
    ("MISCONF ", "it cannot write to its disk, and refuses changes: look at its log"),
    ("NOREPLICAS ", "fewer replicas are connected than min-replicas-to-write demands"),
    ("DENIED ", "it is in protected mode: set a password there"),
    ("BUSY ", "a script keeps it busy"),
    ("max number of clients", "its limit of connections (maxclients) is reached"),
    ("any password configured", "no password is set there: set one, or leave it out here"),
    ("no password is set", "no password is set there: set one, or leave it out here"),
    (
        "exhausted the last possible ID",
        "somebody added an entry with the last possible id: delete the stream, and replicas fill it again",
    ),
    (
        "unknown command",
        "it must be Redis 6.2 or later, or Valkey, and offer the commands AUTH, TIME, XADD, XRANGE, SET, GET and QUIT",
    ),
    ("syntax error", "it must be Redis 6.2 or later, or Valkey"),
];

fn failure(redis: &Redis, what: &str) -> Failure {
    let detail = ["the store of revocations (cluster ", &redis.cluster, ") ", what].concat();
    Failure::new(Reason::RevocationsUnavailable, detail)
}

/// The bytes that the server sent, if Envoy reached it.
pub(super) fn body<'a>(redis: &Redis, reply: &'a Reply) -> Result<&'a [u8], Failure> {
    let cluster = &redis.cluster;
    let unreached = |what: &str| failure(redis, &["was not reached: ", what].concat());
    match reply {
        Reply::NotSent => Err(unreached("Envoy could not send; is there a cluster of that name, with a healthy host?")),
        Reply::Reset => {
            let what = "the connection was reset before an answer; does the server expect TLS, or the cluster?";
            Err(unreached(&[what, &counters(cluster, "TLS")].concat()))
        }
        Reply::Answered { status: 504, .. } => {
            let waited = redis.timeout.as_millis();
            let what = "look whether it is busy, and whether server and cluster both use TLS, or neither";
            Err(failure(redis, &format!("did not answer within {waited} ms (status 504); {what}")))
        }
        Reply::Answered { status: 503, body, .. } => Err(unreached(&["status 503", &by_envoy(503, body, cluster)].concat())),
        Reply::Answered { status, .. } if *status != 200 => {
            let what = "let the cluster have upstream_config with TcpConnectionPoolProto";
            Err(unreached(&format!("expected status 200, found {status}; {what}")))
        }
        Reply::Answered { body, .. } if body.is_empty() => Err(failure(
            redis,
            "closed the connection at once: expected replies, found nothing; does it expect TLS, and the cluster has none?",
        )),
        Reply::Answered { body, .. } => Ok(body),
    }
}

/// The failure that a command was refused.
pub(super) fn refused(redis: &Redis, command: &str, words: &[u8]) -> Failure {
    let words = String::from_utf8_lossy(words);
    let is_met = |(known, _): &&(&str, &str)| {
        let is_code = known.ends_with(' ');
        if is_code { words.starts_with(known) } else { words.starts_with("ERR ") && words.contains(known) }
    };
    let remedy = REMEDIES.iter().find(is_met).map_or("look at its log", |(_, remedy)| *remedy);
    let remedy = remedy.replace("STREAM", &redis.stream);
    // A server that does not know the login repeats its arguments.
    let repeated = if command == LOGIN { Cow::Borrowed(code(&words)) } else { words.as_ref().into() };
    failure(redis, &format!("refused {command}: {}; {remedy}", quoted(redis, &repeated)))
}

/// The code of an error: its first word, if that looks like one.
fn code(words: &str) -> &str {
    let code = words.split(' ').next().unwrap_or_default();
    if code.len() <= 16 && code.bytes().all(|byte| byte.is_ascii_uppercase()) { code } else { "an error" }
}

/// The failure that the answer ended in the reply to a command, after so many bytes.
pub(super) fn ended(redis: &Redis, command: &str, length: usize) -> Failure {
    let found =
        format!("closed the connection early: expected a whole reply to {command}, found its end after {length} bytes of all");
    failure(redis, &[&found, "; look at its log"].concat())
}

/// The failure that something else follows than a reply.
pub(super) fn malformed(redis: &Redis, command: &str, left: &[u8]) -> Failure {
    let all = String::from_utf8_lossy(left);
    let beginning = String::from_utf8_lossy(left.get(..MOST_REPEATED).unwrap_or(left));
    let shown = if is_secret(redis, &all) { "[left out]".into() } else { quote_prose(&beginning) };
    failure(redis, &format!("did not speak RESP2: expected a reply to {command}, found {shown}; is it a Redis?"))
}

/// The failure that the reply to a command is none that Redis gives.
pub(super) fn unexpected(redis: &Redis, command: &str, expected: &str, found: &str) -> Failure {
    failure(redis, &format!("gave no reply to {command} that fits: expected {expected}, found {found}; is it a Redis?"))
}

fn quoted(redis: &Redis, words: &str) -> String {
    if is_secret(redis, words) { "[left out]".to_owned() } else { quote_prose(words) }
}

/// Whether the server repeats the password.
fn is_secret(redis: &Redis, words: &str) -> bool {
    match &redis.login {
        Login::Nobody => false,
        Login::Password(password) | Login::User { password, .. } => !password.is_empty() && words.contains(password.expose()),
    }
}
