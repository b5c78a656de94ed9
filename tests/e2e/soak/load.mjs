// The load of a soak: connections to several gateways, on which visitors send requests by turns, at a moderate pace. Each answer is compared with what is right.
//
// It can pause, so that at the end of a turn nothing is under way and what was counted can be compared. It knows nothing about identity.

import http from 'node:http';
import { sleep } from '../lib/process.mjs';
import { Visitor } from '../lib/client.mjs';

/** Milliseconds between an answer and the next request of a connection. */
const PACE = 25;

export class SoakLoad {
  #goesOn = false;
  #running = [];
  #phase = { turn: 'none', right: {}, broken: false };
  /** How many requests since the last `pause` met a machine that was killed, and got Envoy's own 500 or 503. */
  lost = 0;
  #came = new Set();

  /** `visits` are functions by name, each of which sends requests on a connection; `ours` are those whose 200 does not come from the
   *  application; `inspect` checks what must be true of every answer. */
  constructor(gateways, visits, ledger, { each = 6, ours, inspect }) {
    this.visits = Object.entries(visits);
    this.ledger = ledger;
    this.inspect = inspect;
    this.ours = ours;
    this.connections = gateways
      .flatMap((gateway) => Array.from({ length: each }, () => gateway))
      .map((gateway, number) => new Connection(this, gateway, number));
  }

  /** From now on these outcomes are right: lists by visitor. Visitors without a list send nothing. With `broken`, a request that meets a virtual machine that
   *  was killed may get Envoy's own 500 or 503. */
  enter(turn, right, broken = false) {
    this.#phase = { turn, right, broken };
  }

  resume() {
    this.#goesOn = true;
    this.lost = 0;
    this.#running = this.connections.map((connection) => this.#run(connection));
  }

  /** Resolves when the last answer has come. */
  async pause() {
    this.#goesOn = false;
    await Promise.all(this.#running);
  }

  stop() {
    for (const { agent } of this.connections) agent.destroy();
  }

  /** The visitors who have sent nothing at all. */
  silent() {
    return this.visits.map(([name]) => name).filter((name) => !this.#came.has(name));
  }

  async #run(connection) {
    while (this.#goesOn) {
      const [name, visit] = this.visits[(connection.next += 1) % this.visits.length];
      if (!this.#phase.right[name]?.length) {
        await new Promise(setImmediate);
        continue;
      }
      connection.visit = name;
      await visit(connection).catch((error) => this.ledger.complain(`${this.#phase.turn}: ${name} @${connection.gateway.name}`, error.stack));
      await sleep(PACE);
    }
  }

  /** Sends one request and checks its answer. Resolves with the answer, or with nothing if it was wrong or none came. */
  async ask(connection, visitor, send, check) {
    const [begun, at] = [this.#phase, performance.now()];
    this.#came.add(connection.visit);
    const answer = await send().catch((error) => ({ failure: error.message }));
    const outcome = answer.failure ? `none (${answer.failure})` : [answer.status, answer.reason].filter(Boolean).join(' ');
    const current = this.#phase;
    this.ledger.answered(begun.turn, outcome, performance.now() - at);
    if (answer.status === 200 && !this.ours.includes(visitor)) this.ledger.turn(begun.turn).forwarded += 1;
    const where = `${begun.turn}: ${visitor} @${connection.gateway.name}`;
    if ((begun.broken || current.broken) && !answer.reason && [500, 503].includes(answer.status)) {
      this.lost += 1;
      return undefined;
    }
    const lists = [begun, current].map(({ right }) => right[visitor] ?? []);
    if (!lists.some((list) => list.includes(outcome))) {
      const told = answer.reason ? '' : ` (${JSON.stringify(answer.body?.slice(0, 200))})`;
      this.ledger.complain(where, `${outcome}${told}; right are ${lists[0].join(', ') || 'none'}`);
      this.#count(visitor, answer);
      return undefined;
    }
    try {
      this.inspect(answer);
      if (answer.status === 200) check(answer);
    } catch (error) {
      this.ledger.answers += 1;
      this.ledger.complain(where, `${outcome}, ${error.message}`);
    }
    return answer;
  }

  /** Says which kind of mistake a wrong answer is. */
  #count(visitor, { status, reason }) {
    this.ledger.answers += 1;
    if (status === 200 && /ended|signed out/.test(visitor)) this.ledger.revived += 1;
    if ((status === 302 || /^session_/.test(reason)) && /remembered|refreshed|stranger|in$/.test(visitor)) this.ledger.signedOut += 1;
  }
}

/** A connection to one gateway that is kept open, and the browser tabs that use it. */
class Connection {
  #tabs = new WeakMap();

  constructor(load, gateway, number) {
    Object.assign(this, { load, gateway, number, next: number });
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  }

  /** A new visitor. */
  visitor() {
    return new Visitor(this.gateway.gateway, { agent: this.agent });
  }

  /** A tab of a visitor's browser: it has the cookies from when it was opened, and those that it got since. */
  tab(of) {
    if (!this.#tabs.has(of)) this.#tabs.set(of, Object.assign(this.visitor(), { jar: of.jar.clone() }));
    return this.#tabs.get(of);
  }

  ask(visitor, send, check = () => {}) {
    return this.load.ask(this, visitor, send, check);
  }
}
