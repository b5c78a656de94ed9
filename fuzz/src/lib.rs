//! What the fuzzers have in common: a world whose clock stands still, a configuration, a worker that knows its provider, and what
//! must hold after any input. It contains no fuzz target.

use std::cell::RefCell;
use std::collections::BTreeMap;

use accredit::config;
use accredit::config::settings::{Audit, Told};
use accredit::gateway::Gateway;
use accredit::gateway::pending::{PendingCall, Step};
use accredit::http::message::{Following, Headers, Reply};
use accredit::step::audit;
use accredit::step::decision::Decision;
use accredit::upkeep::fetch::Fetch;
use accredit::words::time::Timestamp;
use accredit::words::world::{
    Contended, Destination, HostSignature, HostVerdict, NoRandomness, RouteMetadata, Shared, SignatureCheck, Signing, StreamId,
    Version, World,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The key that sessions are sealed with in [`CONFIGURATION`].
pub const SEALING_KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";

/// The configuration of every worker here.
pub const CONFIGURATION: &str = r#"{
    "origins": ["https://app.example.com"],
    "providers": [{
        "name": "main", "issuer": "https://sso.example.com", "clusters": {"sso.example.com": "sso"},
        "client_id": "app", "client_secret": "secret", "userinfo": true
    }],
    "session": {"keys": ["QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="]},
    "logout": {"provider": true},
    "rules": [
        {"match": {"path_separated_prefix": "/public"}, "require": "public"},
        {"match": {"path": "/glob/*.js"}, "require": {"email_domain": ["example.com"]}},
        {"match": {"path_separated_prefix": "/members"}, "require": {"claim": "groups", "any_of": ["staff"]}}
    ]
}"#;

const METADATA: &str = r#"{
    "issuer": "https://sso.example.com", "authorization_endpoint": "https://sso.example.com/auth",
    "token_endpoint": "https://sso.example.com/token", "jwks_uri": "https://sso.example.com/keys",
    "userinfo_endpoint": "https://sso.example.com/userinfo", "end_session_endpoint": "https://sso.example.com/logout"
}"#;

/// The public key of RFC 7515, appendix A.3.
pub const KEYS: &str = r#"{"keys": [{
    "kty": "EC", "crv": "P-256", "kid": "a",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
}]}"#;

/// A world whose clock stands still, and whose random bytes are the same in every run.
#[derive(Clone)]
pub struct Still {
    /// The time of the clock.
    pub now: Timestamp,
    /// Whether the host says of every signature that it is good.
    pub vouches: bool,
    drawn: u64,
    memory: BTreeMap<String, (Vec<u8>, u32)>,
}

impl Default for Still {
    fn default() -> Self {
        Self { now: Timestamp::from_seconds(1_750_000_000), vouches: false, drawn: 0, memory: BTreeMap::new() }
    }
}

impl World for Still {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn random(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        for byte in bytes {
            self.drawn = self.drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = self.drawn.to_be_bytes()[0];
        }
        Ok(())
    }

    fn shared(&self, key: &str) -> Option<Shared> {
        let (value, version) = self.memory.get(key)?;
        Some(Shared { value: value.clone(), version: Version::Exactly(*version) })
    }

    fn share(&mut self, key: &str, value: &[u8], expected: Version) -> Result<(), Contended> {
        let version = self.memory.get(key).map_or(0, |(_, version)| *version);
        if matches!(expected, Version::Exactly(expected) if expected != version) {
            return Err(Contended);
        }
        self.memory.insert(key.to_owned(), (value.to_vec(), version.wrapping_add(1)));
        Ok(())
    }

    fn destination(&self) -> Destination {
        Destination::Nobody
    }

    fn route_metadata(&self, _: &str, _: &str) -> RouteMetadata {
        RouteMetadata::Absent
    }

    fn client_address(&self) -> Option<String> {
        None
    }

    fn stream(&self) -> Option<StreamId> {
        None
    }

    fn kept_with_stream(&self) -> Option<Vec<u8>> {
        None
    }

    fn verify_signature(&self, _: &SignatureCheck<'_>) -> HostVerdict {
        if self.vouches { HostVerdict::Valid } else { HostVerdict::NotOffered }
    }

    fn sign(&self, _: &Signing<'_>) -> HostSignature {
        HostSignature::NotSigned
    }
}

/// A gateway with its world.
pub struct Worker {
    pub gateway: Gateway,
    pub world: Still,
    /// The fetches that the gateway has made so far.
    pub fetches: Vec<Fetch>,
}

impl Worker {
    /// A worker that knows its provider's metadata and keys.
    pub fn ready() -> Self {
        Self::ready_with(CONFIGURATION)
    }

    /// A worker with this configuration that knows its provider's metadata and keys.
    pub fn ready_with(configuration: &str) -> Self {
        let mut world = Still::default();
        let settings = config::load(configuration.as_bytes(), &|_| None).expect("the configuration is good");
        let gateway = Gateway::new(&mut world, settings).expect("there are random bytes");
        let mut worker = Self { gateway, world, fetches: Vec::new() };
        for document in [METADATA, KEYS] {
            // The first tick writes the lease's entry into shared memory, the second one takes the lease.
            let mut fetches = (0..3).filter_map(|_| worker.gateway.tick(&mut worker.world).fetches.pop());
            let fetch = fetches.next().expect("something is missing");
            worker.gateway.fetch_answered(&mut worker.world, &fetch, &answer(200, document.as_bytes()));
            worker.fetches.push(fetch);
        }
        worker
    }

