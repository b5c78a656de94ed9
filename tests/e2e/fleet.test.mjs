// What has ended at one Envoy has ended at all: real Envoys that share a real Redis, by the cluster and the user that docs/deployment.md shows.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Balancer } from './lib/balancer.mjs';
import { Visitor } from './lib/client.mjs';
import { Fleet, REDIS_NAME, documentedCluster, documentedUser } from './lib/fleet.mjs';
import { newKey } from './lib/gateway.mjs';
import { eventually, freePort } from './lib/process.mjs';
import { Redis } from './lib/redis.mjs';
import { assertProblem } from './lib/stage.mjs';
import { makeAuthority } from './lib/tls.mjs';

/** The settings by which Envoys log in as the document's user. */
const LOGIN = { username: 'accredit', password: { environment_variable: 'REDIS_PASSWORD' } };

/** How long an answer may take while Redis gives none: less than an Envoy would wait for Redis. */
const WITHOUT_WAITING = { timeout: 5_000 };

describe('two Envoys that share a Redis with TLS and a user of its own', () => {
  let fleet, redis, cluster, one, other;

  before(async () => {
    fleet = await Fleet.start();
    const authority = makeAuthority();
    redis = fleet.keep(await Redis.start({ authority, name: REDIS_NAME, password: newKey() }));
    await redis.command(...documentedUser(fleet.password));
    cluster = documentedCluster(redis.port, authority);
    one = await fleet.join({ cluster, redis: LOGIN });
    other = await fleet.join({ cluster, redis: LOGIN, concurrency: 2 });
  });
  after(() => fleet.stop());

  it('a copy of a cookie is refused everywhere after sign-out at one of them, and other sessions go on', async () => {
    for (const [here, there] of [
      [one, other],
      [other, one],
    ]) {
      const [ending, staying] = [await fleet.session(here), await fleet.session(here)];
      for (const cookie of [ending, staying]) await fleet.assertGoesOn(there, cookie);
      await fleet.signOut(here, ending);
      await fleet.untilRefused(there, ending);
      await fleet.assertRefused(here, ending);
      for (const gateway of [one, other]) await fleet.assertGoesOn(gateway, staying);
    }
  });

  it('behind a balancer, it does not matter who gets the sign-in, the sign-out and the copy', async () => {
    const balancer = await Balancer.start(one.port, other.port);
    const everywhere = { origin: fleet.origin, ports: { [fleet.host]: balancer.port } };
    try {
      for (let visit = 0; visit < 3; visit += 1) {
        const [ending, staying] = [await fleet.session(everywhere), await fleet.session(everywhere)];
        await fleet.signOut(everywhere, ending);
        for (const gateway of [one, other]) await fleet.untilRefused(gateway, ending);
        await fleet.assertRefused(everywhere, ending);
        await fleet.assertGoesOn(everywhere, staying);
      }
    } finally {
      await balancer.stop();
    }
  });

  it('one that starts later knows what has ended before, and with when_stale: refuse lets nobody in until then', async () => {
    const [ending, staying] = [await fleet.session(one), await fleet.session(one)];
    await fleet.signOut(one, ending);
    await fleet.untilRefused(other, ending);
    redis.pause();
    let late;
    try {
      late = await fleet.join({ cluster, redis: LOGIN, settings: { when_stale: 'refuse' } });
      for (const cookie of [ending, staying]) assertProblem(await fleet.ask(late, cookie), 503, 'revocations_unavailable');
      assert.equal((await new Visitor(late).call('/')).status, 200);
    } finally {
      redis.resume();
    }
    await eventually('sessions are accepted', async () => (await fleet.ask(late, staying)).status === 200);
    await fleet.assertRefused(late, ending);
    await fleet.assertGoesOn(late, staying);
  });

  it('what stands in Redis tells nobody whose session has ended', async () => {
    await fleet.ended(one);
    await eventually('the end is there', async () => (await redis.command('XLEN', 'accredit')) > 0);
    const all = JSON.stringify(await redis.command('XRANGE', 'accredit', '-', '+'));
    assert.doesNotMatch(all, /person-|example\.com|oracle/);
    assert.deepEqual(await redis.command('KEYS', '*'), ['accredit']);
  });
});

