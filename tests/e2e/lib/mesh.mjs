// Runs the Envoy files of deploy/istio and deploy/envoy-gateway on this machine.
//
// It replaces only what differs between a cluster and this machine: ports, the provider's TLS, the path of the module, and the certificates of the mesh.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { Visitor } from './client.mjs';
import { Envoy, validate } from './envoy.mjs';
import { managerOf, newKey, pointCluster } from './gateway.mjs';
import { freePort, temporaryFolder, wasmPath } from './process.mjs';
import { makeAuthority } from './tls.mjs';
import { headerValues } from './upstream.mjs';

const WASM = 'type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm';
const RBAC = 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC';

/** All wasm filters of the gateway: Accredit's filter, or none. */
export const wasmFiltersOf = (bootstrap) =>
  managerOf(bootstrap.static_resources.listeners[0]).http_filters.filter(({ typed_config: config }) => config?.['@type'] === WASM);

/** Accredit's filter in a bootstrap. */
export function wasmFilterOf(bootstrap) {
  const [filter] = wasmFiltersOf(bootstrap);
  if (!filter) throw new Error('the gateway has no wasm filter');
  return filter;
}

export const secretsOf = (provider, key = newKey()) => ({
  OIDC_CLIENT_SECRET: provider?.clientSecret ?? 'demo-secret',
  ACCREDIT_KEY: key,
  ACCREDIT_OTHER_KEY: newKey(),
});

/** Sets ports, module and clusters for this machine; `clusters` are ports by name. The provider's cluster keeps its TLS only with `tls`. */
export function onThisMachine(bootstrap, { port, clusters = {}, tls = false, wasm = wasmPath() }) {
  bootstrap.admin.address.socket_address.port_value = 0;
  const [listener] = bootstrap.static_resources.listeners;
  listener.address.socket_address = { address: '127.0.0.1', port_value: port };
  for (const filter of wasmFiltersOf(bootstrap)) filter.typed_config.config.vm_config.code = { local: { filename: wasm } };
  for (const [name, target] of Object.entries(clusters)) pointCluster(bootstrap, name, target);
  const provider = bootstrap.static_resources.clusters.find(({ name }) => name.includes('provider'));
  if (!tls) delete provider.transport_socket;
  return bootstrap;
}

/** Starts an Envoy with such a bootstrap; it has the properties `origin`, `port` and `host`. */
export async function startMade(bootstrap, { port, environment }) {
  const gateway = await Envoy.start(bootstrap, { environment });
  return Object.assign(gateway, { port, origin: `http://localhost:${port}`, host: `localhost:${port}` });
}

/** Runs `envoy --mode validate` for the bootstrap: {code, log}. There is no access log, because its output is a pipe, which Envoy cannot open. */
export async function validateMade(bootstrap, { wasm, environment = secretsOf() } = {}) {
  const copy = onThisMachine(structuredClone(bootstrap), { port: await freePort(), tls: true, wasm });
  for (const { typed_config: log } of managerOf(copy.static_resources.listeners[0]).access_log) if (log.path === '/dev/stdout') log.path = '/dev/null';
  return validate(copy, { environment });
}

/** The mesh's authority, and certificates for these workloads, as static secrets by name. */
export function meshSecrets(workloads) {
  const authority = makeAuthority();
  const issued = Object.entries(workloads).map(([name, identity]) => [name, authority.issue(identity)]);
  const text = (value) => ({ inline_string: value });
  return {
    authority,
    issued: Object.fromEntries(issued),
    secrets: [
      { name: 'ROOTCA', validation_context: { trusted_ca: text(authority.pem) } },
      ...issued.map(([name, { certificate, key }]) => ({ name, tls_certificate: { certificate_chain: text(certificate), private_key: text(key) } })),
    ],
  };
}

/** The bootstrap with the filter by discovery, as Istio's control plane sends it, but from a file. */
export function byDiscovery(bootstrap, replacement = undefined) {
  const filter = wasmFilterOf(bootstrap);
  const file = join(temporaryFolder(), 'ecds.yaml');
  const resource = {
    '@type': 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig',
    name: filter.name,
    typed_config: replacement ?? filter.typed_config,
  };
  writeFileSync(file, stringify({ version_info: '1', resources: [resource] }, { aliasDuplicateObjects: false }));
  const source = { path_config_source: { path: file }, resource_api_version: 'V3', initial_fetch_timeout: '0s' };
  bootstrap.node = { id: 'e2e', cluster: 'e2e' };
  delete filter.typed_config;
  filter.config_discovery = { config_source: source, type_urls: [WASM, RBAC] };
  return bootstrap;
}

/** The filter that Istio's agent sends in place of a module that it cannot download, unless the plugin fails open: it refuses every request. */
export const DENY_ALL = { '@type': RBAC, rules: {}, rules_stat_prefix: 'wasm-default-deny' };

/** Changes the module's configuration by `edit(configuration)`. */
export function editConfiguration(bootstrap, edit) {
  const { configuration } = wasmFilterOf(bootstrap).typed_config.config;
  const value = JSON.parse(configuration.value);
  edit(value);
  configuration.value = JSON.stringify(value);
}

/** Sends every identity header (given as regular expressions) in two spellings; the application must get none of them, and the credential unchanged. */
export async function assertNoNames(gateway, application, expressions) {
  // One spelling at a time, because Envoy accepts at most a hundred headers.
  for (const sign of ['-', '.']) {
    application.forget();
    const names = expressions.map((one) => one.replaceAll('[^a-z0-9]', sign).replace('.*', 'name'));
    const headers = { ...Object.fromEntries(names.map((name) => [name, 'root'])), authorization: 'Bearer of-mine' };
    assert.equal((await new Visitor(gateway).call('/api/analytics', { headers })).status, 200);
    const arrived = await application.only('/api/analytics');
    assert.deepEqual(
      names.filter((name) => headerValues(arrived, name).length > 0),
      [],
    );
    assert.deepEqual(headerValues(arrived, 'authorization'), ['Bearer of-mine']);
  }
}
