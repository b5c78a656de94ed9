//! Help for tests: configurations are read as by the filter, and what it takes is shown to the schema too. The schema is never asked
//! about what the filter refuses.

use jsonschema::Validator;
use serde_json::Value;

use crate::config::schema::schema;
use crate::config::settings::Settings;
use crate::config::{Refusals, described};

/// Judges configurations by their schema.
pub(crate) fn by_schema() -> Validator {
    jsonschema::draft202012::new(&schema(&described())).unwrap()
}

/// Reads a configuration as [`crate::config::load`] does. One that the filter takes and the schema does not fails the test.
pub(crate) fn load(bytes: &[u8], environment: &dyn Fn(&str) -> Option<String>) -> Result<Settings, Refusals> {
    let settings = crate::config::load(bytes, environment)?;
    if let Ok(document) = serde_json::from_slice::<Value>(bytes) {
        by_schema().validate(&document).unwrap_or_else(|error| panic!("{}: {error}\n{document}", error.instance_path()));
    }
    Ok(settings)
}
