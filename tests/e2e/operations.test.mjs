// What happens in operation: providers that are down, keys that rotate, several workers, several configurations, reloads, a virtual machine that crashes.
//
// Each test starts and stops what it needs. It waits by asking until a condition is met, never by sleeping for a guessed time.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { Visitor } from './lib/client.mjs';
import { dyingWasmPath } from './lib/dying.mjs';
import { asStruct, configurationOf, managerOf, newKey, pluginOf, startGateway, startReloadableGateway } from './lib/gateway.mjs';
import { Provider, answer, makeKey } from './lib/misbehaving.mjs';
import { eventually, freePort, sleep } from './lib/process.mjs';
import { assertNoPanic, assertNotTold, assertProblem, assertRefused } from './lib/stage.mjs';
import { Application, headerValues } from './lib/upstream.mjs';

const running = [];
const keep = (thing) => (running.push(thing), thing);
afterEach(async () => {
  for (const thing of running.splice(0).reverse()) await thing.stop();
});

async function outside() {
  return { provider: keep(await Provider.start()), application: keep(await Application.start()) };
}

async function gatewayFor(options) {
  return keep(await startGateway(options));
}

async function signedIn(gateway, path = '/analytics') {
  const visitor = new Visitor(gateway);
  const landing = await visitor.signIn(path);
  assert.equal(landing.status, 200, `${landing.reason} at ${landing.url}`);
  return visitor;
}

const quick = (configuration) => {
  configuration.sign_in = { wait: '1s' };
  configuration.providers[0].timeout = '1s';
};

describe('a provider that is down', () => {
  it('at start: public pages and sealed sessions are served, sign-in answers 503, and recovers by itself', async () => {
    const { provider, application } = await outside();
    const first = await gatewayFor({ provider, application, plugin: quick });
    const alice = await signedIn(first);
    await first.stop();
    await provider.refuse();
    application.forget();
    const gateway = await gatewayFor({ provider, application, plugin: quick, port: first.port, key: first.key });

    assert.equal((await new Visitor(gateway).open('/')).status, 200);
    assert.equal((await alice.open('/analytics')).status, 200);
    assert.equal((await alice.call('/api/session')).status, 200);
    assert.deepEqual(
      application.requests.map(({ url }) => url),
      ['/', '/analytics'],
    );

    const refused = await new Visitor(gateway).open('/analytics');
    assertRefused(refused, 503, 'metadata_unavailable');
    assert.ok(Number(refused.headers['retry-after']) > 0);
    assertProblem(await new Visitor(gateway).call('/api/chat'), 401, 'session_missing');
    assert.equal(application.requests.length, 2);

    await provider.accept();
    await eventually('sign-in works again', async () => (await new Visitor(gateway).signIn('/analytics')).status === 200, { within: 15_000, every: 250 });
    assertNoPanic(gateway);
  });

  it('later: signed-in people notice nothing, new ones get an error at the callback', async () => {
    const { provider, application } = await outside();
    const gateway = await gatewayFor({ provider, application, plugin: quick });
    const alice = await signedIn(gateway);
    const callback = await new Visitor(gateway).untilCallback();
    await provider.refuse();
    for (let i = 0; i < 5; i += 1) assert.equal((await alice.open('/analytics')).status, 200);
    const started = await new Visitor(gateway).open('/analytics');
    assert.equal(started.status, 302, 'what was fetched is kept');
    assert.equal((await new Visitor(gateway).open(callback.href)).status, 400);
    await provider.accept();
    assert.equal((await new Visitor(gateway).signIn('/analytics')).status, 200);
    assertNoPanic(gateway);
  });

  it('or slow, at start: requests that need it wait, and are then served', async () => {
    const { provider, application } = await outside();
    provider.delay.discovery = 1500;
    const gateway = await gatewayFor({ provider, application });
    const answers = await Promise.all(Array.from({ length: 8 }, () => new Visitor(gateway).open('/analytics')));
    assert.deepEqual(
      answers.map(({ status }) => status),
      Array(8).fill(302),
    );
    assert.equal(provider.count('discovery'), 1);
    assertNoPanic(gateway);
  });

  it('while a thousand people wait at once: each gets an answer, and waking them crashes no worker', async () => {
    const { provider, application } = await outside();
    provider.delay.discovery = 1500;
    const gateway = await gatewayFor({ provider, application });
    const opened = Array.from({ length: 1200 }, () => new Visitor(gateway).open('/analytics'));
    const statuses = (await Promise.all(opened)).map(({ status }) => status);
    const of = (status) => statuses.filter((one) => one === status).length;
    // A thousand wait and are then redirected to the provider; the others get 503.
    assert.equal(of(302) + of(503), 1200, `${[...new Set(statuses)]}`);
    assert.ok(of(302) >= 1000, `${of(302)} were sent to the provider`);
    assert.equal(await gateway.counter('vm_reload_success'), 0);
    assert.equal((await new Visitor(gateway).signIn('/analytics')).status, 200);
    assertNoPanic(gateway);
  });

  it('or slow, while people who wait leave: nothing breaks', async () => {
    const { provider, application } = await outside();
    provider.delay.discovery = 1000;
    const gateway = await gatewayFor({ provider, application });
    const gone = await Promise.allSettled(Array.from({ length: 10 }, () => new Visitor(gateway).open('/analytics', { timeout: 200 })));
    assert.ok(gone.every(({ status }) => status === 'rejected'));
    assert.equal((await new Visitor(gateway).signIn('/analytics')).status, 200);
    provider.delay.token = 500;
    const callback = await new Visitor(gateway).untilCallback();
    await Promise.allSettled([new Visitor(gateway).open(callback.href, { timeout: 100 })]);
    await sleep(600);
    provider.delay = {};
    assert.equal((await new Visitor(gateway).signIn('/analytics')).status, 200);
    assertNoPanic(gateway);
  });
});

