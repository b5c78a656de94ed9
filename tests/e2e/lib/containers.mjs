// Runs the services of a compose project as processes of this machine: with the commands, variables, mounts, health checks, ports and order of the file, and
// with a DNS server that knows the services by name.
//
// Only three things differ from the containers: mounted paths become paths of this machine, 0.0.0.0 becomes 127.0.0.1 (no test listens on a network), and the
// gateway uses the DNS server. Users, capabilities and networks need a container engine; only compose.test.mjs checks them, in the file.

import { spawn, spawnSync } from 'node:child_process';
import dgram from 'node:dgram';
import { closeSync, mkdirSync, openSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { decode, encode } from 'dns-packet';
import { parse, stringify } from 'yaml';
import { FOLDER, interpolated, mounted } from './compose.mjs';
import { pluginOf } from './gateway.mjs';
import { valkeyPrograms } from './redis.mjs';
import { ROOT, atExit, envoyPath, eventually, temporaryFolder, wasmPath } from './process.mjs';

const LOOPBACK = '127.0.0.1';

/** Starts all services of a project in the order of their `depends_on`; each is started when those before it are healthy. */
export class Deployment {
  #project;
  #scenario;
  #dns;
  #folder = temporaryFolder();
  #running = new Map();

  static async start(project, { scenario, keys = undefined, without = [] } = {}) {
    const deployment = new Deployment();
    deployment.#project = project;
    deployment.#scenario = scenario;
    deployment.keys = keys ?? join(deployment.#folder, 'keys');
    await portsAreFree(project);
    try {
      deployment.#dns = await startDns(Object.keys(project.services));
      for (const name of inOrder(project)) if (!without.includes(name)) await deployment.#begin(name);
    } catch (error) {
      await deployment.stop();
      throw error;
    }
    return Object.assign(deployment, { origin: 'http://localhost:10000', host: 'localhost:10000' });
  }

  async #begin(name) {
    const service = this.#project.services[name];
    const process = this.#spawn(name, service);
    this.#running.set(name, process);
    if (!service.healthcheck) {
      const code = await process.ended;
      if (code !== 0) throw new Error(`${name} ended with ${code}\n${this.log(name)}`);
      return;
    }
    await eventually(
      `${name} is healthy`,
      () => {
        if (process.child.exitCode !== null)
          throw Object.assign(new Error(`it ended with ${process.child.exitCode}\n${this.log(name).slice(-3000)}`), { final: true });
        return this.healthy(name);
      },
      { within: 20_000, every: 100 },
    );
  }

  #spawn(name, service) {
    const { command, options } = this.#prepared(name, service);
    const [program, ...words] = [...(service.entrypoint ?? []), ...service.command].map((word) => this.#here(name, interpolated(word, this.#environment)));
    const extra = command ?? [];
    const output = openSync(join(this.#folder, `${name}.log`), 'a');
    const child = spawn(program, [...words, ...extra], { ...options, stdio: ['ignore', output, output] });
    closeSync(output);
    const ended = new Promise((done) => {
      child.once('error', (error) => done(error.message));
      child.once('exit', (code, signal) => done(code ?? signal));
    });
    return { child, ended, withdraw: atExit(() => child.kill('SIGKILL')) };
  }

  get #environment() {
    return this.#scenario === undefined ? {} : { SCENARIO: this.#scenario };
  }

  /** The folder and the variables of a service's process, and further arguments of the gateway. */
  #prepared(name, service) {
    const env = { PATH: process.env.PATH };
    for (const [key, value] of Object.entries(service.environment ?? {})) env[key] = this.#here(name, interpolated(value, this.#environment));
    if (name === 'redis') env.PATH = `${valkeyPrograms()}:${env.PATH}`;
    const cwd = name === 'gateway' ? this.#folder : join(ROOT, 'deploy/demo'); // WORKDIR of demo.Dockerfile
    return { options: { cwd, env }, command: name === 'gateway' ? ['--config-yaml', JSON.stringify(this.#dns.resolver)] : [] };
  }

  /** A word of the file, replaced by what it is on this machine. */
  #here(name, word) {
    const { volumes = [] } = this.#project.services[name];
    const bind = volumes.map(mounted).find(({ bind: is, target }) => is && target === word);
    if (bind) return this.#file(interpolated(bind.source, this.#environment));
    if (word === '/keys') return this.#keysOf(name, volumes);
    if (word === '/mail') return this.mail;
    if (word === '0.0.0.0') return LOOPBACK;
    if (word === 'envoy') return envoyPath();
    if (word === 'node') return process.execPath;
    return word;
  }

  /** The path of a mounted file. Of an Envoy file, it is a copy that listens only on loopback and has the built module. */
  #file(source) {
    const path = resolve(ROOT, FOLDER, source);
    if (!path.endsWith('.yaml')) return path;
    const bootstrap = parse(readFileSync(path, 'utf8'), { merge: true });
    const [listener] = bootstrap.static_resources.listeners;
    for (const { address } of [bootstrap.admin, listener]) address.socket_address.address = LOOPBACK;
    pluginOf(listener).vm_config.code.local.filename = wasmPath();
    const copy = join(this.#folder, 'envoy.yaml');
    writeFileSync(copy, stringify(bootstrap, { aliasDuplicateObjects: false }));
    return copy;
  }

  /** A folder with the secrets that are mounted into this service, and no others. */
  #keysOf(name, volumes) {
    const folder = join(this.#folder, 'mounted', name);
    mkdirSync(folder, { recursive: true });
    for (const { source, bind } of volumes.map(mounted).filter((each) => each.target.startsWith('/keys/'))) {
      if (bind) throw new Error('secrets stand in volumes');
      mkdirSync(join(this.keys, source), { recursive: true });
      try {
        symlinkSync(join(this.keys, source), join(folder, source));
      } catch (error) {
        if (error.code !== 'EEXIST') throw error;
      }
    }
    return folder;
  }

  get mail() {
    return join(this.#folder, 'mail');
  }

  /** Runs the service's health check once. */
  healthy(name) {
    const {
      test: [, ...words],
    } = this.#project.services[name].healthcheck;
    const { options } = this.#prepared(name, this.#project.services[name]);
    const [program, ...rest] = words.map((word) => this.#here(name, interpolated(word)));
    return spawnSync(program, rest, { ...options, timeout: 5000 }).status === 0;
  }

  log(name) {
    return readFileSync(join(this.#folder, `${name}.log`), 'latin1');
  }

  /** The names that Envoy has asked for. */
  get asked() {
    return this.#dns.asked;
  }

  get names() {
    return [...this.#running.keys()];
  }

  pid(name) {
    return this.#running.get(name).child.pid;
  }

  /** Stops the services as `docker compose stop` does, the last one first: SIGTERM, and SIGKILL after five seconds. Resolves with how each ended. */
  async stop() {
    const how = {};
    for (const [name, { child, ended, withdraw }] of [...this.#running].reverse()) {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), 5000);
      how[name] = await ended;
      clearTimeout(late);
      withdraw();
    }
    this.#running.clear();
    await this.#dns?.stop();
    return how;
  }
}

/** The names of the services, each after those that it waits for. */
function inOrder({ services }) {
  const order = [];
  const visit = (name, way = []) => {
    if (way.includes(name)) throw new Error(`services wait for each other: ${[...way, name].join(' → ')}`);
    for (const other of Object.keys(services[name].depends_on ?? {})) visit(other, [...way, name]);
    if (!order.includes(name)) order.push(name);
  };
  Object.keys(services).forEach((name) => visit(name));
  return order;
}

/** Fails if a port is taken. The ports are those in the demo's files, so that two demos cannot run at the same time. */
async function portsAreFree({ services }) {
  const published = Object.values(services).flatMap(({ ports = [] }) => ports.map((port) => Number(port.split(':')[1])));
  for (const port of [...published, 6379, 9100, 9300, 9301]) {
    await new Promise((free, failed) => {
      const probe = createServer().once('error', ({ code }) =>
        failed(
          new Error(`port ${port} cannot be had (${code}): this test uses the demo's own addresses; end "make demo" or "docker compose", then run it again`),
        ),
      );
      probe.listen(port, LOOPBACK, () => probe.close(free));
    });
  }
}

/** Starts a DNS server that answers for these names with 127.0.0.1, as the engine's DNS server answers for services. `resolver` makes Envoy use it. */
export async function startDns(names) {
  const socket = dgram.createSocket('udp4');
  const asked = new Set();
  socket.on('message', (message, from) => {
    const { id, questions } = decode(message);
    const [{ name, type }] = questions;
    asked.add(name);
    const known = names.includes(name);
    const answers = known && type === 'A' ? [{ type: 'A', name, ttl: 1, data: LOOPBACK }] : [];
    socket.send(encode({ type: 'response', id, questions, answers, flags: known ? 0 : 3 }), from.port, from.address);
  });
  await new Promise((ready, failed) => {
    socket.once('error', failed);
    socket.bind(0, LOOPBACK, ready);
  });
  const withdraw = atExit(() => socket.close());
  const at = { socket_address: { address: LOOPBACK, port_value: socket.address().port } };
  return {
    asked,
    resolver: {
      typed_dns_resolver_config: {
        name: 'envoy.network.dns_resolver.cares',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig',
          resolvers: [at],
          dns_resolver_options: { no_default_search_domain: true },
        },
      },
    },
    stop: () =>
      new Promise((done) => {
        withdraw();
        socket.close(done);
      }),
  };
}
