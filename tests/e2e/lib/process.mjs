// What the whole test harness needs of this machine: the paths of programs, free ports, temporary folders, and what to clean up.
//
// It reads the environment variables ENVOY, ACCREDIT_WASM and CHROMIUM. If one is missing, that is an error, never a skipped test: a suite that passes without
// running anything proves nothing.

import { accessSync, constants, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

export function wasmPath() {
  const path = resolve(ROOT, process.env.ACCREDIT_WASM ?? 'target/accredit.wasm');
  if (!existsSync(path)) throw new Error(`the filter is missing: ${path} does not exist; run "make wasm", or set ACCREDIT_WASM`);
  return path;
}

export const envoyPath = () => executable('ENVOY', ['envoy'], 'a real Envoy (1.37 or newer)');
export const chromiumPath = () => executable('CHROMIUM', ['chromium', 'chromium-browser', 'google-chrome'], 'a real Chromium');

function executable(variable, names, what) {
  const chosen = process.env[variable];
  const candidates = chosen ? [resolve(chosen)] : names.flatMap((name) => (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name)));
  const found = candidates.find(isExecutable);
  if (!found) throw new Error(`these tests need ${what}: set ${variable} to its path${chosen ? ` (it is ${chosen}, which cannot be executed)` : ''}`);
  return found;
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

// The tests' ports are below the range that the kernel uses for outgoing connections, so that no connection can take a port between the check and its use. Each
// process has a block of ports: it listens on the first port of the block as long as it runs, and so owns the rest. Therefore two test files that run at the
// same time never use the same port. Within a block, a port is given again only after all others.
const BLOCKS = { first: 15_000, size: 300, count: 50 };
let block;

/** A port of this process's block on which nobody listens. Neither another test nor the next call gets the same one. */
export async function freePort() {
  block ??= ownBlock();
  const own = await block;
  for (let attempt = 1; attempt < BLOCKS.size; attempt += 1) {
    own.last = (own.last % (BLOCKS.size - 1)) + 1;
    const port = own.start + own.last;
    if (await canListen(port)) return port;
  }
  throw new Error(`found no free port between ${own.start} and ${own.start + BLOCKS.size} on 127.0.0.1`);
}

async function ownBlock() {
  const begin = Math.floor(Math.random() * BLOCKS.count);
  for (let step = 0; step < BLOCKS.count; step += 1) {
    const start = BLOCKS.first + ((begin + step) % BLOCKS.count) * BLOCKS.size;
    const mark = createServer().unref();
    const isOurs = await listen(mark, start).then(
      () => true,
      () => false,
    );
    if (isOurs) return { start, last: 0, mark };
  }
  throw new Error('found no free block of ports between 15000 and 30000 on 127.0.0.1');
}

function canListen(port) {
  return new Promise((answer) => {
    const probe = createServer();
    probe.once('error', () => answer(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => answer(true)));
  });
}

/** Listens on a loopback port (0: any) and resolves with the port. */
export function listen(server, port = 0) {
  return new Promise((ready, failed) => {
    server.once('error', failed);
    server.listen(port, '127.0.0.1', () => {
      server.removeListener('error', failed);
      ready(server.address().port);
    });
  });
}

export function closeServer(server) {
  return new Promise((closed) => {
    server.close(() => closed());
    server.closeAllConnections?.();
  });
}

export const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Calls `ask` until its answer is truthy, and returns the answer. `what` completes the error message. */
export async function eventually(what, ask, { within = 10_000, every = 50 } = {}) {
  const deadline = Date.now() + within;
  let last;
  for (;;) {
    try {
      const answer = await ask();
      if (answer) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    if (last?.final || Date.now() > deadline)
      throw new Error(`waited in vain until ${what}; the last answer was ${last instanceof Error ? last.message : JSON.stringify(last)}`);
    await sleep(every);
  }
}

/** A temporary folder, which is deleted when this process ends. */
export function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'accredit-e2e-'));
  atExit(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const duties = new Set();

/** Registers a synchronous function that is called when this process ends, for example to end a child; returns a function that withdraws it. */
export function atExit(duty) {
  duties.add(duty);
  return () => duties.delete(duty);
}

process.on('exit', () => duties.forEach((duty) => duty()));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));
