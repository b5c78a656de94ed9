//! What the command sends to whom, at a provider on this machine that answers every request and keeps what came.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::cli::doctor::client::Client;
use crate::cli::doctor::{Doctor, doctor, probes};
use crate::cli::gateway::Place;
use crate::cli::terminal::{Form, Terminal};
use crate::cli::testing::Folder;
use crate::crypto::testing::{RSA, base64url};
use crate::oidc::metadata::Metadata;
use crate::oidc::provider::{Clusters, MetadataSource, Provider};
use crate::oidc::testing::{endpoint, metadata, provider, url};

const SECRET: &str = "s3cret-of-the-client";

/// A provider on this machine.
struct Running {
    port: u16,
    thread: JoinHandle<Vec<String>>,
}

impl Running {
    /// Starts one whose document has these members instead of its own.
    fn start(change: &Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let at = |path: &str| format!("http://127.0.0.1:{port}{path}");
        let mut document = json!({
            "issuer": at(""), "authorization_endpoint": at("/auth"), "token_endpoint": at("/token"), "jwks_uri": at("/keys"),
            "response_types_supported": ["code"],
        });
        document.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let keys = json!({"keys": [RSA.jwk(&json!({"kid": "a"}))]});
        let thread = std::thread::spawn(move || {
            let mut came = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().unwrap();
                let request = read(&mut stream);
                let (status, body) = match request.split(['?', ' ']).nth(1).unwrap() {
                    "/stop" => return came,
                    "/keys" => ("200 OK", keys.to_string()),
                    "/auth" | "/token" => ("400 Bad Request", json!({"error": "invalid_grant"}).to_string()),
                    _ => ("200 OK", document.to_string()),
                };
                came.push(request);
                let length = body.len();
                let head = "content-type: application/json\r\nconnection: close";
                write!(stream, "HTTP/1.1 {status}\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
            }
        });
        Self { port, thread }
    }

    /// Stops it, and returns the requests that came, each whole.
    fn stop(self) -> Vec<String> {
        write!(TcpStream::connect(("127.0.0.1", self.port)).unwrap(), "GET /stop HTTP/1.1\r\n\r\n").unwrap();
        self.thread.join().unwrap()
    }
}

/// Reads a request: its head, and as much of a body as the head says.
fn read(stream: &mut TcpStream) -> String {
    let (mut text, mut byte) = (String::new(), [0]);
    while !text.ends_with("\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        text.push(char::from(byte[0]));
    }
    let head = text.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    text + std::str::from_utf8(&body).unwrap()
}

/// What the command tells of a provider at this port.
fn told(folder: &Folder, port: u16, try_secret: bool) -> String {
    let host = format!("127.0.0.1:{port}");
    let configuration = json!({
        "origins": ["http://localhost:10000"], "session": {"keys": ["ab".repeat(32)]},
        "providers": [{
            "name": "main", "issuer": format!("http://{host}"), "clusters": {host: "provider"}, "client_id": "app",
            "client_secret": SECRET,
        }],
    });
    let file = folder.file("configuration.json", &configuration.to_string());
    let (place, client) = (Place::default(), Client::default());
    let asked = Doctor { file, place, ca_file: None, client, documents_only: false, try_secret };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    doctor(&asked, &mut Terminal::new(&mut out, &mut err, Form::Words)).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_secret_is_sent_only_if_the_person_says_so() {
    let folder = Folder::new("doctor-secret");
    let by_basic = base64url(format!("app:{SECRET}"));
    for (try_secret, said) in [(false, "main: note client: the client's secret was not tried"), (true, "main: ok client")] {
        let running = Running::start(&json!({}));
        let told = told(&folder, running.port, try_secret);
        let came = running.stop();
        assert!(told.contains(said) && !told.contains(SECRET), "{told}");
        assert!(came.iter().any(|request| request.starts_with("GET /auth?")), "{came:#?}");
        assert_eq!(came.iter().any(|request| request.starts_with("POST /token ")), try_secret, "{came:#?}");
        assert_eq!(came.iter().any(|request| request.contains(by_basic.trim_end_matches('='))), try_secret, "{came:#?}");
    }
}

#[test]
fn a_document_cannot_make_this_machine_ask_somebody_whom_nobody_listed() {
    let folder = Folder::new("doctor-unlisted");
    let bystander = TcpListener::bind("127.0.0.1:0").unwrap();
    bystander.set_nonblocking(true).unwrap();
    let elsewhere = bystander.local_addr().unwrap();
    let running = Running::start(&json!({"authorization_endpoint": format!("http://{elsewhere}/shutdown")}));
    let told = told(&folder, running.port, false);
    running.stop();
    assert!(told.contains("main: note redirect-uri: the redirect URI was not tried"), "{told}");
    assert!(told.contains(&format!("--resolve {elsewhere}:ADDRESS")), "{told}");
    assert_eq!(bystander.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn the_authorization_endpoint_is_asked_where_somebody_listed_it_and_on_this_machine_only_for_an_issuer_here() {
    let login = "https://login.example.com/auth";
    let here = "http://127.0.0.1:8080/auth";
    let none = Client::default;
    for (listed, issuer, at, client, refused) in [
        ("login.example.com", "https://sso.example.com", login, none(), None),
        ("sso.example.com", "https://sso.example.com", login, none(), Some("--resolve login.example.com:443:ADDRESS")),
        ("sso.example.com", "https://sso.example.com", login, Client::at("login.example.com:443:10.0.0.7"), None),
        ("sso.example.com", "https://sso.example.com", login, Client::at("login.example.com:80:10.0.0.7"), Some("--resolve")),
        ("127.0.0.1:8080", "https://sso.example.com", here, none(), Some("the issuer is elsewhere")),
        ("sso.example.com", "https://sso.example.com", here, Client::at("127.0.0.1:8080:127.0.0.1"), Some("elsewhere")),
        ("127.0.0.1:8080", "http://127.0.0.1:9000", here, none(), None),
        ("127.0.0.1:9000", "http://127.0.0.1:9000", here, none(), Some("not in clusters")),
    ] {
        let clusters = Clusters::new([(listed.to_owned(), "c".to_owned())]);
        let provider = Provider { clusters, source: MetadataSource::Discovery { issuer: url(issuer) }, ..provider() };
        let metadata = Metadata { authorization_endpoint: endpoint(at), ..metadata() };
        match (probes::may_be_asked(&provider, &metadata, &client), refused) {
            (Ok(()), None) => {}
            (Err(why), Some(said)) => assert!(why.contains(said), "{why}"),
            (found, _) => panic!("{listed} {issuer} {at}: {found:?}"),
        }
    }
}
