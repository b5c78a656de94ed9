mod cors;
mod mcp;
mod rules;
mod same_words;
mod store;

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cli::check::Checked;
use crate::cli::environment::Environment;
use crate::cli::findings::{Finding, Id, Level};

/// Variables as the shipped files name them, for a gateway on this machine.
const LOOPBACK: &str = "ACCREDIT_ORIGIN=http://localhost:10000\nOIDC_ISSUER=http://127.0.0.1:9000\nOIDC_CLIENT_ID=gateway\n\
                        FRONT_ORIGIN=http://localhost:9200\nFRONT_CALLBACK=http://localhost:9200/auth/callback\n";

/// The same for a gateway that others can reach.
const PUBLIC: &str = "ACCREDIT_ORIGIN=https://api.example.com\nOIDC_ISSUER=https://sso.example.com\nOIDC_CLIENT_ID=gateway\n\
                      FRONT_ORIGIN=https://app.example.com\nFRONT_CALLBACK=https://app.example.com/auth/callback\n";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn checked(file: &str, text: &str, variables: &str) -> Checked {
    let mut all = Checked::default();
    all.add(file, text, &Environment::new(variables, false).unwrap());
    all.finish(&[file.to_owned()]);
    all
}

/// What is found, without notes, as `line:column id path: sentence`.
fn found(text: &str, variables: &str) -> Vec<String> {
    let counts = |finding: &&Finding| finding.id.level() != Level::Note;
    let shown = |finding: &Finding| {
        let Finding { id, spot, path, sentence, .. } = finding;
        format!("{}:{} {} {path}: {sentence}", spot.line, spot.column, id.name())
    };
    checked("file.yaml", text, variables).findings.iter().filter(counts).map(shown).collect()
}

fn yaml_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("node_modules") {
            yaml_files(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
            files.push(path);
        }
    }
}

#[test]
fn it_says_nothing_about_a_shipped_file() {
    let mut files = Vec::new();
    ["envoy", "deploy"].iter().for_each(|folder| yaml_files(&root().join(folder), &mut files));
    assert!(files.len() > 30, "{files:?}");
    let mut with_plugin = 0;
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        // An Envoy of Kubernetes, or of a fleet, ends TLS itself, and the file that Envoy Gateway makes is for one public host.
        let public =
            ["kubernetes/base/envoy.yaml", "components/redis/envoy.yaml", "fleet/envoy.yaml", "envoy-gateway/envoy.yaml"]
                .iter()
                .any(|file| path.ends_with(file));
        let all = checked(&path.display().to_string(), &text, if public { PUBLIC } else { LOOPBACK });
        let counts = |finding: &&Finding| finding.id.level() != Level::Note && finding.id != Id::NoPlugin;
        assert_eq!(all.findings.iter().filter(counts).collect::<Vec<_>>(), Vec::<&Finding>::new());
        with_plugin += all.plugins;
    }
    assert!(with_plugin >= 15, "{with_plugin}");
}

