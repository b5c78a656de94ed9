// Runs the command `accredit`, which cargo builds for this machine. It never blocks, so that a provider in the same process can answer.

import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { ROOT } from './process.mjs';

const CARGO = ['run', '--quiet', '--locked', '--manifest-path', `${ROOT}/Cargo.toml`, '--bin', 'accredit', '--'];

/** Runs it with these arguments. Resolves with {code, out, err}. */
export async function accredit(words, { environment = {}, input = '', folder = ROOT } = {}) {
  const running = spawn('cargo', [...CARGO, ...words], {
    cwd: folder,
    env: { ...process.env, ...environment },
  });
  running.stdin.on('error', () => {}).end(input);
  const ended = new Promise((resolve, reject) => running.on('error', reject).on('close', resolve));
  const [code, out, err] = await Promise.all([ended, text(running.stdout), text(running.stderr)]);
  return { code, out, err };
}
