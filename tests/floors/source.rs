//! The sources as text: each file line by line, without its comments and string literals, and which lines belong to tests.

use std::fs;
use std::path::{Path, PathBuf};

/// One source file.
pub(crate) struct Source {
    /// Below `src/`, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A line of a file, with its comments and literals blanked out.
pub(crate) struct Line<'a> {
    pub(crate) number: usize,
    pub(crate) code: &'a str,
    pub(crate) of_tests: bool,
}

impl Source {
    pub(crate) fn all() -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = Vec::new();
        walk(&root, &mut found);
        let of_file = |path: PathBuf| {
            let text = fs::read_to_string(&path).unwrap();
            let parts: Vec<_> = path.strip_prefix(&root).unwrap().iter().map(|part| part.to_str().unwrap()).collect();
            Self { path: parts.join("/"), text }
        };
        let mut all: Vec<_> = found.into_iter().map(of_file).collect();
        all.sort_by(|left, right| left.path.cmp(&right.path));
        assert!(all.len() > 40, "only {} files found", all.len());
        all
    }

    /// The room that the file belongs to; `None` for `lib.rs`, `main.rs` and `bin/`, which belong to none.
    pub(crate) fn room(&self) -> Option<&str> {
        let room = self.path.split('/').next().unwrap().trim_end_matches(".rs");
        (!matches!(room, "lib" | "main" | "bin")).then_some(room)
    }

    /// The path of the file's module, such as `session::cookie`.
    pub(crate) fn module(&self) -> String {
        self.path.trim_end_matches(".rs").replace('/', "::")
    }

    /// Whether it is `tests.rs`, `testing.rs`, or a file below `tests/` or `testing/`.
    pub(crate) fn is_of_tests(&self) -> bool {
        self.path.split('/').any(|part| matches!(part.trim_end_matches(".rs"), "tests" | "testing"))
    }

    /// How many lines it has, comments and blank ones included, without its tests.
    pub(crate) fn length(&self) -> usize {
        let mut length = 0;
        self.every_line(|line| length += usize::from(!line.of_tests));
        length
    }

    /// Calls `look` with every line that has code, in order.
    pub(crate) fn each_line(&self, mut look: impl FnMut(&Line<'_>)) {
        self.every_line(|line| {
            if !line.code.trim().is_empty() {
                look(line);
            }
        });
    }

    fn every_line(&self, mut look: impl FnMut(&Line<'_>)) {
        let code = code_only(&self.text);
        let of_file = self.is_of_tests();
        let (mut depth, mut in_tests, mut announced) = (0_usize, None, false);
        for (index, line) in code.lines().enumerate() {
            announced |= line.contains("#[cfg(test)]");
            let of_tests = of_file || announced || in_tests.is_some();
            look(&Line { number: index + 1, code: line, of_tests });
            for byte in line.bytes() {
                match byte {
                    b'{' => {
                        if announced && in_tests.is_none() {
                            (in_tests, announced) = (Some(depth), false);
                        }
                        depth += 1;
                    }
                    b'}' => {
                        announced = false;
                        depth -= 1;
                        in_tests = in_tests.filter(|outside| *outside != depth);
                    }
                    b';' => announced = false,
                    _ => {}
                }
            }
        }
    }
}

/// Whether a module is this sub-room's file or one below it.
pub(crate) fn is_within(module: &str, sub_room: &str) -> bool {
    module.strip_prefix(sub_room).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The same text with comments, string literals and character literals blanked out. Every line keeps its number.
pub(crate) fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let starts = |at: usize, what: &str| bytes[at..].starts_with(what.as_bytes());
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = if starts(at, "//") {
            text[at..].find('\n').map_or(bytes.len(), |length| at + length)
        } else if starts(at, "/*") {
            text[at..].find("*/").map_or(bytes.len(), |length| at + length + 2)
        } else if let Some(end) = raw_string_end(text, at) {
            end
        } else if bytes[at] == b'"' {
            quoted_end(bytes, at, b'"')
        } else if bytes[at] == b'\'' && is_character(text, at) {
            quoted_end(bytes, at, b'\'')
        } else {
            at
        };
        if end == at {
            code.push(if bytes[at].is_ascii() { bytes[at] as char } else { ' ' });
            at += 1;
        } else {
            code.extend(bytes[at..end].iter().map(|byte| if *byte == b'\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

fn raw_string_end(text: &str, at: usize) -> Option<usize> {
    let before = text.as_bytes()[..at].last().copied().unwrap_or(b' ');
    if before.is_ascii_alphanumeric() && before != b'b' || before == b'_' {
        return None;
    }
    let rest = text[at..].strip_prefix('r')?;
    let hashes = rest.bytes().take_while(|byte| *byte == b'#').count();
    let body = rest[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&close)?;
    Some(at + 1 + hashes + 1 + length + close.len())
}

fn quoted_end(bytes: &[u8], at: usize, quote: u8) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != quote {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(bytes.len())
}

/// Whether a character literal begins at this quotation mark, and not a lifetime.
fn is_character(text: &str, at: usize) -> bool {
    let mut rest = text[at + 1..].chars();
    match rest.next() {
        Some('\\') => true,
        Some(_) => rest.next() == Some('\''),
        None => false,
    }
}
