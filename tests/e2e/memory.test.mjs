// Bodies that never end: what they cost Envoy is bounded, and whoever is signed in is answered meanwhile.
//
// envoy/login-microservices.yaml in a real Envoy. How many bodies Accredit reads at a time is its own limit; this is about Envoy's, for whatever Envoy holds. So where a
// test must reach that, the limit is a small one, a number of MiB above what this Envoy allocates without traffic, and the bodies come to a public page with a
// buffer on its route.

import assert from 'node:assert/strict';
import net from 'node:net';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { Visitor } from './lib/client.mjs';
import { startDemoUsers } from './lib/demo.mjs';
import { managerOf, startGateway } from './lib/gateway.mjs';
import { eventually, sleep } from './lib/process.mjs';
import { requestText } from './lib/raw.mjs';
import { assertNoPanic } from './lib/stage.mjs';
import { Application } from './lib/upstream.mjs';

const MIB = 1024 * 1024;
const HEAP = 'envoy.resource_monitors.fixed_heap';
const FILLING = 'x'.repeat(60_000);

/** What Envoy's heap monitor counts, in bytes. */
async function heapOf(gateway) {
  const { heap_size: all, pageheap_unmapped: unmapped, pageheap_free: free } = JSON.parse(await gateway.admin('/memory'));
  return all - unmapped - free;
}

/** The share of its limit that Envoy saw last, in percent, and whether it refuses everybody. */
async function pressureOf(gateway) {
  const stats = await gateway.stats('^overload');
  return { pressure: stats[`overload.${HEAP}.pressure`], refusing: stats['overload.envoy.overload_actions.stop_accepting_requests.active'] === 1 };
}

/** A request whose body does not end: `answered` is the status that came all the same, or 0. */
class Unfinished {
  answered = undefined;

  constructor({ port, host, origin }, path) {
    const head = requestText('POST', path, host, [`Origin: ${origin}`, 'Content-Type: application/json', 'Content-Length: 65000']).replace(
      'Connection: close\r\n',
      '',
    );
    this.socket = net.connect(port, '127.0.0.1', () => this.socket.write(head + FILLING));
    this.socket.on('data', (data) => (this.answered ??= Number(/^HTTP\/1\.1 (\d{3})/.exec(data)?.[1])));
    this.socket.on('error', () => {});
    this.socket.on('close', () => (this.answered ??= 0));
  }

  end() {
    this.socket.destroy();
  }
}

describe('bodies that never end', () => {
  let users, application, gateway, bodies, token, idle;

  before(async () => {
    users = await startDemoUsers();
    application = await Application.start();
    await start();
    idle = await heapOf(gateway);
    await gateway.stop();
  });
  beforeEach(() => (bodies = []));
  afterEach(async () => {
    for (const body of bodies) body.end();
    await gateway.stop();
    assertNoPanic(gateway);
  });
  after(async () => {
    await users?.stop();
    await application?.stop();
  });

  /** `room` in bytes above what is allocated without traffic; without it, the shipped limit. */
  async function start(room) {
    const envoy = ({
      static_resources: {
        listeners: [listener],
      },
      overload_manager: { resource_monitors: monitors },
    }) => {
      if (!room) return;
      monitors.find(({ name }) => name === HEAP).typed_config.max_heap_size_bytes = idle + room;
      const { routes } = managerOf(listener).route_config.virtual_hosts[0];
      routes.unshift({ match: { path: '/health' }, route: { cluster: 'application' }, typed_per_filter_config: routes[0].typed_per_filter_config });
    };
    gateway = await startGateway({ scenario: 'login-microservices', users, application, envoy });
    const headers = { 'content-type': 'application/json' };
    const answer = await new Visitor(gateway).call('/login', {
      method: 'POST',
      headers,
      body: JSON.stringify({ username: 'alice', password: 'alice-password' }),
    });
    token = answer.json().access_token;
  }

  const signedIn = async () => (await new Visitor(gateway).send('/api/orders', { headers: { authorization: `Bearer ${token}` } })).status;

  /** So many more of them, one every so many milliseconds. */
  async function flood(path, count, every, meanwhile = () => {}) {
    for (let i = 0; i < count; i += 1) {
      bodies.push(new Unfinished(gateway, path));
      await sleep(every);
      if (i % 10 === 0) await meanwhile();
    }
  }

  it('are 200 at the login endpoint, and the shipped limit is far away: whoever is signed in is answered', async () => {
    await start();
    const statuses = [];
    await flood('/login', 200, 2, async () => statuses.push(await signedIn()));
    await sleep(1000);
    statuses.push(await signedIn());
    assert.deepEqual([...new Set(statuses)], [200]);
    const { pressure, refusing } = await pressureOf(gateway);
    assert.ok(pressure < 40 && !refusing, `${pressure} %`);
  });

  it('go on for long: the more there are the sooner they are ended, memory stays below its limit, and whoever is signed in is answered', async () => {
    await start(22 * MIB);
    const [statuses, heap] = [[], []];
    await flood('/health', 600, 25, async () => {
      statuses.push(await signedIn());
      heap.push(await heapOf(gateway));
    });
    const ended = bodies.filter(({ answered }) => answered === 408).length;
    assert.ok(ended > 200, `${ended} were ended by Envoy`);
    assert.deepEqual([...new Set(statuses)], [200], `${statuses}`);
    assert.ok(Math.max(...heap) < idle + 22 * MIB, `${Math.max(...heap) - idle} bytes more than without traffic`);
    assert.deepEqual(
      application.requests.filter(({ url }) => url === '/health'),
      [],
    );
  });

  it('come faster than they can be ended: new requests are refused before memory runs out, and when they are gone everybody is answered again', async () => {
    await start(12 * MIB);
    const [statuses, heap] = [[], []];
    await flood('/health', 1000, 5, async () => {
      statuses.push(await signedIn());
      heap.push(await heapOf(gateway));
    });
    const refused = bodies.filter(({ answered }) => answered === 503).length;
    assert.ok(refused > 50, `${refused} were refused`);
    assert.deepEqual([...new Set(statuses)], [200, 503], 'the last resort is for everybody');
    const most = Math.max(...heap) - idle; // what came between two looks of Envoy's at its heap, and what waits for its connection to close, comes on top
    assert.ok(most < 32 * MIB, `${most} bytes more than without traffic: of 60 million that came`);
    await eventually('whoever is signed in is answered', async () => (await signedIn()) === 200, { within: 20_000, every: 250 });
  });
});