describe('keys', () => {
  it('that are unknown are fetched at once, but a flood of them does not cause a flood of fetches, and does not disturb a valid sign-in', async () => {
    const { provider, application } = await outside();
    const gateway = await gatewayFor({ provider, application, plugin: quick });
    await signedIn(gateway);
    provider.forget();
    const began = Date.now();
    for (let i = 0; i < 12; i += 1) {
      provider.lies.header = (header) => ({ ...header, kid: `unknown-${i}` });
      const last = await new Visitor(gateway).signIn('/analytics');
      assert.ok(last.status === 502 || last.status === 503, `${last.status} ${last.reason}`);
      provider.lies = {};
      if (i % 4 === 3) await signedIn(gateway);
    }
    const refilled = Math.ceil((Date.now() - began) / 10_000);
    assert.ok(provider.count('keys') >= 1 && provider.count('keys') <= 3 + refilled, `${provider.count('keys')} fetches`);
    assertNoPanic(gateway);
  });

  it("that are rotated while the provider's key set is unavailable do not stop the old ones", async () => {
    const { provider, application } = await outside();
    const gateway = await gatewayFor({ provider, application, plugin: quick });
    await signedIn(gateway);
    provider.intercept.keys = (_, response) => answer(response, 500, '');
    provider.signingKey = await makeKey('RS256', 'new-1');
    const last = await new Visitor(gateway).signIn('/analytics');
    assert.ok([502, 503].includes(last.status), `${last.status} ${last.reason}`);
    provider.signingKey = provider.standardKey;
    await signedIn(gateway);
    assertNoPanic(gateway);
  });
});

