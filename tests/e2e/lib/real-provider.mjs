// OpenID providers that nobody here wrote, each in a process of its own: tests/e2e/providers has a driver for each, which sets it up with the people, the groups
// and the client of a test. Their packages are fetched once, in pinned versions (deploy/build/provider.sh, and this folder's package-lock.json).
//
// Browsers visit the provider itself, at its issuer. The gateway's calls pass a recorder, which changes nothing: so a test sees what the provider really answers.

import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { ROOT, atExit, closeServer, eventually, freePort, listen, temporaryFolder } from './process.mjs';

export const PEOPLE = {
  alice: { name: 'Alice Adams', email: 'alice@example.com', password: 'alice-password-1', groups: ['admins', 'staff'] },
  bob: { name: 'Bob Brown', email: 'bob@example.com', password: 'bob-password-2', groups: ['staff'] },
};

/** Prints the path of a Python that has this provider, which is fetched if it is missing. */
const python = (name) => execFileSync(join(ROOT, 'deploy/build/provider.sh'), [name], { encoding: 'utf8' }).trim();

const DRIVERS = join(ROOT, 'tests/e2e/providers');

export class RealProvider {
  #child;
  #recorder;
  #withdraw;

  /** What the gateway asked, in order: {path, method, headers, form, status, answer}; `answer` is a text. */
  calls = [];

  /**
   * `name` is that of the driver, `program` its file. The client may come back to these origins. Access tokens are valid for `lifetime` seconds. Whatever else is
   * in `settings` is passed to the driver.
   */
  static async start({ name, program, issuer = (origin) => origin }, { origins, lifetime = 3_600, ...settings }) {
    const provider = new RealProvider();
    const own = await freePort();
    provider.folder = temporaryFolder();
    provider.clientSecret = randomBytes(24).toString('hex');
    provider.issuer = issuer(`http://127.0.0.1:${own}`);
    provider.#spawn(program.endsWith('.py') ? python(name) : process.execPath, program, {
      port: own,
      issuer: provider.issuer,
      folder: provider.folder,
      random: randomBytes(32).toString('hex'),
      people: PEOPLE,
      client_id: 'accredit-demo',
      client_secret: provider.clientSecret,
      redirect_uris: origins.map((origin) => `${origin}/api/callback`),
      post_logout_redirect_uris: origins.map((origin) => `${origin}/`),
      lifetime,
      ...settings,
    });
    provider.#recorder = http.createServer((request, response) => void provider.#record(own, request, response));
    provider.port = await listen(provider.#recorder, await freePort());
    try {
      await eventually(`${name} has started`, () => provider.#hasStarted(), { within: 60_000 });
    } catch (error) {
      await provider.stop();
      throw new Error(`${error.message}\n--- the end of its log ---\n${provider.log().slice(-4000)}`);
    }
    return provider;
  }

  #spawn(command, program, settings) {
    const output = openSync(join(this.folder, 'log'), 'a');
    this.#child = spawn(command, [join(DRIVERS, program)], {
      cwd: this.folder,
      env: { PATH: process.env.PATH, PYTHONDONTWRITEBYTECODE: '1' },
      stdio: ['pipe', output, output],
    });
    closeSync(output);
    this.#child.once('error', () => {});
    this.#child.stdin.on('error', () => {}).write(`${JSON.stringify(settings)}\n`);
    this.#withdraw = atExit(() => this.#child.kill('SIGKILL'));
  }

  #hasStarted() {
    if (!this.#isRunning()) throw Object.assign(new Error('it has ended'), { final: true });
    return /^ready$/m.test(this.log());
  }

  #isRunning() {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What the provider wrote. */
  log() {
    return readFileSync(join(this.folder, 'log'), 'utf8');
  }

  async #record(port, request, response) {
    const body = await textOf(request);
    const { method, url: path, headers } = request;
    const call = { method, path, headers, form: new URLSearchParams(body) };
    this.calls.push(call);
    const asked = http.request({ host: '127.0.0.1', port, method, path, headers, agent: false }, async (answered) => {
      call.status = answered.statusCode;
      call.answer = await textOf(answered);
      delete answered.headers['transfer-encoding'];
      delete answered.headers.connection;
      response.writeHead(answered.statusCode, answered.headers).end(call.answer, 'latin1');
    });
    asked.once('error', () => response.destroy());
    asked.end(body, 'latin1');
  }

  /** The answers of the token endpoint with status 200, as objects. */
  grants() {
    return this.calls.filter(({ form, status }) => form.has('grant_type') && status === 200).map(({ answer }) => JSON.parse(answer));
  }

  async stop() {
    if (this.#recorder) await closeServer(this.#recorder);
    const ended = this.#isRunning() ? new Promise((done) => this.#child.once('exit', done)) : undefined;
    this.#child.stdin.end();
    const impatience = setTimeout(() => this.#child.kill('SIGKILL'), 5_000);
    await ended;
    clearTimeout(impatience);
    this.#withdraw();
  }
}

async function textOf(stream) {
  let text = '';
  for await (const part of stream.setEncoding('latin1')) text += part;
  return text;
}
