//! An Envoy's file for a gateway of somebody's own, made from a shipped file: the lines that differ are exchanged, and all others
//! stay as they are shipped. Each edit must find its place exactly once, so that a shipped file cannot drift away unnoticed.

use serde_json::Value;

use crate::cli::init::plan::{Address, Plan, Target};

const LAPTOP: &str = include_str!("../../../envoy/bff.yaml");
const COMPOSE: &str = include_str!("../../../deploy/compose/envoy/bff.yaml");
const KUBERNETES: &str = include_str!("../../../deploy/kubernetes/base/envoy.yaml");

/// The file of the authorities in the images of Envoy.
pub(crate) const CA_OF_IMAGE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A place that an edit did not find in the shipped file, or found more than once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Drift(pub(crate) String);

/// The Envoy's file for this plan.
///
/// # Errors
/// If the shipped file has no place for an edit. The tests make sure that it has.
pub(crate) fn written(plan: &Plan) -> Result<String, Drift> {
    let shipped = match plan.target {
        Target::Laptop => LAPTOP,
        Target::Compose => COMPOSE,
        Target::Kubernetes => KUBERNETES,
    };
    let mut text = Text::of(shipped);
    text.exchange("#", if plan.target == Target::Kubernetes { "node:" } else { "admin:" }, &head(plan)?)?;
    if let (Target::Laptop, Some(port)) = (plan.target, plan.listens_on()) {
        text.line("address: {socket_address: {address: 127.0.0.1, port_value: 10000}}", &socket("address", "127.0.0.1", port))?;
    }
    if plan.target != Target::Kubernetes && plan.origin.starts_with("https:") {
        let hops = "use_remote_address: true\nxff_num_trusted_hops: 1 # the proxy in front, which ends TLS: it must set x-forwarded-for and x-forwarded-proto";
        text.line("use_remote_address: true", hops)?;
    }
    text.line("origins: [", &format!("origins: [{}]", quoted(&plan.origin)))?;
    let name = if plan.target == Target::Kubernetes { "- name: sso" } else { "- name: demo" };
    text.exchange(name, "session:", &provider(plan))?;
    text.exchange("logout:", "rules:", &logout(plan))?;
    text.exchange("rules:", "vm_config:", &rules(plan))?;
    if plan.target == Target::Laptop {
        text.line("code: {local:", &format!("code: {{local: {{filename: {}}}}}", quoted(&plan.module)))?;
    }
    text.line(
        "environment_variables: {host_env_keys:",
        &format!("environment_variables: {{host_env_keys: [{}]}}", plan.variables().join(", ")),
    )?;
    if plan.target == Target::Compose {
        // One gateway tells nobody what has ended.
        text.exchange("- name: redis", "- name: application", "")?;
    }
    clusters(plan, &mut text)?;
    Ok(text.finish())
}

/// The comment at the top: how to run this file, and what of the shipped comment stays true.
fn head(plan: &Plan) -> Result<String, Drift> {
    let mut keep = Text::of(LAPTOP);
    keep.exchange("#", "# Keep these settings", "")?;
    let kept = keep.lines.iter().take_while(|line| line.starts_with('#')).cloned().collect::<Vec<_>>().join("\n");
    let lines = plan.steps().into_iter().map(|step| format!("#   {step}\n")).collect::<String>();
    Ok(format!(
        "# A gateway for {}, written by `accredit init` from a configuration that Accredit ships.\n#\n{lines}#\n{kept}\n\n",
        plan.origin
    ))
}

fn provider(plan: &Plan) -> String {
    let hosts = plan.found.hosts.iter().map(|host| format!("{}: provider", quoted(host))).collect::<Vec<_>>().join(", ");
    let mut lines = vec![
        "- name: sso".to_owned(),
        format!("  issuer: {}", quoted(&plan.issuer)),
        format!("  clusters: {{{hosts}}}"),
        format!("  client_id: {}", quoted(&plan.client_id)),
        format!("  client_secret: {{environment_variable: {}}}", plan.secret_variable),
    ];
    lines.extend(plan.found.method.map(|method| format!("  token_endpoint_auth_method: {method}")));
    if !plan.found.algorithms.is_empty() {
        let names: Vec<_> = plan.found.algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
        lines.push(format!("  algorithms: [{}]", names.join(", ")));
    }
    let groups = if plan.found.groups_scope && plan.group.is_some() { " groups" } else { "" };
    lines.push(format!("  scope: openid profile email{groups}"));
    lines.join("\n")
}

fn logout(plan: &Plan) -> String {
    let at_provider = if plan.found.sign_out { "provider: true, " } else { "" };
    format!("logout: {{{at_provider}post_logout_redirect_uri: /}}")
}

fn rules(plan: &Plan) -> String {
    let mut lines = vec!["rules: # the first match decides; if none matches, sign-in is required".to_owned()];
    if let Some(group) = plan.group.as_ref().filter(|group| group.path == "/") {
        lines.push(format!("- require: {{claim: {}, any_of: [{}]}}\n\n", quoted(&group.claim), quoted(&group.name)));
        return lines.join("\n");
    }
    if let Some(group) = &plan.group {
        lines.push(format!("- match: {{path_separated_prefix: {}}}", quoted(&group.path)));
        lines.push(format!("  require: {{claim: {}, any_of: [{}]}}", quoted(&group.claim), quoted(&group.name)));
    }
    lines.push("- require: authenticated\n\n".to_owned());
    lines.join("\n")
}