describe('a Redis that cannot be used', () => {
  let fleet, authority, withTls, without;

  before(async () => {
    fleet = await Fleet.start();
    authority = makeAuthority();
    withTls = fleet.keep(await Redis.start({ authority, name: REDIS_NAME, password: newKey() }));
    without = fleet.keep(await Redis.start({ password: newKey() }));
    for (const redis of [withTls, without]) await redis.command(...documentedUser(fleet.password));
  });
  after(() => fleet.stop());

  for (const [title, prepare, words] of [
    [
      'the password is another one',
      async () => {
        await without.command(...documentedUser(newKey()), 'resetpass', `>${newKey()}`);
        return documentedCluster(without.port);
      },
      /refused AUTH: "WRONGPASS"; check the user's name and password/,
    ],
    [
      'the user may not add entries',
      async () => {
        await without.command(...documentedUser(fleet.password), '-xadd');
        return documentedCluster(without.port);
      },
      /refused XADD: "NOPERM .*; give the user the commands \+time \+xadd \+xrange \+set \+get, and the keys ~accredit ~accredit:\*/,
    ],
    [
      'its certificate is by an authority that the cluster does not trust',
      () => documentedCluster(withTls.port, makeAuthority()),
      /status 503.*ssl\.fail_verify_error/,
    ],
    ['it has TLS, and the cluster has none', () => documentedCluster(withTls.port), /TLS/],
    ['the cluster has TLS, and it has none', () => documentedCluster(without.port, authority), /TLS/],
    ['nobody listens there', async () => documentedCluster(await freePort()), /status 503/],
  ]) {
    it(`${title}: a line says so, and sessions go on and end where they are`, async () => {
      const gateway = await fleet.join({ cluster: await prepare(), redis: LOGIN });
      const [ending, staying] = [await fleet.session(gateway), await fleet.session(gateway)];
      await fleet.signOut(gateway, ending);
      const { reason, detail } = await fleet.untilToldWhy(gateway, words);
      assert.equal(reason, 'revocations_unavailable');
      assert.match(detail, /^the store of revocations \(cluster redis\) /);
      await fleet.assertRefused(gateway, ending);
      await fleet.assertGoesOn(gateway, staying);
    });
  }
});

