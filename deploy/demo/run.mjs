// Runs the demo: an Envoy with the filter, a provider and an application, until Ctrl-C. `ENVOY=/path/to/envoy node run.mjs [SCENARIO]`
//
// Provider, application and the other services live in this process; Envoy is its only child. However this ends, Envoy ends first: by Ctrl-C, SIGTERM, a closed
// terminal or a fault. And when Envoy ends, this does, with the end of Envoy's log.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream, mkdirSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startApp } from './app.mjs';
import { startFront } from './front.mjs';
import { startMail } from './mail.mjs';
import { startPasswordFront } from './password-front.mjs';
import { demoClient, googleClient, jwtAccessTokens, popupClient, spaClient, startProvider, USERS, VISITORS } from './provider.mjs';
import { startUsers } from './users.mjs';

const GATEWAY = 'http://localhost:10000';
const ADMIN = 'http://127.0.0.1:9901';
const FRONT = 'http://localhost:9200';
const USER_SERVICE = 'http://127.0.0.1:9300';
const MAIL_SERVICE = 'http://127.0.0.1:9301';
const MAIL = 'target/demo/mail';
const ALICE = '{"username":"alice","password":"alice-password"}';
const PORTS = { gateway: 10000, 'Envoy admin': 9901, provider: 9000, application: 9100 };

// config: Envoy's file · provider: what the provider is started with, given the secrets
// start: what else runs beside it, each closed at the end · ports: those that it takes
const SCENARIOS = {
  bff: {
    about: 'sessions in sealed cookies; no script of a page sees a token',
    config: 'envoy/bff.yaml',
    provider: ({ OIDC_CLIENT_SECRET }) => ({ clients: [demoClient(OIDC_CLIENT_SECRET, GATEWAY)] }),
    toTry: [
      [`${GATEWAY}/analytics`, 'in a browser: sign in at the provider, and come back to the page'],
      [`${GATEWAY}/members`, 'as alice, then as bob: she may see it; he gets a page that says why not'],
      [`${GATEWAY}/chat`, 'a public page whose API is not: 401, 403 or an answer'],
      [`${GATEWAY}/api/headers`, 'what the application is told about you'],
      [`curl -i ${GATEWAY}/api/chat`, 'programs get 401 and JSON, never a redirect'],
      [`curl -i -H 'X-Forwarded-User: root' ${GATEWAY}/`, 'nobody becomes root by saying so'],
      [`curl -s '${ADMIN}/stats?filter=accredit'`, 'what the filter has counted'],
    ],
  },
  'spa-tokens': {
    about: 'a front end on another origin, which keeps its own token and sends it with every call',
    config: 'envoy/spa-tokens.yaml',
    provider: ({ OIDC_CLIENT_SECRET }) => ({ clients: [spaClient(OIDC_CLIENT_SECRET, FRONT)], configuration: jwtAccessTokens() }),
    start: [() => startFront({ port: portOf(FRONT), gateway: GATEWAY })],
    ports: { 'front end': portOf(FRONT) },
    toTry: [
      [FRONT, 'in a browser: call the API, sign in as alice, call it again; then as bob, in a private window'],
      [`curl -i ${GATEWAY}/api/chat`, '401 and a challenge: only a token will do'],
      [`curl -i ${GATEWAY}/api/authorize`, 'where the front end sends a person, and the cookie of that sign-in'],
      [`curl -i -H 'Authorization: Bearer x' ${GATEWAY}/api/analytics`, '401 token_invalid'],
      [`curl -s '${ADMIN}/stats?filter=accredit'`, 'what the filter has counted'],
    ],
  },
  'google-session': {
    about: 'sign-in with a provider such as Google; the session is a JWT that the application reads',
    config: 'envoy/google-session.yaml',
    provider: ({ OIDC_CLIENT_SECRET }) => ({ clients: [googleClient(OIDC_CLIENT_SECRET, GATEWAY)], configuration: { conformIdTokenClaims: true } }),
    application: { login: '/auth/login', logout: '/auth/logout' },
    toTry: [
      [GATEWAY, 'in a browser: a public page; sign in, and it knows you'],
      [`${GATEWAY}/api/user`, 'who the session says you are'],
      [`${GATEWAY}/api/headers`, 'what the application is told about you, the session among it'],
      [`curl -i ${GATEWAY}/api/protected`, 'programs get 401 and JSON, never a redirect'],
      [`curl -i -H 'Cookie: access_token=forged' ${GATEWAY}/`, 'on a public page a forged session is nobody'],
    ],
  },
  'password-and-popup': {
    about: 'a front end whose login form posts JSON, and whose other button opens the provider in a popup',
    config: 'envoy/password-and-popup.yaml',
    provider: ({ OIDC_CLIENT_SECRET }) => ({ clients: [popupClient(OIDC_CLIENT_SECRET, GATEWAY)], users: VISITORS }),
    start: [
      () => startUsers({ port: portOf(USER_SERVICE) }),
      () => startMail({ port: portOf(MAIL_SERVICE), maildir: `${root}${MAIL}`, smtp: process.env.SMTP_URL }),
      () => startPasswordFront({ port: portOf(FRONT), gateway: GATEWAY }),
    ],
    ports: { 'front end': portOf(FRONT), 'user service': portOf(USER_SERVICE), 'mail service': portOf(MAIL_SERVICE) },
    toTry: [
      [FRONT, 'in a browser: sign in as alice@example.com by the form, or as carol in the popup, who is new'],
      [`curl -i -H 'Content-Type: application/json' -d '{"email":"bob@example.com","password":"bob-password"}' ${GATEWAY}/api/auth/login`, ''],
      [`curl -i ${GATEWAY}/api/headers`, '401 token_missing'],
      [`curl -i ${GATEWAY}/api/auth/google/url`, 'where the front end sends the popup, and the cookie of that sign-in'],
      [`curl -s ${USER_SERVICE}/api/users/email/carol@example.com`, '404, until carol has been here'],
      [`cat ${MAIL}/new/*`, 'the letter that she got (SMTP_URL=… sends it instead)'],
      [`curl -s '${ADMIN}/stats?filter=accredit'`, 'what the filter has counted'],
    ],
  },
  'login-microservices': {
    about: 'microservices behind bearer tokens, and the login that gives them out; there is no provider',
    config: 'envoy/login-microservices.yaml',
    start: [() => startUsers({ port: portOf(USER_SERVICE) })],
    ports: { 'user service': portOf(USER_SERVICE) },
    toTry: [
      [`curl -i ${GATEWAY}/api/headers`, '401 token_missing'],
      [`curl -i -H 'Content-Type: application/json' -d '${ALICE}' ${GATEWAY}/login`, ''],
      [`TOKEN=$(curl -s -H 'Content-Type: application/json' -d '${ALICE}' ${GATEWAY}/login | sed 's/.*"access_token": *"\\([^"]*\\)".*/\\1/')`, ''],
      [`curl -i -H "Authorization: Bearer $TOKEN" ${GATEWAY}/api/headers`, 'what a service is told about who asks'],
      [`curl -i -H "Authorization: Bearer $TOKEN" ${GATEWAY}/api/admin`, '404 of the application for alice; 403 for bob (bob-password)'],
      [`curl -i -H 'Authorization: Bearer x' ${GATEWAY}/api/headers`, '401 token_invalid'],
    ],
  },
};

