//! Tests that what is pinned in several places is the same: the version of the compiler, those of the crates that the fuzzers are
//! built with, and the features of the crates that the command line shares with the module. It never looks at whether there are
//! newer versions.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The value of the first line `name = "value"`.
fn member(toml: &str, name: &str) -> String {
    let value = toml.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {name}")).trim().trim_matches('"').to_owned()
}

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let paths = read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.to_string_lossy().ends_with(ending)).collect()
}

/// The versions in a file's images of Rust: `1.95.0` of `rust:1.95.0-slim-bookworm`.
fn images_of_rust(text: &str) -> Vec<&str> {
    let of_version = |sign: char| sign == '.' || sign.is_ascii_digit();
    let behind = text.split(" rust:").skip(1);
    behind.map(|rest| rest.split(|sign| !of_version(sign)).next().unwrap_or_default()).collect()
}

fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|number| number.parse().unwrap_or_else(|_| panic!("{version} is no full version"))).collect()
}

/// `name version` of each package in a lock file.
fn locked(lock: &str) -> Vec<String> {
    let packages = lock.split("[[package]]").skip(1);
    packages.map(|package| [member(package, "name"), member(package, "version")].join(" ")).collect()
}

#[test]
fn the_same_compiler_builds_the_module_everywhere() {
    let pinned = member(&text("rust-toolchain.toml"), "channel");
    assert_eq!(numbers(&pinned).len(), 3, "{pinned}: a release is the same bytes only with one compiler");
    let oldest = member(&text("Cargo.toml"), "rust-version");
    assert!(numbers(&pinned) >= numbers(&oldest), "{pinned} is older than rust-version = {oldest:?}");

    let mut others = Vec::new();
    for path in [files("deploy/images", ".Dockerfile"), files(".github/workflows", ".yml")].concat() {
        others.extend(images_of_rust(&text(&path)).into_iter().map(|version| (path.display().to_string(), version.to_owned())));
    }
    assert!(others.len() >= 2, "found {others:?}");
    others.retain(|(_, version)| *version != pinned);
    assert_eq!(others, [], "the others have {pinned}");
}

#[test]
fn the_fuzzers_are_built_with_the_same_versions_of_crates_as_the_filter() {
    let (ours, of_fuzzers) = (locked(&text("Cargo.lock")), locked(&text("fuzz/Cargo.lock")));
    let name = |package: &String| package.split(' ').next().map(str::to_owned);
    let shared: Vec<_> = of_fuzzers.iter().filter(|theirs| ours.iter().any(|our| name(our) == name(theirs))).collect();
    assert!(shared.len() > 50, "found {shared:?}");
    let other: Vec<_> = shared.into_iter().filter(|theirs| !ours.contains(theirs)).collect();
    assert_eq!(other, Vec::<&String>::new(), "cp Cargo.lock fuzz/ && cargo metadata --manifest-path fuzz/Cargo.toml >/dev/null");
}

/// The crates that are compiled for this target, by name and version, and the features of each.
fn features(target: &str) -> BTreeMap<String, BTreeSet<String>> {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--edges",
            "normal,no-proc-macro",
            "--prefix",
            "none",
            "--format",
            "{p}\t{f}",
            "--target",
            target,
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let mut found = BTreeMap::<_, BTreeSet<_>>::new();
    for line in String::from_utf8(tree.stdout).unwrap().lines() {
        let (package, features) = line.split_once('\t').unwrap();
        let name: Vec<_> = package.split(' ').take(2).collect();
        let features = features.trim_end_matches(" (*)").split(',').filter(|feature| !feature.is_empty());
        found.entry(name.join(" ")).or_default().extend(features.map(str::to_owned));
    }
    found
}

/// A crate of the command line could switch on a feature of a crate that the module has, too, such as one that keeps the order of
/// JSON members or the digits of large numbers. Then the command would read a configuration in another way than the filter does.
#[test]
fn no_crate_of_the_command_line_changes_how_the_filters_crates_work() {
    let (module, native) = (features("wasm32-wasip1"), features("x86_64-unknown-linux-gnu"));
    assert!(module.len() > 80 && native.len() > module.len(), "{} and {}", module.len(), native.len());
    let added = module.iter().filter_map(|(package, features)| {
        let name = package.split(' ').next().unwrap_or_default();
        let added: Vec<_> = native.get(package)?.difference(features).map(|feature| (name, feature.as_str())).collect();
        (!added.is_empty()).then_some(added)
    });
    // `std` of `bytes` only adds implementations of traits (`Read`, `Write`, `Error`): what the filter calls is the same code.
    let only_more = [("bytes", "default"), ("bytes", "std")];
    assert_eq!(added.flatten().collect::<Vec<_>>(), only_more);
}
