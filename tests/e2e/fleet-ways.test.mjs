// Five Envoys that share a Redis, behind a balancer: in whichever way a session ends at one of them, it has ended at all.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Balancer } from './lib/balancer.mjs';
import { Fleet, REDIS_NAME, documentedCluster, documentedUser } from './lib/fleet.mjs';
import { newKey } from './lib/gateway.mjs';
import { Redis } from './lib/redis.mjs';
import { makeAuthority } from './lib/tls.mjs';
import { everyWay } from './lib/ways.mjs';

const WAYS = ['sign-out', 'back-channel logout', 'security event', "operator's end"];

describe('five Envoys that share a Redis with TLS and a user of its own, behind a balancer', () => {
  const gateways = [];
  let fleet, ways, everywhere;

  before(async () => {
    fleet = await Fleet.start();
    const authority = makeAuthority();
    const redis = fleet.keep(await Redis.start({ authority, name: REDIS_NAME, password: newKey() }));
    await redis.command(...documentedUser(fleet.password));
    const cluster = documentedCluster(redis.port, authority);
    const every = await everyWay(fleet);
    ways = every.ways;
    const login = { username: 'accredit', password: { environment_variable: 'REDIS_PASSWORD' } };
    for (let envoy = 0; envoy < 5; envoy += 1) gateways.push(await every.join({ cluster, redis: login }));
    const balancer = fleet.keep(await Balancer.start(...gateways.map(({ port }) => port)));
    everywhere = { origin: fleet.origin, ports: { [fleet.host]: balancer.port } };
  });
  after(() => fleet.stop());

  it('are tried in every way', () => assert.deepEqual(Object.keys(ways), WAYS));

  for (const way of WAYS) {
    it(`${way}: whoever gets it, the session has ended at all five, and those of others go on`, async () => {
      const staying = await fleet.session(everywhere);
      for (let time = 0; time < 2; time += 1) {
        const ending = { cookie: await fleet.session(everywhere), sub: fleet.provider.user.sub };
        for (const gateway of gateways) await fleet.assertGoesOn(gateway, ending.cookie);
        await ways[way](everywhere, ending);
        await Promise.all(gateways.map((gateway) => fleet.untilRefused(gateway, ending.cookie)));
        for (const gateway of gateways) await fleet.assertGoesOn(gateway, staying);
      }
    });
  }
});
