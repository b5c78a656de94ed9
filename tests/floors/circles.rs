//! Which file uses which, and where they use each other in a circle. A file uses the files whose paths it names, and those that
//! it declares with `mod`: a file may depend on its parts, but no part on the file that declares it.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, code_only, is_within};

/// For the module of each file, the modules of the files that it uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

/// Every path in this code that begins with `crate::` or `super::`, without that. Groups are written out: `a::{b, c::d}` is two
/// paths.
fn paths(code: &str, module: &str) -> Vec<String> {
    let above = module.rsplit_once("::").map_or("", |(above, _)| above);
    let mut paths = Vec::new();
    for (root, prefix) in [("crate::", String::new()), ("super::", format!("{above}::"))] {
        for (at, _) in code.match_indices(root) {
            if !code[..at].ends_with(|before: char| before.is_alphanumeric() || matches!(before, '_' | ':')) {
                expand(&code[at + root.len()..], &prefix, &mut paths);
            }
        }
    }
    paths
}

/// Adds the path that `text` begins with, or all paths of a group, to `paths`, and gives the number of bytes that were read.
fn expand(text: &str, prefix: &str, paths: &mut Vec<String>) -> usize {
    let of_path = |character: char| character.is_alphanumeric() || matches!(character, '_' | ':');
    let end = text.find(|character| !of_path(character)).unwrap_or(text.len());
    let path = format!("{prefix}{}", &text[..end]);
    if !text[end..].starts_with('{') {
        paths.push(path.trim_end_matches("::").trim_end_matches("::self").to_owned());
        return end;
    }
    let mut at = end + 1;
    while !text[at..].starts_with('}') {
        let skipped = text[at..].find(|character| of_path(character) || character == '}').unwrap();
        at += skipped;
        if !text[at..].starts_with('}') {
            at += expand(&text[at..], &path, paths);
        }
    }
    at + 1
}

/// The modules that a file declares with `mod NAME;`.
fn parts<'a>(code: &'a str, module: &'a str) -> impl Iterator<Item = String> + 'a {
    code.lines().filter_map(move |line| {
        let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub"));
        let name = (words.next() == Some("mod")).then(|| words.next())??.strip_suffix(';')?;
        Some(format!("{module}::{name}"))
    })
}

/// The code of a file without its tests.
fn without_tests(source: &Source) -> String {
    let mut code = String::new();
    source.each_line(|line| {
        if !line.of_tests {
            code.push_str(line.code);
            code.push('\n');
        }
    });
    code
}

/// Which file uses which. Tests are left out.
pub(crate) fn uses(sources: &[Source]) -> Uses {
    let files: Vec<_> = sources.iter().filter(|source| !source.is_of_tests() && source.room().is_some()).collect();
    let modules: BTreeSet<_> = files.iter().map(|source| source.module()).collect();
    let file_of = |path: &str| {
        let mut path = path;
        while !modules.contains(path) {
            path = path.rsplit_once("::")?.0;
        }
        Some(path.to_owned())
    };
    let of_file = |source: &&Source| {
        let (module, code) = (source.module(), without_tests(source));
        let named = paths(&code, &module).into_iter().filter_map(|path| file_of(&path));
        let declared = parts(&code, &module).filter(|part| modules.contains(part)).collect::<Vec<_>>();
        let used = named.chain(declared).filter(|other| *other != module).collect();
        (module, used)
    };
    files.iter().map(of_file).collect()
}

/// The same with all files of a sub-room taken as one. Files outside of sub-rooms stay by themselves.
pub(crate) fn by_sub_room(uses: &Uses, sub_rooms: &[&str]) -> Uses {
    let joined = |module: &String| {
        let within = sub_rooms.iter().filter(|sub_room| is_within(module, sub_room));
        let sub_room = within.max_by_key(|sub_room| sub_room.len());
        sub_room.map_or_else(|| module.clone(), |sub_room| (*sub_room).to_owned())
    };
    let mut found = Uses::new();
    for (module, used) in uses {
        let own = joined(module);
        let used: Vec<_> = used.iter().map(joined).filter(|other| *other != own).collect();
        found.entry(own).or_default().extend(used);
    }
    found
}

/// For every file that uses itself by way of others, one such way.
pub(crate) fn circles(uses: &Uses) -> Vec<String> {
    let mut found = Vec::new();
    for start in uses.keys() {
        // For each file that was reached, the one that uses it.
        let mut by = BTreeMap::from([(start, start)]);
        let mut next = vec![start];
        while let Some(module) = next.pop() {
            for other in &uses[module] {
                if other == start {
                    let mut way = vec![start.as_str(), module.as_str()];
                    while way[way.len() - 1] != start {
                        way.push(by[&way[way.len() - 1].to_owned()]);
                    }
                    way.reverse();
                    found.push(way.join(" uses "));
                    next.clear();
                    break;
                }
                if !by.contains_key(other) {
                    by.insert(other, module);
                    next.push(other);
                }
            }
        }
    }
    found
}

#[test]
fn this_test_finds_circles_and_ways_up() {
    let code = code_only("use crate::a::{self, b::{C, D}, e};\nuse crate::a::f;\nlet x = super::g(crate::h::i);");
    let mut found = paths(&code, "a::z");
    found.sort_unstable();
    assert_eq!(found, ["a", "a::b::C", "a::b::D", "a::e", "a::f", "a::g", "h::i"]);
    let file = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
    let straight = [file("a.rs", "mod b;\nuse crate::c::X;"), file("a/b.rs", "use crate::c;"), file("c.rs", "")];
    assert_eq!(circles(&uses(&straight)), Vec::<String>::new());
    for (what, text) in [
        ("a circle of two", "use crate::d::Y;"),
        ("a part that stands on the whole", "use crate::a::Z;"),
        ("a circle by super", "fn f() { super::Z }"),
    ] {
        let files = [file("a.rs", "mod b;"), file("a/b.rs", text), file("d.rs", "use crate::a::b::W;")];
        assert!(!circles(&uses(&files)).is_empty(), "{what}");
    }
    let of_tests = [file("a.rs", "mod b;"), file("a/b.rs", "#[cfg(test)]\nmod tests { use crate::a::Z; }")];
    assert_eq!(circles(&uses(&of_tests)), Vec::<String>::new());
    // No file is in a circle here, but the sub-rooms `a` and `b` are.
    let across = [file("a.rs", "mod x;\nmod y;"), file("a/x.rs", "use crate::b::z::Z;"), file("a/y.rs", "")].into_iter().chain([
        file("b.rs", "mod z;\nmod w;"),
        file("b/z.rs", ""),
        file("b/w.rs", "use crate::a::y::Y;"),
    ]);
    let across = uses(&across.collect::<Vec<_>>());
    assert_eq!(circles(&across), Vec::<String>::new());
    assert_eq!(circles(&by_sub_room(&across, &["a"])), Vec::<String>::new());
    assert_eq!(circles(&by_sub_room(&across, &["a", "b"])), ["a uses b uses a", "b uses a uses b"]);
}