describe('whatever becomes of Redis', () => {
  let fleet, redis, cluster, one, other;

  before(async () => {
    fleet = await Fleet.start();
    redis = fleet.keep(await Redis.start());
    cluster = documentedCluster(redis.port);
    [one, other] = [await fleet.join({ cluster, redis: { timeout: '10s' } }), await fleet.join({ cluster, concurrency: 2 })];
  });
  after(() => fleet.stop());

  /** Waits until so many ends stand in Redis. */
  const untilItHas = (ends, server = redis) => eventually(`${ends} ends are in Redis`, async () => (await server.command('XLEN', 'accredit')) >= ends);

  it('killed and begun again: sessions go on meanwhile, and what ended meanwhile is delivered', async () => {
    const [before, during, staying] = [await fleet.session(one), await fleet.session(one), await fleet.session(one)];
    await fleet.signOut(one, before);
    await fleet.untilRefused(other, before);
    await redis.kill();
    await fleet.signOut(one, during);
    await fleet.untilToldWhy(other, /status 503/);
    await fleet.assertRefused(one, during);
    for (const cookie of [during, staying]) await fleet.assertGoesOn(other, cookie);
    await redis.begin();
    await fleet.untilRefused(other, during);
    // It was begun empty. What had ended before stands there again.
    await untilItHas(2);
    for (const gateway of [one, other]) {
      await fleet.assertRefused(gateway, before);
      await fleet.assertGoesOn(gateway, staying);
    }
  });

  it('stopped for a while: no request waits for it', async () => {
    const [ending, staying] = [await fleet.session(one), await fleet.session(one)];
    redis.pause();
    try {
      await fleet.signOut(one, ending, WITHOUT_WAITING);
      for (let request = 0; request < 20; request += 1) {
        assert.equal((await fleet.ask(one, ending, WITHOUT_WAITING)).status, 401);
        for (const gateway of [one, other]) assert.equal((await fleet.ask(gateway, staying, WITHOUT_WAITING)).status, 200);
      }
      const late = await fleet.session(one);
      assert.equal((await fleet.ask(other, late, WITHOUT_WAITING)).status, 200);
    } finally {
      redis.resume();
    }
    await fleet.untilRefused(other, ending, 20_000);
  });

  it('full: a line says so, and what ended meanwhile is delivered when there is room again', async () => {
    const ending = await fleet.session(one);
    const mark = one.mark();
    await redis.command('CONFIG', 'SET', 'maxmemory', '1');
    await fleet.signOut(one, ending);
    await fleet.untilToldWhy(one, /refused XADD: "OOM .*; its memory \(maxmemory\) is full/, mark);
    await fleet.assertGoesOn(other, ending);
    await redis.command('CONFIG', 'SET', 'maxmemory', '0');
    await fleet.untilRefused(other, ending);
  });

  for (const [title, empty] of [
    ['emptied by FLUSHALL', () => redis.command('FLUSHALL')],
    ['begun again empty', () => redis.kill().then(() => redis.begin())],
  ]) {
    it(`${title}: an Envoy that starts then learns what has ended from those that live`, async () => {
      const [ended, staying] = [await fleet.ended(one), await fleet.session(one)];
      await fleet.untilRefused(other, ended);
      await empty();
      const late = await fleet.join({ cluster });
      await fleet.untilRefused(late, ended);
      await fleet.assertGoesOn(late, staying);
    });
  }
});

describe('a fail-over to a replica that lacks the last end', () => {
  let fleet, primary, replica, address, cluster, one, other;

  before(async () => {
    fleet = await Fleet.start();
    [primary, replica] = [fleet.keep(await Redis.start()), fleet.keep(await Redis.start())];
    await replica.command('REPLICAOF', '127.0.0.1', String(primary.port));
    address = fleet.keep(await Balancer.start(primary.port));
    cluster = documentedCluster(address.port);
    // Without this, Envoy may send a call on a connection that Redis has ended.
    delete cluster.typed_extension_protocol_options['envoy.extensions.upstreams.http.v3.HttpProtocolOptions'].common_http_protocol_options;
    [one, other] = [await fleet.join({ cluster }), await fleet.join({ cluster, concurrency: 2 })];
  });
  after(() => fleet.stop());

  it('loses nothing: whoever knows that end announces it again', async () => {
    const lengthOf = (server) => server.command('XLEN', 'accredit');
    const copied = await fleet.ended(one);
    await fleet.untilRefused(other, copied);
    await eventually('the replica has it', async () => (await lengthOf(replica)) === 1);
    await replica.command('REPLICAOF', 'NO', 'ONE');
    const lacking = await fleet.ended(one);
    await fleet.untilRefused(other, lacking);
    assert.deepEqual([await lengthOf(primary), await lengthOf(replica)], [2, 1]);
    address.leave(primary.port);
    address.join(replica.port);
    await primary.kill();
    await eventually('the new primary has it', async () => (await lengthOf(replica)) >= 2);
    const late = await fleet.join({ cluster });
    for (const cookie of [copied, lacking]) await fleet.untilRefused(late, cookie);
    const afterwards = await fleet.ended(other);
    for (const gateway of [one, late]) await fleet.untilRefused(gateway, afterwards);
  });
});
