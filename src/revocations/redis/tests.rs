//! Tests of what is sent to Redis, and of what counts as its reply.

mod hostile;
mod pages;

use super::*;
use crate::http::message::Headers;
use crate::words::reason::Reason;
use crate::words::secret::Secret;

const PASSWORD: &str = "p\u{e4}ss w\u{f6}rd";

fn redis(login: Login) -> Redis {
    Redis { cluster: "redis".into(), timeout: Duration::from_millis(800), stream: "accredit".into(), login }
}

fn nobody() -> Redis {
    redis(Login::Nobody)
}

fn user() -> Redis {
    redis(Login::User { name: "gateway".into(), password: Secret::new(PASSWORD) })
}

fn said(bytes: impl Into<Vec<u8>>) -> Reply {
    answered(200, bytes)
}

fn answered(status: u16, bytes: impl Into<Vec<u8>>) -> Reply {
    Reply::Answered { status, headers: Headers::default(), body: bytes.into() }
}

fn cursor(text: &str) -> Cursor {
    Cursor::read(text.as_bytes()).unwrap()
}

fn claim<'a>(name: &'a str, value: &'a [u8]) -> NamedValue<'a> {
    NamedValue { name, value, lifetime: Duration::from_secs(60) }
}

/// What is sent, with a space for the end of a line.
fn sent(call: &HttpCall) -> String {
    String::from_utf8_lossy(&call.body).replace("\r\n", " ")
}

#[test]
fn every_call_logs_in_does_its_work_and_ends_the_connection() {
    let trim = Some(Timestamp::from_millis(1_700));
    for (call, expected) in [
        (
            nobody().announce(&[b"one".to_vec(), b"two".to_vec()], &[claim("jti", b"x")], trim),
            "*8 $4 XADD $8 accredit $5 MINID $1 ~ $4 1700 $1 * $1 e $3 one \
             *5 $4 XADD $8 accredit $1 * $1 e $3 two \
             *6 $3 SET $12 accredit:jti $1 x $2 NX $2 PX $5 60000 *2 $3 GET $12 accredit:jti *1 $4 QUIT ",
        ),
        (nobody().announce(&[b"one".to_vec()], &[], None), "*5 $4 XADD $8 accredit $1 * $1 e $3 one *1 $4 QUIT "),
        (
            redis(Login::Password(Secret::new("pw"))).read(cursor("5-1"), 100),
            "*2 $4 AUTH $2 pw *1 $4 TIME *6 $6 XRANGE $8 accredit $3 5-1 $1 + $5 COUNT $3 100 *1 $4 QUIT ",
        ),
        (
            user().put(&NamedValue { name: "n", value: b"v", lifetime: Duration::ZERO }),
            "*3 $4 AUTH $7 gateway $11 p\u{e4}ss w\u{f6}rd *5 $3 SET $10 accredit:n $1 v $2 PX $1 1 *1 $4 QUIT ",
        ),
        (nobody().get("n"), "*2 $3 GET $10 accredit:n *1 $4 QUIT "),
    ] {
        assert_eq!(sent(&call), expected);
        assert_eq!((call.cluster.as_str(), call.timeout), ("redis", Duration::from_millis(800)));
        assert!(!format!("{call:?}").contains("ss w"));
    }
}

#[test]
fn a_whole_reply_to_every_command_is_an_acknowledgement() {
    let reply = said("+OK\r\n$3\r\n7-0\r\n$3\r\n7-1\r\n+OK\r\n$1\r\nx\r\n$-1\r\n$2\r\ny\n\r\n$-1\r\n$-1\r\n+OK\r\n");
    let claims = vec![Claimed::Won, Claimed::Lost(b"y\n".to_vec()), Claimed::JustEnded];
    assert_eq!(user().announced(2, 3, &reply), Ok(Announced { cursors: vec![cursor("7-0"), cursor("7-1")], claims }));
    assert_eq!(nobody().claimed(&said("+OK\r\n$1\r\nx\r\n+OK\r\n")), Ok(Claimed::Won));
    assert_eq!(nobody().was_put(&said("+OK\r\n+OK\r\n")), Ok(()));
    assert_eq!(nobody().got(&said("$0\r\n\r\n+OK\r\n")), Ok(Some(Vec::new())));
    assert_eq!(nobody().got(&said("$-1\r\n+OK\r\n")), Ok(None));
}

