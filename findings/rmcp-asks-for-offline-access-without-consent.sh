#!/bin/sh
# The Rust SDK of MCP (rmcp): it adds `offline_access` to the scopes, but no `prompt=consent`, without which OpenID providers ignore that scope.
#
# Expected         `prompt=consent` beside `offline_access`, as the newest SDKs for TypeScript and Python send it. OpenID Connect Core, section 11, has
#                  the provider ignore the scope without it, unless something else permits access while the person is away.
# What happens     rmcp adds `offline_access` where the provider lists it, so that it gets a refresh token, and sends no `prompt`. oidc-provider takes the
#                  scope away. Its refresh tokens then end with the person's session, or there is none: by default it issues them only for that scope.
# Who is affected  programs with rmcp whose people sign in at such a provider: when the access token ends, the person must sign in again. It is avoided
#                  by adding `&prompt=consent` to the address that rmcp makes.
#
# It needs cargo, npm, Python 3, and access to their registries. It prints the versions, what the address of rmcp asks for, and what the provider offers
# for that address and for the same with `prompt=consent`. It fails when this changes.
set -eu
folder=$(mktemp -d); cd "$folder"
trap 'kill $provider 2>/dev/null || :; wait; rm -rf "$folder"' EXIT
provider=
RMCP=3.11.0 PROVIDER=9.13.3
PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'); export PORT
echo "rmcp $RMCP, oidc-provider $PROVIDER"

npm install --silent --no-audit --no-fund "oidc-provider@$PROVIDER" >/dev/null
cat >provider.mjs <<'JAVASCRIPT'
import Provider from 'oidc-provider';

const provider = new Provider(`http://127.0.0.1:${process.env.PORT}`, {
  features: { registration: { enabled: true }, resourceIndicators: { enabled: false } },
});
provider.listen(Number(process.env.PORT), '127.0.0.1');
JAVASCRIPT
node provider.mjs >provider.log 2>&1 & provider=$!

cargo init --quiet --vcs none --name ask ask
cat >ask/Cargo.toml <<TOML
[package]
name = "ask"
version = "0.0.0"
edition = "2024"

[dependencies]
rmcp = { version = "=$RMCP", default-features = false, features = ["auth", "client"] }
tokio = { version = "1", features = ["macros", "rt"] }
TOML
cat >ask/src/main.rs <<'RUST'
use rmcp::transport::auth::AuthorizationManager;

/// Prints the client's id, and the address to which a program sends its person.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut manager = AuthorizationManager::new(format!("http://127.0.0.1:{}", std::env::var("PORT")?)).await?;
    let metadata = manager.resolve_metadata().await?.metadata;
    manager.set_metadata(metadata);
    let scopes = manager.select_scopes(Some("openid"), &[]);
    let scopes: Vec<_> = scopes.iter().map(String::as_str).collect();
    let config = manager.register_client("ask", "http://127.0.0.1:1/callback", &scopes).await?;
    manager.configure_client(config)?;
    println!("{}", manager.get_authorization_url(&scopes).await?);
    Ok(())
}
RUST
cargo build --quiet --manifest-path ask/Cargo.toml --target-dir target
python3 -c 'import os, socket, time
for _ in range(500):
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", int(os.environ["PORT"]))) == 0: break
    time.sleep(0.02)'
target/debug/ask >address

cat >visit.py <<'PYTHON'
import http.cookiejar, re, sys, urllib.error, urllib.parse, urllib.request

class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, request, *rest):
        location = urllib.parse.urljoin(request.full_url, rest[3]["location"])
        return None if ":1/callback" in location else urllib.request.Request(location)

def visit(address):
    """What a person is asked to allow, who signs in anew."""
    browser = urllib.request.build_opener(Stay, urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    page = browser.open(address)
    action = re.search(r'action="([^"]+)"', page.read().decode()).group(1)
    page = browser.open(urllib.parse.urljoin(page.url, action), urllib.parse.urlencode({"prompt": "login", "login": "alice", "password": "x"}).encode())
    return page.read().decode()

address = open("address").read().strip()
asked = urllib.parse.parse_qs(urllib.parse.urlsplit(address).query)
print("rmcp asks for", asked["scope"][0], "with prompt", asked.get("prompt", [None])[0])
for title, tried in (("the provider offers of this", address), ("and with prompt=consent", address + "&prompt=consent")):
    print(f"{title}:", "offline_access" if "offline" in visit(tried).lower() else "nothing beyond the session")
PYTHON
python3 visit.py | tee told
diff - told <<'EXPECTED' >/dev/null || { echo 'it has changed' >&2; exit 1; }
rmcp asks for openid offline_access with prompt None
the provider offers of this: nothing beyond the session
and with prompt=consent: offline_access
EXPECTED
