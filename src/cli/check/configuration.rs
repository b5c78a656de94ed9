//! What the filter itself says of its configuration, with places in the file: its refusals, all of them, and its warnings. It is
//! given the very bytes that Envoy would give it. Variables and secrets are looked at here, too, because only the file shows them.

use serde_json::Value;

use crate::cli::check::rules::{self, Place};
use crate::cli::check::values;
use crate::cli::environment::{Environment, Given, asked, written_secrets};
use crate::cli::envoy::plugins::{Held, Plugin};
use crate::cli::findings::{Id, Report};
use crate::cli::machine::Machine;
use crate::config::settings::Settings;
use crate::config::{self, Refusals};

/// What is known of a plugin's configuration.
#[derive(Default)]
pub(crate) struct Known {
    /// The configuration with the values of variables. It holds secrets.
    pub(crate) written: Value,
    /// What the filter made of it; `None` if it refuses it.
    pub(crate) settings: Option<Settings>,
    /// The variables that got a stand-in.
    pub(crate) stood_in: Vec<String>,
}

/// Checks the configuration of a plugin.
pub(crate) fn of_configuration(plugin: &Plugin<'_>, environment: &Environment, report: &mut Report<'_>) -> Known {
    let own = plugin.node.spot;
    let Some(held) = &plugin.held else {
        report.tell(Id::Elsewhere, own, "the configuration of the filter is not in this file; check the file that it is in, too");
        return Known::default();
    };
    let written = held.value().unwrap_or_default();
    let given = environment.given(&written, &plugin.variables);
    of_variables(plugin, held, &written, &given, report);
    for path in written_secrets(&written) {
        let sentence = "the secret stands in the file, and in Envoy's config_dump; write {environment_variable: NAME} instead";
        report.tell_of(Id::SecretInFile, held.at(&path, own), &path, sentence);
    }
    if let Held::Tree(node, dialect) = held {
        values::of_values(node, *dialect, report);
    }
    let settings = match config::load(&held.bytes(), &|name| given.get(name)) {
        Ok(settings) => {
            for doubt in &settings.warnings {
                report.tell_of(Id::Doubt, held.at(&doubt.path, own), &doubt.path, &doubt.sentence);
            }
            // What the filter asks of Envoy when it loads, among it that every key signs.
            for refusal in config::check_host(&settings, &Machine).err().iter().flat_map(Refusals::all) {
                report.tell_of(Id::Refused, held.at(&refusal.path, own), &refusal.path, &refusal.sentence);
            }
            rules::of_rules(&settings, &Place { held, own }, report);
            Some(settings)
        }
        Err(refusals) => {
            let is_missing = |path: &str| given.missing.iter().any(|(other, _)| other == path);
            // Of a key that should merge, the finding says more.
            let is_merge = |path: &str| path.rsplit('.').next() == Some("<<");
            for refusal in refusals.all().iter().filter(|refusal| !is_missing(&refusal.path) && !is_merge(&refusal.path)) {
                report.tell_of(Id::Refused, held.at(&refusal.path, own), &refusal.path, &refusal.sentence);
            }
            None
        }
    };
    rules::of_conditions(&written, &Place { held, own }, report);
    Known { written: given.filled_in(&written), settings, stood_in: given.stood_in }
}

fn of_variables(plugin: &Plugin<'_>, held: &Held<'_>, written: &Value, given: &Given, report: &mut Report<'_>) {
    let own = plugin.node.spot;
    for (path, name) in asked(written).iter().filter(|(_, name)| !plugin.variables.has(name)) {
        let sentence = format!("the filter is not given the variable {name}; list it beside the others that it may read");
        report.tell_of(Id::VariableNotListed, held.at(path, own), path, sentence);
    }
    for (path, name) in &given.missing {
        let sentence =
            format!("the variable {name} has no value here; give it to this command by --env-file, or in its environment");
        report.tell_of(Id::VariableNotSet, held.at(path, own), path, sentence);
    }
}
