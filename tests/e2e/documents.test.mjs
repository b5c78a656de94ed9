// Checks the documents: their configurations are accepted, and they name every reason and every counter.
//
// Each fenced yaml block that is a whole plugin configuration (it has `origins` and `providers`) is put into its own listener, and one real Envoy validates all
// of them, with the clusters and environment variables that they name. Nothing is started, and the text around the blocks is not checked.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { validate } from './lib/envoy.mjs';
import { asStruct, pluginOf, shipped } from './lib/gateway.mjs';
import { ROOT, wasmPath } from './lib/process.mjs';

const read = (path) => readFileSync(join(ROOT, path), 'utf8');
const inDocs = readdirSync(join(ROOT, 'docs'))
  .filter((name) => name.endsWith('.md'))
  .sort()
  .map((name) => `docs/${name}`);
const DOCUMENTS = ['README.md', ...inDocs].map((path) => ({ path, text: read(path) }));

/** Every yaml block: its place and its value. A block that is not valid YAML is an error. */
const BLOCKS = DOCUMENTS.flatMap(({ path, text }) =>
  [...text.matchAll(/^```ya?ml\n(.*?)^```$/gms)].map(({ 1: source, index }) => {
    const place = `${path}:${text.slice(0, index).split('\n').length}`;
    try {
      return { place, value: parse(source) };
    } catch (error) {
      throw new Error(`${place}: ${error.message}`);
    }
  }),
);

/** The values of variables that are not secret. */
const PLAIN = { ACCREDIT_ORIGIN: 'https://app.example.com', OIDC_ISSUER: 'https://sso.example.com', OIDC_CLIENT_ID: 'app' };

const isConfiguration = (value) => Array.isArray(value?.origins) && Array.isArray(value?.providers);
const CONFIGURATIONS = BLOCKS.filter(({ value }) => isConfiguration(value));

/** All values of members with this name, at any depth. */
function named(name, value) {
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, inner]) => [...(key === name ? [inner] : []), ...named(name, inner)]);
}

const VARIABLES = [...new Set(CONFIGURATIONS.flatMap(({ value }) => named('environment_variable', value)))];
const ENVIRONMENT = Object.fromEntries(VARIABLES.map((name) => [name, PLAIN[name] ?? randomBytes(32).toString('base64')]));

/** The shipped bootstrap with a listener for each block, whose plugin is named after the block's place, and with all clusters that the blocks name. */
function bootstrapWith(blocks) {
  const bootstrap = shipped();
  const { clusters, listeners } = bootstrap.static_resources;
  const [listener] = listeners.splice(0);
  const clustersOf = ({ clusters = {} }) => (typeof clusters === 'string' ? [clusters] : Object.values(clusters));
  for (const [index, { place, value }] of blocks.entries()) {
    const own = structuredClone(listener);
    Object.assign(own, { name: place, address: { socket_address: { address: '127.0.0.1', port_value: index + 1 } } });
    const plugin = pluginOf(own);
    plugin.name = place;
    plugin.vm_config.code = { local: { filename: wasmPath() } };
    plugin.vm_config.environment_variables = { host_env_keys: VARIABLES };
    asStruct(plugin, value);
    listeners.push(own);
    for (const name of value.providers.flatMap(clustersOf))
      if (!clusters.some((cluster) => cluster.name === name)) clusters.push({ name, connect_timeout: '1s' });
  }
  return bootstrap;
}

describe('a configuration in the documents is accepted', () => {
  it('and at least three were found', () => {
    assert.ok(CONFIGURATIONS.length >= 3, `found ${CONFIGURATIONS.map(({ place }) => place).join(', ')}`);
  });

  it(`by Envoy, each of these: ${CONFIGURATIONS.map(({ place }) => place).join(', ')}`, async () => {
    const { code, log } = await validate(bootstrapWith(CONFIGURATIONS), { environment: ENVIRONMENT });
    assert.equal(code, 0, log.slice(-4000));
  });

  it('or else refused with the place of the block', async () => {
    const [first, second, ...others] = structuredClone(CONFIGURATIONS);
    second.value.providers[0].client_name = 'x';
    const { code, log } = await validate(bootstrapWith([first, second, ...others]), { environment: ENVIRONMENT });
    assert.equal(code, 1);
    assert.match(log, /configuration refused: providers\[0\]\.client_name/);
    assert.ok(log.includes(`Plugin ${second.place} failed to load`), log.slice(-4000));
  });
});

describe('the documents name', () => {
  it('every reason, in the table of troubleshooting.md', () => {
    const reasons = [...read('src/words/reason.rs').matchAll(/^ {4}[A-Z]\w+ = "([a-z_]+)",$/gm)].map(([, id]) => id);
    assert.ok(reasons.length >= 40, `found ${reasons.length} reasons in the source`);
    const table = read('docs/troubleshooting.md').split('## All reasons')[1].split('\n## ')[0];
    assert.deepEqual(
      reasons.filter((id) => !table.includes(`| \`${id}\` |`)),
      [],
    );
    const rows = [...table.matchAll(/^\| `([a-z_]+)` \| \d{3} \|/gm)].map(([, id]) => id);
    assert.deepEqual(
      rows.filter((id) => !reasons.includes(id)),
      [],
      'reasons that do not exist',
    );
  });

  it('every counter', () => {
    // The documents write a counter that ends with a reason as accredit_denied_REASON, a gauge of a provider as …_PROVIDER, and of
    // counters of calls each by what became of them.
    const literals = [
      ...read('src/step/metric.rs')
        .split('#[cfg(test)]')[0]
        .matchAll(/"(accredit_[a-z_]+)"/g),
    ];
    const ends = [
      ['seconds_', 'PROVIDER'],
      ['tool_calls_', 'forwarded_TOOL'],
      ['calls_', 'forwarded'],
      ['_', 'REASON'],
    ];
    const counters = literals.map(([, name]) => `${name}${ends.find(([end]) => name.endsWith(end))?.[1] ?? ''}`);
    assert.ok(counters.length >= 40, `found ${counters.length} counters in the source`);
    const text = DOCUMENTS.filter(({ path }) => path.startsWith('docs/'))
      .map(({ text: words }) => words)
      .join('\n');
    assert.deepEqual(
      counters.filter((name) => !text.includes(`\`${name}\``)),
      [],
    );
  });
});
