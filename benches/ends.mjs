// What it costs that much has ended: a fleet in which 800,000 sessions ended that would still be good, as 100,000 an hour do when sessions last eight
// hours. One Envoy shares nothing, one an empty Redis, one a Redis with all these ends. Printed are, for each: the time until it knows them all, in seconds;
// the memory that its process has; the processor time in a second in which nobody asks anything, and in one in which 28 further ends are told, as many as come
// at that rate. Then Redis loses everything, and all of it must be there again.
//
// ENDS (800000), ENDS_COUNTED (20: the seconds of each measurement), ACCREDIT_WASM.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Provider } from '../tests/e2e/lib/misbehaving.mjs';
import { ROOT, sleep } from '../tests/e2e/lib/process.mjs';
import { Redis } from '../tests/e2e/lib/redis.mjs';
import { accredit, key } from './gateways.mjs';
import { cpuNanoseconds } from './load.mjs';

const { ENDS = '800000', ENDS_COUNTED = '20' } = process.env;
const ends = Number(ENDS);

/** How long sessions last, in seconds. */
const LIFETIME = 8 * 3_600;

/** How many ends come in a second. */
const EVERY_SECOND = 28;

/** How long the processor time is counted, in milliseconds. */
const COUNTED = Number(ENDS_COUNTED) * 1_000;

const PROVIDER = 'demo';

/** So many announcements, as bytes, of sessions with numbers from `first` on. */
const announcements = (number, first = 0) =>
  execFileSync('cargo', ['run', '--quiet', '--locked', '--example', 'ends', '--', PROVIDER, first, number, LIFETIME], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, ACCREDIT_KEY: key },
    maxBuffer: 2 ** 30,
  })
    .trim()
    .split('\n')
    .map((line) => Buffer.from(line, 'base64').toString('latin1'));

const memory = (pid) => Number(/^Anonymous:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]) / 1024;

async function until(what, holds, within = 300_000) {
  const began = Date.now();
  while (!(await holds())) {
    if (Date.now() - began > within) throw new Error(`${what}: not within ${within} ms`);
    await sleep(50);
  }
  return (Date.now() - began) / 1000;
}

const provider = await Provider.start();
const [empty, full] = [await Redis.start(), await Redis.start()];
const told = announcements(ends);
// They came in the last eight hours, one after another.
const began = Date.now() - LIFETIME * 1_000;
await full.add('accredit', told, (number) => `${began + Math.floor((number * LIFETIME * 1_000) / ends)}-${number % 1_000}`);
const isCurrent = async (gateway) => (await gateway.counter('accredit_revocations_current_timestamp_seconds')) > 0;

/** Milliseconds of processor time for each second, while `meanwhile` runs. */
async function busy(gateway, meanwhile = () => sleep(COUNTED)) {
  const [used, began] = [cpuNanoseconds(gateway.pid), Date.now()];
  await meanwhile();
  return (cpuNanoseconds(gateway.pid) - used) / 1_000 / (Date.now() - began);
}

const row = (...fields) => console.log(fields.map((field, index) => String(field).padEnd(index ? 22 : 30)).join('| '));
row('', 'knows all after, s', 'Anonymous, MiB', 'idle, ms/s', '28 ends a second, ms/s');
const number = (value) => value.toFixed(1);
let missed = false;
for (const [name, redis] of [
  ['no store', undefined],
  ['an empty Redis', empty],
  [`a Redis with ${ends} ends`, full],
]) {
  const gateway = await accredit(provider, { redis });
  const known = redis ? number(await until('it knows all', () => isCurrent(gateway))) : '';
  await sleep(3_000);
  const [idle, anonymous] = [await busy(gateway), memory(gateway.pid)];
  const further = announcements((EVERY_SECOND * COUNTED) / 1_000, ends);
  const ending = async () => {
    for (let second = 0; second < COUNTED / 1000; second += 1) {
      await redis.add('accredit', further.splice(0, EVERY_SECOND));
      await sleep(1_000);
    }
  };
  row(name, known, number(anonymous), number(idle), redis ? number(await busy(gateway, ending)) : '');
  if (redis === full) {
    await full.command('FLUSHALL');
    // Those that stop to matter meanwhile are not told again.
    const left = told.slice(ends / 10);
    const again = await until('all is there again', async () => (await full.command('XLEN', 'accredit')) >= left.length);
    // Until a minute has gone by, what was just told is still looked at again.
    await sleep(70_000);
    const there = new Set();
    for (let from = '-', page; from; from = page.length ? `(${page.at(-1)[0]}` : undefined) {
      page = await full.command('XRANGE', 'accredit', from, '+', 'COUNT', 10_000);
      for (const [, [, entry]] of page) there.add(entry);
    }
    const lost = left.filter((entry) => !there.has(entry)).length;
    const idleAgain = number(await busy(gateway));
    console.log(
      `after FLUSHALL, all is there again after ${number(again)} s, and ${lost} are lost; the process has ${number(memory(gateway.pid))} MiB, idle ${idleAgain} ms/s`,
    );
    missed = lost > 0;
  }
  await gateway.stop();
}
await empty.stop();
await full.stop();
await provider.stop();
process.exit(missed ? 1 : 0);