/// Whether a reply is taken for an acknowledgement.
type Reader = fn(&Reply) -> Result<(), Failure>;

/// Each exchange but reading a page, with its good reply.
const ACKNOWLEDGED: [(&str, Reader); 4] = [
    ("+OK\r\n$3\r\n7-0\r\n$3\r\n7-1\r\n+OK\r\n$1\r\nx\r\n+OK\r\n", |reply| user().announced(2, 1, reply).map(|_| ())),
    ("+OK\r\n$-1\r\n$1\r\nx\r\n+OK\r\n", |reply| user().claimed(reply).map(|_| ())),
    ("+OK\r\n+OK\r\n+OK\r\n", |reply| user().was_put(reply)),
    ("+OK\r\n$3\r\nabc\r\n+OK\r\n", |reply| user().got(reply).map(|_| ())),
];

#[test]
fn no_reply_that_ends_anywhere_too_early_or_goes_on_is_an_acknowledgement() {
    for (good, acknowledged) in ACKNOWLEDGED {
        assert_eq!(acknowledged(&said(good)), Ok(()), "{good}");
        for end in 0..good.len() {
            let failure = acknowledged(&said(&good.as_bytes()[..end])).unwrap_err();
            assert_eq!(failure.reason, Reason::RevocationsUnavailable);
            assert!(failure.detail.contains("closed the connection"), "{end}: {}", failure.detail);
        }
        for more in ["+OK\r\n", "\r\n", "-", "\0"] {
            let failure = acknowledged(&said([good, more].concat())).unwrap_err();
            assert!(failure.detail.contains("expected nothing behind it, found"), "{}", failure.detail);
        }
    }
}

#[test]
fn no_reply_in_which_a_command_was_refused_or_answered_otherwise_is_an_acknowledgement() {
    for (good, acknowledged) in ACKNOWLEDGED {
        let mut values = Values::of(good.as_bytes());
        let mut starts = Vec::new();
        while !values.left().is_empty() {
            starts.push(good.len() - values.left().len());
            values.next().unwrap();
        }
        starts.push(good.len());
        for place in starts.windows(2) {
            for instead in
                ["-ERR no\r\n", "+QUEUED\r\n", ":1\r\n", "*0\r\n", "*-1\r\n", "*1\r\n+OK\r\n", "$2\r\nOK\r\n", "OK\r\n", ""]
            {
                let changed = [&good[..place[0]], instead, &good[place[1]..]].concat();
                // Null and bytes are both good replies to GET; null is one to SET.
                let is_good = matches!(instead, "*-1\r\n" | "$2\r\nOK\r\n") && good[place[0]..].starts_with('$');
                let is_lost = instead == "*-1\r\n" && good[place[1]..].starts_with("$1");
                if !(is_good || is_lost) {
                    assert!(acknowledged(&said(changed.clone())).is_err(), "{changed:?}");
                }
            }
        }
    }
}

