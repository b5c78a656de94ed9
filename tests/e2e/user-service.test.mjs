// Passwords that a user service checks, in a real Envoy: whether somebody outside can find out which accounts exist, what people get while the service is down,
// hangs or gives strange answers, and how failures are counted. The file is envoy/password-and-popup.yaml, with a user service that can misbehave.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { after, before, beforeEach, describe, it } from 'node:test';
import { startDemoUsers } from './lib/demo.mjs';
import { managerOf, pointCluster } from './lib/gateway.mjs';
import { eventually } from './lib/process.mjs';
import { FAULTS, LARGE, MARK, always, hang, startService } from './lib/service.mjs';
import { assertNotTold, assertProblem, onStage } from './lib/stage.mjs';
import { headerValues } from './lib/upstream.mjs';

const PASSWORD = 'alice-password';
const JSON_TYPE = { 'content-type': 'application/json' };

/** The user service: it knows everybody at example.com, and all have the same password. */
function check(_, response, { body }) {
  const { email, password } = JSON.parse(body);
  if (!email.endsWith('@example.com')) return always(404, { error: 'nobody is called that' })(_, response);
  if (password !== PASSWORD) return always(401, { error: 'the password is wrong' })(_, response);
  always(200, { id: 1, email, firstName: 'Alice', role: 'admin' })(_, response);
}

/** The shipped file with that service; `throttle` replaces limits, `manager` edits the connection manager, `listener` the listener. */
function onPasswordStage({ honest = check, throttle = {}, manager = () => {}, listener = () => {}, ...options } = {}) {
  let users;
  before(async () => (users = await startService(honest)));
  const plugin = (configuration) => {
    configuration.accounts.verify.timeout = '2s';
    Object.assign(configuration.password.throttle, throttle);
  };
  const envoy = (bootstrap) => {
    pointCluster(bootstrap, 'users', users.port);
    listener(bootstrap.static_resources.listeners[0]);
    manager(managerOf(bootstrap.static_resources.listeners[0]));
  };
  const stage = onStage({ scenario: 'password-and-popup', plugin, envoy, ...options });
  beforeEach(() => users.behave());
  after(() => users.stop());
  let people = 0;
  return Object.assign(stage, {
    users: () => users,
    /** The address of a person who has not tried to sign in yet. */
    somebody: () => `somebody-${(people += 1)}@example.com`,
    logIn: (email, password, headers = {}) =>
      stage.visitor().call('/api/auth/login', { method: 'POST', headers: { ...JSON_TYPE, ...headers }, body: JSON.stringify({ email, password }) }),
    /** Resolves when no request is under way any more. */
    idle: () =>
      eventually('no request is under way', async () => {
        const active = await stage.gateway.stats('^(http\\.gateway\\.downstream_(rq|cx)_active|cluster\\.users\\.upstream_rq_(pending_)?active)$');
        return Object.keys(active).length >= 3 && Object.values(active).every((count) => count === 0);
      }),
  });
}

