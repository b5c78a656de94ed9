// Checks the files of deploy/compose without a container engine: by the compose specification, by our own rules (lib/compose.mjs), and that Envoy accepts every
// Envoy file with the built module. Each check also gets broken copies, and must refuse them. compose-sign-in.test.mjs shows that people can sign in.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { againstSpecification, demoProject, FOLDER, interpolated, keycloakProject, mounted, problems, SCENARIOS } from './lib/compose.mjs';
import { assertTaken } from './lib/differences.mjs';
import { validate } from './lib/envoy.mjs';
import { configurationOf, pluginOf } from './lib/gateway.mjs';
import { providerProblems, realmProblems } from './lib/keycloak.mjs';
import { ROOT, wasmPath } from './lib/process.mjs';
import { refusalIn } from './lib/refusals.mjs';
import { secretsIn } from './lib/secrets.mjs';

const read = (path) => readFileSync(join(ROOT, path), 'utf8');
const envoyFile = (scenario) => parse(read(`${FOLDER}/envoy/${scenario}.yaml`), { merge: true });
const REALM = JSON.parse(read(`${FOLDER}/keycloak/realm.json`));
const PROJECTS = [
  ['compose.yaml', demoProject, problems],
  ['compose.yaml with compose.keycloak.yaml', keycloakProject, (project) => [...problems(project), ...providerProblems(project, REALM)]],
];

describe('the compose files', () => {
  it('keep to the compose specification, each alone and both together', () => {
    assert.equal(againstSpecification(read(`${FOLDER}/compose.yaml`), read(`${FOLDER}/compose.keycloak.yaml`), demoProject(), keycloakProject()), '');
  });

  it('are refused by the same check where a field is misspelt or of another type', () => {
    for (const spoil of [
      (project) => void (project.services.gateway.comand = []),
      (project) => void (project.services.users.cap_drop = 'ALL'),
      (project) => void (project.services.keys.depends_on = { x: {} }),
    ]) {
      const project = demoProject();
      spoil(project);
      assert.match(againstSpecification(project), /gateway|users|keys/);
    }
  });

  for (const [name, project, check] of PROJECTS) it(`${name} follows our own rules`, () => assert.deepEqual(check(project()), []));
});

/** The paths of all values inside a value, the deepest last. */
function paths(value, here = []) {
  if (value === null || typeof value !== 'object') return [here];
  return [...(here.length ? [here] : []), ...Object.keys(value).flatMap((key) => paths(value[key], [...here, key]))];
}

function without(project, path) {
  const holder = path.slice(0, -1).reduce((value, key) => value[key], project);
  if (Array.isArray(holder)) holder.splice(Number(path.at(-1)), 1);
  else delete holder[path.at(-1)];
  return project;
}

describe('if any one line is missing', () => {
  /** What may be missing: single words of commands, which compose-sign-in.test.mjs runs; parts that only anchors use; defaults. */
  const FREE = /^x-|\.(command|healthcheck\.test)\.\d+$|\.logging\.driver$/;
  /** What may also be missing with Keycloak: settings of the demo's provider. */
  const KEYCLOAK_FREE = /^services\.provider\.(read_only|environment\.(SCENARIO|HOST))$/;

  for (const [name, project, check] of PROJECTS) {
    it(`${name} is refused`, () => {
      const all = paths(project()).filter((path) => !FREE.test(path.join('.')) && !(project === keycloakProject && KEYCLOAK_FREE.test(path.join('.'))));
      assert.ok(all.length > 150, `${all.length} paths`);
      const accepted = all.filter((path) => {
        const broken = without(project(), path);
        try {
          return check(broken).length === 0;
        } catch {
          return false;
        }
      });
      assert.deepEqual(
        accepted.map((path) => path.join('.')),
        [],
      );
    });
  }
});

describe('the networks', () => {
  for (const [name, project] of PROJECTS) {
    it(`let only the gateway reach services that trust it: ${name}`, () => {
      const { services, networks } = project();
      for (const believing of ['application', 'users', 'mail']) {
        const beside = Object.keys(services).filter(
          (other) => other !== believing && services[other].networks?.some((network) => services[believing].networks.includes(network)),
        );
        assert.deepEqual([believing, beside], [believing, ['gateway']]);
        for (const network of services[believing].networks) assert.equal(networks[network].internal, true, network);
      }
    });
  }
});

