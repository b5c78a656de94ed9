// What Envoy Gateway 1.9 makes of the objects in deploy/envoy-gateway: one Envoy file, as in the sources of its translator, with the patches applied.
//
// It knows the fields that these objects use. Most other fields are an error, and tests check that no value of an object is ignored, so that nothing in an
// object is missing in the Envoy file. Names are those without XDSNameSchemeV2, which is the default. It never sees a secret.

import { parse } from 'yaml';

const TYPE = 'type.googleapis.com/';
const HTTP = `${TYPE}envoy.extensions.filters.http.`;
const BUFFER = 'envoy.filters.http.buffer';
const MANAGER = 'envoy.filters.network.http_connection_manager';

/**
 * An Envoy bootstrap from the parsed objects. The path of the module and all addresses are those of this machine. `failed(error)` is called for each patch
 * that finds nothing: Envoy Gateway reports it in the policy's status, and applies the other patches.
 */
export function madeByEnvoyGateway(
  objects,
  failed = (error) => {
    throw error;
  },
) {
  const one = (kind) => objects.find((object) => object.kind === kind);
  const gateway = one('Gateway');
  const proxy = one('EnvoyProxy');
  const { parametersRef } = gateway.spec.infrastructure;
  expect(
    'a GatewayClass of Envoy Gateway',
    one('GatewayClass').metadata.name === gateway.spec.gatewayClassName &&
      one('GatewayClass').spec.controllerName === 'gateway.envoyproxy.io/gatewayclass-controller',
  );
  expect('the EnvoyProxy as the parameters of the Gateway', sameName(parametersRef, proxy, gateway) && parametersRef.group === 'gateway.envoyproxy.io');
  for (const kind of ['ClientTrafficPolicy', 'SecurityPolicy'])
    expect(
      `${kind}: the Gateway as its target`,
      one(kind).spec.targetRefs.some((target) => isFor(target, gateway, one(kind))),
    );
  expect('EnvoyPatchPolicy: the Gateway as its target', isFor(one('EnvoyPatchPolicy').spec.targetRef, gateway, one('EnvoyPatchPolicy')));

  const all = (kind) => objects.filter((object) => object.kind === kind);
  const [httpRoutes, extensions] = [all('HTTPRoute'), all('EnvoyExtensionPolicy')];
  for (const policy of extensions)
    expect(
      'EnvoyExtensionPolicy: a target',
      policy.spec.targetRefs.every((target) => [gateway, ...httpRoutes].some((object) => isFor(target, object, policy))),
    );
  const policies = all('BackendTrafficPolicy');
  expect(
    'BackendTrafficPolicy: HTTPRoutes as its targets',
    policies.every(({ spec }) => spec.targetRefs.every(({ kind }) => kind === 'HTTPRoute')),
  );
  const policyFor = (route) => policies.find((policy) => policy.spec.targetRefs.some((target) => isFor(target, route, policy)));
  const buffers = new Map(httpRoutes.filter(policyFor).map((route) => [route, bufferOf(policyFor(route))]));
  const carried = new Map(httpRoutes.map((route) => [route, wasmsOf(route, gateway, extensions)]));

  const [listener] = gateway.spec.listeners;
  const name = `${gateway.metadata.namespace}/${gateway.metadata.name}/${listener.name}`;
  const resources = {
    listeners: [gatewayListener(name, listener, one('ClientTrafficPolicy').spec, Object.assign({}, ...carried.values()), [...buffers.values()], proxy.spec)],
    routes: [routes(name, listener, carried, buffers, objects, one('SecurityPolicy').spec)],
    clusters: httpRoutes.flatMap(backends),
  };
  for (const patch of one('EnvoyPatchPolicy').spec.jsonPatches) {
    try {
      apply(resources, patch);
    } catch (error) {
      failed(error);
    }
  }
  return withoutDiscovery(resources, merged(proxy.spec));
}

/** The wasm filters of a route, by name. A route with its own policy has only the filters of that policy; other routes have those of the Gateway's. */
function wasmsOf(route, gateway, extensions) {
  const policyFor = (object) => extensions.find((policy) => policy.spec.targetRefs.some((target) => isFor(target, object, policy)));
  const policy = policyFor(route) ?? policyFor(gateway);
  return Object.fromEntries((policy?.spec.wasm ?? []).map((wasm, index) => [`${policyName(policy)}/wasm/${index}`, wasm]));
}

