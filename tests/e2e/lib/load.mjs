// Constant load, and a judge who knows what every visitor may be told at that moment. It knows nothing of identity.
//
// A few connections are kept open. On each, one visitor after another asks, as soon as the one before was answered: never a pause, never a rate. A phase
// says for each visitor which answers are right, in the order in which one connection may see them: it may go on in that list, and never back. Nothing is
// timed: a phase ends when what it waits for was seen.

import http from 'node:http';
import { eventually } from './process.mjs';
import { Visitor } from './client.mjs';

export class Load {
  /** What was wrong, each in a sentence. */
  wrong = [];
  /** How often what was answered: by phase, by visitor. */
  tally = {};
  /** What is right now: lists of outcomes (`200`, `401 session_missing`) by visitor. A visitor without one does not come. */
  right = {};
  #phase = { name: 'not begun', right: {}, places: new Map() };
  #connections = [];
  #running;

  /** `visits` are functions by name, which ask on the connection that they are given; `inspect` throws where an answer is not as any must be. */
  constructor(gateway, visits, { connections = 12, inspect = () => {} } = {}) {
    this.gateway = gateway;
    this.visits = Object.entries(visits);
    this.inspect = inspect;
    this.#connections = Array.from({ length: connections }, (_, number) => new Connection(this, number));
  }

  start() {
    this.#running = Promise.all(this.#connections.map((connection) => this.#goOn(connection)));
  }

  /** Resolves when the last answer is here. */
  async stop() {
    this.over = true;
    await this.#running;
    this.#connections.forEach((connection) => connection.agent.destroy());
  }

  async #goOn(connection) {
    for (let turn = connection.number; !this.over; turn += 1) {
      const [name, visit] = this.visits[turn % this.visits.length];
      if (this.#phase.right[name]) await visit(connection).catch((error) => this.#complain(name, error.message));
      else await new Promise(setImmediate);
    }
  }

  /** Something changes: from now on these outcomes are right, `change` is made, and every connection comes to the end of every list that has several. After
   *  that only the last of each is right, or what `settled` says. Both times every visitor comes as often as `least`, but for those who then come no more. */
  async turn(name, changing, { change = () => {}, settled = {}, least = 30, also = () => true } = {}) {
    this.#enter(`${name}: at first`, changing);
    await change();
    const turning = Object.keys(changing).filter((visitor) => changing[visitor].length > 1);
    const staying = Object.keys(this.right).filter((visitor) => settled[visitor]?.length !== 0);
    await this.#until(() => turning.every((visitor) => this.#isThrough(visitor)) && this.#haveCome(staying, least) && also());
    this.#enter(name, { ...Object.fromEntries(turning.map((visitor) => [visitor, changing[visitor].slice(-1)])), ...settled });
    await this.#until(() => this.#haveCome(Object.keys(this.right), least));
  }

  #enter(name, changes) {
    this.right = Object.fromEntries(Object.entries({ ...this.right, ...changes }).filter(([, outcomes]) => outcomes.length > 0));
    this.#phase = { name, right: this.right, places: new Map() };
    this.tally[name] = {};
  }

  async #until(isSeen) {
    const ask = async () => {
      if (this.wrong.length > 0)
        throw Object.assign(new Error(`${this.wrong.length} answers are wrong:\n${this.wrong.slice(0, 5).join('\n')}`), { final: true });
      return isSeen();
    };
    const { name } = this.#phase;
    await eventually(`"${name}" was seen`, ask, { within: 30_000, every: 10 }).catch((error) => {
      throw new Error(`${error.message}\nanswered so far: ${JSON.stringify(this.tally[name])}`);
    });
  }

  #isThrough(visitor) {
    const { right, places } = this.#phase;
    return this.#connections.every(({ number }) => places.get(`${number} ${visitor}`) === right[visitor].length - 1);
  }

  #haveCome(visitors, least) {
    const counts = this.tally[this.#phase.name];
    return visitors.every((visitor) => sum(counts[visitor]) >= least);
  }

  /** How often this was answered, to whomever. */
  count(outcome) {
    return Object.values(this.tally)
      .flatMap(Object.values)
      .reduce((total, counts) => total + (counts[outcome] ?? 0), 0);
  }

  /** One request, and the verdict on its answer. Resolves with the answer; with nothing when none came. */
  async ask(connection, visitor, send, check) {
    const begun = this.#phase;
    const answer = await send().catch((error) => this.#complain(visitor, error.message));
    if (!answer) return undefined;
    const outcome = [answer.status, answer.reason].filter(Boolean).join(' ');
    this.#judge(connection, visitor, outcome, begun);
    try {
      this.inspect(answer);
      if (outcome === '200') check(answer);
    } catch (error) {
      this.#complain(visitor, `${outcome}, ${error.message}`);
    }
    return answer;
  }

  #judge({ number }, visitor, outcome, begun) {
    const { name, right, places } = this.#phase;
    const key = `${number} ${visitor}`;
    const place = (right[visitor] ?? []).indexOf(outcome, places.get(key) ?? 0);
    if (place >= 0) places.set(key, place);
    // What was asked before may be answered as it was right then.
    else if (begun === this.#phase || !begun.right[visitor]?.includes(outcome))
      this.#complain(visitor, `${outcome}, after ${right[visitor]?.[places.get(key)] ?? 'nothing'}`);
    const counts = ((this.tally[name] ??= {})[visitor] ??= {});
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  }

  #complain(visitor, what) {
    const { name, right } = this.#phase;
    this.wrong.push(`${name}: ${visitor}: ${what}; right are ${right[visitor] ?? 'none'}`);
  }
}

/** A connection that is kept, and the tabs whose requests it carries. */
class Connection {
  #tabs = new Map();

  constructor(load, number) {
    this.load = load;
    this.number = number;
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  }

  /** Somebody new. */
  visitor() {
    return new Visitor(this.load.gateway, { agent: this.agent });
  }

  /** A tab of somebody's browser, with the cookies of when it was opened and those that it got since. */
  tab(of) {
    if (!this.#tabs.has(of)) this.#tabs.set(of, Object.assign(this.visitor(), { jar: of.jar.clone() }));
    return this.#tabs.get(of);
  }

  ask(visitor, send, check = () => {}) {
    return this.load.ask(this, visitor, send, check);
  }
}

const sum = (counts = {}) => Object.values(counts).reduce((total, count) => total + count, 0);
