// The stage of a soak: two Envoys that share an origin, keys, a provider and a Redis; the people who are signed in there; and what a turn may do to all that.

import assert from 'node:assert/strict';
import { Visitor } from '../lib/client.mjs';
import { dyingWasmPath } from '../lib/dying.mjs';
import { Fleet, documentedCluster } from '../lib/fleet.mjs';
import { startReloadableGateway } from '../lib/gateway.mjs';
import { makeKey, now, sign } from '../lib/misbehaving.mjs';
import { freePort } from '../lib/process.mjs';
import { Redis } from '../lib/redis.mjs';
import { Clock } from './clock.mjs';

export const MEMBERS = ['oracle-ai-users', 'staff'];
/** The lifetimes of access tokens in seconds: of those that a session refreshes again and again, and of those that it need not refresh in this run. */
export const SHORT = 6;
const LONG = 86_400;
const TOKENS = 40;
/** In this time, in milliseconds, what has ended at one Envoy has ended at the other: five times what docs/security.md says. */
const TOLD = 6_000;
/** Ended sessions that are asked again: so many of the first and of the last ones. */
const KEPT = 250;

export const somebody = (sub, groups = MEMBERS) => ({ sub, email: `${sub}@example.com`, email_verified: true, groups });

export class Stage {
  /** Bearer tokens by the name of their key, each with its person and claims. */
  tokens = {};
  /** Victims of a lie, by the name of the Envoy where they have signed in. */
  victims = {};
  /** Requests that have reached the application since a turn began. */
  reached = 0;
  #ended = [];
  #redis = { wentAway: 0, cameBack: 0 };

  static async start() {
    const stage = new Stage();
    stage.fleet = await Fleet.start();
    stage.provider = stage.fleet.provider;
    stage.provider.rotates = true;
    stage.redis = stage.fleet.keep(await Redis.start());
    stage.clock = new Clock();
    // Node ends an idle connection after five seconds, and an Envoy that uses it at that moment answers 503.
    stage.fleet.application.server.keepAliveTimeout = 0;
    stage.#count(stage.fleet.application);
    const wasm = dyingWasmPath();
    const options = { wasm, cluster: documentedCluster(stage.redis.port), concurrency: 2, drain: 5, start: startReloadableGateway };
    const join = async (variables) => {
      const port = await freePort();
      return stage.fleet.join({ ...options, port, variables, plugin: (configuration) => configure(configuration, port), envoy: balanced });
    };
    stage.gateways = [
      { name: 'first', gateway: await join(stage.clock.variables) },
      { name: 'second', gateway: await join({}) },
    ];
    return stage;
  }

  #count(application) {
    application.respond = (_, response, received) => {
      // What a turn asks itself, to see whether its change has come, is no request of a visitor.
      if (!received.url.endsWith('?probe')) this.reached += 1;
      application.requests.length = 0;
      application.echo(response, received);
    };
  }

  /** The browser of a person, as whom the provider signs it in. */
  browserOf(person, visitor) {
    this.provider.people.set(person.sub, person);
    visitor.jar.set('127.0.0.1', 'person', person.sub);
    return visitor;
  }

  /** Somebody who has signed in at this gateway: {person, visitor}. */
  async signedIn({ gateway }, person, { long = false, path = '/members' } = {}) {
    const lifetime = this.provider.lifetime;
    this.provider.lifetime = long ? LONG : SHORT;
    const visitor = this.browserOf(person, new Visitor(gateway));
    const landing = await visitor.signIn(path);
    this.provider.lifetime = lifetime;
    assert.equal(landing.status, 200, `the sign-in failed: ${landing.reason} ${landing.url}`);
    return { person, visitor };
  }

  /** The people who are there all the time. Each connection has a session of its own that is refreshed, because Envoys without Redis each refresh for themselves. */
  async gather(connections) {
    const [first] = this.gateways;
    this.alice = await this.signedIn(first, somebody('alice'), { long: true });
    this.carol = await this.signedIn(first, somebody('carol', ['visitors']), { long: true, path: '/analytics' });
    this.bobs = new Map();
    for (const { number, gateway } of connections) this.bobs.set(number, await this.signedIn(gateway, somebody(`bob-${number}`)));
    await this.share(0);
    this.provider.lifetime = SHORT;
  }

  /** Signs somebody in whose session is used, and refreshed, at both Envoys. */
  async share(number) {
    this.shared = await this.signedIn(this.gateways[number % 2], somebody(`shared-${number}`));
  }

  async issue(name, key, groups = MEMBERS, header = {}) {
    const issued = Array.from({ length: TOKENS }, async (_, index) => {
      const person = somebody(`${name.replaceAll(' ', '-')}-${index}`, groups);
      const claims = { iss: this.provider.issuer, aud: 'orders', iat: now(), exp: now() + LONG, ...person };
      return { person, token: await sign(claims, { alg: 'RS256', kid: key.kid, ...header }, key), claims };
    });
    this.tokens[name] = await Promise.all(issued);
  }

  one(name) {
    return this.tokens[name][Math.floor(Math.random() * TOKENS)];
  }

  async issueAll() {
    const { standardKey } = this.provider;
    this.key = await makeKey('RS256', 'key-0');
    this.unpublished = await makeKey('RS256', 'unpublished');
    this.provider.keys = [standardKey, this.key];
    await this.issue('standing key', standardKey);
    await this.issue('newest key', this.key);
    await this.issue('unknown key', this.unpublished);
    await this.issue('stranger by token', standardKey, ['visitors']);
    await this.issue('forged', this.unpublished, MEMBERS, { kid: 'rs-1' });
  }

  /** Remembers the cookies of a session that has ended here, now. */
  hasEnded(jar) {
    this.#ended.push({ jar, at: Date.now() });
    if (this.#ended.length > 2 * KEPT) this.#ended.splice(KEPT, 1);
  }

  /** One of the sessions whose end all Envoys must know by now; nothing if there is none. */
  ended() {
    const { wentAway, cameBack } = this.#redis;
    const isBack = cameBack > wentAway && Date.now() > cameBack + 2 * TOLD;
    const until = wentAway === 0 || isBack ? Date.now() : wentAway;
    const known = this.#ended.filter(({ at }) => at < until - TOLD);
    return known[Math.floor(Math.random() * known.length)];
  }

  /** Says that from now on Redis tells nobody of an end. */
  redisGoes() {
    this.#redis.wentAway = Date.now();
  }

  redisIsBack() {
    this.#redis.cameBack = Date.now();
  }

  stop() {
    return this.fleet.stop();
  }
}

function configure(configuration, port) {
  // Its own port, too: startReloadableGateway looks there whether the listener is ready.
  configuration.origins.push(`http://localhost:${port}`);
  Object.assign(configuration.providers[0], { bearer: { audiences: ['orders'] }, timeout: '1s' });
  configuration.forward = { access_token: true };
  configuration.sign_in = { wait: '1s' };
}

function balanced(bootstrap) {
  bootstrap.static_resources.listeners[0].connection_balance_config = { exact_balance: {} };
}
