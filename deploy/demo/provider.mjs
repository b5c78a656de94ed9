// A real OpenID provider for the demo and the end-to-end tests: npm's oidc-provider, which is certified, with two users and a login form. It keeps its keys and
// sessions only in memory. To start it by hand, for the gateway at ORIGIN: OIDC_CLIENT_SECRET=… ORIGIN=http://localhost:10000 PORT=9000 node provider.mjs
import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { consented, consentPage, isConsent } from './consent.mjs';
import { html, page, trusted } from './page.mjs';

// oidc-provider calls URL.parse if it is configured with resources; Node 20 does not have it.
URL.parse ??= (text, base) => (URL.canParse(text, base) ? new URL(text, base) : null);

export const USERS = {
  alice: person('Alice Adams', 'alice', ['oracle-ai-users', 'staff']),
  bob: person('Bob Brown', 'bob', ['staff']),
};

function person(name, login, groups) {
  const picture = `https://pictures.example.com/${login}.png`;
  const claims = { email: `${login}@example.com`, email_verified: true, name, picture, preferred_username: login, groups };
  return { password: `${login}-password`, claims };
}

/** The users of the scenario password-and-popup: with first and last names, and with carol, whom the user service does not know before her first visit. */
export const VISITORS = Object.fromEntries(
  Object.entries({ ...USERS, carol: person('Carol Clark', 'carol', ['staff']) }).map(([login, { password, claims }]) => {
    const [given_name, family_name] = claims.name.split(' ');
    return [login, { password, claims: { ...claims, given_name, family_name } }];
  }),
);

/** The client that envoy/bff.yaml signs in as. */
export const demoClient = (secret, origin = 'http://localhost:10000') => ({
  client_id: 'accredit-demo',
  client_secret: secret,
  redirect_uris: [`${origin}/api/callback`],
  post_logout_redirect_uris: [`${origin}/`],
  grant_types: ['authorization_code', 'refresh_token'],
});

/** The client that envoy/google-session.yaml signs in as. */
export const googleClient = (secret, origin = 'http://localhost:10000') => ({ ...demoClient(secret, origin), redirect_uris: [`${origin}/auth/callback`] });

/** The client that envoy/password-and-popup.yaml signs in as: the code comes back in a popup. */
export const popupClient = (secret, origin = 'http://localhost:10000') => ({
  ...demoClient(secret, origin),
  redirect_uris: [`${origin}/api/auth/google/callback`],
  post_logout_redirect_uris: [],
  grant_types: ['authorization_code'],
});

/** The client that envoy/spa-tokens.yaml signs in as: the code goes to a page of the front end. */
export const spaClient = (secret, front = 'http://localhost:9200') => ({
  ...demoClient(secret),
  redirect_uris: [`${front}/auth/callback`],
  post_logout_redirect_uris: [],
  grant_types: ['authorization_code'],
});

/** Access tokens as JWTs for the client itself, with the claims that rules look at, and the endpoints under plain names. */
export const jwtAccessTokens = (users = USERS) => ({
  routes: { authorization: '/authorize', token: '/token', jwks: '/jwks' },
  // Nobody would use a refresh token.
  issueRefreshToken: async () => false,
  extraTokenClaims: (_, { accountId }) => (({ name, preferred_username, groups }) => ({ name, preferred_username, groups }))(users[accountId].claims),
  features: {
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'urn:accredit:demo:api',
      useGrantedResource: () => true,
      getResourceServerInfo: (_, _indicator, { clientId }) => ({ audience: clientId, scope: '', accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } }),
    },
  },
});

/** What clients can ask for at the MCP server of the demo. */
const NOTES = ['notes:read', 'notes:write', 'notes:delete'];

/**
 * For clients of MCP servers: they register themselves (RFC 7591), name the server that they want a token for (RFC 8707), and get a JWT that is for it alone.
 * `resource` is the only server that tokens can be asked for. People are asked what each client may do.
 */
