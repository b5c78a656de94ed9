// Rules for the manifests under deploy/kubernetes that the API does not demand: which value each place must have, and that the objects agree with each other
// and with Envoy's file. `brokenPromises` lists the rules that are broken.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { parse } from 'yaml';
import { configurationOf, pluginOf } from './gateway.mjs';
import { labelOf, objectOf, placesOf } from './kubernetes.mjs';
import { ROOT } from './process.mjs';

const is = (wanted) => (value) => isDeepStrictEqual(value, wanted);
const oneOf =
  (...wanted) =>
  (value) =>
    wanted.includes(value);
const atLeast = (least) => (value) => Number.isInteger(value) && value >= least;
const like = (pattern) => (value) => pattern.test(value);
const anything = (value) => value !== undefined && value !== null && value !== '';
const ourLabel = is({ 'app.kubernetes.io/name': 'accredit' });
const quantity = like(/^\d+(m|Mi)$/);

const POD = 'spec.template.spec';
const CONTAINERS = [`${POD}.containers.*`, `${POD}.initContainers.*`];
const ENVOY = `${POD}.containers[name=envoy]`;
const secret = (name, key) => [`${ENVOY}.env[name=${name}].valueFrom.secretKeyRef`, is({ name: 'accredit-secrets', key })];

