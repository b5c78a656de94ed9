// Checks the files of deploy/compose, and returns a list of what is wrong with them, each in a sentence. Tests also check broken copies.
//
// It merges an override as compose does, for the fields that our overrides use, and refuses others. It starts no program but check-jsonschema.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { stages } from './images.mjs';
import { ROOT, temporaryFolder } from './process.mjs';

export const FOLDER = 'deploy/compose';
export const SCENARIOS = ['bff', 'google-session', 'login-microservices', 'mcp-server', 'password-and-popup', 'spa-tokens'];

const read = (path) => readFileSync(join(ROOT, path), 'utf8');
const VERSION = /^version = "(.*)"$/m.exec(read('Cargo.toml'))[1];

/** A file of the folder as a value, with anchors and merge keys resolved. */
export const composeFile = (name) => parse(read(`${FOLDER}/${name}`), { merge: true });

export const demoProject = () => composeFile('compose.yaml');
export const keycloakProject = () => merge(demoProject(), composeFile('compose.keycloak.yaml'));

/** Lists that an override replaces as a whole. (Of `volumes`, it replaces those with the same target; our overrides have no other lists.) */
const REPLACED = ['command', 'entrypoint', 'test'];

/** What `docker compose -f BASE -f OVERRIDE` makes of two files. */
export function merge(base, override, name = '') {
  if (Array.isArray(base) && Array.isArray(override)) {
    if (REPLACED.includes(name)) return override;
    if (name !== 'volumes') throw new Error(`these tests do not know how compose merges the lists ${name}`);
    const places = new Set(override.map(target));
    return [...base.filter((volume) => !places.has(target(volume))), ...override];
  }
  if (isMap(base) && isMap(override)) {
    const all = [...new Set([...Object.keys(base), ...Object.keys(override)])];
    return Object.fromEntries(all.map((key) => [key, key in override && key in base ? merge(base[key], override[key], key) : (override[key] ?? base[key])]));
  }
  return override;
}

const isMap = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

/** A volume in either form: {source, target, readOnly, bind}. */
export function mounted(volume) {
  if (isMap(volume))
    return {
      source: volume.source,
      target: volume.target,
      readOnly: volume.read_only === true,
      bind: volume.type === 'bind',
      creates: volume.bind?.create_host_path !== false,
    };
  const [source, target, mode] = volume.split(':');
  return { source, target, readOnly: mode === 'ro', bind: source.startsWith('.') };
}
const target = (volume) => mounted(volume).target;

/** A text with ${NAME:-default} replaced as compose does it, and $$ by a single $. */
export function interpolated(text, environment = {}) {
  return String(text).replace(/\$\$|\$\{(\w+)(?::-([^}]*))?\}/g, (all, name, fallback) => {
    if (all === '$$') return '$';
    const value = environment[name] || fallback;
    if (value === undefined) throw new Error(`${name} is not set, and ${text} has no other value for it`);
    return value;
  });
}

