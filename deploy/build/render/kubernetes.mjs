// Renders Envoy's file for the Kubernetes ingress from envoy/bff.yaml. It changes addresses, adds TLS and two listeners, finds clusters by name, and replaces
// what differs between environments by environment variables. The plugin's rules, endpoints and limits stay as in the shipped file.

import { providerCluster } from './made/provider-cluster.mjs';
import { redisClusterItem, revocations } from './made/redis-cluster.mjs';
import { variable, yaml } from './source.mjs';

const HEAD = `Envoy with the filter, as an ingress: what the pods of deployment.yaml run. TLS ends here.

Rendered    from envoy/bff.yaml by \`make manifests\`: change rules, endpoints and limits there, and the rest in deploy/build/render/kubernetes.mjs.
Use it      it is the ConfigMap \`envoy\` of kustomization.yaml; a change replaces the pods one by one.
Environment ACCREDIT_ORIGIN, OIDC_ISSUER, OIDC_CLIENT_ID from the ConfigMap \`environment\`, which the overlays fill; OIDC_CLIENT_SECRET, ACCREDIT_KEY,
            ACCREDIT_OTHER_KEY from the Secret \`accredit-secrets\`. No line of this file differs between environments.

The client's address is the address of the connection. A load balancer that forwards connections keeps it (\`externalTrafficPolicy: Local\` in service.yaml).
For another load balancer, change this file (in deploy/build/render/kubernetes.mjs, or here in your own copy); otherwise all clients have its address:
  it speaks HTTP                 \`xff_num_trusted_hops: 1\` beside \`use_remote_address\`, plus one for each further proxy; and let only it in
                                 (networkpolicy.yaml), because Envoy then trusts x-forwarded-for
  it speaks the PROXY protocol   \`listener_filters\` with envoy.filters.listener.proxy_protocol in the listeners \`gateway\` and \`redirect\`

Keep these settings, because the guarantees of the filter depend on them:
  failure_policy FAIL_RELOAD   restarts a filter that crashed; FAIL_OPEN would let every request through
  vm_id                        unique for each configuration: plugins with the same vm_id share their memory
  normalize_path … REJECT      the rules see the same path as the application
  stream_idle_timeout          ends requests that would wait for ever. It also ends silent WebSockets and silent answers: raise it for those
  auto_san_validation          with trusted_ca: without it, anybody on the network path can answer in place of the provider`;

const NODE = `
node: {id: accredit, cluster: accredit} # Envoy requires names when it watches files
`;

const TLS = `
transport_socket:
  name: envoy.transport_sockets.tls
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
    common_tls_context:
      alpn_protocols: [h2, http/1.1]
      tls_params: {tls_minimum_protocol_version: TLSv1_2}
      tls_certificate_sds_secret_configs: # watched: a renewed certificate is used without a restart
      - name: certificate
        sds_config: {resource_api_version: V3, path_config_source: {path: /etc/envoy/certificate.yaml}}
`;

const LISTENERS = `
- name: redirect # from http to https
  address: {socket_address: {address: 0.0.0.0, port_value: 8080}}
  per_connection_buffer_limit_bytes: 32768
  filter_chains:
  - filters:
    - name: envoy.filters.network.http_connection_manager
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
        stat_prefix: redirect
        use_remote_address: true
        stream_idle_timeout: 30s
        request_headers_timeout: 10s
        http_filters:
        - name: envoy.filters.http.router
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
        route_config:
          virtual_hosts:
          - name: redirect
            domains: ["*"]
            routes:
            - match: {prefix: /}
              redirect: {https_redirect: true, response_code: PERMANENT_REDIRECT}

- name: probes # the kubelet and Prometheus: two paths of the admin interface, which itself listens on loopback only
  address: {socket_address: {address: 0.0.0.0, port_value: 8001}}
  per_connection_buffer_limit_bytes: 32768
  ignore_global_conn_limit: true # with many connections or little memory, the pod must still answer its probes
  bypass_overload_manager: true
  filter_chains:
  - filters:
    - name: envoy.filters.network.http_connection_manager
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
        stat_prefix: probes
        normalize_path: true
        http_filters:
        - name: envoy.filters.http.router
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
        route_config:
          virtual_hosts:
          - name: probes
            domains: ["*"]
            routes:
            - match: {path: /live}
              direct_response: {status: 200}
            - match: {path: /ready, headers: [{name: ":method", string_match: {exact: GET}}]}
              route: {cluster: admin}
            - match: {path: /stats/prometheus, headers: [{name: ":method", string_match: {exact: GET}}]}
              route: {cluster: admin}
`;

