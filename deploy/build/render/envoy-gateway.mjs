// deploy/envoy-gateway: the EnvoyExtensionPolicy and the EnvoyPatchPolicy from envoy/spa-tokens.yaml, and envoy.yaml, which is what Envoy Gateway makes of
// these two and of the objects beside them that are written by hand.

import { stringify } from 'yaml';
import { madeByEnvoyGateway } from './made/envoy-gateway.mjs';
import { MODULE, Parts, SECRETS, block, objectsIn, objectsOf } from './made/parts.mjs';
import { providerCluster } from './made/provider-cluster.mjs';

/** Written by hand. */
export const BY_HAND = ['gateway.yaml', 'application.yaml'];

const VARIABLES = ['ACCREDIT_ORIGIN', 'FRONT_ORIGIN', 'FRONT_CALLBACK', 'OIDC_ISSUER', 'OIDC_CLIENT_ID', ...SECRETS];

export function render(shipped) {
  const parts = new Parts(shipped, 'provider');
  const [extension, patches] = [extensionPolicy(parts), patchPolicy(parts)];
  const objects = [...objectsIn('envoy-gateway', BY_HAND), ...objectsOf(extension), ...objectsOf(patches)];
  return [
    { path: 'deploy/envoy-gateway/extensionpolicy.yaml', text: extension },
    { path: 'deploy/envoy-gateway/patchpolicy.yaml', text: patches },
    {
      path: 'deploy/envoy-gateway/envoy.yaml',
      text: HEAD + stringify(madeByEnvoyGateway(objects), { lineWidth: 140, flowCollectionPadding: false, indentSeq: false, aliasDuplicateObjects: false }),
    },
  ];
}

const extensionPolicy = (
  parts,
) => `# Accredit in the gateway: the module, the variables of Envoy's environment that it may read, and its configuration. Rendered from
# envoy/spa-tokens.yaml by \`make manifests\`; what differs between environments stands in gateway.yaml.
#
# Use it     with the others: kubectl apply -k deploy/envoy-gateway
# Change     \`url\`: your registry; by digest it is …/accredit@sha256:…, as the README shows. \`rules\`: who may call what.
#
# What must stay, because the filter's promises lean on it:
#   failOpen false   without a module, with a wrong configuration or after a fault nobody passes; true would let everybody in
#   targetRefs       the Gateway, hence every route of it
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
) => `# What no other object can say. Rendered from envoy/spa-tokens.yaml by \`make manifests\`. Envoy Gateway must be told to take such a policy:
# controller-values.yaml.
#
# Use it     with the others: kubectl apply -k deploy/envoy-gateway
# Change     the names, where namespace, Gateway, listener or policy have others: \`application/accredit/https\` is the listener \`https\` of the
#            Gateway \`accredit\` in the namespace \`application\`. Envoy Gateway with XDSNameSchemeV2 names them otherwise.
#
# A patch that does not find its name is told in the policy's status, and the others are applied. Without the first two, Accredit fails closed and
# stands on every route that has no policy of its own; without the cluster nobody can sign in. No patch can bring a filter back that no route carries: where every route has an extension policy of its own, or one stands on the
# listener, or the Gateway's is deleted, Accredit is not there, and the application is open, to people without a name (gateway.yaml takes names away).
# Envoy's wasm setting \`allow_on_headers_stop_iteration\`, which would let bodies pass undecided, is set by nothing here and not by Envoy Gateway.
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyPatchPolicy
metadata: {name: accredit, namespace: application}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: accredit}
  type: JSONPatch
  jsonPatches:
  # A filter that dies is started again, not only shut.
  - type: type.googleapis.com/envoy.config.listener.v3.Listener
    name: ${LISTENER}
    operation:
      op: add
      jsonPath: ..http_filters[?(@.name=='${WASM}')]
      path: typed_config/config/failure_policy
      value: ${parts.source.get([...parts.source.plugin, 'failure_policy'])}
  # On for the whole listener. Envoy Gateway turns it on route by route, and a route with an extension policy of its own would be without it. The
  # filter is there because the route \`accredit\` (application.yaml) carries it.
  - type: type.googleapis.com/envoy.config.listener.v3.Listener
    name: ${LISTENER}
    operation:
      op: replace
      jsonPath: ..http_filters[?(@.name=='${WASM}')]
      path: disabled
      value: false
  # Headers that come slowly are not waited for.
  - type: type.googleapis.com/envoy.config.listener.v3.Listener
    name: ${LISTENER}
    operation:
      op: add
      jsonPath: ..filters[?(@.name=='envoy.filters.network.http_connection_manager')]
      path: typed_config/request_headers_timeout
      value: ${parts.manager('request_headers_timeout').request_headers_timeout}
  # The provider, whatever host the issuer has; the plugin calls no other. Its certificate must be good, and be for that host.
  - type: type.googleapis.com/envoy.config.cluster.v3.Cluster
    name: provider
    operation:
      op: add
      path: ""
      value:
        ${providerCluster(8)}
`;

const HEAD = `# What Envoy Gateway 1.9 makes of the objects in this directory, written down as one Envoy file.
# Rendered by \`make manifests\`; nothing here is to be changed, and nothing of it goes to a cluster. tests/e2e/envoy-gateway.test.mjs signs people in through it.
#
# Use it     to see where Accredit stands, and what the patches have become. It starts with the environment of gateway.yaml.
#
# Left out are the class's own listeners, what else stands in the bootstrap, and TLS to browsers (\`certificateRefs\`). Envoy fetches the module from Envoy Gateway; here it
# is a file. Addresses are this machine's.
`;
