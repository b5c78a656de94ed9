//! What a fleet announces in its store when many people sign out, without Envoy and without a store: the benchmark fills a Redis
//! with it, as if hours had gone by. It is never part of a release.
//!
//! Arguments: the configured name of the provider, the number of the first session, how many sessions have ended, and for how many
//! more seconds the last of them matters (they stop to matter one after another). `ACCREDIT_KEY` is the one key of `session.keys`.
//! Standard output has one line for each announcement, in base64.

use std::error::Error;
use std::io::{self, BufWriter, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use accredit::crypto::seal::Sealer;
use accredit::session::ended::announcement::announcement;
use accredit::session::ended::mark::{Ends, Mark};
use accredit::words::secret::Secret;
use accredit::words::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [provider, first, number, seconds] = arguments.as_slice() else {
        return Err("expected PROVIDER FIRST NUMBER SECONDS".into());
    };
    let [first, number, seconds]: [u64; 3] = [first.parse()?, number.parse()?, seconds.parse()?];
    let key = Secret::new(std::env::var("ACCREDIT_KEY")?);
    let sealer = Sealer::new(&[key]).map_err(|_| "ACCREDIT_KEY cannot be used")?;
    let [key] = sealer.end_keys() else { return Err("expected one key".into()) };
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut output = BufWriter::new(io::stdout().lock());
    for session in 0..number {
        let of_it = format!("number {}", first.saturating_add(session));
        let (name, account) = (key.name(1, &[&of_it]), key.name(5, &[provider, &of_it]));
        let until = now.saturating_add(seconds.saturating_mul(session.saturating_add(1)).div_ceil(number));
        let mark = Mark::new(name, Timestamp::from_seconds(until), Ends::by_account(account));
        writeln!(output, "{}", STANDARD.encode(announcement(sealer.end_keys(), provider, &[mark])))?;
    }
    Ok(output.flush()?)
}
