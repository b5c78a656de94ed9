//! The order of the house: a room uses only rooms on lower floors, files never use each other in a circle, no room is too large,
//! and each hard thing has one place. It is read from the sources, without their comments and string literals.
//!
//! Tests may also use rooms on the same floor, but only their `testing` modules.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice, clippy::arithmetic_side_effects)]

mod circles;
mod source;

use std::collections::BTreeMap;

use crate::source::{Line, Source, code_only, is_within};

/// Rooms, and the floor that each is on.
const FLOORS: [(&str, u8); 17] = [
    ("cli", 9),
    ("shell", 9),
    ("gateway", 8),
    ("sign_in", 7),
    ("authenticate", 6),
    ("upkeep", 5),
    ("step", 4),
    ("config", 3),
    ("oidc", 2),
    ("session", 2),
    ("access", 2),
    ("accounts", 2),
    ("revocations", 2),
    ("answer", 2),
    ("crypto", 1),
    ("http", 1),
    ("words", 0),
];

/// Folders inside rooms that are counted apart from their room. Each has a file of the same name beside it, which opens it.
const SUB_ROOMS: [&str; 51] = [
    "access::examples",
    "access::mcp",
    "access::requirement",
    "access::resources",
    "access::upstream",
    "cli::cases",
    "cli::check",
    "cli::check::around",
    "cli::desk",
    "cli::diff",
    "cli::diff::around",
    "cli::doctor",
    "cli::envoy",
    "cli::explain",
    "cli::init",
    "cli::reference",
    "cli::token",
    "cli::yaml",
    "config::access",
    "config::access::audit",
    "config::access::calls",
    "config::access::paths",
    "config::access::requirements",
    "config::access::resources",
    "config::pages",
    "config::providers",
    "config::reading",
    "config::sessions",
    "config::signing_in",
    "config::transmitters",
    "config::whole",
    "gateway::journeys",
    "gateway::journeys::ended_elsewhere",
    "gateway::resources",
    "oidc::bearer",
    "oidc::discovery",
    "oidc::logout",
    "oidc::security_event",
    "oidc::token",
    "oidc::userinfo",
    "session::attempt",
    "session::ended",
    "session::ended::shared",
    "session::remembered",
    "shell::host",
    "sign_in::redeem",
    "sign_in::under_way",
    "step::answers",
    "step::event",
    "upkeep::refresh",
    "upkeep::revocations",
];

/// The one file that calls the host by pointers.
const MAY_BE_UNSAFE: &str = "shell/host_calls.rs";

/// The one `static`: the allocator, which every program has, whether it names it or not.
const ALLOCATOR: (&str, &str) = ("shell.rs", "static ALLOCATOR: ::dlmalloc::GlobalDlmalloc = ::dlmalloc::GlobalDlmalloc;");

/// A file with more lines is usually two files.
const MOST_LINES: usize = 400;

/// The most lines of a sub-room, or of a room without its sub-rooms, so that somebody can keep it in mind. Tests do not count.
const MOST_LINES_OF_A_ROOM: usize = 1_600;

/// Whether `word` stands in `code`, and not as a part of another name.
fn names(code: &str, word: &str) -> bool {
    let of_name = |character: Option<char>| character.is_some_and(|character| character.is_alphanumeric() || character == '_');
    code.match_indices(word)
        .any(|(at, _)| !of_name(code[..at].chars().next_back()) && !of_name(code[at + word.len()..].chars().next()))
}

/// Every `crate::` path in a line, without `crate::`.
fn crate_paths(code: &str) -> Vec<&str> {
    let paths = code.match_indices("crate::").map(|(at, crate_)| &code[at + crate_.len()..]);
    paths
        .map(|rest| {
            let end = rest.find(|character: char| !(character.is_alphanumeric() || matches!(character, '_' | ':')));
            &rest[..end.unwrap_or(rest.len())]
        })
        .collect()
}

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

/// Why a line of a file in this room climbs, if it does: it uses a room that is not on a lower floor.
fn climbs(room: &str, is_room_itself: bool, line: &Line<'_>) -> Option<String> {
    let own = floor(room).unwrap();
    for path in crate_paths(line.code) {
        let target = path.split("::").next().unwrap();
        let helper = line.of_tests && path.split("::").any(|part| part == "testing");
        match floor(target) {
            None => return Some(format!("crate::{path} names no room; write one path per line, from the room on")),
            Some(theirs) if target != room && theirs >= own && !(helper && theirs == own) => {
                return Some(format!("{room} is on floor {own} and may not use {target} on floor {theirs}"));
            }
            Some(_) => {}
        }
    }
    // A path with `super::` must not leave the room either. Tests stand one module deeper.
    let upwards = line.code.contains("super::super::") || (is_room_itself && line.code.contains("super::"));
    (upwards && !line.of_tests).then(|| "write crate:: and the room instead of super::super::".to_owned())
}

