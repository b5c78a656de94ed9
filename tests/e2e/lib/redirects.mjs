// Redirects that Envoy follows itself: an Envoy, a configuration and an application for them.
//
// The application answers /go?to=LOCATION&status=STATUS with a redirect, which Envoy follows by `internal_redirect_policy`.

import { managerOf } from './gateway.mjs';
import { now, sign } from './misbehaving.mjs';

const RULES = [
  { match: { path: '/go' }, require: 'public' },
  { match: { path: '/open' }, require: 'public' },
  { match: { path: '/members' }, require: { claim: 'groups', any_of: ['staff'] } },
  { match: { path: '/admin' }, require: { claim: 'groups', any_of: ['admins'] } },
  { match: { path: '/sessions' }, require: 'authenticated', credentials: 'session' },
];

export const switched = (on) => (configuration) => {
  const [origin] = configuration.origins;
  configuration.origins = [origin, origin.replace('localhost', '127.0.0.1')];
  configuration.rules = RULES;
  configuration.providers[0].bearer = { audiences: ['api'] };
  if (on) configuration.internal_redirects = true;
};

export const following = (bootstrap) => {
  const manager = managerOf(bootstrap.static_resources.listeners[0]);
  // As behind a proxy: a request may say that the browser uses https.
  manager.xff_num_trusted_hops = 1;
  const { route } = manager.route_config.virtual_hosts[0].routes.at(-1);
  route.internal_redirect_policy = { max_internal_redirects: 3, redirect_response_codes: [302, 303, 307], allow_cross_scheme_redirect: true };
  const shown = { kept: '%FILTER_STATE(envoy.string:PLAIN)%', connection: '%CONNECTION_ID%', began: '%START_TIME(%s.%9f)%' };
  Object.assign(manager.access_log[0].typed_config.log_format.json_format, shown);
};

export const go = (to, status = 302) => `/go?${new URLSearchParams({ to, status })}`;

/** The application redirects at /go, and shows what it got at all other paths. Envoy follows only absolute URLs. */
export const redirecting =
  ({ application, gateway }, before = () => {}) =>
  async (_, response, received) => {
    const { pathname, searchParams } = new URL(received.url, 'http://localhost');
    if (pathname !== '/go') return application.echo(response, received);
    await before();
    response.writeHead(Number(searchParams.get('status')), { location: new URL(searchParams.get('to'), gateway.origin).href }).end();
  };

/** The session as a `Cookie` header. */
export const sessionOf = (visitor) => `__Host-accredit=${visitor.jar.get('localhost', '__Host-accredit')}`;

/** A member who is signed in, for an application that redirects. */
export const member = async (stage) => {
  const visitor = await stage.signedIn();
  stage.application.respond = redirecting(stage);
  return visitor;
};

export const token = (stage, changes = {}) =>
  sign(
    { iss: stage.provider.issuer, sub: 'robot', aud: 'api', exp: now() + 300, groups: ['staff'], ...changes },
    { alg: 'RS256', kid: 'rs-1' },
    stage.provider.standardKey,
  );

export const type = (name) => ({ '@type': `type.googleapis.com/envoy.${name}` });

/** The filter that puts other pages of the listener in the place of answers, by their status. */
export const customResponse = (host, pages) => (listener) => {
  const origin = `http://${host}:${listener.address.socket_address.port_value}`;
  const redirect = type('extensions.http.custom_response.redirect_policy.v3.RedirectPolicy');
  const matchers = Object.entries(pages).map(([status, path]) => ({
    predicate: {
      single_predicate: {
        input: { name: 'status', typed_config: type('type.matcher.v3.HttpResponseStatusCodeMatchInput') },
        value_match: { exact: status },
      },
    },
    on_match: { action: { name: 'redirect', typed_config: { ...redirect, uri: `${origin}${path}` } } },
  }));
  const config = { custom_response_matcher: { matcher_list: { matchers } } };
  return { name: 'custom', typed_config: { ...type('extensions.filters.http.custom_response.v3.CustomResponse'), ...config } };
};
