// A gateway in front of an MCP server at /mcp, which is the resource that clients ask tokens for.

import { managerOf, startGateway } from '../gateway.mjs';
import { freePort } from '../process.mjs';
import { OURS } from './provider.mjs';

const PATH = '/mcp';

/** An address for a gateway that will be started, with its resource: the authorization server must know that before. */
export async function address() {
  const port = await freePort();
  return { port, resource: `http://localhost:${port}${PATH}` };
}

/** Envoy's filter for CORS before Accredit, for clients that are pages of these origins, as docs/configuration.md says. */
function allowPages(bootstrap, pages) {
  const manager = managerOf(bootstrap.static_resources.listeners[0]);
  const extension = (name) => `type.googleapis.com/envoy.extensions.filters.http.cors.v3.${name}`;
  manager.http_filters.unshift({ name: 'envoy.filters.http.cors', typed_config: { '@type': extension('Cors') } });
  manager.route_config.virtual_hosts[0].typed_per_filter_config = {
    'envoy.filters.http.cors': {
      '@type': extension('CorsPolicy'),
      allow_origin_string_match: pages.map((exact) => ({ exact })),
      allow_methods: 'GET, POST, DELETE',
      allow_headers: 'authorization, content-type, last-event-id, mcp-method, mcp-name, mcp-protocol-version, mcp-session-id',
      expose_headers: 'www-authenticate, mcp-session-id',
    },
  };
}

/**
 * Starts the gateway at this address. A token with these scopes, a list, may use the server; a call of a tool in `tools`, {name: [scope]}, needs more. The server
 * itself compares the header fields that name a call with the body, as the SDKs do. `forward` is the rule's; `pages` are origins whose pages may call.
 */
export async function startMcpGateway({ at: { port, resource }, provider: { issuer, port: providerPort }, server, scopes, tools, forward, pages }) {
  const gateway = await startGateway({
    port,
    provider: { issuer, port: providerPort },
    application: server,
    plugin: ({ origins, session, providers: [{ name, clusters, client_secret }] }) => ({
      origins,
      session,
      providers: [
        {
          name,
          issuer,
          clusters,
          clock_skew_seconds: 0,
          bearer: { type: 'at+jwt' },
          ...(forward && { client_id: OURS.client_id, client_secret, timeout: '1s' }),
        },
      ],
      resources: [{ path: PATH, scopes, ...(tools && { body_checked_by: 'server' }), ...(pages && { allowed_origins: pages }) }],
      rules: [
        {
          match: { path_separated_prefix: PATH },
          require: { scope: scopes, ...(tools && { mcp: { scopes: { 'tools/call': tools } } }) },
          ...(forward && { forward }),
        },
      ],
    }),
    envoy: (bootstrap) => {
      managerOf(bootstrap.static_resources.listeners[0]).route_config.virtual_hosts[0].routes = [
        // Servers by the Python SDK refuse any host but their own.
        { match: { prefix: PATH }, route: { cluster: 'application', timeout: '0s', host_rewrite_literal: `127.0.0.1:${server.port}` } },
        { match: { prefix: '/' }, direct_response: { status: 404 } },
      ];
      if (pages) allowPages(bootstrap, pages);
    },
  });
  return Object.assign(gateway, { resource });
}
