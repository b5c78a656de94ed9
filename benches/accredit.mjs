// Accredit's gateways that are measured, the credentials that each gets, and the lines of the table that come of it: for the build under test, and for an
// earlier one. How they are measured, bench.mjs knows.

import { accredit, jwtSecret } from './gateways.mjs';
import { HOST, accreditSession, andEarlier, ask, many, person } from './visitors.mjs';

// A worker has 8 MiB for what it remembers of sessions, and as much for tokens. The first credentials fill them. From then on it remembers a credential only
// when it comes again, and keeps the names of 1,024 that came once: of the others, each is new when its turn comes again.
const FILLING = 4_000;
const NEW = 8_000;

/** How many sessions and tokens a line with credentials never seen before needs. */
export const MADE = FILLING + NEW;

/** The path of all requests. */
export const PATH = '/fast';

export const withToken = (token) => ({ Host: HOST, authorization: `Bearer ${token}` });

export const traffic = (name, requests, { method = 'GET', body } = {}) => ({ name, path: PATH, requests, method, body });

/** A call of a tool of an MCP server, by the version of MCP whose fields name it. */
export const call = (tool) => ({
  method: 'POST',
  headers: {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': tool,
  },
  body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool, arguments: { name: 'welcome' } } }),
});

const withCookie = (cookie) => ({ Host: HOST, cookie });

const otherCookies = Array.from({ length: 20 }, (_, i) => `preference_${i}=${'x'.repeat(20)}${i}`).join('; ');

const browser = {
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  accept: '*/*',
  'accept-encoding': 'gzip, deflate, br',
  'accept-language': 'en-GB,en;q=0.9',
  'sec-ch-ua': '"Chromium";v="140", "Not=A?Brand";v="24"',
  'sec-ch-ua-mobile': '?0',
  'sec-ch-ua-platform': '"Linux"',
  'sec-fetch-dest': 'empty',
  'sec-fetch-mode': 'cors',
  'sec-fetch-site': 'same-origin',
  referer: `http://${HOST}/`,
};

const remembered = { session: 'accredit_session_from_memory', token: 'accredit_token_from_memory' };
const verified = { session: 'accredit_session_from_cookie', token: 'accredit_token_verified' };

/**
 * Starts the gateways by `up`, signs in at each, and returns `{ gateways, sessions, traffics, lines }`. `tokens` are the provider's, at least MADE. With a
 * `redis`, some of the gateways tell each other there what has ended. With `module`, the gateways run that file, and the names of the lines end with `suffix`; `of` is each line's name without it.
 */
export async function accreditLines({ provider, redis, up, tokens, module, suffix = '' }) {
  const start = (options) => up(accredit(provider, { ...options, module }));
  const gateways = {
    session: await start(),
    listed: await start({ listed: true }),
    newSessions: await start(),
    jwtSession: await start({ jwt: true }),
    newJwtSessions: await start({ jwt: true }),
    manyRules: await start({ rules: 1_000 }),
    bearer: await start({ bearer: true }),
    newTokens: await start({ bearer: true }),
    ...(!module && { mcpServer: await start({ bearer: true, resource: {} }), mcpTools: await start({ bearer: true, resource: { tools: ['delete_*'] } }) }),
    ...(redis && { sharing: await start({ redis }), newSharing: await start({ redis }) }),
  };
  const alice = person(15);
  const session = await accreditSession(gateways.session, provider, alice);
  const largeSession = await accreditSession(gateways.session, provider, person(200));
  const jwtSession = await accreditSession(gateways.jwtSession, provider, alice);
  const newSessions = await many(MADE, () => accreditSession(gateways.newSessions, provider, alice));
  const traffics = {
    session: traffic('one session', [withCookie(session)]),
    browser: traffic('one session, as a browser sends it', [{ ...withCookie(session), ...browser }]),
    cookies: traffic('one session among 20 other cookies', [withCookie(`${otherCookies}; ${session}`)]),
    large: traffic('one session of 200 groups', [withCookie(largeSession)]),
    sessions: traffic('a session never seen before', await rest(gateways.newSessions, newSessions.map(withCookie))),
    jwt: traffic('one session as JWT', [withCookie(jwtSession)]),
    jwts: traffic('a session as JWT never seen before', await rest(gateways.newJwtSessions, andEarlier(jwtSession, jwtSecret, MADE).map(withCookie))),
    token: traffic('one token', [withToken(tokens[0])]),
    call: traffic('a call of a tool with one token', [{ ...withToken(tokens[0]), ...call('read_note').headers }], call('read_note')),
    tokens: traffic('a token never seen before', await rest(gateways.newTokens, tokens.map(withToken))),
    ...(redis && { sessionsOfFleet: traffic('a session of a fleet never seen before', await rest(gateways.newSharing, newSessions.map(withCookie))) }),
  };
  const line = (name, gateway, sent, counter) => ({ name: name + suffix, of: name, gateway: gateways[gateway], traffic: traffics[sent], counter });
  const lines = [
    line('accredit session, remembered', 'session', 'session', remembered.session),
    line('accredit session, with a list of capabilities', 'listed', 'session', remembered.session),
    line('accredit session, first sight', 'newSessions', 'sessions', verified.session),
    line('accredit session as JWT, remembered', 'jwtSession', 'jwt', remembered.session),
    line('accredit session as JWT, first sight', 'newJwtSessions', 'jwts', verified.session),
    line('accredit bearer, remembered', 'bearer', 'token', remembered.token),
    line('accredit bearer, first sight', 'newTokens', 'tokens', verified.token),
    ...(module
      ? []
      : [
          line('accredit bearer, a call, without a rule for tools', 'mcpServer', 'call', remembered.token),
          line('accredit bearer, a call, with a rule for tools', 'mcpTools', 'call', remembered.token),
        ]),
    line('accredit session, 1,000 rules', 'manyRules', 'session', remembered.session),
    line('accredit session, 20 other cookies', 'session', 'cookies', remembered.session),
    line('accredit session, headers of a browser', 'session', 'browser', remembered.session),
    line('accredit session, 200 groups', 'session', 'large', remembered.session),
    ...(redis
      ? [
          line('accredit session, remembered, with revocations', 'sharing', 'session', remembered.session),
          line('accredit session, first sight, with revocations', 'newSharing', 'sessionsOfFleet', verified.session),
        ]
      : []),
  ];
  const sessions = {
    session,
    listed: session,
    newSessions: session,
    manyRules: session,
    jwtSession,
    newJwtSessions: jwtSession,
    ...(redis && { sharing: session, newSharing: session }),
  };
  return { gateways, sessions, traffics, lines };
}

/** Fills the gateway's memory with the first of these requests, and returns the others. */
async function rest(gateway, requests) {
  const { Host, ...first } = requests[0];
  if ((await ask(gateway.port, PATH, first)).statusCode !== 200) throw new Error(`a credential for ${Host} was not accepted`);
  await many(FILLING, (number) => ask(gateway.port, PATH, requests[number]));
  return requests.slice(FILLING);
}
