// Operators end sessions: at one of two Envoys that share a real Redis, and by a page in a real Chromium, which no other site can do for them.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import { withBodies } from './lib/bodies.mjs';
import { newPerson, startBrowser } from './lib/browser.mjs';
import { Visitor } from './lib/client.mjs';
import { Fleet, documentedCluster, documentedUser } from './lib/fleet.mjs';
import { newKey, startGateway } from './lib/gateway.mjs';
import { Provider } from './lib/misbehaving.mjs';
import { closeServer, eventually, listen } from './lib/process.mjs';
import { Redis } from './lib/redis.mjs';
import { assertProblem, keepingParts } from './lib/stage.mjs';
import { Application } from './lib/upstream.mjs';

const PATH = '/api/operator_logout';

/** Has the configuration take what operators end; `security` may end everybody's sessions. */
function forOperators(configuration) {
  configuration.endpoints = { ...configuration.endpoints, operator_logout: PATH };
  configuration.operator_logout = { everybody: { claim: 'groups', any_of: ['security'] } };
  configuration.rules.unshift({ match: { path: PATH }, require: { claim: 'groups', any_of: ['operators', 'security'] } });
}

const withRoute = (bootstrap) => withBodies(bootstrap, PATH);

/** Somebody who has signed in here. */
async function somebody(provider, gateway, sub, ...groups) {
  provider.user = { sub, email: `${sub}@example.com`, email_verified: true, groups: ['oracle-ai-users', ...groups] };
  const visitor = new Visitor(gateway);
  assert.equal((await visitor.signIn('/analytics')).status, 200);
  return visitor;
}

const ends = (operator, wanted, headers = {}) =>
  operator.call(PATH, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(wanted) });

describe('two Envoys that share a Redis', () => {
  let fleet, redis, one, other;
  before(async () => {
    fleet = await Fleet.start();
    redis = fleet.keep(await Redis.start({ password: newKey() }));
    await redis.command(...documentedUser(fleet.password));
    const login = { username: 'accredit', password: { environment_variable: 'REDIS_PASSWORD' } };
    const joining = { cluster: documentedCluster(redis.port), redis: login, plugin: forOperators, envoy: withRoute };
    one = await fleet.join({ ...joining, concurrency: 2 });
    other = await fleet.join(joining);
  });
  after(() => fleet.stop());
  const cookieOf = (visitor) => visitor.jar.header('localhost', '/');

  it('what an operator ends at one is known at the other, and the answer does not tell whether there was anything', async () => {
    const operator = await somebody(fleet.provider, one, 'olga', 'operators');
    const [alice, bob] = [await somebody(fleet.provider, other, 'alice'), await somebody(fleet.provider, one, 'bob')];
    const provider = 'demo';
    const [made, up] = [await ends(operator, { provider, sub: 'made-up' }), await ends(operator, { session: 'made-up' })];
    const answer = await ends(operator, { provider, sub: 'alice' });
    for (const each of [made, up, answer]) {
      assert.equal(each.status, 202, each.body);
      assert.deepEqual(Object.keys(each.json()), ['id']);
      assert.equal(each.headers['cache-control'], 'private, no-store');
    }
    for (const gateway of [one, other]) await fleet.untilRefused(gateway, cookieOf(alice));
    for (const visitor of [bob, operator]) await fleet.assertGoesOn(other, cookieOf(visitor));
    const line = one.auditLog().find(({ event, sub }) => event === 'operator_logout' && sub === 'alice');
    assert.deepEqual([line.id, line.by, line.ends, typeof line.before], [answer.json().id, 'olga', 'person', 'number']);
    // By the session that the line of the sign-in names.
    const { session } = one.auditLog().find(({ event, subject }) => event === 'sign_in' && subject === 'bob');
    assert.equal((await ends(operator, { session })).status, 202);
    await fleet.untilRefused(other, cookieOf(bob));
  });

  it('everybody is signed out everywhere by who may, who is answered first', async () => {
    const [operator, alice] = [await somebody(fleet.provider, one, 'olga', 'operators'), await somebody(fleet.provider, other, 'alice')];
    assertProblem(await ends(operator, { everybody: true }), 403, 'condition_failed');
    const chief = await somebody(fleet.provider, one, 'chief', 'security');
    const answer = await ends(chief, { everybody: true });
    assert.equal(answer.status, 202, answer.body);
    for (const visitor of [alice, operator, chief]) for (const gateway of [one, other]) await fleet.untilRefused(gateway, cookieOf(visitor));
    await new Promise((done) => setTimeout(done, 1_100));
    const later = await somebody(fleet.provider, other, 'alice');
    await fleet.assertGoesOn(one, cookieOf(later));
  });

  it('while Redis is away the end holds where it was asked for, the answer is 503, and it is delivered later', async () => {
    const [operator, alice] = [await somebody(fleet.provider, one, 'olga', 'operators'), await somebody(fleet.provider, other, 'alice')];
    redis.pause();
    try {
      const answer = await ends(operator, { provider: 'demo', sub: 'alice' });
      assertProblem(answer, 503, 'revocations_unavailable');
      assert.deepEqual([answer.json().queued, typeof answer.json().id], [true, 'string']);
      await fleet.untilRefused(one, cookieOf(alice));
    } finally {
      redis.resume();
    }
    await fleet.untilRefused(other, cookieOf(alice), 15_000);
  });
});

