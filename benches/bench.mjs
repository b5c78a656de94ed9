// What signing people in costs a request: CPU time of Envoy beyond that of an Envoy without a filter, beside Envoy's own filters for the same work.
//
// Every line is measured in every round, in an order drawn by lot, so that whatever else the machine does falls upon all alike. Right beside each line, before
// it and after it in turn, its floor gets the very same requests. What a round says of a line is its CPU time for each request minus that of this floor; the
// line's cost is the median of what the rounds say, its spread the lowest, the quartiles and the highest. Rounds are short, so that a line and its floor are
// near in time: what else the machine does changes from one second to the next.
//
// A run counts only if every answer was 200, if each gateway refused a forged credential and a stranger before, and if Accredit's own counters say that what
// was to be remembered was, and that what was to be new was new.
//
// BENCH_ROUNDS (40), BENCH_SECONDS (0.3: for each line and round, and as long for its floor), BENCH_LINES (a regular expression), BENCH_OUTPUT (benches/),
// STRICT=1 (a missed target fails).

import { join } from 'node:path';
import { Provider } from '../tests/e2e/lib/misbehaving.mjs';
import { Loader, residentBytes } from './load.mjs';
import { accredit, floor, jwtSecret, nativeBearerGateway, nativeSessionGateway, noop } from './gateways.mjs';
import { report } from './report.mjs';
import { HOST, accessToken, accreditSession, andEarlier, ask, forged, many, nativeSession, person, stranger } from './visitors.mjs';

const { BENCH_ROUNDS = '40', BENCH_SECONDS = '0.3', BENCH_LINES = '.', BENCH_OUTPUT = import.meta.dirname, NOOP_WASM, WRK = 'wrk', STRICT } = process.env;
const rounds = Number(BENCH_ROUNDS);
const seconds = Number(BENCH_SECONDS);
const wanted = new RegExp(BENCH_LINES);

// A worker has 8 MiB for what it remembers of sessions, and as much for tokens. The first ones fill them; from then on it remembers only what
// comes again, and knows the names of 1,024 that came once: of the others, each is new when its turn comes again.
const FILLING = 4_000;
const NEW = 8_000;
const MADE = FILLING + NEW;

const say = (text) => process.stderr.write(`accredit: ${text}\n`);
const path = '/fast';
const withCookie = (cookie) => ({ Host: HOST, cookie });
const withToken = (token) => ({ Host: HOST, authorization: `Bearer ${token}` });
const traffic = (name, requests) => ({ name, path, requests });

const provider = await Provider.start();
const day = 86_400;
provider.lies.claims = (claims) => ({ ...claims, exp: claims.iat + day });

say('starting the gateways');
const running = [];
const up = async (starting) => {
  const gateway = await starting;
  running.push(gateway);
  return gateway;
};
const gateways = {
  floor: await up(floor(provider)),
  noop: await up(noop(provider, NOOP_WASM)),
  calls: await up(noop(provider, NOOP_WASM, { calls: true })),
  nativeSession: await up(nativeSessionGateway(provider, { cached: true })),
  nativeSessionDefaults: await up(nativeSessionGateway(provider, { cached: false })),
  nativeBearer: await up(nativeBearerGateway(provider, { cached: true })),
  nativeBearerDefaults: await up(nativeBearerGateway(provider, { cached: false })),
  session: await up(accredit(provider)),
  listed: await up(accredit(provider, { listed: true })),
  newSessions: await up(accredit(provider)),
  jwtSession: await up(accredit(provider, { jwt: true })),
  newJwtSessions: await up(accredit(provider, { jwt: true })),
  manyRules: await up(accredit(provider, { rules: 1_000 })),
  bearer: await up(accredit(provider, { bearer: true })),
  newTokens: await up(accredit(provider, { bearer: true })),
};

say(`signing in ${MADE} times, and signing ${MADE} tokens`);
const alice = person(15);
const session = await accreditSession(gateways.session, provider, alice);
const largeSession = await accreditSession(gateways.session, provider, person(200));
const jwtSession = await accreditSession(gateways.jwtSession, provider, alice);
const native = await nativeSession(gateways.nativeSession, provider, alice);
const token = await accessToken(provider, alice);
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