/** The number of bytes that a policy lets the buffer hold. */
function bufferOf({
  spec: {
    targetRefs,
    requestBuffer: { limit },
    ...unknown
  },
}) {
  refuse(unknown, 'BackendTrafficPolicy');
  return quantity(limit);
}

/** `wasms` and `buffers` are those of all routes; a filter that no route uses is not in the listener. */
function gatewayListener(
  name,
  { protocol, port, tls, allowedRoutes, hostname },
  client,
  wasms,
  buffers,
  { provider, filterOrder = [], telemetry: { accessLog } },
) {
  expect(
    'an HTTPS listener with a certificate, for one host and the routes of its own namespace',
    protocol === 'HTTPS' && tls.mode === 'Terminate' && tls.certificateRefs.length > 0 && hostname && allowedRoutes.namespaces.from === 'Same',
  );
  expect('Kubernetes as the provider', provider.type === 'Kubernetes');
  const {
    path,
    headers,
    timeout: {
      http: { idleTimeout, streamIdleTimeout, ...others },
    },
    connection,
    tls: clientTls,
    targetRefs,
    ...unknown
  } = client;
  refuse({ ...unknown, ...others }, 'ClientTrafficPolicy');
  expect('TLS of at least 1.2', ['1.2', '1.3'].includes(clientTls.minVersion));
  const manager = {
    '@type': `${TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: `https-${10000 + port}`,
    rds: { route_config_name: name },
    server_header_transformation: 'PASS_THROUGH',
    http2_protocol_options: { max_concurrent_streams: 100, initial_stream_window_size: 65536, initial_connection_window_size: 1048576 },
    use_remote_address: true,
    normalize_path: true,
    merge_slashes: !path.disableMergeSlashes,
    path_with_escaped_slashes_action:
      { RejectRequest: 'REJECT_REQUEST', KeepUnchanged: 'KEEP_UNCHANGED', UnescapeAndForward: 'UNESCAPE_AND_FORWARD' }[path.escapedSlashesAction] ??
      'UNESCAPE_AND_REDIRECT',
    common_http_protocol_options: {
      idle_timeout: idleTimeout,
      headers_with_underscores_action: { RejectRequest: 'REJECT_REQUEST', DropHeader: 'DROP_HEADER', Allow: 'ALLOW' }[headers.withUnderscoresAction],
    },
    stream_idle_timeout: streamIdleTimeout,
    early_header_mutation_extensions: earlyHeaders(headers.earlyRequestHeaders),
    access_log: accessLog.settings.map(({ format, sinks }) => accessLogger(format, sinks)),
    http_filters: ordered(filterOrder, [
      { name: 'envoy.filters.http.cors', typed_config: { '@type': `${HTTP}cors.v3.Cors` } },
      ...buffers.slice(0, 1).map((bytes) => ({ name: BUFFER, disabled: true, typed_config: { '@type': `${HTTP}buffer.v3.Buffer`, max_request_bytes: bytes } })),
      ...Object.entries(wasms).map(([id, wasm]) => wasmFilter(wasm, id, provider.kubernetes.envoyDeployment.container)),
      { name: 'envoy.filters.http.router', typed_config: { '@type': `${HTTP}router.v3.Router`, suppress_envoy_headers: true } },
    ]),
  };
  const limit = {
    '@type': `${TYPE}envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit`,
    stat_prefix: `connection-limit-${name}`,
    max_connections: connection.connectionLimit.value,
  };
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: 10000 } },
    per_connection_buffer_limit_bytes: 32768,
    filter_chains: [
      {
        name,
        filters: [
          { name: 'envoy.filters.network.connection_limit', typed_config: limit },
          { name: MANAGER, typed_config: manager },
        ],
      },
    ],
  };
}

/** The order of the filters. `filters` have Envoy Gateway's own order; then each filter in `filterOrder` is moved before or after those of another type. */
function ordered(positions, filters) {
  const isOf =
    (type) =>
    ({ name }) =>
      name === type || name.startsWith(`${type}/`);
  return positions.reduce((list, { name, before, after }) => {
    const others = list.filter((filter) => !isOf(name)(filter));
    const at = before ? others.findIndex(isOf(before)) : others.findLastIndex(isOf(after)) + 1;
    if (at < 0 || !others.some(isOf(before ?? after))) return list;
    return others.toSpliced(at, 0, ...list.filter(isOf(name)));
  }, filters);
}

function earlyHeaders({ removeOnMatch, ...unknown }) {
  refuse(unknown, 'ClientTrafficPolicy earlyRequestHeaders');
  const mutations = removeOnMatch.map(({ type, value: regex }) => {
    expect('a regular expression for a header', type === 'RegularExpression');
    return { remove_on_match: { key_matcher: { safe_regex: { regex } } } };
  });
  return [
    {
      name: 'envoy.http.early_header_mutation.header_mutation',
      typed_config: { '@type': `${TYPE}envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation`, mutations },
    },
  ];
}

function accessLogger({ type, json }, [{ type: sink, file }]) {
  expect('an access log in JSON to a file', type === 'JSON' && sink === 'File');
  const log = { '@type': `${TYPE}envoy.extensions.access_loggers.file.v3.FileAccessLog`, path: file.path, log_format: { json_format: json } };
  return { name: 'envoy.access_loggers.file', typed_config: log };
}

/** A wasm filter. Its configuration is a StringValue of JSON, its vm_id is unique, and it is disabled until a route enables it. */
function wasmFilter({ name, rootID, failOpen, code, env, config, ...unknown }, id, { env: environment }) {
  refuse(unknown, 'EnvoyExtensionPolicy.spec.wasm');
  expect('an image with a tag', code.type === 'Image' && /^[^:@]+(:[^:@]+)?(@sha256:[0-9a-f]{64})?$/.test(code.image.url) && code.image.url.includes(':'));
  const given = new Set(environment.map((variable) => variable.name));
  return {
    name: `envoy.filters.http.wasm/${id}`,
    disabled: true,
    typed_config: {
      '@type': `${HTTP}wasm.v3.Wasm`,
      config: {
        name,
        root_id: rootID,
        ...(failOpen && { fail_open: true }),
        configuration: { '@type': `${TYPE}google.protobuf.StringValue`, value: `${JSON.stringify(config, null, 1)}\n` },
        vm_config: {
          vm_id: id,
          runtime: 'envoy.wasm.runtime.v8',
          code: { local: { filename: 'target/accredit.wasm' } },
          environment_variables: { host_env_keys: env.hostKeys.filter((key) => given.has(key)) },
        },
      },
    },
  };
}

/** One virtual host with the routes of all HTTPRoutes; exact paths come first. */
function routes(name, { hostname: host }, carried, buffers, objects, { cors, targetRefs, ...unknown }) {
  refuse(unknown, 'SecurityPolicy');
  const made = [...carried]
    .filter(([{ spec }]) => spec.hostnames.includes(host))
    .flatMap(([route, wasms]) => {
      const { metadata, spec } = route;
      const [parent] = spec.parentRefs;
      expect('the Gateway as the parent of the HTTPRoute', `${metadata.namespace}/${parent.name}/${parent.sectionName}` === name);
      const on = Object.keys(wasms).map((id) => [`envoy.filters.http.wasm/${id}`, { '@type': `${TYPE}envoy.config.route.v3.FilterConfig`, config: {} }]);
      if (buffers.has(route)) on.push([BUFFER, { '@type': `${HTTP}buffer.v3.BufferPerRoute`, buffer: { max_request_bytes: buffers.get(route) } }]);
      return spec.rules.map(({ matches: [match], filters: own = [], backendRefs, timeouts }, index) => ({
        name: `httproute/${metadata.namespace}/${metadata.name}/rule/${index}/match/0/${host.replaceAll('.', '_')}`,
        match: routeMatch(match),
        ...action(`httproute/${metadata.namespace}/${metadata.name}/rule/${index}`, own, backendRefs, timeouts, objects),
        typed_per_filter_config: { 'envoy.filters.http.cors': corsPolicy(cors), ...Object.fromEntries(on) },
      }));
    });
  const exactFirst = made.toSorted(({ match: a }, { match: b }) => Number('path' in b) - Number('path' in a));
  return { name, ignore_port_in_host_matching: true, virtual_hosts: [{ name: `${name}/${host.replaceAll('.', '_')}`, domains: [host], routes: exactFirst }] };
}

function routeMatch({ path, method }) {
  const headers = method && { headers: [{ name: ':method', string_match: { exact: method } }] };
  if (path.type === 'Exact') return { path: path.value, ...headers };
  expect('PathPrefix /', path.type === 'PathPrefix' && path.value === '/');
  return { prefix: '/', ...headers };
}

function action(cluster, filters, backendRefs, timeouts, objects) {
  if (backendRefs) return { route: { cluster, timeout: timeouts?.request, upgrade_configs: [{ upgrade_type: 'websocket' }] } };
  const [{ type, extensionRef }] = filters;
  const found = objects.find(({ kind, metadata }) => kind === extensionRef.kind && metadata.name === extensionRef.name);
  expect('an HTTPRouteFilter', type === 'ExtensionRef' && extensionRef.group === 'gateway.envoyproxy.io' && found);
  return { direct_response: { status: found.spec.directResponse.statusCode } };
}

function corsPolicy({ allowOrigins, allowMethods, allowHeaders, exposeHeaders, allowCredentials, maxAge, ...unknown }) {
  refuse(unknown, 'SecurityPolicy cors');
  const [, count, unit] = /^(\d+)([smh])$/.exec(maxAge);
  return {
    '@type': `${HTTP}cors.v3.CorsPolicy`,
    allow_origin_string_match: allowOrigins.map((origin) =>
      origin.includes('*') ? { safe_regex: { regex: origin.replaceAll('.', '\\.').replaceAll('*', '.*') } } : { exact: origin },
    ),
    allow_methods: allowMethods.join(', '),
    allow_headers: allowHeaders.join(', '),
    expose_headers: exposeHeaders.join(', '),
    max_age: String(count * { s: 1, m: 60, h: 3600 }[unit]),
    allow_credentials: Boolean(allowCredentials),
    forward_not_matching_preflights: false,
  };
}

/** A cluster for each rule that has a backend. Its endpoints would come from the Service; here there is one. */
function backends({ metadata, spec }) {
  return spec.rules.flatMap(({ backendRefs }, index) => {
    if (!backendRefs) return [];
    const [{ name: service, port }] = backendRefs;
    const name = `httproute/${metadata.namespace}/${metadata.name}/rule/${index}`;
    const of = { filter_metadata: { 'envoy-gateway': { resources: [{ kind: 'Service', name: service, port }] } } };
    const endpoint = { address: { socket_address: { address: '127.0.0.1', port_value: 9100 } } };
    return [
      {
        name,
        type: 'STATIC',
        connect_timeout: '10s',
        per_connection_buffer_limit_bytes: 32768,
        load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint, metadata: of }] }] },
      },
    ];
  });
}

// EnvoyPatchPolicy: applies JSON patches at the places that a JSONPath finds

const KINDS = { 'listener.v3.Listener': 'listeners', 'route.v3.RouteConfiguration': 'routes', 'cluster.v3.Cluster': 'clusters' };

function apply(resources, { type, name, operation: { op, jsonPath, path, value } }) {
  const list = resources[KINDS[type.replace(`${TYPE}envoy.config.`, '')]];
  expect('a listener, a route configuration or a cluster', list);
  if (!jsonPath) {
    expect('a whole resource of that name', op === 'add' && path === '' && value.name === name);
    return void list.push(value);
  }
  const resource = list.find((one) => one.name === name);
  expect(`a resource ${name}`, resource);
  const places = located(resource, jsonPath);
  expect(`something at ${jsonPath}`, places.length > 0);
  for (const place of places) patched(resource, [...place, ...(path ? path.split('/') : [])], op, value);
}

/** The matches of `..LIST[?(@.name=='NAME')]`, or of `=~` for a part of the name: members of any list called LIST. */
function located(value, jsonPath) {
  const [, wanted, how, name] = /^\.\.(\w+)\[\?\(@\.name(==|=~)'([^']+)'\)\]$/.exec(jsonPath) ?? [];
  expect('a JSONPath that is known here', name);
  const walk = (at, path) =>
    Object.entries(at ?? {}).flatMap(([key, inside]) => {
      if (inside === null || typeof inside !== 'object') return [];
      const here =
        key === wanted && Array.isArray(inside)
          ? inside.flatMap((one, index) => ((how === '==' ? one.name === name : one.name.includes(name)) ? [[...path, key, index]] : []))
          : [];
      return [...here, ...walk(inside, [...path, key])];
    });
  return walk(value, []);
}

function patched(resource, path, op, value) {
  const last = path.pop();
  const place = path.reduce((at, step) => (at[step] ??= {}), resource);
  if (Array.isArray(place) && op === 'add') return void place.splice(last, 0, value);
  expect('something to replace', op === 'add' || (op === 'replace' && last in place));
  place[last] = value;
}

// The parts of the bootstrap that the EnvoyProxy changes

/** What is in Envoy Gateway's own bootstrap after the EnvoyProxy's was merged into it, as far as it matters here. */
function merged({ provider, bootstrap: { type, value, ...unknown } }) {
  refuse(unknown, 'EnvoyProxy bootstrap');
  expect('a bootstrap that is merged', type === 'Merge');
  const { stats_config: stats, overload_manager: overload, ...more } = parse(value);
  refuse(more, 'EnvoyProxy bootstrap');
  return { stats_config: stats, overload_manager: overloadManager(provider, overload) };
}

/** The heap gets 80 % of the container's memory. Entries of the EnvoyProxy are appended, as protobuf merges lists. */
function overloadManager(provider, { actions, ...unknown }) {
  const heap = 'envoy.resource_monitors.fixed_heap';
  refuse(unknown, 'EnvoyProxy bootstrap');
  const threshold = (action, at) => ({ name: `envoy.overload_actions.${action}`, triggers: [{ name: heap, threshold: { value: at } }] });
  const bytes = Math.floor(quantity(provider.kubernetes.envoyDeployment.container.resources.limits.memory) * 0.8);
  const connections = {
    '@type': `${TYPE}envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig`,
    max_active_downstream_connections: 50000,
  };
  return {
    refresh_interval: '0.25s',
    resource_monitors: [
      { name: 'envoy.resource_monitors.global_downstream_max_connections', typed_config: connections },
      { name: heap, typed_config: { '@type': `${TYPE}envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig`, max_heap_size_bytes: bytes } },
    ],
    actions: [threshold('shrink_heap', 0.95), threshold('stop_accepting_requests', 0.98), ...actions],
  };
}

/** A quantity of Kubernetes, such as `64Ki` or `1Gi`, in bytes. */
function quantity(text) {
  const [, count, unit] = /^(\d+)([KMG])i$/.exec(text) ?? [];
  expect('a number of Ki, Mi or Gi', count);
  return Number(count) * 1024 ** ('KMG'.indexOf(unit) + 1);
}

/** The same resources as one static file, in which the routes are inside their listener. */
function withoutDiscovery({ listeners, routes: configurations, clusters }, bootstrap) {
  for (const listener of listeners) {
    const manager = listener.filter_chains[0].filters.find(({ name }) => name === MANAGER).typed_config;
    manager.route_config = configurations.find(({ name }) => name === manager.rds.route_config_name);
    delete manager.rds;
  }
  return {
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 9901 } } },
    static_resources: { listeners, clusters },
    ...bootstrap,
  };
}

const policyName = ({ metadata }) => `envoyextensionpolicy/${metadata.namespace}/${metadata.name}`;
const sameName = ({ kind, name }, object, from) =>
  kind === object.kind && name === object.metadata.name && object.metadata.namespace === from.metadata.namespace;
const isFor = (target, object, from) => target.group === 'gateway.networking.k8s.io' && sameName(target, object, from);

function expect(what, holds) {
  if (!holds) throw new Error(`expected ${what}`);
}

function refuse(unknown, place) {
  const names = Object.keys(unknown);
  if (names.length > 0) throw new Error(`${place}: what Envoy Gateway makes of ${names.join(', ')} is not written down here`);
}
