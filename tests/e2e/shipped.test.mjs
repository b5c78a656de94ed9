// Rules for Envoy's part of every shipped file: the files under envoy/, those that are rendered from them, and the files that Istio and Envoy Gateway make.
// Each check also gets a file that breaks the rule, and must find that.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { Visitor } from './lib/client.mjs';
import { startDemoUsers } from './lib/demo.mjs';
import { has, itWith } from './lib/differences.mjs';
import { capabilitiesWithout, configurationOf, managerOf, newKey, pluginOf, shipped, startGateway } from './lib/gateway.mjs';
import { Provider } from './lib/misbehaving.mjs';
import { ROOT, eventually } from './lib/process.mjs';
import { assertNoPanic, assertProblem } from './lib/stage.mjs';
import { Application } from './lib/upstream.mjs';

const SCENARIOS = ['bff', 'google-session', 'login-microservices', 'mcp-server', 'password-and-popup', 'spa-tokens'];
const BUFFER = 'envoy.filters.http.buffer';

function filesBelow(folder) {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesBelow(path);
    return [path];
  });
}

const YAML = [...filesBelow('envoy'), ...filesBelow('deploy')]
  .filter((path) => /\.ya?ml$/.test(path))
  .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));

/** The Envoy files; each call of `bootstrap` parses the file again. */
const ENVOYS = YAML.filter(({ text }) => /^static_resources:/m.test(text)).map(({ path, text }) => ({
  path,
  bootstrap: () => parseAllDocuments(text, { merge: true })[0].toJS(),
}));

/** The listeners that have Accredit's filter. */
const guarded = (bootstrap) => bootstrap.static_resources.listeners.filter((listener) => managerOf(listener).http_filters.some(isAccredit));
const isAccredit = ({ typed_config: config }) => config?.['@type'].endsWith('.wasm.v3.Wasm');

/** The paths at which the filter reads a body, by its configuration. */
function bodyEndpoints({ endpoints = {}, providers = [] }) {
  const byForm = providers.some((provider) => provider.response_mode === 'form_post');
  return [
    endpoints.token,
    endpoints.password,
    endpoints.backchannel_logout,
    endpoints.security_events,
    endpoints.operator_logout,
    byForm && (endpoints.callback ?? '/api/callback'),
  ].filter(Boolean);
}

/** What is wrong with the position of the buffer in a listener. */
function misplaced(listener) {
  const {
    http_filters: filters,
    route_config: { virtual_hosts: hosts },
  } = managerOf(listener);
  const [at, buffer] = [filters.findIndex(isAccredit), filters.findIndex(({ name }) => name === BUFFER)];
  const paths = bodyEndpoints(configurationOf(pluginOf(listener)));
  const faults = [];
  if (paths.length > 0 && buffer !== at + 1) faults.push(`${filters[at + 1].name} stands directly behind Accredit`);
  if (buffer >= 0 && buffer !== at + 1) faults.push('the buffer stands elsewhere');
  if (buffer >= 0 && filters[buffer].disabled !== true) faults.push('every route is buffered');
  for (const path of paths) {
    const route = hosts.flatMap(({ routes }) => routes).find(({ match }) => match.path === path);
    if (!route?.direct_response) faults.push(`${path} leads to somebody`);
    if (route?.typed_per_filter_config?.[BUFFER]?.buffer?.max_request_bytes !== 65536) faults.push(`${path} has no buffer`);
  }
  return faults;
}

describe('every shipped Envoy file', () => {
  it('is known to these tests', () => {
    const compose = SCENARIOS.map((name) => `deploy/compose/envoy/${name}.yaml`);
    assert.deepEqual(ENVOYS.map(({ path }) => path).sort(), [
      ...compose,
      'deploy/envoy-gateway/envoy.yaml',
      'deploy/fleet/envoy.yaml',
      'deploy/istio/envoy.yaml',
      'deploy/kubernetes/base/envoy.yaml',
      'deploy/kubernetes/components/redis/envoy.yaml',
      ...SCENARIOS.map((name) => `envoy/${name}.yaml`),
    ]);
    for (const { path, bootstrap } of ENVOYS) assert.equal(guarded(bootstrap()).length, 1, path);
  });

  it('and every Kubernetes object has no list of capabilities', () => {
    assert.deepEqual(
      YAML.filter(({ text }) => /capabilit(y_restriction|ies:)/.test(text.replaceAll('capabilities: {drop: [ALL]}', ''))).map(({ path }) => path),
      [],
    );
  });

  const reading = ENVOYS.filter(({ bootstrap }) => bodyEndpoints(configurationOf(pluginOf(guarded(bootstrap())[0]))).length > 0);

  it('has the buffer directly after Accredit if Accredit reads a body', () => {
    assert.ok(reading.length >= 8, `${reading.length}`);
    for (const { path, bootstrap } of ENVOYS) assert.deepEqual(misplaced(guarded(bootstrap())[0]), [], path);
  });

  for (const [what, change] of [
    ['a filter between the two', (filters, at) => filters.splice(at + 1, 0, { name: 'envoy.filters.http.lua' })],
    ['the buffer before Accredit', (filters, at) => filters.splice(at, 0, ...filters.splice(at + 1, 1))],
    ['no buffer', (filters, at) => filters.splice(at + 1, 1)],
    ['a buffer for every route', (filters, at) => delete filters[at + 1].disabled],
  ]) {
    it(`is found to be wrong with ${what}`, () => {
      for (const { path, bootstrap } of reading) {
        const [listener] = guarded(bootstrap());
        const { http_filters: filters } = managerOf(listener);
        change(filters, filters.findIndex(isAccredit));
        assert.notDeepEqual(misplaced(listener), [], path);
      }
    });
  }

  it('limits the memory of Envoy: near the limit it first shortens timeouts, and only then refuses all requests', () => {
    // Not for Istio, whose agent writes the bootstrap (deploy/istio/README.md).
    for (const { path, bootstrap } of ENVOYS.filter((one) => one.path !== 'deploy/istio/envoy.yaml')) {
      const { resource_monitors: monitors, actions } = bootstrap().overload_manager;
      const heap = monitors.find(({ name }) => name === 'envoy.resource_monitors.fixed_heap');
      assert.ok(heap.typed_config.max_heap_size_bytes >= 320 * 1024 * 1024, path);
      const at = Object.fromEntries(
        actions.map(({ name, triggers: [{ threshold, scaled }] }) => [name.split('.').at(-1), threshold?.value ?? scaled.saturation_threshold]),
      );
      assert.ok(at.reduce_timeouts < at.stop_accepting_requests && at.shrink_heap < at.stop_accepting_requests, path);
    }
  });
});

