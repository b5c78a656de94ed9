//! What is known of a gateway before its file is written: the answers of the person who asked, and what the provider's document
//! says. Nothing is asked or written here.

use serde_json::Value;

use crate::crypto::key::Algorithm;
use crate::http::url::Url;
use crate::oidc::metadata::EndpointName;
use crate::words::principal::Claims;

/// Where the gateway runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Target {
    /// On this machine, by func-e or envoy.
    #[default]
    Laptop,
    /// In a container, with the image of deploy/images/envoy.Dockerfile.
    Compose,
    /// In the pods of deploy/kubernetes.
    Kubernetes,
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    /// Reads `HOST:PORT`.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        match parts {
            Some((host, port)) if port != 0 && !host.is_empty() && !host.contains(['/', ' ']) => {
                Ok(Self { host: host.trim_start_matches('[').trim_end_matches(']').to_owned(), port })
            }
            _ => Err(format!("expected HOST:PORT, such as 127.0.0.1:8080, found {text}")),
        }
    }
}

/// A path that only a group may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) path: String,
    pub(crate) claim: String,
    pub(crate) name: String,
}

/// What the provider's document says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Discovered {
    /// The hosts that the filter calls, with their ports if these are not usual. The issuer's is the first.
    pub(crate) hosts: Vec<String>,
    /// The algorithms to write; none if the default ones are good.
    pub(crate) algorithms: Vec<Algorithm>,
    /// The client authentication to write; `None` if the default one is offered.
    pub(crate) method: Option<&'static str>,
    /// Whether its session can be ended.
    pub(crate) sign_out: bool,
    /// Whether it has a scope of the name `groups`.
    pub(crate) groups_scope: bool,
}

impl Discovered {
    /// Nothing but the issuer's own host.
    pub(crate) fn nothing(issuer: &Url) -> Self {
        Self { hosts: vec![issuer.authority()], ..Self::default() }
    }

    /// What a document says. `accepted` are the algorithms that are accepted where none are written.
    pub(crate) fn of_document(issuer: &Url, members: &Claims, accepted: &[Algorithm]) -> Self {
        let mut found = Self::nothing(issuer);
        for name in EndpointName::ALL.into_iter().filter(|name| name.is_called()) {
            let url = members.get(name.as_str()).and_then(Value::as_str).and_then(|text| Url::parse(text).ok());
            // What is called elsewhere by http is for the filter to refuse.
            let host = url.filter(|url| url.scheme() == issuer.scheme()).map(|url| url.authority());
            found.hosts.extend(host.filter(|host| !found.hosts.contains(host)));
        }
        let listed =
            |name: &str| -> Option<Vec<&str>> { Some(members.get(name)?.as_array()?.iter().filter_map(Value::as_str).collect()) };
        let signs: Vec<Algorithm> = listed("id_token_signing_alg_values_supported")
            .into_iter()
            .flatten()
            .filter_map(|name| name.parse().ok())
            .filter(|algorithm: &Algorithm| !algorithm.is_symmetric())
            .collect();
        if !signs.is_empty() && !signs.iter().any(|algorithm| accepted.contains(algorithm)) {
            found.algorithms = signs;
        }
        let methods = listed("token_endpoint_auth_methods_supported").unwrap_or_else(|| vec!["client_secret_basic"]);
        if !methods.contains(&"client_secret_basic") && methods.contains(&"client_secret_post") {
            found.method = Some("client_secret_post");
        }
        found.sign_out = members.get(EndpointName::EndSession.as_str()).is_some_and(Value::is_string);
        found.groups_scope = listed("scopes_supported").is_some_and(|scopes| scopes.contains(&"groups"));
        found
    }
}

/// A gateway that is to be written.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) target: Target,
    /// As in the browser's address bar.
    pub(crate) origin: String,
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    /// The environment variable with the client's secret.
    pub(crate) secret_variable: String,
    pub(crate) application: Address,
    pub(crate) group: Option<Group>,
    /// Where the provider is, if it is called without TLS.
    pub(crate) plain_provider: Option<Address>,
    /// The module's file, on a laptop.
    pub(crate) module: String,
    /// The file with the authorities that the provider's certificate is verified by.
    pub(crate) ca_file: String,
    pub(crate) found: Discovered,
    /// The name of the file itself, and of the one with the secrets.
    pub(crate) output: String,
    pub(crate) secrets: String,
}

impl Plan {
    /// The port of an origin that Envoy itself answers for, without TLS.
    pub(crate) fn listens_on(&self) -> Option<u16> {
        let url = Url::parse(&format!("{}/", self.origin)).ok().filter(|url| !url.is_https())?;
        url.host_and_port().rsplit_once(':')?.1.parse().ok()
    }

    /// The environment variables that the filter reads.
    pub(crate) fn variables(&self) -> Vec<&str> {
        let mut variables = vec![self.secret_variable.as_str(), "ACCREDIT_KEY"];
        if self.target == Target::Kubernetes {
            variables.push("ACCREDIT_OTHER_KEY");
        }
        variables
    }

    /// What is to be done now, in lines.
    pub(crate) fn steps(&self) -> Vec<String> {
        let Self { origin, client_id, output, secrets, secret_variable, .. } = self;
        let here = |file: &str| if file.starts_with('/') { file.to_owned() } else { format!("./{file}") };
        let port = self.listens_on().unwrap_or(10000);
        let sign_out = if self.found.sign_out { format!(", and {origin}/ as post-logout redirect URI") } else { String::new() };
        let mut steps = vec![format!("register {origin}/api/callback as redirect URI{sign_out}, for client {client_id}")];
        steps.push(match self.target {
            Target::Kubernetes => {
                format!("write the client's secret into {secrets}; then use deploy/kubernetes with this file as base/envoy.yaml:")
            }
            Target::Laptop | Target::Compose => {
                format!("write the client's secret into {secrets}, as {secret_variable}; then start:")
            }
        });
        steps.push(match self.target {
            Target::Laptop => format!("set -a; . {}; set +a; func-e run -c {output}      (or: envoy -c {output})", here(secrets)),
            Target::Compose => format!(
                "services: {{gateway: {{image: registry.example.com/accredit-envoy:0.1.0, env_file: {secrets}, ports: [\"127.0.0.1:{port}:10000\"], volumes: [\"{}:/etc/envoy/envoy.yaml:ro\"]}}}}",
                here(output)
            ),
            Target::Kubernetes => format!("kubectl create secret generic accredit-secrets --from-env-file={secrets}"),
        });
        steps.push(match self.target {
            Target::Laptop | Target::Compose => {
                format!("accredit doctor --try-secret --env-file {secrets} {output} asks the provider whether it will work")
            }
            Target::Kubernetes => {
                format!(
                    "accredit doctor --try-secret {output} asks the provider whether it will work, with {secret_variable} in the environment"
                )
            }
        });
        steps
    }
}