/** The rules for each object: a pattern, and a check for the value at every place that it matches. If a pattern matches no place, the rule is broken. */
export const PROMISES = {
  'ServiceAccount/accredit': [['automountServiceAccountToken', is(false)]],
  'ConfigMap/environment': [
    ['data.ACCREDIT_ORIGIN', like(/^https:\/\/[a-z.]+\.example\.com$/)],
    ['data.OIDC_ISSUER', like(/^https:\/\/[a-z.]+\.example\.com\/realms\/main$/)],
    ['data.OIDC_CLIENT_ID', anything],
  ],
  'ConfigMap/envoy': [
    ['data[envoy.yaml]', anything],
    ['data[certificate.yaml]', anything],
  ],
  'Service/accredit': [
    ['spec.type', is('LoadBalancer')],
    ['spec.externalTrafficPolicy', is('Local')],
    ['spec.selector', ourLabel],
    ['spec.ports[name=https].port', is(443)],
    ['spec.ports[name=https].targetPort', is('https')],
    ['spec.ports[name=https].appProtocol', is('https')],
    ['spec.ports[name=http].port', is(80)],
    ['spec.ports[name=http].targetPort', is('http')],
    ['spec.ports[name=http].appProtocol', is('http')],
  ],
  'Service/application': [
    ['spec.type', is('ExternalName')],
    ['spec.externalName', like(/^[a-z-]+\.[a-z-]+\.svc\.cluster\.local$/)],
  ],
  'Deployment/accredit': [
    ['spec.selector.matchLabels', ourLabel],
    ['spec.template.metadata.labels', ourLabel],
    ['spec.strategy.type', is('RollingUpdate')],
    ['spec.strategy.rollingUpdate.maxUnavailable', is(0)],
    ['spec.strategy.rollingUpdate.maxSurge', is(1)],
    ['spec.revisionHistoryLimit', atLeast(2)],
    ['spec.progressDeadlineSeconds', atLeast(120)],
    [`${POD}.serviceAccountName`, is('accredit')],
    [`${POD}.automountServiceAccountToken`, is(false)],
    [`${POD}.enableServiceLinks`, is(false)],
    [`${POD}.dnsConfig.options`, is([{ name: 'ndots', value: '1' }])],
    [`${POD}.securityContext.runAsNonRoot`, is(true)],
    ...['runAsUser', 'runAsGroup', 'fsGroup'].map((name) => [`${POD}.securityContext.${name}`, is(65532)]),
    [`${POD}.securityContext.seccompProfile`, is({ type: 'RuntimeDefault' })],
    ...CONTAINERS.flatMap((container) => [
      [`${container}.image`, anything],
      [`${container}.securityContext.allowPrivilegeEscalation`, is(false)],
      [`${container}.securityContext.readOnlyRootFilesystem`, is(true)],
      [`${container}.securityContext.capabilities`, is({ drop: ['ALL'] })],
      [`${container}.resources.requests.cpu`, quantity],
      [`${container}.resources.requests.memory`, quantity],
      [`${container}.resources.limits.memory`, quantity],
    ]),
    ...['kubernetes.io/hostname', 'topology.kubernetes.io/zone'].flatMap((key, index) => [
      [`${POD}.topologySpreadConstraints[topologyKey=${key}].maxSkew`, is(1)],
      [`${POD}.topologySpreadConstraints[topologyKey=${key}].whenUnsatisfiable`, is(['DoNotSchedule', 'ScheduleAnyway'][index])],
      [`${POD}.topologySpreadConstraints[topologyKey=${key}].labelSelector.matchLabels`, ourLabel],
      [`${POD}.topologySpreadConstraints[topologyKey=${key}].matchLabelKeys`, is(['pod-template-hash'])],
    ]),
    ...[
      ['startupProbe', '/ready', 1, 30],
      ['readinessProbe', '/ready', 1, 2],
      ['livenessProbe', '/live', 5, 3],
    ].flatMap(([probe, path, period, failures]) => [
      [`${ENVOY}.${probe}.httpGet`, is({ path, port: 'probes' })],
      [`${ENVOY}.${probe}.periodSeconds`, atLeast(period)],
      [`${ENVOY}.${probe}.failureThreshold`, atLeast(failures)],
    ]),
    [`${ENVOY}.livenessProbe.timeoutSeconds`, atLeast(5)],
    [`${ENVOY}.lifecycle.preStop.sleep.seconds`, atLeast(10)],
    [`${ENVOY}.envFrom`, (sources) => sources.length === 1 && /^environment-/.test(sources[0].configMapRef?.name)],
    secret('OIDC_CLIENT_SECRET', 'oidc-client-secret'),
    secret('ACCREDIT_KEY', 'session-key'),
    secret('ACCREDIT_OTHER_KEY', 'other-session-key'),
    [`${ENVOY}.args`, is(['-c', '/etc/envoy/envoy.yaml', '--concurrency', '2', '--disable-hot-restart'])],
    [`${ENVOY}.volumeMounts[name=envoy]`, is({ mountPath: '/etc/envoy', name: 'envoy', readOnly: true })],
    [`${ENVOY}.volumeMounts[name=module]`, is({ mountPath: '/etc/accredit/module', name: 'module', readOnly: true })],
    [`${ENVOY}.volumeMounts[name=certificate]`, is({ mountPath: '/etc/accredit/certificate', name: 'certificate', readOnly: true })],
    [`${POD}.initContainers[name=module].command`, is(['cp', '/plugin.wasm', '/module/accredit.wasm'])],
    [`${POD}.initContainers[name=module].volumeMounts`, is([{ mountPath: '/module', name: 'module' }])],
    [
      `${POD}.containers[name=drain].command`,
      is(['sh', '-c', "trap 'wget -q -O - --post-data= http://127.0.0.1:9901/healthcheck/fail; exit 0' TERM; tail -f /dev/null & wait"]),
    ],
    [`${POD}.volumes[name=envoy].configMap.name`, like(/^envoy-/)],
    [`${POD}.volumes[name=module].emptyDir.sizeLimit`, quantity],
    [`${POD}.volumes[name=certificate].secret`, is({ defaultMode: 0o440, secretName: 'accredit-tls' })],
  ],
  'PodDisruptionBudget/accredit': [
    ['spec.maxUnavailable', is(1)],
    ['spec.selector.matchLabels', ourLabel],
    ['spec.unhealthyPodEvictionPolicy', is('AlwaysAllow')],
  ],
  'HorizontalPodAutoscaler/accredit': [
    ['spec.scaleTargetRef', is({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'accredit' })],
    ['spec.minReplicas', atLeast(2)],
    ['spec.maxReplicas', atLeast(2)],
    ['spec.metrics[type=ContainerResource].containerResource.container', is('envoy')],
    ['spec.metrics[type=ContainerResource].containerResource.target.averageUtilization', oneOf(60, 70, 80)],
  ],
  'NetworkPolicy/accredit': [
    ['spec.podSelector.matchLabels', ourLabel],
    ['spec.policyTypes', is(['Ingress', 'Egress'])],
    ['spec.ingress.0', is({ ports: [{ port: 'https' }, { port: 'http' }] })],
    ['spec.ingress.1.ports', is([{ port: 'probes' }])],
    ['spec.ingress.1.from', is([{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }])],
    [
      'spec.egress.0.ports',
      is([
        { port: 53, protocol: 'UDP' },
        { port: 53, protocol: 'TCP' },
      ]),
    ],
    [
      'spec.egress.0.to',
      (to) => is({ matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } })(to[0]?.namespaceSelector) && to[1]?.ipBlock?.cidr === '169.254.20.10/32',
    ],
    ['spec.egress.1.ports', is([{ port: 443 }])],
    [
      'spec.egress.1.to.0.ipBlock.except',
      (inside) => ['10.0.0.0/8', '100.64.0.0/10', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16'].every((block) => inside.includes(block)),
    ],
    ['spec.egress.1.to.1.ipBlock.except', (inside) => ['fc00::/7', 'fe80::/10'].every((block) => inside.includes(block))],
    ['spec.egress.2', is({ to: [{ namespaceSelector: {}, podSelector: { matchLabels: { 'accredit.example.com/application': 'true' } } }] })],
  ],
};

