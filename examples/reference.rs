//! Brings the generated parts of the documents up to date: `make reference`. A unit test fails as long as that is necessary. It is
//! never part of a release.

use std::error::Error;
use std::fs::{read_to_string, write};
use std::path::Path;

use accredit::cli::reference::{DOCUMENTS, up_to_date};

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in DOCUMENTS {
        let path = root.join(name);
        let written = read_to_string(&path).unwrap_or_default();
        write(path, up_to_date(name, &written)?)?;
    }
    Ok(())
}
