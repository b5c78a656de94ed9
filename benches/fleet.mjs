// How long it takes until what has ended at one Envoy has ended at all: two and five Envoys that share a Redis, and every way in which a session can end. From
// the moment in which the end is sent to one of them, until all refuse the session. Printed are the lowest, the median and the highest time of the rounds.
//
// FLEET_ROUNDS (20), ACCREDIT_WASM, STRICT=1 (a missed limit fails).

import { sleep } from '../tests/e2e/lib/process.mjs';
import { Fleet, documentedCluster } from '../tests/e2e/lib/fleet.mjs';
import { Redis } from '../tests/e2e/lib/redis.mjs';
import { everyWay } from '../tests/e2e/lib/ways.mjs';

const { FLEET_ROUNDS = '20', STRICT } = process.env;

/** Within this time, in milliseconds, every end is known everywhere. */
const LIMIT = 1_200;

let missed = 0;
for (const envoys of [2, 5]) {
  const fleet = await Fleet.start();
  const cluster = documentedCluster(fleet.keep(await Redis.start()).port);
  const { join, ways } = await everyWay(fleet);
  const gateways = [];
  for (let envoy = 0; envoy < envoys; envoy += 1) gateways.push(await join({ cluster }));
  for (const [way, end] of Object.entries(ways)) {
    const times = [];
    for (let round = 0; round < Number(FLEET_ROUNDS); round += 1) {
      const gateway = gateways[round % envoys];
      const ending = { cookie: await fleet.session(gateway), sub: fleet.provider.user.sub };
      // The rounds begin at any time of the second in which replicas read.
      await sleep(Math.random() * 1_000);
      const began = Date.now();
      await end(gateway, ending);
      const refused = async (other) => {
        while ((await fleet.ask(other, ending.cookie)).status !== 401) await sleep(5);
      };
      await Promise.all(gateways.map(refused));
      times.push(Date.now() - began);
    }
    times.sort((one, other) => one - other);
    missed += times.at(-1) > LIMIT;
    console.log(
      `${envoys} Envoys, ${way.padEnd(20)}: ${times[0]} to ${times.at(-1)} ms, median ${times[Math.floor(times.length / 2)]}${times.at(-1) > LIMIT ? ' MISSED' : ''}`,
    );
  }
  await fleet.stop();
}
process.exit(STRICT && missed ? 1 : 0);
