// A fleet: Envoys that share an origin, session keys, a provider and a Redis. What docs/deployment.md shows is read out of it: its cluster, with the address
// changed, and the user of its ACL. So the document itself is what is tested.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { Visitor } from './client.mjs';
import { newKey, pluginOf, startGateway } from './gateway.mjs';
import { Provider } from './misbehaving.mjs';
import { ROOT, eventually, freePort } from './process.mjs';
import { assertNoPanic, assertNotTold, assertProblem } from './stage.mjs';
import { Application } from './upstream.mjs';

const [, SECTION] = /^### Redis\n(.+?)^## /ms.exec(readFileSync(join(ROOT, 'docs/deployment.md'), 'utf8'));
const [CLUSTER] = parse(/^```yaml\n(.+?)^```/ms.exec(SECTION)[1]);
const [, ACL] = /^user (accredit .*>PASSWORD.*)$/m.exec(SECTION);

/** The name that the document's cluster expects in the certificate of Redis. */
export const REDIS_NAME = CLUSTER.transport_socket.typed_config.sni;

/** The document's cluster, at this port. It trusts this authority (lib/tls.mjs), or has no TLS. */
export function documentedCluster(port, authority) {
  const cluster = structuredClone(CLUSTER);
  cluster.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address = { address: '127.0.0.1', port_value: port };
  if (authority) cluster.transport_socket.typed_config.common_tls_context.validation_context.trusted_ca = { filename: authority.file };
  else delete cluster.transport_socket;
  return cluster;
}

/** The document's line for the user, with this password. */
export const documentedLine = (password) => `user ${ACL.replace('PASSWORD', password)}`;

/** The words of the command that makes the document's user, with this password. */
export const documentedUser = (password) => ['ACL', 'SETUSER', ...ACL.replace('PASSWORD', password).split(' ')];

/** To be called inside `describe`, whose `before` calls `start` of what it returns. After the last test, everything is stopped and all logs are checked. */
export class Fleet {
  key = newKey();
  /** The password of Redis, which all Envoys have in their environment. No log may tell it. */
  password = newKey();
  #parts = [];
  #gateways = [];
  #people = 0;

  /** A fleet without Envoys: its provider and its application. `startProvider` starts another provider for gateways at this origin. */
  static async start(startProvider = () => Provider.start()) {
    const fleet = new Fleet();
    fleet.host = `localhost:${await freePort()}`;
    fleet.origin = `http://${fleet.host}`;
    fleet.provider = fleet.keep(await startProvider(fleet.origin));
    fleet.application = fleet.keep(await Application.start());
    return fleet;
  }

  /** Remembers something that has to be stopped. */
  keep(part) {
    this.#parts.push(part);
    return part;
  }

  /**
   * Starts an Envoy with this cluster. `settings` are further ones of `revocations`, `redis` further ones of its Redis, `keys` all session keys. `plugin` and
   * `envoy` change the filter's configuration and the bootstrap further. `start` starts the gateway, with the `rest` of the options and with `variables` that
   * only Envoy itself reads.
   */
  async join({ cluster, settings = {}, redis = {}, keys = [this.key], plugin = () => {}, envoy = () => {}, start = startGateway, variables = {}, ...rest }) {
    const names = keys.map((_, index) => `KEY_${index}`);
    const environment = { REDIS_PASSWORD: this.password, ...Object.fromEntries(names.map((name, index) => [name, keys[index]])) };
    const gateway = await start({
      ...rest,
      provider: this.provider,
      application: this.application,
      environment: { ...environment, ...variables },
      plugin: (configuration) => {
        configuration.origins = [this.origin];
        configuration.session.keys = names.map((name) => ({ environment_variable: name }));
        configuration.revocations = { redis: { cluster: cluster.name, ...redis }, ...settings };
        plugin(configuration);
      },
      envoy: (bootstrap) => {
        const { clusters, listeners } = bootstrap.static_resources;
        pluginOf(listeners[0]).vm_config.environment_variables.host_env_keys.push(...Object.keys(environment));
        clusters.push(cluster);
        envoy(bootstrap);
      },
    });
    return this.add(gateway);
  }

  /** Counts a running Envoy to the fleet. */
  add(gateway) {
    // Visitors come to the origin that all share, and this port is where it leads them.
    Object.assign(gateway, { host: this.host, origin: this.origin, ports: { [this.host]: gateway.port } });
    this.#gateways.push(gateway);
    return this.keep(gateway);
  }

  /** The cookies of a new person who has signed in at this Envoy. `claims` are further ones of the person; `provider.user` is who it was. */
  async session(gateway, claims = {}) {
    this.provider.user = { sub: `person-${(this.#people += 1)}`, email: 'a@example.com', email_verified: true, groups: ['oracle-ai-users'], ...claims };
    const visitor = new Visitor(gateway);
    const landing = await visitor.signIn('/analytics');
    assert.equal(landing.status, 200, `the sign-in failed: ${landing.reason} ${landing.url}`);
    return visitor.jar.header('localhost', '/');
  }

  /** Asks this Envoy for a page with these cookies. */
  ask(gateway, cookie, options = {}) {
    return new Visitor(gateway).call('/members', { headers: { cookie }, ...options });
  }

  async signOut(gateway, cookie, { target = '/api/logout', ...options } = {}) {
    const answer = await new Visitor(gateway).call(target, { method: 'POST', headers: { cookie }, ...options });
    assert.deepEqual([answer.status, answer.json().logout], [200, 'ok'], answer.body);
  }

  /** Signs a new person in and out at this Envoy. Returns the cookies of the session that has ended. */
  async ended(gateway) {
    const cookie = await this.session(gateway);
    await this.signOut(gateway, cookie);
    return cookie;
  }

  /** Waits until this Envoy refuses a session that has ended, and checks that all its workers do from then on. */
  async untilRefused(gateway, cookie, within = 5_000) {
    await eventually('an ended session is refused', async () => (await this.ask(gateway, cookie)).status === 401, { within });
    // Other workers look at what the one that reads has heard, ten times a second.
    await new Promise((done) => setTimeout(done, 300));
    await this.assertRefused(gateway, cookie);
  }

  /** Checks that this Envoy refuses a session as ended, over several connections, and so by several workers. */
  async assertRefused(gateway, cookie) {
    for (let connection = 0; connection < 6; connection += 1) assertProblem(await this.ask(gateway, cookie), 401, 'session_expired');
  }

  async assertGoesOn(gateway, cookie) {
    for (let connection = 0; connection < 6; connection += 1) {
      const answer = await this.ask(gateway, cookie);
      assert.equal(answer.status, 200, `${answer.reason} ${answer.body.slice(0, 300)}`);
    }
  }

  /** Waits for a line of this Envoy that says that Redis fails, in these words. */
  untilToldWhy(gateway, words, mark = 0) {
    const lines = () => gateway.auditLog(mark).filter(({ event }) => event === 'revocations_unavailable');
    const told = () => {
      const found = lines().find(({ detail }) => words.test(detail));
      if (!found) throw new Error(`these lines: ${JSON.stringify(lines())}`);
      return found;
    };
    return eventually(`a line says ${words}`, told, { within: 15_000 });
  }

  async stop() {
    for (const part of this.#parts.splice(0).reverse()) await part.stop();
    for (const gateway of this.#gateways) {
      assertNoPanic(gateway);
      assertNotTold(gateway, [this.password, this.key]);
    }
    assert.deepEqual(this.provider.faults ?? [], [], 'the provider of this test is itself at fault');
  }
}
