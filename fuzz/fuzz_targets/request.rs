//! Fuzzes requests: each line of the input is a header field or pseudo-header, `name: value`. None may be forwarded with an
//! identity, or at all where the path is not public.
//!
//! From the repository's root, with a nightly toolchain and `cargo install cargo-fuzz`:
//! `cargo +nightly fuzz run request -- -max_total_time=300`

#![no_main]

use accredit::step::decision::Decision;
use accredit_fuzz::{Worker, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let fields: Vec<_> = bytes.split(|byte| *byte == b'\n').filter_map(field).collect();
    let step = Worker::ready().begin(fields.clone());
    check(&step);
    if let Decision::Forward(_) = step.decision {
        let path = fields.iter().find(|(name, _)| name == ":path").map(|(_, value)| value.as_slice()).unwrap_or_default();
        let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
        assert!(path == b"/public" || path.starts_with(b"/public/"), "forwarded without identity");
    }
});

/// Reads a line as a field. A colon at its beginning belongs to the name of a pseudo-header.
fn field(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().skip(1).position(|byte| *byte == b':')? + 1;
    let name = std::str::from_utf8(&line[..colon]).ok()?.to_ascii_lowercase();
    Some((name, line[colon + 1..].trim_ascii_start().to_vec()))
}
