// Renders deploy/compose/envoy/: each shipped file for containers. All differences from envoy/SCENARIO.yaml are made here.
import { readdirSync } from 'node:fs';
import { redisClusterItem, revocations } from './made/redis-cluster.mjs';
import { ROOT, variable } from './source.mjs';

/** The targets of the clusters of all scenarios: services of compose.yaml by name, with their ports. */
const SERVICES = { provider: 9000, application: 9100, users: 9300, mail: 9301, redis: 6379 };
const MODULE = '/etc/envoy/accredit.wasm';

const head = (scenario) => `
Rendered from envoy/${scenario}.yaml by \`make manifests\`: change that file, whose first lines explain it, or deploy/build/render/compose.mjs.

Use it        SCENARIO=${scenario} docker compose up, in deploy/compose. In the gateway's container it is /etc/envoy/envoy.yaml.

What differs  listener, admin   on all addresses of the container; compose.yaml publishes them only on this machine's loopback. The admin interface
                                has only its read-only pages, because other containers can reach it too
              clusters          services of compose.yaml by name, resolved repeatedly, because a replaced container has another address
              revocations       in the Redis of compose.yaml, where people can sign out: several gateways would tell each other there what has ended
              issuer            from the environment, so that one file works with the demo's provider and with Keycloak; the cluster provider reaches its host
              module            the path in the image`;

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
  if (file.get([...file.configuration, 'endpoints', 'logout'])) withRedis(file);
  for (const { name } of file.get(['static_resources', 'clusters'])) byName(file, name);
  return file;
}

/** Tells other gateways what has ended, by the Redis of compose.yaml. */
function withRedis(file) {
  file.set([...file.configuration, 'revocations'], revocations(variable('REDIS_PASSWORD')));
  file.add([...file.plugin, 'vm_config', 'environment_variables', 'host_env_keys'], 'REDIS_PASSWORD');
  file.insertCluster(redisClusterItem('redis'), 'application');
}

/** Replaces written-out endpoints by discovery, because Keycloak's endpoints are not those of the demo's provider. */
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
