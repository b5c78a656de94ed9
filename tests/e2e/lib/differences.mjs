// What Envoys of different versions do differently, as far as files or tests of Accredit depend on it. Only this file knows it.
//
// Tests ask the Envoy itself (`has`), never its version. versions.test.mjs compares each answer with the version from which on it is promised here, so that
// each difference is asserted on both sides: an Envoy that has what it should not have yet, or lacks what it should have, fails there.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Envoy, validate } from './envoy.mjs';
import { bootstrapFor, capabilitiesWithout, managerOf, newKey, pluginOf, shipped } from './gateway.mjs';
import { freePort } from './process.mjs';
import { requestText, sendRaw } from './raw.mjs';
import { Application } from './upstream.mjs';

const SECRETS = { OIDC_CLIENT_SECRET: 'x', ACCREDIT_KEY: newKey(), SESSION_JWT_SECRET: newKey() };

/** Whether Envoy takes this bootstrap, and what it says if not. */
async function taken(bootstrap) {
  const { code, log } = await validate(bootstrap, { environment: SECRETS });
  return { has: code === 0, said: log };
}

const mcp = (name, settings) => ({ '@type': `type.googleapis.com/envoy.extensions.filters.http.mcp.v3.${name}`, ...settings });

/** envoy/bff.yaml without Accredit, with Envoy's filter for MCP in its place; `override` is for its first route. */
function withMcpFilter(settings, override = {}) {
  const bootstrap = shipped();
  const manager = managerOf(bootstrap.static_resources.listeners[0]);
  const name = 'envoy.filters.http.mcp';
  manager.http_filters = [{ name, typed_config: mcp('Mcp', settings) }, ...manager.http_filters.slice(-1)];
  manager.route_config.virtual_hosts[0].routes[0].typed_per_filter_config = { [name]: mcp('McpOverride', override) };
  return taken(bootstrap);
}

/** Envoy's filter `cache`, or with `V2` its successor, which keeps everything in the memory of Envoy. */
export function cacheFilter(kind, suffix = '') {
  const storage = { '@type': `type.googleapis.com/envoy.extensions.http.${kind}.simple_http_cache.v3.SimpleHttpCache${suffix}Config` };
  const config = { '@type': `type.googleapis.com/envoy.extensions.filters.http.${kind}.v3.Cache${suffix}Config`, typed_config: storage };
  return { name: `envoy.filters.http.${kind}`, typed_config: config };
}

/** Asks an Envoy without Accredit, with what else is shipped: `change` gets its connection manager, `ask` the port. */
async function withoutAccredit(change, ask) {
  const application = await Application.start();
  const port = await freePort();
  const bootstrap = bootstrapFor({ port, application });
  const manager = managerOf(bootstrap.static_resources.listeners[0]);
  manager.path_with_escaped_slashes_action = 'KEEP_UNCHANGED';
  manager.http_filters = manager.http_filters.slice(-1);
  change(manager);
  const envoy = await Envoy.start(bootstrap, { environment: SECRETS });
  try {
    return await ask((path, lines = []) => sendRaw(port, requestText('GET', path, `localhost:${port}`, lines)), application);
  } finally {
    await envoy.stop();
    await application.stop();
  }
}

/** The path that the application gets for this one. */
const normalised = (path) =>
  withoutAccredit(
    () => {},
    async (send, application) => {
      await send(path);
      return application.requests[0].url;
    },
  );

/** How often the application is asked for one page by two requests that say `no-store`, through the filter cache_v2. */
const askedThroughCache = () =>
  withoutAccredit(
    ({ http_filters: filters }) => filters.unshift(cacheFilter('cache_v2', 'V2')),
    async (send, application) => {
      application.respond = (_, response) => response.writeHead(200, { 'cache-control': 'public, max-age=60' }).end('page');
      for (let time = 0; time < 2; time += 1) await send('/page', ['Cache-Control: no-store']);
      return application.requests.length;
    },
  );

/** What an Envoy without V8 says of the module, and of nothing else but a broken one. (That the plugin could not be created, it says of a refused configuration,
 *  too.) */
const WITHOUT_V8 = /Failed to load Wasm code/;

/** Whether Envoy warns of what is deprecated in a list of capabilities. */
async function warnsOfCapabilities() {
  const bootstrap = bootstrapFor({ port: await freePort(), application: { port: 9 } });
  pluginOf(bootstrap.static_resources.listeners[0]).capability_restriction_config = capabilitiesWithout();
  const envoy = await Envoy.start(bootstrap, { environment: SECRETS }).catch((error) => error);
  if (envoy instanceof Error) {
    if (WITHOUT_V8.test(envoy.message)) return { has: false, said: envoy.message };
    throw envoy;
  }
  const said = envoy.log();
  await envoy.stop();
  return { has: /deprecat/i.test(said), said };
}

/** What Envoy says of a field that it does not know. It varies the blanks, so that nobody reads this by program. */
const unknown = (field) => new RegExp(`no\\s+such\\s+field:\\s+'${field}'`);

