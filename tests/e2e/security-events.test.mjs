// Security events by push: a transmitter ends sessions, in the forms of SSF, CAEP and RISC and in Google's, at one Envoy and at two that share a Redis.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { withBodies } from './lib/bodies.mjs';
import { Visitor } from './lib/client.mjs';
import { Fleet, documentedCluster, documentedUser } from './lib/fleet.mjs';
import { newKey, startGateway } from './lib/gateway.mjs';
import { Provider, makeKey, now } from './lib/misbehaving.mjs';
import { eventually, sleep } from './lib/process.mjs';
import { Redis } from './lib/redis.mjs';
import { assertNotTold, keepingParts } from './lib/stage.mjs';
import { Transmitter } from './lib/transmitter.mjs';
import { Application } from './lib/upstream.mjs';

const PATH = '/api/security_events';

/** Has the configuration take the events of these, each a transmitter and further members. */
function taking(configuration, ...transmitters) {
  configuration.endpoints = { ...configuration.endpoints, security_events: PATH };
  configuration.transmitters = transmitters.map(([{ issuer, address }, further]) => ({
    issuer,
    clusters: { [new URL(address).host]: new URL(address).host },
    providers: [configuration.providers[0].name],
    ...further,
  }));
}

const around = (bootstrap, ...transmitters) => {
  withBodies(bootstrap, PATH);
  for (const { port } of transmitters) {
    const name = `127.0.0.1:${port}`;
    const endpoint = { address: { socket_address: { address: '127.0.0.1', port_value: port } } };
    const load_assignment = { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] };
    bootstrap.static_resources.clusters.push({ name, connect_timeout: '1s', load_assignment });
  }
};

