// Requests that end before their answer, bodies that never end, passwords in requests that are broken off, and requests that bypass the filter because a list
// of capabilities is wrong: what is logged, what is refused, and what counts as a failure.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, beforeEach, describe, it } from 'node:test';
import { capabilitiesWithout, managerOf, newKey, pluginOf, pointCluster, shipped } from './lib/gateway.mjs';
import { validate } from './lib/envoy.mjs';
import { eventually, wasmPath } from './lib/process.mjs';
import { requestText, sendRaw } from './lib/raw.mjs';
import { always, hang, startService } from './lib/service.mjs';
import { assertNoPanic, assertNotTold, assertProblem, assertRefused, onStage } from './lib/stage.mjs';

const PASSWORD = 'alice-password';

/** The user service: it knows everybody, and all have the same password. */
function check(_, response, { body }) {
  const { email, password } = JSON.parse(body);
  if (password !== PASSWORD) return always(401, { error: 'wrong' })(_, response);
  always(200, { id: 1, email, firstName: 'Alice', role: 'admin' })(_, response);
}

/** envoy/password-and-popup.yaml with a user service whose answers a test can change or delay. */
function onPasswordStage({ manager = () => {}, cluster = () => {}, plugin = () => {}, ...options } = {}) {
  let users;
  before(async () => (users = await startService(check)));
  const envoy = (bootstrap) => {
    cluster(pointCluster(bootstrap, 'users', users.port), bootstrap);
    manager(managerOf(bootstrap.static_resources.listeners[0]));
  };
  const configured = (configuration) => {
    configuration.accounts.verify.timeout = '1s';
    plugin(configuration);
  };
  const stage = onStage({ scenario: 'password-and-popup', plugin: configured, envoy, ...options });
  beforeEach(() => users.behave());
  after(() => users.stop());
  let people = 0;
  const head = (length, lines = []) =>
    requestText('POST', '/api/auth/login', stage.gateway.host, [
      `Origin: ${stage.gateway.origin}`,
      'Content-Type: application/json',
      `Content-Length: ${length}`,
      ...lines,
    ]);
  return Object.assign(stage, {
    users: () => users,
    head,
    somebody: () => `somebody-${(people += 1)}@example.com`,
    logIn: (email, password, headers = {}) =>
      stage
        .visitor()
        .call('/api/auth/login', { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify({ email, password }) }),
    /** Sends a login without its last `hold` bytes, on its own socket, which a test can close. */
    async begin(email, password, { hold = 0, lines = [] } = {}) {
      const text = JSON.stringify({ email, password });
      const socket = net.connect(stage.gateway.port, '127.0.0.1').on('error', () => {});
      await once(socket, 'connect');
      socket.write(head(text.length, lines) + text.slice(0, text.length - hold));
      return socket;
    },
    lines: (mark, event = 'unanswered') => stage.gateway.auditLog(mark).filter((line) => line.event === event),
    levelOf: (mark, text) =>
      stage.gateway
        .log(mark)
        .split('\n')
        .find((line) => line.includes(text))
        ?.match(/\]\[(\w+)\]\[wasm\]/)?.[1],
  });
}

/** A function that returns the answer that has come on a socket so far; its status is 0 if there is none. */
function answerOn(socket) {
  let text = '';
  socket.on('data', (part) => (text += part));
  return () => ({
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0),
    reason: /^x-accredit-reason: (.*)\r$/m.exec(text)?.[1],
    retry: /^retry-after: (.*)\r$/m.exec(text)?.[1],
  });
}

