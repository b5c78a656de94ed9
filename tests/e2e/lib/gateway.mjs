// The gateway under test: the shipped envoy/bff.yaml, or another shipped file, with the ports, clusters and plugin configuration of a test.
//
// Tests use the shipped files themselves: the bootstrap is read from the repository and changed as a value, never copied here. A test changes the plugin's
// configuration with `plugin`, and the bootstrap with `envoy`; both are functions that get the value to edit.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { Visitor } from './client.mjs';
import { Envoy, replaceFile } from './envoy.mjs';
import { ROOT, eventually, freePort, wasmPath } from './process.mjs';

export const newKey = () => randomBytes(32).toString('base64');

/** A shipped bootstrap as an object: envoy/NAME.yaml, or the file of this path. */
export function shipped(scenario = 'bff') {
  const path = scenario.includes('/') ? scenario : `envoy/${scenario}.yaml`;
  return parse(readFileSync(join(ROOT, path), 'utf8'), { merge: true });
}

/** The HTTP connection manager of a listener. */
export function managerOf(listener) {
  return listener.filter_chains[0].filters.find(({ name }) => name.includes('http_connection_manager')).typed_config;
}

/** The value of the wasm filter's `config`: root_id, vm_config, configuration and the rest. */
export function pluginOf(listener) {
  const filter = managerOf(listener).http_filters.find(({ typed_config: config }) => config?.['@type']?.includes('wasm'));
  if (!filter) throw new Error('the shipped listener has no wasm filter');
  return filter.typed_config.config;
}

/** A list of capabilities with all imports and exports of the module, except these. Shipped files have no such list. */
export function capabilitiesWithout(...missing) {
  const module = new WebAssembly.Module(readFileSync(wasmPath()));
  const names = [...WebAssembly.Module.imports(module), ...WebAssembly.Module.exports(module)].map(({ name }) => name);
  for (const name of missing) if (!names.includes(name)) throw new Error(`the module has no ${name}`);
  return { allowed_capabilities: Object.fromEntries(names.filter((name) => !missing.includes(name)).map((name) => [name, {}])) };
}

/** The plugin's configuration as a plain value, however it is wrapped in the bootstrap. */
export function configurationOf(plugin) {
  const { value } = plugin.configuration;
  return typeof value === 'string' ? JSON.parse(value) : value;
}

export function asStruct(plugin, configuration) {
  plugin.configuration = { '@type': 'type.googleapis.com/google.protobuf.Struct', value: configuration };
}

export function asString(plugin, configuration) {
  const value = typeof configuration === 'string' ? configuration : JSON.stringify(configuration);
  plugin.configuration = { '@type': 'type.googleapis.com/google.protobuf.StringValue', value };
}

export function asBytes(plugin, configuration) {
  const value = Buffer.from(JSON.stringify(configuration)).toString('base64');
  plugin.configuration = { '@type': 'type.googleapis.com/google.protobuf.BytesValue', value };
}

/** Points a cluster to a loopback port. */
export function pointCluster(bootstrap, name, port) {
  const cluster = bootstrap.static_resources.clusters.find((candidate) => candidate.name === name);
  if (!cluster) throw new Error(`the bootstrap has no cluster ${name}`);
  for (const group of cluster.load_assignment.endpoints)
    for (const { endpoint } of group.lb_endpoints) endpoint.address.socket_address = { address: '127.0.0.1', port_value: port };
  return cluster;
}

/**
 * The shipped bootstrap for these ports, with the plugin's configuration for this provider; a service that is left out keeps its shipped port. In shipped files
 * Envoy refuses headers with underscores before the filter sees them. Here it does so only with `withUnderscoresRefused`, so that tests show what the filter
 * itself does.
 */
export function bootstrapFor({
  scenario,
  port,
  provider,
  application,
  users,
  mail,
  plugin = () => {},
  envoy = () => {},
  wasm = wasmPath(),
  withUnderscoresRefused = false,
}) {
  const bootstrap = shipped(scenario);
  bootstrap.admin.address.socket_address = { address: '127.0.0.1', port_value: 0 };
  const [listener] = bootstrap.static_resources.listeners;
  listener.address.socket_address = { address: '127.0.0.1', port_value: port };
  if (!withUnderscoresRefused) delete managerOf(listener).common_http_protocol_options.headers_with_underscores_action;
  pointCluster(bootstrap, 'application', application.port);
  for (const [name, service] of Object.entries({ provider, users, mail })) if (service) pointCluster(bootstrap, name, service.port);

  const filter = pluginOf(listener);
  filter.vm_config.code = { local: { filename: wasm } };
  const configuration = configurationOf(filter);
  configuration.origins = [`http://localhost:${port}`];
  if (provider) atProvider(configuration.providers[0], provider);
  asStruct(filter, plugin(configuration) ?? configuration);
  return envoy(bootstrap) ?? bootstrap;
}

function atProvider(settings, provider) {
  if (settings.metadata)
    for (const [name, url] of Object.entries(settings.metadata)) settings.metadata[name] = url.replace('http://127.0.0.1:9000', provider.issuer);
  else settings.issuer = provider.issuer;
  settings.clusters = { [new URL(provider.issuer).host]: 'provider' };
}

/** Starts the gateway. Resolves with the running Envoy, which also knows its `origin`, `port`, session `key` and `jwtSecret`. */
export async function startGateway({ concurrency = 1, drain, key = newKey(), jwtSecret = newKey(), port, provider, environment = {}, ...rest }) {
  const chosen = port ?? (await freePort());
  const bootstrap = bootstrapFor({ ...rest, provider, port: chosen });
  const secrets = { OIDC_CLIENT_SECRET: provider?.clientSecret ?? 'demo-secret', ACCREDIT_KEY: key, SESSION_JWT_SECRET: jwtSecret };
  const gateway = await Envoy.start(bootstrap, { concurrency, drain, environment: { ...secrets, ...environment } });
  return Object.assign(gateway, { port: chosen, origin: `http://localhost:${chosen}`, host: `localhost:${chosen}`, key, jwtSecret, bootstrap });
}

/** The `iss` and `aud` of session JWTs in a shipped file. */
export function namesOf(scenario) {
  const { issuer: iss, audience: aud } = configurationOf(pluginOf(shipped(scenario).static_resources.listeners[0])).session.jwt;
  return { iss, aud };
}

/** The same, with the listener in a file that Envoy watches; `reload` edits the plugin's configuration in it. */
export async function startReloadableGateway({ envoy = () => {}, ...options }) {
  let file, listener;
  const write = (version) =>
    replaceFile(file, { version_info: String(version), resources: [{ '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener', ...listener }] });
  const fromFile = (bootstrap) => (folder) => {
    envoy(bootstrap);
    [listener] = bootstrap.static_resources.listeners.splice(0, 1);
    file = `${folder}/listeners.yaml`;
    write(1);
    bootstrap.node = { id: 'e2e', cluster: 'e2e' };
    bootstrap.dynamic_resources = { lds_config: { resource_api_version: 'V3', path_config_source: { path: file } } };
    return bootstrap;
  };
  const gateway = await startGateway({ ...options, envoy: fromFile });
  await eventually('the listener is there', async () => (await new Visitor(gateway).open('/')).status === 200);
  let version = 1;
  const reload = (change) => {
    const configuration = configurationOf(pluginOf(listener));
    change(configuration);
    asStruct(pluginOf(listener), configuration);
    write((version += 1));
  };
  return Object.assign(gateway, { reload });
}
