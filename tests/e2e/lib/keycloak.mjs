// Checks deploy/compose/keycloak/realm.json and the override that mounts it, and returns a list of what is wrong. It starts no Keycloak. It checks that realm,
// compose files, Envoy files and the demo's people agree, and that Keycloak has a mapper for each claim that is used.

import { USERS, VISITORS } from '../../../deploy/demo/provider.mjs';
import { mounted } from './compose.mjs';

const EVERYWHERE = { 'id.token.claim': 'true', 'access.token.claim': 'true', 'userinfo.token.claim': 'true', 'introspection.token.claim': 'true' };
const attribute = (claim, from, type = 'String') => ({ ...EVERYWHERE, 'user.attribute': from, 'claim.name': claim, 'jsonType.label': type });

/** The mappers of each scope, and then those of the client: their type in Keycloak, and their settings. */
const MAPPERS = {
  basic: {
    sub: ['oidc-sub-mapper', { 'access.token.claim': 'true', 'introspection.token.claim': 'true' }],
    auth_time: [
      'oidc-usersessionmodel-note-mapper',
      {
        'user.session.note': 'AUTH_TIME',
        'claim.name': 'auth_time',
        'jsonType.label': 'long',
        'id.token.claim': 'true',
        'access.token.claim': 'true',
        'introspection.token.claim': 'true',
      },
    ],
  },
  profile: {
    name: ['oidc-full-name-mapper', EVERYWHERE],
    given_name: ['oidc-usermodel-attribute-mapper', attribute('given_name', 'firstName')],
    family_name: ['oidc-usermodel-attribute-mapper', attribute('family_name', 'lastName')],
    preferred_username: ['oidc-usermodel-attribute-mapper', attribute('preferred_username', 'username')],
  },
  email: {
    email: ['oidc-usermodel-attribute-mapper', attribute('email', 'email')],
    email_verified: ['oidc-usermodel-property-mapper', attribute('email_verified', 'emailVerified', 'boolean')],
  },
  groups: {},
};
const OF_THE_CLIENT = {
  groups: ['oidc-group-membership-mapper', { ...EVERYWHERE, 'claim.name': 'groups', 'full.path': 'false' }],
  audience: [
    'oidc-audience-mapper',
    { 'included.client.audience': 'accredit-demo', 'id.token.claim': 'false', 'access.token.claim': 'true', 'introspection.token.claim': 'true' },
  ],
};

/** What prevents Keycloak from starting with this realm as the service `provider`. */
export function providerProblems({ services: { provider, gateway } }, realm) {
  const wrong = [];
  const expect = (holds, sentence) => holds || wrong.push(`provider: ${sentence}`);
  const { image = '', environment = {}, command = [], volumes = [], healthcheck: { test = [] } = {} } = provider;
  const issuer = new URL(gateway.environment.OIDC_ISSUER);
  expect(/^quay\.io\/keycloak\/keycloak:\d+\.\d+\.\d+$/.test(image), `image: ${image}`);
  expect(same(command, ['/opt/keycloak/bin/kc.sh', 'start-dev', '--import-realm']), `command: ${command}`);
  expect(environment.KC_HOSTNAME === issuer.origin, "KC_HOSTNAME: the issuer's origin");
  expect(environment.KC_HTTP_PORT === issuer.port, 'KC_HTTP_PORT: the port that is published');
  expect(
    /^\d+$/.test(environment.KC_HTTP_MANAGEMENT_PORT) && environment.KC_HTTP_MANAGEMENT_PORT !== issuer.port,
    'KC_HTTP_MANAGEMENT_PORT: another one; 9000 is its default',
  );
  expect(environment.KC_DB === 'dev-mem', 'KC_DB: a realm that is kept would keep an old secret');
  expect(issuer.pathname === `/realms/${realm.realm}`, `OIDC_ISSUER: the realm is called ${realm.realm}`);
  const binds = volumes
    .map(mounted)
    .filter(({ bind }) => bind)
    .map(({ source, target }) => [source, target]);
  const wanted = [
    ['./with-keys.sh', '/with-keys.sh'],
    ['./keycloak/realm.json', `/opt/keycloak/data/import/${realm.realm}-realm.json`],
  ];
  expect(same(binds, wanted), 'volumes: with-keys.sh, and the realm under the name that Keycloak imports');
  expect(
    test.at(-1)?.includes(`GET ${issuer.pathname}/.well-known/openid-configuration `) && test.at(-1).includes(`/dev/tcp/127.0.0.1/${issuer.port} `),
    'healthcheck: asks for the realm',
  );
  return wrong;
}