describe('a gateway that takes security events', () => {
  const { keep, stopAll } = keepingParts();
  const secret = `Bearer ${newKey()}`;
  let provider, gateway, watcher, google;
  before(async () => {
    provider = keep(await Provider.start());
    const application = keep(await Application.start());
    watcher = keep(await Transmitter.start({ audience: 'https://app.example.com' }));
    google = keep(await Transmitter.start({ issuer: (address) => `${address}/` }));
    const all = ['session-revoked', 'credential-change', 'account-disabled', 'account-purged', 'credential-compromise', 'token-claims-change'];
    const watching = { name: 'watcher', audiences: [watcher.audience], events: all, email: true, authorization: secret };
    const asGoogle = { name: 'google', typ: 'optional', metadata_url: `${google.address}/.well-known/risc-configuration` };
    gateway = keep(
      await startGateway({
        provider,
        application,
        concurrency: 2,
        plugin: (configuration) => taking(configuration, [watcher, watching], [google, asGoogle]),
        envoy: (bootstrap) => around(bootstrap, watcher, google),
      }),
    );
  });
  after(async () => {
    if (gateway) assertNotTold(gateway, [secret]);
    await stopAll();
  });

  /** Somebody new who is signed in. */
  let people = 0;
  async function somebody(claims = {}) {
    const sub = `person-${(people += 1)}`;
    provider.user = { sub, sid: `sid-of-${sub}`, email: `${sub}@example.com`, email_verified: true, groups: ['oracle-ai-users'], ...claims };
    const visitor = new Visitor(gateway);
    assert.equal((await visitor.signIn('/analytics')).status, 200);
    return { visitor, ...provider.user };
  }
  const asks = async ({ visitor }) => (await visitor.call('/members')).status;
  const push = (token, headers = { authorization: secret }) => watcher.push(gateway, PATH, token, headers);
  async function assertTaken(answer) {
    assert.deepEqual([answer.status, answer.body], [202, ''], answer.body);
    assert.equal(answer.headers['cache-control'], 'no-store');
  }
  /** Waits until no worker lets somebody in. */
  const untilEnded = (person) =>
    eventually('both workers know it', async () => (await Promise.all(Array.from({ length: 6 }, () => asks(person)))).every((status) => status === 401));

  const subjects = {
    'a person (iss_sub)': ({ sub }) => ({ format: 'iss_sub', iss: provider.issuer, sub }),
    'a session (opaque)': ({ sid }) => ({ format: 'opaque', id: sid }),
    'a verified address (email)': ({ email }) => ({ format: 'email', email }),
    'a session of a person (complex)': ({ sub, sid }) => ({
      format: 'complex',
      user: { format: 'iss_sub', iss: provider.issuer, sub },
      session: { format: 'opaque', id: sid },
    }),
    'a session of an address, as authentik sends it': ({ email, sid }) => ({ user: { format: 'email', email }, session: { format: 'opaque', id: sid } }),
  };
  for (const [title, subject] of Object.entries(subjects))
    it(`CAEP's session-revoked about ${title} ends that session, and nobody else's`, async () => {
      const [ending, staying] = [await somebody(), await somebody()];
      const token = await watcher.token('session-revoked', subject(ending), { payload: { event_timestamp: now(), initiating_entity: 'admin' } });
      await assertTaken(await push(token));
      await untilEnded(ending);
      assert.equal(await asks(staying), 200);
    });

  for (const [event, payload] of [
    ['credential-change', { credential_type: 'password', change_type: 'update' }],
    ['token-claims-change', { claims: { role: 'none' } }],
    ['account-disabled', { reason: 'hijacking' }],
    ['account-purged', {}],
    ['credential-compromise', { credential_type: 'password' }],
  ])
    it(`${event} ends the person's sessions`, async () => {
      const ending = await somebody();
      await assertTaken(await push(await watcher.token(event, subjects['a person (iss_sub)'](ending), { payload })));
      await untilEnded(ending);
    });

  for (const event of ['sessions-revoked', 'tokens-revoked', 'account-disabled', 'account-credential-change-required'])
    it(`Google's ${event} ends the sessions of its people, though its issuer has a slash that ID tokens do not have`, async () => {
      // Here, Google is the provider itself: subjects name it by the address of its ID tokens.
      const ending = await somebody();
      const token = await google.asGoogle(event, { iss: provider.issuer, sub: ending.sub });
      await assertTaken(await google.push(gateway, PATH, token));
      await untilEnded(ending);
    });

  it('a later sign-in goes on, also if the token comes again', async () => {
    const first = await somebody();
    const token = await watcher.token('account-disabled', subjects['a person (iss_sub)'](first));
    await assertTaken(await push(token));
    await untilEnded(first);
    await sleep(1_100);
    const again = await somebody({ sub: first.sub });
    await assertTaken(await push(token));
    await sleep(300);
    assert.equal(await asks(again), 200);
  });

  it('what cannot be told, or is only half true, ends nothing, is 202 and a line says why', async () => {
    const person = await somebody();
    const complex = subjects['a session of a person (complex)'];
    for (const subject of [
      complex({ sub: person.sub, sid: 'another' }),
      { ...complex(person), device: { format: 'opaque', id: 'd' } },
      { format: 'did', url: 'did:example:1' },
      { format: 'iss_sub', iss: 'https://another.example.com', sub: person.sub },
    ])
      await assertTaken(await push(await watcher.token('session-revoked', subject)));
    await sleep(300);
    assert.equal(await asks(person), 200);
    const why = gateway.auditLog().filter(({ event }) => event === 'security_event_ignored');
    assert.equal(why.length, 3);
    assert.ok(
      why.every(({ detail, transmitter }) => detail && transmitter === 'watcher'),
      JSON.stringify(why),
    );
  });

  it('a verification event is 202 and a line with its state', async () => {
    const verification = { payload: { state: 'try-1' }, claims: { sub_id: { format: 'opaque', id: 'the-stream' } } };
    await assertTaken(await push(await watcher.token('verification', undefined, verification)));
    const [line] = gateway.auditLog().filter(({ event }) => event === 'security_event_verification');
    assert.deepEqual([line.transmitter, line.state], ['watcher', '"try-1"']);
  });

  it('a bad token is 400 with the code of RFC 8935, and ends nothing', async () => {
    const person = await somebody();
    const subject = subjects['a person (iss_sub)'](person);
    const another = await makeKey('RS256', 'another');
    const event = 'session-revoked';
    for (const [token, err] of [
      ['x.y.z', 'invalid_request'],
      [await watcher.token(event, subject, { claims: { iss: 'https://another.example.com' } }), 'invalid_issuer'],
      [await watcher.token(event, subject, { claims: { aud: 'another' } }), 'invalid_audience'],
      [await watcher.token(event, subject, { header: { kid: watcher.key.kid }, key: { ...another, kid: watcher.key.kid } }), 'authentication_failed'],
      [await watcher.token(event, subject, { header: { typ: 'JWT' } }), 'invalid_request'],
      [await watcher.token(event, subject, { claims: { events: {} } }), 'invalid_request'],
    ]) {
      const answer = await push(token);
      assert.deepEqual([answer.status, answer.json().err], [400, err], answer.body);
      assert.match(answer.headers['content-type'], /^application\/json/);
      assert.equal(answer.headers['content-language'], 'en');
    }
    for (const [headers, status] of [
      [{}, 401],
      [{ authorization: 'Bearer another' }, 401],
      [{ authorization: secret, 'content-type': 'application/json' }, 415],
    ])
      assert.equal((await push(await watcher.token(event, subject), headers)).status, status);
    assert.equal((await push('x'.repeat(70_000))).status, 413);
    assert.equal((await new Visitor(gateway).call(PATH)).status, 405);
    await sleep(300);
    assert.equal(await asks(person), 200);
  });

  it('a key that was just published counts, and made-up ones are not asked for again and again', async () => {
    const person = await somebody();
    watcher.key = await makeKey('ES256', 'events-2');
    watcher.keys.push(watcher.key);
    const subject = subjects['a person (iss_sub)'](person);
    await eventually('the new key is known', async () => (await push(await watcher.token('session-revoked', subject))).status === 202, { within: 40_000 });
    await untilEnded(person);
    const asked = watcher.asked.length;
    const madeUp = (number) => watcher.token('session-revoked', subject, { header: { kid: `made-up-${number}` } });
    const answers = await Promise.all(Array.from({ length: 30 }, async (_, number) => push(await madeUp(number))));
    assert.ok(
      answers.every(({ status }) => [400, 503].includes(status)),
      answers.map(({ status }) => status).join(),
    );
    assert.ok(watcher.asked.length - asked <= 4, watcher.asked.slice(asked).join());
  });

  it('each end has an audit line and is counted', async () => {
    const lines = gateway.auditLog().filter(({ event }) => event === 'security_event');
    assert.ok(lines.length >= 15);
    const [{ transmitter, happened }] = lines;
    assert.deepEqual([transmitter, happened], ['watcher', 'session-revoked']);
    assert.equal(await gateway.counter('accredit_security_event'), lines.length);
  });
});

