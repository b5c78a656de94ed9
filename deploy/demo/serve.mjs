// Runs one service of the demo in a process, for containers, which have one each. `node serve.mjs SERVICE` runs it until SIGTERM. `node serve.mjs SERVICE
// --healthy` asks a service that runs on the same machine, and fails if it does not answer. `node serve.mjs keys` makes the secrets of a deployment, once.
//
// It reads from the environment: SCENARIO (one of scenarios.mjs), HOST (the address to listen on), KEYS (the folder of the secrets), OIDC_ISSUER (the
// provider's own address), MAILDIR. No secret comes from the environment, and none is printed. Every service runs in every scenario, even if the scenario does
// not use it.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { GATEWAY, PORTS, SCENARIOS } from './scenarios.mjs';

const { SCENARIO = 'bff', HOST: host = '127.0.0.1', KEYS = '/keys', OIDC_ISSUER: issuer, MAILDIR: maildir = '/mail' } = process.env;
const scenario = Object.hasOwn(SCENARIOS, SCENARIO)
  ? SCENARIOS[SCENARIO]
  : refuse(`there is no scenario ${SCENARIO}; there are: ${Object.keys(SCENARIOS).join(', ')}`);

/** Folder and name of each secret: provider and gateway share `client`, Redis and gateway share `redis`; only the gateway has `gateway`. */
const SECRETS = [
  ['client', 'OIDC_CLIENT_SECRET'],
  ['gateway', 'ACCREDIT_KEY'],
  ['gateway', 'SESSION_JWT_SECRET'],
  ['redis', 'REDIS_PASSWORD'],
];

// A service is loaded when it is started, so that a health check, which runs every few seconds, loads none.
const SERVICES = {
  provider: async () =>
    (await import('./provider.mjs')).startProvider({
      host,
      port: PORTS.provider,
      issuer,
      ...(scenario.provider ?? SCENARIOS.bff.provider)({ OIDC_CLIENT_SECRET: secret('client', 'OIDC_CLIENT_SECRET') }),
    }),
  application: async () => (scenario.mcp ?? (await import('./app.mjs')).startApp)({ host, port: PORTS.application, ...scenario.application }),
  front: () => (scenario.front ?? startSignpost)({ host, port: PORTS.front, gateway: GATEWAY }),
  users: async () => (await import('./users.mjs')).startUsers({ host, port: PORTS.users }),
  mail: async () => (await import('./mail.mjs')).startMail({ host, port: PORTS.mail, maildir }),
};

const [name, ...flags] = process.argv.slice(2);
const asks = flags.join(' ') === '--healthy';
if (name !== 'keys' && !Object.hasOwn(SERVICES, name ?? '')) refuse(`there is no service ${name}; there are: keys, ${Object.keys(SERVICES).join(', ')}`);
if (flags.length > 0 && (name === 'keys' || !asks))
  refuse(`expected ${name === 'keys' ? 'nothing' : 'nothing, or --healthy,'} after ${name}, found ${flags.join(' ')}`);
if (name === 'keys') makeKeys();
else if (asks) await ask(PORTS[name]);
else {
  const { close } = await SERVICES[name]();
  // The first process of a container gets only those signals for which it has a handler.
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => close().then(() => process.exit(0)));
  console.log(`accredit: ${name} listens at ${host}:${PORTS[name]}, scenario ${SCENARIO}`);
}

/** Makes each secret that is missing, readable for its owner and group; an existing one stays. A file appears only when it is complete. */
function makeKeys() {
  for (const [folder, name] of SECRETS) {
    const path = join(KEYS, folder, name);
    if (existsSync(path)) continue;
    mkdirSync(join(KEYS, folder), { recursive: true });
    rmSync(`${path}.new`, { force: true }); // left by a run that was interrupted
    writeFileSync(`${path}.new`, `${randomBytes(32).toString('base64')}\n`, { mode: 0o440 });
    renameSync(`${path}.new`, path);
    console.log(`accredit: made ${folder}/${name}`);
  }
}

function secret(folder, name) {
  const path = join(KEYS, folder, name);
  return (existsSync(path) && readFileSync(path, 'utf8').trim()) || refuse(`${path} holds no secret: "node serve.mjs keys" makes it`);
}

/** Whether a service answers; every answer counts, even 404. */
async function ask(port) {
  const { status } = await fetch(`http://127.0.0.1:${port}/`, { redirect: 'manual', signal: AbortSignal.timeout(3000) });
  if (status >= 500) refuse(`${name} answers ${status}`);
}

/** For scenarios without a front end: redirects to the gateway. */
async function startSignpost({ host, port, gateway }) {
  const server = createServer((_, response) => response.writeHead(302, { location: `${gateway}/`, 'cache-control': 'no-store' }).end());
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}

function refuse(message) {
  console.error(`accredit: ${message}`);
  process.exit(1);
}
