// Other stores than one Redis of one address: a Valkey, and the primary that Sentinels have chosen, by what docs/deployment.md shows.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { Fleet, REDIS_NAME, documentedCluster, documentedLine, documentedUser } from './lib/fleet.mjs';
import { newKey } from './lib/gateway.mjs';
import { ROOT, eventually, sleep } from './lib/process.mjs';
import { Redis } from './lib/redis.mjs';
import { makeAuthority } from './lib/tls.mjs';

const LOGIN = { username: 'accredit', password: { environment_variable: 'REDIS_PASSWORD' } };

describe('two Envoys that share a Valkey with TLS and a user of its own', () => {
  let fleet, valkey, one, other;

  before(async () => {
    fleet = await Fleet.start();
    const authority = makeAuthority();
    valkey = fleet.keep(await Redis.start({ kind: 'valkey', authority, name: REDIS_NAME, password: newKey() }));
    await valkey.command(...documentedUser(fleet.password));
    const cluster = documentedCluster(valkey.port, authority);
    [one, other] = [await fleet.join({ cluster, redis: LOGIN }), await fleet.join({ cluster, redis: LOGIN, concurrency: 2 })];
  });
  after(() => fleet.stop());

  it('is one', async () => {
    assert.match(await valkey.command('INFO', 'server'), /^server_name:valkey\r$/m);
  });

  it('what ends at one Envoy has ended at the other, and other sessions go on', async () => {
    for (const [here, there] of [
      [one, other],
      [other, one],
    ]) {
      const [ended, staying] = [await fleet.ended(here), await fleet.session(here)];
      await fleet.untilRefused(there, ended);
      for (const gateway of [one, other]) await fleet.assertGoesOn(gateway, staying);
    }
  });

  it('a full Valkey is told in words, and gets what ended meanwhile when there is room again', async () => {
    const [ending, mark] = [await fleet.session(one), one.mark()];
    await valkey.command('CONFIG', 'SET', 'maxmemory', '1');
    await fleet.signOut(one, ending);
    await fleet.untilToldWhy(one, /refused XADD: "OOM .*; its memory \(maxmemory\) is full/, mark);
    await valkey.command('CONFIG', 'SET', 'maxmemory', '0');
    await fleet.untilRefused(other, ending);
  });
});

describe('two Envoys, and the primary that three Sentinels have chosen', () => {
  const [, section] = /^### Sentinel\n(.+?)^## /ms.exec(readFileSync(join(ROOT, 'docs/deployment.md'), 'utf8'));
  const beside = parse(/^```yaml\n(.+?)^```/ms.exec(section)[1]);
  const [, lines] = /^```\n(user default .+?)\n```$/ms.exec(section);
  let fleet, servers, sentinels, cluster, one, other;

  before(async () => {
    fleet = await Fleet.start();
    const [user, password] = ['administrator', newKey()];
    const users = [`user ${user} on >${password} ~* &* +@all`, documentedLine(fleet.password), ...lines.split('\n')];
    const server = () => Redis.start({ user, password, options: [...users, `masteruser ${user}`, `masterauth ${password}`] });
    servers = [fleet.keep(await server()), fleet.keep(await server())];
    const [primary, replica] = servers;
    await replica.command('REPLICAOF', '127.0.0.1', String(primary.port));
    sentinels = [];
    for (let sentinel = 0; sentinel < 3; sentinel += 1) sentinels.push(fleet.keep(await Redis.sentinel(primary)));
    await eventually('the Sentinels know each other and the replica', async () => {
      for (const sentinel of sentinels) await sentinel.command('SENTINEL', 'CKQUORUM', 'store');
      return (await sentinels[0].command('SENTINEL', 'REPLICAS', 'store')).length === 1;
    });
    cluster = { ...documentedCluster(primary.port), ...beside };
    const [{ lb_endpoints: endpoints }] = cluster.load_assignment.endpoints;
    endpoints.unshift(structuredClone(endpoints[0]));
    endpoints[0].endpoint.address.socket_address.port_value = replica.port;
    [one, other] = [await fleet.join({ cluster, redis: LOGIN }), await fleet.join({ cluster, redis: LOGIN, concurrency: 2 })];
  });
  after(() => fleet.stop());

  const lengthOf = (server) => server.command('XLEN', 'accredit');

  /** Checks that nobody has read there. (What the primary writes comes there too.) */
  const assertNotAsked = async (server) => assert.doesNotMatch(await server.command('INFO', 'commandstats'), /cmdstat_(time|xrange)/);

  it('calls go to the primary alone', async () => {
    for (let person = 0; person < 3; person += 1) await fleet.untilRefused(other, await fleet.ended(one));
    // A primary that is slow to say its role is not asked for a moment. A replica that was asked would have refused the writing (READONLY).
    const refused = [one, other].flatMap((gateway) => gateway.auditLog()).filter(({ detail }) => / refused /.test(detail));
    assert.deepEqual(refused, []);
    await eventually('the replica has a copy', async () => (await lengthOf(servers[1])) >= 3);
    await assertNotAsked(servers[1]);
  });

  it('when the primary dies, what ended meanwhile is delivered to the one that takes over, and an Envoy that starts then knows it all', async () => {
    const [primary, replica] = servers;
    const [before, during, staying] = [await fleet.ended(one), await fleet.session(one), await fleet.session(one)];
    await fleet.untilRefused(other, before);
    await primary.kill();
    await fleet.signOut(one, during);
    await fleet.assertRefused(one, during);
    await eventually('the replica has taken over', async () => (await replica.command('ROLE'))[0] === 'master', { within: 30_000 });
    await fleet.untilRefused(other, during, 20_000);
    const late = await fleet.join({ cluster, redis: LOGIN });
    for (const cookie of [before, during]) await fleet.untilRefused(late, cookie);
    for (const gateway of [one, other, late]) await fleet.assertGoesOn(gateway, staying);
  });

  it('the former primary comes back as a replica, and nobody asks it', async () => {
    const [former, now] = servers;
    await former.begin();
    await eventually('it is a replica', async () => (await former.command('ROLE'))[0] === 'slave', { within: 30_000 });
    await eventually('it has a copy', async () => (await lengthOf(former)) === (await lengthOf(now)), { within: 30_000 });
    // It began as a primary, and Envoy may ask it until its next health check.
    await eventually('Envoy has seen it', async () => {
      await former.command('CONFIG', 'RESETSTAT');
      await sleep(2_000);
      await assertNotAsked(former);
      return true;
    });
    const ended = await fleet.ended(other);
    await fleet.untilRefused(one, ended);
    await assertNotAsked(former);
  });
});
