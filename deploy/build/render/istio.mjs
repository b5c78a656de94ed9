// Renders three files of deploy/istio: the WasmPlugin and the EnvoyFilter, both from envoy/spa-tokens.yaml, and envoy.yaml, which is what Istio makes of
// these two and of the objects that are written by hand.

import { stringify } from 'yaml';
import { MANAGER, madeByIstio } from './made/istio.mjs';
import { redisCluster } from './made/redis-cluster.mjs';
import { MODULE, Parts, SECRETS, block, objectsIn, objectsOf } from './made/parts.mjs';

/** The files with objects that are written by hand. */
export const BY_HAND = ['provider.yaml', 'application.yaml', 'authorization.yaml'];

export function render(shipped) {
  const parts = new Parts(shipped, 'outbound|443||provider.accredit.internal');
  const [plugin, filter] = [wasmPlugin(parts), envoyFilter(parts)];
  const objects = [...objectsIn('istio', BY_HAND), ...objectsOf(filter), ...objectsOf(plugin)];
  const [values] = objectsIn('istio', ['gateway-values.yaml']);
  return [
    { path: 'deploy/istio/wasmplugin.yaml', text: plugin },
    { path: 'deploy/istio/envoyfilter.yaml', text: filter },
    { path: 'deploy/istio/redis.yaml', text: REDIS },
    {
      path: 'deploy/istio/envoy.yaml',
      text: HEAD + stringify(madeByIstio(objects, values), { lineWidth: 140, flowCollectionPadding: false, indentSeq: false, aliasDuplicateObjects: false }),
    },
  ];
}

const wasmPlugin = (
  parts,
) => `# Accredit in the ingress gateway: the module, its phase, its environment and its configuration. Rendered from envoy/spa-tokens.yaml by
# \`make manifests\`; an overlay changes it for an environment (kustomization.yaml).
#
# Use it     with the others: kubectl apply -k deploy/istio
# Change     \`env\`: origin, front end, issuer and client. \`url\`: your registry; by digest it is oci://…/accredit@sha256:…, as the README shows.
#            \`rules\`: who may call what. \`clusters\` names the cluster that Istio makes of provider.yaml.
#
# Keep these settings, because the guarantees of the filter depend on them:
#   phase AUTHN               before Istio's own policies, which look at the headers that Accredit sets
#   failStrategy FAIL_RELOAD  restarts a filter that crashed; until then, or without a module, no request passes. FAIL_OPEN would let every
#                             request through
#   selector                  only the gateway
#
# HOST means the environment of the gateway's own container: gateway-values.yaml puts the Secret there. This file contains no secret.
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: accredit, namespace: istio-ingress}
spec:
  selector: {matchLabels: {istio: ingress}}
  url: oci://${MODULE}
  imagePullPolicy: IfNotPresent
  phase: AUTHN
  failStrategy: FAIL_RELOAD
  pluginName: accredit
  vmConfig:
    env:
    - {name: ACCREDIT_ORIGIN, valueFrom: INLINE, value: "https://api.example.com"}
    - {name: FRONT_ORIGIN, valueFrom: INLINE, value: "https://app.example.com"} # the front end
    - {name: FRONT_CALLBACK, valueFrom: INLINE, value: "https://app.example.com/auth/callback"} # the front end's page that gets the code
    - {name: OIDC_ISSUER, valueFrom: INLINE, value: "https://sso.example.com"}
    - {name: OIDC_CLIENT_ID, valueFrom: INLINE, value: api-gateway}
${SECRETS.map((name) => `    - {name: ${name}, valueFrom: HOST}`).join('\n')}
  pluginConfig:
    ${block(parts.configuration, 4)}
`;

const HOST = 'redis.accredit.internal';

/** It is in no kustomization, because the configuration of spa-tokens has no sessions. */
const REDIS = `# The cluster of a Redis in which the gateway's pods tell each other which sessions have ended. Rendered by \`make manifests\`.
#
# Use it     only with a configuration that has sessions (README.md, "A Redis"): kubectl apply -f deploy/istio/redis.yaml
# Change     the three times that the host is named: a Redis or Valkey with TLS, whose certificate is valid for that name. Without TLS, leave
#            \`transport_socket\` out.
#
# It is a cluster of its own, and no ServiceEntry, because it has settings that no object of Istio has: the body of a call goes out as it is, over TCP.
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: accredit-redis, namespace: istio-ingress}
spec:
  workloadSelector: {labels: {istio: ingress}}
  configPatches:
  - applyTo: CLUSTER
    match: {context: GATEWAY}
    patch:
      operation: ADD
      value:
        ${redisCluster(HOST, 8, { withTls: true })}
`;

