// Session keys change on two Envoys, one after the other, in the two steps that docs/security.md describes, and the old one is removed in the end.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Fleet, documentedCluster } from './lib/fleet.mjs';
import { newKey } from './lib/gateway.mjs';
import { eventually } from './lib/process.mjs';
import { Redis } from './lib/redis.mjs';

describe('session keys that change in two steps', () => {
  const [first, second] = [newKey(), newKey()];
  const gateways = [];
  const ended = [];
  let fleet, cluster;

  before(async () => {
    fleet = await Fleet.start();
    cluster = documentedCluster(fleet.keep(await Redis.start()).port);
  });
  after(() => fleet.stop());

  async function replace(index, keys) {
    await gateways[index]?.stop();
    gateways[index] = await fleet.join({ cluster, keys });
  }

  /** Sessions of each Envoy end at each Envoy that opens them. Then all that have ended are refused everywhere. */
  async function endAndCheck() {
    for (const here of gateways)
      for (const there of gateways) {
        const cookie = await fleet.session(here);
        await fleet.signOut(there, cookie);
        ended.push(cookie);
      }
    const isRefused = async (gateway, cookie) => (await fleet.ask(gateway, cookie)).status === 401;
    for (const gateway of gateways)
      await Promise.all(ended.map((cookie) => eventually('an ended session is refused', () => isRefused(gateway, cookie), { within: 5_000 })));
  }

  it('no session that has ended comes back at any step, at any Envoy, and others go on', async () => {
    for (const index of [0, 1]) await replace(index, [first]);
    const staying = await fleet.session(gateways[0]);
    await endAndCheck();
    for (const keys of [
      [first, second],
      [second, first],
    ])
      for (const index of [0, 1]) {
        await replace(index, keys);
        await endAndCheck();
        for (const gateway of gateways) await fleet.assertGoesOn(gateway, staying);
      }
    const sealedByTheNew = await fleet.session(gateways[0]);
    for (const index of [0, 1]) {
      await replace(index, [second]);
      await endAndCheck();
      for (const gateway of gateways) await fleet.assertGoesOn(gateway, sealedByTheNew);
    }
    assert.ok(ended.length >= 28);
  });
});