#[test]
fn each_planted_mistake_is_found_in_its_file_and_nothing_else() {
    let folder = root().join("tests/fixtures/check");
    let (mut planted, mut wrong) = (Vec::new(), Vec::new());
    yaml_files(&folder, &mut planted);
    let mut ids: Vec<_> = Id::ALL.iter().map(|id| id.name()).collect();
    for path in planted {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        // Where it is planted.
        let lines: Vec<_> =
            text.lines().enumerate().filter(|(_, line)| line.contains("# planted")).map(|(index, _)| index + 1).collect();
        let mut all = checked(name, &text, PUBLIC).findings;
        // Not every machine has the authorities there.
        all.retain(|finding| !finding.sentence.contains("is not on this machine"));
        let told: Vec<_> = all.iter().map(|finding| (finding.id.name(), finding.spot.line)).collect();
        let found: Vec<_> =
            all.iter().map(|finding| (finding.id.name(), finding.spot.line)).filter(|(id, _)| *id == name).collect();
        let expected: Vec<_> = lines.iter().map(|line| (name, *line)).collect();
        if expected.is_empty() || found != expected || told != expected {
            wrong.push(format!("{name}: planted in {lines:?}, found {all:#?}"));
        }
        ids.retain(|id| *id != name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(ids, Vec::<&str>::new(), "no file in tests/fixtures/check has these");
}

#[test]
fn it_says_nothing_about_an_example_of_the_documentation() {
    let mut examples = 0;
    for file in fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()) {
        let Some(text) = file.extension().filter(|ending| *ending == "md").map(|_| fs::read_to_string(&file).unwrap()) else {
            continue;
        };
        let blocks = text.split("```yaml\n").skip(1).filter_map(|behind| Some(behind.split_once("```")?.0));
        for block in blocks.filter(|block| block.starts_with("origins:")) {
            // Variables that hold no secret are not set here.
            let told: Vec<_> = found(block, PUBLIC).into_iter().filter(|line| !line.contains(" variable-not-set ")).collect();
            // One example shows how rules can surprise, among them one that is narrower than it looks.
            let is_meant =
                |line: &String| file.ends_with("command-line.md") && line.contains(" rule-narrow rules[2].match.path: ");
            assert!(told.iter().all(is_meant), "{}: {told:#?} {block}", file.display());
            examples += 1;
        }
    }
    assert!(examples > 15, "{examples}");
}

#[test]
fn what_only_looks_like_a_mistake_is_not_told() {
    let mut files = Vec::new();
    yaml_files(&root().join("tests/fixtures/innocent"), &mut files);
    for path in &files {
        assert_eq!(found(&fs::read_to_string(path).unwrap(), PUBLIC), Vec::<String>::new(), "{}", path.display());
    }
    assert!(!files.is_empty());
}

#[test]
fn each_refusal_has_the_line_that_it_is_about() {
    let text = "origins: [http://localhost:10000]\nproviders:\n- name: demo\n  issuer: http://127.0.0.1:9000\n  clusters: {\"127.0.0.1:9000\": provider}\n  client_id: demo\n  client_secrt: some-text\nsession: {keys: [{environment_variable: KEY}]}\nrules:\n- match: {path: /a}\n  require: publik\n- match:\n    path: a\n  require: {claim: groups, any_of: []}\n";
    let told = found(text, "");
    let begins = [
        "7:3 refused providers[0].client_secrt: ",
        "11:3 refused rules[0].require: ",
        "13:5 refused rules[1].match.path: ",
        "14:28 refused rules[1].require.any_of: ",
    ];
    assert_eq!(told.len(), begins.len(), "{told:#?}");
    for begin in begins {
        assert!(told.iter().any(|line| line.starts_with(begin)), "{begin} is not in {told:#?}");
    }
}

#[test]
fn words_are_what_envoy_reads() {
    let text = fs::read_to_string(root().join("envoy/bff.yaml")).unwrap();
    let changed =
        text.replace("filter_state: [subject, rule]", "filter_state: [subject, rule]\n                    shared_cache: yes");
    let told = found(&changed, LOOPBACK);
    assert!(matches!(told.as_slice(), [only] if only.contains("refused shared_cache: ")), "{told:?}");
}

#[test]
fn a_rule_that_allows_encoded_slashes_needs_envoy_to_keep_them_and_no_other_may() {
    let text = fs::read_to_string(root().join("envoy/bff.yaml")).unwrap();
    let allowing = text.replacen("- match: {path: ", "- match: {path_separated_prefix: /files}\n                      allow_in_path: [\"%2F\"]\n                      require: authenticated\n                    - match: {path: ", 1);
    let keeping = |text: &str| {
        text.replace("path_with_escaped_slashes_action: REJECT_REQUEST", "path_with_escaped_slashes_action: KEEP_UNCHANGED")
    };
    assert_ne!(allowing, text);
    let wrong = |text: &str| found(text, LOOPBACK);
    assert_eq!([wrong(&text), wrong(&keeping(&allowing))], [Vec::<String>::new(), Vec::new()]);
    assert!(matches!(wrong(&allowing).as_slice(), [only] if only.contains("not-normalized") && only.contains("KEEP_UNCHANGED")));
    assert!(
        matches!(wrong(&keeping(&text)).as_slice(), [only] if only.contains("not-normalized") && only.contains("REJECT_REQUEST"))
    );
    let unescaping = allowing.replace("REJECT_REQUEST", "UNESCAPE_AND_FORWARD");
    assert!(matches!(wrong(&unescaping).as_slice(), [only] if only.contains("KEEP_UNCHANGED")));
}

#[test]
fn a_token_that_envoy_adds_is_an_error_only_where_envoy_begins_the_request_again_and_nothing_is_kept() {
    let text = fs::read_to_string(root().join("tests/fixtures/check/internal-redirect.yaml")).unwrap();
    let add = |name: &str, value: &str| format!("[{{header: {{key: {name}, value: {value}}}}}]");
    let on_route = |headers: &str| {
        let (route, policy) = ("                route: {cluster: application, ", "internal_redirect_policy: ");
        text.replace(&format!("{route}{policy}"), &format!("                request_headers_to_add: {headers}\n{route}{policy}"))
    };
    let adding = on_route(&add("authorization", "Bearer x"));
    let upstream = |filter: &str| {
        let filters = format!("    typed_extension_protocol_options:\n      http:\n        http_filters: [{filter}]\n");
        text.replace("\n  - name: application\n", &format!("\n  - name: application\n{filters}"))
    };
    let named = |kind: &str, config: &str| upstream(&format!("{{name: envoy.filters.http.{kind}, typed_config: {config}}}"));
    let elsewhere =
        adding.replace("cluster: application, internal_redirect_policy: {max_internal_redirects: 1}", "cluster: application");
    let kept =
        adding.replace("                    rules:", "                    internal_redirects: true\n                    rules:");
    let accepts_none = adding.replace("                      bearer: {audiences: [gateway], algorithms: [RS256]}\n", "");
    for (text, expected) in [
        (&adding, true),
        (&upstream("{name: envoy.filters.http.credential_injector}"), true),
        (&named("gcp_authn", "{}"), true),
        (&named("gcp_authn", "{token_header: {name: x-token}}"), false),
        (&named("oauth2", "{config: {forward_bearer_token: true}}"), true),
        (&named("oauth2", "{config: {}}"), false),
        (&named("aws_request_signing", "{}"), false),
        (&on_route(&add("authorization", "Basic x")), false),
        (&on_route(&add("x-upstream-token", "Bearer x")), false),
        (&elsewhere, false),
        (&kept, false),
        (&accepts_none, false),
    ] {
        let told = found(text, PUBLIC);
        assert_eq!(told.iter().any(|line| line.contains(" token-added ")), expected, "{told:#?} {text}");
    }
}

#[test]
fn what_a_transmitter_needs_of_envoy_is_looked_at_as_for_a_provider() {
    let text = fs::read_to_string(root().join("tests/fixtures/check/buffer-not-on-route.yaml")).unwrap();
    let with = |clusters: &str| {
        let events = format!(
            "security_events: /api/token}}\n                    transmitters: [{{issuer: https://sso.example.com/events, providers: [sso]{clusters}}}]\n"
        );
        let text = text.replace("authorize: /api/authorize, token: /api/token}\n", &events);
        let lines = text.replace("                      redirect_uri: https://front.example.com/auth/callback\n", "");
        found(&lines, PUBLIC)
    };
    let own = with("");
    assert!(own.iter().any(|line| line.contains(" buffer-not-on-route ") && line.contains("/api/token")), "{own:#?}");
    assert!(!own.iter().any(|line| line.contains("cluster-missing") || line.contains("refused")), "{own:#?}");
    let missing = with(", clusters: provder");
    let told = |line: &String| line.contains(" cluster-missing transmitters[0].clusters: ") && line.contains("provder");
    assert!(missing.iter().any(told), "{missing:#?}");
}

#[test]
fn no_secret_is_ever_printed() {
    let secret = "c2VjcmV0LXRoYXQtbm9ib2R5LW1heS1zZWUtMTIzNDU2Nzg5MA==";
    let text = format!(
        "origins: [{{environment_variable: SECRET}}]\nproviders:\n- name: {{environment_variable: SECRET}}\n  issuer: {secret}\n  client_secret: {secret}\n  clusters: {secret}\nsession: {{keys: [{secret}, {secret}, {{environment_variable: SECRET}}]}}\nrules:\n- match: {{path: x}}\n"
    );
    let variables = format!("SECRET={secret}");
    let all = checked("file.yaml", &text, &variables);
    assert!(all.findings.len() > 4, "{:?}", all.findings);
    let shown: Vec<_> = all.findings.iter().collect();
    let mut written = Vec::new();
    let mut trouble = Vec::new();
    let mut terminal = crate::cli::terminal::Terminal::new(&mut written, &mut trouble, crate::cli::terminal::Form::Words);
    all.in_words(&shown, 1, &mut terminal).unwrap();
    let words = String::from_utf8(written).unwrap();
    for output in [words, all.as_json(&shown, 1).to_string()] {
        assert!(!output.contains("c2VjcmV0"), "{output}");
    }
}

#[test]
fn a_secret_that_is_missing_gets_a_stand_in_of_its_kind_and_the_output_says_so() {
    let text = "origins: [https://a.example]\nsession:\n  keys: [{environment_variable: KEY}]\n  form: jwt\n  jwt: {algorithm: ES256, keys: [{environment_variable: SIGNS}], bearer: true}\nproviders: []\n";
    let all = checked("file.yaml", text, "");
    assert_eq!(all.findings, []);
    assert_eq!(all.stood_in, ["KEY", "SIGNS"]);
    // An address is no secret: nobody can make one up.
    assert_eq!(
        found("origins: [{environment_variable: ORIGIN}]\nproviders: []\n", "")
            .iter()
            .filter(|line| line.contains("variable-not-set origins[0]"))
            .count(),
        1
    );
}

#[test]
fn a_private_key_whose_parts_do_not_belong_together_is_refused_as_when_envoy_loads_it() {
    let pem = include_str!("../../crypto/testdata/for-tests-only-rsa1.pem");
    let encoded: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let mut der = STANDARD.decode(encoded).unwrap();
    // Behind the modulus, in the private exponent.
    der[400] ^= 1;
    let other = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
    for (pem, refused) in [(pem, 0), (&other, 1)] {
        let text = serde_json::json!({
            "origins": ["https://app.example.com"],
            "providers": [{
                "name": "sso", "issuer": "https://sso.example.com", "clusters": "provider", "client_id": "gateway",
                "client_secret": {"environment_variable": "SECRET"},
            }],
            "session": {
                "keys": [{"environment_variable": "KEY"}], "form": "jwt",
                "jwt": {"algorithm": "RS256", "keys": [pem], "claims": ["email", "email_verified"]},
            },
        });
        let told = found(&text.to_string(), "");
        let of_key = |line: &&String| line.contains("refused session.jwt.keys[0]: expected a private key that signs");
        assert_eq!(told.iter().filter(of_key).count(), refused, "{told:?}");
        assert_eq!(told.iter().filter(|line| line.contains(" refused ")).count(), refused, "{told:?}");
    }
}

#[test]
fn variables_are_read_from_a_file_as_a_shell_writes_them() {
    let text = "origins: [{environment_variable: ORIGIN}]\nsession: {keys: [{environment_variable: KEY}]}\nproviders: []\n";
    let lines = "# a comment\n\nexport ORIGIN='https://a.example'\n";
    assert!(found(text, lines).iter().all(|line| !line.contains("ORIGIN")), "{:?}", found(text, lines));
    assert_eq!(Environment::new("A=1\nnonsense\n", false).err(), Some(2));
}

#[test]
fn a_file_without_the_filter_is_not_called_good() {
    assert!(found("services: {}\n", "").first().is_some_and(|line| line.starts_with("1:1 no-plugin")));
}

#[test]
fn the_documentation_has_every_id_with_its_level_and_every_link_leads_somewhere() {
    let documented = fs::read_to_string(root().join("docs/command-line.md")).unwrap();
    let rows: Vec<_> = documented.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | ")).collect();
    let expected: Vec<_> = Id::ALL.iter().map(|id| (id.name(), id.level().name())).collect();
    let of_table: Vec<_> = rows
        .iter()
        .filter_map(|(name, rest)| Some((*name, rest.split_once(" | ")?.0)))
        .filter(|(_, level)| ["error", "warning", "note"].contains(level))
        .collect();
    assert_eq!(of_table, expected);
    let of_doctor = crate::cli::doctor::findings::Id::ALL.iter().map(|id| id.link());
    for link in Id::ALL.iter().map(|id| id.link()).chain(of_doctor) {
        let (file, section) = link.split_once('#').unwrap_or((link, ""));
        let text = fs::read_to_string(root().join(file)).unwrap();
        let slug = |line: &str| {
            let kept = line.trim_start_matches('#').trim().to_lowercase();
            kept.chars()
                .filter(|sign| sign.is_alphanumeric() || matches!(sign, ' ' | '-' | '_'))
                .collect::<String>()
                .replace(' ', "-")
        };
        assert!(section.is_empty() || text.lines().any(|line| line.starts_with('#') && slug(line) == section), "{link}");
    }
}
