//! What `accredit doctor` says of a real Redis: the program itself is run, with the file of an Envoy. There is no provider.

use std::fs::{create_dir_all, remove_dir_all, write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::ACL;
use crate::server::Server;

const PASSWORD: &str = "s3cret";

/// A folder of its own, until it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("accredit-doctor-{name}-{}", std::process::id()));
        create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = remove_dir_all(&self.0);
    }
}

/// The file of an Envoy whose plugin has this store, in a cluster with these servers and further members.
fn envoy(redis: &Value, ports: &[u16], more: &Value) -> Value {
    let at = |port: &u16| json!({"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}});
    let servers: Vec<_> = ports.iter().map(at).collect();
    let mut cluster = json!({"name": "redis", "load_assignment": {"endpoints": [{"lb_endpoints": servers}]}});
    cluster.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let configuration = json!({
        "origins": ["https://app.example.com"], "providers": [],
        "session": {"keys": ["bm90IGEgc2VjcmV0LCBvbmx5IGZvciB0ZXN0cyAuLi4="], "form": "jwt", "jwt": {"keys": ["only for tests, and at least 32 bytes"], "bearer": true}, "cookie": {"name": "access_token"}},
        "revocations": {"redis": redis},
    });
    let plugin = json!({"name": "accredit", "typed_config": {"config": {
        "root_id": "accredit", "configuration": {"@type": "type.googleapis.com/google.protobuf.Struct", "value": configuration},
        "vm_config": {"environment_variables": {"host_env_keys": ["REDIS_PASSWORD"]}},
    }}});
    let manager = json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": {"http_filters": [plugin, {"name": "envoy.filters.http.router"}]}});
    json!({"static_resources": {"listeners": [{"name": "gateway", "filter_chains": [{"filters": [manager]}]}], "clusters": [cluster]}})
}

/// What the doctor says of the store, each as `level id: sentence`, and its exit code.
fn asked(file: &Value, options: &[&str], password: Option<&str>) -> (Vec<String>, i32) {
    let folder = Folder::new(&format!("{:p}", file));
    let path = folder.path("envoy.json");
    write(&path, file.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_accredit"));
    command.args(["--json", "doctor"]).args(options).arg(&path).env_remove("REDIS_PASSWORD");
    command.envs(password.map(|password| ("REDIS_PASSWORD", password)));
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert!(!password.is_some_and(|password| text.contains(password)), "{text}");
    let told: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    let line = |finding: &Value| {
        assert_eq!(finding["provider"], "revocations.redis");
        let part = |name: &str| finding[name].as_str().unwrap().to_owned();
        format!("{} {}: {}", part("level"), part("id"), part("sentence"))
    };
    (told["findings"].as_array().unwrap().iter().map(line).collect(), output.status.code().unwrap())
}

fn login(name: &str) -> Value {
    json!({"cluster": "redis", "username": name, "password": {"environment_variable": "REDIS_PASSWORD"}})
}

/// A Redis with the documented user, and this user with other rights.
fn with_user(rights: &str) -> Server {
    let server = Server::start(&[]);
    for (name, rights) in [("accredit", ACL), ("other", rights)] {
        assert_eq!(server.does(&format!("ACL SETUSER {name} {rights}")), "+OK\r\n");
    }
    server
}

#[test]
#[ignore = "needs a redis-server: make redis"]
fn a_store_with_the_documented_user_is_well_and_nothing_is_left_there() {
    let server = with_user("off");
    let (told, code) = asked(&envoy(&login("accredit"), &[server.port], &json!({})), &["--try-secret"], Some(PASSWORD));
    let place = format!("127.0.0.1:{}", server.port);
    let expected = [
        format!("ok connection: {place} was reached, without TLS"),
        format!(
            "ok store: {place} carries out TIME, XADD, XRANGE, SET and GET for the keys of \"accredit\", by the user and password"
        ),
    ];
    assert_eq!((told.as_slice(), code), (expected.as_slice(), 0));
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(server.does("KEYS *"), "*0\r\n");
}

#[test]
#[ignore = "needs a redis-server: make redis"]
fn what_the_server_refuses_is_told_with_what_to_do() {
    let server = with_user("on >s3cret resetkeys ~accredit -@all +time +xadd +set +get");
    let file = |user: &str| envoy(&login(user), &[server.port], &json!({}));
    for (file, password, words) in [
        (file("accredit"), "not the password", &["refused AUTH: \"WRONGPASS\"; check the user's name and password"][..]),
        (file("nobody"), PASSWORD, &["refused AUTH: \"WRONGPASS\""]),
        (file("other"), PASSWORD, &["refused XRANGE: \"NOPERM", "refused SET: \"NOPERM", "refused GET: \"NOPERM"]),
    ] {
        let (told, code) = asked(&file, &["--try-secret"], Some(password));
        assert_eq!((told.len(), code), (1 + words.len(), 1), "{told:#?}");
        for words in words {
            assert!(told.iter().any(|line| line.starts_with("error store: ") && line.contains(words)), "{told:#?}");
        }
        assert!(!words[0].contains("NOPERM") || told.iter().any(|line| line.contains("+xadd +xrange")), "{told:#?}");
    }
    let server = Server::start(&["--requirepass", PASSWORD]);
    let without = envoy(&json!({"cluster": "redis"}), &[server.port], &json!({}));
    let (told, code) = asked(&without, &["--try-secret"], None);
    assert!(told.len() == 2 && code == 1 && told[1].contains("refused TIME: \"NOAUTH"), "{told:#?}");
}

#[test]
#[ignore = "needs a redis-server: make redis"]
fn nothing_is_sent_without_a_word_and_a_server_that_is_not_there_is_told() {
    let server = with_user("off");
    let file = envoy(&login("accredit"), &[server.port], &json!({}));
    for (options, password, words) in [
        (&[][..], Some(PASSWORD), "note store: neither the login nor the commands were tried; --try-secret"),
        (&["--documents-only"], Some(PASSWORD), "note store: the store has no documents"),
        (&["--try-secret"], None, "note store: the variable REDIS_PASSWORD is not set here"),
    ] {
        let (told, code) = asked(&file, options, password);
        assert!(code == 0 && told.last().unwrap().starts_with(words), "{told:#?}");
    }
    assert!(!server.does("INFO commandstats").contains("cmdstat_auth"));
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (told, code) = asked(&envoy(&login("accredit"), &[free], &json!({})), &["--try-secret"], Some(PASSWORD));
    assert!(
        code == 1 && told.len() == 1 && told[0].starts_with("error connection: ") && told[0].contains("was not reached"),
        "{told:#?}"
    );
    // Another cluster than the file has, and one whose servers are elsewhere.
    let other = envoy(&json!({"cluster": "store"}), &[free], &json!({}));
    assert!(asked(&other, &[], None).0[0].starts_with("error connection: there is no cluster \"store\" in this file"));
    let elsewhere = envoy(&json!({"cluster": "redis"}), &[], &json!({"type": "EDS"}));
    assert!(asked(&elsewhere, &[], None).0[0].contains("is not in this file, so that the store was not asked"));
}

#[test]
#[ignore = "needs a redis-server: make redis"]
fn a_replica_is_told_unless_envoy_passes_it_over_and_so_is_a_policy_that_evicts_the_stream() {
    let primary = Server::start(&["--maxmemory", "10mb", "--maxmemory-policy", "allkeys-lru"]);
    let replica = Server::start(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    let redis = json!({"cluster": "redis"});
    let policy = "maxmemory-policy is \"allkeys-lru\", by which it may evict the stream";
    let (told, code) = asked(&envoy(&redis, &[primary.port], &json!({})), &["--try-secret"], None);
    assert!(code == 1 && told.iter().any(|line| line.starts_with("warning store: ") && line.contains(policy)), "{told:#?}");
    assert_eq!(primary.does("CONFIG SET maxmemory-policy volatile-lru"), "+OK\r\n");
    let (told, code) = asked(&envoy(&redis, &[replica.port], &json!({})), &["--try-secret"], None);
    assert!(
        code == 1 && told.iter().any(|line| line.contains("refused XADD: \"READONLY") && line.contains("to the primary")),
        "{told:#?}"
    );
    // As documented for Sentinel.
    let checked = json!({"health_checks": [{"tcp_health_check": {}}]});
    let (told, code) = asked(&envoy(&redis, &[replica.port, primary.port], &checked), &["--try-secret"], None);
    assert!(code == 0 && told.iter().any(|line| line.starts_with("note store: ") && line.contains("is a replica")), "{told:#?}");
    let (told, code) = asked(&envoy(&redis, &[replica.port], &checked), &["--try-secret"], None);
    assert!(code == 1 && told.iter().any(|line| line.starts_with("error store: no server is the primary")), "{told:#?}");
}

#[test]
#[ignore = "needs a redis-server: make redis"]
fn a_stream_that_takes_no_entry_ever_again_is_told_and_one_that_takes_them_is_not_changed() {
    let server = Server::start(&[]);
    let file = envoy(&json!({"cluster": "redis"}), &[server.port], &json!({}));
    for (made, words) in [
        ("DEL accredit", None),
        ("XGROUP CREATE accredit group $ MKSTREAM", None),
        ("XADD accredit 1764500000000-0 e entry", None),
        ("XADD accredit 18446744073709551615-0 e entry", None),
        (
            "XADD accredit 18446744073709551615-18446744073709551615 e entry",
            Some("delete the stream, and replicas fill it again"),
        ),
        // The entry is gone, and the stream keeps its last id.
        ("XDEL accredit 18446744073709551615-18446744073709551615", Some("delete the stream, and replicas fill it again")),
    ] {
        assert!(!server.does(made).starts_with('-'), "{made}");
        let before = server.does("XRANGE accredit - +");
        let (told, code) = asked(&file, &["--try-secret"], None);
        let level = if words.is_some() { "error store: " } else { "ok store: " };
        assert!(told.len() == 2 && told[1].starts_with(level), "{made}: {told:#?}");
        assert_eq!(code, i32::from(words.is_some()), "{made}");
        assert!(words.is_none_or(|words| told[1].contains("refused XADD") && told[1].contains(words)), "{made}: {told:#?}");
        assert_eq!(server.does("XRANGE accredit - +"), before, "{made}");
    }
}

#[test]
#[ignore = "needs a redis-server: make redis"]
fn tls_is_verified_by_the_authority_and_the_name_of_the_cluster() {
    let folder = Folder::new("tls");
    let [key, certificate] = ["key.pem", "redis.pem"].map(|name| folder.path(name));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=redis",
        ])
        .args(["-addext", "subjectAltName=DNS:redis.internal", "-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &key, "-out", &certificate])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let options = ["--tls-port", &port, "--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-auth-clients", "no"];
    let server = Server::start(&options);
    let tls = |sni: &str| {
        let context = json!({"validation_context": {"trusted_ca": {"filename": certificate}}});
        json!({"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": {"sni": sni, "common_tls_context": context}}})
    };
    let redis = json!({"cluster": "redis"});
    let by = |port: u16, more: &Value| asked(&envoy(&redis, &[port], more), &["--try-secret"], None);
    let port: u16 = port.parse().unwrap();
    let (told, code) = by(port, &tls("redis.internal"));
    assert!(code == 0 && told[0].contains("its certificate is good for redis.internal by the authorities of "), "{told:#?}");
    assert!(told[1].starts_with("ok store: "), "{told:#?}");
    for (port, more, words) in [
        (port, tls("other.internal"), "its certificate is for other names"),
        (server.port, tls("redis.internal"), "was not reached"),
        (port, json!({}), "closed the connection"),
    ] {
        let (told, code) = by(port, &more);
        assert!(code == 1 && told.iter().any(|line| line.starts_with("error ") && line.contains(words)), "{words} {told:#?}");
    }
}