function portOf(url) { return Number(new URL(url).port); }

const root = fileURLToPath(new URL('../..', import.meta.url));
const name = process.argv[2] ?? 'bff';
const scenario = Object.hasOwn(SCENARIOS, name) ? SCENARIOS[name] : give(`there is no scenario ${name}; there are: ${Object.keys(SCENARIOS).join(', ')}`);
const secrets = { OIDC_CLIENT_SECRET: secret(), ACCREDIT_KEY: secret(), SESSION_JWT_SECRET: secret() };
const running = []; // how to stop what was started, in the order of starting
let stopping = false;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop(0));
process.on('uncaughtException', (error) => { console.error(error); stop(1); });

await portsAreFree();
rmSync(`${root}${MAIL}`, { recursive: true, force: true }); // letters of an earlier run
const atProvider = scenario.provider?.(secrets);
const provider = atProvider && await startProvider({ port: PORTS.provider, ...atProvider });
if (provider) running.push(provider.close);
const app = await startApp({ port: PORTS.application, ...scenario.application });
running.push(app.close);
for (const start of scenario.start ?? []) running.push((await start()).close);
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

function secret() { return randomBytes(32).toString('base64'); }

function give(message) {
  console.error(`accredit: ${message}`);
  process.exit(1);
}

async function portsAreFree() {
  for (const [what, port] of Object.entries({ ...PORTS, ...scenario.ports })) {
    await new Promise((resolve) => {
      const probe = createServer().once('error', (error) => give(`port ${port}, for the ${what}, cannot be had (${error.code}): is another demo running?`));
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
    detached: true, // a terminal's Ctrl-C goes to whole process groups; only this process decides when Envoy ends
  });
  const ended = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`)); // not `exit`: the last lines come after that
  });
  process.once('exit', () => child.kill('SIGKILL')); // a last resort; nothing happens when it has ended

  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      file.write(`${line}\n`);
      lastLines.push(line);
      if (lastLines.length > 25) lastLines.shift();
      const audit = line.indexOf('accredit audit ');
      if (audit >= 0) console.log(`  ${line.slice(audit)}`);
    });
  }
  ended.then((how) => {
    if (stopping) return;
    console.error(`${lastLines.join('\n')}\n\naccredit: Envoy ended (${how}); its last lines are above, all of them in ${log}`);
    stop(1);
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

/** Until Envoy listens, which it does when the filter has taken its configuration. No request: it would be audited and counted. */
async function ready() {
  for (let tries = 0; tries < 150 && !stopping; tries += 1) {
    if (await listens(PORTS.gateway)) return;
    await sleep(100);
  }
  if (stopping) return new Promise(() => {}); // the end is on its way, and there is nothing to announce
  console.error(`accredit: nothing listens at ${GATEWAY} after 15 s; see ${envoy.log}`);
  await stop(1);
}

function listens(port) {
  return new Promise((resolve) => {
    const probe = connect(port, '127.0.0.1', () => { probe.destroy(); resolve(true); }).once('error', () => resolve(false));
  });
}

async function stop(code) {
  if (stopping) return;
  stopping = true;
  for (const close of running.reverse()) await close();
  process.exit(code);
}