/** The broken rules, each as a sentence. A rule is also broken if its object, or the place in it, is missing. */
export function brokenPromises(objects) {
  const labels = objects.map((object) => (object.metadata?.name && object.kind ? labelOf(object) : '?'));
  const broken = [];
  const hold = (what, holds) => {
    let found;
    try {
      found = holds();
    } catch (error) {
      found = error.message;
    }
    if (found !== true) broken.push(`${what}${typeof found === 'string' ? `: ${found}` : ''}`);
  };
  hold('the objects are those that are promised', () => [...labels].sort().join() === Object.keys(PROMISES).sort().join());
  for (const [label, promises] of Object.entries(PROMISES)) {
    for (const [pattern, holds] of promises) {
      hold(`${label} ${pattern}`, () => {
        const places = placesOf(objectOf(objects, label), pattern);
        return places.length > 0 && places.length >= countOf(objects, label, pattern) && places.every(({ value }) => holds(value));
      });
    }
    hold(
      `${label} carries our label and a namespace`,
      () => ourLabel(objectOf(objects, label).metadata.labels) && /^accredit-/.test(objectOf(objects, label).metadata.namespace),
    );
  }
  for (const [what, holds] of Object.entries(AGREEMENTS)) hold(what, () => holds(objects));
  return broken;
}

/** How many places a pattern must match. With `*`, every item must have the place: as many as there are items. */
function countOf(objects, label, pattern) {
  const star = pattern.indexOf('.*');
  return star < 0 ? 1 : placesOf(objectOf(objects, label), pattern.slice(0, star + 2)).length;
}

/** Each text is parsed only once, because hundreds of copies of the objects share it. */
const texts = new Map();
function parsed(text) {
  if (!texts.has(text)) texts.set(text, parse(text));
  return texts.get(text);
}

const podOf = (objects) => objectOf(objects, 'Deployment/accredit').spec.template.spec;
const containersOf = (objects) => [...podOf(objects).containers, ...podOf(objects).initContainers];
const envoyOf = (objects) => podOf(objects).containers.find(({ name }) => name === 'envoy');
const fileIn = (objects, name) => parsed(objectOf(objects, 'ConfigMap/envoy').data[name]);
const bootstrapIn = (objects) => fileIn(objects, 'envoy.yaml');
const listenersIn = (objects) => bootstrapIn(objects).static_resources.listeners;
const same = (found, wanted) => (JSON.stringify([...found].sort()) === JSON.stringify([...wanted].sort()) ? true : `expected ${wanted}, found ${found}`);