describe('a request whose client leaves is logged', () => {
  const stage = onPasswordStage();

  it('while its body is read: with the number of bytes that had come, at level info, and without the body', async () => {
    const mark = stage.gateway.mark();
    const socket = await stage.begin(stage.somebody(), 'half-a-secret', { hold: 5 });
    await eventually('a part of it is held', async () => Object.values(await stage.gateway.stats('^http\\.gateway\\.downstream_rq_active$'))[0] === 1);
    socket.destroy();
    await eventually('there is a line', () => stage.lines(mark).length === 1);
    const [line] = stage.lines(mark);
    assert.deepEqual([line.reason, line.stage, line.method, line.path], ['request_ended', 'body', 'POST', '/api/auth/login']);
    assert.match(line.request_id, /^[0-9a-f-]{36}$/);
    assert.match(line.detail, /^Envoy says downstream_remote_disconnect after \d+ bytes of the body$/);
    assert.equal(stage.levelOf(mark, '"unanswered"'), 'info');
    assertNotTold(stage.gateway, ['half-a-secret', 'half-a-se']);
    assert.ok((await stage.gateway.counter('accredit_unanswered_request_ended')) >= 1);
  });

  it('while the user service is asked', async () => {
    const mark = stage.gateway.mark();
    stage.users().respond = hang;
    const socket = await stage.begin(stage.somebody(), PASSWORD);
    await eventually('it is asked', () => stage.users().requests.length === 1);
    socket.destroy();
    await eventually('there is a line', () => stage.lines(mark).length === 1);
    assert.deepEqual([stage.lines(mark)[0].reason, stage.lines(mark)[0].stage], ['request_ended', 'password']);
  });

  it('but not one that was answered', async () => {
    const mark = stage.gateway.mark();
    assert.equal((await stage.logIn(stage.somebody(), PASSWORD)).status, 200);
    assert.equal((await stage.logIn(stage.somebody(), 'wrong')).status, 401);
    await stage.visitor().open('/');
    await new Promise((wake) => setTimeout(wake, 200));
    assert.deepEqual(stage.lines(mark), []);
  });
});

describe('a password that reached the user service counts, even if the request ends early', () => {
  const stage = onPasswordStage();
  const settled = (name, count) =>
    eventually(`${name} is settled`, async () => (await stage.gateway.counter('accredit_sign_in_failed_credentials_refused')) >= count);

  it('five wrong passwords whose requests are broken off make the account wait', async () => {
    const email = stage.somebody();
    const before = await stage.gateway.counter('accredit_sign_in_failed_credentials_refused');
    for (let guess = 1; guess <= 5; guess += 1) {
      stage.users().forget();
      stage.users().respond = (request, response, received) => setTimeout(() => check(request, response, received), 150);
      const socket = await stage.begin(email, `guess-${guess}`);
      await eventually('it is asked', () => stage.users().requests.length === 1);
      socket.destroy();
      await settled(`guess ${guess}`, before + guess);
    }
    stage.users().behave();
    assertProblem(await stage.logIn(email, PASSWORD), 429, 'too_many_failures');
  });

  it('a right password is no failure, even if its request was broken off', async () => {
    const email = stage.somebody();
    for (let attempt = 1; attempt <= 7; attempt += 1) {
      stage.users().forget();
      let answered = false;
      stage.users().respond = (request, response, received) =>
        setTimeout(() => {
          check(request, response, received);
          answered = true;
        }, 100);
      const socket = await stage.begin(email, PASSWORD);
      await eventually('it is asked', () => stage.users().requests.length === 1);
      socket.destroy();
      await eventually('it is answered', () => answered);
    }
    stage.users().behave();
    await new Promise((wake) => setTimeout(wake, 100));
    assert.equal((await stage.logIn(email, PASSWORD)).status, 200);
  });

  it('five passwords for which the service takes too long make the account wait', async () => {
    const email = stage.somebody();
    stage.users().respond = hang;
    for (let attempt = 1; attempt <= 5; attempt += 1) assertProblem(await stage.logIn(email, 'wrong'), 504, 'accounts_timeout');
    assertProblem(await stage.logIn(email, PASSWORD), 429, 'too_many_failures');
  });

  it('five bodies that were never read do not make the account wait', async () => {
    const email = stage.somebody();
    for (let attempt = 1; attempt <= 7; attempt += 1) {
      const mark = stage.gateway.mark();
      const socket = await stage.begin(email, 'wrong', { hold: 3 });
      await new Promise((wake) => setTimeout(wake, 30));
      socket.destroy();
      await eventually('it is gone', () => stage.lines(mark).length === 1);
    }
    assert.equal((await stage.logIn(email, PASSWORD)).status, 200);
  });
});