describe('sessions that are kept as session JWT', () => {
  const { keep, stopAll } = keepingParts();
  let provider, gateway, watcher;
  before(async () => {
    provider = keep(await Provider.start());
    const application = keep(await Application.start());
    watcher = keep(await Transmitter.start());
    gateway = keep(
      await startGateway({
        provider,
        application,
        plugin: (configuration) => {
          taking(configuration, [watcher, { email: true }]);
          const jwt = { keys: [newKey()], issuer: 'https://gateway.example', audience: 'applications', claims: ['email', 'email_verified'], bearer: true };
          configuration.session = { keys: configuration.session.keys, form: 'jwt', jwt, cookie: { name: 'access_token' } };
          configuration.rules = [{ require: 'authenticated' }];
        },
        envoy: (bootstrap) => around(bootstrap, watcher),
      }),
    );
  });
  after(stopAll);

  /** A new session of somebody, as JWT. */
  async function session(sub, number) {
    provider.user = { sub, sid: `${sub}-${number}`, email: `${sub}@example.com`, email_verified: true };
    const visitor = new Visitor(gateway);
    assert.equal((await visitor.signIn('/analytics')).status, 200);
    const { value } = visitor.jar.matching('localhost', '/').find(({ name }) => name === 'access_token');
    return { visitor, token: value, ...provider.user };
  }
  /** The statuses of requests with a session in its cookie, and as a bearer token. */
  const asks = async ({ visitor, token }) => {
    const byToken = await new Visitor(gateway).send('/orders', { headers: { authorization: `Bearer ${token}` } });
    return [(await visitor.call('/orders')).status, byToken.status];
  };

  for (const [title, event, subject] of [
    ['a person', 'account-disabled', ({ sub }) => ({ format: 'iss_sub', iss: provider.issuer, sub })],
    ['a session', 'session-revoked', ({ sid }) => ({ format: 'opaque', id: sid })],
    ['a verified address', 'sessions-revoked', ({ email }) => ({ format: 'email', email })],
  ])
    it(`an event about ${title} ends them, in the cookie and as bearer tokens, and neither others nor later ones`, async () => {
      const [ending, staying] = [await session(`jwt-${event}`, 1), await session(`jwt-${event}-another`, 1)];
      assert.deepEqual([await asks(ending), await asks(staying)], [Array(2).fill(200), Array(2).fill(200)]);
      const answer = await watcher.push(gateway, PATH, await watcher.token(event, subject(ending)));
      assert.deepEqual([answer.status, answer.body], [202, '']);
      assert.deepEqual([await asks(ending), await asks(staying)], [Array(2).fill(401), Array(2).fill(200)]);
      await sleep(1_100);
      assert.deepEqual(await asks(await session(ending.sub, 2)), Array(2).fill(200));
      assert.deepEqual(await asks(ending), Array(2).fill(401));
    });
});

