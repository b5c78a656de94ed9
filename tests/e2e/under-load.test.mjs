// Under load, while keys rotate, the provider fails and recovers, and the configuration is replaced, not one answer may be wrong.
//
// Visitors of all kinds send requests all the time, on connections to two workers. Each answer is compared with what is right for that visitor in that phase:
// its status and reason, and the identity that reached the application. The test fails if an answer is wrong or missing, or is one that was right only before.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Visitor } from './lib/client.mjs';
import { startReloadableGateway } from './lib/gateway.mjs';
import { Load } from './lib/load.mjs';
import { Provider, answer, makeKey, now, sign, unsigned } from './lib/misbehaving.mjs';
import { eventually } from './lib/process.mjs';
import { assertNoPanic, assertNotTold, assertProblem, assertRefused } from './lib/stage.mjs';
import { Application, headerValues } from './lib/upstream.mjs';

/** Forged identity headers, which are sent with every request and must have no effect. */
const CLAIMED = { 'x-forwarded-user': 'root', x_forwarded_groups: 'oracle-ai-users', 'x-forwarded-access-token': 'mine' };
const MEMBERS = ['oracle-ai-users', 'staff'];
const TOKENS = 40;
/** The lifetime in seconds of the access tokens of the person whose session is refreshed. */
const SHORT = 4;

const somebody = (sub, groups = MEMBERS) => ({ sub, email: `${sub}@example.com`, email_verified: true, groups });
const forged = (text) => `${text.slice(0, -20)}${text.at(-20) === 'A' ? 'B' : 'A'}${text.slice(-19)}`;