describe('a user service that cannot be reached locks nobody out', () => {
  const stage = onPasswordStage({
    cluster: (cluster) => (cluster.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_value = 1),
  });

  it('however often it is tried', async () => {
    const email = stage.somebody();
    for (let attempt = 1; attempt <= 8; attempt += 1) assertProblem(await stage.logIn(email, PASSWORD), 502, 'accounts_unreachable');
  });
});

/** Adds a filter between Accredit and `buffer` that pauses requests: when it continues, it releases the body that Accredit holds. */
const delayed = (manager) => {
  const at = manager.http_filters.findIndex(({ name }) => name.endsWith('buffer'));
  manager.http_filters.splice(at, 0, {
    name: 'envoy.filters.http.fault',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault',
      delay: { fixed_delay: '0.2s', percentage: { numerator: 100 } },
    },
  });
};

describe('with a filter between Accredit and buffer that pauses requests', () => {
  const stage = onPasswordStage({ manager: delayed });

  it('a login that Envoy answers instead is logged as a warning, and does not lock the account', async () => {
    const email = stage.somebody();
    const mark = stage.gateway.mark();
    for (let attempt = 1; attempt <= 7; attempt += 1) {
      stage.users().respond = (request, response, received) => setTimeout(() => check(request, response, received), 400);
      const answer = await stage.logIn(email, PASSWORD);
      assert.equal(answer.status, 404, answer.reason);
    }
    await eventually('each has a line', () => stage.lines(mark).length === 7);
    for (const line of stage.lines(mark)) {
      assert.deepEqual([line.reason, line.stage], ['answered_elsewhere', 'password']);
      assert.match(line.detail, /direct_response.*directly behind Accredit/);
    }
    assert.equal(stage.levelOf(mark, '"unanswered"'), 'warning');
    assert.deepEqual(stage.application.requests, []);
  });
});

