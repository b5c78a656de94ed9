// Starts the parts of the demo for tests: its provider (npm's oidc-provider, certified by the OpenID Foundation), its front ends, its services and its
// application; and signs its people in by the provider's form.

import { readFileSync, readdirSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import { after, before, beforeEach } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Visitor } from './client.mjs';
import { managerOf, startGateway } from './gateway.mjs';
import { ROOT, closeServer, freePort, listen, temporaryFolder } from './process.mjs';
import { assertNoPanic } from './stage.mjs';
import { Application } from './upstream.mjs';

const SECRET = 'demo-secret';

/** Starts deploy/demo/provider.mjs for a gateway at this origin. Resolves with {issuer, port, clientSecret, provider, stop}; `provider` is oidc-provider's. */
export async function startDemoProvider(origin, options = {}) {
  const { startProvider } = await demoModule('provider.mjs');
  const provider = await startProvider({ port: 0, clients: [await demoClient(origin)], ...options });
  return { issuer: provider.issuer, port: Number(new URL(provider.issuer).port), clientSecret: SECRET, provider: provider.provider, stop: provider.close };
}

/** The client of that provider for a gateway at this origin, to be changed. */
export async function demoClient(origin) {
  return (await demoModule('provider.mjs')).demoClient(SECRET, origin);
}

/** The same over TLS, at https://localhost, with this client and certificate, for gateways that verify the provider's certificate. */
export async function startTlsProvider(origin, { clientId, certificate, key }) {
  const { startProvider } = await demoModule('provider.mjs');
  const port = await freePort();
  const provider = await startProvider({ port: 0, issuer: `https://localhost:${port}`, clients: [{ ...(await demoClient(origin)), client_id: clientId }] });
  const server = https.createServer({ cert: certificate, key }, (request, response) => provider.server.emit('request', request, response));
  await listen(server, port);
  return {
    issuer: provider.issuer,
    port,
    clientSecret: SECRET,
    provider: provider.provider,
    async stop() {
      await closeServer(server);
      await provider.close();
    },
  };
}

/** The same for a front end at this origin: access tokens are JWTs, and the redirect URI is a page of that front end. */
export async function startSpaProvider(...fronts) {
  const { startProvider, spaClient, jwtAccessTokens } = await demoModule('provider.mjs');
  const client = { ...spaClient(SECRET), redirect_uris: fronts.map((front) => `${front}/auth/callback`) };
  const provider = await startProvider({ port: 0, clients: [client], configuration: jwtAccessTokens() });
  return { issuer: provider.issuer, port: Number(new URL(provider.issuer).port), clientSecret: SECRET, stop: provider.close };
}

/** The same for clients of the MCP server at this address: they register themselves. */
export async function startAgentProvider(resource) {
  const { agentTokens } = await demoModule('provider.mjs');
  return startDemoProvider(undefined, { clients: [], configuration: agentTokens(resource) });
}

/** Starts deploy/demo/notes.mjs. Resolves with {port, notes, requests, stop}; `requests` has {method, url, headers} of all requests. */
export async function startDemoNotes() {
  const { startNotes } = await demoModule('notes.mjs');
  const requests = [];
  const server = await startNotes({ port: 0, onRequest: ({ method, url, headers }) => requests.push({ method, url, headers }) });
  return { port: server.port, notes: server.notes, requests, stop: server.close };
}

/**
 * A provider like Google: only its userinfo endpoint has claims about people, and its endpoints are on several hosts. `port` is the issuer's; `hosts` are all
 * hosts that the gateway must reach: {authority, port, cluster}.
 */
export async function startGoogleLikeProvider(origin) {
  const { startProvider, googleClient } = await demoModule('provider.mjs');
  const provider = await startProvider({ port: 0, clients: [googleClient(SECRET, origin)], configuration: { conformIdTokenClaims: true } });
  const others = await Promise.all(
    ['oauth2', 'apis'].map(async (cluster) => {
      const server = http.createServer((request, response) => provider.server.emit('request', request, response));
      return { cluster, server, port: await listen(server) };
    }),
  );
  const at = (cluster) => `http://127.0.0.1:${others.find((other) => other.cluster === cluster).port}`;
  provider.provider.use(async (ctx, next) => {
    await next();
    if (!ctx.path.endsWith('/openid-configuration')) return;
    Object.assign(ctx.body, { token_endpoint: `${at('oauth2')}/token`, userinfo_endpoint: `${at('apis')}/me`, jwks_uri: `${at('apis')}/jwks` });
  });
  const { token_endpoint: told } = await (await fetch(`${provider.issuer}/.well-known/openid-configuration`)).json();
  if (!told.startsWith(at('oauth2'))) throw new Error(`the endpoints do not live on several hosts: the token endpoint is ${told}`);
  return {
    issuer: provider.issuer,
    port: Number(new URL(provider.issuer).port),
    clientSecret: SECRET,
    hosts: others.map(({ cluster, port }) => ({ cluster, port, authority: `127.0.0.1:${port}` })),
    async stop() {
      for (const { server } of others) await closeServer(server);
      await provider.close();
    },
  };
}