export const agentTokens = (resource, users = USERS) => ({
  scopes: ['openid', 'offline_access', ...NOTES],
  extraTokenClaims: (_, { accountId }) => ({ groups: users[accountId].claims.groups }),
  loadExistingGrant: async ({ oidc: { result, session, client, provider } }) => {
    const known = result?.consent?.grantId ?? session.grantIdFor(client.clientId);
    return known && provider.Grant.find(known);
  },
  issueRefreshToken: async (_, client) => client.grantTypeAllowed('refresh_token'),
  features: {
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: async (_, indicator) => {
        // Loaded here for the reason that startProvider says.
        const { errors } = await import('oidc-provider');
        if (indicator !== resource) throw new errors.InvalidTarget();
        return { audience: resource, scope: NOTES.join(' '), accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } };
      },
    },
  },
});

/** `port: 0` chooses a free port. `configuration` is passed to oidc-provider, and overrides what is set here. */
export async function startProvider({ port = 9000, host = '127.0.0.1', issuer, clients, users = USERS, configuration: { features, ...configuration } = {} }) {
  // Loaded only when a provider is started: other programs import clients or names from this file, and need not wait for it.
  const { default: Provider, interactionPolicy } = await quietly(() => import('oidc-provider'));
  const server = createServer();
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  issuer ??= `http://${host}:${server.address().port}`;

  const provider = await quietly(
    () =>
      new Provider(issuer, {
        clients,
        jwks: { keys: [signingKey()] },
        cookies: { keys: [randomBytes(32).toString('base64url')] },
        claims: {
          openid: ['sub'],
          email: ['email', 'email_verified'],
          profile: ['name', 'given_name', 'family_name', 'picture', 'preferred_username'],
          groups: ['groups'],
        },
        // The claims of the requested scopes are in the ID token, as with most providers; by default only the userinfo endpoint has them.
        conformIdTokenClaims: false,
        findAccount: (_, login) => users[login] && { accountId: login, claims: () => ({ sub: login, ...users[login].claims }) },
        loadExistingGrant: grantWithoutAsking,
        issueRefreshToken: async () => true,
        interactions: { url: (_, interaction) => `/interaction/${interaction.uid}`, policy: policy(interactionPolicy) },
        features: {
          devInteractions: { enabled: false },
          rpInitiatedLogout: { logoutSource: signOutAtOnce, postLogoutSuccessSource: signedOut },
          ...features,
        },
        renderError: somethingWentWrong,
        ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 86400, IdToken: 600, Interaction: 600, RefreshToken: 86400, Session: 86400 },
        ...configuration,
      }),
  );
  provider.use(interactions(provider, users));
  // Called again for each request, because koa copies its list of middleware and tests add theirs later.
  server.on('request', (request, response) => provider.callback()(request, response));

  return {
    issuer,
    provider,
    server,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}

/** Hides two warnings of oidc-provider at its start: that it keeps data only in memory, which is wanted here, and that Node 20 is old, on which it works. */
async function quietly(work) {
  const { warn } = console;
  console.warn = (text, ...rest) => String(text).includes('oidc-provider WARNING') || warn(text, ...rest);
  try {
    return await work();
  } finally {
    console.warn = warn;
  }
}

function signingKey() {
  // By way of PEM: Node 20 can wait for itself for ever when it collects the garbage of a generated key while that very key is exported.
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return { ...createPrivateKey(privateKey).export({ format: 'jwk' }), kid: randomBytes(8).toString('hex'), alg: 'RS256', use: 'sig' };
}

/** "Use another account" requests prompt=select_account; this provider then shows its login form again. */
function policy({ base, Prompt }) {
  const prompts = base();
  prompts.add(new Prompt({ name: 'select_account', requestable: true }), 0);
  return prompts;
}

