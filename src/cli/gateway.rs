//! The gateways of a file, as the filter understands them: for commands that ask what a gateway does. Why one is refused is for
//! `accredit check` to say.

use crate::cli::environment::{Environment, asked};
use crate::cli::envoy::passage::Passage;
use crate::cli::envoy::plugins::{Plugin, files_inside, plugins};
use crate::cli::hidden::Hidden;
use crate::cli::input;
use crate::cli::terminal::Trouble;
use crate::cli::yaml::node::Node;
use crate::cli::yaml::reader::read;
use crate::cli::yaml::spot::{Origin, Spot};
use crate::config;
use crate::config::settings::Settings;

/// Where a gateway's configuration is.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Place {
    /// A file of lines NAME=value, with the environment variables that the configuration names.
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<String>,
}

/// A gateway.
pub(crate) struct Gateway {
    /// What the filter makes of its configuration.
    pub(crate) settings: Settings,
    /// The secrets that have no value here, so that random stand-ins took their places: the path of each, and its variable.
    pub(crate) stood_in: Vec<(String, String)>,
    /// The values of variables that must not be written.
    pub(crate) hidden: Hidden,
    /// The Envoy's file around it, if it stands in one.
    pub(crate) bootstrap: Option<Node>,
    /// What becomes of requests on their way to it.
    pub(crate) passage: Passage,
    /// The connection manager that it is in, if it stands in one.
    pub(crate) manager: Option<Node>,
    /// Where it stands in the file.
    pub(crate) spot: Spot,
}

/// The gateways of a file: at least one.
///
/// # Errors
/// If it cannot be read, holds no gateway, or the filter refuses the configuration of one.
pub(crate) fn gateways(file: &str, place: &Place) -> Result<Vec<Gateway>, Trouble> {
    let lines = place.env_file.as_deref().map(input::text).transpose()?.unwrap_or_default();
    let environment = Environment::new(&lines, true).map_err(|line| {
        Trouble::told(format!(
            "{}:{line}: expected NAME=value, found something else",
            place.env_file.as_deref().unwrap_or_default()
        ))
    })?;
    let found = in_text(file, &input::text(file)?, &environment)?;
    if found.is_empty() {
        return Err(Trouble::told(format!("{file}: the filter was not found here; name the file with its configuration")));
    }
    Ok(found)
}

/// The gateways in the text of a file, whose name is told in sentences.
///
/// # Errors
/// If the filter refuses the configuration of one.
pub(crate) fn in_text(file: &str, text: &str, environment: &Environment) -> Result<Vec<Gateway>, Trouble> {
    let mut found = Vec::new();
    of_text(file, text, Origin::FILE, environment, &mut found)?;
    Ok(found)
}

fn of_text(file: &str, text: &str, origin: Origin, environment: &Environment, found: &mut Vec<Gateway>) -> Result<(), Trouble> {
    let stream = read(text, origin).map_err(|malformed| {
        Trouble::told(format!("{file}:{}:{}: {}", malformed.spot.line, malformed.spot.column, malformed.sentence))
    })?;
    for document in &stream.documents {
        for plugin in &plugins(document).plugins {
            found.extend(of_plugin(file, plugin, environment)?);
        }
        for inside in files_inside(document) {
            of_text(file, &inside.text, inside.origin, environment, found)?;
        }
    }
    Ok(())
}

fn of_plugin(file: &str, plugin: &Plugin<'_>, environment: &Environment) -> Result<Option<Gateway>, Trouble> {
    let Some(held) = &plugin.held else { return Ok(None) };
    let written = held.value().unwrap_or_default();
    let given = environment.given(&written, &plugin.variables);
    if let Some((_, name)) = given.missing.first() {
        let sentence =
            format!("the variable {name} has no value here; give it by --env-file, or in the environment of this command");
        return Err(Trouble::told(format!("{file}: {sentence}")));
    }
    match config::load(&held.bytes(), &|name| given.get(name)) {
        Ok(settings) => {
            let stood_in = asked(&written).into_iter().filter(|(_, name)| given.stood_in.contains(name)).collect();
            let bootstrap = plugin.around.as_ref().map(|around| around.bootstrap.clone());
            let manager = plugin.around.as_ref().map(|around| around.manager.clone());
            let passage = Passage::of(plugin.around.as_ref());
            let (hidden, spot) = (given.hidden(), plugin.node.spot);
            Ok(Some(Gateway { settings, stood_in, hidden, bootstrap, passage, manager, spot }))
        }
        Err(refusals) => {
            let refusals = refusals.all();
            let first = refusals.first().map(|refusal| format!("{}: {}", refusal.path, refusal.sentence)).unwrap_or_default();
            let sentence = format!("{file}: the filter refuses this configuration: {first}; accredit check tells every mistake");
            Err(Trouble::told(sentence))
        }
    }
}