/** A difference: Envoys have this field of the filter for MCP, or of its settings for a route, from this version on. */
const mcpField = (message, field, value, since) => ({
  what: `\`${field}\` of \`${message}\`, of the filter \`envoy.filters.http.mcp\``,
  since,
  ask: () => (message === 'Mcp' ? withMcpFilter({ [field]: value }) : withMcpFilter({}, { [field]: value })),
  needed: new RegExp(`v3\\.${message}"[^{}]*"${field}"`),
  refusal: unknown(field),
});

/**
 * By name: `what` it is, the version from which on Envoys have it (`since`; `lacking` are later ones without it), and `ask`, which asks the Envoy under test
 * and resolves with {has, said}. `refusal` is in what an Envoy says that has it not; `needed` is in a bootstrap, as JSON, that needs it.
 */
export const DIFFERENCES = {
  webassembly: {
    what: 'WebAssembly, by V8',
    since: '1.37.0',
    lacking: ['1.38.3'],
    ask: async () => {
      const { said } = await taken(shipped());
      return { has: !WITHOUT_V8.test(said), said };
    },
    needed: /wasm\.v3\.Wasm"/,
    refusal: WITHOUT_V8,
  },
  soft_memory_limit: {
    what: '`memory_allocator_manager.soft_memory_limit_bytes`',
    since: '1.38.2',
    ask: () => taken({ memory_allocator_manager: { soft_memory_limit_bytes: 33_554_432 } }),
    needed: /"soft_memory_limit_bytes"/,
    refusal: unknown('soft_memory_limit_bytes'),
  },
  // It compares header fields with the body.
  mcp_compares: mcpField('Mcp', 'attribute_source', 'VERIFY', '1.40.0'),
  mcp_knows_versions: mcpField('Mcp', 'max_supported_protocol_version', '2026-07-28', '1.40.0'),
  // Without it, a body may name two tools.
  mcp_refuses_duplicates: mcpField('Mcp', 'reject_duplicate_keys', true, '1.39.0'),
  mcp_refuses_duplicates_by_route: mcpField('McpOverride', 'reject_duplicate_keys', true, '1.40.0'),
  dots_with_parameters: {
    what: '`normalize_path` that takes `.;x` for a dot segment',
    since: '1.39.1',
    ask: async () => {
      const said = await normalised('/files/.;x/admin');
      return { has: said === '/files/admin', said };
    },
    refusal: /^\/files\/\.;x\/admin$/,
  },
  // Without it, the filter gives one person's page to another, wherever it stands.
  cache_v2_obeys_requests: {
    what: 'a filter `cache_v2` that keeps no answer to a request with `no-store`',
    since: '1.40.0',
    ask: async () => {
      const times = await askedThroughCache();
      return { has: times === 2, said: `the application was asked ${times} times` };
    },
    refusal: /was asked 1 times/,
  },
  warns_of_capabilities: {
    what: 'a warning that lists of capabilities are deprecated',
    since: '1.40.0',
    ask: warnsOfCapabilities,
    refusal: /^(?![\s\S]*deprecat)/i,
  },
};

const asked = new Map();

/** What the Envoy under test says to the question of this name: {has, said}. Each process asks once. */
export function ask(name) {
  if (!asked.has(name)) asked.set(name, DIFFERENCES[name].ask());
  return asked.get(name);
}

/** Whether the Envoy under test has what this is the name of. */
export const has = async (name) => (await ask(name)).has;

/** The names of what a bootstrap needs. */
export function neededBy(bootstrap) {
  const text = JSON.stringify(bootstrap);
  return Object.keys(DIFFERENCES).filter((name) => DIFFERENCES[name].needed?.test(text));
}

/** The names of what the Envoy under test lacks, of these. */
async function lacked(names) {
  const answers = await Promise.all(names.map(has));
  return names.filter((_, place) => !answers[place]);
}

/** The Envoy's own words for what it lacks. An Envoy that refuses for any other reason fails. */
export async function assertLacks(name) {
  const answer = await ask(name);
  assert.equal(answer.has, false, name);
  assert.match(answer.said, DIFFERENCES[name].refusal);
}

/** Asserts of an answer of `validate` that this bootstrap was taken; or, by an Envoy that lacks what the bootstrap needs, refused for that. */
export async function assertTaken({ code, log }, bootstrap) {
  const missing = await lacked(neededBy(bootstrap));
  if (missing.length === 0) return assert.equal(code, 0, log.slice(-3000));
  assert.notEqual(code, 0, `taken without ${missing}`);
  assert.ok(
    missing.some((name) => DIFFERENCES[name].refusal.test(log)),
    log.slice(-3000),
  );
}

/** The title and the test that stand in the place of others, where the Envoy under test lacks this. */
const instead = (name) => [`needs ${DIFFERENCES[name].what}, and the Envoy under test refuses that`, () => assertLacks(name)];

/** `describe` for what needs this of Envoy. Where the Envoy under test lacks it, one test stands in the place of those described: that the Envoy refuses. */
export async function describeWith(name) {
  return (await has(name)) ? describe : (title) => describe(title, () => it(...instead(name)));
}

/** The same for a single test, which starts a bootstrap with the needs of this one. */
export async function itWith(bootstrap) {
  const [name] = await lacked(neededBy(bootstrap));
  if (!name) return it;
  const [reason, test] = instead(name);
  return (title) => it(`${title}: ${reason}`, test);
}
