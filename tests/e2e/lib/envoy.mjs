// One Envoy process: started from a bootstrap that is a value, observed through its log and its admin port, and stopped by its process id.
//
// It knows nothing about Accredit but the names in its log and counters. `gateway.mjs` makes the bootstrap from the shipped files.

import { execFile, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { ROOT, atExit, envoyPath, eventually, temporaryFolder } from './process.mjs';

/** A line of Envoy's own log. Envoy writes the access log in blocks, to the same file, so that such a line may stand in the middle of a line of that. */
const OWN_LINE = /\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\]\[\d+\]\[\w+\]\[\w+\] .*\n/g;

const LOG_LEVELS = ['--log-level', 'warning', '--component-log-level', 'wasm:info'];

export class Envoy {
  #child;
  #exited;
  #withdraw;
  #failure = '';

  /** Starts Envoy and resolves when it serves. `bootstrap` is an object with the admin port 0, the same as a text, or a function that makes one from this Envoy's folder. When a
   *  listener is replaced, its open connections have `drain` seconds to end. */
  static async start(bootstrap, { concurrency = 1, environment = {}, drain = 1, within = 30_000 } = {}) {
    const envoy = new Envoy();
    envoy.folder = temporaryFolder();
    envoy.#spawn(typeof bootstrap === 'function' ? bootstrap(envoy.folder) : bootstrap, concurrency, environment, drain);
    try {
      await eventually('Envoy serves', () => envoy.#isReady(), { within, every: 20 });
    } catch (error) {
      await envoy.stop();
      throw new Error(`${error.message}\n--- the end of its log ---\n${envoy.log().slice(-4000)}`);
    }
    return envoy;
  }

  #spawn(bootstrap, concurrency, environment, drain) {
    const file = join(this.folder, 'envoy.yaml');
    const adminFile = join(this.folder, 'admin');
    writeFileSync(file, typeof bootstrap === 'string' ? bootstrap : stringify(bootstrap, { aliasDuplicateObjects: false }));
    // Files, not pipes: Envoy opens /dev/stdout again for its access log, which fails if that is a socket of Node.
    const output = openSync(join(this.folder, 'log'), 'a');
    const options = [
      '-c',
      file,
      '--use-dynamic-base-id',
      '--concurrency',
      String(concurrency),
      '--admin-address-path',
      adminFile,
      '--drain-time-s',
      String(drain),
      '--file-flush-interval-msec',
      '50',
    ];
    this.#child = spawn(envoyPath(), [...options, ...LOG_LEVELS], {
      cwd: ROOT,
      env: { PATH: process.env.PATH, ...environment },
      stdio: ['ignore', output, output],
    });
    closeSync(output);
    this.#exited = new Promise((exited) => {
      this.#child.once('error', (error) => {
        this.#failure = `${error.message}\n`;
        exited();
      });
      this.#child.once('exit', exited);
    });
    this.#withdraw = atExit(() => this.#child.kill('SIGKILL'));
  }

  async #isReady() {
    if (!this.running) throw Object.assign(new Error('it has ended'), { final: true });
    this.adminPort ??= Number(readFileSync(join(this.folder, 'admin'), 'utf8').split(':').at(-1)) || undefined;
    return (await this.admin('/ready')).startsWith('LIVE');
  }

  get running() {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined;
  }

  get pid() {
    return this.#child.pid;
  }

  /** All output of Envoy and the filter, including the access log; with a mark, only what was written after it. */
  log(mark = 0) {
    return this.#failure + readFileSync(join(this.folder, 'log'), 'latin1').slice(mark);
  }

  /** All output until now, which is then forgotten: for runs that are so long that it would fill the disk. */
  takeLog() {
    const told = this.log();
    truncateSync(join(this.folder, 'log'));
    return told;
  }

  /** The lines of the access log, which the shipped file writes as JSON. */
  accessLog(mark = 0) {
    return this.log(mark)
      .replaceAll(OWN_LINE, '')
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
  }

  /** The filter's audit lines: the values after `accredit audit`. */
  auditLog(mark = 0) {
    return this.log(mark)
      .split('\n')
      .map((line) => /accredit audit (\{.*\})/.exec(line)?.[1])
      .filter(Boolean)
      .map((text) => JSON.parse(text));
  }

  mark() {
    return this.log().length;
  }

  admin(path, method = 'GET') {
    return new Promise((answer, failed) => {
      const request = http.request({ host: '127.0.0.1', port: this.adminPort, path, method, agent: false }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text) => (body += text));
        response.on('end', () => (response.statusCode === 200 ? answer(body) : failed(new Error(`admin ${path}: ${response.statusCode} ${body}`))));
      });
      request.on('error', failed);
      request.setTimeout(5000, () => request.destroy(new Error(`admin ${path}: no answer`)));
      request.end();
    });
  }

  /** The counters and gauges whose name matches the regular expression, by name. */
  async stats(filter = '.') {
    const text = await this.admin(`/stats?filter=${encodeURIComponent(filter)}`);
    const pairs = text
      .split('\n')
      .map((line) => /^(.*): (\d+)$/.exec(line))
      .filter(Boolean);
    return Object.fromEntries(pairs.map(([, name, value]) => [name, Number(value)]));
  }

  /** A counter of the filter: the sum over all prefixes that Envoy puts before its name; 0 if it was never counted. */
  async counter(name) {
    const found = await this.stats(`(^|\\.)${name}$`);
    return Object.values(found).reduce((sum, value) => sum + value, 0);
  }

  async stop() {
    if (this.running) this.#child.kill('SIGTERM');
    const impatience = setTimeout(() => this.#child.kill('SIGKILL'), 5000);
    await this.#exited;
    clearTimeout(impatience);
    this.#withdraw();
  }
}

/** Replaces a file that Envoy watches by renaming a new one, because Envoy notices only that. */
export function replaceFile(path, value) {
  writeFileSync(`${path}.new`, stringify(value, { aliasDuplicateObjects: false }));
  renameSync(`${path}.new`, path);
}

/** Runs `envoy --mode validate`, which loads and configures the module, and does not serve. `options` are further options of the command line. */
export function validate(bootstrap, { environment = {}, options = [] } = {}) {
  const file = join(temporaryFolder(), 'envoy.yaml');
  writeFileSync(file, stringify(bootstrap, { aliasDuplicateObjects: false }));
  return validateFile(file, { environment, options });
}

/** The same for a file; relative paths in it begin at `folder`. Resolves with {code, log}. It does not block this process, so that its servers can answer other
 *  Envoys meanwhile. */
export async function validateFile(file, { folder = ROOT, environment = {}, options = [] } = {}) {
  const run = promisify(execFile)(
    envoyPath(),
    ['--mode', 'validate', '-c', file, '--use-dynamic-base-id', '--concurrency', '1', '--log-level', 'error', '--component-log-level', 'wasm:info', ...options],
    {
      cwd: folder,
      env: { PATH: process.env.PATH, ...environment },
      maxBuffer: 1 << 28,
      timeout: 60_000,
    },
  );
  const {
    code = 0,
    stdout,
    stderr,
  } = await run.catch((error) => {
    if (typeof error.code !== 'number') throw error;
    return error;
  });
  return { code, log: `${stdout}${stderr}` };
}
