// A program that we did not write, run by a driver of ours in a process of its own: it reads its settings, a line of JSON, from its standard input, and
// ends with its input, which also happens if the tests are killed.
//
// It knows nothing about what the program is: `real-provider.mjs` and `mcp` do.

import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { ROOT, atExit, eventually, temporaryFolder } from './process.mjs';

const printed = new Map();

/** The path that this script of deploy/build prints, which fetches or builds what is missing. */
function printedBy(script, ...words) {
  const key = [script, ...words].join(' ');
  if (!printed.has(key)) printed.set(key, execFileSync(join(ROOT, 'deploy/build', script), words, { encoding: 'utf8' }).trim());
  return printed.get(key);
}

/** The command that runs this program of tests/e2e: a Python with the packages of `list`, a file there; this Node; or, for a folder, what `FOLDER.sh` builds of it. */
export function commandOf(program, list) {
  const path = join(ROOT, 'tests/e2e', program);
  switch (extname(program)) {
    case '.py':
      return [printedBy('python.sh', join(ROOT, 'tests/e2e', list)), path];
    case '.mjs':
      return [process.execPath, path];
    default:
      return [printedBy(`${basename(program)}.sh`)];
  }
}

export class Driver {
  #child;
  #withdraw;

  /** Starts `command` in a new folder, `folder`, where its log is. With `listens`, its standard output is `output`, a stream; otherwise the log has that, too. */
  constructor([command, ...words], settings, { folder = temporaryFolder(), environment = {}, listens = false } = {}) {
    this.folder = folder;
    const log = openSync(join(folder, 'log'), 'a');
    this.#child = spawn(command, words, {
      cwd: folder,
      env: { PATH: process.env.PATH, PYTHONDONTWRITEBYTECODE: '1', ...environment },
      stdio: ['pipe', listens ? 'pipe' : log, log],
    });
    closeSync(log);
    this.#child.once('error', () => {});
    this.#child.stdin.on('error', () => {});
    this.output = this.#child.stdout;
    this.tell(settings);
    this.#withdraw = atExit(() => this.#child.kill('SIGKILL'));
  }

  /** Writes a line of JSON to its standard input. */
  tell(value) {
    this.#child.stdin.write(`${JSON.stringify(value)}\n`);
  }

  /** Resolves when it has written `ready`; if it does not within this time, it is stopped. `name` is for the error, which has the end of the log. */
  async ready(name, within = 60_000) {
    try {
      await eventually(`${name} has started`, () => this.#hasStarted(), { within });
    } catch (error) {
      await this.stop();
      throw new Error(`${error.message}\n--- the end of its log ---\n${this.log().slice(-4000)}`);
    }
  }

  #hasStarted() {
    if (!this.running) throw Object.assign(new Error('it has ended'), { final: true });
    return /^ready$/m.test(this.log());
  }

  get running() {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What the program and its driver wrote. */
  log() {
    return readFileSync(join(this.folder, 'log'), 'utf8');
  }

  async stop() {
    const ended = this.running ? new Promise((done) => this.#child.once('exit', done)) : undefined;
    this.#child.stdin.end();
    const impatience = setTimeout(() => this.#child.kill('SIGKILL'), 5_000);
    await ended;
    clearTimeout(impatience);
    this.#withdraw();
  }
}
