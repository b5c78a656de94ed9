// What Istio 1.30 makes of the objects in deploy/istio: one Envoy file with the gateway's listener and the workload's, as in the sources of istiod.
//
// It knows the fields that these objects use. Most other fields are an error, and tests check that no value of an object is ignored, so that nothing in an
// object is missing in the Envoy file. It leaves out the filters that only Istio's build of Envoy has (metadata_exchange, alpn, stats), and TLS to browsers,
// which comes from the Gateway's credential. It never sees a secret: certificates have the name of their service account, and the root is `ROOTCA`. (In a
// cluster, the agent of each Envoy has a certificate of its own, called `default`.)

const TYPE = 'type.googleapis.com/';
const HTTP = `${TYPE}envoy.extensions.filters.http.`;
export const MANAGER = 'envoy.filters.network.http_connection_manager';
const TRUST_DOMAIN = 'cluster.local';

/** An Envoy bootstrap from the parsed objects and the parsed values of the chart. The path of the module and all addresses are those of this machine. */
export function madeByIstio(objects, values) {
  const mesh = new Mesh(objects, values);
  return {
    admin: { address: address(9901) },
    static_resources: {
      listeners: [gatewayListener(mesh), workloadListener(mesh)],
      clusters: [...mesh.all('ServiceEntry').map((entry) => externalCluster(mesh, entry)), meshCluster(mesh), inboundCluster()],
    },
  };
}

/** The objects by kind, and the workloads that they apply to. */
class Mesh {
  constructor(objects, values) {
    this.objects = objects;
    this.gateway = { namespace: 'istio-ingress', labels: { app: values.name, istio: values.labels.istio }, account: values.name };
    this.workload = {
      namespace: 'application',
      labels: { app: 'application' },
      account: 'application',
      service: 'application.application.svc.cluster.local',
      port: 80,
    };
  }

  all(kind) {
    return this.objects.filter((object) => object.kind === kind);
  }

  /** The objects of a kind that select this workload. An object without a selector applies to all workloads of its namespace. */
  for({ namespace, labels }, kind) {
    return this.all(kind).filter(({ metadata, spec }) => {
      const wanted = (spec.selector ?? spec.workloadSelector)?.matchLabels ?? spec.workloadSelector?.labels ?? {};
      return metadata.namespace === namespace && Object.entries(wanted).every(([key, value]) => labels[key] === value);
    });
  }
}

const address = (port) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
const spiffe = ({ namespace, account }) => `spiffe://${TRUST_DOMAIN}/ns/${namespace}/sa/${account}`;

// The gateway's listener

function gatewayListener(mesh) {
  const [door] = mesh.all('Gateway').filter(({ spec }) => Object.entries(spec.selector).every(([key, value]) => mesh.gateway.labels[key] === value));
  if (!door) throw new Error('no Gateway selects the gateway');
  const [{ port, hosts, tls }] = door.spec.servers;
  if (port.protocol !== 'HTTPS' || tls.mode !== 'SIMPLE' || !tls.credentialName) throw new Error('the Gateway serves no TLS');
  const name = `${door.metadata.namespace}/${door.metadata.name}`;
  const manager = {
    ...connectionManager(true),
    stat_prefix: 'outbound_0.0.0.0_443',
    http_filters: httpFilters(mesh, mesh.gateway),
    route_config: {
      name: `https.${port.number}.${port.name}.${door.metadata.name}.${door.metadata.namespace}`,
      ignore_port_in_host_matching: true,
      validate_clusters: false,
      virtual_hosts: virtualHosts(mesh, { name, port, hosts }),
    },
  };
  return applied(mesh, name, {
    name: `0.0.0.0_${port.number}`,
    address: address(10000),
    filter_chains: [{ filters: [{ name: MANAGER, typed_config: manager }] }],
  });
}

