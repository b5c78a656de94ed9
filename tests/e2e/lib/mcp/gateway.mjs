// A gateway in front of an MCP server at /mcp, which is the resource that clients ask tokens for. Envoy itself answers with the resource's metadata (RFC 9728).

import { managerOf, startGateway } from '../gateway.mjs';
import { freePort } from '../process.mjs';

const PATH = '/mcp';
const METADATA = `/.well-known/oauth-protected-resource${PATH}`;

/** An address for a gateway that will be started, with its resource: the authorization server must know that before. */
export async function address() {
  const port = await freePort();
  return { port, resource: `http://localhost:${port}${PATH}` };
}

/** Starts the gateway at this address. A token with these scopes, a list, may use the server. */
export async function startMcpGateway({ at: { port, resource }, provider: { issuer, port: providerPort }, server, scopes }) {
  const document = JSON.stringify({ resource, authorization_servers: [issuer], scopes_supported: scopes, bearer_methods_supported: ['header'] });
  const gateway = await startGateway({
    port,
    provider: { issuer, port: providerPort },
    application: server,
    plugin: ({ origins, session, providers: [{ name, clusters }] }) => ({
      origins,
      session,
      providers: [{ name, issuer, clusters, clock_skew_seconds: 0, bearer: { audiences: [resource], type: 'at+jwt' } }],
      rules: [
        { match: { path_separated_prefix: '/.well-known' }, require: 'public' },
        { match: { path: PATH }, require: { bearer: name, scope: scopes } },
      ],
    }),
    envoy: (bootstrap) => {
      const json = [{ header: { key: 'content-type', value: 'application/json' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }];
      managerOf(bootstrap.static_resources.listeners[0]).route_config.virtual_hosts[0].routes = [
        { match: { path: METADATA }, direct_response: { status: 200, body: { inline_string: document } }, response_headers_to_add: json },
        { match: { prefix: '/.well-known/' }, direct_response: { status: 404, body: { inline_string: '{}' } }, response_headers_to_add: json },
        // Servers by the Python SDK refuse any host but their own.
        { match: { path: PATH }, route: { cluster: 'application', timeout: '0s', host_rewrite_literal: `127.0.0.1:${server.port}` } },
      ];
    },
  });
  return Object.assign(gateway, { resource });
}