/** Every text inside a value, at any depth, with its path. */
export function textsIn(value, path = '') {
  if (typeof value === 'string') return [[path, value]];
  return value && typeof value === 'object' ? Object.entries(value).flatMap(([name, inner]) => textsIn(inner, `${path}.${name}`)) : [];
}

const cargoVersion = () => /^version = "(.*)"$/m.exec(readFileSync(join(ROOT, 'Cargo.toml'), 'utf8'))[1];
const envoyVersion = () => /^VERSION=(.*)$/m.exec(readFileSync(join(ROOT, 'deploy/build/envoy.sh'), 'utf8'))[1];

const AGREEMENTS = {
  'every image is pinned, ours to the version of the crate and Envoy to the one that is tested': (objects) =>
    containersOf(objects).every(({ image }) =>
      [`registry.example.com/accredit-installer:${cargoVersion()}`, `envoyproxy/envoy:distroless-v${envoyVersion()}`].includes(image),
    ),
  'no Secret is built': (objects) => objects.every(({ kind }) => kind !== 'Secret'),
  'nothing that looks like a secret is written down': (objects) => {
    const told = objects
      .flatMap((object) => textsIn(object))
      .filter(([, text]) => /-----BEGIN [A-Z ]*PRIVATE KEY|[A-Za-z0-9+/]{43}=|[A-Za-z0-9_-]{43}/.test(text));
    return told.length === 0 || told[0][0];
  },
  'what is called secret, key, password or token comes by reference': (objects) => {
    const literal = containersOf(objects)
      .flatMap(({ env = [] }) => env)
      .filter(({ value }) => value !== undefined);
    const maps = objects
      .filter(({ kind }) => kind === 'ConfigMap')
      .flatMap(({ data }) => Object.keys(data))
      .filter((name) => /secret|key|password|token/i.test(name));
    const { providers, session } = configurationOf(pluginOf(listenersIn(objects)[0]));
    const written = [...providers.map(({ client_secret: secret }) => secret), ...session.keys].filter((value) => typeof value !== 'object');
    return same([...literal, ...maps, ...written], []);
  },
  'no number of replicas fights with the autoscaler': (objects) => objectOf(objects, 'Deployment/accredit').spec.replicas === undefined,
  'the autoscaler has room above what it begins with': (objects) => {
    const { minReplicas, maxReplicas } = objectOf(objects, 'HorizontalPodAutoscaler/accredit').spec;
    return maxReplicas > minReplicas;
  },
  'preStop leaves time to end': (objects) => podOf(objects).terminationGracePeriodSeconds >= envoyOf(objects).lifecycle.preStop.sleep.seconds + 10,
  'the container has the ports that Envoy listens on, and no other': (objects) =>
    same(
      envoyOf(objects).ports.map(({ containerPort }) => containerPort),
      listenersIn(objects).map(({ address }) => address.socket_address.port_value),
    ),
  'the ports are named for what listens there': (objects) => {
    const portOf = (name) => envoyOf(objects).ports.find((port) => port.name === name)?.containerPort;
    const names = { https: 'gateway', http: 'redirect', probes: 'probes' };
    return Object.entries(names).every(
      ([port, listener]) => portOf(port) === listenersIn(objects).find(({ name }) => name === listener)?.address.socket_address.port_value,
    );
  },
  'Envoy listens for others, and its admin interface for nobody but the pod': (objects) =>
    listenersIn(objects).every(({ address }) => address.socket_address.address === '0.0.0.0') &&
    bootstrapIn(objects).admin.address.socket_address.address === '127.0.0.1',
  'the Service, the network policy and the probes use ports that there are': (objects) => {
    const known = envoyOf(objects).ports.map(({ name }) => name);
    const service = objectOf(objects, 'Service/accredit').spec.ports.map(({ targetPort }) => targetPort);
    const policy = objectOf(objects, 'NetworkPolicy/accredit').spec.ingress.flatMap(({ ports }) => ports.map(({ port }) => port));
    const probes = ['startupProbe', 'readinessProbe', 'livenessProbe'].map((probe) => envoyOf(objects)[probe].httpGet.port);
    return [...service, ...policy, ...probes].every((name) => known.includes(name)) && same(policy, known);
  },
  'the probes ask for paths that the listener `probes` has, and it has no other but the metrics': (objects) => {
    const probes = listenersIn(objects)
      .find(({ name }) => name === 'probes')
      .filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes.map(({ match }) => match.path);
    const asked = ['startupProbe', 'readinessProbe', 'livenessProbe'].map((probe) => envoyOf(objects)[probe].httpGet.path);
    return asked.every((path) => probes.includes(path)) && same(probes, ['/live', '/ready', '/stats/prometheus']);
  },
  'the cluster `admin` and the container `drain` reach the admin interface': (objects) => {
    const { port_value: port } = bootstrapIn(objects).admin.address.socket_address;
    const admin = bootstrapIn(objects).static_resources.clusters.find(({ name }) => name === 'admin');
    const drain = podOf(objects)
      .containers.find(({ name }) => name === 'drain')
      .command.join(' ');
    return (
      is({ address: '127.0.0.1', port_value: port })(admin.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address) &&
      drain.includes(`http://127.0.0.1:${port}/healthcheck/fail`)
    );
  },
  'the cluster `application` is the Service of that name': (objects) => {
    const { endpoints } = bootstrapIn(objects).static_resources.clusters.find(({ name }) => name === 'application').load_assignment;
    return endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address === objectOf(objects, 'Service/application').metadata.name;
  },
  'the filter may read every variable that its configuration names, and the container has it': (objects) => {
    const plugin = pluginOf(listenersIn(objects)[0]);
    const named = [...JSON.stringify(configurationOf(plugin)).matchAll(/"environment_variable":"(\w+)"/g)].map(([, name]) => name);
    const given = [...envoyOf(objects).env.map(({ name }) => name), ...Object.keys(objectOf(objects, 'ConfigMap/environment').data)];
    const listed = plugin.vm_config.environment_variables.host_env_keys;
    const agree = same(listed, given);
    return agree === true ? same(new Set(named), given) : agree;
  },
  'what the pod mounts is there: the ConfigMaps by their hashed names': (objects) => {
    const pod = podOf(objects);
    const maps = objects.filter(({ kind }) => kind === 'ConfigMap').map(({ metadata }) => metadata.name);
    const wanted = [...pod.volumes.map(({ configMap }) => configMap?.name), ...envoyOf(objects).envFrom.map(({ configMapRef }) => configMapRef.name)].filter(
      Boolean,
    );
    const mounts = containersOf(objects).flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ name }) => name));
    const agree = same(wanted, maps);
    return agree === true
      ? same(
          new Set(mounts),
          pod.volumes.map(({ name }) => name),
        )
      : agree;
  },
  'every file that Envoy reads is mounted, or of the image': (objects) => {
    const isFile = (path) => /\.filename$|\.(path_config_source|watched_directory)\.path$/.test(path);
    const files = ['envoy.yaml', 'certificate.yaml']
      .flatMap((name) => textsIn(fileIn(objects, name)))
      .filter(([path]) => isFile(path))
      .map(([, text]) => text);
    const mounts = envoyOf(objects).volumeMounts.map(({ mountPath }) => mountPath);
    const mounted = [
      '/etc/envoy/certificate.yaml',
      '/etc/accredit/module/accredit.wasm',
      '/etc/accredit/certificate',
      '/etc/accredit/certificate/tls.crt',
      '/etc/accredit/certificate/tls.key',
    ];
    if (!mounted.every((file) => mounts.some((mount) => file === mount || file.startsWith(`${mount}/`)))) return 'a mount is missing';
    return same(files, [...mounted, '/etc/ssl/certs/ca-certificates.crt']);
  },
  'the module is put where Envoy reads it': (objects) => {
    const { command, volumeMounts } = podOf(objects).initContainers[0];
    const { code } = pluginOf(listenersIn(objects)[0]).vm_config;
    const [mount] = envoyOf(objects).volumeMounts.filter(({ name }) => name === volumeMounts[0].name);
    return command.at(-1).replace(volumeMounts[0].mountPath, mount.mountPath) === code.local.filename;
  },
};
