#!/bin/sh
# oidc-provider: a relying party with a private address gets no logout token, although it is registered and the sign-out succeeds.
#
# Expected         back-channel logout posts a logout token to the registered `backchannel_logout_uri`, wherever that is: an operator registers it.
# What happens     the provider's own calls go to no loopback or private address, by its default `fetch`. The person sees "signed out", the relying party
#                  hears nothing, and only the event `backchannel.error` ("fetch failed") tells of it. With a `fetch` of one's own, the token comes.
# Who is affected  gateways inside a cluster or a company's network, and everybody who tries back-channel logout on one machine.
#
# It needs Node 20 with npm, and access to its registry. It prints the version and what came, and fails when that changes.
set -eu
folder=$(mktemp -d); cd "$folder"
trap 'rm -rf "$folder"' EXIT
npm init -y >/dev/null && npm install --silent --no-fund --no-audit oidc-provider@9.13.3 2>/dev/null
node -p '`oidc-provider ${require("./node_modules/oidc-provider/package.json").version}`'
cat >try.mjs <<'JS'
import http from 'node:http';
console.info = console.warn = () => {};
const { default: Provider } = await import('oidc-provider');

const listen = (server) => new Promise((done) => server.listen(0, '127.0.0.1', () => done(server.address().port)));

/** Signs somebody out at a provider with these settings; returns what the relying party and the provider's events say. */
async function signedOut(settings) {
  const told = [];
  const relyingParty = http.createServer((request, response) => {
    told.push(`the relying party got ${request.method} ${request.url}`);
    request.resume();
    response.end();
  });
  const at = `http://127.0.0.1:${await listen(relyingParty)}`;
  const server = http.createServer();
  const issuer = `http://127.0.0.1:${await listen(server)}`;
  const client = {
    client_id: 'app', client_secret: 'secret', redirect_uris: [`${at}/callback`], response_types: ['code'], grant_types: ['authorization_code'],
    backchannel_logout_uri: `${at}/backchannel_logout`,
  };
  const features = { devInteractions: { enabled: false }, backchannelLogout: { enabled: true } };
  const provider = new Provider(issuer, { clients: [client], features, ...settings });
  server.on('request', provider.callback());
  const ended = new Promise((done) => {
    provider.on('backchannel.success', () => done('the provider says: success'));
    provider.on('backchannel.error', (_, error) => done(`the provider says: ${error.message}`));
  });
  const found = await provider.Client.find('app');
  const context = { oidc: { provider } };
  found.backchannelLogout('alice', 'session-1').then(
    () => provider.emit('backchannel.success', context, found),
    (error) => provider.emit('backchannel.error', context, error, found),
  );
  told.push(await ended);
  for (const one of [relyingParty, server]) one.close(), one.closeAllConnections();
  return told.join('; ');
}

const byDefault = await signedOut({});
console.log(`by default: ${byDefault}`);
const own = await signedOut({ fetch: (url, { dispatcher: _, ...options }) => fetch(url, options) });
console.log(`with a fetch of one's own: ${own}`);
const expected = ['the provider says: fetch failed', 'the relying party got POST /backchannel_logout; the provider says: success'];
process.exit(JSON.stringify([byDefault, own]) === JSON.stringify(expected) ? 0 : 1);
JS
node try.mjs
