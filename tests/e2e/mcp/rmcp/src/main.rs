//! The Rust SDK of MCP as a client. Like the other programs of `tests/e2e/mcp`, it reads settings and commands from its standard input, lines of JSON, and
//! writes answers to its standard output; it ends with its input.
//!
//! It decides nothing about tokens and scopes: it hands the SDK each challenge that the server sent, and shows a person the address that the SDK makes.

mod callback;

use std::error::Error;
use std::fs::OpenOptions;
use std::io::Write;

use rmcp::model::{CallToolRequestParams, JsonObject, ProtocolVersion, Tool};
use rmcp::service::{RunningService, ServiceError};
use rmcp::transport::auth::{AuthClient, AuthorizationManager, AuthorizationRequest, OAuthState, WWWAuthenticateParams};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{IntoTransport, StreamableHttpClientTransport};
use rmcp::{ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

use callback::Callback;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// After so many sign-ins for one command, its error is told.
const MOST_SIGN_INS: usize = 2;

struct Client {
    url: String,
    /// A client that the authorization server knows already.
    registered: Option<String>,
    /// The address of the client's metadata.
    described: Option<String>,
    /// Whether it begins as clients of 2026-07-28 do, and falls back; otherwise it speaks an older version.
    is_modern: bool,
    callback: Callback,
    /// What holds the tokens; `None` until somebody has signed in.
    auth: Option<AuthClient<reqwest::Client>>,
    running: Option<RunningService<RoleClient, ()>>,
}

impl Client {
    async fn new(settings: &Value) -> Result<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let port = settings["port"].as_u64().ok_or("no port")?;
        Ok(Self {
            url: text(&settings["url"]).ok_or("no url")?,
            registered: text(&settings["registered"]["client_id"]),
            described: text(&settings["described"]),
            is_modern: settings["mode"] == "auto",
            callback: Callback::listen(u16::try_from(port)?).await?,
            auth: None,
            running: None,
        })
    }

    async fn connect(&mut self) -> Result<()> {
        let mut sign_ins = 0;
        loop {
            let to = StreamableHttpClientTransportConfig::with_uri(self.url.as_str());
            let served = match &self.auth {
                None => serve(StreamableHttpClientTransport::with_client(reqwest::Client::new(), to), self.is_modern).await,
                Some(auth) => serve(StreamableHttpClientTransport::with_client(auth.clone(), to), self.is_modern).await,
            };
            match served {
                Ok(running) => {
                    self.running = Some(running);
                    return Ok(());
                }
                Err(error) => match error.auth_challenge().map(str::to_owned) {
                    Some(challenge) if sign_ins < MOST_SIGN_INS => self.sign_in(&challenge).await?,
                    _ => return Err(error.into()),
                },
            }
            sign_ins += 1;
        }
    }

    async fn list(&mut self) -> Result<Vec<Tool>> {
        let mut sign_ins = 0;
        loop {
            let listed = self.running.as_ref().ok_or("not connected")?.list_all_tools().await;
            match listed {
                Ok(tools) => return Ok(tools),
                Err(error) => self.after(error, &mut sign_ins).await?,
            }
        }
    }

    async fn call(&mut self, name: &str, given: &JsonObject) -> Result<String> {
        let mut sign_ins = 0;
        loop {
            let call = CallToolRequestParams::new(name.to_owned()).with_arguments(given.clone());
            let called = self.running.as_ref().ok_or("not connected")?.call_tool(call).await;
            match called {
                Ok(result) => {
                    let text = result.content.first().and_then(|content| content.as_text()).ok_or("no text")?;
                    return Ok(text.text.clone());
                }
                Err(error) => self.after(error, &mut sign_ins).await?,
            }
        }
    }

    /// Has the person sign in, if that is why a request failed and has not been tried often; otherwise the error is this one.
    async fn after(&mut self, error: ServiceError, sign_ins: &mut usize) -> Result<()> {
        match error.auth_challenge().map(str::to_owned) {
            Some(challenge) if *sign_ins < MOST_SIGN_INS => {
                *sign_ins += 1;
                let had = self.auth.is_some();
                self.sign_in(&challenge).await?;
                // A connection keeps the holder of tokens that it was opened with.
                if !had || !is_for_more(&challenge) { self.connect().await } else { Ok(()) }
            }
            _ => Err(error.into()),
        }
    }

    /// Has the person sign in for what this challenge asks: for more scopes, with the client that has signed in already; otherwise anew.
    async fn sign_in(&mut self, challenge: &str) -> Result<()> {
        if let (Some(auth), true) = (&self.auth, is_for_more(challenge)) {
            let manager = auth.auth_manager.lock().await;
            let scope = parameters(challenge).scope.ok_or("the challenge names no scope")?;
            let address = manager.request_scope_upgrade(&scope).await?;
            return redeem(&manager, &address, &mut self.callback).await;
        }
        let mut request = AuthorizationRequest::new(self.callback.address())
            .with_client_name("a client of the tests")
            .with_challenge(challenge);
        if let Some(id) = &self.registered {
            request = request.with_preregistered_client(id);
        }
        if let Some(address) = &self.described {
            request = request.with_client_metadata_url(address);
        }
        let mut state = OAuthState::new(self.url.as_str(), None).await?;
        state.start_authorization(request).await?;
        show(&state.get_authorization_url().await?)?;
        state.handle_callback_url(&self.callback.next().await?).await?;
        let manager = state.into_authorization_manager().ok_or("nobody is signed in")?;
        self.auth = Some(AuthClient::new(reqwest::Client::new(), manager));
        Ok(())
    }

    async fn end(&mut self) -> Result<()> {
        if let Some(running) = self.running.take() {
            running.cancel().await?;
        }
        Ok(())
    }
}

