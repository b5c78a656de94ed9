// The cluster by which Accredit reaches a Redis, as YAML: that of docs/deployment.md, at another host. tests/e2e compares them.

const cluster = (host) => `name: redis # sends the body of a call as it is, over TCP, and takes what comes back for the body of the answer
type: STRICT_DNS
dns_lookup_family: V4_PREFERRED
connect_timeout: 0.5s
load_assignment:
  cluster_name: redis
  endpoints:
  - lb_endpoints:
    - endpoint: {address: {socket_address: {address: ${host}, port_value: 6379}}}
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    explicit_http_config: {http_protocol_options: {}}
    common_http_protocol_options: {max_requests_per_connection: 1} # Redis ends the connection of each call
upstream_config:
  name: envoy.upstreams.http.tcp
  typed_config: {"@type": type.googleapis.com/envoy.extensions.upstreams.http.tcp.v3.TcpConnectionPoolProto}`;

const tls = (host) => `
transport_socket:
  name: envoy.transport_sockets.tls
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
    sni: ${host}
    common_tls_context:
      validation_context:
        trusted_ca: {filename: /etc/ssl/certs/ca-certificates.crt} # of the image
        match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: ${host}}}]`;

/** The cluster `redis` at this host, to be put into a template: all lines but the first are indented by this many spaces. */
export const redisCluster = (host, indent, { withTls = false } = {}) =>
  (cluster(host) + (withTls ? tls(host) : '')).replaceAll('\n', `\n${' '.repeat(indent)}`);

/** The same as an item of a list, without TLS. */
export const redisClusterItem = (host) => `- ${redisCluster(host, 2)}\n`;

/** The filter's settings for it. */
export const revocations = (password) => ({ redis: { cluster: 'redis', username: 'accredit', password } });