const CLUSTERS = `
# Reaches the issuer's host, whatever it is; the plugin calls no other. Its certificate must be valid for that host.
- ${providerCluster(2)}

- name: application # the Service of the same name, in application.yaml
  connect_timeout: 2s
  type: STRICT_DNS
  dns_lookup_family: V4_PREFERRED
  load_assignment:
    cluster_name: application
    endpoints:
    - lb_endpoints:
      - endpoint: {address: {socket_address: {address: application, port_value: 80}}}

- name: admin
  connect_timeout: 1s
  load_assignment:
    cluster_name: admin
    endpoints:
    - lb_endpoints:
      - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}
`;

/** How people sign in, in both environments: only the values of the variables differ. */
const PROVIDER = {
  name: 'sso',
  issuer: variable('OIDC_ISSUER'),
  clusters: 'provider',
  client_id: variable('OIDC_CLIENT_ID'),
  client_secret: variable('OIDC_CLIENT_SECRET'),
};

/** The shipped file, changed to an ingress whose values come from variables. */
export function asIngress(bootstrap) {
  const { document } = bootstrap;
  const [listener, plugin, configuration] = [bootstrap.listener(), bootstrap.plugin, bootstrap.configuration];
  const items = (text) => yaml(text).contents.items;

  document.contents.items.unshift(...items(NODE));
  document.contents.items[1].key.spaceBefore = true;
  bootstrap.set([...listener, 'address'], { socket_address: { address: '0.0.0.0', port_value: 8443 } });
  for (const pair of items(TLS)) document.addIn([...listener, 'filter_chains', 0], pair);

  bootstrap.set([...configuration, 'origins'], [variable('ACCREDIT_ORIGIN')]);
  const { scope } = bootstrap.get([...configuration, 'providers', 0]);
  bootstrap.set([...configuration, 'providers'], [{ ...PROVIDER, scope }]);
  bootstrap.set([...configuration, 'session', 'keys'], [variable('ACCREDIT_KEY'), variable('ACCREDIT_OTHER_KEY')]);
  document.getIn([...configuration, 'session']).comment = ' the first seals, both can open: change keys in two steps (README.md)';
  bootstrap.set([...plugin, 'vm_config', 'code', 'local', 'filename'], '/etc/accredit/module/accredit.wasm');
  bootstrap.set(
    [...plugin, 'vm_config', 'environment_variables', 'host_env_keys'],
    ['ACCREDIT_ORIGIN', 'OIDC_ISSUER', 'OIDC_CLIENT_ID', 'OIDC_CLIENT_SECRET', 'ACCREDIT_KEY', 'ACCREDIT_OTHER_KEY'],
  );

  for (const [place, text] of [
    ['listeners', LISTENERS],
    ['clusters', CLUSTERS],
  ]) {
    const list = document.getIn(['static_resources', place]);
    if (place === 'clusters') list.items = [];
    const more = items(text);
    more[0].spaceBefore = list.items.length > 0;
    list.items.push(...more);
  }
  return bootstrap;
}

export function render(shipped) {
  const bootstrap = asIngress(shipped('bff'));
  return [
    { path: 'deploy/kubernetes/base/envoy.yaml', text: bootstrap.text(HEAD) },
    { path: 'deploy/kubernetes/components/redis/envoy.yaml', text: withRedis(bootstrap).text(HEAD_WITH_REDIS) },
  ];
}

const HEAD_WITH_REDIS = `The file of ../../base, with a Redis in which the pods tell each other what has ended: \`revocations\` and the cluster \`redis\` are added.

Rendered    from envoy/bff.yaml by \`make manifests\`: change rules, endpoints and limits there, and the rest in deploy/build/render/kubernetes.mjs.
Use it      kustomization.yaml puts it into the ConfigMap \`envoy\`, in place of the file of the base, whose first lines say what to keep.
Environment as in the base, and REDIS_PASSWORD from the Secret \`accredit-secrets\`.`;

/** The same, with what is needed for the component `redis`. */
function withRedis(bootstrap) {
  bootstrap.set([...bootstrap.configuration, 'revocations'], revocations(variable('REDIS_PASSWORD')));
  bootstrap.add([...bootstrap.plugin, 'vm_config', 'environment_variables', 'host_env_keys'], 'REDIS_PASSWORD');
  return bootstrap.insertCluster(redisClusterItem('redis'), 'application');
}