const traffics = {
  nothing: traffic('no credential', [{ Host: HOST }]),
  session: traffic('one session', [withCookie(session)]),
  browser: traffic('one session, as a browser sends it', [{ ...withCookie(session), ...browser }]),
  cookies: traffic('one session among 20 other cookies', [withCookie(`${otherCookies}; ${session}`)]),
  large: traffic('one session of 200 groups', [withCookie(largeSession)]),
  sessions: traffic(
    'a session never seen before',
    await rest(gateways.newSessions, (await many(MADE, () => accreditSession(gateways.newSessions, provider, alice))).map(withCookie)),
  ),
  jwt: traffic('one session as JWT', [withCookie(jwtSession)]),
  jwts: traffic('a session as JWT never seen before', await rest(gateways.newJwtSessions, andEarlier(jwtSession, jwtSecret, MADE).map(withCookie))),
  native: traffic("one session of Envoy's own", [withCookie(native)]),
  token: traffic('one token', [withToken(token)]),
  tokens: traffic(
    'a token never seen before',
    await rest(gateways.newTokens, (await many(MADE, (number) => accessToken(provider, alice, number))).map(withToken)),
  ),
};

/** Those that are left when the first ones have filled a gateway's memory. */
async function rest(gateway, requests) {
  const { Host, ...first } = requests[0];
  if ((await ask(gateway.port, path, first)).statusCode !== 200) throw new Error(`a credential for ${Host} was not accepted`);
  await many(FILLING, (number) => ask(gateway.port, path, requests[number]));
  return requests.slice(FILLING);
}

const remembered = { session: 'accredit_session_from_memory', token: 'accredit_token_from_memory' };
const anew = { session: 'accredit_session_from_cookie', token: 'accredit_token_verified' };
const line = (name, gateway, of, counter) => ({ name, gateway: gateways[gateway], traffic: traffics[of], counter });
const lines = [
  line('a WebAssembly filter that does nothing', 'noop', 'nothing'),
  line('the host calls of a remembered session, alone', 'calls', 'session', 'noop_remembered'),
  line('native session', 'nativeSession', 'native'),
  line('native session, default settings', 'nativeSessionDefaults', 'native'),
  line('native bearer', 'nativeBearer', 'token'),
  line('native bearer, default settings', 'nativeBearerDefaults', 'tokens'),
  line('accredit session, remembered', 'session', 'session', remembered.session),
  line('accredit session, with a list of capabilities', 'listed', 'session', remembered.session),
  line('accredit session, first sight', 'newSessions', 'sessions', anew.session),
  line('accredit session as JWT, remembered', 'jwtSession', 'jwt', remembered.session),
  line('accredit session as JWT, first sight', 'newJwtSessions', 'jwts', anew.session),
  line('accredit bearer, remembered', 'bearer', 'token', remembered.token),
  line('accredit bearer, first sight', 'newTokens', 'tokens', anew.token),
  line('accredit session, 1,000 rules', 'manyRules', 'session', remembered.session),
  line('accredit session, 20 other cookies', 'session', 'cookies', remembered.session),
  line('accredit session, headers of a browser', 'session', 'browser', remembered.session),
  line('accredit session, 200 groups', 'session', 'large', remembered.session),
].filter(({ name }) => wanted.test(name));

/** Cost of the first relative to the second. The goal is what is aimed at, the limit what must be kept. */
const targets = [
  ['accredit session, remembered', 'native session', 0.4, 0.3],
  ['accredit session, remembered', 'native session, default settings', 0.16, 0.12],
  ['accredit session, first sight', 'native session', 0.7, 0.5],
  ['accredit session as JWT, remembered', 'native session', 0.4, 0.3],
  ['accredit session as JWT, first sight', 'native session', 0.7, 0.5],
  ['accredit bearer, remembered', 'native bearer', 1.2, 1.0],
  ['accredit bearer, first sight', 'native bearer, default settings', 0.8, 0.6],
  ['accredit session, remembered', 'accredit session, with a list of capabilities', 1.15, 1.05],
  ['accredit session, 1,000 rules', 'accredit session, remembered', 1.15, 1.05],
  ['accredit session, 20 other cookies', 'accredit session, remembered', 1.15, 1.05],
  ['accredit session, 200 groups', 'accredit session, remembered', 1.6, 1.2],
].map(([of, to, limit, goal]) => ({ of, to, limit, goal }));

const faults = [];
const demand = (holds, fault) => holds || faults.push(fault);

await checkThatAllRefuse();
const loader = new Loader(WRK);
say('warming up');
for (const { gateway, traffic: sent } of lines) await loader.run(gateway, sent, 1);
for (const sent of new Set(lines.map((each) => each.traffic))) await loader.run(gateways.floor, sent, 1);
const resident = () => Object.fromEntries(['newSessions', 'newJwtSessions', 'newTokens'].map((name) => [name, residentBytes(gateways[name].pid)]));
const memory = { before: resident() };

