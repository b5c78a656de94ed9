// Runs the demo: an Envoy with the filter, a provider and an application, until Ctrl-C. `ENVOY=/path/to/envoy node run.mjs [SCENARIO]`
//
// The provider, the application and the other services run in this process; Envoy is its only child. However this process ends (by Ctrl-C, SIGTERM, a closed
// terminal or an error), it ends Envoy first. If Envoy ends by itself, this process prints the last lines of Envoy's log and ends.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream, mkdirSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startApp } from './app.mjs';
import { startMail } from './mail.mjs';
import { startProvider, USERS } from './provider.mjs';
import { ADMIN, GATEWAY, MAIL, PORTS, SCENARIOS } from './scenarios.mjs';
import { startUsers } from './users.mjs';

const LABELS = { admin: 'Envoy admin', front: 'front end', users: 'user service', mail: 'mail service' };

const root = fileURLToPath(new URL('../..', import.meta.url));
const name = process.argv[2] ?? 'bff';
const scenario = Object.hasOwn(SCENARIOS, name) ? SCENARIOS[name] : give(`there is no scenario ${name}; there are: ${Object.keys(SCENARIOS).join(', ')}`);
const secrets = { OIDC_CLIENT_SECRET: secret(), ACCREDIT_KEY: secret(), SESSION_JWT_SECRET: secret() };
const running = []; // functions that stop what was started, in the order of starting
let stopping = false;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop(0));
process.on('uncaughtException', (error) => {
  console.error(error);
  void stop(1);
});

await portsAreFree();
rmSync(`${root}${MAIL}`, { recursive: true, force: true }); // delete the letters of an earlier run
const atProvider = scenario.provider?.(secrets);
const provider = atProvider && (await startProvider({ port: PORTS.provider, ...atProvider }));
if (provider) running.push(provider.close);
const app = await (scenario.mcp ?? startApp)({ port: PORTS.application, ...scenario.application });
running.push(app.close);
if (scenario.users) running.push((await startUsers({ port: PORTS.users })).close);
if (scenario.mail) running.push((await startMail({ port: PORTS.mail, maildir: `${root}${MAIL}`, smtp: process.env.SMTP_URL })).close);
if (scenario.front) running.push((await scenario.front({ port: PORTS.front, gateway: GATEWAY })).close);
const envoy = startEnvoy();
running.push(envoy.close);
await ready();

const { toTry } = scenario;
const column = Math.max(...toTry.map(([what, why]) => (why ? what.length : 0)));
console.log(`
  Accredit, scenario ${name}: ${scenario.about}

  Gateway      ${GATEWAY}
${provider ? people() : ''}  Envoy admin  ${ADMIN}
  Envoy's log  ${envoy.log}

  To try
    ${toTry.map(([what, why]) => `${what.padEnd(column)}  ${why}`.trimEnd()).join('\n    ')}

  Ctrl-C ends it. What the filter audits appears here:
`);

function people() {
  const users = Object.entries(atProvider.users ?? USERS).map(([login, user]) => `${login} / ${user.password} (${user.claims.groups.join(', ')})`);
  return `  Users        ${users.join('\n               ')}
  Provider     ${provider.issuer}
`;
}

function secret() {
  return randomBytes(32).toString('base64');
}

function give(message) {
  console.error(`accredit: ${message}`);
  process.exit(1);
}

async function portsAreFree() {
  const needed = ['gateway', 'admin', 'provider', 'application', ...['front', 'users', 'mail'].filter((what) => scenario[what])];
  for (const what of needed) {
    const port = PORTS[what];
    await new Promise((resolve) => {
      const probe = createServer().once('error', (error) =>
        give(`port ${port}, for the ${LABELS[what] ?? what}, cannot be had (${error.code}): is another demo running?`),
      );
      probe.listen(port, '127.0.0.1', () => probe.close(resolve));
    });
  }
}

function startEnvoy() {
  const log = `${root}target/demo/envoy.log`;
  mkdirSync(`${root}target/demo`, { recursive: true });
  const file = createWriteStream(log);
  const lastLines = [];

  const options = ['-c', scenario.config, '--concurrency', '2', '--disable-hot-restart', '-l', 'warning', '--component-log-level', 'wasm:info'];
  const child = spawn(process.env.ENVOY ?? 'envoy', options, {
    cwd: root, // the configuration names the module relative to the repository
    env: { ...process.env, ...secrets },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // in a process group of its own, so that Ctrl-C in a terminal does not reach it: only this process ends it
  });
  const ended = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`)); // not `exit`, after which the last lines can still come
  });
  process.once('exit', () => child.kill('SIGKILL')); // if all else fails; does nothing if Envoy has ended

  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      file.write(`${line}\n`);
      lastLines.push(line);
      if (lastLines.length > 25) lastLines.shift();
      const audit = line.indexOf('accredit audit ');
      if (audit >= 0) console.log(`  ${line.slice(audit)}`);
    });
  }
  void ended.then((how) => {
    if (stopping) return;
    console.error(`${lastLines.join('\n')}\n\naccredit: Envoy ended (${how}); its last lines are above, all of them in ${log}`);
    void stop(1);
  });

  return {
    log,
    async close() {
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), 5000);
      await ended;
      clearTimeout(late);
      await new Promise((resolve) => file.end(resolve));
    },
  };
}

/** Waits until Envoy listens, which it does when the filter has accepted its configuration. It sends no request, because that would be logged and counted. */
async function ready() {
  for (let tries = 0; tries < 150 && !stopping; tries += 1) {
    if (await listens(PORTS.gateway)) return;
    await sleep(100);
  }
  if (stopping) return new Promise(() => {}); // it is ending already: never announce that it runs
  console.error(`accredit: nothing listens at ${GATEWAY} after 15 s; see ${envoy.log}`);
  await stop(1);
}

function listens(port) {
  return new Promise((resolve) => {
    const probe = connect(port, '127.0.0.1', () => {
      probe.destroy();
      resolve(true);
    }).once('error', () => resolve(false));
  });
}

async function stop(code) {
  if (stopping) return;
  stopping = true;
  for (const close of running.reverse()) {
    // If one of them does not stop, stop the others all the same.
    try {
      await close();
    } catch (error) {
      console.error(error);
    }
  }
  process.exit(code);
}
