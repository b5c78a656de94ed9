//! Fuzzes what stands in the store of revocations: bytes as anybody who can write there leaves them, and the marks of an announcement that
//! is made with our key. Nothing without our key is believed; what we announce is read as it was meant.

#![no_main]

use accredit::crypto::seal::Sealer;
use accredit::session::ended::announcement::{Announced, announcement, read, unproved_announcement};
use accredit::session::ended::mark::Mark;
use accredit::words::secret::Secret;
use accredit_fuzz::SEALING_KEY;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static SEALER: Sealer = Sealer::new(&[Secret::new(SEALING_KEY)]).expect("the key is good");
}

fuzz_target!(|bytes: &[u8]| {
    let Some((which, input)) = bytes.split_first() else { return };
    SEALER.with(|sealer| {
        let keys = sealer.end_keys();
        let providers = || ["main", "other"].into_iter();
        let believed = |bytes: &[u8]| match read(keys, providers(), bytes) {
            Announced::Marks(..) | Announced::Unproved(_) => true,
            Announced::Forged | Announced::ByUnknownKeys | Announced::OfUnknownTable => false,
        };
        if which % 4 == 0 {
            assert!(!believed(input), "a forged announcement is believed");
            return;
        }
        let Some((written, rest)) = input.split_first_chunk() else { return };
        let mark = Mark::read(written);
        let provider = ["", "main", "other"][usize::from(which / 4) % 3];
        let mut bytes = if which % 4 == 1 {
            announcement(keys, provider, &[mark])
        } else {
            unproved_announcement(keys, if provider.is_empty() { "main" } else { provider }, &[mark])
        };
        match read(keys, providers(), &bytes) {
            Announced::Marks(of, marks) => assert!(which % 4 == 1 && of == provider && marks[0].write() == mark.write()),
            Announced::Unproved(marks) => assert!(which % 4 != 1 && marks[0].write() == mark.write()),
            _ => panic!("an announcement of our own is refused"),
        }
        if let [at, change, ..] = rest {
            let at = usize::from(*at) % bytes.len();
            bytes[at] ^= change;
            assert!(*change == 0 || !believed(&bytes), "an announcement that was changed is believed");
        }
    });
});