describe('unfinished bodies', () => {
  const stage = onPasswordStage({
    manager: (manager) => (manager.xff_num_trusted_hops = 1),
  });

  async function flood(count, address) {
    const sockets = await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const socket = net.connect(stage.gateway.port, '127.0.0.1').on('error', () => {});
        const answer = answerOn(socket);
        await once(socket, 'connect');
        socket.write(`${stage.head(60_000, [`X-Forwarded-For: ${address(index)}`])}{"email":"${'x'.repeat(2_000)}`);
        return { socket, answer };
      }),
    );
    const leave = async () => {
      sockets.forEach(({ socket }) => socket.destroy());
      await eventually('all have gone', async () => Object.values(await stage.gateway.stats('^http\\.gateway\\.downstream_rq_active$'))[0] === 0);
    };
    const refused = () => sockets.map(({ answer }) => answer()).filter(({ status }) => status !== 0);
    return { sockets, leave, refused };
  }

  it('of two hundred clients: 64 are held, the others refused at once; signed-in people notice nothing, and later there is room again', async () => {
    const signedIn = await stage.logIn(stage.somebody(), PASSWORD);
    const { token } = JSON.parse(signedIn.body);
    const mark = stage.gateway.mark();
    const { leave, refused } = await flood(200, (index) => `203.0.113.${index}`);
    await eventually('the others are refused', () => refused().length === 136);
    for (const answer of refused()) assert.deepEqual([answer.status, answer.reason, answer.retry], [503, 'too_many_bodies', '5']);
    const answer = await stage.visitor().send('/api/orders', { headers: { authorization: `Bearer ${token}` } });
    assert.equal(answer.status, 200, answer.reason);
    assert.ok(stage.lines(mark, 'denied').some(({ reason, path }) => reason === 'too_many_bodies' && path === '/api/auth/login'));
    assert.equal(await stage.gateway.counter('accredit_denied_too_many_bodies'), 136);
    // After a second, an unfinished body makes room for a new one, so that bodies that never end cannot block logins.
    await sleep(1_100);
    for (let login = 0; login < 5; login += 1) assert.equal((await stage.logIn(stage.somebody(), PASSWORD, { 'x-forwarded-for': '198.51.100.1' })).status, 200);
    await eventually('one had to go', () => refused().filter(({ status, reason }) => status === 408 && reason === 'body_timeout').length === 1);
    await leave();
    assert.equal((await stage.logIn(stage.somebody(), PASSWORD)).status, 200);
  });

  it('of one address leave room for other addresses', async () => {
    const { leave, refused } = await flood(100, () => '203.0.113.7');
    await eventually('16 are held', () => refused().length === 84);
    assert.equal((await stage.logIn(stage.somebody(), PASSWORD, { 'x-forwarded-for': '203.0.113.8' })).status, 200);
    // For the next body of that address, one of its own unfinished bodies makes room.
    await sleep(1_100);
    assert.equal((await stage.logIn(stage.somebody(), PASSWORD, { 'x-forwarded-for': '203.0.113.7' })).status, 200);
    await eventually('one had to go', () => refused().filter(({ status }) => status === 408).length === 1);
    await leave();
    assert.equal((await stage.logIn(stage.somebody(), PASSWORD, { 'x-forwarded-for': '203.0.113.7' })).status, 200);
  });

  it('that come byte by byte are ended after 30 s', { timeout: 60_000 }, async () => {
    const socket = await stage.begin(stage.somebody(), 'x'.repeat(200), { hold: 150 });
    const answer = answerOn(socket);
    const drip = setInterval(() => socket.write('x'), 1_000);
    const begun = Date.now();
    await eventually('it is ended', () => answer().status !== 0, { within: 40_000 });
    clearInterval(drip);
    socket.destroy();
    assert.deepEqual([answer().status, answer().reason], [408, 'body_timeout']);
    assert.ok(Date.now() - begun > 25_000 && Date.now() - begun < 35_000, String(Date.now() - begun));
  });
});

/** Adds a list of capabilities that has everything except these. */
const listWithout =
  (...forgotten) =>
  (bootstrap) =>
    void (pluginOf(bootstrap.static_resources.listeners[0]).capability_restriction_config = capabilitiesWithout(...forgotten));

