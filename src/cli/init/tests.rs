use std::fs;

use serde_json::{Value, json};

use super::*;
use crate::cli::testing::Folder;
use crate::crypto::key::Algorithm;
use crate::oidc::provider::ResponseMode;

const TARGETS: [Target; 3] = [Target::Laptop, Target::Compose, Target::Kubernetes];

fn plan(target: Target, origin: &str, issuer: &str) -> Plan {
    let url = Url::parse(issuer).unwrap();
    Plan {
        target,
        origin: origin.to_owned(),
        issuer: issuer.to_owned(),
        client_id: "app".to_owned(),
        secret_variable: "OIDC_CLIENT_SECRET".to_owned(),
        application: Address { host: "127.0.0.1".to_owned(), port: 9100 },
        group: None,
        plain_provider: (!url.is_https()).then(|| Address::parse(&url.host_and_port()).unwrap()),
        module: "accredit.wasm".to_owned(),
        ca_file: CA_OF_IMAGE.to_owned(),
        found: Discovered::nothing(&url),
        output: "envoy.yaml".to_owned(),
        secrets: "accredit.env".to_owned(),
    }
}

fn group(path: &str) -> Option<Group> {
    Some(Group { path: path.to_owned(), claim: "groups".to_owned(), name: "admins".to_owned() })
}

/// Plans of every kind.
fn plans() -> Vec<Plan> {
    let mut plans = Vec::new();
    for target in TARGETS {
        let mut addresses = vec![("https://app.example.com", "https://sso.example.com/realms/main")];
        if target != Target::Kubernetes {
            addresses.extend([
                ("http://localhost:10000", "https://sso.example.com"),
                ("http://127.0.0.1:8080", "http://127.0.0.1:9000"),
                ("http://localhost:10000", "http://localhost:9000"),
            ]);
        }
        for (origin, issuer) in addresses {
            for group in [None, group("/admin"), group("/")] {
                let plain = plan(target, origin, issuer);
                let application = Address { host: "app.internal".to_owned(), port: 80 };
                let hosts = [plain.found.hosts.clone(), vec!["api.example.com:8443".to_owned()]].concat();
                let found = Discovered {
                    hosts,
                    algorithms: vec![Algorithm::ES384],
                    method: Some("client_secret_post"),
                    sign_out: true,
                    groups_scope: true,
                };
                plans.push(Plan { application, found, group: group.clone(), ..plain.clone() });
                plans.push(Plan { group, ..plain });
            }
        }
    }
    plans
}

#[test]
fn what_it_writes_is_accepted_by_the_filter_and_the_check_finds_nothing() {
    let plans = plans();
    assert!(plans.len() > 40);
    for plan in plans {
        let text = text(&plan).unwrap();
        assert_eq!(check::mistakes(&text, &Environment::default()), Vec::<String>::new(), "{plan:?}");
        let gateway = understood(&plan).unwrap_or_else(|trouble| panic!("{plan:?}: {trouble:?}"));
        let settings = &gateway.settings;
        assert_eq!(settings.origins.iter().map(ToString::to_string).collect::<Vec<_>>(), [plan.origin.as_str()]);
        let provider = &settings.providers[0].oidc;
        assert_eq!((provider.issuer(), provider.client_id.as_str()), (plan.issuer.as_str(), "app"));
        assert_eq!((settings.sign_out.at_provider, provider.response_mode), (plan.found.sign_out, ResponseMode::Query));
        assert_eq!(provider.authentication.method(), plan.found.method.unwrap_or("client_secret_basic"));
        for host in &plan.found.hosts {
            let url = Url::parse(&format!("https://{host}/token")).unwrap();
            assert_eq!(provider.clusters.reaching(&url), Some("provider"), "{host}");
        }
    }
}

#[test]
fn every_line_but_a_few_is_one_that_is_shipped() {
    let files = ["envoy/bff.yaml", "deploy/compose/envoy/bff.yaml", "deploy/kubernetes/base/envoy.yaml"];
    let shipped = files.map(|path| fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()).concat();
    for target in TARGETS {
        let text = text(&plan(target, "https://app.example.com", "https://sso.example.com")).unwrap();
        let is_own = |line: &&str| !line.starts_with('#') && !shipped.lines().any(|other| other == *line);
        let own: Vec<_> = text.lines().filter(is_own).collect();
        assert!(text.lines().count() > 150 && own.len() < 18, "{own:#?}");
        assert!(text.contains("\noverload_manager:") && text.contains("failure_policy: FAIL_RELOAD"), "{text}");
        assert!(!text.contains("demo") && !text.contains("oracle"), "{text}");
    }
}