describe('two workers', () => {
  it('both get requests, share one fetch, accept the same sessions, and soon know which of them have ended', async () => {
    const { provider, application } = await outside();
    provider.delay.discovery = 300;
    provider.delay.keys = 300;
    const gateway = await gatewayFor({
      provider,
      application,
      concurrency: 2,
      envoy: (bootstrap) => void (bootstrap.static_resources.listeners[0].connection_balance_config = { exact_balance: {} }),
    });
    const landings = await Promise.all(Array.from({ length: 8 }, () => new Visitor(gateway).signIn('/analytics')));
    assert.deepEqual(
      landings.map(({ status }) => status),
      Array(8).fill(200),
    );
    assert.deepEqual([provider.count('discovery'), provider.count('keys')], [1, 1], 'fetches of [discovery, keys]');

    const alice = await signedIn(gateway);
    const answers = await Promise.all(Array.from({ length: 40 }, () => alice.open('/analytics')));
    assert.ok(answers.every(({ status }) => status === 200));
    const stats = await gateway.stats('worker_\\d\\.downstream_cx_total');
    const hits = Object.entries(stats)
      .filter(([name]) => name.startsWith('listener.') && !name.includes('admin'))
      .map(([, count]) => count);
    assert.ok(hits.length === 2 && hits.every((count) => count >= 10), JSON.stringify(stats));
    assert.ok((await gateway.counter('accredit_session_from_memory')) >= 30, 'sessions are remembered');
    assert.ok((await gateway.counter('accredit_session_from_cookie')) >= 2, 'each worker opened the cookie itself');

    // After sign-out at one worker, a copy of the cookie is refused by both, although each remembers the session.
    const thief = new Visitor(gateway);
    thief.jar = alice.jar.clone();
    const steal = async () => (await Promise.all(Array.from({ length: 20 }, () => thief.open('/analytics')))).map(({ status }) => status);
    assert.deepEqual(await steal(), Array(20).fill(200));
    assert.equal((await alice.call('/api/logout', { method: 'POST' })).status, 200);
    await eventually('no worker takes the copy any more', async () => (await steal()).every((status) => status !== 200));
    assert.ok((await steal()).every((status) => status !== 200));
    assertNoPanic(gateway);
  });
});

describe('two configurations in one virtual machine', () => {
  it('have their own rules, keys, provider and cookies, and a session of one is not accepted by the other', async () => {
    const [{ provider, application }, other, otherPort] = [await outside(), keep(await Provider.start()), await freePort()];
    const addSecond = (bootstrap) => {
      const [first] = bootstrap.static_resources.listeners;
      const second = structuredClone(first);
      second.name = 'second';
      second.address.socket_address.port_value = otherPort;
      const configuration = configurationOf(pluginOf(second));
      configuration.origins = [`http://localhost:${otherPort}`];
      Object.assign(configuration.providers[0], { name: 'other', issuer: other.issuer, clusters: { [new URL(other.issuer).host]: 'other' } });
      configuration.session.keys = [newKey()];
      configuration.rules = [
        { match: { path: '/analytics' }, require: 'public' },
        { match: { path: '/' }, require: 'authenticated' },
      ];
      asStruct(pluginOf(second), configuration);
      bootstrap.static_resources.listeners.push(second);
      const cluster = structuredClone(bootstrap.static_resources.clusters.find(({ name }) => name === 'provider'));
      cluster.name = 'other';
      cluster.load_assignment.cluster_name = 'other';
      cluster.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_value = other.port;
      bootstrap.static_resources.clusters.push(cluster);
    };
    const gateway = await gatewayFor({ provider, application, envoy: addSecond });
    const second = { origin: `http://localhost:${otherPort}` };
    other.user = { ...other.user, sub: 'user-of-the-other' };

    assert.deepEqual([(await new Visitor(gateway).open('/')).status, (await new Visitor(gateway).open('/analytics')).status], [200, 302]);
    assert.deepEqual([(await new Visitor(second).open('/')).status, (await new Visitor(second).open('/analytics')).status], [302, 200]);

    const here = await signedIn(gateway);
    const there = new Visitor(second);
    there.jar = here.jar;
    assertRefused(await there.call('/api/session'), 401, 'session_invalid');
    const landing = await there.signIn('/');
    assert.equal(landing.status, 200, landing.reason);
    assert.equal((await there.call('/api/session')).json().subject, 'user-of-the-other');
    assertRefused(await here.call('/api/session'), 401, 'session_invalid');

    const callback = await new Visitor(gateway).untilCallback();
    assert.equal((await new Visitor(second).open(`${second.origin}${callback.pathname}${callback.search}`)).status, 400);
    assertNoPanic(gateway);
  });
});