/** The errors of these values by the compose specification; empty if there are none. */
export function againstSpecification(...values) {
  const checker = spawnSync(join(ROOT, 'deploy/build/check-jsonschema.sh'), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  if (checker.status !== 0) throw new Error('check-jsonschema cannot be had');
  const folder = temporaryFolder();
  const paths = values.map((value, index) => {
    const path = join(folder, `compose-${index}.yaml`);
    writeFileSync(path, typeof value === 'string' ? value : stringify(value, { aliasDuplicateObjects: false }));
    return path;
  });
  const run = spawnSync(checker.stdout.trim(), ['--builtin-schema', 'vendor.compose-spec', ...paths], { encoding: 'utf8' });
  if (run.error) throw run.error;
  return run.status === 0 ? '' : run.stdout + run.stderr;
}

const PINNED = /^[a-z0-9./-]+:v?\d+\.\d+\.\d+(-[a-z0-9-]+)?(@sha256:[0-9a-f]{64})?$/;
const SERVICES = ['application', 'front', 'gateway', 'keys', 'mail', 'provider', 'redis', 'users'];
const PUBLISHED = { gateway: ['127.0.0.1:10000:10000', '127.0.0.1:9901:9901'], provider: ['127.0.0.1:9000:9000'], front: ['127.0.0.1:9200:9200'] };
/** Services that only the gateway may reach: those that trust its headers, and Redis. */
const INSIDE = ['application', 'users', 'mail', 'redis'];
const NETWORKS = {
  gateway: ['outside', ...INSIDE.map((name) => `to-${name}`)],
  provider: ['outside'],
  front: ['outside'],
  ...Object.fromEntries(INSIDE.map((name) => [name, [`to-${name}`]])),
};
/** The volumes with secrets that each service may read. */
const READS = { gateway: ['client', 'gateway', 'redis'], provider: ['client'], redis: ['redis'] };
const AWAITED = { gateway: ['provider', 'application', 'users', 'mail', 'redis'] };

/** Everything that is wrong with a project by our own rules; the specification demands almost nothing. */
export function problems(project) {
  const wrong = [];
  const expect = (holds, sentence) => holds || wrong.push(sentence);
  const { services = {}, networks = {}, volumes = {} } = project;
  expect(project.name === 'accredit', 'name: write accredit');
  expect(same(Object.keys(services).sort(), SERVICES), `services: ${Object.keys(services)}`);
  expect(
    same(networks, { outside: {}, ...Object.fromEntries(INSIDE.map((name) => [`to-${name}`, { internal: true }])) }),
    'networks: outside, and one for each neighbour of the gateway, of which nothing gets out',
  );
  expect(same(Object.keys(volumes).sort(), ['client', 'gateway', 'redis']), 'volumes: client, gateway and redis');
  for (const [name, service] of Object.entries(services)) ofService(name, service ?? {}, services, (holds, sentence) => expect(holds, `${name}: ${sentence}`));
  const [issuer, other] = ['gateway', 'provider'].map((name) => services[name]?.environment?.OIDC_ISSUER);
  expect(issuer !== undefined && issuer === other, `OIDC_ISSUER: ${issuer} at the gateway, ${other} at the provider`);
  expect(issuer?.startsWith('http://127.0.0.1:9000'), 'OIDC_ISSUER: not where the provider is published');
  return wrong;
}

function ofService(name, service, all, expect) {
  const { image = '', environment = {}, depends_on: awaits = {} } = service;
  const oneShot = name === 'keys';
  expect(PINNED.test(image), `image ${image} is not pinned to a full version`);
  if (image.startsWith('registry.example.com/')) expect(image.endsWith(`:${VERSION}`), `image ${image} is not of version ${VERSION}`);
  ofBuild(service, all, expect);
  expect(Array.isArray(service.command) && service.command.length > 0, 'command: its words, as a list');
  expect(
    image.includes('/accredit-demo:') || same(service.entrypoint, ['sh', '/with-keys.sh']),
    'entrypoint: whoever needs secrets gets them from with-keys.sh',
  );

  expect(/^[1-9]\d*:\d+$/.test(service.user), 'user: two numbers, and not root');
  expect(service.read_only === true || image.includes('/keycloak:'), 'read_only');
  expect(same(service.cap_drop, ['ALL']), 'cap_drop: ALL');
  expect(same(service.security_opt, ['no-new-privileges:true']), 'security_opt: no-new-privileges');
  expect(Number(service.pids_limit) > 0, 'pids_limit');
  expect(/^\d+[mg]$/.test(service.mem_limit), 'mem_limit');
  expect(service.logging?.options?.['max-size'] && service.logging.options['max-file'], 'logging: with limits');
  for (const key of ['privileged', 'cap_add', 'devices', 'pid', 'ipc', 'userns_mode', 'env_file', 'secrets', 'extra_hosts'])
    expect(!(key in service), `${key}: not here`);

  expect(same(service.ports, PUBLISHED[name]), `ports: ${service.ports ?? 'none'}; expected ${PUBLISHED[name] ?? 'none'}`);
  expect(
    oneShot ? service.network_mode === 'none' && !service.networks : same(service.networks, NETWORKS[name]),
    `networks: ${service.networks ?? service.network_mode ?? 'the default'}`,
  );
  expect(service.restart === (oneShot ? 'no' : 'unless-stopped'), `restart: ${service.restart}`);
  for (const key of Object.keys(environment)) expect(!/SECRET|PASSWORD|TOKEN|(?<!^)KEY|_KEY|CREDENTIAL/.test(key), `environment: ${key} looks like a secret`);
  ofEnvironment(name, service, expect);
  ofVolumes(name, service, expect);

  const { test, interval, timeout, retries, start_period: start } = service.healthcheck ?? {};
  expect(oneShot || (test?.[0] === 'CMD' && interval && timeout && retries && start), 'healthcheck: a command, and all its times');
  expect(oneShot || awaits.keys?.condition === 'service_completed_successfully', 'depends_on: keys must have ended');
  for (const other of AWAITED[name] ?? []) expect(awaits[other]?.condition === 'service_healthy', `depends_on: ${other} must be healthy`);
  for (const [other, { condition }] of Object.entries(awaits))
    expect(all[other] && (condition !== 'service_healthy' || all[other].healthcheck), `depends_on: nobody can wait for ${other}`);
}

function ofEnvironment(name, { environment = {}, image = '' }, expect) {
  const { KEYS, HOST, SCENARIO, MAILDIR } = environment;
  expect((KEYS === '/keys') === ['keys', 'gateway', 'provider', 'redis'].includes(name), `KEYS: ${KEYS}`);
  expect(name !== 'redis' || HOST === '0.0.0.0', 'environment: HOST');
  if (!image.includes('/accredit-demo:')) return;
  expect(name === 'keys' || (HOST === '0.0.0.0' && SCENARIO === '${SCENARIO:-bff}'), 'environment: HOST and SCENARIO');
  expect((MAILDIR === '/mail') === (name === 'mail'), `MAILDIR: ${MAILDIR}`);
}

/** Each of our own images is built by one service of the project, from a stage that exists. */
function ofBuild({ image = '', build }, all, expect) {
  if (!image.startsWith('registry.example.com/')) return expect(build === undefined, 'build: this image is not ours');
  const building = Object.values(all)
    .filter((each) => each?.image === image)
    .map((each) => each.build)
    .filter(Boolean);
  expect(building.length === 1, `build: ${image} is built by ${building.length} services`);
  if (!build) return;
  expect(build.context === '../..', 'build: the context is the repository');
  const path = join(ROOT, build.dockerfile ?? '');
  if (!build.dockerfile || !existsSync(path)) return expect(false, `build: there is no ${build.dockerfile}`);
  const found = stages(readFileSync(path, 'utf8'));
  const stage = build.target ? found.find((each) => each.name === build.target) : found.at(-1);
  // The gateway's image needs a shell; the distroless image, which is the last stage, has none.
  expect(stage && !stage.image.includes('distroless'), `build: ${build.target ?? 'the last stage'} of ${build.dockerfile}`);
}

function ofVolumes(name, { volumes = [], group_add: groups = [], user, tmpfs }, expect) {
  const all = volumes.map(mounted);
  const secrets = all.filter(({ bind, target: place }) => !bind && place.startsWith('/keys/'));
  const read = name === 'keys' ? ['client', 'gateway', 'redis'] : (READS[name] ?? []);
  expect(same(secrets.map(({ source }) => source).sort(), read), `volumes: reads ${secrets.map(({ source }) => source)}`);
  expect(
    secrets.every(({ source, target: place }) => place === `/keys/${source}`),
    'volumes: each secret volume stands under its name',
  );
  expect(
    secrets.every(({ readOnly }) => readOnly === (name !== 'keys')),
    'volumes: secrets are written by keys alone',
  );
  const group = '10001';
  expect(
    (groups.includes(group) || String(user).endsWith(`:${group}`)) === read.length > 0,
    `group_add: ${group} for those who read secrets, and for nobody else`,
  );
  expect(same(tmpfs, name === 'mail' ? ['/mail:uid=1000,gid=1000,mode=0700'] : undefined), `tmpfs: ${tmpfs}`);
  const binds = all.filter(({ bind }) => bind);
  expect(all.length === secrets.length + binds.length, 'volumes: one that is neither secret nor a file');
  for (const { source, readOnly, creates } of binds) {
    expect(readOnly && !creates, `volumes: ${source} could be written, or made where it is missing`);
    for (const SCENARIO of [undefined, ...SCENARIOS])
      expect(existsSync(join(ROOT, FOLDER, interpolated(source, { SCENARIO }))), `volumes: there is no ${source}`);
  }
  const places = binds.map(({ target: place }) => place);
  const needed = { gateway: ['/with-keys.sh', '/etc/envoy/envoy.yaml'], redis: ['/with-keys.sh', '/redis.sh'] }[name] ?? [];
  for (const place of needed) expect(places.includes(place), `volumes: ${place} is missing`);
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