describe('a list of capabilities without the callback for request headers', () => {
  const stage = onStage({ envoy: listWithout('proxy_on_request_headers') });

  it('is accepted by Envoy', async () => {
    const { code, log } = await validate(stage.gateway.bootstrap, { environment: { OIDC_CLIENT_SECRET: 'x', ACCREDIT_KEY: stage.gateway.key } });
    assert.equal(code, 0, log);
  });

  it('opens nothing: no answer of the application is forwarded, and the log names the list, once, at level critical', async () => {
    const numbers = [];
    for (let time = 0; time < 3; time += 1) {
      const answer = await stage.visitor().send('/analytics?code=secret-code', { headers: { 'x-forwarded-user': 'root' } });
      assertProblem(answer, 503, 'undecided');
      assert.equal(answer.body.includes('application'), false, 'nothing of the application');
      numbers.push(answer.json().request_id);
    }
    const log = stage.gateway.log();
    assert.equal(log.match(/\[critical\]\[wasm\].*proxy_on_request_headers is missing in capability_restriction_config/g)?.length, 1);
    const lines = stage.gateway.auditLog().filter(({ reason }) => reason === 'undecided');
    assert.equal(lines.length, 3);
    assert.equal(lines[0].event, 'denied');
    assert.deepEqual(
      lines.map((line) => line.request_id),
      numbers,
      'the answer tells which line is its own',
    );
    assert.match(lines[0].detail, /via_upstream/);
    assert.equal(stage.gateway.log().includes('secret-code'), false);
    assert.equal(await stage.gateway.counter('accredit_denied_undecided'), 3);
  });

  it('does not let a body wait for ever', async () => {
    for (const method of ['POST', 'PUT'])
      assertProblem(await stage.visitor().send('/analytics', { method, body: 'x'.repeat(100_000), timeout: 5_000 }), 503, 'undecided');
  });

  it('opens nothing over HTTP/2, for a WebSocket handshake, or for HEAD either', async () => {
    assertProblem(await stage.visitor({ http2: true }).send('/analytics'), 503, 'undecided');
    assert.equal((await stage.visitor().send('/analytics', { method: 'HEAD' })).status, 503);
    const lines = ['Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];
    const handshake = requestText('GET', '/socket', stage.gateway.host, lines).replace('Connection: close', 'Connection: Upgrade');
    assert.equal((await sendRaw(stage.gateway.port, handshake)).status, 503);
  });

  it('does not change an answer of Envoy itself', async () => {
    assert.equal((await sendRaw(stage.gateway.port, requestText('GET', '/a%2Fb', stage.gateway.host))).status, 400);
  });
});

describe('a list of capabilities without a host call', () => {
  for (const name of ['proxy_get_current_time_nanoseconds', 'proxy_set_tick_period_milliseconds', 'proxy_get_shared_data', 'proxy_set_shared_data']) {
    it(`${name}: the configuration is refused, and the log names it`, async () => {
      const bootstrap = shipped();
      const plugin = pluginOf(bootstrap.static_resources.listeners[0]);
      plugin.vm_config.code = { local: { filename: wasmPath() } };
      listWithout(name)(bootstrap);
      const { code, log } = await validate(bootstrap, { environment: { OIDC_CLIENT_SECRET: 'x', ACCREDIT_KEY: newKey() } });
      assert.equal(code, 1, log);
      assert.match(
        log,
        new RegExp(`accredit: configuration refused: expected a host that offers ${name}, found InternalFailure; remove capability_restriction_config`),
      );
      assert.doesNotMatch(log, /panicked/);
    });
  }

  describe('that changes a request', () => {
    const stage = onStage({ envoy: listWithout('proxy_remove_header_map_value', 'proxy_replace_header_map_value') });

    it('no request is forwarded without the changes that it needs, and the worker does not crash', async () => {
      assert.equal((await stage.visitor().call('/')).status, 200);
      stage.application.forget();
      assertProblem(await stage.visitor().call('/', { headers: { 'x-forwarded-user': 'root' } }), 503, 'undecided');
      assert.match(stage.gateway.auditLog().at(-1).detail, /InternalFailure to a change of fields/);
      assert.equal((await stage.visitor().signIn('/analytics')).status, 503, 'who is signed in would not be told');
      assert.deepEqual(stage.application.requests, []);
      assertNoPanic(stage.gateway);
    });
  });

  describe('that only reports about a request', () => {
    const stage = onStage({ envoy: listWithout('proxy_set_property', 'proxy_increment_metric') });

    it('requests are served, without the report', async () => {
      const visitor = await stage.signedIn();
      assert.equal((await visitor.open('/analytics')).status, 200);
      const line = await eventually('it is logged', () => stage.gateway.accessLog().findLast(({ path, status }) => path === '/analytics' && status === 200));
      assert.equal(line.subject ?? null, null);
      assertNoPanic(stage.gateway);
    });
  });
});

describe('with a complete list, and without a list', () => {
  for (const envoy of [listWithout(), (bootstrap) => void delete pluginOf(bootstrap.static_resources.listeners[0]).capability_restriction_config]) {
    describe(envoy.name || 'listed', () => {
      const stage = onStage({ envoy });

      it('no request is refused as undecided', async () => {
        const visitor = await stage.signedIn();
        assert.equal((await visitor.open('/analytics')).status, 200);
        assert.equal((await visitor.call('/api/analytics', { method: 'POST', body: 'x'.repeat(100_000) })).status, 200);
        assertRefused(await stage.visitor().call('/api/analytics', { method: 'POST', body: 'x' }), 401, 'session_missing');
        assert.equal(await stage.gateway.counter('accredit_denied_undecided'), 0);
      });
    });
  }
});
