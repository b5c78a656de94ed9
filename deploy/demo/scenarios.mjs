// The scenarios of the demo: which services each needs, how they are started, and what to try. It is used by run.mjs, which starts all services of a scenario
// in one process, and by serve.mjs, which starts one service in a container. It starts nothing itself.
import { startFront } from './front.mjs';
import { startPasswordFront } from './password-front.mjs';
import { agentTokens, demoClient, googleClient, jwtAccessTokens, popupClient, spaClient, VISITORS } from './provider.mjs';

export const GATEWAY = 'http://localhost:10000';
export const ADMIN = 'http://127.0.0.1:9901';
const FRONT = 'http://localhost:9200';
const USER_SERVICE = 'http://127.0.0.1:9300';
export const MAIL = 'target/demo/mail';
const ALICE = '{"username":"alice","password":"alice-password"}';
export const PORTS = { gateway: 10000, admin: 9901, provider: 9000, application: 9100, front: 9200, users: 9300, mail: 9301 };

// config: Envoy's file · provider: the options of the provider, made from the secrets; without it there is no provider · application: the options of the
// application · mcp: starts an MCP server in place of the application · front: starts the front end · users, mail: whether these services are used · toTry: [what to type or open, why]
export const SCENARIOS = {
  bff: {
    about: 'sessions in sealed cookies; no script of a page sees a token',
    config: 'envoy/bff.yaml',
    provider: ({ OIDC_CLIENT_SECRET }) => ({ clients: [demoClient(OIDC_CLIENT_SECRET, GATEWAY)] }),
    toTry: [
      [`${GATEWAY}/analytics`, 'in a browser: sign in at the provider, and come back to the page'],
      [`${GATEWAY}/members`, 'as alice, then as bob: she may see it; he gets a page that says why not'],
      [`${GATEWAY}/chat`, 'a public page whose API is not: 401, 403 or an answer'],
      [`${GATEWAY}/api/headers`, 'what the application is told about you'],
      [`curl -i ${GATEWAY}/api/chat`, 'programs get 401 and JSON, never a redirect'],
      [`curl -i -H 'X-Forwarded-User: root' ${GATEWAY}/`, 'nobody becomes root by saying so'],
      [`curl -s '${ADMIN}/stats?filter=accredit'`, 'what the filter has counted'],
    ],
  },
  'spa-tokens': {
    about: 'a front end on another origin, which keeps its own token and sends it with every call',
    config: 'envoy/spa-tokens.yaml',
    provider: ({ OIDC_CLIENT_SECRET }) => ({ clients: [spaClient(OIDC_CLIENT_SECRET, FRONT)], configuration: jwtAccessTokens() }),
    front: startFront,
    toTry: [
      [FRONT, 'in a browser: call the API, sign in as alice, call it again; then as bob, in a private window'],
      [`curl -i ${GATEWAY}/api/chat`, '401 and a challenge: only a token will do'],
      [`curl -i ${GATEWAY}/api/authorize`, 'where the front end sends a person, and the cookie of that sign-in'],
      [`curl -i -H 'Authorization: Bearer x' ${GATEWAY}/api/analytics`, '401 token_invalid'],
      [`curl -s '${ADMIN}/stats?filter=accredit'`, 'what the filter has counted'],
    ],
  },
  'google-session': {
    about: 'sign-in with a provider such as Google; the session is a JWT that the application reads',
    config: 'envoy/google-session.yaml',
    provider: ({ OIDC_CLIENT_SECRET }) => ({ clients: [googleClient(OIDC_CLIENT_SECRET, GATEWAY)], configuration: { conformIdTokenClaims: true } }),
    application: { login: '/auth/login', logout: '/auth/logout' },
    toTry: [
      [GATEWAY, 'in a browser: a public page; sign in, and it knows you'],
      [`${GATEWAY}/api/user`, 'who the session says you are'],
      [`${GATEWAY}/api/headers`, 'what the application is told about you, the session among it'],
      [`curl -i ${GATEWAY}/api/protected`, 'programs get 401 and JSON, never a redirect'],
      [`curl -i -H 'Cookie: access_token=forged' ${GATEWAY}/`, 'on a public page a forged session is nobody'],
    ],
  },
  'password-and-popup': {
    about: 'a front end whose login form posts JSON, and whose other button opens the provider in a popup',
    config: 'envoy/password-and-popup.yaml',
    provider: ({ OIDC_CLIENT_SECRET }) => ({ clients: [popupClient(OIDC_CLIENT_SECRET, GATEWAY)], users: VISITORS }),
    front: startPasswordFront,
    users: true,
    mail: true,
    toTry: [
      [FRONT, 'in a browser: sign in as alice@example.com by the form, or as carol in the popup, who is new'],
      [`curl -i -H 'Content-Type: application/json' -d '{"email":"bob@example.com","password":"bob-password"}' ${GATEWAY}/api/auth/login`, ''],
      [`curl -i ${GATEWAY}/api/headers`, '401 token_missing'],
      [`curl -i ${GATEWAY}/api/auth/google/url`, 'where the front end sends the popup, and the cookie of that sign-in'],
      [`curl -s ${USER_SERVICE}/api/users/email/carol@example.com`, '404, until carol has been here'],
      [`cat ${MAIL}/new/*`, 'the letter that she got (SMTP_URL=… sends it instead)'],
      [`curl -s '${ADMIN}/stats?filter=accredit'`, 'what the filter has counted'],
    ],
  },
  'login-microservices': {
    about: 'microservices behind bearer tokens, and the login that gives them out; there is no provider',
    config: 'envoy/login-microservices.yaml',
    users: true,
    toTry: [
      [`curl -i ${GATEWAY}/api/headers`, '401 token_missing'],
      [`curl -i -H 'Content-Type: application/json' -d '${ALICE}' ${GATEWAY}/login`, ''],
      [`TOKEN=$(curl -s -H 'Content-Type: application/json' -d '${ALICE}' ${GATEWAY}/login | sed 's/.*"access_token": *"\\([^"]*\\)".*/\\1/')`, ''],
      [`curl -i -H "Authorization: Bearer $TOKEN" ${GATEWAY}/api/headers`, 'what a service is told about who asks'],
      [`curl -i -H "Authorization: Bearer $TOKEN" ${GATEWAY}/api/admin`, '404 of the application for alice; 403 for bob (bob-password)'],
      [`curl -i -H 'Authorization: Bearer x' ${GATEWAY}/api/headers`, '401 token_invalid'],
    ],
  },
  'mcp-server': {
    about: 'an MCP server: agents find by themselves where their person signs in, and call the tools that they may',
    config: 'envoy/mcp-server.yaml',
    provider: () => ({ clients: [], configuration: agentTokens(`${GATEWAY}/mcp`) }),
    // Loaded only here: it brings an SDK.
    mcp: async (options) => (await import('./notes.mjs')).startNotes(options),
    toTry: [
      [`curl -i -X POST ${GATEWAY}/mcp`, '401, and where to read on'],
      [`curl -s ${GATEWAY}/.well-known/oauth-protected-resource/mcp`, 'what a client reads there: the provider, and the scopes'],
      [`${GATEWAY}/mcp`, 'give any MCP client this address. It sends you to sign in: alice can delete notes, bob cannot'],
      ['npx @modelcontextprotocol/inspector', 'is such a client, in a browser; transport: Streamable HTTP'],
      [`curl -s '${ADMIN}/stats?filter=accredit'`, 'what the filter has counted'],
    ],
  },
};