fn clusters(plan: &Plan, text: &mut Text) -> Result<(), Drift> {
    match &plan.plain_provider {
        // Many hosts by one cluster, each verified by its own name.
        None => {
            let mut cluster = Text::of(KUBERNETES);
            let has_comment = plan.target == Target::Kubernetes;
            cluster.cut(if has_comment { "- name: provider" } else { "# Reaches the issuer's host" }, "- name: application")?;
            let ca = format!("validation_context: {{trusted_ca: {{filename: {}}}}}", quoted(&plan.ca_file));
            cluster.line("validation_context: {trusted_ca:", &ca)?;
            text.exchange("- name: provider", "- name: application", &format!("{}\n", cluster.unindented()))?;
        }
        Some(address) => endpoint(text, "cluster_name: provider", address, plan.target)?,
    }
    endpoint(text, "cluster_name: application", &plan.application, plan.target)
}

/// Puts an address into a cluster.
fn endpoint(text: &mut Text, cluster: &str, address: &Address, target: Target) -> Result<(), Drift> {
    let line = socket("- endpoint: {address", &address.host, address.port) + "}";
    let at = text.only(cluster)?;
    text.line_after(at, "- endpoint:", &line)?;
    // The other shipped files look every address up.
    if target == Target::Laptop && address.host.parse::<std::net::IpAddr>().is_err() {
        let start = text.line_before(at, "load_assignment:")?;
        text.insert(start, "type: STRICT_DNS\ndns_lookup_family: V4_PREFERRED");
    }
    Ok(())
}

fn socket(field: &str, host: &str, port: u16) -> String {
    let host = if host == "127.0.0.1" { host.to_owned() } else { quoted(host) };
    format!("{field}: {{socket_address: {{address: {host}, port_value: {port}}}}}")
}

/// A text in quotation marks, as JSON and YAML both read it.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A text whose lines are exchanged.
struct Text {
    lines: Vec<String>,
}

impl Text {
    fn of(text: &str) -> Self {
        Self { lines: text.lines().map(str::to_owned).collect() }
    }

    fn finish(self) -> String {
        self.lines.join("\n") + "\n"
    }

    /// The lines without the indentation of the first one.
    fn unindented(&self) -> String {
        let indent = self.lines.first().map_or(0, |line| indent(line));
        self.lines.iter().map(|line| line.get(indent..).unwrap_or_default()).collect::<Vec<_>>().join("\n")
    }

    /// The only line that begins so, after its indentation.
    fn only(&self, begins: &str) -> Result<usize, Drift> {
        let mut found = self.lines.iter().enumerate().filter(|(_, line)| line.trim_start().starts_with(begins));
        match (found.next(), found.next()) {
            (Some((at, _)), None) => Ok(at),
            (Some(_), Some(_)) => Err(Drift(format!("several lines begin with {begins}"))),
            (None, _) => Err(Drift(format!("no line begins with {begins}"))),
        }
    }

    fn next(&self, from: usize, begins: &str) -> Result<usize, Drift> {
        let found = self.lines.iter().skip(from).position(|line| line.trim_start().starts_with(begins));
        found.map(|at| at.saturating_add(from)).ok_or_else(|| Drift(format!("no further line begins with {begins}")))
    }

    /// The lines from the one that begins with `first`, up to the one that begins with `until`. A comment at the top begins with
    /// the first line.
    fn span(&self, first: &str, until: &str) -> Result<(usize, usize), Drift> {
        let start = if first == "#" { 0 } else { self.only(first)? };
        Ok((start, self.next(start.saturating_add(1), until)?))
    }

    /// Exchanges the lines from one to another. The new ones get the indentation of the first old one.
    fn exchange(&mut self, first: &str, until: &str, by: &str) -> Result<(), Drift> {
        let (start, end) = self.span(first, until)?;
        let lines = self.indented(start, by);
        self.lines.splice(start..end, lines);
        Ok(())
    }

    /// Keeps these lines alone.
    fn cut(&mut self, first: &str, until: &str) -> Result<(), Drift> {
        let (start, end) = self.span(first, until)?;
        self.lines.truncate(end);
        self.lines.drain(..start);
        Ok(())
    }

    /// Exchanges the only line that begins so.
    fn line(&mut self, begins: &str, by: &str) -> Result<(), Drift> {
        let at = self.only(begins)?;
        self.replace(at, by);
        Ok(())
    }

    /// Exchanges the next line that begins so.
    fn line_after(&mut self, from: usize, begins: &str, by: &str) -> Result<(), Drift> {
        let at = self.next(from, begins)?;
        self.replace(at, by);
        Ok(())
    }

    fn line_before(&self, from: usize, begins: &str) -> Result<usize, Drift> {
        let found = self.lines.iter().take(from).rposition(|line| line.trim_start().starts_with(begins));
        found.ok_or_else(|| Drift(format!("no earlier line begins with {begins}")))
    }

    fn replace(&mut self, at: usize, by: &str) {
        let lines = self.indented(at, by);
        self.lines.splice(at..=at, lines);
    }

    fn insert(&mut self, at: usize, new: &str) {
        let lines = self.indented(at, new);
        self.lines.splice(at..at, lines);
    }

    fn indented(&self, as_line: usize, text: &str) -> Vec<String> {
        let indent = self.lines.get(as_line).map_or(0, |line| indent(line));
        let indented = |line: &str| if line.is_empty() { String::new() } else { format!("{}{line}", " ".repeat(indent)) };
        text.lines().map(indented).collect()
    }
}

fn indent(line: &str) -> usize {
    line.len().saturating_sub(line.trim_start().len())
}
