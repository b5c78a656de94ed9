// Constant load, with a check of every answer against the answers that are right for that visitor at that moment. It knows nothing about identity.
//
// A few connections are kept open. On each connection, visitors send requests in turn, each as soon as the previous request was answered, without pauses and
// without a fixed rate. A phase has a list of right answers for each visitor, in the order in which a connection may see them: it may move on in that list,
// but never back. Nothing depends on time: a phase ends when the expected answers were seen.

import http from 'node:http';
import { eventually } from './process.mjs';
import { Visitor } from './client.mjs';

export class Load {
  /** What was wrong, each mistake in a sentence. */
  wrong = [];
  /** How often each answer came, by phase and visitor. */
  tally = {};
  /** The right answers of this phase: lists of outcomes (`200`, `401 session_missing`) by visitor. A visitor without a list sends no request. */
  right = {};
  #phase = { name: 'not begun', right: {}, places: new Map() };
  #connections = [];
  #running;

  /** `visits` are functions by name, each of which sends a request on a given connection; `inspect` checks every answer, and throws if it is wrong. */
  constructor(gateway, visits, { connections = 12, inspect = () => {} } = {}) {
    this.gateway = gateway;
    this.visits = Object.entries(visits);
    this.inspect = inspect;
    this.#connections = Array.from({ length: connections }, (_, number) => new Connection(this, number));
  }

  start() {
    this.#running = Promise.all(this.#connections.map((connection) => this.#goOn(connection)));
  }

  /** Resolves when the last answer has come. */
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

  /** Makes a change under load, in two phases. In the first, the outcomes of `changing` are right; it makes `change`, and ends when every connection has
   *  reached the end of every list with several outcomes. In the second, only the last outcome of each list is right, or what `settled` has instead. In each
   *  phase every visitor sends at least `least` requests, except those whose list in `settled` is empty. */
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

  /** How often this outcome came, for all visitors. */
  count(outcome) {
    return Object.values(this.tally)
      .flatMap(Object.values)
      .reduce((total, counts) => total + (counts[outcome] ?? 0), 0);
  }

  /** Sends one request and checks its answer. Resolves with the answer, or with nothing if none came. */
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
    // A request of the previous phase may still get an answer that was right in that phase.
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

/** A connection that is kept open, and the browser tabs that use it. */
class Connection {
  #tabs = new Map();

  constructor(load, number) {
    this.load = load;
    this.number = number;
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  }

  /** A new visitor. */
  visitor() {
    return new Visitor(this.load.gateway, { agent: this.agent });
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

const sum = (counts = {}) => Object.values(counts).reduce((total, count) => total + count, 0);
