// deploy/istio: the WasmPlugin and the EnvoyFilter from envoy/spa-tokens.yaml, and envoy.yaml, which is what Istio makes of these two and of the objects
// beside them that are written by hand.

import { stringify } from 'yaml';
import { MANAGER, madeByIstio } from './made/istio.mjs';
import { MODULE, Parts, SECRETS, block, objectsIn, objectsOf } from './made/parts.mjs';

/** Written by hand. */
export const BY_HAND = ['provider.yaml', 'application.yaml', 'authorization.yaml'];

export function render(shipped) {
  const parts = new Parts(shipped, 'outbound|443||provider.accredit.internal');
  const [plugin, filter] = [wasmPlugin(parts), envoyFilter(parts)];
  const objects = [...objectsIn('istio', BY_HAND), ...objectsOf(filter), ...objectsOf(plugin)];
  const [values] = objectsIn('istio', ['gateway-values.yaml']);
  return [
    { path: 'deploy/istio/wasmplugin.yaml', text: plugin },
    { path: 'deploy/istio/envoyfilter.yaml', text: filter },
    {
      path: 'deploy/istio/envoy.yaml',
      text: HEAD + stringify(madeByIstio(objects, values), { lineWidth: 140, flowCollectionPadding: false, indentSeq: false, aliasDuplicateObjects: false }),
    },
  ];
}

const wasmPlugin = (
  parts,
) => `# Accredit in the ingress gateway: the module, where it stands, its environment and its configuration. Rendered from envoy/spa-tokens.yaml by
# \`make manifests\`; an overlay changes it for an environment (kustomization.yaml).
#
# Use it     with the others: kubectl apply -k deploy/istio
# Change     \`env\`: origin, front end, issuer and client. \`url\`: your registry; by digest it is oci://…/accredit@sha256:…, as the README shows.
#            \`rules\`: who may call what. \`clusters\` names what Istio makes of provider.yaml.
#
# What must stay, because the filter's promises lean on it:
#   phase AUTHN               before Istio's own policies, which look at the headers that Accredit sets
#   failStrategy FAIL_RELOAD  a filter that dies is started again, and until then, or without a module, nobody passes; FAIL_OPEN would let
#                             everybody in
#   selector                  the gateway alone
#
# HOST means the environment of the gateway's own container: gateway-values.yaml puts the Secret there. No secret stands here.
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
    - {name: FRONT_CALLBACK, valueFrom: INLINE, value: "https://app.example.com/auth/callback"} # its page that gets the code
    - {name: OIDC_ISSUER, valueFrom: INLINE, value: "https://sso.example.com"}
    - {name: OIDC_CLIENT_ID, valueFrom: INLINE, value: api-gateway}
${SECRETS.map((name) => `    - {name: ${name}, valueFrom: HOST}`).join('\n')}
  pluginConfig:
    ${block(parts.configuration, 4)}
`;

/** What Istio 1.30 calls the filter that the WasmPlugin becomes. */
const PLUGIN = 'extensions.istio.io/trafficextension/istio-ingress.accredit~istio-translated-wasmplugin';

const envoyFilter = (parts) => `# What no other object can say, for the gateway's listeners. Rendered from envoy/spa-tokens.yaml by \`make manifests\`.
#
# Use it     with the others: kubectl apply -k deploy/istio
# Change     nothing for an environment. A configuration without endpoints that have a body (envoy/bff.yaml) needs neither the buffer nor the
#            route; one whose pages and API have one origin needs no CORS.
#
# One name here is of Istio 1.30, and has the WasmPlugin's namespace and name in it: that of the filter behind which the buffer stands. Before 1.30 it is
# \`extensions.istio.io/wasmplugin/istio-ingress.accredit\`. Where no filter has the name, there is no buffer. Without the buffer or the route, Accredit
# answers 404 and reads no body. Envoy's wasm setting \`allow_on_headers_stop_iteration\`, which would let bodies pass undecided, is set by nothing here and
# not by Istio.
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: accredit, namespace: istio-ingress}
spec:
  workloadSelector: {labels: {istio: ingress}}
  configPatches:
  # The path that the rules see is the path that the application gets; what would wait for ever is ended; headers that look like others are refused.
  # One line of JSON for each request, paths without their queries: a query can hold an authorization code.
  - applyTo: NETWORK_FILTER
    match: {context: GATEWAY, listener: {filterChain: {filter: {name: ${MANAGER}}}}}
    patch:
      operation: MERGE
      value:
        name: ${MANAGER}
        typed_config:
          "@type": ${parts.source.get([...parts.source.manager, '@type'])}
          ${block(parts.manager('normalize_path', 'merge_slashes', 'path_with_escaped_slashes_action', 'stream_idle_timeout', 'request_headers_timeout', 'common_http_protocol_options', 'http2_protocol_options', 'access_log'), 10)}
          # Nobody is believed who calls himself somebody, also where the WasmPlugin is missing, and in every spelling: these go before anything looks.
          ${block({ early_header_mutation_extensions: [withoutIdentity(parts)] }, 10)}
  # Istio puts CORS behind everything that decides: preflights would be refused, and refusals could not be read by the front end.
  - applyTo: HTTP_FILTER
    match: {context: GATEWAY, listener: {filterChain: {filter: {name: ${MANAGER}, subFilter: {name: envoy.filters.http.cors}}}}}
    patch: {operation: REMOVE}
  - applyTo: HTTP_FILTER
    match: {context: GATEWAY, listener: {filterChain: {filter: {name: ${MANAGER}}}}}
    patch:
      operation: INSERT_FIRST
      value:
        ${block(parts.filter('envoy.filters.http.cors'), 8)}
  # Holds a request to the token endpoint until Accredit has read its body; off on all other routes. Directly behind Accredit: a filter between the two
  # that goes on later than it was called, such as a delay of VirtualService's \`fault\`, would take the body along before it is read.
  - applyTo: HTTP_FILTER
    match: {context: GATEWAY, listener: {filterChain: {filter: {name: ${MANAGER}, subFilter: {name: ${PLUGIN}}}}}}
    patch:
      operation: INSERT_AFTER
      value:
        ${block(parts.filter('envoy.filters.http.buffer'), 8)}
  # Leads to nobody: Accredit answers, and it reads a body only where nobody else could get the request.
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

const HEAD = `# What Istio 1.30 makes of the objects in this directory, written down as one Envoy file: the gateway's listener and the workload's, on one machine.
# Rendered by \`make manifests\`; nothing here is to be changed, and nothing of it goes to a cluster. tests/e2e/istio.test.mjs signs people in through it.
#
# Use it     to see where Accredit stands, and what the EnvoyFilter and the policies have become. It starts with static secrets, \`istio-ingress\`,
#            \`application\` and \`ROOTCA\`, which are certificates of the mesh (the tests make them), and with the environment of wasmplugin.yaml.
#
# Left out is what only Istio's own build of Envoy has (metadata_exchange, alpn, stats), the mesh's own access logs, and TLS to browsers (\`credentialName\`). The agent has
# put the module into a file. Addresses are this machine's.
`;
