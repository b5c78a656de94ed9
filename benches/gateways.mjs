// The Envoys that are compared. Each is the shipped envoy/bff.yaml with one worker, without access log, and with a direct response of Envoy on every path, so
// that no application and no second connection hides what a filter costs. They differ only in their filters.

import { bootstrapFor, capabilitiesWithout, managerOf, newKey } from '../tests/e2e/lib/gateway.mjs';
import { Envoy } from '../tests/e2e/lib/envoy.mjs';
import { documentedCluster } from '../tests/e2e/lib/fleet.mjs';
import { freePort } from '../tests/e2e/lib/process.mjs';
import { HOST } from './visitors.mjs';

const type = (name) => `type.googleapis.com/envoy.extensions.${name}`;

/** The one key of `session.keys` of all. */
export const key = newKey();

/** The secret that signs session JWTs. */
export const jwtSecret = newKey();

/** Starts an Envoy. `filters` gets the shipped filters and returns those to use. */
async function start(provider, { filters = (shipped) => shipped, plugin, secrets = [], clusters = [] }) {
  const port = await freePort();
  const envoyOnly = (bootstrap) => {
    bare(bootstrap, filters);
    bootstrap.static_resources.secrets = secrets;
    bootstrap.static_resources.clusters.push(...clusters);
  };
  const bootstrap = bootstrapFor({ port, provider, application: { port: 1 }, plugin, envoy: envoyOnly });
  const environment = { OIDC_CLIENT_SECRET: provider.clientSecret, ACCREDIT_KEY: key };
  const envoy = await Envoy.start(bootstrap, { concurrency: 1, environment });
  return Object.assign(envoy, { port });
}

function bare(bootstrap, filters) {
  const manager = managerOf(bootstrap.static_resources.listeners[0]);
  manager.access_log = [];
  manager.http_filters = filters(manager.http_filters);
  const [host] = manager.route_config.virtual_hosts;
  host.routes = [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'ok' } } }];
}

const router = (shipped) => shipped.filter(({ name }) => name.endsWith('router'));

/** An Envoy without a filter. */
export const floor = (provider) => start(provider, { filters: router });

/** A WebAssembly filter that does nothing, or that makes only the host calls that Accredit makes for a remembered session. */
export function noop(provider, module, { calls = false } = {}) {
  const filters = (shipped) => {
    const [filter] = shipped;
    const { config } = filter.typed_config;
    config.name = config.root_id = 'noop';
    delete config.configuration;
    if (calls) config.configuration = { '@type': 'type.googleapis.com/google.protobuf.StringValue', value: 'calls' };
    config.vm_config = { ...config.vm_config, vm_id: 'noop', code: { local: { filename: module } }, environment_variables: undefined };
    return shipped;
  };
  return start(provider, { filters });
}

const groupRule = { require: { claim: 'groups', any_of: ['oracle-ai-admins', 'oracle-ai-users'] } };

const sealed = { idle: '8h' };

/** Settings for sessions as JWTs, with all claims that the rule and the four headers need. They last less than a day, and the cookie is not forwarded. */
const asJwt = {
  form: 'jwt',
  jwt: { algorithm: 'HS256', keys: [jwtSecret], claims: ['email', 'email_verified', 'groups', 'preferred_username'], lifetime: '8h' },
};

/**
 * Accredit with four identity headers and a rule that requires a group, after a number of other rules; with `resource`, in front of an MCP server, whose
 * `tools` need another group; with `module`, in another module; with `redis` (tests/e2e/lib/redis.mjs), as one of several replicas that tell each other there
 * what has ended.
 */
export function accredit(provider, { rules = 1, bearer = false, jwt = false, listed = false, resource, redis, module } = {}) {
  const plugin = (configuration) => {
    configuration.origins = [`http://${HOST}`];
    // Without filter state, because Envoy's own filters do not write anything for an access log either.
    delete configuration.filter_state;
    // Without an endpoint that no line uses and that an earlier module may not know.
    delete configuration.endpoints.backchannel_logout;
    configuration.session = { ...configuration.session, ...(jwt ? asJwt : sealed) };
    const others = Array.from({ length: rules - 1 }, (_, i) => ({ match: { path_separated_prefix: `/service-${i}/api` }, ...groupRule }));
    configuration.rules = [...others, { match: { path_separated_prefix: '/fast' }, ...groupRule }];
    if (bearer) configuration.providers[0].bearer = { audiences: ['orders'] };
    if (resource) protect(configuration, resource);
    if (redis) configuration.revocations = { redis: { cluster: redisCluster.name } };
  };
  const redisCluster = redis && documentedCluster(redis.port);
  const filters = (shipped) => {
    if (listed) shipped[0].typed_config.config.capability_restriction_config = capabilitiesWithout();
    if (module) shipped[0].typed_config.config.vm_config.code = { local: { filename: module } };
    return shipped;
  };
  return start(provider, { plugin, filters, clusters: redisCluster ? [redisCluster] : [] });
}

