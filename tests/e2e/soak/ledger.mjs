// What a soak counts: requests and their answers by turn, what was wrong, and the memory and file descriptors of each Envoy.
//
// It knows nothing about identity: visitors.mjs says which answers are right, and turns.mjs what changes them.

import { readFileSync, readdirSync } from 'node:fs';

/** Memory may not grow by more than this from the second quarter of a run to the last; nor file descriptors by more than so many. */
const GROWTH = 1.1;
const DESCRIPTORS = 20;
/** So many samples must be there, so that a quarter of them is more than one. */
const LEAST = 8;

export class Ledger {
  /** Whatever was wrong, each time in a sentence. */
  wrong = [];
  /** How many answers were wrong or missing; how often somebody was signed out who should not be, how often an ended session counted, and how often a log told
   *  of a panic or a secret. */
  answers = 0;
  signedOut = 0;
  revived = 0;
  panics = 0;
  secrets = 0;
  /** By turn: how often it came, requests, how many of them the application answered with 200, the slowest answer in milliseconds, and how often each outcome
   *  came. */
  turns = new Map();
  #samples = new Map();

  turn(name) {
    if (!this.turns.has(name)) this.turns.set(name, { times: 0, requests: 0, slowest: 0, forwarded: 0, outcomes: new Map() });
    return this.turns.get(name);
  }

  answered(name, outcome, milliseconds) {
    const turn = this.turn(name);
    turn.requests += 1;
    turn.slowest = Math.max(turn.slowest, milliseconds);
    turn.outcomes.set(outcome, (turn.outcomes.get(outcome) ?? 0) + 1);
  }

  complain(where, what) {
    this.wrong.push(`${new Date().toISOString()} ${where}: ${what}`);
    console.error(`wrong: ${this.wrong.at(-1)}`);
  }

  /** Takes a sample of each of these Envoys, which are listed by name. */
  sample(gateways) {
    for (const { name, gateway } of gateways) {
      const memory = Number(/^Anonymous:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${gateway.pid}/smaps_rollup`, 'utf8'))[1]) / 1024;
      const descriptors = readdirSync(`/proc/${gateway.pid}/fd`).length;
      this.#samples.set(name, [...(this.#samples.get(name) ?? []), { memory, descriptors }]);
    }
  }

  /** The medians of the second and the last quarter of the samples, by Envoy; what has grown is wrong. */
  growth() {
    return [...this.#samples].map(([name, samples]) => {
      if (samples.length < LEAST) this.complain('memory', `there are only ${samples.length} samples of the ${name} Envoy`);
      const quarter = Math.max(1, Math.floor(samples.length / 4));
      const of = (what) => [samples.slice(quarter, 2 * quarter), samples.slice(-quarter)].map((some) => median(some.map((sample) => sample[what])));
      const [memory, descriptors] = [of('memory'), of('descriptors')];
      const text = `${name}: ${memory.map((mebibytes) => mebibytes.toFixed(1)).join(' → ')} MiB, ${descriptors.join(' → ')} file descriptors`;
      if (memory[1] > memory[0] * GROWTH || descriptors[1] > descriptors[0] + DESCRIPTORS) this.complain('memory', `it is not flat: ${text}`);
      return { name, memory, descriptors, samples, text };
    });
  }

  get requests() {
    return [...this.turns.values()].reduce((sum, { requests }) => sum + requests, 0);
  }

  /** The table of turns, as a document has it. */
  table() {
    const rows = [...this.turns].map(([name, { times, requests, slowest, outcomes }]) => {
      const sorted = [...outcomes].sort(([, one], [, other]) => other - one).map(([outcome, count]) => `${count} × ${outcome}`);
      return `| ${name} | ${times} | ${requests} | ${Math.round(slowest)} | ${sorted.join(', ')} |`;
    });
    return ['| turn | times | requests | slowest, ms | answers |', '|---|---|---|---|---|', ...rows].join('\n');
  }
}

function median(numbers) {
  return numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)];
}