describe('a project is refused', () => {
  const BROKEN = [
    ['that publishes a port to the network', ({ gateway }) => void (gateway.ports[0] = '10000:10000'), /gateway: ports/],
    ['that publishes the user service, which anybody could try passwords at', ({ users }) => void (users.ports = ['127.0.0.1:9300:9300']), /users: ports/],
    ['whose user service can be reached by more than the gateway', ({ users }) => void (users.networks = ['outside']), /users: networks/],
    ['whose user service could tell the application who is asking', ({ users }) => void (users.networks = ['to-users', 'to-application']), /users: networks/],
    ["whose mail service shares the application's network", ({ mail }) => void (mail.networks = ['to-application']), /mail: networks/],
    ['with a secret in the environment', ({ gateway }) => void (gateway.environment.ACCREDIT_KEY = 'x'), /ACCREDIT_KEY looks like a secret/],
    [
      'with a secret in the environment of the provider',
      ({ provider }) => void (provider.environment.OIDC_CLIENT_SECRET = '${OIDC_CLIENT_SECRET}'),
      /OIDC_CLIENT_SECRET looks like/,
    ],
    ['whose provider may read what seals sessions', ({ provider }) => void provider.volumes.push('gateway:/keys/gateway:ro'), /provider: volumes: reads/],
    ['whose gateway may overwrite secrets', ({ gateway }) => void (gateway.volumes[2] = 'client:/keys/client'), /gateway: volumes: secrets are written/],
    ['with the newest of an image', ({ provider }) => void (provider.image = 'registry.example.com/accredit-demo:latest'), /not pinned/],
    [
      'with an image of another version than the module',
      ({ gateway }) => void (gateway.image = 'registry.example.com/accredit-envoy-with-shell:0.2.0'),
      /not of version/,
    ],
    ['that runs as root', ({ application }) => void (application.user = '0:0'), /application: user/],
    ['that may do what it likes', ({ mail }) => void (mail.privileged = true), /mail: privileged/],
    ['that gets a capability', ({ gateway }) => void (gateway.cap_add = ['NET_ADMIN']), /gateway: cap_add/],
    ['without the user service', (services) => void delete services.users, /services: /],
    ['whose gateway does not wait for the provider', ({ gateway }) => void delete gateway.depends_on.provider, /provider must be healthy/],
    ['whose gateway does not wait for the keys', ({ gateway }) => void (gateway.depends_on.keys.condition = 'service_started'), /keys must have ended/],
    ['that builds a stage that is not there', ({ gateway }) => void (gateway.build.target = 'shell'), /gateway: build/],
    ['whose gateway has no shell to read secrets with', ({ gateway }) => void (gateway.build.target = 'distroless'), /gateway: build/],
    [
      'whose provider calls itself something else than the gateway thinks',
      ({ provider }) => void (provider.environment.OIDC_ISSUER = 'http://127.0.0.1:9000/'),
      /OIDC_ISSUER/,
    ],
    ['that mounts a file that is not there', ({ gateway }) => void (gateway.volumes[0].source = './with-keys.bash'), /there is no/],
  ];
  for (const [what, spoil, complaint] of BROKEN) {
    it(what, () => {
      const project = demoProject();
      spoil(project.services);
      assert.match(problems(project).join('\n'), complaint);
    });
  }
});

describe('every rendered Envoy file', () => {
  const names = readdirSync(join(ROOT, FOLDER, 'envoy')).sort();
  const services = demoProject().services;

  it('belongs to a scenario, and every shipped file has one', () => {
    assert.deepEqual(
      names,
      SCENARIOS.map((name) => `${name}.yaml`),
    );
    assert.deepEqual(names, readdirSync(join(ROOT, 'envoy')).sort());
  });

  /** The Envoy file of a container, with the built module in place of the image's. */
  function inContainer(scenario) {
    const bootstrap = envoyFile(scenario);
    pluginOf(bootstrap.static_resources.listeners[0]).vm_config.code.local.filename = wasmPath();
    return bootstrap;
  }
  const secrets = Object.fromEntries(
    ['OIDC_CLIENT_SECRET', 'ACCREDIT_KEY', 'SESSION_JWT_SECRET', 'REDIS_PASSWORD'].map((name) => [name, randomBytes(32).toString('base64')]),
  );
  const environmentOf = ({
    services: {
      gateway: {
        environment: { OIDC_ISSUER },
      },
    },
  }) => ({ ...secrets, OIDC_ISSUER });

  for (const scenario of SCENARIOS) {
    it(`is accepted by Envoy with the built module, and by the filter for either provider: ${scenario}`, async () => {
      await assertTaken(await validate(inContainer(scenario), { environment: environmentOf(demoProject()) }), inContainer(scenario));
      for (const project of [demoProject(), keycloakProject()]) assert.equal(refusalIn(inContainer(scenario), environmentOf(project)), null);
    });
  }

  it('is refused by Envoy if the environment has no issuer, and by the filter, with the path, if a field is misspelt', async () => {
    const without = await validate(inContainer('bff'), { environment: secrets });
    assert.notEqual(without.code, 0);
    assert.match(without.log, /providers\[0\]\.issuer|OIDC_ISSUER/);
    const misspelt = inContainer('bff');
    configurationOf(pluginOf(misspelt.static_resources.listeners[0])).rulez = [];
    assert.match(refusalIn(misspelt, environmentOf(demoProject())) ?? 'it was accepted', /^rulez: /);
  });

  it('has clusters for services of compose.yaml, which the gateway can reach, with the ports where they listen', async () => {
    const ports = { ...(await import('../../deploy/demo/scenarios.mjs')).PORTS, redis: 6379 };
    for (const scenario of SCENARIOS) {
      for (const {
        name,
        type,
        load_assignment: { endpoints },
      } of envoyFile(scenario).static_resources.clusters) {
        const { address, port_value: port } = endpoints[0].lb_endpoints[0].endpoint.address.socket_address;
        assert.deepEqual([scenario, type, address, port], [scenario, 'STRICT_DNS', name, ports[name]]);
        assert.ok(
          services[name].networks.some((network) => services.gateway.networks.includes(network)),
          name,
        );
        assert.ok(name in services.gateway.depends_on, name);
      }
    }
  });

  it('listens on the ports that compose.yaml publishes, and shows other containers only read-only pages of the admin interface', () => {
    for (const scenario of SCENARIOS) {
      const {
        admin,
        static_resources: { listeners },
      } = envoyFile(scenario);
      const at = [listeners[0], admin].map(
        ({
          address: {
            socket_address: { address, port_value: port },
          },
        }) => `${address}:${port}`,
      );
      assert.deepEqual(at, ['0.0.0.0:10000', '0.0.0.0:9901']);
      assert.deepEqual(admin.allow_paths, [{ exact: '/ready' }, { prefix: '/stats' }]);
      assert.deepEqual(configurationOf(pluginOf(listeners[0])).origins, ['http://localhost:10000']);
    }
  });

  it('is what the gateway mounts in each scenario', () => {
    const { source } = services.gateway.volumes.map(mounted).find(({ target }) => target === '/etc/envoy/envoy.yaml');
    assert.deepEqual(
      [undefined, ...SCENARIOS].map((SCENARIO) => interpolated(source, { SCENARIO })),
      ['bff', ...SCENARIOS].map((name) => `./envoy/${name}.yaml`),
    );
  });
});

