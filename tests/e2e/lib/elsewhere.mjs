// A second build of everything in another folder, with another home of cargo: what tests compare with the first one.
//
// The second build is kept, so that only what has changed is compiled again. It never uses anything of the first build.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { ROOT, temporaryFolder } from './process.mjs';

export const CARGO_HOME = process.env.CARGO_HOME ?? join(homedir(), '.cargo');
export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** Runs a program to its end, and returns what it printed. */
export function run(program, words, { folder = ROOT, environment = {} } = {}) {
  const done = spawnSync(program, words, { cwd: folder, env: { ...process.env, ...environment }, encoding: 'utf8', maxBuffer: 1 << 28 });
  assert.equal(done.status, 0, `${program} ${words.join(' ')}: ${done.error?.message ?? done.stderr.slice(-2000)}`);
  return done.stdout;
}

/** Copies the sources to another folder, without built files and without the history of the repository. */
export function copyOfSources(place = join(temporaryFolder(), 'another place')) {
  const others = ['target', 'node_modules', '.git'];
  const isOurs = (path) => !others.includes(basename(path));
  mkdirSync(join(place, 'target'), { recursive: true });
  for (const name of readdirSync(place)) if (name !== 'target') rmSync(join(place, name), { recursive: true });
  // With the times of their last changes, from which cargo knows what it has already compiled.
  for (const name of readdirSync(ROOT).filter(isOurs))
    cpSync(join(ROOT, name), join(place, name), { recursive: true, preserveTimestamps: true, filter: isOurs });
  symlinkSync(join(ROOT, 'deploy/build/node_modules'), join(place, 'deploy/build/node_modules'));
  // If rustup could not add the target on this machine, remember that: another attempt takes minutes.
  const found = readdirSync(join(ROOT, 'target')).filter((name) => name.startsWith('.rustup-cannot-add-'));
  for (const name of found) writeFileSync(join(place, 'target', name), '');
  return place;
}

/** A folder below target/`kind` for a second build of these crates by this compiler; folders for others are deleted. */
export function elsewhere(kind) {
  const toolchain = run(join(ROOT, 'deploy/build/cargo-wasm.sh'), ['toolchain']);
  const sources = ['Cargo.toml', 'Cargo.lock'].map((path) => readFileSync(join(ROOT, path), 'utf8'));
  const name = sha256([toolchain, CARGO_HOME, ...sources].join('\0')).slice(0, 16);
  const all = join(ROOT, 'target', kind);
  mkdirSync(all, { recursive: true });
  for (const other of readdirSync(all)) if (other !== name) rmSync(join(all, other), { recursive: true });
  return join(all, name);
}

/** Another home of cargo in this folder, with the crates of the usual one. */
export function otherHome(folder) {
  const home = join(folder, 'cargo');
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home);
  for (const name of ['registry', 'git', 'config', 'config.toml'])
    if (existsSync(join(CARGO_HOME, name))) symlinkSync(join(CARGO_HOME, name), join(home, name));
  return home;
}

/** The crates that a compiled file names, as "name-version": Rust keeps the place of each line that may panic, and the builds write it as below /cargo. */
export function cratesNamedIn(bytes) {
  const found = bytes.toString('latin1').matchAll(/\/cargo\/registry\/src\/[^/]+\/([\w.+-]+)\//g);
  return [...new Set([...found].map(([, name]) => name))].sort();
}