/** Starts deploy/demo/front.mjs for a gateway at this origin. Resolves with {port, stop}. */
export async function startDemoFront(gateway, port = 0) {
  const { startFront } = await demoModule('front.mjs');
  const front = await startFront({ port, gateway });
  return { port: front.port, stop: front.close };
}

/** The provider of the scenario password-and-popup for a gateway at this origin. It knows alice, bob, and carol, who is unknown to the user service. */
export async function startPopupProvider(origin, options = {}) {
  const { popupClient, VISITORS } = await demoModule('provider.mjs');
  return startDemoProvider(origin, { clients: [popupClient(SECRET, origin)], users: VISITORS, ...options });
}

/** Starts deploy/demo/password-front.mjs for a gateway at this origin. Resolves with {port, stop}. */
export async function startPasswordFront(gateway, port = 0) {
  const { startPasswordFront: start } = await demoModule('password-front.mjs');
  const front = await start({ port, gateway });
  return { port: front.port, stop: front.close };
}

/** Starts deploy/demo/users.mjs with alice and bob. Resolves with {url, port, requests, rows, stop}; `requests` has method and path of all requests. */
export async function startDemoUsers(options = {}) {
  const { startUsers } = await demoModule('users.mjs');
  const requests = [];
  const users = await startUsers({ port: 0, onRequest: ({ method, url }) => requests.push(`${method} ${url}`), ...options });
  return { url: users.url, port: users.port, requests, rows: users.rows, stop: users.close };
}

/** Starts deploy/demo/mail.mjs. Resolves with {url, port, requests, letters, stop}; `letters` reads the delivered letters. */
export async function startDemoMail(options = {}) {
  const { startMail } = await demoModule('mail.mjs');
  const requests = [];
  const maildir = temporaryFolder();
  const mail = await startMail({ port: 0, maildir, onRequest: ({ method, url }) => requests.push(`${method} ${url}`), ...options });
  const letters = () =>
    readdirSync(join(maildir, 'new'))
      .sort()
      .map((name) => readFileSync(join(maildir, 'new', name), 'utf8'));
  return { url: mail.url, port: mail.port, requests, letters, maildir, stop: mail.close };
}

/** Changes the front end's origin in the shipped envoy/password-and-popup.yaml to this one. */
export const forPasswordFront = (front) => ({
  plugin: (configuration) => {
    configuration.trusted_origins = [front];
    configuration.popup.origin = front;
  },
  envoy: (bootstrap) => {
    const [host] = managerOf(bootstrap.static_resources.listeners[0]).route_config.virtual_hosts;
    host.typed_per_filter_config['envoy.filters.http.cors'].allow_origin_string_match = [{ exact: front }];
  },
});

/** Starts deploy/demo/app.mjs. Resolves with {port, stop}. */
export async function startDemoApplication() {
  const { startApp } = await demoModule('app.mjs');
  const application = await startApp({ port: 0 });
  return { port: Number(new URL(application.url).port), stop: application.close };
}

async function demoModule(name) {
  try {
    return await import(pathToFileURL(join(ROOT, 'deploy/demo', name)));
  } catch (error) {
    if (error.code === 'ERR_MODULE_NOT_FOUND') throw new Error(`the demo's packages are missing (${error.message}): run "npm ci" in deploy/demo`);
    throw error;
  }
}

/** Visits a page without a session, signs in by the provider's form, and ends at the page. */
export async function signInAs(gateway, login, { path = '/analytics', ...options } = {}) {
  const visitor = new Visitor(gateway, options);
  const form = await visitor.follow(await visitor.open(path));
  if (form.status !== 200 || !form.body.includes('name="password"')) throw new Error(`no sign-in form, but ${form.status} ${form.reason ?? ''} at ${form.url}`);
  visitor.landing = await visitor.follow(await visitor.submit(form, { login, password: `${login}-password`, action: 'login' }));
  return visitor;
}

/** Starts envoy/bff.yaml, changed only in its ports, with the demo's provider and the recording application; alice and bob are signed in. */
export function onDemoStage() {
  const stage = { nobody: (options) => new Visitor(stage.gateway, options) };
  before(async () => {
    const port = await freePort();
    stage.provider = await startDemoProvider(`http://localhost:${port}`);
    stage.application = await Application.start();
    stage.gateway = await startGateway({ port, provider: stage.provider, application: stage.application, envoy: keepTrailers });
    stage.alice = await signInAs(stage.gateway, 'alice');
    stage.bob = await signInAs(stage.gateway, 'bob');
  });
  beforeEach(() => stage.application.forget());
  after(async () => {
    await stage.gateway?.stop();
    await stage.provider?.stop();
    await stage.application?.stop();
    if (stage.gateway) assertNoPanic(stage.gateway);
  });
  return stage;
}

/** Makes Envoy forward trailers over HTTP/1.1, so that tests see them arrive; by default it drops them on both sides. */
function keepTrailers(bootstrap) {
  const manager = managerOf(bootstrap.static_resources.listeners[0]);
  manager.http_protocol_options = { ...manager.http_protocol_options, enable_trailers: true };
  const cluster = bootstrap.static_resources.clusters.find(({ name }) => name === 'application');
  cluster.typed_extension_protocol_options = {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: { http_protocol_options: { enable_trailers: true } },
    },
  };
}