/// What `look` complains about, for every line of all sources, with the place of each.
fn complaints(look: impl Fn(&Source, &Line<'_>) -> Option<String>) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in Source::all() {
        source.each_line(|line| {
            complaints.extend(look(&source, line).map(|what| format!("src/{}:{}: {what}", source.path, line.number)));
        });
    }
    complaints
}

#[test]
fn a_room_uses_only_rooms_on_lower_floors() {
    let found = complaints(|source, line| {
        let room = source.room()?;
        if floor(room).is_none() {
            return Some(format!("{room} is on no floor; give it one in tests/floors/main.rs"));
        }
        climbs(room, source.path == format!("{room}.rs"), line)
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn no_file_uses_itself_by_way_of_others() {
    assert_eq!(circles::circles(&circles::uses(&Source::all())), Vec::<String>::new());
}

#[test]
fn no_sub_room_uses_itself_by_way_of_others() {
    // This one use is no part of a circle: `oidc::provider` holds which bearer tokens are accepted, and the rest of `oidc::bearer`
    // calls providers.
    let mut uses = circles::uses(&Source::all());
    let held = uses.get_mut("oidc::provider").is_some_and(|used| used.remove("oidc::bearer::accepted"));
    assert!(held, "oidc::provider no longer uses oidc::bearer::accepted: remove this exception");
    let uses = circles::by_sub_room(&uses, &SUB_ROOMS);
    assert_eq!(circles::circles(&uses), Vec::<String>::new());
}

/// The innermost sub-room that a file belongs to, or else its room.
fn smallest_room(source: &Source) -> Option<String> {
    let module = source.module();
    let sub_room = SUB_ROOMS.iter().filter(|sub_room| is_within(&module, sub_room)).max_by_key(|sub_room| sub_room.len());
    sub_room.map(|sub_room| (*sub_room).to_owned()).or_else(|| source.room().map(str::to_owned))
}

#[test]
fn no_room_and_no_sub_room_is_too_large_to_keep_in_mind() {
    let mut lengths = BTreeMap::<_, usize>::new();
    for source in Source::all() {
        if let Some(room) = smallest_room(&source) {
            *lengths.entry(room).or_default() += source.length();
        }
    }
    let too_large: Vec<_> = lengths.iter().filter(|(_, length)| **length > MOST_LINES_OF_A_ROOM).collect();
    assert_eq!(too_large, Vec::new(), "group its files by subject, and name the new sub-room in SUB_ROOMS");
    // Each sub-room is there, and has more than the file that opens it.
    let counted: Vec<_> =
        SUB_ROOMS.iter().map(|sub_room| (sub_room, lengths.get(*sub_room).copied().unwrap_or_default())).collect();
    assert!(counted.iter().all(|(_, length)| *length > 100), "{counted:?}");
}

#[test]
fn only_the_shell_knows_envoy() {
    let found = complaints(|source, line| {
        let foreign = source.room() != Some("shell") && names(line.code, "proxy_wasm");
        foreign.then(|| "proxy_wasm is not for this file".to_owned())
    });
    assert_eq!(found, Vec::<String>::new());
}

/// What reaches files, other processes, the network and the terminal, and the crates that only the command line uses.
const OF_THE_MACHINE: [&str; 11] =
    ["std::fs", "std::process", "TcpStream", "stdin", "stdout", "stderr", "clap", "ring", "rustls", "saphyr_parser", "ureq"];

#[test]
fn only_the_command_line_touches_files_processes_network_and_terminal() {
    let found = complaints(|source, line| {
        let elsewhere = source.path != "bin/accredit.rs" && source.room() != Some("cli") && !line.of_tests;
        let word = OF_THE_MACHINE.into_iter().find(|word| names(line.code, word)).filter(|_| elsewhere)?;
        Some(format!("{word} is for src/cli/ alone"))
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn only_the_shells_host_calls_may_be_unsafe() {
    let found = complaints(|source, line| {
        let not_here = source.path != MAY_BE_UNSAFE && ["unsafe", "unsafe_code"].into_iter().any(|word| names(line.code, word));
        not_here.then(|| format!("what is not safe is for src/{MAY_BE_UNSAFE} alone"))
    });
    assert_eq!(found, Vec::<String>::new());
    // That file is still there, and does call the host.
    let mut blocks = 0;
    let of_file = |source: &Source| source.path == MAY_BE_UNSAFE;
    Source::all()
        .iter()
        .find(|source| of_file(source))
        .unwrap()
        .each_line(|line| blocks += usize::from(names(line.code, "unsafe")));
    assert!(blocks > 10, "{blocks}");
}

#[test]
fn calls_of_the_host_by_the_sdk_are_those_to_others() {
    let found = complaints(|source, line| {
        let sdks = source.path != "shell/calls.rs" && names(line.code, "hostcalls");
        sdks.then(|| format!("the SDK's stop the worker on a status that they do not list; src/{MAY_BE_UNSAFE} has others"))
    });
    assert_eq!(found, Vec::<String>::new());
}

/// Whether this line of the file at `path` declares state that all configurations in a worker would share.
fn is_shared_state(path: &str, line: &Line<'_>) -> bool {
    let mut words = line.code.split_whitespace().skip_while(|word| word.starts_with("pub"));
    let item = words.next() == Some("static") || names(line.code, "thread_local");
    item && !line.of_tests && (path, line.code.trim()) != ALLOCATOR
}

#[test]
fn there_is_no_state_but_the_gateway() {
    let found = complaints(|source, line| {
        is_shared_state(&source.path, line).then(|| "plugins with one vm_id share a VM, and would share this".to_owned())
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn every_file_says_what_it_is_for_and_is_short_enough_to_read() {
    let mut found = Vec::new();
    for source in Source::all() {
        let lines = source.text.lines().count();
        if lines > MOST_LINES {
            found.push(format!("src/{}: {lines} lines; it is probably two files", source.path));
        }
        if !source.is_of_tests() && !source.text.starts_with("//! ") {
            found.push(format!("src/{}: it does not open with a comment for the whole file", source.path));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn no_static_but_the_allocator_itself_in_its_own_file_is_accepted() {
    let (path, allocator) = ALLOCATOR;
    for (path, code, refused) in [
        (path, allocator, false),
        ("gateway.rs", allocator, true),
        (path, "static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;", true),
        (path, "pub(crate) static SEEN: AtomicU64 = AtomicU64::new(0);", true),
        (path, "thread_local! {", true),
    ] {
        assert_eq!(is_shared_state(path, &Line { number: 1, code, of_tests: false }), refused, "{path}: {code}");
    }
}

#[test]
fn what_follows_a_field_that_only_tests_have_is_no_test() {
    let text = "struct A {\n    #[cfg(test)]\n    seen: u8,\n}\nfn f() {\n    g();\n}\n#[cfg(test)]\nmod tests {\n    h();\n}\n";
    let mut of_tests = Vec::new();
    Source { path: "access/path.rs".to_owned(), text: text.to_owned() }.each_line(|line| of_tests.push(line.of_tests));
    assert_eq!(of_tests, [false, true, true, true, false, false, false, true, true, true, true]);
}

#[test]
fn this_test_finds_what_it_looks_for() {
    let text = "use crate::a::b; // crate::c\nlet x = \"crate::d {\"; let y = '{'; /* crate::e */ fn f<'a>() {}\nr#\"crate::g\"#";
    let code = code_only(text);
    assert_eq!(code.lines().flat_map(crate_paths).collect::<Vec<_>>(), ["a::b"]);
    assert_eq!(code.matches('{').count(), 1);
    let line = |code: &'static str, of_tests: bool| Line { number: 1, code, of_tests };
    for (room, code, of_tests, refused) in [
        ("step", "use crate::session::cookie;", false, false),
        ("step", "use crate::step::event::Event;", false, false),
        ("session", "crate::access::path::check(x)", false, true),
        ("session", "use crate::step::event::Event;", false, true),
        ("words", "use crate::{step, session};", false, true),
        ("session", "use super::super::access::path;", false, true),
        ("session", "use crate::oidc::testing::provider;", true, false),
        ("session", "use crate::oidc::testing::provider;", false, true),
        ("session", "use crate::oidc::provider::Provider;", true, true),
        ("session", "use crate::step::testing::x;", true, true),
    ] {
        assert_eq!(climbs(room, false, &line(code, of_tests)).is_some(), refused, "{room}: {code}");
    }
    let text = "//! What it is.\n\nuse a::b;\n\n#[cfg(test)]\nmod tests {\n\n    use c::d;\n}\n".to_owned();
    assert_eq!(Source { path: "a.rs".into(), text: text.clone() }.length(), 4);
    assert_eq!(Source { path: "a/tests.rs".into(), text }.length(), 0);
    let room = |path: &str| smallest_room(&Source { path: path.into(), text: String::new() });
    let files = ["oidc/bearer.rs", "oidc/bearer/accepted.rs", "oidc/bearers.rs", "lib.rs"];
    assert_eq!(
        files.map(room),
        [Some("oidc::bearer"), Some("oidc::bearer"), Some("oidc"), None].map(|room| room.map(str::to_owned))
    );
    assert!(climbs("session", true, &line("use super::access;", false)).is_some());
    assert!(names("use proxy_wasm::x", "proxy_wasm") && !names("my_proxy_wasm_x", "proxy_wasm"));
}