/** Makes /fast a protected resource, an MCP server. A call of one of `tools` needs a group that nobody is in. */
function protect(configuration, { tools }) {
  configuration.resources = [{ path: '/fast', audiences: ['orders'], scopes: ['orders:read'], ...(tools && { body_checked_by: 'server' }) }];
  if (tools) configuration.rules.unshift({ match: { path_separated_prefix: '/fast', mcp: { tools } }, require: { claim: 'groups', any_of: ['nobody'] } });
}

/** Envoy's own filters. They also set identity headers, as far as they can: a list of groups becomes base64url. */
function jwtAuthn(provider, { from, audience, cached }) {
  const headers = { sub: 'x-forwarded-user', email: 'x-forwarded-email', groups: 'x-forwarded-groups', preferred_username: 'x-forwarded-preferred-username' };
  const settings = {
    issuer: provider.issuer,
    audiences: [audience],
    local_jwks: { inline_string: JSON.stringify({ keys: provider.keys.map(({ published }) => published) }) },
    payload_in_metadata: 'claims',
    claim_to_headers: Object.entries(headers).map(([claim_name, header_name]) => ({ claim_name, header_name })),
    ...from,
    ...(cached && { jwt_cache_config: { jwt_cache_size: 1000 } }),
  };
  return {
    name: 'envoy.filters.http.jwt_authn',
    typed_config: {
      '@type': type('filters.http.jwt_authn.v3.JwtAuthentication'),
      providers: { demo: settings },
      rules: [{ match: { prefix: '/' }, requires: { provider_name: 'demo' } }],
    },
  };
}

const rbac = {
  name: 'envoy.filters.http.rbac',
  typed_config: {
    '@type': type('filters.http.rbac.v3.RBAC'),
    rules: {
      action: 'ALLOW',
      policies: {
        group: {
          permissions: [{ any: true }],
          principals: groupRule.require.any_of.map((exact) => ({
            sourced_metadata: {
              metadata_matcher: {
                filter: 'envoy.filters.http.jwt_authn',
                path: [{ key: 'claims' }, { key: 'groups' }],
                value: { list_match: { one_of: { string_match: { exact } } } },
              },
            },
          })),
        },
      },
    },
  },
};

function oauth2(provider) {
  return {
    name: 'envoy.filters.http.oauth2',
    typed_config: {
      '@type': type('filters.http.oauth2.v3.OAuth2'),
      config: {
        token_endpoint: { cluster: 'provider', uri: `${provider.issuer}/token`, timeout: '3s' },
        authorization_endpoint: `${provider.issuer}/authorize`,
        redirect_uri: `http://${HOST}/callback`,
        redirect_path_matcher: { path: { exact: '/callback' } },
        signout_path: { path: { exact: '/signout' } },
        credentials: { client_id: provider.clientId, token_secret: { name: 'token' }, hmac_secret: { name: 'hmac' } },
        auth_scopes: ['openid', 'profile', 'email', 'groups'],
      },
    },
  };
}

/** The filters `oauth2`, `jwt_authn` for its ID token, and `rbac` for a group. */
export function nativeSessionGateway(provider, { cached }) {
  const filters = (shipped) => [
    oauth2(provider),
    jwtAuthn(provider, { from: { from_cookies: ['IdToken'] }, audience: provider.clientId, cached }),
    rbac,
    ...router(shipped),
  ];
  const secrets = [
    { name: 'token', generic_secret: { secret: { inline_string: provider.clientSecret } } },
    { name: 'hmac', generic_secret: { secret: { inline_string: key } } },
  ];
  return start(provider, { filters, secrets });
}

/** The filters `jwt_authn` for a bearer token, and `rbac` for a group. */
export function nativeBearerGateway(provider, { cached }) {
  return start(provider, { filters: (shipped) => [jwtAuthn(provider, { from: {}, audience: 'orders', cached }), rbac, ...router(shipped)] });
}
