// A Redis in the hands of an attacker: whatever it answers and whatever is written to it, nobody gets in whose session has ended, and nobody is signed out.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Fleet, documentedCluster } from './lib/fleet.mjs';
import { Liar } from './lib/liar.mjs';
import { eventually } from './lib/process.mjs';
import { Redis } from './lib/redis.mjs';

/** What an Envoy may take more than before, in MiB. Envoy and the module keep what they have once needed for an answer of 5 MB. */
const ROOM = 150;

const bulk = (text) => `$${text.length}\r\n${text}\r\n`;
const array = (values) => `*${values.length}\r\n${values.join('')}`;
const entry = (id, value) => array([bulk(id), array([bulk('e'), bulk(value)])]);
const time = () => array([bulk(String(Math.floor(Date.now() / 1000))), bulk('0')]);

/** The answer to a call that reads, with these entries. */
const page = (...entries) => `${time()}${array(entries)}+OK\r\n`;

/** The milliseconds of the place from which a call reads. */
const fromOf = (commands) => Number(/XRANGE\r\n\$\d+\r\naccredit\r\n\$\d+\r\n(\d+)-/.exec(commands.toString('latin1'))?.[1] ?? Date.now());

let endless = 0;
/** A thousand further entries: there is always more. */
const aPageOfMany = (commands) => {
  const from = Math.max(fromOf(commands), 1);
  return page(...Array.from({ length: 1000 }, () => entry(`${from + 1}-${(endless += 1)}`, 'x'.repeat(40))));
};

const LIES = [
  ['nothing', () => ''],
  ['values of other types', () => ':1\r\n+OK\r\n$-1\r\n*-1\r\n'],
  ['errors', () => '-ERR no\r\n'.repeat(5)],
  ['errors beside good answers', () => `${time()}-ERR no\r\n+OK\r\n`],
  ['half of the truth', (truth) => truth.subarray(0, Math.floor(truth.length / 2))],
  ['the truth twice', (truth) => Buffer.concat([truth, truth])],
  ['an array that has a billion values', () => `${time()}*1000000000\r\n`],
  ['arrays within arrays', () => '*1\r\n'.repeat(100_000)],
  ['that it is the year 5138', () => `${array([bulk('99999999999'), bulk('0')])}*0\r\n+OK\r\n`],
  ['that it is 1970', () => `${array([bulk('1'), bulk('0')])}*0\r\n+OK\r\n`],
  ['that there are no entries', () => page()],
  ['entries with ids far in the future', () => page(entry('99999999999999-0', 'junk'), entry('18446744073709551615-18446744073709551615', 'junk'))],
  ['entries in the wrong order', () => page(entry(`${Date.now()}-0`, 'junk'), entry('5-0', 'junk'))],
  ['5 MB that are no answer', () => Buffer.alloc(5_000_000, 'x')],
  ['an entry of 5 MB', () => page(entry(`${Date.now()}-0`, 'x'.repeat(5_000_000)))],
  ['that there is always more', (_, commands) => aPageOfMany(commands)],
];

describe('a Redis that lies', () => {
  let fleet, redis, liar, one, other;

  before(async () => {
    fleet = await Fleet.start();
    redis = fleet.keep(await Redis.start());
    liar = fleet.keep(await Liar.start(redis));
    const cluster = documentedCluster(liar.port);
    [one, other] = [await fleet.join({ cluster }), await fleet.join({ cluster, concurrency: 2 })];
  });
  after(() => fleet.stop());

  const residentOf = ({ pid }) => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

  it('ends nobody’s session, lets nobody in whose session has ended, takes no memory for ever, and keeps no end from being delivered afterwards', async () => {
    const [ended, staying] = [await fleet.ended(one), await fleet.session(one)];
    await fleet.untilRefused(other, ended);
    const before = [one, other].map(residentOf);
    const meanwhile = [];
    for (const [what, lie] of LIES) {
      liar.lie = lie;
      const cookie = await fleet.ended(one);
      const until = liar.told + 10;
      await eventually(`ten answers were ${what}`, () => liar.told >= until, { within: 20_000 });
      await fleet.assertRefused(one, cookie);
      for (const gateway of [one, other]) {
        await fleet.assertRefused(gateway, ended);
        await fleet.assertGoesOn(gateway, staying);
      }
      meanwhile.push(cookie);
    }
    liar.lie = null;
    for (const cookie of meanwhile) await fleet.untilRefused(other, cookie, 15_000);
    for (const gateway of [one, other]) await fleet.assertGoesOn(gateway, staying);
    const more = [one, other].map((gateway, index) => residentOf(gateway) - before[index]);
    assert.ok(
      more.every((grown) => grown < ROOM),
      `${more} MiB more`,
    );
  });
});

describe('somebody who can write to Redis', () => {
  let fleet, redis, cluster, one, other;

  before(async () => {
    fleet = await Fleet.start();
    redis = fleet.keep(await Redis.start());
    cluster = documentedCluster(redis.port);
    [one, other] = [await fleet.join({ cluster }), await fleet.join({ cluster, concurrency: 2 })];
  });
  after(() => fleet.stop());

  it('signs nobody out by entries of his own, changed ones, or copies, and they are counted', async () => {
    const [ended, staying] = [await fleet.ended(one), await fleet.session(one)];
    await fleet.untilRefused(other, ended);
    const [[, [, value]]] = await redis.command('XRANGE', 'accredit', '-', '+', 'COUNT', '1');
    const changed = Array.from(value, (_, at) => value.slice(0, at) + String.fromCharCode(value.charCodeAt(at) ^ 1) + value.slice(at + 1));
    for (const forged of ['', 'junk', value.slice(1), `${value}x`, ...changed]) await redis.command('XADD', 'accredit', '*', 'e', forged);
    await redis.command('XADD', 'accredit', '*', 'another', value);
    await redis.command('XADD', 'accredit', '*', 'e', value);
    await eventually('forged entries are counted', async () => (await other.counter('accredit_revocations_forged')) > value.length);
    for (const gateway of [one, other]) {
      await fleet.assertRefused(gateway, ended);
      await fleet.assertGoesOn(gateway, staying);
    }
    assert.ok(other.auditLog().some(({ event }) => event === 'revocations_forged'));
  });

  it('hides no later end behind ids in the future, and whoever must act is told how', async () => {
    const staying = await fleet.session(one);
    await redis.command('XADD', 'accredit', '99999999999999-0', 'e', 'junk');
    await fleet.untilRefused(other, await fleet.ended(one));
    await redis.command('XADD', 'accredit', '18446744073709551615-18446744073709551615', 'e', 'junk');
    const waiting = await fleet.ended(one);
    await fleet.untilToldWhy(one, /refused XADD: .*delete the stream/);
    await fleet.assertGoesOn(other, waiting);
    await redis.command('DEL', 'accredit');
    await fleet.untilRefused(other, waiting);
    const late = await fleet.join({ cluster });
    await fleet.untilRefused(late, waiting);
    for (const gateway of [one, other, late]) await fleet.assertGoesOn(gateway, staying);
  });

  it('gets nothing by a key of another type, and whoever must act is told how', async () => {
    const staying = await fleet.session(one);
    await redis.command('SET', 'accredit', 'junk');
    const waiting = await fleet.ended(one);
    await fleet.untilToldWhy(other, /refused XRANGE: "WRONGTYPE .*; a key with this name holds something else/);
    for (const gateway of [one, other]) await fleet.assertGoesOn(gateway, staying);
    await redis.command('DEL', 'accredit');
    await fleet.untilRefused(other, waiting);
  });
});
