// The cluster that reaches the provider, for places where one file serves all environments: it connects to whatever host the filter names. The filter names
// only the issuer's host, because its configuration allows no other, and the host's certificate must be valid for that name.

const PROVIDER_CLUSTER = `name: provider
connect_timeout: 2s
lb_policy: CLUSTER_PROVIDED
cluster_type:
  name: envoy.clusters.dynamic_forward_proxy
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig
    dns_cache_config: {name: provider, dns_lookup_family: V4_PREFERRED, max_hosts: 16}
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    upstream_http_protocol_options: {auto_sni: true, auto_san_validation: true}
    explicit_http_config: {http_protocol_options: {}}
transport_socket:
  name: envoy.transport_sockets.tls
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
    common_tls_context:
      tls_params: {tls_minimum_protocol_version: TLSv1_2}
      validation_context: {trusted_ca: {filename: /etc/ssl/certs/ca-certificates.crt}} # of the image`;

/** The cluster as YAML, to be put into a template: all lines but the first are indented by this many spaces. */
export const providerCluster = (indent) => PROVIDER_CLUSTER.replaceAll('\n', `\n${' '.repeat(indent)}`);
