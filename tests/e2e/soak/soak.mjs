// A soak: two Envoys under load for MINUTES (30), while everything goes wrong by turns. `make soak` runs it; it is no part of `make test`.
//
// Each answer is compared with what is right for that visitor in that turn. It fails if one was wrong, if memory or file descriptors grew, or if a log told of a
// panic or a secret; it writes its table of turns to target/soak.md.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, sleep } from '../lib/process.mjs';
import { assertNoPanic, assertNotTold } from '../lib/stage.mjs';
import { Ledger } from './ledger.mjs';
import { SoakLoad } from './load.mjs';
import { Stage } from './stage.mjs';
import { turnsOf } from './turns.mjs';
import { OURS, RIGHT, inspector, visitsOf } from './visitors.mjs';

const MINUTES = Number(process.env.MINUTES || 30);
/** How long a turn lasts in milliseconds after its change has settled, and how long a change may take to settle if the turn does not say otherwise. */
const LASTS = 6_000;
const SETTLES = 7_000;
const SAMPLED = 10_000;
/** After so many wrong answers there is no more to learn. */
const ENOUGH = 40;

const ledger = new Ledger();
const stage = await Stage.start();
await stage.issueAll();
const load = new SoakLoad(stage.gateways, visitsOf(stage), ledger, { ours: OURS, inspect: inspector(stage) });
await stage.gather(load.connections);

const began = Date.now();
const sampling = setInterval(() => ledger.sample(stage.gateways.filter(({ gateway }) => gateway.running)), SAMPLED);
const isOver = () => Date.now() - began > MINUTES * 60_000 || ledger.wrong.length > ENOUGH;
const turns = turnsOf(stage);
// TURN=TEXT plays only the turns whose names have that text.
const named = process.env.TURN ? turns.filter(({ name }) => name.includes(process.env.TURN)) : turns;
if (named.length === 0) throw new Error(`no turn has "${process.env.TURN}" in its name`);
try {
  do {
    for (const turn of named) {
      if (ledger.turn(turn.name).times > 0 && isOver()) break;
      await play(turn);
    }
  } while (!isOver());
} catch (error) {
  ledger.complain('the soak', error.stack);
} finally {
  clearInterval(sampling);
  load.stop();
}
for (const name of process.env.TURN ? [] : load.silent()) ledger.complain('the soak', `this visitor sent nothing: ${name}`);
const growth = ledger.growth();
await stage.stop().catch((error) => ledger.complain('the end', error.stack));
report();

/** Plays one turn: its change, a while in which everything has settled, the mend, and a while in which all must be well again. */
async function play({ name, prepare = () => {}, begins = () => {}, ends = () => {}, changing = {}, during = {}, settles = SETTLES, broken = false }) {
  await prepare();
  const counted = ledger.turn(name);
  counted.times += 1;
  const before = counted.forwarded;
  stage.reached = 0;
  const union = { ...RIGHT };
  for (const [visitor, outcomes] of Object.entries(changing)) union[visitor] = outcomes.length === 0 ? [] : [...(RIGHT[visitor] ?? []), ...outcomes];
  load.enter(name, union, broken);
  load.resume();
  await begins();
  await sleep(settles);
  load.enter(name, { ...RIGHT, ...during });
  await sleep(LASTS);
  load.enter(name, union, broken);
  await ends();
  await sleep(settles);
  load.enter(name, withoutThoseWhoCome(changing));
  await sleep(LASTS / 2);
  await load.pause();
  const answered = counted.forwarded - before;
  if (broken ? stage.reached < answered : stage.reached !== answered)
    ledger.complain(name, `${stage.reached} requests reached the application, and ${answered} of its answers came back`);
  // A machine is killed and begins again: each connection may have met that once.
  if (load.lost > load.connections.length) ledger.complain(name, `${load.lost} requests got Envoy's own 500 or 503`);
  await readLogs(name, broken);
  stage.provider.forget();
  console.error(`${Math.round((Date.now() - began) / 1000)} s: ${name}: ${counted.requests} requests, ${ledger.wrong.length} wrong`);
}

/** What is right when all is well again; who was kept away in this turn stays away, because what became of that session meanwhile is not certain. */
function withoutThoseWhoCome(changing) {
  return { ...RIGHT, ...Object.fromEntries(Object.entries(changing).filter(([, outcomes]) => outcomes.length === 0)) };
}

/** Looks for panics and secrets in what the Envoys have written since the turn before. A machine that was killed on purpose leaves a trace. */
async function readLogs(name, broken) {
  await sleep(200);
  const { fleet, provider, alice, carol } = stage;
  const cookies = [alice, carol].map(({ visitor }) => visitor.jar.get('localhost', '__Host-accredit'));
  for (const one of stage.gateways) {
    const text = one.gateway.takeLog();
    const log = {
      log: () =>
        broken
          ? text
              .split('\n')
              .filter((line) => !/RuntimeError|proxy_on_request_headers failed|Wasm VM failed/.test(line))
              .join('\n')
          : text,
    };
    const told = () => {
      assertNotTold(log, [fleet.key, fleet.password, provider.clientSecret, ...cookies]);
      const found = /eyJ[\w-]+\.[\w-]|(access|refresh)-[0-9a-f]{8}-|[?&](code|state)=/.exec(text);
      if (found) throw new Error(`a secret: ${found[0]}`);
    };
    for (const [what, check] of [
      ['panics', () => assertNoPanic(log)],
      ['secrets', told],
    ]) {
      try {
        check();
      } catch (error) {
        ledger[what] += 1;
        ledger.complain(`${name}: the log of the ${one.name} Envoy`, error.message.slice(0, 2_000));
      }
    }
    if (!one.gateway.running) ledger.complain(name, `the ${one.name} Envoy has ended`);
  }
}

function report() {
  const { wrong, answers, signedOut, revived, panics, secrets, requests } = ledger;
  const minutes = ((Date.now() - began) / 60_000).toFixed(1);
  const counts = [
    `${requests} requests in ${minutes} minutes; wrong answers: ${answers}; signed out who should not be: ${signedOut}`,
    `ended sessions that counted: ${revived}; panics: ${panics}; secrets in logs: ${secrets}`,
  ].join('; ');
  const samples = growth.map(({ name, samples: all }) => `${name}: ${all.map(({ memory }) => memory.toFixed(1)).join(' ')}`);
  const text = [counts, ...growth.map((one) => one.text), '', ledger.table(), '', 'MiB, every 10 s:', ...samples, '', ...wrong].join('\n');
  const folder = join(ROOT, 'target');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'soak.md'), `${text}\n`);
  console.log(text);
  process.exit(wrong.length > 0 ? 1 : 0);
}