#[test]
fn a_value_cannot_become_another_line_or_another_field() {
    let hostile = "x\", client_secret: \"known";
    let plan = Plan {
        client_id: hostile.to_owned(),
        group: group("/a\"}]"),
        ..plan(Target::Laptop, "http://localhost:10000", "https://sso.example.com")
    };
    let gateway = understood(&plan).unwrap();
    assert_eq!(gateway.settings.providers[0].oidc.client_id, hostile);
    assert_eq!(gateway.settings.providers[0].oidc.authentication.method(), "client_secret_basic");
}

#[test]
fn the_documents_words_become_hosts_algorithms_and_the_way_to_authenticate() {
    let issuer = Url::parse("https://sso.example.com").unwrap();
    let accepted = [Algorithm::RS256, Algorithm::ES256];
    let found = |members: Value| Discovered::of_document(&issuer, members.as_object().unwrap(), &accepted);
    assert_eq!(found(json!({})), Discovered::nothing(&issuer));
    let told = found(json!({
        "authorization_endpoint": "https://login.example.com/auth",
        "token_endpoint": "https://sso.example.com/token",
        "jwks_uri": "https://keys.example.com:8443/jwks",
        "userinfo_endpoint": "http://plain.example.com/me",
        "end_session_endpoint": "https://login.example.com/end",
        "id_token_signing_alg_values_supported": ["HS256", "ES384", "none"],
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "scopes_supported": ["openid", "groups"],
    }));
    let expected = Discovered {
        hosts: vec!["sso.example.com".to_owned(), "keys.example.com:8443".to_owned()],
        algorithms: vec![Algorithm::ES384],
        method: Some("client_secret_post"),
        sign_out: true,
        groups_scope: true,
    };
    assert_eq!(told, expected);
    for good in [json!(["RS256", "ES384"]), json!(["ES256"]), json!([])] {
        assert_eq!(found(json!({"id_token_signing_alg_values_supported": good})).algorithms, []);
    }
}

/// Runs it with these options in a folder, for somebody who answers with these lines.
fn begun(folder: &Folder, change: impl FnOnce(&mut Init), lines: &str) -> (Result<Outcome, Trouble>, String) {
    let mut asked = Init {
        offline: true,
        client_secret_variable: "OIDC_CLIENT_SECRET".to_owned(),
        group_claim: "groups".to_owned(),
        module: "accredit.wasm".to_owned(),
        output: folder.path("envoy.yaml"),
        secrets: folder.path("accredit.env"),
        ..Init::default()
    };
    change(&mut asked);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let outcome = {
        let mut terminal = Terminal::new(&mut out, &mut err, Form::Words);
        begin(&asked, &mut Questions::answered(lines.as_bytes()), &mut terminal)
    };
    (outcome, String::from_utf8([out, err].concat()).unwrap())
}

const ANSWERS: &str = "\n127.0.0.1:9100\nhttps://sso.example.com\napp\nadmins\n/admin\n";

