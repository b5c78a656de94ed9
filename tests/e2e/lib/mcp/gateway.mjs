// A gateway in front of an MCP server at /mcp, which is the resource that clients ask tokens for.

import { managerOf, startGateway } from '../gateway.mjs';
import { freePort } from '../process.mjs';

const PATH = '/mcp';

/** An address for a gateway that will be started, with its resource: the authorization server must know that before. */
export async function address() {
  const port = await freePort();
  return { port, resource: `http://localhost:${port}${PATH}` };
}

/**
 * Starts the gateway at this address. A token with these scopes, a list, may use the server; a call of a tool in `tools`, {name: [scope]}, needs more. The server
 * itself compares the header fields that name a call with the body, as the SDKs do.
 */
export async function startMcpGateway({ at: { port, resource }, provider: { issuer, port: providerPort }, server, scopes, tools }) {
  const gateway = await startGateway({
    port,
    provider: { issuer, port: providerPort },
    application: server,
    plugin: ({ origins, session, providers: [{ name, clusters }] }) => ({
      origins,
      session,
      providers: [{ name, issuer, clusters, clock_skew_seconds: 0, bearer: { type: 'at+jwt' } }],
      resources: [{ path: PATH, scopes, ...(tools && { body_checked_by: 'server' }) }],
      rules: [{ match: { path_separated_prefix: PATH }, require: { scope: scopes, ...(tools && { mcp: { scopes: { 'tools/call': tools } } }) } }],
    }),
    envoy: (bootstrap) => {
      managerOf(bootstrap.static_resources.listeners[0]).route_config.virtual_hosts[0].routes = [
        // Servers by the Python SDK refuse any host but their own.
        { match: { prefix: PATH }, route: { cluster: 'application', timeout: '0s', host_rewrite_literal: `127.0.0.1:${server.port}` } },
        { match: { prefix: '/' }, direct_response: { status: 404 } },
      ];
    },
  });
  return Object.assign(gateway, { resource });
}