describe('an unknown person and a wrong password', () => {
  let demo;
  before(async () => (demo = await startDemoUsers()));
  after(() => demo.stop());
  // A relay to the demo's service that records all calls. The service's own answers differ for the two cases, as with many services.
  const relay = async (_, response, { method, url, headers, body }) => {
    const { status, ...answer } = await fetch(new URL(url, demo.url), { method, body, headers: { 'content-type': headers['content-type'] } }).then(
      async (told) => ({ status: told.status, body: await told.text() }),
    );
    always(status, answer.body)(_, response);
  };
  const stage = onPasswordStage({ honest: relay });

  const COUNTERS = '(accredit|^http\\.gateway\\.|^cluster\\.users\\.|^listener\\.127)';
  /** Counters of Envoy that depend on the service's answers: on their status and length. */
  const OF_ANSWERS = /^cluster\.users\..*(upstream_rq_40[14]|rx_bytes_total|rx_bytes_buffered)$/;
  const WITHOUT = new Set(['date', 'time', 'milliseconds', 'request_id', 'x-request-id', 'retry-after']);
  const without = (value) => Object.fromEntries(Object.entries(value).filter(([name]) => !WITHOUT.has(name)));

  /** Everything that an attempt causes, without the values that differ for every attempt. */
  async function traces(email, password) {
    await stage.idle();
    stage.users().forget();
    stage.users().respond = relay;
    const [mark, before] = [stage.gateway.mark(), await stage.gateway.stats(COUNTERS)];
    const { status, headers, body } = await stage.logIn(email, password);
    await eventually('it is logged', () => stage.gateway.accessLog(mark).length === 1);
    await stage.idle();
    const counted = Object.entries(await stage.gateway.stats(COUNTERS))
      .map(([name, count]) => [name, count - (before[name] ?? 0)])
      .filter(([name, count]) => count !== 0 && !OF_ANSWERS.test(name));
    return {
      status,
      headers: without(headers),
      body: body.replace(/"request_id":"[0-9a-f-]{36}"/, 'ID'),
      calls: stage.users().requests.map((call) => ({
        method: call.method,
        url: call.url,
        headers: without(call.headers),
        names: call.rawHeaders.filter((_, index) => index % 2 === 0),
        body: call.body.replace(email, 'ACCOUNT').replace(password, 'PASSWORD'),
      })),
      counted: Object.fromEntries(counted),
      access: stage.gateway.accessLog(mark).map(without),
      // The remaining wait depends on the moment, as Retry-After does.
      audit: stage.gateway
        .auditLog(mark)
        .map(without)
        .map((line) => JSON.parse(JSON.stringify(line).replace(/to wait: \d+ s/, 'to wait: SECONDS'))),
    };
  }

  it('cause the same calls, the same answer, the same counters and the same lines in the log, until both have to wait', async () => {
    await traces('bob@example.com', 'bob-password');
    const kinds = [
      ['alice@example.com', 'wrong-password'],
      ['nobod@example.com', 'wrong-password'],
      ['alicf@example.com', PASSWORD],
    ];
    // First create all counters, which exist only after they have been counted once.
    for (let i = 0; i < 6; i += 1) await traces('first@example.com', 'wrong-password');
    for (let i = 0; i < 7; i += 1) {
      const all = [];
      for (const [email, password] of i % 2 === 0 ? kinds : kinds.toReversed()) all.push(await traces(email, password));
      const [one, ...others] = all;
      for (const other of others) assert.deepEqual(other, one, `attempt ${i + 1}`);
      assert.deepEqual([one.status, one.calls.length], i < 5 ? [401, 1] : [429, 0]);
      if (i >= 5) continue;
      assert.deepEqual(JSON.parse(one.body), { message: 'Wrong name or password' });
      assert.equal(one.calls[0].body, '{"email":"ACCOUNT","password":"PASSWORD"}');
      assert.ok(
        Object.entries(one.counted).some(([name, count]) => name.endsWith('accredit_sign_in_failed_credentials_refused') && count === 1),
        JSON.stringify(one.counted),
      );
    }
    assert.equal(demo.requests.length, 1 + 5 + 15);
  });
});