function connectionManager(edge) {
  return {
    '@type': `${TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    use_remote_address: edge,
    normalize_path: true, // the mesh's default, BASE
    path_with_escaped_slashes_action: 'KEEP_UNCHANGED',
    stream_idle_timeout: '0s',
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    forward_client_cert_details: edge ? 'SANITIZE_SET' : 'APPEND_FORWARD',
  };
}

function virtualHosts(mesh, { name, port, hosts }) {
  return mesh
    .all('VirtualService')
    .filter(({ spec }) => spec.gateways.includes(name))
    .flatMap(({ metadata, spec }) =>
      spec.hosts
        .filter((host) => hosts.some((served) => [`${metadata.namespace}/${host}`, `*/${host}`, host].includes(served)))
        .map((host) => ({
          name: `${host}:${port.number}`,
          domains: [host],
          routes: spec.http.map((rule) => httpRoute(rule)),
        })),
    );
}

function httpRoute({ name, route: [{ destination }], corsPolicy: cors, ...unknown }) {
  refuse(unknown, 'VirtualService.spec.http');
  return {
    name,
    match: { prefix: '/' },
    route: { cluster: `outbound|${destination.port.number}||${destination.host}`, timeout: '0s' },
    ...(cors && { typed_per_filter_config: { 'envoy.filters.http.cors': corsPolicy(cors) } }),
  };
}

function corsPolicy({ allowOrigins, allowMethods, allowHeaders, exposeHeaders, allowCredentials, maxAge, ...unknown }) {
  refuse(unknown, 'corsPolicy');
  return {
    '@type': `${HTTP}cors.v3.CorsPolicy`,
    allow_origin_string_match: allowOrigins,
    allow_methods: allowMethods.join(','),
    allow_headers: allowHeaders.join(','),
    expose_headers: exposeHeaders.join(','),
    allow_credentials: allowCredentials,
    max_age: String(Number.parseInt(maxAge, 10)),
    filter_enabled: { default_value: { numerator: 100, denominator: 'HUNDRED' } },
    forward_not_matching_preflights: true,
  };
}

// Filters, in istiod's order

function httpFilters(mesh, workload) {
  const plugins = (phase) =>
    mesh
      .for(workload, 'WasmPlugin')
      .filter(({ spec }) => spec.phase === phase)
      .map(wasmFilter);
  return [
    ...plugins('AUTHN'),
    ...plugins('AUTHZ'),
    ...policies(mesh, workload),
    ...plugins('STATS'),
    ...plugins(undefined),
    {
      name: 'envoy.filters.http.grpc_stats',
      typed_config: { '@type': `${HTTP}grpc_stats.v3.FilterConfig`, emit_filter_state: true, stats_for_all_methods: false },
    },
    { name: 'envoy.filters.http.fault', typed_config: { '@type': `${HTTP}fault.v3.HTTPFault` } },
    { name: 'envoy.filters.http.cors', typed_config: { '@type': `${HTTP}cors.v3.Cors` } },
    { name: 'envoy.filters.http.router', typed_config: { '@type': `${HTTP}router.v3.Router` } },
  ];
}

/** Accredit's filter. In Istio it comes by discovery (ECDS), from a WasmPlugin as a TrafficExtension; the agent has saved the image's module to a file. */
function wasmFilter({ metadata, spec: { selector, url, imagePullPolicy, phase, failStrategy, pluginName, pluginConfig, vmConfig, ...unknown } }) {
  refuse(unknown, 'WasmPlugin.spec');
  if (!/^oci:\/\/[^:@]+(:[^:@]+)?(@sha256:[0-9a-f]{64})?$/.test(url)) throw new Error(`expected an OCI image in WasmPlugin.spec.url, found ${url}`);
  const name = `${metadata.namespace}.${metadata.name}~istio-translated-wasmplugin`;
  const inline = vmConfig.env.filter(({ valueFrom }) => valueFrom !== 'HOST').map((one) => [one.name, one.value]);
  return {
    name: `extensions.istio.io/trafficextension/${name}`,
    typed_config: {
      '@type': `${HTTP}wasm.v3.Wasm`,
      config: {
        name,
        root_id: pluginName,
        failure_policy: { FAIL_CLOSE: 'FAIL_CLOSED', FAIL_OPEN: 'FAIL_OPEN', FAIL_RELOAD: 'FAIL_RELOAD' }[failStrategy ?? 'FAIL_CLOSE'],
        configuration: { '@type': `${TYPE}google.protobuf.StringValue`, value: `${JSON.stringify(pluginConfig, null, 1)}\n` },
        vm_config: {
          runtime: 'envoy.wasm.runtime.v8',
          code: { local: { filename: 'target/accredit.wasm' } },
          environment_variables: {
            host_env_keys: vmConfig.env.filter(({ valueFrom }) => valueFrom === 'HOST').map((one) => one.name),
            key_values: Object.fromEntries(inline),
          },
        },
      },
    },
  };
}

/** AuthorizationPolicies as `rbac` filters: one for the policies that deny, one for those that allow. Without policies, every request passes. */
function policies(mesh, workload) {
  return ['DENY', 'ALLOW'].flatMap((action) => {
    const found = mesh.for(workload, 'AuthorizationPolicy').filter(({ spec }) => spec.action === action);
    if (found.length === 0) return [];
    const rules = found.flatMap(({ metadata, spec }) =>
      spec.rules.map((rule, index) => [`ns[${metadata.namespace}]-policy[${metadata.name}]-rule[${index}]`, policy(rule)]),
    );
    return [{ name: 'envoy.filters.http.rbac', typed_config: { '@type': `${HTTP}rbac.v3.RBAC`, rules: { action, policies: Object.fromEntries(rules) } } }];
  });
}

function policy({ from = [{}], to = [{}], when = [], ...unknown }) {
  refuse(unknown, 'AuthorizationPolicy.spec.rules');
  const headers = when.map(({ key, values }) => {
    const name = /^request\.headers\[(.+)\]$/.exec(key)?.[1];
    if (!name) throw new Error(`expected request.headers[NAME] in a condition, found ${key}`);
    return { or_ids: { ids: values.map((value) => ({ header: headerMatcher(name, value) })) } };
  });
  return {
    permissions: to.map(({ operation }) => ({ and_rules: { rules: operation ? permissions(operation) : [{ any: true }] } })),
    principals: from.map(({ source }) => ({ and_ids: { ids: orAny([...(source ? [principals(source)] : []), ...headers]) } })),
  };
}

function permissions({ methods, paths, notPaths, ...unknown }) {
  refuse(unknown, 'AuthorizationPolicy operation');
  const url = (list) => ({ or_rules: { rules: list.map((path) => ({ url_path: { path: stringMatcher(path) } })) } });
  return [
    ...(methods ? [{ or_rules: { rules: methods.map((method) => ({ header: headerMatcher(':method', method) })) } }] : []),
    ...(paths ? [url(paths)] : []),
    ...(notPaths ? [{ not_rule: url(notPaths) }] : []),
  ];
}

function principals({ principals: names, ...unknown }) {
  refuse(unknown, 'AuthorizationPolicy source');
  return { or_ids: { ids: names.map((name) => ({ authenticated: { principal_name: { exact: `spiffe://${name}` } } })) } };
}

const orAny = (ids) => (ids.length > 0 ? ids : [{ any: true }]);
const headerMatcher = (name, value) => (value === '*' ? { name, present_match: true } : { name, string_match: stringMatcher(value) });

function stringMatcher(value) {
  if (value.startsWith('*')) return { suffix: value.slice(1) };
  return value.endsWith('*') ? { prefix: value.slice(0, -1) } : { exact: value };
}

// EnvoyFilter: applies all patches to the listener, in the order in which they are written

function applied(mesh, gateway, listener) {
  for (const { spec } of mesh.for(mesh.gateway, 'EnvoyFilter')) for (const one of spec.configPatches) apply(listener, gateway, one);
  return listener;
}

function apply(listener, gateway, { applyTo, match, patch: { operation, value } }) {
  if (match.context !== 'GATEWAY') return;
  const [filter] = listener.filter_chains[0].filters;
  const manager = filter.typed_config;
  const wanted = match.listener?.filterChain?.filter;
  if (applyTo !== 'HTTP_ROUTE' && wanted?.name !== filter.name) throw new Error(`EnvoyFilter: expected a patch of ${MANAGER}, found ${wanted?.name}`);
  const what = `${applyTo} ${operation}`;
  if (what === 'NETWORK_FILTER MERGE') {
    if (value.name !== filter.name || value.typed_config['@type'] !== manager['@type']) throw new Error('EnvoyFilter: what is merged is no connection manager');
    return void merge(manager, value.typed_config);
  }
  if (what === 'HTTP_FILTER INSERT_FIRST') return void manager.http_filters.unshift(value);
  if (what === 'HTTP_FILTER REMOVE' || what === 'HTTP_FILTER INSERT_AFTER') {
    const at = manager.http_filters.findIndex(({ name }) => name === wanted?.subFilter?.name);
    if (at < 0) return;
    return void (operation === 'REMOVE' ? manager.http_filters.splice(at, 1) : manager.http_filters.splice(at + 1, 0, value));
  }
  if (what === 'HTTP_ROUTE INSERT_FIRST') {
    if (match.routeConfiguration.gateway !== gateway) return;
    for (const host of manager.route_config.virtual_hosts) host.routes.unshift(value);
    return;
  }
  throw new Error(`EnvoyFilter: no such patch is known: ${what}`);
}

/** Merges as protobuf does: messages are merged, lists are appended, everything else is replaced. */
function merge(into, from) {
  for (const [name, value] of Object.entries(from)) {
    if (Array.isArray(value)) into[name] = [...(into[name] ?? []), ...value];
    else if (value && typeof value === 'object') merge((into[name] ??= {}), value);
    else into[name] = value;
  }
}

// The workload's listener: its sidecar accepts mutual TLS, and applies the policies of its namespace

function workloadListener(mesh) {
  const strict = mesh.for(mesh.workload, 'PeerAuthentication').some(({ spec }) => spec.mtls.mode === 'STRICT');
  const manager = {
    ...connectionManager(false),
    stat_prefix: 'inbound_0.0.0.0_9100',
    http_filters: httpFilters(mesh, mesh.workload),
    route_config: {
      name: 'inbound|9100||',
      virtual_hosts: [
        { name: 'inbound|http|80', domains: ['*'], routes: [{ name: 'default', match: { prefix: '/' }, route: { cluster: 'inbound|9100||', timeout: '0s' } }] },
      ],
    },
  };
  const chain = { filters: [{ name: MANAGER, typed_config: manager }] };
  const tls = transportSocket('Downstream', {
    common_tls_context: meshTls(mesh.workload, { prefix: `spiffe://${TRUST_DOMAIN}/` }),
    require_client_certificate: true,
  });
  return { name: 'virtualInbound', address: address(15006), filter_chains: [...(strict ? [] : [chain]), { ...chain, transport_socket: tls }] };
}

const inboundCluster = () => cluster('inbound|9100||', 'STATIC', '127.0.0.1', 9100, '10s');

// Clusters

function meshCluster({ gateway, workload }) {
  const tls = { common_tls_context: meshTls(gateway, { exact: spiffe(workload) }), sni: `outbound_.${workload.port}_._.${workload.service}` };
  return {
    ...cluster(`outbound|${workload.port}||${workload.service}`, 'STATIC', '127.0.0.1', 15006, '10s'),
    transport_socket: transportSocket('Upstream', tls),
  };
}

function externalCluster(
  mesh,
  {
    metadata,
    spec: {
      hosts: [host],
      ports: [port],
      resolution,
      endpoints: [endpoint],
      location,
      exportTo,
      ...unknown
    },
  },
) {
  refuse(unknown, 'ServiceEntry.spec');
  if (resolution !== 'DNS' || location !== 'MESH_EXTERNAL' || port.protocol !== 'HTTP')
    throw new Error('expected resolution DNS, location MESH_EXTERNAL, protocol HTTP');
  const rule = mesh.all('DestinationRule').find((one) => one.spec.host === host && one.metadata.namespace === metadata.namespace);
  const { tls, connectionPool } = rule?.spec.trafficPolicy ?? {};
  const made = cluster(`outbound|${port.number}||${host}`, 'STRICT_DNS', endpoint.address, port.number, connectionPool?.tcp?.connectTimeout ?? '10s');
  if (tls?.mode !== 'SIMPLE') return made;
  const { mode, sni, subjectAltNames = [], caCertificates, ...others } = tls;
  refuse(others, 'DestinationRule tls');
  const names = subjectAltNames.map((exact) => ({ san_type: 'DNS', matcher: { exact } }));
  const validation = {
    trusted_ca: { filename: caCertificates ?? '/etc/ssl/certs/ca-certificates.crt' },
    ...(names.length > 0 && { match_typed_subject_alt_names: names }),
  };
  return { ...made, transport_socket: transportSocket('Upstream', { common_tls_context: { tls_params: versions(), validation_context: validation }, sni }) };
}

function cluster(name, type, host, port, timeout) {
  const endpoint = { address: { socket_address: { address: host, port_value: port } } };
  return { name, type, connect_timeout: timeout, load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] } };
}

const versions = () => ({ tls_minimum_protocol_version: 'TLSv1_2', tls_maximum_protocol_version: 'TLSv1_3' });

function meshTls(own, peer) {
  return {
    tls_params: versions(),
    tls_certificate_sds_secret_configs: [{ name: own.account }],
    combined_validation_context: {
      default_validation_context: { match_typed_subject_alt_names: [{ san_type: 'URI', matcher: peer }] },
      validation_context_sds_secret_config: { name: 'ROOTCA' },
    },
  };
}

const transportSocket = (side, context) => ({
  name: 'envoy.transport_sockets.tls',
  typed_config: { '@type': `${TYPE}envoy.extensions.transport_sockets.tls.v3.${side}TlsContext`, ...context },
});

function refuse(unknown, place) {
  const names = Object.keys(unknown);
  if (names.length > 0) throw new Error(`${place}: what Istio makes of ${names.join(', ')} is not written down here`);
}
