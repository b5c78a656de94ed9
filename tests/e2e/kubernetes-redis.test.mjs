// The component deploy/kubernetes/components/redis in each overlay: built by kustomize, valid for the API, its network policies, its Envoy file, and its Redis,
// which is started as the pod would start it.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { validate } from './lib/envoy.mjs';
import { documentedCluster, documentedUser } from './lib/fleet.mjs';
import { pluginOf } from './lib/gateway.mjs';
import { API_VERSIONS, OVERLAYS, build, buildWith, labelOf, objectOf, schemaRefusals } from './lib/kubernetes.mjs';
import { atExit, eventually, freePort, wasmPath } from './lib/process.mjs';
import { valkeyPrograms } from './lib/redis.mjs';
import { refusalIn } from './lib/refusals.mjs';

const NEW = ['Deployment/redis', 'Service/redis', 'NetworkPolicy/redis'];
const built = {};
before(() => OVERLAYS.forEach((overlay) => (built[overlay] = buildWith('redis', overlay))));
const of = (label, overlay = 'staging') => objectOf(built[overlay], label);
const envoyFile = () => parse(of('ConfigMap/envoy').data['envoy.yaml'], { merge: true });

describe('the component redis', () => {
  for (const overlay of OVERLAYS) {
    for (const version of API_VERSIONS)
      it(`is valid for Kubernetes ${version}, strictly: ${overlay}`, () => assert.deepEqual(schemaRefusals(built[overlay], version).filter(Boolean), []));

    it(`adds three objects to the namespace, and changes only Envoy's file, its variable and its way out: ${overlay}`, () => {
      const plain = build(overlay);
      const labels = (objects) => objects.map(labelOf).sort();
      assert.deepEqual(labels(built[overlay]), [...labels(plain), ...NEW].sort());
      const [{ namespace }] = plain.map(({ metadata }) => metadata);
      for (const object of built[overlay]) assert.equal(object.metadata.namespace, namespace, labelOf(object));
      const same = plain.filter((object) => JSON.stringify(object) === JSON.stringify(objectOf(built[overlay], labelOf(object))));
      assert.deepEqual(labels(plain.filter((object) => !same.includes(object))), ['ConfigMap/envoy', 'Deployment/accredit', 'NetworkPolicy/accredit']);
      const env = (objects) => objectOf(objects, 'Deployment/accredit').spec.template.spec.containers[0].env;
      assert.deepEqual(env(built[overlay]), [
        ...env(plain),
        { name: 'REDIS_PASSWORD', valueFrom: { secretKeyRef: { name: 'accredit-secrets', key: 'redis-password' } } },
      ]);
    });
  }

  it('lets only the gateway reach Redis, by the port that both have, and Redis nobody', () => {
    const [redis, gateway] = ['redis', 'accredit'].map((name) => of(`Deployment/${name}`).spec.template);
    const policy = of('NetworkPolicy/redis').spec;
    assert.deepEqual(policy.podSelector.matchLabels, redis.metadata.labels);
    assert.deepEqual([policy.policyTypes, policy.egress ?? []], [['Ingress', 'Egress'], []]);
    assert.deepEqual(policy.ingress, [{ ports: [{ port: 'redis' }], from: [{ podSelector: { matchLabels: gateway.metadata.labels } }] }]);
    assert.deepEqual(of('NetworkPolicy/accredit').spec.egress.at(-1), {
      ports: [{ port: 6379 }],
      to: [{ podSelector: { matchLabels: redis.metadata.labels } }],
    });
    const [service, [port]] = [of('Service/redis').spec, redis.spec.containers[0].ports];
    assert.deepEqual([service.selector, service.ports[0].port, service.ports[0].targetPort], [redis.metadata.labels, 6379, port.name]);
    assert.deepEqual([port.name, port.containerPort], ['redis', 6379]);
  });

  it('runs Redis without rights, and without a secret in an argument', () => {
    const { containers, securityContext, automountServiceAccountToken } = of('Deployment/redis').spec.template.spec;
    const [{ securityContext: own, command, resources, image, env }] = containers;
    assert.deepEqual([automountServiceAccountToken, securityContext.runAsNonRoot, securityContext.seccompProfile.type], [false, true, 'RuntimeDefault']);
    assert.deepEqual([own.allowPrivilegeEscalation, own.readOnlyRootFilesystem, own.capabilities], [false, true, { drop: ['ALL'] }]);
    assert.ok(resources.limits.memory && /:\d+\.\d+\.\d+-/.test(image));
    // Kubernetes itself would replace $(REDIS_PASSWORD), in the arguments of the process.
    assert.doesNotMatch(JSON.stringify(command), /\$\(/);
    assert.equal(env[0].valueFrom.secretKeyRef.key, 'redis-password');
  });

  it("has the document's user and the document's cluster, without TLS", () => {
    const script = of('Deployment/redis').spec.template.spec.containers[0].command.at(-1);
    const [, , , ...rule] = documentedUser('$REDIS_PASSWORD');
    assert.ok(script.includes(`user accredit ${rule.join(' ')}\n`), script);
    const cluster = envoyFile().static_resources.clusters.find(({ name }) => name === 'redis');
    const { load_assignment: ours, dns_lookup_family: _, ...rest } = cluster;
    const { load_assignment: theirs, ...documented } = documentedCluster(6379);
    assert.deepEqual(rest, documented);
    const place = ({ endpoints }) => endpoints[0].lb_endpoints[0].endpoint.address.socket_address;
    assert.deepEqual([place(ours), place(theirs).port_value], [{ address: 'redis', port_value: 6379 }, 6379]);
  });

  it('has a file that Envoy and the filter accept with the variables of the pod', async () => {
    const bootstrap = envoyFile();
    pluginOf(bootstrap.static_resources.listeners[0]).vm_config.code.local.filename = wasmPath();
    const key = () => randomBytes(32).toString('base64');
    const environment = { ...of('ConfigMap/environment').data, OIDC_CLIENT_SECRET: 'x', ACCREDIT_KEY: key(), ACCREDIT_OTHER_KEY: key(), REDIS_PASSWORD: key() };
    assert.equal(refusalIn(bootstrap, environment), null);
    for (const { transport_socket: socket } of [bootstrap.static_resources.listeners[0].filter_chains[0]]) assert.ok(socket);
    delete bootstrap.static_resources.listeners[0].filter_chains[0].transport_socket; // its certificate is in the pod
    const { code, log } = await validate(bootstrap, { environment });
    assert.equal(code, 0, log.slice(-2000));
  });
});

describe('the Redis of the component', () => {
  const [up, password] = [{}, randomBytes(32).toString('hex')];
  before(async () => {
    up.port = await freePort();
    const [container] = objectOf(buildWith('redis', 'staging'), 'Deployment/redis').spec.template.spec.containers;
    const here = (word) => word.replace('bind 0.0.0.0', `bind 127.0.0.1\nport ${up.port}`).replace('valkey-cli', `valkey-cli -p ${up.port}`);
    up.options = { env: { PATH: `${valkeyPrograms()}:${process.env.PATH}`, REDIS_PASSWORD: password }, cwd: '/', encoding: 'utf8' };
    const [program, ...words] = container.command.map(here);
    up.child = spawn(program, words, { ...up.options, stdio: 'ignore' });
    atExit(() => up.child.kill('SIGKILL'));
    up.ready = (environment = up.options.env) => {
      const [asks, ...rest] = container.readinessProbe.exec.command.map(here);
      return spawnSync(asks, rest, { ...up.options, env: environment }).status === 0;
    };
  });
  after(() => up.child?.kill('SIGKILL'));

  it('is ready for whoever has the password, and for nobody else', async () => {
    await eventually('it is ready', () => up.ready());
    assert.equal(up.ready({ ...up.options.env, REDIS_PASSWORD: 'another' }), false);
    const anybody = spawnSync('valkey-cli', ['-p', String(up.port), 'time'], up.options);
    assert.match(anybody.stdout + anybody.stderr, /NOAUTH/);
  });

  it('gives its user no other command and no other key', () => {
    const asked = (...words) => {
      const { stdout, stderr } = spawnSync('valkey-cli', ['-p', String(up.port), '--user', 'accredit', ...words], {
        ...up.options,
        env: { ...up.options.env, REDISCLI_AUTH: password },
      });
      return stdout + stderr;
    };
    assert.match(asked('xadd', 'accredit', '*', 'e', 'x'), /^\d+-\d+/);
    for (const words of [['flushall'], ['xadd', 'other', '*', 'e', 'x'], ['config', 'get', '*'], ['del', 'accredit']]) assert.match(asked(...words), /NOPERM/);
  });

  it('ends at SIGTERM', async () => {
    const ended = new Promise((done) => up.child.once('exit', done));
    up.child.kill('SIGTERM');
    assert.equal(await ended, 0);
  });
});