describe('an operator in a browser', () => {
  const { keep, stopAll } = keepingParts();
  let provider, gateway, browser, person, evil, alice;
  before(async () => {
    provider = keep(await Provider.start());
    const application = keep(await Application.start());
    gateway = keep(await startGateway({ provider, application, plugin: forOperators, envoy: withRoute }));
    evil = http.createServer((_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<title>Another origin</title>'));
    await listen(evil);
    browser = await startBrowser();
    alice = await somebody(provider, gateway, 'alice');
    provider.user = { sub: 'olga', email: 'olga@example.com', email_verified: true, groups: ['oracle-ai-users', 'security'] };
    person = await newPerson(browser);
  });
  after(async () => {
    await person?.close();
    await browser?.close();
    if (evil) await closeServer(evil);
    await stopAll();
  });

  const wanted = JSON.stringify({ everybody: true });

  /** What becomes of a request by a script of this page: a status, `opaque`, or an error. */
  const tries = (page, type, mode) =>
    page.evaluate(
      ([url, options]) =>
        fetch(url, options).then(
          (response) => (response.type === 'opaque' ? 'opaque' : response.status),
          () => 'failed',
        ),
      [`${gateway.origin}${PATH}`, { method: 'POST', mode, credentials: 'include', headers: { 'content-type': type }, body: wanted }],
    );

  it('ends sessions by a page of this origin; pages of another, with the same cookies, end none', async () => {
    const page = await person.newPage();
    await page.goto(`${gateway.origin}/analytics`);
    assert.equal(new URL(page.url()).pathname, '/analytics', 'signed in');
    // The same site, so that the browser sends the operator's cookie.
    await page.goto(`http://localhost:${evil.address().port}/`);
    assert.equal(await tries(page, 'text/plain', 'no-cors'), 'opaque');
    assert.equal(await tries(page, 'application/json', 'cors'), 'failed');
    await page.evaluate(
      ([url, text]) => {
        const form = Object.assign(document.createElement('form'), { method: 'post', action: url, enctype: 'text/plain' });
        // {"everybody": true, "x": "="}, as far as a form can write it.
        form.append(Object.assign(document.createElement('input'), { name: text.replace('}', ',"x":"'), value: '"}' }));
        document.body.append(form);
        form.submit();
      },
      [`${gateway.origin}${PATH}`, wanted],
    );
    await page.waitForURL(`${gateway.origin}${PATH}`);
    const refused = () =>
      gateway.auditLog().filter(({ event, path, reason, subject }) => event === 'denied' && path === PATH && reason === 'cross_site' && subject === 'olga');
    await eventually('both are in the log', () => refused().length === 2);
    assert.deepEqual(
      gateway.auditLog().filter(({ event }) => event === 'operator_logout'),
      [],
    );
    assert.equal((await alice.call('/members')).status, 200);
    await page.goto(`${gateway.origin}/analytics`);
    assert.equal(await tries(page, 'text/plain', 'same-origin'), 415);
    assert.equal(await tries(page, 'application/json', 'same-origin'), 202);
    assert.equal((await alice.call('/members')).status, 401);
    assert.equal(await tries(page, 'application/json', 'same-origin'), 401, 'the operator has signed themselves out, too');
  });
});