describe('two Envoys that share a Redis', () => {
  let fleet, redis, cluster, watcher, one, other;
  before(async () => {
    fleet = await Fleet.start();
    redis = fleet.keep(await Redis.start({ password: newKey() }));
    await redis.command(...documentedUser(fleet.password));
    watcher = fleet.keep(await Transmitter.start());
    cluster = documentedCluster(redis.port);
    const options = {
      cluster,
      redis: { username: 'accredit', password: { environment_variable: 'REDIS_PASSWORD' } },
      plugin: (configuration) => taking(configuration, [watcher, {}]),
      envoy: (bootstrap) => around(bootstrap, watcher),
    };
    one = await fleet.join(options);
    other = await fleet.join(options);
  });
  after(() => fleet.stop());

  const token = () => watcher.token('session-revoked', { format: 'iss_sub', iss: fleet.provider.issuer, sub: fleet.provider.user.sub });

  it('an event at one of them ends the session at the other', async () => {
    for (const [here, there] of [
      [one, other],
      [other, one],
    ]) {
      const staying = await fleet.session(there);
      const ending = await fleet.session(there);
      const answer = await watcher.push(here, PATH, await token());
      assert.equal(answer.status, 202, answer.body);
      for (const gateway of [there, here]) await fleet.untilRefused(gateway, ending);
      for (const gateway of [there, here]) await fleet.assertGoesOn(gateway, staying);
    }
  });

  it('while Redis is away the answer is 503 and the end holds here, and the others learn of it when it is back', async () => {
    const ending = await fleet.session(one);
    redis.pause();
    try {
      const answer = await watcher.push(one, PATH, await token());
      assert.equal(answer.status, 503, answer.body);
      await fleet.untilRefused(one, ending);
    } finally {
      redis.resume();
    }
    await fleet.untilRefused(other, ending, 15_000);
  });
});