/** A gateway with a shipped file and the tests' own servers. */
async function started(scenario, options = {}) {
  const [provider, application, users] = [await Provider.start(), await Application.start(), await startDemoUsers()];
  const has = (name) => shipped(scenario).static_resources.clusters.some((cluster) => cluster.name === name);
  const gateway = await startGateway({
    scenario,
    application,
    ...(has('provider') && { provider }),
    ...(has('users') && { users }),
    ...(has('mail') && { mail: { port: 9 } }),
    ...options,
  });
  const stop = async () => {
    for (const part of [gateway, provider, application, users]) await part.stop();
    assertNoPanic(gateway);
  };
  return Object.assign(gateway, { application, stopAll: stop });
}

describe('in a real Envoy', async () => {
  const deprecated = (gateway) =>
    gateway
      .log()
      .split('\n')
      .filter((line) => /deprecat/i.test(line));

  for (const scenario of SCENARIOS) {
    const it = await itWith(shipped(scenario));
    it(`${scenario} starts without a warning about deprecated settings, and logs at most 256 bytes of each path, without the query`, async () => {
      const gateway = await started(scenario);
      const path = `/somewhere/${'x'.repeat(300)}`;
      const ask = (target, headers = {}) => new Visitor(gateway).call(`${target}?code=spent-in-a-query`, { headers });
      await ask(path);
      await ask('/elsewhere', { 'x-envoy-original-path': '/a-lie?code=spent-in-a-header' });
      const lines = await eventually('both are logged', () => (gateway.accessLog().length >= 2 ? gateway.accessLog() : undefined));
      await gateway.stopAll();
      assert.deepEqual(
        lines.map((line) => line.path),
        [path.slice(0, 256), '/elsewhere'],
      );
      assert.doesNotMatch(gateway.log(), /spent-in-a/);
      assert.deepEqual(deprecated(gateway), []);
    });
  }

  it('a list of capabilities causes a warning, of every Envoy that has one', async () => {
    const envoy = ({ static_resources: { listeners } }) => void (pluginOf(listeners[0]).capability_restriction_config = capabilitiesWithout());
    const gateway = await started('bff', { envoy });
    await gateway.stopAll();
    assert.equal(deprecated(gateway).length > 0, await has('warns_of_capabilities'));
  });
});

describe('shipped files that sign with one secret', () => {
  const jwtSecret = newKey();
  const running = {};
  const tokens = {};
  /** A page that needs a session, and how the people of each file send it. */
  const asking = {
    'google-session': ['/api/protected', (token) => ({ cookie: `access_token=${token}` })],
    'login-microservices': ['/api/orders', (token) => ({ authorization: `Bearer ${token}` })],
    'password-and-popup': ['/api/orders', (token) => ({ authorization: `Bearer ${token}` })],
  };
  const asks = (scenario, token) => {
    const [path, headers] = asking[scenario];
    return new Visitor(running[scenario]).call(path, { headers: headers(token) });
  };
  const logIn = async (scenario, path, body) => {
    const answer = await new Visitor(running[scenario]).call(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    assert.equal(answer.status, 200, answer.body);
    return answer.json();
  };

  before(async () => {
    for (const scenario of Object.keys(asking)) running[scenario] = await started(scenario, { jwtSecret });
    const visitor = new Visitor(running['google-session']);
    await visitor.signIn('/auth/login');
    tokens['google-session'] = visitor.jar.matching('localhost', '/').find(({ name }) => name === 'access_token').value;
    tokens['login-microservices'] = (await logIn('login-microservices', '/login', { username: 'alice', password: 'alice-password' })).access_token;
    tokens['password-and-popup'] = (await logIn('password-and-popup', '/api/auth/login', { email: 'alice@example.com', password: 'alice-password' })).token;
  });
  after(async () => {
    for (const gateway of Object.values(running)) await gateway.stopAll();
  });

  it('are all listed here', () => {
    const signing = SCENARIOS.filter((scenario) => configurationOf(pluginOf(shipped(scenario).static_resources.listeners[0])).session?.form === 'jwt');
    assert.deepEqual(signing, Object.keys(asking));
  });

  for (const there of Object.keys(asking)) {
    it(`accept no token of another file as a session: ${there}`, async () => {
      for (const from of Object.keys(asking)) {
        running[there].application.forget();
        const answer = await asks(there, tokens[from]);
        if (from === there) assert.equal(answer.status, 200, answer.body);
        else {
          assertProblem(answer, 401, there === 'google-session' ? 'session_invalid' : 'token_invalid');
          assert.deepEqual(running[there].application.requests, [], `a token of ${from}`);
        }
      }
    });
  }
});