/** Everything that is wrong with the realm for these plugin configurations, which are those of the scenarios with a provider. */
export function realmProblems(realm, configurations) {
  const wrong = [];
  const expect = (holds, sentence) => holds || wrong.push(sentence);
  const { clients: [client = {}, ...others] = [], clientScopes = [], groups = [], users = [] } = realm;
  expect(realm.realm === 'accredit' && realm.enabled === true, 'realm: accredit, enabled');
  expect(
    realm.registrationAllowed === false && realm.resetPasswordAllowed === false && realm.bruteForceProtected === true,
    'nobody registers, and nobody guesses',
  );
  expect(realm.sslRequired === 'none', 'sslRequired: without TLS, for this machine alone');
  expect(others.length === 0, 'clients: one');
  ofClient(client, configurations, (holds, sentence) => expect(holds, `client: ${sentence}`));

  const offered = [...(client.defaultClientScopes ?? []), ...(client.optionalClientScopes ?? [])];
  expect(client.defaultClientScopes?.includes('basic'), 'client: without the scope basic there is no sub');
  // If a realm file has scopes, Keycloak adds none of its own, and then refuses requests for scopes that the realm does not have.
  expect(
    same(
      clientScopes.map(({ name }) => name),
      Object.keys(MAPPERS),
    ),
    `clientScopes: ${clientScopes.map(({ name }) => name)}`,
  );
  for (const { name, protocol, attributes, protocolMappers } of clientScopes) {
    expect(protocol === 'openid-connect', `clientScopes: ${name}: protocol`);
    expect(
      attributes?.['include.in.token.scope'] === String(name !== 'basic') && attributes['display.on.consent.screen'] === 'false',
      `clientScopes: ${name}: attributes`,
    );
    ofMappers(`clientScopes: ${name}`, protocolMappers, MAPPERS[name] ?? {}, expect);
  }
  ofMappers('client', client.protocolMappers, OF_THE_CLIENT, expect);
  for (const scope of configurations.flatMap(({ providers }) => providers[0].scope.split(' ')).filter((name) => name !== 'openid')) {
    expect(offered.includes(scope) && Object.hasOwn(MAPPERS, scope), `scope ${scope}, which is asked for, is not the client's`);
  }

  const known = groups.map(({ name }) => name);
  for (const group of configurations.flatMap(({ rules = [] }) => rules.flatMap(({ require }) => (require.claim === 'groups' ? require.any_of : [])))) {
    expect(known.includes(group), `groups: rules ask for ${group}`);
  }
  const people = Object.entries({ ...USERS, ...VISITORS });
  expect(
    same(
      users.map(({ username }) => username),
      people.map(([login]) => login),
    ),
    'users: those of the demo',
  );
  for (const [login, { password, claims }] of people)
    ofUser(
      login,
      password,
      claims,
      users.find(({ username }) => username === login),
      known,
      expect,
    );
  return wrong;
}

function ofClient(client, configurations, expect) {
  const ids = new Set(configurations.map(({ providers }) => providers[0].client_id));
  expect(same([...ids], [client.clientId]), `clientId: ${client.clientId}`);
  expect(client.secret === '${OIDC_CLIENT_SECRET}', 'secret: from the environment, as the gateway has it');
  const flags = ['publicClient', 'implicitFlowEnabled', 'directAccessGrantsEnabled', 'serviceAccountsEnabled', 'fullScopeAllowed', 'consentRequired'];
  for (const flag of flags) expect(client[flag] === false, `${flag}: false`);
  expect(client.enabled === true && client.standardFlowEnabled === true, 'the code flow');
  expect(client.protocol === 'openid-connect' && client.clientAuthenticatorType === 'client-secret', 'protocol and clientAuthenticatorType');
  const back = configurations.map(({ origins: [origin], endpoints, providers: [{ redirect_uri: uri }] }) => uri ?? origin + endpoints.callback);
  expect(same([...(client.redirectUris ?? [])].sort(), [...new Set(back)].sort()), `redirectUris: exactly ${back}`);
  const out = configurations.filter(({ logout }) => logout?.provider).map(({ origins: [origin], logout }) => origin + logout.post_logout_redirect_uri);
  expect(same((client.attributes?.['post.logout.redirect.uris'] ?? '').split('##'), [...new Set(out)]), `post.logout.redirect.uris: exactly ${out}`);
  expect(client.attributes?.['pkce.code.challenge.method'] === 'S256', 'pkce.code.challenge.method: S256');
  expect(same(client.webOrigins, []), 'webOrigins: no script of a page speaks to the provider');
}

/** Checks that there are exactly these mappers, with exactly these settings. */
function ofMappers(where, mappers = [], wanted, expect) {
  expect(
    same(
      mappers.map(({ name }) => name),
      Object.keys(wanted),
    ),
    `${where}: mappers ${Object.keys(wanted)}`,
  );
  for (const { name, protocol, protocolMapper, config } of mappers) {
    const [kind, settings] = wanted[name] ?? [];
    expect(protocol === 'openid-connect' && protocolMapper === kind && same(sorted(config), sorted(settings)), `${where}: the mapper ${name}`);
  }
}

function ofUser(login, password, claims, user = {}, known, expect) {
  const [credential = {}] = user.credentials ?? [];
  expect(
    user.enabled === true && credential.type === 'password' && credential.value === password && credential.temporary === false,
    `users: ${login} signs in with the documented password`,
  );
  expect(user.email === claims.email && user.emailVerified === claims.email_verified, `users: ${login}: email`);
  // If a name is missing, Keycloak asks the person for it at sign-in.
  expect(`${user.firstName} ${user.lastName}` === claims.name, `users: ${login}: names`);
  expect(
    same([...(user.groups ?? [])].sort(), claims.groups.map((group) => `/${group}`).sort()) && claims.groups.every((group) => known.includes(group)),
    `users: ${login}: groups`,
  );
}

const sorted = (map = {}) => Object.entries(map).sort();
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