describe("Keycloak's realm", () => {
  const configurations = SCENARIOS.map((scenario) => configurationOf(pluginOf(envoyFile(scenario).static_resources.listeners[0]))).filter(
    ({ providers }) => providers?.[0].client_id,
  );
  const check = (realm) => realmProblems(realm, configurations);

  it("agrees with the Envoy files and with the demo's people, and has a mapper for every claim that is requested", () => {
    assert.equal(configurations.length, 4);
    assert.deepEqual(check(structuredClone(REALM)), []);
  });

  it('has one placeholder, which the keys of the deployment fill', () => {
    assert.deepEqual(read(`${FOLDER}/keycloak/realm.json`).match(/\$\{[^}]*\}/g), ['${OIDC_CLIENT_SECRET}']);
  });

  it('is refused if any one line is missing', () => {
    const FREE = /^displayName$|^clients\.0\.name$/; // names that only people read
    const all = paths(REALM).filter((path) => !FREE.test(path.join('.')));
    assert.ok(all.length > 150, `${all.length} paths`);
    const accepted = all.filter((path) => check(without(structuredClone(REALM), path)).length === 0);
    assert.deepEqual(
      accepted.map((path) => path.join('.')),
      [],
    );
  });

  const BROKEN = [
    [
      'whose groups come with their whole path',
      ({ clients: [client] }) => void (client.protocolMappers[0].config['full.path'] = 'true'),
      /client: the mapper groups/,
    ],
    [
      'whose mapper is one that Keycloak does not have',
      ({ clients: [client] }) => void (client.protocolMappers[1].protocolMapper = 'oidc-audience-resolver'),
      /client: the mapper audience/,
    ],
    ['whose client would send people anywhere', ({ clients: [client] }) => void client.redirectUris.push('*'), /redirectUris/],
    ['whose client has its secret in the file', ({ clients: [client] }) => void (client.secret = 'demo-secret'), /client: secret/],
    ['whose client is called something else', ({ clients: [client] }) => void (client.clientId = 'accredit'), /clientId/],
    ['whose client takes passwords', ({ clients: [client] }) => void (client.directAccessGrantsEnabled = true), /directAccessGrantsEnabled/],
    ["whose bob is in alice's group", ({ users }) => void users[1].groups.push('/oracle-ai-users'), /users: bob: groups/],
  ];
  for (const [what, spoil, complaint] of BROKEN) {
    it(`is refused: one ${what}`, () => {
      const realm = structuredClone(REALM);
      spoil(realm);
      assert.match(check(realm).join('\n'), complaint);
    });
  }
});

describe('secrets', () => {
  it('are in no file of deploy/compose and deploy/images', () => {
    const files = [FOLDER, 'deploy/images']
      .flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ parentPath, path, name }) => join(parentPath ?? path, name));
    assert.ok(files.length >= 17, `${files.length} files`);
    for (const path of files) assert.deepEqual(secretsIn(readFileSync(path, 'utf8')), [], path);
  });

  it('would be found if they were in a file', () => {
    for (const text of [
      `key: ${randomBytes(32).toString('base64')}`,
      `KEY=${randomBytes(24).toString('hex')}`,
      'client_secret: "s3cr3t-of-mine"',
      '"secret": "letmein"',
      'password: hunter2',
      '-----BEGIN PRIVATE KEY-----',
    ]) {
      assert.notDeepEqual(secretsIn(text), [], text);
    }
  });
});
