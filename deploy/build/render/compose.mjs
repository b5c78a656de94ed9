// Renders deploy/compose/envoy/: each shipped file for containers. What differs from envoy/SCENARIO.yaml is here, all of it.
import { readdirSync } from 'node:fs';
import { ROOT, variable } from './source.mjs';

/** Where the clusters of all scenarios lead to: services of compose.yaml by their names, and their ports. */
const SERVICES = { provider: 9000, application: 9100, users: 9300, mail: 9301 };
const MODULE = '/etc/envoy/accredit.wasm';

const head = (scenario) => `
Rendered from envoy/${scenario}.yaml by \`make manifests\`: change that file, whose head says what is what, or deploy/build/render/compose.mjs.

Use it        SCENARIO=${scenario} docker compose up, in deploy/compose. It stands in the gateway's container as /etc/envoy/envoy.yaml.

What differs  listener, admin   on all addresses of the container; compose.yaml publishes them on this machine's loopback alone. Of the admin's pages
                                those remain that only tell, because neighbours reach it too
              clusters          services of compose.yaml by name, asked again and again: a container that is replaced has another address
              issuer            from the environment, so that one file serves the demo's provider and Keycloak; its host goes to the cluster provider
              module            where the image has it`;

/** [{path, text}], one for each scenario. */
export function render(shipped) {
  const scenarios = readdirSync(`${ROOT}envoy`)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => name.slice(0, -'.yaml'.length))
    .sort();
  return scenarios.map((scenario) => ({ path: `deploy/compose/envoy/${scenario}.yaml`, text: inContainers(shipped(scenario)).text(head(scenario)) }));
}

function inContainers(file) {
  file.set(['admin', 'address', 'socket_address', 'address'], '0.0.0.0');
  file.set(['admin', 'allow_paths'], [{ exact: '/ready' }, { prefix: '/stats' }]);
  file.set([...file.listener(), 'address', 'socket_address', 'address'], '0.0.0.0');
  file.set([...file.plugin, 'vm_config', 'code', 'local', 'filename'], MODULE);
  const providers = [...file.configuration, 'providers'];
  (file.get(providers) ?? []).forEach((provider, index) => atProvider(file, [...providers, index], provider));
  for (const { name } of file.get(['static_resources', 'clusters'])) byName(file, name);
  return file;
}

/** Endpoints that were written out are found by discovery: Keycloak has others than the demo's provider. */
function atProvider(file, path, { metadata }) {
  if (metadata) file.remove([...path, 'metadata']);
  file.set([...path, 'issuer'], variable('OIDC_ISSUER')).set([...path, 'clusters'], 'provider');
  file.add([...file.plugin, 'vm_config', 'environment_variables', 'host_env_keys'], 'OIDC_ISSUER');
}

function byName(file, name) {
  if (!Object.hasOwn(SERVICES, name)) throw new Error(`cluster ${name}: compose.yaml has no such service; add it there and to SERVICES`);
  const address = [...file.cluster(name), 'load_assignment', 'endpoints', 0, 'lb_endpoints', 0, 'endpoint', 'address', 'socket_address'];
  file.set([...address, 'address'], name).set([...address, 'port_value'], SERVICES[name]);
  file.set([...file.cluster(name), 'type'], 'STRICT_DNS').set([...file.cluster(name), 'dns_lookup_family'], 'V4_PREFERRED');
}
