// Better Auth with its OAuth provider and the memory adapter: two people, their groups and one client. Like every program that uses it, it brings its own pages for
// sign-in and consent.

import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { oauthProvider } from '@better-auth/oauth-provider';
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { toNodeHandler } from 'better-auth/node';
import { jwt } from 'better-auth/plugins';

// Like the other drivers, it gets its settings as one line, and ends with its input.
const input = createInterface({ input: process.stdin });
input.once('close', () => process.exit(0));
const settings = await new Promise((line) => input.once('line', (text) => line(JSON.parse(text))));
const { origin } = new URL(settings.issuer);

const tables = ['user', 'session', 'account', 'verification', 'jwks', 'rateLimit', 'oauthClient', 'oauthResource', 'oauthClientResource'];
const of = ['oauthRefreshToken', 'oauthAccessToken', 'oauthConsent', 'oauthClientAssertion'];
const database = Object.fromEntries([...tables, ...of].map((name) => [name, []]));

/** What tokens and userinfo say about a person besides the standard claims. */
const claims = ({ user }) => ({ preferred_username: user.login, groups: user.groups });

const auth = betterAuth({
  baseURL: origin,
  secret: settings.random,
  database: memoryAdapter(database),
  emailAndPassword: { enabled: true },
  user: { additionalFields: { login: { type: 'string' }, groups: { type: 'string[]' } } },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  plugins: [
    jwt(),
    oauthProvider({
      loginPage: '/sign-in',
      consentPage: '/consent',
      scopes: ['openid', 'profile', 'email', 'offline_access'],
      accessTokenExpiresIn: settings.lifetime,
      customIdTokenClaims: claims,
      customUserInfoClaims: claims,
      generateClientId: () => settings.client_id,
      generateClientSecret: () => settings.client_secret,
    }),
  ],
});

for (const [login, { name, email, password, groups }] of Object.entries(settings.people)) {
  await auth.api.signUpEmail({ body: { name, email, password, login, groups } });
}

// Only somebody who is signed in can register a client.
const [{ email, password }] = Object.values(settings.people);
const registrar = await auth.api.signInEmail({ body: { email, password }, asResponse: true });
await auth.api.adminCreateOAuthClient({
  headers: {
    cookie: registrar.headers
      .getSetCookie()
      .map((line) => line.split(';')[0])
      .join('; '),
  },
  body: {
    client_name: 'The gateway',
    // A "web" client has https addresses; plain http on this machine is only for a "native" one.
    application_type: 'native',
    redirect_uris: settings.redirect_uris,
    post_logout_redirect_uris: settings.post_logout_redirect_uris,
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['authorization_code', 'refresh_token'],
    scope: 'openid profile email offline_access',
    enable_end_session: true,
  },
});

const html = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
const form = (path, query, inputs) => `<form method="post" action="${path}"><input type="hidden" name="oauth_query" value="${html(query)}">${inputs}</form>`;
const PAGES = {
  '/sign-in': {
    inputs: '<input name="email"><input type="password" name="password"><button>Sign in</button>',
    endpoint: '/api/auth/sign-in/email',
    body: ({ email, password, oauth_query }) => ({ email, password, oauth_query }),
  },
  '/consent': {
    inputs: '<button name="accept" value="true">Accept</button>',
    endpoint: '/api/auth/oauth2/consent',
    body: ({ accept, oauth_query }) => ({ accept: accept === 'true', oauth_query }),
  },
};

/** Asks an endpoint as a script of these pages would, and goes where it says. */
async function pass(request, response, { endpoint, body }) {
  let text = '';
  for await (const part of request.setEncoding('utf8')) text += part;
  const answer = await auth.handler(
    new Request(origin + endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin, cookie: request.headers.cookie ?? '' },
      body: JSON.stringify(body(Object.fromEntries(new URLSearchParams(text)))),
    }),
  );
  const said = await answer.json();
  for (const cookie of answer.headers.getSetCookie()) response.appendHeader('set-cookie', cookie);
  if (answer.ok && said.url) response.writeHead(302, { location: said.url }).end();
  else response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(said));
}

const handle = toNodeHandler(auth);
createServer((request, response) => {
  const { pathname, search } = new URL(request.url, origin);
  const page = PAGES[pathname];
  if (page && request.method === 'POST') return void pass(request, response, page);
  if (page) return void response.writeHead(200, { 'content-type': 'text/html' }).end(form(pathname, search.slice(1), page.inputs));
  return void handle(request, response);
}).listen(settings.port, '127.0.0.1', () => console.log('ready'));