describe('while the user service', () => {
  // A high limit for the address, because all failures here come from one address.
  const stage = onPasswordStage({ throttle: { address: { failures: 1000 } } });
  const told = (answer) => JSON.stringify([answer.headers, answer.body]);

  for (const [what, status, reason, misbehave] of FAULTS) {
    it(`${what}: ${status} ${reason} for everybody, without its words, and it works afterwards`, async () => {
      const [mark, people] = [stage.gateway.mark(), Array.from({ length: 4 }, stage.somebody)];
      await stage.logIn(people[0], PASSWORD);
      await misbehave(stage.users());
      for (const answer of await Promise.all(people.map((email) => stage.logIn(email, PASSWORD)))) {
        const problem = assertProblem(answer, status, reason);
        assert.deepEqual(Object.keys(problem).toSorted(), ['detail', 'reason', 'request_id', 'status', 'title', 'type']);
        assert.ok(!told(answer).includes(MARK), told(answer));
      }
      assert.ok(
        stage.users().requests.every(({ url }) => url === '/api/users/verify'),
        'nothing else was asked',
      );
      await stage.idle();
      await stage.users().behave();
      assert.equal((await stage.logIn(people[0], PASSWORD)).status, 200);
      await eventually('it is logged', () => stage.gateway.auditLog(mark).filter((line) => line.event === 'sign_in_failed').length === 4);
      for (const line of stage.gateway.auditLog(mark).filter(({ event }) => event === 'sign_in_failed')) assert.equal(line.reason, reason);
      assert.ok(!stage.gateway.log(mark).includes(MARK), 'the log says what the service said');
      assert.deepEqual(stage.application.requests, []);
    });
  }

  // When an answer has begun, Envoy can only end the call; it cannot report 504 any more.
  it('hangs in the middle of its answer: 502 accounts_unreachable for everybody, and it works afterwards', async () => {
    const people = Array.from({ length: 4 }, stage.somebody);
    stage.users().respond = (_, response) => void response.writeHead(200, { 'content-length': '1000' }).write(`{"id":1,"note":"${MARK}"`);
    for (const answer of await Promise.all(people.map((email) => stage.logIn(email, PASSWORD)))) {
      assertProblem(answer, 502, 'accounts_unreachable');
      assert.ok(!told(answer).includes(MARK));
    }
    await stage.idle();
    await stage.users().behave();
    assert.equal((await stage.logIn(people[0], PASSWORD)).status, 200);
  });

  it('is slow, but within the deadline: the sign-in waits, and succeeds', async () => {
    const held = [];
    stage.users().respond = (...call) => void held.push(call);
    let answered = 0;
    const answers = [PASSWORD, 'wrong-password'].map(async (password) => {
      const answer = await stage.logIn(stage.somebody(), password);
      answered += 1;
      return answer;
    });
    await eventually('both are asked about', () => held.length === 2);
    assert.equal(answered, 0);
    for (const call of held) check(...call);
    assert.deepEqual(
      (await Promise.all(answers)).map(({ status }) => status),
      [200, 401],
    );
  });

  it('cannot be reached, many times, in turn and at once: no failure is counted, and then the right password is accepted', async () => {
    const email = stage.somebody();
    await stage.users().stop();
    for (let i = 0; i < 6; i += 1) assertProblem(await stage.logIn(email, PASSWORD), 502, 'accounts_unreachable');
    assert.deepEqual(
      (await Promise.all(Array.from({ length: 6 }, () => stage.logIn(email, PASSWORD)))).filter(({ status }) => status !== 502 && status !== 429),
      [],
    );
    await stage.users().behave();
    assert.equal((await stage.logIn(email, PASSWORD)).status, 200);
    // None of the five possible failures was used up.
    for (let i = 0; i < 5; i += 1) assertProblem401(await stage.logIn(email, 'wrong-password'));
    assertProblem(await stage.logIn(email, PASSWORD), 429, 'too_many_failures');
  });

  // Otherwise an attacker who makes the service fail could guess without limit.
  it('fails after it was asked: this counts like a wrong password', async () => {
    for (const [what, status, reason, misbehave] of FAULTS.filter(
      ([name, , kind]) => /^(resets the connection$|says 50|does not speak)/.test(name) && kind !== 'accounts_malformed',
    )) {
      const email = stage.somebody();
      await misbehave(stage.users());
      for (let i = 0; i < 5; i += 1) assertProblem(await stage.logIn(email, 'wrong-password'), status, reason);
      await stage.users().behave();
      assert.equal((await stage.logIn(email, PASSWORD)).status, 429, what);
    }
  });

  it('is asked, and the client leaves before the answer: its guess counts', async () => {
    const email = stage.somebody();
    for (let i = 1; i <= 5; i += 1) {
      stage.users().respond = hang;
      const body = JSON.stringify({ email, password: `guess-${i}` });
      const headers = {
        ...JSON_TYPE,
        host: stage.gateway.host,
        origin: stage.gateway.origin,
        'sec-fetch-site': 'same-origin',
        'content-length': String(body.length),
      };
      const request = http.request({ host: '127.0.0.1', port: stage.gateway.port, path: '/api/auth/login', method: 'POST', agent: false, headers });
      request.on('error', () => {}).end(body);
      await eventually('the service is asked', () => stage.users().requests.length === i);
      await new Promise((closed) => request.on('close', closed).destroy());
      await eventually('Envoy has seen it go', async () => (await stage.gateway.counter('http.gateway.downstream_rq_active')) === 0);
    }
    // The later end of the calls does not take back a failure.
    await stage.idle();
    stage.users().respond = check;
    assertProblem(await stage.logIn(email, PASSWORD), 429, 'too_many_failures');
    assert.equal(stage.users().requests.length, 5);
  });

  it('answers with 3 MB two hundred times: the memory of Envoy does not grow', async () => {
    const resident = () => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${stage.gateway.pid}/status`, 'utf8'))[1]) / 1024;
    const round = async (times) => {
      for (let i = 0; i < times; i += 1) {
        stage.users().forget();
        stage.users().respond = always(200, i % 2 === 0 ? LARGE.json : LARGE.rubbish);
        const answers = await Promise.all(Array.from({ length: 8 }, () => stage.logIn(stage.somebody(), PASSWORD)));
        for (const answer of answers) assertProblem(answer, 502, 'accounts_malformed');
      }
      await stage.idle();
    };
    await round(8);
    const before = resident();
    await round(25);
    const grown = resident() - before;
    // A leak of a tenth of the answers would have added 60 MB.
    assert.ok(grown < 48, `${before.toFixed(1)} MB have grown by ${grown.toFixed(1)} MB`);
    await stage.users().behave();
    assert.equal((await stage.logIn(stage.somebody(), PASSWORD)).status, 200);
  });
});

function assertProblem401(answer) {
  assert.deepEqual([answer.status, answer.reason], [401, 'credentials_refused']);
}

describe('a password', () => {
  const stage = onPasswordStage();

  it('is in no log, however much Envoy logs, and in no counter', async () => {
    const secret = 'Zebra-4711';
    const passwords = [secret, `${secret} "ü" \\ +%&=`, `${secret}${'x'.repeat(900)}`];
    await stage.gateway.admin('/logging?level=debug', 'POST');
    await stage.gateway.admin('/logging?wasm=trace', 'POST');
    const post = (body, headers = JSON_TYPE) => stage.visitor().call('/api/auth/login', { method: 'POST', headers, body });
    const both = async (email, password) => {
      const json = await post(JSON.stringify({ email, password }));
      const form = await post(new URLSearchParams({ email, password }).toString(), { 'content-type': 'application/x-www-form-urlencoded' });
      return [json.status, form.status];
    };
    stage.users().respond = (_, response, { body }) => always(200, { id: 1, email: 'x', note: JSON.parse(body).password })(_, response);
    for (const password of passwords) assert.deepEqual(await both(stage.somebody(), password), [200, 200]);
    stage.users().respond = check;
    for (const password of passwords) assert.deepEqual(await both(stage.somebody(), password), [401, 401]);
    for (const status of [500, 418]) {
      stage.users().respond = (_, response, { body }) => always(status, body)(_, response);
      for (const password of passwords) assert.deepEqual(await both(stage.somebody(), password), [502, 502]);
    }
    stage.users().respond = (_, response, { body }) => always(200, body)(_, response);
    assert.deepEqual(await both(stage.somebody(), secret), [502, 502]);
    await stage.users().stop();
    assert.deepEqual(await both(stage.somebody(), secret), [502, 502]);
    await stage.users().behave();
    const email = stage.somebody();
    for (let i = 0; i < 6; i += 1) await both(email, secret);
    for (const [status, body] of [
      [400, `{"email":"${stage.somebody()}","password":"${secret}"`],
      [400, `{"email":"${stage.somebody()}","password":["${secret}"]}`],
      [400, JSON.stringify({ email: stage.somebody(), password: `${secret}${'x'.repeat(5_000)}` })],
      [413, JSON.stringify({ email: stage.somebody(), password: `${secret}${'x'.repeat(70_000)}` })],
    ])
      assert.equal((await post(body)).status, status);
    // The password was typed in place of the name.
    assert.equal((await stage.logIn(secret, 'wrong-password')).status, 401);

    // While both logs are written, their lines are mixed, so first return to one log.
    await stage.gateway.admin('/logging?level=warning', 'POST');
    const mark = stage.gateway.mark();
    assert.equal((await post(`{"password":"${secret}"}`, { 'content-type': 'text/plain' })).status, 415);
    await eventually('the access log has them all', () => stage.gateway.accessLog(mark).some(({ status }) => status === 415));
    const log = stage.gateway.log();
    assert.match(log, /\[debug\]\[http\]/);
    assert.match(log, /\[(trace|debug)\]\[wasm\]/);
    assertNotTold(stage.gateway, [secret, Buffer.from(secret).toString('base64').slice(0, 12)]);
    assert.ok(!(await stage.gateway.admin('/stats')).includes(secret));
  });
});

const LOW = { address: { failures: 3, window: '15m', delay: '30s', longest_delay: '15m' } };
/** The statuses of so many guesses, each for another person, with these headers. */
const guesses = async (stage, headersOf, count) => {
  const statuses = [];
  for (let i = 0; i < count; i += 1) statuses.push((await stage.logIn(stage.somebody(), 'wrong-password', headersOf(i))).status);
  return statuses;
};

describe('at the edge, the address that failures are counted for', () => {
  const stage = onPasswordStage({ throttle: LOW, manager: (manager) => assert.ok(manager.use_remote_address && !manager.xff_num_trusted_hops) });

  it("is the connection's, whatever headers a client sends", async () => {
    const claim = (i) => ({
      'x-forwarded-for': `203.0.113.${i}`,
      'x-real-ip': `203.0.113.${i}`,
      forwarded: `for=203.0.113.${i}`,
      'x-envoy-external-address': `203.0.113.${i}`,
      'x-envoy-original-dst-host': `203.0.113.${i}:80`,
      'true-client-ip': `203.0.113.${i}`,
    });
    assert.deepEqual(await guesses(stage, claim, 6), [401, 401, 401, 429, 429, 429]);
    assert.equal(stage.users().requests.length, 3);
    const refused = await stage.logIn(stage.somebody(), PASSWORD, { 'x-forwarded-for': '198.51.100.1' });
    assertProblem(refused, 429, 'too_many_failures');
    assert.ok(Number(refused.headers['retry-after']) >= 1 && Number(refused.headers['retry-after']) <= 30);
    assert.ok(
      stage.users().requests.every((call) => headerValues(call, 'x-real-ip').length === 0),
      'what a client claims goes to the user service',
    );
  });
});

describe('behind one proxy, the address that failures are counted for', () => {
  const stage = onPasswordStage({ throttle: LOW, manager: (manager) => (manager.xff_num_trusted_hops = 1) });

  it('is the one that the proxy saw, whatever comes before it in the header; each has its own count', async () => {
    const seen = (address) => (i) => ({ 'x-forwarded-for': `203.0.113.${i}, ${address}` });
    assert.deepEqual(await guesses(stage, seen('198.51.100.1'), 5), [401, 401, 401, 429, 429]);
    assert.deepEqual(await guesses(stage, seen('198.51.100.2'), 4), [401, 401, 401, 429]);
    assert.equal((await stage.logIn(stage.somebody(), PASSWORD, seen('198.51.100.3')(1))).status, 200, 'others are not locked out');
    assertProblem(await stage.logIn(stage.somebody(), PASSWORD, { 'x-forwarded-for': '198.51.100.1' }), 429, 'too_many_failures');
  });

  it('is the same for a whole /64 of IPv6', async () => {
    assert.deepEqual(await guesses(stage, (i) => ({ 'x-forwarded-for': `2001:db8:0:7:${i}::1` }), 4), [401, 401, 401, 429]);
    assert.deepEqual(await guesses(stage, () => ({ 'x-forwarded-for': '2001:db8:0:8::1' }), 1), [401]);
  });

  it("is the proxy's own if the header is missing or has no address", async () => {
    const odd = [{}, { 'x-forwarded-for': 'unknown' }, { 'x-forwarded-for': 'somewhere, _hidden' }, { 'x-forwarded-for': '' }, {}];
    assert.deepEqual(await guesses(stage, (i) => odd[i], 5), [401, 401, 401, 429, 429]);
  });
});

const balanced = (listener) => (listener.connection_balance_config = { exact_balance: {} });

describe('two workers', () => {
  const stage = onPasswordStage({ concurrency: 2, listener: balanced });

  it('share the counts: of forty guesses over forty connections, five are checked, and all others get 429 with Retry-After', async () => {
    const email = stage.somebody();
    const first = await stage.logIn(email, 'wrong-password');
    const others = await Promise.all(Array.from({ length: 39 }, () => stage.logIn(email, 'wrong-password')));
    const statuses = [first, ...others].map(({ status }) => status);
    assert.deepEqual(
      [401, 429].map((status) => statuses.filter((one) => one === status).length),
      [5, 35],
    );
    for (const answer of others.filter(({ status }) => status === 429)) {
      assertProblem(answer, 429, 'too_many_failures');
      assert.match(answer.headers['retry-after'], /^([1-9]|[12]\d|30)$/);
    }
    assert.equal(stage.users().requests.length, 5, 'the service was asked about more than it should');
    assertProblem(await stage.logIn(email, PASSWORD), 429, 'too_many_failures');
    const workers = Object.entries(await stage.gateway.stats('^listener\\.127.*worker_\\d\\.downstream_cx_total$')).map(([, count]) => count);
    assert.ok(workers.length === 2 && workers.every((count) => count >= 10), `connections of the workers: ${workers}`);
    assert.equal((await stage.logIn(stage.somebody(), PASSWORD)).status, 200);
  });
});

describe('four workers', () => {
  const stage = onPasswordStage({ concurrency: 4, listener: balanced, throttle: { account: { failures: 1 }, address: { failures: 1000 } } });

  it('lose no count, not even the first of an account: of four guesses at the same moment, one is checked', async () => {
    for (let round = 0; round < 150; round += 1) {
      // All requests have arrived except for their last bytes before the first last byte is sent.
      const [held, text] = [[], JSON.stringify({ email: stage.somebody(), password: 'wrong-password' })];
      const headers = { ...JSON_TYPE, 'content-length': String(text.length) };
      const body = (request) => request.write(text.slice(0, -1), () => held.push(request));
      const answers = Array.from({ length: 4 }, () => stage.visitor().call('/api/auth/login', { method: 'POST', headers, body }));
      await eventually('all have begun', async () => held.length === 4 && (await stage.gateway.counter('http.gateway.downstream_rq_active')) === 4, {
        every: 2,
      });
      for (const request of held) request.end(text.slice(-1));
      const statuses = (await Promise.all(answers)).map(({ status }) => status);
      assert.deepEqual(statuses.toSorted(), [401, 429, 429, 429], `round ${round + 1}`);
    }
  });
});
