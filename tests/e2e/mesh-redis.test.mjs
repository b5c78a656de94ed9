// The cluster of a Redis for Istio and for Envoy Gateway: it is the document's, and Envoy and the filter accept it with a configuration that has sessions.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { validate } from './lib/envoy.mjs';
import { documentedCluster } from './lib/fleet.mjs';
import { asStruct, configurationOf, pluginOf, shipped } from './lib/gateway.mjs';
import { ROOT, wasmPath } from './lib/process.mjs';

const HOST = 'redis.accredit.internal';
const read = (path) => readFileSync(join(ROOT, 'deploy', path), 'utf8');
const object = (path) => parse(read(path));
const README_LINE = /^```yaml\n(revocations: .*)\n```$/m;

/** Where the object has the cluster, and what it must say besides. */
const PLACES = [
  [
    'istio',
    ({ kind, metadata, spec }) => {
      const [{ applyTo, match, patch }, ...more] = spec.configPatches;
      assert.deepEqual([kind, metadata.namespace, more], ['EnvoyFilter', 'istio-ingress', []]);
      assert.deepEqual([applyTo, match, patch.operation], ['CLUSTER', { context: 'GATEWAY' }, 'ADD']);
      assert.deepEqual(spec.workloadSelector, object('istio/envoyfilter.yaml').spec.workloadSelector);
      return patch.value;
    },
  ],
  [
    'envoy-gateway',
    ({ kind, metadata, spec }) => {
      const [{ type, name, operation }, ...more] = spec.jsonPatches;
      const others = object('envoy-gateway/patchpolicy.yaml');
      assert.deepEqual([kind, metadata.namespace, more], ['EnvoyPatchPolicy', others.metadata.namespace, []]);
      assert.deepEqual([type, name], ['type.googleapis.com/envoy.config.cluster.v3.Cluster', operation.value.name]);
      assert.deepEqual([operation.op, operation.path, spec.targetRef, spec.type], ['add', '', others.spec.targetRef, others.spec.type]);
      return operation.value;
    },
  ],
];

describe('the cluster of a Redis', () => {
  for (const [place, clusterIn] of PLACES) {
    it(`is the document's, with TLS: ${place}`, () => {
      const { dns_lookup_family: family, load_assignment: ours, transport_socket: socket, ...rest } = clusterIn(object(`${place}/redis.yaml`));
      const { load_assignment: theirs, transport_socket: documented, ...other } = documentedCluster(6379, { file: '/etc/ssl/certs/ca-certificates.crt' });
      assert.equal(family, 'V4_PREFERRED');
      assert.deepEqual(rest, other);
      const renamed = JSON.parse(JSON.stringify(documented).replaceAll(documented.typed_config.sni, HOST));
      assert.deepEqual(socket, renamed);
      const address = ({ endpoints: [{ lb_endpoints: places }] }) => places.map(({ endpoint }) => endpoint.address.socket_address);
      assert.deepEqual([address(ours), address(theirs)[0].port_value], [[{ address: HOST, port_value: 6379 }], 6379]);
    });

    it(`is accepted by Envoy and the filter, with a configuration that has sessions and the line of the README: ${place}`, async () => {
      const bootstrap = shipped('bff');
      bootstrap.static_resources.clusters.push(clusterIn(object(`${place}/redis.yaml`)));
      const plugin = pluginOf(bootstrap.static_resources.listeners[0]);
      asStruct(plugin, { ...configurationOf(plugin), ...parse(README_LINE.exec(read(`${place}/README.md`))[1]) });
      plugin.vm_config.code = { local: { filename: wasmPath() } };
      plugin.vm_config.environment_variables.host_env_keys.push('REDIS_PASSWORD');
      const environment = { OIDC_CLIENT_SECRET: 'x', ACCREDIT_KEY: randomBytes(32).toString('base64'), REDIS_PASSWORD: 'x' };
      const { code, log } = await validate(bootstrap, { environment });
      assert.equal(code, 0, log.slice(-2000));
      plugin.vm_config.environment_variables.host_env_keys.pop();
      assert.notEqual((await validate(bootstrap, { environment })).code, 0, 'the variable must be handed on');
    });
  }

  it('is in no kustomization, because the shipped configuration has no sessions', () => {
    for (const [place] of PLACES) {
      assert.ok(!object(`${place}/kustomization.yaml`).resources.includes('redis.yaml'), place);
      const { endpoints } = configurationOf(pluginOf(shipped('spa-tokens').static_resources.listeners[0]));
      assert.deepEqual(Object.keys(endpoints), ['authorize', 'token']);
    }
  });
});