describe('a reload', () => {
  it('takes effect without a restart, loses no session and needs nothing from a provider that is down', async () => {
    const { provider, application } = await outside();
    const gateway = keep(await startReloadableGateway({ provider, application }));
    const alice = await signedIn(gateway);
    for (const endpoint of ['discovery', 'keys']) provider.intercept[endpoint] = (request) => request.socket.destroy();

    gateway.reload((configuration) => configuration.rules.unshift({ match: { path: '/new' }, require: 'public' }));
    await eventually('the new rule is in force', async () => (await new Visitor(gateway).call('/new')).status === 200);
    assert.equal((await alice.open('/analytics')).status, 200);
    assert.equal((await new Visitor(gateway).signIn('/analytics')).status, 200, 'metadata and keys were forgotten');
    assertNoPanic(gateway);
  });

  it('keeps sign-in attempts that are under way', async () => {
    const { provider, application } = await outside();
    const gateway = keep(await startReloadableGateway({ provider, application }));
    const visitor = new Visitor(gateway);
    const callback = await visitor.untilCallback();
    gateway.reload((configuration) => configuration.rules.unshift({ match: { path: '/new' }, require: 'public' }));
    await eventually('the new rule is in force', async () => (await new Visitor(gateway).call('/new')).status === 200);
    assert.equal((await visitor.follow(await visitor.open(callback.href))).status, 200);
  });

  it('with a wrong configuration changes nothing: the old one stays in use', async () => {
    const { provider, application } = await outside();
    const gateway = keep(await startReloadableGateway({ provider, application }));
    const alice = await signedIn(gateway);
    gateway.reload((configuration) => (configuration.rulez = []));
    await eventually('the log says what is wrong', () => /configuration refused: rulez/.test(gateway.log()));
    assert.equal((await alice.open('/analytics')).status, 200);
    assert.equal((await new Visitor(gateway).signIn('/analytics')).status, 200);
  });
});

describe('a virtual machine that crashes', () => {
  it('while requests wait: they get an answer, nothing reaches the application, and the next request gets a new virtual machine', async () => {
    const wasm = dyingWasmPath();
    const { provider, application } = await outside();
    const idle = (bootstrap) => void (managerOf(bootstrap.static_resources.listeners[0]).stream_idle_timeout = '3s');
    const gateway = await gatewayFor({ provider, application, wasm, envoy: idle });
    const alice = await signedIn(gateway);
    provider.delay.token = 20_000;
    const waiting = new Visitor(gateway);
    const callback = await waiting.untilCallback();
    application.forget();
    const pending = waiting.open(callback.href).catch((error) => error);
    await eventually('the code is being exchanged', () => provider.count('token') === 2);

    const killer = await new Visitor(gateway).call('/', { headers: { 'x-accredit-die': 'yes' } });
    assert.ok(killer.status >= 500, String(killer.status));
    assert.match(gateway.log(), /panicked at|RuntimeError/);
    await eventually('the public page is there again', async () => (await new Visitor(gateway).open('/')).status === 200);
    assert.equal((await alice.open('/analytics')).status, 200, 'a sealed session outlives the machine');

    const answered = await pending;
    assert.ok(answered instanceof Error || answered.status >= 400, `the waiting request got ${answered.status}`);
    provider.delay = {};
    assert.equal((await new Visitor(gateway).signIn('/analytics')).status, 200);
    assert.ok(application.requests.every(({ url, rawHeaders }) => url === '/' || headerValues({ rawHeaders }, 'x-forwarded-user').length === 1));
  });
});