#[test]
fn what_redis_refuses_is_told_with_what_to_do() {
    for (error, words) in [
        ("NOAUTH Authentication required.", "set the password"),
        ("WRONGPASS invalid username-password pair or user is disabled.", "check the user's name and password"),
        ("NOPERM this user has no permissions to run the 'xadd' command", "and the keys ~accredit ~accredit:*"),
        ("OOM command not allowed when used memory > 'maxmemory'.", "(maxmemory) is full"),
        ("READONLY You can't write against a read only replica.", "lead to the primary"),
        ("MASTERDOWN Link with MASTER is down", "replica without its primary"),
        ("LOADING Redis is loading the dataset in memory", "has just started"),
        ("MOVED 3999 127.0.0.1:6381", "the primary that has the stream's slot"),
        ("ASK 3999 127.0.0.1:6381", "the primary that has the stream's slot"),
        ("CROSSSLOT Keys in request don't hash to the same slot", "braces"),
        ("CLUSTERDOWN Hash slot not served", "CLUSTER INFO"),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", "choose another name"),
        ("MISCONF Redis is configured to save RDB snapshots", "cannot write to its disk"),
        ("NOREPLICAS Not enough good replicas to write.", "min-replicas-to-write"),
        ("DENIED Redis is running in protected mode", "protected mode"),
        ("BUSY Redis is busy running a script.", "a script"),
        ("ERR max number of clients reached", "maxclients"),
        ("ERR AUTH <password> called without any password configured for the default user.", "no password is set there"),
        ("ERR Client sent AUTH, but no password is set", "no password is set there"),
        ("ERR The stream has exhausted the last possible ID, unable to add more items", "delete the stream"),
        ("ERR unknown command 'XADD', with args beginning with:", "Redis 6.2"),
        ("ERR syntax error", "Redis 6.2"),
        ("ERR something new", "look at its log"),
        ("", "look at its log"),
    ] {
        let failure = nobody().announced(1, 0, &said(format!("-{error}\r\n+OK\r\n"))).unwrap_err();
        assert_eq!(failure.reason, Reason::RevocationsUnavailable);
        let (begins, quoted) = ("the store of revocations (cluster redis) refused XADD: ", quote_of(error));
        assert!(failure.detail.starts_with(&[begins, &quoted].concat()), "{}", failure.detail);
        assert!(failure.detail.contains(words), "{error}: {}", failure.detail);
    }
}

fn quote_of(words: &str) -> String {
    crate::words::quote::quote_prose(words)
}

#[test]
fn a_server_that_repeats_what_was_sent_does_not_bring_the_password_into_a_log() {
    for body in [
        format!("-ERR unknown command 'AUTH', with args beginning with: 'gateway' '{PASSWORD}'\r\n+OK\r\n"),
        format!("-{PASSWORD}\r\n"),
        format!("+{PASSWORD}\r\n"),
        format!("+OK\r\n-ERR {PASSWORD}\r\n"),
        format!("+OK\r\n+{PASSWORD}\r\n"),
        format!("HTTP/1.1 400 {PASSWORD}"),
        format!("+OK\r\n$0\r\n\r\n{PASSWORD}"),
        format!("$11\r\n{PASSWORD}\r\n"),
    ] {
        let failure = user().got(&said(body.clone())).unwrap_err();
        assert!(!failure.detail.contains("ss w"), "{body}: {}", failure.detail);
        assert!(failure.detail.is_ascii() && failure.detail.len() < 600, "{}", failure.detail);
    }
    assert!(!format!("{:?}", user()).contains("ss w"));
}

#[test]
fn a_server_that_was_not_reached_is_told_from_one_that_closed_the_connection() {
    let refused = "upstream connect error or disconnect/reset before headers. reset reason: connection failure";
    for (reply, words) in [
        (Reply::NotSent, "was not reached: Envoy could not send; is there a cluster of that name, with a healthy host?"),
        (Reply::Reset, "was not reached: the connection was reset before an answer; does the server expect TLS, or the cluster?"),
        (answered(504, "upstream request timeout"), "did not answer within 800 ms (status 504)"),
        (
            answered(503, refused),
            "was not reached: status 503; Envoy says \"reset reason: connection failure\"; look at the counters of \
             cluster.redis in Envoy's /stats: upstream_cx_connect_fail, upstream_cx_connect_timeout; with TLS look whether the \
             certificate was refused: ssl.fail_verify_error, ssl.fail_verify_san",
        ),
        (answered(502, ""), "was not reached: expected status 200, found 502; let the cluster have upstream_config"),
        (answered(404, "+OK\r\n+OK\r\n+OK\r\n"), "was not reached: expected status 200, found 404"),
        (said(""), "closed the connection at once: expected replies, found nothing; does it expect TLS"),
        (said("+OK\r\n+O"), "closed the connection early: expected a whole reply to SET, found its end after 7 bytes"),
        (
            said("HTTP/1.1 400 Bad Request\r\n"),
            "did not speak RESP2: expected a reply to AUTH, found \"HTTP/1.1 400 Bad Request??\"",
        ),
        (said("+OK\r\n:5\r\n+OK\r\n"), "gave no reply to SET that fits: expected OK, found a number"),
    ] {
        let failure = user().was_put(&reply).unwrap_err();
        assert!(failure.detail.starts_with(&format!("the store of revocations (cluster redis) {words}")), "{}", failure.detail);
    }
}
