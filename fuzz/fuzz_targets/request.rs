//! Fuzzes requests: each line of the input is a header field or pseudo-header, `name: value`. None may be forwarded with an
//! identity, or at all where the path is not public.

#![no_main]

use accredit::step::decision::Decision;
use accredit_fuzz::{check, field, with_worker};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let fields: Vec<_> = bytes.split(|byte| *byte == b'\n').filter_map(field).collect();
    let step = with_worker(|worker| worker.begin(fields.clone()));
    check(&step);
    if let Decision::Forward(_) = step.decision {
        let path = fields.iter().find(|(name, _)| name == ":path").map(|(_, value)| value.as_slice()).unwrap_or_default();
        let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
        assert!(path == b"/public" || path.starts_with(b"/public/"), "forwarded without identity");
    }
});
