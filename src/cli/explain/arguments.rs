//! The options of `accredit explain`. Credentials come from files alone, because other people on a machine can read the arguments
//! of a process.

use serde_json::Value;

use crate::cli::desk::target::{Question, Target, field, method};
use crate::cli::desk::who::{By, Somebody, Who};
use crate::cli::gateway::Place;
use crate::cli::input;
use crate::cli::terminal::Trouble;
use crate::words::json;
use crate::words::secret::Secret;

/// The header fields by which a browser says that somebody opens a page (Fetch Metadata).
const NAVIGATION: [(&str, &str); 3] = [("sec-fetch-mode", "navigate"), ("sec-fetch-site", "none"), ("accept", "text/html")];

/// What is to be explained.
#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// The file with the filter's configuration; - is the standard input.
    pub(super) file: String,
    /// The address, as a client sends it: nothing in it is repaired.
    #[arg(long)]
    url: String,
    /// The method.
    #[arg(long, default_value = "GET")]
    method: String,
    /// A header of the request; may be given several times. No credentials.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Send what a browser sends when somebody opens a page.
    #[arg(long)]
    navigate: bool,
    /// A file with the claims of whoever sends it, as a JSON object. They count as verified, and become a session.
    #[arg(long, value_name = "FILE", group = "who")]
    claims: Option<String>,
    /// The provider of the claims, by its configured name; without it, the first.
    #[arg(long, value_name = "NAME", requires = "claims")]
    provider: Option<String>,
    /// The claims are those of a bearer token.
    #[arg(long, requires = "claims")]
    bearer: bool,
    /// A file with the bearer token that comes with it. Its signature is not verified without --keys.
    #[arg(long, value_name = "FILE", group = "who")]
    token: Option<String>,
    /// A file with the keys of the token's provider, as a JWK set.
    #[arg(long, value_name = "FILE", requires = "token")]
    keys: Option<String>,
    /// A file with the cookies that come with it, as a browser sends them; the keys of the configuration open the session.
    #[arg(long, value_name = "FILE", group = "who")]
    session: Option<String>,
    /// The policy that Envoy's route names in its metadata.
    #[arg(long, value_name = "NAME")]
    pub(super) policy: Option<String>,
    #[command(flatten)]
    pub(super) place: Place,
}

impl Explain {
    /// The request.
    ///
    /// # Errors
    /// If an option is malformed.
    pub(super) fn question(&self) -> Result<Question, Trouble> {
        let named = |option: &'static str| move |sentence: String| Trouble::told(format!("--{option}: {sentence}"));
        let target = Target::parse(&self.url).map_err(named("url"))?;
        let method = method(&self.method).map_err(named("method"))?;
        let mut headers = self.headers.iter().map(|line| field(line)).collect::<Result<Vec<_>, _>>().map_err(named("header"))?;
        if self.navigate {
            headers.extend(navigation());
        }
        Ok(Question { method, target, headers })
    }

    /// Who sends it.
    ///
    /// # Errors
    /// If a file cannot be read, or is not what it should be.
    pub(super) fn who(&self) -> Result<Who, Trouble> {
        if let Some(file) = &self.claims {
            let claims = json::object(input::text(file)?.as_bytes());
            let claims = claims.map_err(|why| Trouble::told(format!("{file}: expected claims as a JSON object: {why}")))?;
            let by = if self.bearer { By::Token } else { By::Session };
            return Ok(Who::Somebody(Somebody { claims, provider: self.provider.clone(), by }));
        }
        if let Some(file) = &self.token {
            return Ok(Who::Token(input::token(file)?));
        }
        if let Some(file) = &self.session {
            let text = input::text(file)?;
            let line = text.trim();
            let line = line.strip_prefix("Cookie:").or_else(|| line.strip_prefix("cookie:")).unwrap_or(line).trim();
            if line.contains(['\n', '\r']) {
                return Err(Trouble::told(format!("{file}: expected one line of cookies, found several")));
            }
            return Ok(Who::Cookies(Secret::new(line)));
        }
        Ok(Who::Nobody)
    }

    /// The keys of the token's provider, if they are given.
    ///
    /// # Errors
    /// If the file cannot be read, or is no JWK set.
    pub(super) fn keys(&self) -> Result<Option<Value>, Trouble> {
        let Some(file) = &self.keys else { return Ok(None) };
        let keys =
            json::object(input::text(file)?.as_bytes()).ok().filter(|members| members.get("keys").is_some_and(Value::is_array));
        let keys =
            keys.ok_or_else(|| Trouble::told(format!("{file}: expected a JWK set as {{\"keys\": […]}}, found another text")))?;
        Ok(Some(Value::Object(keys)))
    }
}

/// What a browser sends when somebody opens a page.
pub(crate) fn navigation() -> impl Iterator<Item = (String, String)> {
    NAVIGATION.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()))
}

#[cfg(test)]
impl Explain {
    /// Asks about a GET of somebody with the claims in a file.
    pub(crate) fn about(file: &str, url: &str, claims: &str, place: Place) -> Self {
        let (file, url, claims, method) = (file.to_owned(), url.to_owned(), Some(claims.to_owned()), "GET".to_owned());
        let (headers, navigate, provider, bearer, token, keys, session, policy) =
            (Vec::new(), false, None, false, None, None, None, None);
        Self { file, url, method, headers, navigate, claims, provider, bearer, token, keys, session, policy, place }
    }
}