async fn serve<T, E, A>(
    transport: T,
    is_modern: bool,
) -> std::result::Result<RunningService<RoleClient, ()>, rmcp::service::ClientInitializeError>
where
    T: IntoTransport<RoleClient, E, A>,
    E: Error + Send + Sync + 'static,
{
    let mode = match is_modern {
        true => ClientLifecycleMode::Auto { preferred_versions: vec![ProtocolVersion::V_2026_07_28], legacy_version: None },
        false => ClientLifecycleMode::Initialize,
    };
    ().serve_with_lifecycle(transport, mode).await
}

/// Has a person visit this address, and gets a token for the code that comes back.
async fn redeem(manager: &AuthorizationManager, address: &str, callback: &mut Callback) -> Result<()> {
    show(address)?;
    let came = rmcp::transport::auth::AuthorizationCallback::from_redirect_url(&callback.next().await?)?;
    manager.exchange_code_for_token_with_issuer(&came.code, &came.csrf_token, came.issuer.as_deref()).await?;
    Ok(())
}

fn parameters(challenge: &str) -> WWWAuthenticateParams {
    let nowhere = reqwest::Url::parse("http://127.0.0.1/").expect("a URL");
    WWWAuthenticateParams::parse(challenge, &nowhere)
}

fn is_for_more(challenge: &str) -> bool {
    parameters(challenge).is_insufficient_scope()
}

/// Shows an address to the person.
fn show(address: &str) -> Result<()> {
    let visits = std::env::var("MCP_VISITS")?;
    Ok(writeln!(OpenOptions::new().create(true).append(true).open(visits)?, "{address}")?)
}

async fn answer(client: &mut Client, given: &Value) -> Result<Value> {
    match given["command"].as_str().unwrap_or_default() {
        "connect" => client.connect().await.map(|()| Value::Null),
        "list" => Ok(client.list().await?.iter().map(|tool| tool.name.as_ref()).collect()),
        "call" => {
            let arguments = given["given"].as_object().cloned().unwrap_or_default();
            client.call(given["name"].as_str().unwrap_or_default(), &arguments).await.map(Value::from)
        }
        "end" => client.end().await.map(|()| Value::Null),
        other => Err(format!("there is no command {other}").into()),
    }
}

/// The text of an error, with those of its causes.
fn text_of(error: &dyn Error) -> String {
    let mut all = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        all.push(error.to_string());
        cause = error.source();
    }
    all.join(": ")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut lines = BufReader::new(stdin()).lines();
    let settings = lines.next_line().await?.ok_or("no settings")?;
    let mut client = Client::new(&serde_json::from_str(&settings)?).await?;
    while let Some(line) = lines.next_line().await? {
        let said = match answer(&mut client, &serde_json::from_str(&line)?).await {
            Ok(result) => json!({ "result": result }),
            Err(error) => json!({ "error": text_of(&*error) }),
        };
        println!("{said}");
    }
    Ok(())
}