#[test]
fn a_person_is_asked_for_what_is_missing_and_the_key_is_in_no_file_that_others_read() {
    let folder = Folder::new("init");
    let (outcome, told) = begun(&folder, |_| {}, ANSWERS);
    assert!(matches!(outcome, Ok(Outcome::Fine)), "{outcome:?} {told}");
    for asked in
        ["The gateway's address, as in a browser [http://localhost:10000]: ", "The provider's issuer: ", "with a new key"]
    {
        assert!(told.contains(asked), "{told}");
    }
    let (yaml, secrets) =
        (fs::read_to_string(folder.path("envoy.yaml")).unwrap(), fs::read_to_string(folder.path("accredit.env")).unwrap());
    let key = secrets.lines().find_map(|line| line.strip_prefix("ACCREDIT_KEY=")).unwrap();
    assert!(key.len() == 44 && !yaml.contains(key) && !told.contains(key));
    assert!(yaml.contains("any_of: [\"admins\"]") && yaml.contains("path_separated_prefix: \"/admin\""), "{yaml}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(folder.path("accredit.env")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // A second time nothing is overwritten; with --force the key stays all the same.
    let (outcome, _) = begun(&folder, |_| {}, ANSWERS);
    assert!(matches!(&outcome, Err(Trouble::Told(told)) if told.contains("is there already")), "{outcome:?}");
    let (outcome, told) = begun(&folder, |asked| asked.force = true, ANSWERS);
    assert!(matches!(outcome, Ok(Outcome::Fine)) && told.contains("is as it was"), "{outcome:?} {told}");
    assert_eq!(fs::read_to_string(folder.path("accredit.env")).unwrap(), secrets);
}

#[test]
fn what_is_missing_or_wrong_is_told_and_nothing_is_written() {
    let folder = Folder::new("init-wrong");
    for (answers, said) in [
        ("", "expected --application, found none"),
        ("\nno-port\nhttps://sso.example.com\napp\n\n", "--application: expected HOST:PORT"),
        ("\n127.0.0.1:80\nsso.example.com\napp\n\n", "--issuer: expected an absolute https URL"),
        ("http://app.example.com\n127.0.0.1:80\nhttps://sso.example.com\napp\n\n", "the filter refuses"),
        ("\n127.0.0.1:80\nhttps://sso.example.com/.well-known/openid-configuration\napp\n\n", "the filter refuses"),
        ("\n127.0.0.1:80\nhttps://sso.example.com\na\u{7}b\n\n", "--client-id: expected one line of text"),
    ] {
        let (outcome, _) = begun(&folder, |_| {}, answers);
        assert!(matches!(&outcome, Err(Trouble::Told(told)) if told.contains(said)), "{said}: {outcome:?}");
    }
    let (outcome, _) = begun(&folder, |asked| asked.client_secret_variable = "s3cret-value".to_owned(), ANSWERS);
    assert!(matches!(&outcome, Err(Trouble::Told(told)) if !told.contains("s3cret")), "{outcome:?}");
    let (outcome, _) =
        begun(&folder, |asked| asked.target = Target::Kubernetes, "https://a.example\napp:80\nhttp://127.0.0.1:9000\napp\n\n");
    assert!(matches!(&outcome, Err(Trouble::Told(told)) if told.contains("expected https for Kubernetes")), "{outcome:?}");
    assert!(fs::metadata(folder.path("envoy.yaml")).is_err() && fs::metadata(folder.path("accredit.env")).is_err());
}

#[test]
fn the_file_of_the_secrets_is_never_the_one_that_is_overwritten() {
    let folder = Folder::new("init-same");
    let secrets = folder.file("accredit.env", "ACCREDIT_KEY=mine\n");
    fs::create_dir_all(folder.path("inside")).unwrap();
    let mut outputs = vec![secrets.clone(), folder.path("./accredit.env"), folder.path("inside/../accredit.env")];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&secrets, folder.path("linked.yaml")).unwrap();
        outputs.push(folder.path("linked.yaml"));
    }
    for output in outputs {
        let (outcome, _) = begun(&folder, |asked| (asked.output, asked.force) = (output.clone(), true), ANSWERS);
        let refused = matches!(&outcome, Err(Trouble::Told(told)) if told.contains("expected another file than --secrets"));
        assert!(refused, "{output}: {outcome:?}");
        assert_eq!(fs::read_to_string(&secrets).unwrap(), "ACCREDIT_KEY=mine\n");
    }
    // Also before any of them is there.
    let (outcome, _) = begun(&folder, |asked| asked.secrets = asked.output.clone(), ANSWERS);
    assert!(outcome.is_err() && fs::metadata(folder.path("envoy.yaml")).is_err(), "{outcome:?}");
}

#[cfg(unix)]
#[test]
fn kept_secrets_that_others_can_read_are_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new("init-open");
    let secrets = folder.file("accredit.env", "ACCREDIT_KEY=mine\n");
    for (mode, warned) in [(0o600, false), (0o640, true), (0o604, true), (0o400, false)] {
        fs::set_permissions(&secrets, fs::Permissions::from_mode(mode)).unwrap();
        let (outcome, told) = begun(&folder, |asked| asked.force = true, ANSWERS);
        assert_eq!(matches!(outcome, Ok(Outcome::Findings)), warned, "{mode:o} {outcome:?} {told}");
        assert_eq!(told.contains("look at this: others on this machine can read"), warned, "{mode:o} {told}");
        assert!(told.contains("is as it was") && fs::read_to_string(&secrets).unwrap() == "ACCREDIT_KEY=mine\n");
    }
}

#[test]
fn secrets_that_cannot_be_written_leave_no_file_of_the_gateway_either() {
    let folder = Folder::new("init-no-secrets");
    let (outcome, _) = begun(&folder, |asked| asked.secrets = folder.path("missing/accredit.env"), ANSWERS);
    assert!(matches!(&outcome, Err(Trouble::Told(told)) if told.contains("cannot be written")), "{outcome:?}");
    assert!(fs::metadata(folder.path("envoy.yaml")).is_err());
}
