// One Redis or Valkey that keeps nothing on a disk, or one Sentinel: an ordinary process on a free loopback port, with the options of a test, stopped by its
// process id.
//
// It knows nothing about Accredit. A test can take it away in every way in which a Redis goes: killed, stopped for a while, begun again empty.

import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { dirname, join } from 'node:path';
import tls from 'node:tls';
import { ROOT, atExit, eventually, freePort, temporaryFolder } from './process.mjs';

const programs = {};
/** The path of the server of this kind: `redis` or `valkey`. A script in deploy/build finds or fetches it. */
const pathOf = (kind) =>
  (programs[kind] ??= execFileSync(join(ROOT, `deploy/build/${kind}.sh`), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim());

/** The folder with the programs of a Valkey: `valkey-server` and `valkey-cli`. */
export const valkeyPrograms = () => dirname(pathOf('valkey'));

export class Redis {
  #child;
  #exited;
  #withdraw;

  /**
   * Starts a Redis, or another `kind` of server. With an `authority` (lib/tls.mjs), it has TLS and a certificate for `name`; with a `password`, the default
   * user must log in with it, or the test logs in as `user`, whom it describes itself. `options` are further lines of its configuration.
   */
  static async start({ kind = 'redis', authority, name, user, password, options = [] } = {}) {
    const redis = Object.assign(new Redis(), { kind, authority, name, user, password, port: await freePort(), folder: temporaryFolder() });
    const at = (file) => join(redis.folder, file);
    const lines = ['bind 127.0.0.1', 'save ""', `dir ${redis.folder}`, 'repl-diskless-sync-delay 0', ...options];
    if (password && !user) lines.push(`requirepass ${password}`);
    if (authority) {
      const { certificate, key } = authority.issue(name);
      writeFileSync(at('certificate.pem'), certificate);
      writeFileSync(at('key.pem'), key);
      lines.push('port 0', `tls-port ${redis.port}`, 'tls-auth-clients no', `tls-ca-cert-file ${authority.file}`);
      lines.push(`tls-cert-file ${at('certificate.pem')}`, `tls-key-file ${at('key.pem')}`);
    } else {
      lines.push(`port ${redis.port}`);
    }
    writeFileSync(at('redis.conf'), `${lines.join('\n')}\n`);
    await redis.begin();
    return redis;
  }

  /** Starts a Sentinel that watches a Redis, together with others, of which two must agree that it is away. It is answered as the test is. */
  static async sentinel({ port, user, password }) {
    const sentinel = Object.assign(new Redis(), { kind: 'redis', port: await freePort(), folder: temporaryFolder(), flags: ['--sentinel'] });
    const lines = ['bind 127.0.0.1', `port ${sentinel.port}`, `dir ${sentinel.folder}`, `sentinel monitor store 127.0.0.1 ${port} 2`];
    lines.push(`sentinel auth-user store ${user}`, `sentinel auth-pass store ${password}`);
    lines.push('sentinel down-after-milliseconds store 1000', 'sentinel failover-timeout store 10000');
    writeFileSync(join(sentinel.folder, 'redis.conf'), `${lines.join('\n')}\n`);
    await sentinel.begin();
    return sentinel;
  }

  /** Starts it, after `kill` again and empty, on the same port. */
  async begin() {
    const output = openSync(join(this.folder, 'log'), 'a');
    this.#child = spawn(pathOf(this.kind), [join(this.folder, 'redis.conf'), ...(this.flags ?? [])], { stdio: ['ignore', output, output] });
    closeSync(output);
    this.#exited = new Promise((exited) => this.#child.once('exit', exited));
    this.#withdraw = atExit(() => this.#child.kill('SIGKILL'));
    try {
      await eventually('Redis answers', () => this.#isReady(), { every: 20 });
    } catch (error) {
      await this.stop();
      throw new Error(`${error.message}\n--- its log ---\n${readFileSync(join(this.folder, 'log'), 'utf8')}`);
    }
  }

  async #isReady() {
    if (!this.running) throw Object.assign(new Error('it has ended'), { final: true });
    return (await this.command('PING')) === 'PONG';
  }

  get running() {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Ends it at once. It cannot keep anything. */
  async kill() {
    if (this.running) this.#child.kill('SIGKILL');
    await this.#exited;
    this.#withdraw();
  }

  stop() {
    return this.kill();
  }

  /** From now on it accepts connections and answers nothing, until `resume`. */
  pause() {
    this.#child.kill('SIGSTOP');
  }

  resume() {
    this.#child.kill('SIGCONT');
  }

  get #login() {
    return this.password ? [['AUTH', ...(this.user ? [this.user] : []), this.password]] : [];
  }

  /** Sends a command, as the default user or the test's. Resolves with its reply: a text with a character for each byte, a number, null, or an array of these. */
  async command(...words) {
    const commands = [...this.#login, words, ['QUIT']];
    const values = valuesIn(await this.#exchange(commands.map(encoded).join('')));
    const value = values.at(-2);
    if (values.length !== commands.length || value instanceof Error) throw new Error(`Redis answered ${words[0]} with ${value?.message ?? 'nothing'}`);
    return value;
  }

  /** Adds entries to a stream, whose field is Accredit's: a thousand at a time. `id` gives the id of each by its number, if Redis is not to make it. */
  async add(stream, entries, id = () => '*') {
    for (let at = 0; at < entries.length; at += 1_000) {
      const adds = entries.slice(at, at + 1_000).map((entry, index) => encoded(['XADD', stream, id(at + index), 'e', entry]));
      const values = valuesIn(await this.#exchange([...this.#login.map(encoded), ...adds, encoded(['QUIT'])].join('')));
      const fault = values.find((value) => value instanceof Error);
      if (fault || values.length !== this.#login.length + adds.length + 1) throw new Error(`Redis answered XADD with ${fault?.message ?? 'too little'}`);
    }
  }

  /** Sends bytes, and resolves with what comes until Redis closes the connection. */
  #exchange(bytes) {
    return new Promise((done, failed) => {
      const where = { host: '127.0.0.1', port: this.port };
      const socket = this.authority ? tls.connect({ ...where, ca: this.authority.pem, servername: this.name }) : net.connect(where);
      let came = '';
      socket.setEncoding('latin1').on('data', (text) => (came += text));
      socket.on('end', () => done(came)).on('error', failed);
      socket.setTimeout(5000, () => socket.destroy(new Error('Redis does not answer')));
      // A Sentinel knows no QUIT: it closes when it has heard all.
      if (this.flags) socket.end(bytes, 'latin1');
      else socket.write(bytes, 'latin1');
    });
  }
}

/** A command as Redis reads it. */
const encoded = (words) => `*${words.length}\r\n${words.map((word) => `$${String(word).length}\r\n${word}\r\n`).join('')}`;

/** The values in an answer; an error is an Error. */
function valuesIn(answer) {
  let at = 0;
  const line = () => {
    const end = answer.indexOf('\r\n', at);
    if (end < 0) throw new Error(`Redis closed the connection in the middle of an answer, behind ${at} bytes`);
    const text = answer.slice(at, end);
    at = end + 2;
    return text;
  };
  const bytes = (length) => {
    at += length + 2;
    return answer.slice(at - length - 2, at - 2);
  };
  const value = () => {
    const [kind, rest] = [answer[at], line().slice(1)];
    if (rest === '-1' && '*$'.includes(kind)) return null;
    if (kind === '*') return Array.from({ length: Number(rest) }, value);
    if (kind === '$') return bytes(Number(rest));
    if (kind === ':') return Number(rest);
    return kind === '-' ? new Error(rest) : rest;
  };
  const values = [];
  while (at < answer.length) values.push(value());
  return values;
}
