// What a worker costs before the first request: memory, and the processor time until the first answer. Side by side in one run: an Envoy without a
// filter, with a WebAssembly filter that does nothing, with Accredit, and with an earlier module of it if one is given.
//
// Memory is what is Anonymous in /proc/PID/smaps_rollup: other figures jump with what else runs. Each Envoy has one worker; each is started anew in each
// round, in a random order. Printed are the median, the lowest and the highest of the rounds.
//
// WORKER_ROUNDS (5), NOOP_WASM, ACCREDIT_WASM, BEFORE_WASM (the earlier module), STRICT=1 (a missed limit fails).

import { readFileSync } from 'node:fs';
import { Provider } from '../tests/e2e/lib/misbehaving.mjs';
import { sleep } from '../tests/e2e/lib/process.mjs';
import { accredit, floor, noop } from './gateways.mjs';
import { HOST, ask } from './visitors.mjs';

const { WORKER_ROUNDS = '5', NOOP_WASM, BEFORE_WASM, STRICT } = process.env;
const rounds = Number(WORKER_ROUNDS);

/** Memory is read this long after the first answer, in milliseconds: by then the compiler has given back what it gives back. */
const SETTLED = 3_000;

/** Clock ticks per second in /proc/PID/stat: 100 on Linux. */
const TICKS = 100;

const kinds = [
  ['no filter', (provider) => floor(provider)],
  ['a filter that does nothing', (provider) => noop(provider, NOOP_WASM)],
  ['accredit', (provider) => accredit(provider)],
  ...(BEFORE_WASM ? [['accredit before', (provider) => accredit(provider, { module: BEFORE_WASM })]] : []),
];

function processorSeconds(pid) {
  const [, , ...fields] = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/\(.*\)/, '()')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

function anonymousMebibytes(pid) {
  return Number(/^Anonymous:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]) / 1024;
}

async function measure(start, provider) {
  const gateway = await start(provider);
  try {
    await ask(gateway.port, '/', { Host: HOST });
    const seconds = processorSeconds(gateway.pid);
    await sleep(SETTLED);
    return { seconds, mebibytes: anonymousMebibytes(gateway.pid) };
  } finally {
    await gateway.stop();
  }
}

const provider = await Provider.start();
const measured = new Map(kinds.map(([name]) => [name, []]));
for (let round = 1; round <= rounds; round += 1) {
  process.stderr.write(`accredit: workers, round ${round} of ${rounds}\n`);
  for (const [, [name, start]] of kinds.map((kind) => [Math.random(), kind]).sort(([one], [other]) => one - other)) {
    measured.get(name).push(await measure(start, provider));
  }
}
await provider.stop();

const sorted = (name, what) =>
  measured
    .get(name)
    .map((each) => each[what])
    .sort((one, other) => one - other);
const median = (name, what) => sorted(name, what)[Math.floor((rounds - 1) / 2)];
const told = (name, what, digits) => {
  const all = sorted(name, what);
  return `${median(name, what).toFixed(digits)} (${all[0].toFixed(digits)} to ${all.at(-1).toFixed(digits)})`;
};

console.log('\none worker                      | Anonymous, MiB       | CPU to the first answer, s');
for (const [name] of kinds) console.log(`${name.padEnd(31)} | ${told(name, 'mebibytes', 1).padEnd(20)} | ${told(name, 'seconds', 2)}`);

let missed = 0;
if (BEFORE_WASM) {
  const added = (name) => median(name, 'mebibytes') - median('no filter', 'mebibytes');
  for (const [what, value, limit] of [
    ['memory that the filter adds, of what it added before', added('accredit') / added('accredit before'), 0.6],
    ['CPU to the first answer, of what it was before', median('accredit', 'seconds') / median('accredit before', 'seconds'), 0.95],
  ]) {
    missed += value > limit;
    console.log(`${what}: ${value.toFixed(2)} (limit ${limit})${value > limit ? ' MISSED' : ''}`);
  }
}
process.exit(STRICT && missed ? 1 : 0);
