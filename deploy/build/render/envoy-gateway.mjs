// Renders three files of deploy/envoy-gateway: the EnvoyExtensionPolicy and the EnvoyPatchPolicy, both from envoy/spa-tokens.yaml, and envoy.yaml, which is
// what Envoy Gateway makes of these two and of the objects that are written by hand.

import { stringify } from 'yaml';
import { madeByEnvoyGateway } from './made/envoy-gateway.mjs';
import { MODULE, Parts, SECRETS, block, objectsIn, objectsOf } from './made/parts.mjs';
import { providerCluster } from './made/provider-cluster.mjs';
import { redisCluster } from './made/redis-cluster.mjs';

/** The files with objects that are written by hand. */
export const BY_HAND = ['gateway.yaml', 'application.yaml'];

const VARIABLES = ['ACCREDIT_ORIGIN', 'FRONT_ORIGIN', 'FRONT_CALLBACK', 'OIDC_ISSUER', 'OIDC_CLIENT_ID', ...SECRETS];

export function render(shipped) {
  const parts = new Parts(shipped, 'provider');
  const [extension, patches] = [extensionPolicy(parts), patchPolicy(parts)];
  const objects = [...objectsIn('envoy-gateway', BY_HAND), ...objectsOf(extension), ...objectsOf(patches)];
  return [
    { path: 'deploy/envoy-gateway/extensionpolicy.yaml', text: extension },
    { path: 'deploy/envoy-gateway/patchpolicy.yaml', text: patches },
    { path: 'deploy/envoy-gateway/redis.yaml', text: REDIS },
    {
      path: 'deploy/envoy-gateway/envoy.yaml',
      text: HEAD + stringify(madeByEnvoyGateway(objects), { lineWidth: 140, flowCollectionPadding: false, indentSeq: false, aliasDuplicateObjects: false }),
    },
  ];
}

const extensionPolicy = (
  parts,
) => `# Accredit in the gateway: the module, the variables of Envoy's environment that it may read, and its configuration. Rendered from
# envoy/spa-tokens.yaml by \`make manifests\`; the differences between environments are in gateway.yaml.
#
# Use it     with the others: kubectl apply -k deploy/envoy-gateway
# Change     \`url\`: your registry; by digest it is …/accredit@sha256:…, as the README shows. \`rules\`: who may call what.
#
# Keep these settings, because the guarantees of the filter depend on them:
#   failOpen false   without a module, with a wrong configuration or after a crash no request passes; true would let every request through
#   targetRefs       the Gateway, and so every route of it
#   rootID           accredit
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: {name: accredit, namespace: application}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: accredit}]
  wasm:
  - name: accredit
    rootID: accredit
    failOpen: false
    code:
      type: Image
      image: {url: "${MODULE}"}
      pullPolicy: IfNotPresent
    env:
      hostKeys: [${VARIABLES.join(', ')}]
    config:
      ${block(parts.configuration, 6)}
`;

const LISTENER = 'application/accredit/https';
const WASM = 'envoy.filters.http.wasm/envoyextensionpolicy/application/accredit/wasm/0';

const patchPolicy = (
  parts,
) => `# Settings that no other object has. Rendered from envoy/spa-tokens.yaml by \`make manifests\`. This kind of policy must be enabled in Envoy Gateway:
# controller-values.yaml.
#
# Use it     with the others: kubectl apply -k deploy/envoy-gateway
# Change     the names, if your namespace, Gateway, listener or policy has another name: \`application/accredit/https\` is the listener \`https\` of the
#            Gateway \`accredit\` in the namespace \`application\`. With XDSNameSchemeV2 Envoy Gateway uses other names.
#
# If a patch does not find its name, the policy's status says so, and the other patches are applied. Without the first two, Accredit fails closed and is
# on every route without its own policy; without the cluster nobody can sign in. No patch can add a filter that no route uses: if every route has its own
# extension policy, or there is one on the listener, or the Gateway's is deleted, Accredit is missing. Then the application is open, but without identity
# headers (gateway.yaml removes them).
#
# Envoy's wasm setting \`allow_on_headers_stop_iteration\`, which would let bodies pass undecided, is set neither here nor by Envoy Gateway.
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyPatchPolicy
metadata: {name: accredit, namespace: application}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: accredit}
  type: JSONPatch
  jsonPatches:
  # A filter that crashed is restarted; otherwise it would refuse every request from then on.
  - type: type.googleapis.com/envoy.config.listener.v3.Listener
    name: ${LISTENER}
    operation:
      op: add
      jsonPath: ..http_filters[?(@.name=='${WASM}')]
      path: typed_config/config/failure_policy
      value: ${parts.source.get([...parts.source.plugin, 'failure_policy'])}
  # Enabled for the whole listener. Envoy Gateway enables it for each route, and a route with its own extension policy would not have it. The filter is
  # in the chain because the route \`accredit\` (application.yaml) uses it.
  - type: type.googleapis.com/envoy.config.listener.v3.Listener
    name: ${LISTENER}
    operation:
      op: replace
      jsonPath: ..http_filters[?(@.name=='${WASM}')]
      path: disabled
      value: false
  # Limits the time in which a client must send its headers.
  - type: type.googleapis.com/envoy.config.listener.v3.Listener
    name: ${LISTENER}
    operation:
      op: add
      jsonPath: ..filters[?(@.name=='envoy.filters.network.http_connection_manager')]
      path: typed_config/request_headers_timeout
      value: ${parts.manager('request_headers_timeout').request_headers_timeout}
  # Reaches the issuer's host, whatever it is; the plugin calls no other. Its certificate must be valid for that host.
  - type: type.googleapis.com/envoy.config.cluster.v3.Cluster
    name: provider
    operation:
      op: add
      path: ""
      value:
        ${providerCluster(8)}
`;

const HOST = 'redis.accredit.internal';

/** It is in no kustomization, because the configuration of spa-tokens has no sessions. */
const REDIS = `# The cluster of a Redis in which the gateway's pods tell each other which sessions have ended. Rendered by \`make manifests\`.
#
# Use it     only with a configuration that has sessions (README.md, "A Redis"): kubectl apply -f deploy/envoy-gateway/redis.yaml
# Change     the three times that the host is named: a Redis or Valkey with TLS, whose certificate is valid for that name. Without TLS, leave
#            \`transport_socket\` out.
#
# It is a patch, and no Backend, because it has settings that no object of Envoy Gateway has: the body of a call goes out as it is, over TCP.
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyPatchPolicy
metadata: {name: accredit-redis, namespace: application}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: accredit}
  type: JSONPatch
  jsonPatches:
  - type: type.googleapis.com/envoy.config.cluster.v3.Cluster
    name: redis
    operation:
      op: add
      path: ""
      value:
        ${redisCluster(HOST, 8, { withTls: true })}
`;

const HEAD = `# The Envoy file that Envoy Gateway 1.9 makes of the objects in this directory.
# Rendered by \`make manifests\`; do not change it, and do not apply it to a cluster. tests/e2e/envoy-gateway.test.mjs signs people in through it.
#
# Use it     to see the place of Accredit and the effect of the patches. It starts with the environment of gateway.yaml.
#
# It leaves out the listeners of the class itself, the rest of the bootstrap, and TLS to browsers (\`certificateRefs\`). In a cluster Envoy downloads the
# module from Envoy Gateway; here it is a file. Addresses are those of this machine.
`;