    /// The first step for a request with these fields.
    pub fn begin(&mut self, fields: Vec<(String, Vec<u8>)>) -> Step {
        self.gateway.begin(&mut self.world, Headers::new(fields), Following::Nothing)
    }
}

thread_local! {
    /// The workers that were made, by their configurations, each with its world before any request.
    static WORKERS: RefCell<BTreeMap<String, (Still, Worker)>> = const { RefCell::new(BTreeMap::new()) };
}

/// Lends a worker with the usual configuration ([`with_worker_of`]).
pub fn with_worker<T>(then: impl FnOnce(&mut Worker) -> T) -> T {
    with_worker_of(CONFIGURATION, then)
}

/// Lends a worker with this configuration, whose world is as it was before any request. The worker itself is made once for all inputs,
/// because that costs a hundred times more than an input: it may remember what it has verified before.
pub fn with_worker_of<T>(configuration: &str, then: impl FnOnce(&mut Worker) -> T) -> T {
    WORKERS.with_borrow_mut(|workers| {
        let (world, worker) = workers.entry(configuration.to_owned()).or_insert_with(|| {
            let worker = Worker::ready_with(configuration);
            (worker.world.clone(), worker)
        });
        // What was drawn is not drawn again: the worker remembers which sign-ins were used up.
        worker.world = Still { drawn: worker.world.drawn, ..world.clone() };
        then(worker)
    })
}

/// Reads a line as a field. A colon at its beginning belongs to the name of a pseudo-header.
pub fn field(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().skip(1).position(|byte| *byte == b':')? + 1;
    let name = std::str::from_utf8(&line[..colon]).ok()?.to_ascii_lowercase();
    Some((name, line[colon + 1..].trim_ascii_start().to_vec()))
}

/// A sign-in that waits for the token endpoint, and its `nonce`.
///
/// # Panics
/// When no sign-in begins.
pub fn exchanging(worker: &mut Worker) -> (PendingCall, String) {
    let Step { decision: Decision::Respond(sent), .. } = worker.begin(navigation("/page", "")) else { panic!("not sent") };
    let value = |name: &str| sent.headers.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.as_str());
    let cookie = value("set-cookie").split(';').next().unwrap_or_default();
    let parameter = |name: &str| value("location").split(['?', '&']).find_map(|parameter| parameter.strip_prefix(name));
    let callback = navigation(&format!("/api/callback?code=x&state={}", parameter("state=").unwrap_or_default()), cookie);
    let nonce = parameter("nonce=").unwrap_or_default().to_owned();
    match worker.begin(callback).decision {
        Decision::Call(_, pending) => (*pending, nonce),
        other => panic!("not exchanging: {other:?}"),
    }
}

/// The text with the first mark replaced, so that an input need not know a nonce or a digest.
pub fn replaced(text: &[u8], mark: &[u8], with: &[u8]) -> Vec<u8> {
    match text.windows(mark.len()).position(|part| part == mark) {
        Some(at) => [&text[..at], with, &text[at + mark.len()..]].concat(),
        None => text.to_vec(),
    }
}

/// Bytes as a part of a token.
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A reply whose content type is JSON, whatever its body is.
pub fn answer(status: u16, body: &[u8]) -> Reply {
    let json = vec![("content-type".to_owned(), b"application/json".to_vec())];
    Reply::Answered { status, headers: Headers::new(json), body: body.to_vec() }
}

/// The fields of a navigation.
pub fn navigation(target: &str, cookie: &str) -> Vec<(String, Vec<u8>)> {
    let fields = [
        (":method", "GET"),
        (":authority", "app.example.com"),
        (":path", target),
        ("sec-fetch-mode", "navigate"),
        ("cookie", cookie),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect()
}

/// What must hold for every step after a stranger's input: it can be printed, and nobody is signed in.
///
/// # Panics
/// When somebody is signed in, or a header field of the response holds a line break.
pub fn check(step: &Step) {
    drop(format!("{step:?}"));
    let told = Audit { host: Told::Plain, address: Told::Plain, calls: None };
    step.events.iter().for_each(|event| drop((event.metric(), audit::json(event, &told, &|| None))));
    assert_eq!(step.note.subject, None, "somebody is in");
    match &step.decision {
        Decision::Forward(forward) => assert_eq!(*forward.edits.add, [], "identity headers for nobody"),
        Decision::Respond(response) => {
            for (name, value) in &response.headers {
                assert!(!value.contains(['\r', '\n', '\0']), "{name} breaks the header");
                let session = name == "set-cookie" && value.starts_with("__Host-accredit=");
                assert!(!session || value.starts_with("__Host-accredit=;"), "a session for nobody");
            }
        }
        Decision::Call(..) | Decision::Await { .. } | Decision::ReadBody { .. } => {}
    }
}
