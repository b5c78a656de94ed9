// Bodies that never end: the memory that they take in Envoy is limited, and signed-in people get answers meanwhile.
//
// It uses envoy/login-microservices.yaml in a real Envoy. Accredit limits how many bodies it reads at a time; these tests are about Envoy's limit for all
// memory. A test that must reach this limit sets it to a few MiB above what Envoy allocates without traffic, and sends the bodies to a public page whose route
// has a buffer.

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

/** The memory that Envoy's heap monitor counts, in bytes. */
async function heapOf(gateway) {
  const { heap_size: all, pageheap_unmapped: unmapped, pageheap_free: free } = JSON.parse(await gateway.admin('/memory'));
  return all - unmapped - free;
}

/** The last share of its limit that Envoy measured, in percent, and whether it refuses all requests. */
async function pressureOf(gateway) {
  const stats = await gateway.stats('^overload');
  return { pressure: stats[`overload.${HEAP}.pressure`], refusing: stats['overload.envoy.overload_actions.stop_accepting_requests.active'] === 1 };
}

/** A request whose body does not end. `answered` is the status of an answer, or 0 if the connection was closed without one. */
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

  /** Starts a gateway. Its limit is `room` bytes above what is allocated without traffic, or the shipped limit. */
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

  /** Sends `count` more such requests, one every `every` milliseconds. */
  async function flood(path, count, every, meanwhile = () => {}) {
    for (let i = 0; i < count; i += 1) {
      bodies.push(new Unfinished(gateway, path));
      await sleep(every);
      if (i % 10 === 0) await meanwhile();
    }
  }

  it('come 200 times to the login endpoint: memory stays far below the shipped limit, and signed-in people get answers', async () => {
    await start();
    const statuses = [];
    await flood('/login', 200, 2, async () => statuses.push(await signedIn()));
    await sleep(1000);
    statuses.push(await signedIn());
    assert.deepEqual([...new Set(statuses)], [200]);
    const { pressure, refusing } = await pressureOf(gateway);
    assert.ok(pressure < 40 && !refusing, `${pressure} %`);
  });

  it('come for a long time: the more there are, the sooner they are ended; memory stays below its limit, and signed-in people get answers', async () => {
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

  it('come faster than they can be ended: new requests are refused before memory runs out, and get answers again when the bodies are gone', async () => {
    await start(12 * MIB);
    const [statuses, heap] = [[], []];
    await flood('/health', 1000, 5, async () => {
      statuses.push(await signedIn());
      heap.push(await heapOf(gateway));
    });
    const refused = bodies.filter(({ answered }) => answered === 503).length;
    assert.ok(refused > 50, `${refused} were refused`);
    assert.deepEqual([...new Set(statuses)], [200, 503], 'the last resort is for everybody');
    const most = Math.max(...heap) - idle; // more than the limit, because Envoy measures only now and then, and closed requests keep memory for a while
    assert.ok(most < 32 * MIB, `${most} bytes more than without traffic: of 60 million that came`);
    await eventually('whoever is signed in is answered', async () => (await signedIn()) === 200, { within: 20_000, every: 250 });
  });
});
