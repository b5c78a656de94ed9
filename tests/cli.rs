//! The command `accredit` as a person or a script meets it: its help, its exit codes, and what it writes where.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Runs the command with these arguments and nothing on its standard input.
fn accredit(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_accredit")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// What a command that succeeds writes.
fn written(arguments: &[&str]) -> String {
    let output = accredit(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The names of the subcommands, as the help lists them.
fn subcommands() -> Vec<String> {
    let help = written(&["--help"]);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // The description of a command may go on in a second line, which is indented further.
    let names = listed.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?.split(' ').next());
    names.map(str::to_owned).collect()
}

#[test]
fn every_subcommand_has_a_help_with_an_example() {
    let names = subcommands();
    assert!(names.len() >= 2, "{names:?}");
    for name in names {
        let help = written(&[&name, "--help"]);
        assert!(help.contains("Example:\n  "), "{help}");
        assert!(help.contains(&format!("accredit {name}")), "{help}");
    }
}

/// Runs the command with a text on its standard input.
fn accredit_reading(arguments: &[&str], text: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_accredit"));
    let command = command.args(arguments).env_remove("ACCREDIT_KEY");
    let mut running = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = running.stdin.take().unwrap();
    // A command that fails early does not read it.
    let _ = input.write_all(text.as_bytes());
    drop(input);
    running.wait_with_output().unwrap()
}

#[test]
fn a_token_is_shown_without_its_signature_and_with_the_word_that_nothing_was_checked() {
    // {"alg":"none"} and {"exp":784111777,"sub":"alice"}
    let token = "eyJhbGciOiJub25lIn0.eyJleHAiOjc4NDExMTc3Nywic3ViIjoiYWxpY2UifQ.c2lnbmF0dXJl";
    let output = accredit_reading(&["token", "inspect"], &format!("Bearer {token}\n"));
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.starts_with("The signature was not checked"), "{told}");
    assert!(told.contains("exp: 784111777 (Sun, 06 Nov 1994 08:49:37 GMT)"), "{told}");
    assert!(!told.contains("c2lnbmF0dXJl"), "{told}");
}

#[test]
fn what_is_no_readable_token_is_refused_without_repeating_it() {
    for (text, said) in [
        ("a-secret-that-was-pasted", "it is opaque"),
        ("a.b.c.d.e", "it is encrypted"),
        ("a.b", "it has 2 parts"),
        ("e30.eyJhIjoxLCJhIjoyfQ.x", "a member comes twice"),
        ("e30.=.x", "is not base64url"),
    ] {
        let output = accredit_reading(&["token", "inspect"], text);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(said) && !told.contains("a-secret"), "{told}");
    }
}

#[test]
fn a_session_without_its_key_says_which_variable_is_missing() {
    let output = accredit_reading(&["session", "inspect"], "__Host-accredit=abc");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("the environment variable ACCREDIT_KEY is not set"), "{told}");
}

#[test]
fn what_cannot_be_done_is_told_on_standard_error_with_the_exit_code_2() {
    for (arguments, said) in [
        (vec![], "Usage:"),
        (vec!["chek"], "unrecognized subcommand 'chek'"),
        (vec!["reasons", "host_unknow"], "host_unknown"),
        (vec!["keygen", "a-key-that-somebody-has-already"], "unexpected argument"),
    ] {
        let output = accredit(&arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), b"".as_slice()), "{arguments:?}");
        assert!(told.contains(said), "{told}");
    }
}

#[test]
fn a_reader_who_has_read_enough_is_no_trouble() {
    let mut running = Command::new(env!("CARGO_BIN_EXE_accredit"))
        .args(["reasons", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(running.stdout.take());
    let output = running.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
}

#[test]
fn json_is_one_document_without_colours() {
    for arguments in [["reasons", "--json"], ["keygen", "--json"]] {
        let text = written(&arguments);
        assert!(serde_json::from_str::<Value>(&text).is_ok() && !text.contains('\u{1b}'), "{text}");
    }
}

#[test]
fn check_tells_each_mistake_with_its_place_and_an_exit_code() {
    let file = |name: &str| format!("{}/{name}", env!("CARGO_MANIFEST_DIR"));
    let (good, bad) = (file("envoy/bff.yaml"), file("tests/fixtures/check/fail-open.yaml"));
    let told = written(&["check", &good]);
    assert!(told.contains("0 errors, 0 warnings in 1 plugin, 1 file"), "{told}");
    let output = accredit(&["check", &good, &bad]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    let line = std::fs::read_to_string(&bad).unwrap().lines().position(|line| line.contains("# planted")).unwrap() + 1;
    assert!(told.contains(&format!("{bad}:{line}:33: error fail-open: ")), "{told}");
    let output = accredit(&["check", "--json", &bad]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &told["errors"], &told["findings"][0]["id"]), (Some(1), &1.into(), &"fail-open".into()));
    assert_eq!(accredit(&["check", "no-such-file.yaml"]).status.code(), Some(2));
}

#[test]
fn every_reason_is_listed_with_its_status_and_its_meaning() {
    let listed: Vec<Value> = serde_json::from_str(&written(&["reasons", "--json"])).unwrap();
    let ids: Vec<_> = listed.iter().map(|reason| reason["id"].as_str().unwrap()).collect();
    assert_eq!(ids, accredit::words::reason::Reason::ALL.iter().map(|reason| reason.id()).collect::<Vec<_>>());
    for reason in &listed {
        assert!(reason["status"].as_u64().is_some_and(|status| (400..600).contains(&status)), "{reason}");
        let meaning = reason["meaning"].as_str().unwrap();
        assert!(meaning.ends_with('.') && !meaning.starts_with(' ') && !meaning.contains("  "), "{reason}");
    }
    assert_eq!(written(&["reasons", "token_expired"]).lines().next(), Some("token_expired (401)"));
}

#[test]
fn each_key_is_new_and_seals_sessions() {
    let [key, other] = [(); 2].map(|()| written(&["keygen"]));
    assert_ne!(key, other);
    for key in [key, other] {
        assert_eq!(key.trim_end().len(), 44, "{key}");
        assert!(accredit::crypto::seal::Sealer::new(&[accredit::words::secret::Secret::new(key.trim_end())]).is_ok());
    }
}