/** People are not asked for their consent, because gateway and provider belong together. */
async function grantWithoutAsking(ctx) {
  const { client, session, params, provider } = ctx.oidc;
  const known = session.grantIdFor(client.clientId);
  const grant = (known && (await provider.Grant.find(known))) || new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope(params.scope);
  await grant.save();
  return grant;
}

/** Shows the login form, checks what was entered, and handles cancelling. */
function interactions(provider, users) {
  return async (ctx, next) => {
    if (!/^\/interaction\/[\w-]+$/.test(ctx.path)) return next();
    const finish = async (result) => {
      ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: false }));
      ctx.status = 303;
    };
    const interaction = await provider.interactionDetails(ctx.req, ctx.res);
    const { params, prompt } = interaction;
    ctx.set('cache-control', 'no-store');

    if (ctx.method === 'GET') {
      ctx.body = isConsent(interaction) ? await consentPage(provider, interaction) : loginPage(users, params);
    } else if (ctx.method === 'POST') {
      const { action, login, password } = Object.fromEntries(await form(ctx.req));
      const user = Object.hasOwn(users, login) && users[login];
      if (action === 'cancel') await finish({ error: 'access_denied', error_description: 'The sign-in was cancelled' });
      else if (isConsent(interaction)) await finish(await consented(provider, interaction));
      // Signing in also answers select_account; otherwise the provider would ask again.
      else if (user && user.password === password) await finish({ [prompt.name]: {}, login: { accountId: login } });
      else {
        ctx.status = 401;
        ctx.body = loginPage(users, params, login);
      }
    } else {
      ctx.status = 405;
    }
  };
}

async function form(request) {
  let body = '';
  for await (const chunk of request) {
    body += chunk;
    if (body.length > 8192) throw new Error('the form is too large');
  }
  return new URLSearchParams(body);
}

const loginPage = (users, params, refused) =>
  page({
    title: 'Sign in',
    body: html`<h1>Sign in</h1><p class="lead">to continue to <b>${params.client_id}</b></p>
    <form class="card" method="post">
      ${refused === undefined ? '' : html`<p class="bad" role="alert">This name and this password do not belong together.</p>`}
      <label>Name <input name="login" value="${refused ?? params.login_hint}" autocomplete="username" autocapitalize="none" required autofocus></label>
      <label>Password <input name="password" type="password" autocomplete="current-password" required></label>
      <p class="row"><button name="action" value="login">Sign in</button>
        <button class="quiet" name="action" value="cancel" formnovalidate>Cancel</button></p>
    </form>
    <small>This is the demo's own provider. Users: ${Object.entries(users).map(
      ([login, { password }], index) => html`${index ? ', ' : ''}<b>${login}</b> with <b>${password}</b>`,
    )}.</small>`,
  });

/** Signs out without asking a second time, by a script that presses the button; without scripts, the button is visible. */
function signOutAtOnce(ctx, logoutForm) {
  ctx.body = page({
    title: 'Signing out',
    body: html`<h1>Signing out…</h1>${trusted(logoutForm)}
      <button form="op.logoutForm" name="logout" value="yes">Sign out</button><script>document.querySelector('button').click()</script>`,
  });
}

function signedOut(ctx) {
  ctx.body = page({ title: 'Signed out', body: html`<h1>Signed out</h1><p>You can close this page.</p>` });
}

function somethingWentWrong(ctx, { error, error_description: description }) {
  ctx.type = 'html';
  ctx.body = page({ title: 'Error', body: html`<h1>This did not work</h1><p>${description ?? ''}</p><small>${error}</small>` });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { PORT = 9000, OIDC_CLIENT_SECRET, ORIGIN } = process.env;
  if (!OIDC_CLIENT_SECRET) throw new Error('OIDC_CLIENT_SECRET is not set: it is the secret that the gateway has too');
  const { issuer } = await startProvider({ port: Number(PORT), clients: [demoClient(OIDC_CLIENT_SECRET, ORIGIN)] });
  console.log(`provider: ${issuer}`);
}
