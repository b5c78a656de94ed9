// What signing people in costs a request: CPU time of Envoy beyond that of an Envoy without a filter, beside Envoy's own filters for the same work.
//
// Every line is measured in every round, in a random order, so that other work of the machine affects all lines alike. Right beside each line, before it and
// after it in turn, its floor (an Envoy without a filter) gets the same requests. The result of a round is the line's CPU time for each request minus that of
// its floor; the line's cost is the median of all rounds, printed with the lowest, the quartiles and the highest. Rounds are short, so that a line and its
// floor are measured close together: the load of the machine changes from one second to the next.
//
// With BEFORE_WASM, the file of an earlier build of Accredit, each line of Accredit is measured with that build too, in the same rounds.
//
// A run counts only if every answer was 200, if each gateway refused a forged credential and a stranger before it, and if Accredit's own counters show that
// credentials came from its memory in the lines that say so, and were verified in the others.
//
// BENCH_ROUNDS (40), BENCH_SECONDS (0.3: for each line and round, and as long for its floor), BENCH_LINES (a regular expression), BENCH_OUTPUT (benches/),
// BEFORE_WASM, STRICT=1 (a missed target fails).

import { join } from 'node:path';
import { Provider } from '../tests/e2e/lib/misbehaving.mjs';
import { Redis } from '../tests/e2e/lib/redis.mjs';
import { MADE, PATH, accreditLines, call, traffic, withToken } from './accredit.mjs';
import { Loader, residentBytes } from './load.mjs';
import { floor, nativeBearerGateway, nativeSessionGateway, noop } from './gateways.mjs';
import { report } from './report.mjs';
import { HOST, accessToken, accreditSession, ask, forged, many, nativeSession, person, stranger } from './visitors.mjs';

const { BENCH_ROUNDS = '40', BENCH_SECONDS = '0.3', BENCH_LINES = '.', BENCH_OUTPUT = import.meta.dirname } = process.env;
const { NOOP_WASM, BEFORE_WASM, WRK = 'wrk', STRICT } = process.env;
const rounds = Number(BENCH_ROUNDS);
const seconds = Number(BENCH_SECONDS);
const wanted = new RegExp(BENCH_LINES);

const say = (text) => process.stderr.write(`accredit: ${text}\n`);

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
};

say(`signing in ${MADE} times, and signing ${MADE} tokens`);
const alice = person(15);
const native = await nativeSession(gateways.nativeSession, provider, alice);
const tokens = await many(MADE, (number) => accessToken(provider, alice, number));
const [token] = tokens;
const redis = await Redis.start();
const now = await accreditLines({ provider, redis, up, tokens });
const before = BEFORE_WASM && (await accreditLines({ provider, up, tokens, module: BEFORE_WASM, suffix: ', before' }));

const line = (name, gateway, sent, counter) => ({ name, gateway: gateways[gateway], traffic: sent, counter });
const nativeCookie = traffic("one session of Envoy's own", [{ Host: HOST, cookie: native }]);
const lines = [
  line('a WebAssembly filter that does nothing', 'noop', traffic('no credential', [{ Host: HOST }])),
  line('the host calls of a remembered session, alone', 'calls', now.traffics.session, 'noop_remembered'),
  line('native session', 'nativeSession', nativeCookie),
  line('native session, default settings', 'nativeSessionDefaults', nativeCookie),
  line('native bearer', 'nativeBearer', traffic('one token', [withToken(token)])),
  line('native bearer, default settings', 'nativeBearerDefaults', now.traffics.tokens),
  ...now.lines,
  ...(before?.lines ?? []),
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
  ['accredit bearer, a call, with a rule for tools', 'accredit bearer, a call, without a rule for tools', 1.1, 1.05],
  ['accredit session, remembered', 'accredit session, with a list of capabilities', 1.15, 1.05],
  ['accredit session, 1,000 rules', 'accredit session, remembered', 1.15, 1.05],
  ['accredit session, 20 other cookies', 'accredit session, remembered', 1.15, 1.05],
  ['accredit session, 200 groups', 'accredit session, remembered', 1.6, 1.2],
  ['accredit session, remembered, with revocations', 'accredit session, remembered', 1.02, 1.0, true],
  ['accredit session, first sight, with revocations', 'accredit session, first sight', 1.02, 1.0, true],
  // No request may cost more than it did.
  ...(before?.lines ?? []).map(({ name, of }) => [of, name, 1, 1, true]),
].map(([of, to, limit, goal, spread]) => ({ of, to, limit, goal, spread }));

const faults = [];
const demand = (holds, fault) => holds || faults.push(fault);

await checkThatAllRefuse();
const loader = new Loader(WRK);
say('warming up');
for (const { gateway, traffic: sent } of lines) await loader.run(gateway, sent, 1);
for (const sent of new Set(lines.map((each) => each.traffic))) await loader.run(gateways.floor, sent, 1);
const resident = () => Object.fromEntries(['newSessions', 'newJwtSessions', 'newTokens'].map((name) => [name, residentBytes(now.gateways[name].pid)]));
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
    now.traffics.tokens.requests.map(({ Host, authorization }) => ({ Host, authorization: forged(authorization) })),
  );
  await loader.run(now.gateways.bearer, invalid, 1);
  const residentBefore = residentBytes(now.gateways.bearer.pid);
  const seen = await loader.run(now.gateways.bearer, invalid, 3);
  demand(seen.refused === seen.requests, `${seen.requests - seen.refused} tokens that nobody signed were taken`);
  memory.before.invalidTokens = residentBefore;
  memory.after.invalidTokens = residentBytes(now.gateways.bearer.pid);
}

for (const gateway of running) await gateway.stop();
await redis.stop();
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
  const counted = counter && (await gateway.counter(counter));
  const seen = await load(name, gateway, sent);
  if (counter) {
    const share = ((await gateway.counter(counter)) - counted) / seen.requests;
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
    const { statusCode } = await ask(gateway.port, PATH, headers);
    demand(statuses.includes(statusCode), `${name} was answered by ${statusCode}`);
  };
  for (const [gateway, tool, expected] of [
    [now.gateways.mcpTools, 'read_note', 200],
    [now.gateways.mcpTools, 'delete_note', 403],
    [now.gateways.mcpServer, 'delete_note', 200],
  ]) {
    const { headers, ...sent } = call(tool);
    const { statusCode } = await ask(gateway.port, PATH, { authorization: `Bearer ${token}`, ...headers }, sent);
    demand(statusCode === expected, `a call of ${tool} was answered by ${statusCode}`);
  }
  for (const { gateways: ours, sessions } of [now, ...(before ? [before] : [])]) {
    for (const [name, cookie] of Object.entries(sessions)) {
      const gateway = ours[name];
      await expect('a session', gateway, { cookie }, 200);
      await expect('a forged session', gateway, { cookie: forged(cookie) }, 401);
      await expect('a session of a stranger', gateway, { cookie: await accreditSession(gateway, provider, stranger()) }, 403);
    }
  }
  const ours = [now, ...(before ? [before] : [])].flatMap(({ gateways: { bearer, newTokens } }) => [bearer, newTokens]);
  ours.push(now.gateways.mcpTools, now.gateways.mcpServer);
  for (const gateway of [...ours, gateways.nativeBearer, gateways.nativeBearerDefaults]) {
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