const measured = new Map(lines.map(({ name }) => [name, []]));
for (let round = 1; round <= rounds; round += 1) {
  say(`round ${round} of ${rounds}`);
  for (const each of byLot(lines)) {
    // The floor comes first as often as the line.
    const first = round % 2 ? await loadFloor(each) : undefined;
    const seen = await loadLine(each);
    const floor = first ?? (await loadFloor(each));
    measured.get(each.name).push({ ...seen, floor: floor.microseconds });
  }
}
memory.after = resident();
if (wanted.test('invalid tokens')) {
  const invalid = traffic(
    'tokens that nobody signed',
    traffics.tokens.requests.map(({ Host, authorization }) => ({ Host, authorization: forged(authorization) })),
  );
  await loader.run(gateways.bearer, invalid, 1);
  const before = residentBytes(gateways.bearer.pid);
  const seen = await loader.run(gateways.bearer, invalid, 3);
  demand(seen.refused === seen.requests, `${seen.requests - seen.refused} tokens that nobody signed were taken`);
  memory.before.invalidTokens = before;
  memory.after.invalidTokens = residentBytes(gateways.bearer.pid);
}

for (const gateway of running) await gateway.stop();
await provider.stop();

const missed = report({ lines, measured, targets, memory, rounds, seconds, output: (name) => join(BENCH_OUTPUT, name), complete: BENCH_LINES === '.' });
for (const fault of faults) say(`this run does not count: ${fault}`);
process.exit(faults.length || (STRICT && missed) ? 1 : 0);

/** In an order drawn anew: no line always follows the same one. */
function byLot(all) {
  return all
    .map((each) => [Math.random(), each])
    .sort(([one], [other]) => one - other)
    .map(([, each]) => each);
}

function loadFloor({ traffic: sent }) {
  return load('the floor', gateways.floor, sent);
}

async function loadLine({ name, gateway, traffic: sent, counter }) {
  const before = counter && (await gateway.counter(counter));
  const seen = await load(name, gateway, sent);
  if (counter) {
    const share = ((await gateway.counter(counter)) - before) / seen.requests;
    demand(share > 0.995, `${name}: ${counter} counted ${share.toFixed(3)} of the requests`);
  }
  return seen;
}

async function load(name, gateway, sent) {
  const seen = await loader.run(gateway, sent, seconds);
  demand(seen.refused === 0 && !seen.broken, `${name}: ${seen.refused} answers were not 200; ${seen.broken ?? ''}`);
  return seen;
}

/** A gateway that lets everybody in is fast. */
async function checkThatAllRefuse() {
  const expect = async (name, gateway, headers, ...statuses) => {
    const { statusCode } = await ask(gateway.port, path, headers);
    demand(statuses.includes(statusCode), `${name} was answered by ${statusCode}`);
  };
  const sessions = { session, listed: session, newSessions: session, manyRules: session, jwtSession, newJwtSessions: jwtSession };
  for (const [name, cookie] of Object.entries(sessions)) {
    const gateway = gateways[name];
    await expect('a session', gateway, { cookie }, 200);
    await expect('a forged session', gateway, { cookie: forged(cookie) }, 401);
    await expect('a session of a stranger', gateway, { cookie: await accreditSession(gateway, provider, stranger()) }, 403);
  }
  for (const name of ['bearer', 'newTokens', 'nativeBearer', 'nativeBearerDefaults']) {
    const gateway = gateways[name];
    await expect('a token', gateway, { authorization: `Bearer ${token}` }, 200);
    await expect('a forged token', gateway, { authorization: `Bearer ${forged(token)}` }, 401);
    await expect('a token of a stranger', gateway, { authorization: `Bearer ${await accessToken(provider, stranger())}` }, 403);
  }
  for (const name of ['nativeSession', 'nativeSessionDefaults']) {
    const gateway = gateways[name];
    await expect("a session of Envoy's own", gateway, { cookie: native }, 200);
    await expect("a forged session of Envoy's own", gateway, { cookie: native.replace(/OauthHMAC=[^;]*/, (pair) => forged(pair, 20)) }, 302, 401);
    await expect("a stranger's session of Envoy's own", gateway, { cookie: await nativeSession(gateway, provider, stranger()) }, 403);
  }
}