describe('monitoring', () => {
  it('counts every outcome, and writes one audit line for each event, with reason and rule, without secrets', async () => {
    const { provider, application } = await outside();
    const gateway = await gatewayFor({ provider, application, plugin: quick });
    const secrets = [gateway.key, provider.clientSecret];
    provider.lies.tokens = (body) => (secrets.push(body.access_token, body.id_token), body);
    provider.lies.redirect = (parameters, query) => (
      secrets.push(parameters.code, parameters.state, query.get('nonce'), query.get('code_challenge')), parameters
    );

    const visitor = new Visitor(gateway);
    await visitor.open('/');
    const landing = await visitor.signIn('/analytics');
    assert.equal(landing.status, 200);
    secrets.push(...landing.trail.flatMap(({ cookies }) => cookies.map(({ value }) => value)));
    await visitor.open('/analytics?secret=in-the-query');
    secrets.push('in-the-query');
    provider.user = { ...provider.user, groups: [] };
    const bob = await signedIn(gateway);
    await bob.open('/members');
    await new Visitor(gateway).call('/api/chat');
    await new Visitor(gateway).open('/api/callback');
    await visitor.call('/api/logout', { method: 'POST' });
    provider.lies.claims = (claims) => ({ ...claims, nonce: 'wrong' });
    await new Visitor(gateway).signIn('/analytics');
    secrets.push(...provider.received.token.map(({ form }) => form.get('code_verifier')));

    for (const [name, least] of [
      ['decisions_forwarded', 4],
      ['decisions_redirected', 3],
      ['decisions_unauthenticated', 1],
      ['decisions_forbidden', 1],
      ['decisions_answered', 1],
      ['sign_in_begun', 3],
      ['sign_in_completed', 2],
      ['sign_in_failed_id_token_nonce', 1],
      ['sign_out', 1],
      ['session_from_memory', 1],
      ['session_from_cookie', 1],
      ['fetch_metadata_ok', 1],
      ['fetch_keys_ok', 1],
    ]) {
      assert.ok((await gateway.counter(`accredit_${name}`)) >= least, `accredit_${name} counts ${await gateway.counter(`accredit_${name}`)}, not ${least}`);
    }
    assert.match(await gateway.admin('/stats/prometheus?filter=accredit'), /^accredit_sign_in_completed(\{\})? 2$/m);

    const audit = gateway.auditLog();
    const events = audit.map(({ event }) => event);
    for (const [event, count] of [
      ['sign_in', 2],
      ['sign_out', 1],
    ])
      assert.equal(events.filter((one) => one === event).length, count, event);
    assert.ok(
      audit.some(
        ({ event, reason, rule, subject, path }) =>
          event === 'denied' && reason === 'condition_failed' && rule === 'rules[2]' && subject === 'user-1' && path === '/members',
      ),
    );
    assert.ok(audit.some(({ event, reason }) => event === 'sign_in_failed' && reason === 'id_token_nonce'));
    const people = (name) => audit.filter(({ event }) => event === name).map(({ provider, subject }) => `${subject} at ${provider}`);
    assert.ok(people('sign_in').includes(people('sign_out')[0]), people('sign_out')[0]);
    for (const line of audit) assert.ok(line.request_id && line.method, JSON.stringify(line));

    await eventually('the access log has the sign-out', () => gateway.accessLog().some(({ path }) => path === '/api/logout'));
    assertNotTold(gateway, secrets);
    assert.equal((await gateway.admin('/stats')).match(/access-|eyJ/), null);
    assertNoPanic(gateway);
  });
});

describe('the access log', () => {
  it('has the reason of every refusal in its details, from whichever context the answer came, and the details of Envoy for forwarded requests', async () => {
    const { provider, application } = await outside();
    provider.user = { ...provider.user, groups: [] };
    const gateway = await gatewayFor({ provider, application, plugin: quick });
    const bob = await signedIn(gateway);
    await bob.open('/analytics');
    await bob.open('/members');
    await bob.call('/api/session');
    await new Visitor(gateway).open('/analytics?redirected');
    await new Visitor(gateway).call('/api/chat');
    // An answer after a call that was made for the request.
    provider.lies.claims = (claims) => ({ ...claims, nonce: 'wrong' });
    await new Visitor(gateway).signIn('/analytics');
    const lines = await eventually('all are logged', () => (gateway.accessLog().some(({ status }) => status === 502) ? gateway.accessLog() : undefined));
    assert.deepEqual(
      lines.slice(-7).map(({ path, status, details }) => [path, status, details]),
      [
        ['/analytics', 200, 'via_upstream'],
        ['/members', 403, 'accredit_condition_failed'],
        ['/api/session', 200, 'accredit_answered'],
        ['/analytics', 302, 'accredit_session_missing'],
        ['/api/chat', 401, 'accredit_session_missing'],
        ['/analytics', 302, 'accredit_session_missing'],
        ['/api/callback', 502, 'accredit_id_token_nonce'],
      ],
    );
    // An answer by the root context, which wakes a waiting request.
    await provider.refuse();
    const empty = await gatewayFor({ provider, application, plugin: quick });
    assertRefused(await new Visitor(empty).open('/analytics'), 503, 'metadata_unavailable');
    const [woken] = await eventually('it is logged', () => (empty.accessLog().length > 0 ? empty.accessLog() : undefined));
    assert.equal(woken.details, 'accredit_metadata_unavailable');
    assertNoPanic(gateway);
  });
});