describe('under load', () => {
  let provider, application, gateway, load;
  let newcomers = 0;
  const tokens = {};

  before(async () => {
    provider = await Provider.start();
    provider.rotates = true;
    application = await Application.start();
    gateway = await startReloadableGateway({
      provider,
      application,
      concurrency: 2,
      drain: 10,
      plugin: (configuration) => {
        configuration.providers[0].bearer = { audiences: ['orders'] };
        configuration.forward = { access_token: true };
        // Short, because a request that waits occupies a connection of the load.
        configuration.sign_in = { wait: '1s' };
      },
      envoy: (bootstrap) => void (bootstrap.static_resources.listeners[0].connection_balance_config = { exact_balance: {} }),
    });
  });

  after(async () => {
    await load?.stop();
    await gateway?.stop();
    await provider?.stop();
    await application?.stop();
  });

  /** The browser of a person, as whom the provider signs it in. */
  function browserOf(person, visitor = new Visitor(gateway)) {
    provider.people.set(person.sub, person);
    visitor.jar.set('127.0.0.1', 'person', person.sub);
    return visitor;
  }

  async function signedIn(person, path = '/members') {
    const visitor = browserOf(person);
    assert.equal((await visitor.signIn(path)).status, 200);
    return visitor;
  }

  /** Issues tokens for different people; `one` picks one of them. */
  async function issue(name, key, groups = MEMBERS, header = {}) {
    const issued = Array.from({ length: TOKENS }, async (_, i) => {
      const person = somebody(`${name}-${i}`, groups);
      const claims = { iss: provider.issuer, aud: 'orders', iat: now(), exp: now() + 600, ...person };
      return { person, token: await sign(claims, { alg: 'RS256', kid: key.kid, ...header }, key), claims };
    });
    tokens[name] = await Promise.all(issued);
  }

  const one = (name) => tokens[name][Math.floor(Math.random() * TOKENS)];
  const bearer = (token) => ({ headers: { ...CLAIMED, authorization: `Bearer ${token}` } });

  /** Checks that the application got the identity of only this person (or of nobody), and no credential but the forwarded one. */
  function namesOnly(person, forwarded = []) {
    return (reply) => {
      const received = reply.json();
      const named = ['user', 'email', 'groups'].map((name) => headerValues(received, `x-forwarded-${name}`));
      assert.deepEqual(named, person ? [[person.sub], [person.email], [person.groups.join(',')]] : [[], [], []]);
      assert.deepEqual(
        headerValues(received, 'x-forwarded-access-token').map((token) => provider.accessTokens.get(token)?.sub),
        forwarded,
      );
      assert.deepEqual([received.headers.authorization, /__Host-accredit/.test(received.headers.cookie)], [undefined, false]);
    };
  }

  const namesSession = (person) => namesOnly(person, [person.sub]);

  /** Checks what must be true of every answer. */
  function inspect(reply) {
    if (reply.status < 300 || reply.status === 303) return;
    if (reply.status !== 302) return (reply.headers['content-type'].includes('problem') ? assertProblem : assertRefused)(reply, reply.status, reply.reason);
    assert.equal(`${reply.location.origin}${reply.location.pathname}`, `${provider.issuer}/authorize`);
    assert.ok(reply.location.searchParams.get('state'), 'state is missing');
  }

  /** The visitors, each of whom sends one kind of request. */
  function visitsOf({ alice, bob, carol }) {
    const call = (visitor, path, options) => visitor.call(path, { headers: CLAIMED, ...options });
    const byToken = (name) => async (connection) => {
      const { person, token } = one(name);
      await connection.ask(name, () => call(connection.visitor(), '/members', bearer(token)), namesOnly(person));
    };
    const forgeries = (token, claims) => [
      forged(token),
      unsigned(claims, { alg: 'none' }),
      unsigned(claims, { alg: 'RS256', kid: 'rs-1' }, 'AAAA'),
      one('forged').token,
    ];
    const withForgedCookie = (connection) => {
      const visitor = connection.visitor();
      visitor.jar.set('localhost', '__Host-accredit', forged(alice.visitor.jar.get('localhost', '__Host-accredit')));
      return visitor;
    };
    const simply = (name, send, check) => ({ [name]: (connection) => connection.ask(name, () => send(connection), check) });
    return {
      ...simply('remembered', (connection) => call(connection.tab(alice.visitor), '/members'), namesSession(alice.person)),
      ...simply('refreshed', (connection) => call(connection.tab(bob.visitor), '/members'), namesSession(bob.person)),
      ...simply('stranger', (connection) => call(connection.tab(carol.visitor), '/members')),
      ...simply('nobody, by script', (connection) => call(connection.visitor(), '/members')),
      ...simply('nobody, by link', (connection) => connection.visitor().open('/members', { headers: CLAIMED })),
      ...simply('nobody, in public', (connection) => call(connection.visitor(), '/'), namesOnly(undefined)),
      ...simply('nobody, at the new page', (connection) => call(connection.visitor(), '/new'), namesOnly(undefined)),
      ...simply('forged cookie', (connection) => call(withForgedCookie(connection), '/members')),
      ...simply('forged cookie, by link', (connection) => withForgedCookie(connection).open('/members', { headers: CLAIMED })),
      ...Object.fromEntries(['standing key', 'old key', 'new key', 'unknown key', 'stranger by token'].map((name) => [name, byToken(name)])),
      async 'forged token'(connection) {
        const { token, claims } = one('standing key');
        for (const bad of forgeries(token, claims)) await connection.ask('forged token', () => call(connection.visitor(), '/members', bearer(bad)));
        await connection.ask('forged token, in public', () => call(connection.visitor(), '/', bearer(forged(token))), namesOnly(undefined));
      },
      newcomer,
    };
  }

  /** A new person, who follows a link to the page and signs in; each step is checked. */
  async function newcomer(connection) {
    const person = somebody(`newcomer-${(newcomers += 1)}`);
    const visitor = browserOf(person, connection.visitor());
    const sent = await connection.ask('newcomer', () => visitor.open('/members', { headers: CLAIMED }));
    const agreed = await visitor.open(sent.location.href);
    const back = await connection.ask('newcomer, back', () => visitor.open(agreed.location.href, { headers: { 'sec-fetch-site': 'cross-site' } }));
    if (back.status === 303) await connection.ask('newcomer, in', () => visitor.open(back.location.href, { headers: CLAIMED }), namesSession(person));
  }

  /** Sends requests that the application holds. Resolves when they have arrived, with a function that releases them and resolves with their answers. */
  async function hold(count, { visitor }) {
    let release;
    const released = new Promise((done) => (release = done));
    application.respond = async (_, response, received) => {
      if (received.url === '/members/held') await released;
      application.echo(response, received);
    };
    const answers = Array.from({ length: count }, () => visitor.call('/members/held', { headers: CLAIMED }));
    await eventually('the application holds them', () => application.arrived('/members/held').length === count);
    return () => {
      release();
      return Promise.all(answers);
    };
  }

  it('key rotation, reloads and a provider that is down cause not one wrong answer', async () => {
    const [old, fresh, unpublished] = [await makeKey('RS256', 'old'), await makeKey('RS256', 'fresh'), await makeKey('RS256', 'unpublished')];
    provider.keys = [provider.standardKey, old];
    await issue('standing key', provider.standardKey);
    await issue('old key', old);
    await issue('new key', fresh);
    await issue('unknown key', unpublished);
    await issue('stranger by token', provider.standardKey, ['visitors']);
    await issue('forged', unpublished, MEMBERS, { kid: 'rs-1' });
    const [alice, bob, carol] = [{ person: somebody('alice') }, { person: somebody('bob') }, { person: somebody('carol', ['visitors']) }];
    alice.visitor = await signedIn(alice.person);
    carol.visitor = await signedIn(carol.person, '/analytics');
    provider.lifetime = SHORT;
    bob.visitor = await signedIn(bob.person);
    application.forget();

    load = new Load(gateway, visitsOf({ alice, bob, carol }), { inspect });
    load.right = {
      remembered: ['200'],
      refreshed: ['200'],
      stranger: ['403 condition_failed'],
      'stranger by token': ['403 condition_failed'],
      'nobody, by script': ['401 session_missing'],
      'nobody, by link': ['302'],
      'nobody, in public': ['200'],
      'nobody, at the new page': ['401 session_missing'],
      'forged cookie': ['401 session_invalid'],
      'forged cookie, by link': ['302'],
      'forged token': ['401 token_invalid'],
      'forged token, in public': ['200'],
      'standing key': ['200'],
      'old key': ['200'],
      newcomer: ['302'],
      'newcomer, back': ['303'],
      'newcomer, in': ['200'],
    };
    load.start();
    await load.turn('quiet', {});

    // The first token with a key that was just published is accepted.
    await load.turn(
      'a new key',
      { 'new key': ['200'] },
      {
        change: () => {
          provider.keys = [provider.standardKey, old, fresh];
          provider.signingKey = fresh;
        },
      },
    );

    // One token with an unknown key makes one worker fetch the keys; then the withdrawn key must be gone in all workers.
    await load.turn(
      'the old key is withdrawn',
      { 'old key': ['200', '401 token_invalid'] },
      {
        change: async () => {
          provider.keys = [provider.standardKey, fresh];
          assertProblem(await new Visitor(gateway).call('/members', bearer(one('unknown key').token)), 401, 'token_invalid');
        },
      },
    );

    const release = await hold(6, alice);
    await load.turn(
      'a reload',
      { 'nobody, at the new page': ['401 session_missing', '200'] },
      {
        change: () => gateway.reload((configuration) => configuration.rules.unshift({ match: { path: '/new' }, require: 'public' })),
      },
    );
    for (const reply of await release()) {
      assert.equal(reply.status, 200, reply.reason);
      namesSession(alice.person)(reply);
    }

    await load.turn(
      'a reload with a mistake',
      {},
      {
        change: () => gateway.reload((configuration) => (configuration.rulez = [])),
        also: () => /configuration refused: rulez/.test(gateway.log()),
      },
    );
    await eventually('a session was refreshed twice', () => provider.refreshes() >= 2);

    await load.turn(
      'the provider is down',
      {
        'old key': ['401 token_invalid', '503 keys_unavailable'],
        'unknown key': ['401 token_invalid', '503 keys_unavailable'],
        refreshed: ['200', '503 refresh_unavailable'],
        'newcomer, back': ['303', '502 token_endpoint_unreachable'],
      },
      { change: () => breakDown(provider), settled: { 'newcomer, in': [] } },
    );

    await load.turn(
      'a reload while the provider is down',
      { 'nobody, at the new page': ['200', '401 session_missing'] },
      {
        change: () =>
          gateway.reload((configuration) => {
            delete configuration.rulez;
            configuration.rules.shift();
          }),
      },
    );

    await load.turn(
      'the provider is back',
      {
        'old key': ['503 keys_unavailable', '401 token_invalid'],
        'unknown key': ['503 keys_unavailable', '401 token_invalid'],
        refreshed: ['503 refresh_unavailable', '200'],
        'newcomer, back': ['502 token_endpoint_unreachable', '303'],
        'newcomer, in': ['200'],
      },
      { change: () => void (provider.intercept = {}) },
    );

    await load.stop();
    assert.deepEqual(load.wrong, []);
    assert.equal(application.requests.length, load.count('200') + 6, 'requests that were refused reached the application');
    for (const seen of ['from_memory', 'from_cookie', 'renewed']) assert.ok((await gateway.counter(`accredit_session_${seen}`)) > 0, `no session was ${seen}`);
    assert.equal(await gateway.counter('vm_reload_success'), 0);
    assert.ok(gateway.running);
    assertNoPanic(gateway);
    const cookies = [alice, bob, carol].map(({ visitor }) => visitor.jar.get('localhost', '__Host-accredit'));
    assertNotTold(gateway, [gateway.key, provider.clientSecret, ...cookies]);
    assert.doesNotMatch(gateway.log(), /eyJ[\w-]+\.[\w-]|(access|refresh)-[0-9a-f]{8}-|[?&](code|state)=/, 'secrets in the log');
    assert.deepEqual(provider.faults, []);
  });
});

/** Lets the provider fail for the gateway: every second connection is closed, the others get 503. Browsers can still use it. */
function breakDown(provider) {
  let asked = 0;
  const fail = (request, response) => ((asked += 1) % 2 ? answer(response, 503, '') : request.socket.destroy());
  for (const endpoint of ['discovery', 'keys', 'token', 'userinfo']) provider.intercept[endpoint] = fail;
}
