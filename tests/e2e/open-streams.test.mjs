// Requests that are open when their session ends: each kind, through real Envoys that share a real Redis.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Visitor } from './lib/client.mjs';
import { Fleet, documentedCluster } from './lib/fleet.mjs';
import { startReloadableGateway } from './lib/gateway.mjs';
import { KINDS, serveStreams } from './lib/open-streams.mjs';
import { eventually } from './lib/process.mjs';
import { Redis } from './lib/redis.mjs';

describe('open requests of a session', () => {
  let fleet, one, other;
  const opened = [];

  before(async () => {
    fleet = await Fleet.start();
    const redis = fleet.keep(await Redis.start());
    const cluster = documentedCluster(redis.port);
    one = await fleet.join({ cluster });
    other = await fleet.join({ cluster, concurrency: 2 });
    serveStreams(fleet.application);
  });
  after(() => {
    for (const open of opened) open.close();
    return fleet.stop();
  });

  /** Begins one request of each kind. */
  async function begin(gateway, cookie) {
    const before = fleet.application.requests.length;
    const begun = KINDS.map(([, start, isAnswered]) => Object.assign(start(gateway, cookie), { isAnswered }));
    opened.push(...begun);
    await Promise.all(begun.filter(({ isAnswered }) => isAnswered).map((open) => open.begun));
    await eventually('all have arrived', () => fleet.application.requests.length - before === KINDS.length);
    return begun;
  }

  const ends = (begun) => Promise.all(begun.map(({ over }) => over));

  async function assertGoOn(begun) {
    const streams = begun.filter(({ isAnswered }) => isAnswered);
    const beats = streams.map((open) => open.beats);
    await eventually('they go on', () => streams.every((open, index) => open.beats > beats[index]));
    const first = await Promise.race([...begun.map(({ over }) => over), new Promise((later) => setTimeout(later, 50))]);
    assert.equal(first, undefined, 'one of somebody else was ended');
  }

  for (const [title, at] of [
    ['this Envoy', () => one],
    ['another one', () => other],
  ])
    it(`end when the person signs out at ${title}, each as its client can see, and nobody else's do`, async () => {
      const [ending, staying] = [await fleet.session(one), await fleet.session(one)];
      const [over, others] = [await begin(one, ending), await begin(one, staying)];
      const [mark, counted] = [one.mark(), await one.counter('accredit_stream_reset')];
      await fleet.signOut(at(), ending);
      const seen = await ends(over);
      assert.deepEqual(
        seen.map((how, kind) => [KINDS[kind][0], how]),
        KINDS.map(([name, , , how]) => [name, how]),
      );
      await assertGoOn(others);
      const lines = one.auditLog(mark).filter(({ event }) => event === 'stream_reset');
      assert.equal(lines.length, KINDS.length);
      for (const { reason, provider, subject } of lines) assert.deepEqual([reason, provider, subject], ['session_expired', 'demo', lines[0].subject]);
      assert.equal((await one.counter('accredit_stream_reset')) - counted, KINDS.length);
      const inAccessLog = () => one.accessLog(mark).filter(({ details, path }) => details === 'accredit_session_expired' && /events|socket|silence/.test(path));
      await eventually('the access log says why', () => inAccessLog().length === KINDS.length);
      for (const { subject } of inAccessLog()) assert.equal(subject, lines[0].subject);
    });

  it('end at all workers, hundreds of them too', async () => {
    const [ending, staying] = [await fleet.session(other), await fleet.session(other)];
    const [, start] = KINDS.find(([name]) => name === 'an event stream over HTTP/2');
    const start100 = (cookie) => Array.from({ length: 100 }, () => start(other, cookie));
    const [over, others] = [start100(ending), start100(staying)];
    opened.push(...over, ...others);
    await Promise.all([...over, ...others].map((open) => open.begun));
    await fleet.signOut(one, ending);
    assert.deepEqual(new Set(await ends(over)), new Set(['200, then reset with 2']));
    await assertGoOn(others.map((open) => Object.assign(open, { isAnswered: true })));
  });
});

describe('requests that were begun under an earlier configuration', () => {
  let fleet, gateway;
  before(async () => {
    fleet = await Fleet.start();
    const { provider, application } = fleet;
    gateway = fleet.keep(await startReloadableGateway({ provider, application, drain: 600 }));
    serveStreams(application);
  });
  after(() => fleet.stop());

  it('end when the person signs out under the next one', async () => {
    const cookie = await fleet.session(gateway);
    const [, start, , how] = KINDS[0];
    const open = start(gateway, cookie);
    await open.begun;
    gateway.reload((configuration) => configuration.rules.unshift({ match: { path: '/new' }, require: 'public' }));
    await eventually('the new rule is in force', async () => (await new Visitor(gateway).call('/new')).status === 200);
    await fleet.signOut(gateway, cookie);
    assert.equal(await open.over, how);
  });
});