/** The name that Istio 1.30 gives the filter of the WasmPlugin. */
const PLUGIN = 'extensions.istio.io/trafficextension/istio-ingress.accredit~istio-translated-wasmplugin';

const envoyFilter = (parts) => `# Settings that no other object has, for the gateway's listeners. Rendered from envoy/spa-tokens.yaml by \`make manifests\`.
#
# Use it     with the others: kubectl apply -k deploy/istio
# Change     nothing for an environment. A configuration without endpoints that read a body needs neither the buffer nor the
#            route; if pages and API have one origin, it needs no CORS.
#
# The buffer is inserted after Accredit, by the name that Istio 1.30 gives this filter; it contains the WasmPlugin's namespace and name. Before 1.30 the name
# is \`extensions.istio.io/wasmplugin/istio-ingress.accredit\`. If no filter has the name, there is no buffer. Without the buffer or the route, the answer is
# 404 and no body is read. Envoy's wasm setting \`allow_on_headers_stop_iteration\`, which would let bodies pass undecided, is set neither here nor by Istio.
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: accredit, namespace: istio-ingress}
spec:
  workloadSelector: {labels: {istio: ingress}}
  configPatches:
  # The rules see the same path as the application; requests that would wait for ever are ended; headers that look like others are refused.
  # One line of JSON for each request, paths without the query, because a query can contain an authorization code.
  - applyTo: NETWORK_FILTER
    match: {context: GATEWAY, listener: {filterChain: {filter: {name: ${MANAGER}}}}}
    patch:
      operation: MERGE
      value:
        name: ${MANAGER}
        typed_config:
          "@type": ${parts.source.get([...parts.source.manager, '@type'])}
          ${block(parts.manager('normalize_path', 'merge_slashes', 'path_with_escaped_slashes_action', 'stream_idle_timeout', 'request_headers_timeout', 'common_http_protocol_options', 'http2_protocol_options', 'access_log'), 10)}
          # Identity headers of clients are removed before any filter sees them, in every spelling, even if the WasmPlugin is missing.
          ${block({ early_header_mutation_extensions: [withoutIdentity(parts)] }, 10)}
  # Istio puts CORS after the filters that decide: preflights would be refused, and the front end could not read refusals.
  - applyTo: HTTP_FILTER
    match: {context: GATEWAY, listener: {filterChain: {filter: {name: ${MANAGER}, subFilter: {name: envoy.filters.http.cors}}}}}
    patch: {operation: REMOVE}
  - applyTo: HTTP_FILTER
    match: {context: GATEWAY, listener: {filterChain: {filter: {name: ${MANAGER}}}}}
    patch:
      operation: INSERT_FIRST
      value:
        ${block(parts.filter('envoy.filters.http.cors'), 8)}
  # Holds a request to the token endpoint until Accredit has read its body; disabled on all other routes. It must be directly after Accredit: a filter
  # between the two that pauses a request, such as a delay of VirtualService's \`fault\`, would release the body before Accredit has read it.
  - applyTo: HTTP_FILTER
    match: {context: GATEWAY, listener: {filterChain: {filter: {name: ${MANAGER}, subFilter: {name: ${PLUGIN}}}}}}
    patch:
      operation: INSERT_AFTER
      value:
        ${block(parts.filter('envoy.filters.http.buffer'), 8)}
  # Leads to no cluster: Accredit answers, and it reads a body only on such a route.
  - applyTo: HTTP_ROUTE
    match: {context: GATEWAY, routeConfiguration: {gateway: istio-ingress/accredit}}
    patch:
      operation: INSERT_FIRST
      value:
        ${block({ name: 'accredit-token', ...parts.route }, 8)}
`;

const withoutIdentity = (parts) => ({
  name: 'envoy.http.early_header_mutation.header_mutation',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation',
    mutations: parts.identityHeaders.map((regex) => ({ remove_on_match: { key_matcher: { safe_regex: { regex } } } })),
  },
});

const HEAD = `# The Envoy file that Istio 1.30 makes of the objects in this directory: the gateway's listener and the workload's, on one machine.
# Rendered by \`make manifests\`; do not change it, and do not apply it to a cluster. tests/e2e/istio.test.mjs signs people in through it.
#
# Use it     to see the place of Accredit and the effect of the EnvoyFilter and the policies. It starts with static secrets, \`istio-ingress\`,
#            \`application\` and \`ROOTCA\`, which are certificates of the mesh (the tests make them), and with the environment of wasmplugin.yaml.
#
# It leaves out the filters that only Istio's build of Envoy has (metadata_exchange, alpn, stats), the mesh's own access logs, and TLS to browsers
# (\`credentialName\`). In a cluster the agent downloads the module; here it is a file. Addresses are those of this machine.
`;
