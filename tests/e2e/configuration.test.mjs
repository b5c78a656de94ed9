// Wrong configurations are refused when they are loaded, with the field's path and a remedy; correct ones are accepted in every form.
//
// Each case starts from the shipped configuration and changes one thing. The message's form is
//   accredit: configuration refused: PATH: expected …, found …; REMEDY
//
// Every case is given to the filter's own reader on this machine, as JSON text and as a Struct (lib/refusals.mjs). `envoy --mode validate` shows what only a
// real Envoy can show: that the module gets what was written, in each form that Envoy has for it; that a refusal stops Envoy and is in its log; and that the
// limits of the sandbox do no harm.

import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { Visitor } from './lib/client.mjs';
import { validate } from './lib/envoy.mjs';
import { asBytes, asString, asStruct, configurationOf, newKey, pluginOf, pointCluster, shipped, startGateway } from './lib/gateway.mjs';
import { Provider } from './lib/misbehaving.mjs';
import { wasmPath } from './lib/process.mjs';
import { refusalsOf } from './lib/refusals.mjs';
import { Application } from './lib/upstream.mjs';

const ENVIRONMENT = { OIDC_CLIENT_SECRET: 'demo-secret', ACCREDIT_KEY: newKey() };

/** The shipped configuration after `change(configuration)`, which can also return a new one. */
function changed(change) {
  const configuration = configurationOf(pluginOf(shipped().static_resources.listeners[0]));
  return change(configuration) ?? configuration;
}

/** Lets Envoy validate the shipped file after `change(configuration)`, which can also return a new configuration. */
function check(change, { wrap = asStruct, environment = ENVIRONMENT, envoy = () => {} } = {}) {
  const bootstrap = shipped();
  const plugin = pluginOf(bootstrap.static_resources.listeners[0]);
  plugin.vm_config.code = { local: { filename: wasmPath() } };
  wrap(plugin, changed(change));
  envoy(bootstrap);
  return validate(bootstrap, { environment });
}

/** The reader's answer to each of these configurations, in both forms: [{text, fields}]. */
function readInBothForms(changes) {
  const configurations = changes.map(changed);
  const asked = configurations.flatMap((configuration) => [{ text: JSON.stringify(configuration) }, { fields: configuration }]);
  const answers = refusalsOf(asked.map((each) => ({ ...each, environment: ENVIRONMENT })));
  return configurations.map((_, index) => ({ text: answers[2 * index], fields: answers[2 * index + 1] }));
}

const set = (path, value) => (configuration) => {
  const steps = path.match(/[^.[\]]+/g);
  const last = steps.pop();
  const place = steps.reduce((at, step) => (at[step] ??= {}), configuration);
  if (value === undefined) delete place[last];
  else place[last] = value;
};
const rule = (value) => (configuration) => void configuration.rules.unshift(value);
const all =
  (...changes) =>
  (configuration) =>
    changes.forEach((change) => change(configuration));

/** [what is wrong, the change, the path that the message names] */
const REFUSED = [
  // Unknown and missing
  ['an unknown field', set('rulez', []), 'rulez'],
  ['an unknown field of a provider', set('providers[0].client_name', 'x'), 'providers[0].client_name'],
  ['an unknown field of a rule', rule({ match: { path: '/x' }, require: 'public', methods: ['GET'] }), 'rules[0].methods'],
  ['an unknown field of a match', rule({ match: { prefix: '/x' }, require: 'public' }), 'rules[0].match.prefix'],
  ['an unknown field of a requirement', rule({ require: { claims: 'groups', any_of: ['x'] } }), 'rules[0].require.claims'],
  ['an unknown field of the session', set('session.ttl', '8h'), 'session.ttl'],
  ['an unknown field of the cookie', set('session.cookie', { domain: 'example.com' }), 'session.cookie.domain'],
  ['no origins', set('origins', undefined), 'origins'],
  ['an empty list of origins', set('origins', []), 'origins'],
  ['no providers', set('providers', undefined), 'providers'],
  ['an empty list of providers', set('providers', []), 'providers'],
  ['no session keys', set('session.keys', []), 'session.keys'],
  ['no session', set('session', undefined), 'session'],
  ['no client_id', set('providers[0].client_id', undefined), 'providers[0].client_id'],
  ['an empty client_id', set('providers[0].client_id', ''), 'providers[0].client_id'],
  ['no client_secret', set('providers[0].client_secret', undefined), 'providers[0].client_secret'],
  ['no issuer and no metadata', set('providers[0].issuer', undefined), 'providers[0]'],
  ['no clusters', set('providers[0].clusters', undefined), 'providers[0].clusters'],
  // Wrong types
  ['a number for a claim', rule({ require: { claim: 17, any_of: ['x'] } }), 'rules[0].require.claim'],
  ['a text for a list', set('origins', 'http://localhost:10000'), 'origins'],
  ['a text for a boolean', set('logout.provider', 'perhaps'), 'logout.provider'],
  ['a list for a duration', set('session.lifetime', [8]), 'session.lifetime'],
  ['a duration without unit', set('session.lifetime', '8'), 'session.lifetime'],
  ['a negative duration', set('session.idle', '-5m'), 'session.idle'],
  ['a requirement that is no word', rule({ require: 'everybody' }), 'rules[0].require'],
  ['a requirement that says nothing', rule({ require: {} }), 'rules[0].require'],
  // Secrets
  ['a missing environment variable', set('providers[0].client_secret', { environment_variable: 'NOT_THERE' }), 'providers[0].client_secret'],
  ['a key that is too short', set('session.keys', ['c2hvcnQ=']), 'session.keys[0]'],
  ['a key that is no base64', set('session.keys', ['%'.repeat(44)]), 'session.keys[0]'],
  ['a key used twice', (configuration) => void (configuration.session.keys = Array(2).fill(newKey()).fill(ENVIRONMENT.ACCREDIT_KEY)), 'session.keys[1]'],
  [
    'the client secret used as a key',
    all(set('session.keys', [ENVIRONMENT.ACCREDIT_KEY]), set('providers[0].client_secret', ENVIRONMENT.ACCREDIT_KEY)),
    ['session.keys[0]', 'providers[0].client_secret'],
  ],
  // URLs
  ['an origin with a path', set('origins', ['http://localhost:10000/app']), 'origins[0]'],
  ['an origin with a query', set('origins', ['http://localhost:10000?x']), 'origins[0]'],
  ['an origin without scheme', set('origins', ['localhost:10000']), 'origins[0]'],
  ['plain http outside loopback', set('origins', ['http://app.example.com']), 'origins[0]'],
  ['a wildcard origin', set('origins', ['https://*.example.com']), 'origins[0]'],
  ['an origin twice', set('origins', ['http://localhost:10000', 'http://localhost:10000']), 'origins[1]'],
  [
    'a plain-http issuer outside loopback',
    all(set('providers[0].issuer', 'http://sso.example.com'), set('providers[0].clusters', { 'sso.example.com': 'provider' })),
    'providers[0].issuer',
  ],
  ['an issuer with a query', set('providers[0].issuer', 'http://127.0.0.1:9000?x=1'), 'providers[0].issuer'],
  ['an issuer whose host has no cluster', set('providers[0].clusters', { 'other.example': 'provider' }), 'providers[0].clusters'],
  [
    'issuer and metadata both',
    set('providers[0].metadata', {
      issuer: 'http://127.0.0.1:9000',
      authorization_endpoint: 'http://127.0.0.1:9000/a',
      token_endpoint: 'http://127.0.0.1:9000/t',
      jwks_uri: 'http://127.0.0.1:9000/j',
    }),
    'providers[0].metadata.issuer',
  ],
  ['a post-logout address elsewhere', set('logout.post_logout_redirect_uri', 'https://evil.example/'), 'logout.post_logout_redirect_uri'],
  ['a post-logout address without scheme', set('logout.post_logout_redirect_uri', '//evil.example'), 'logout.post_logout_redirect_uri'],
  // Endpoints
  ['an endpoint that is no path', set('endpoints.login', 'api/login'), 'endpoints.login'],
  ['an endpoint with a query', set('endpoints.callback', '/api/callback?x'), 'endpoints.callback'],
  ['two endpoints on one path', set('endpoints.logout', '/api/login'), 'endpoints.logout'],
  // Choices
  ['an algorithm nobody should use', set('providers[0].algorithms', ['none']), 'providers[0].algorithms[0]'],
  ['a symmetric algorithm', set('providers[0].algorithms', ['HS256']), 'providers[0].algorithms[0]'],
  ['an unknown client authentication', set('providers[0].token_endpoint_auth_method', 'basic'), 'providers[0].token_endpoint_auth_method'],
  ['a secret for a client without authentication', set('providers[0].token_endpoint_auth_method', 'none'), 'providers[0].client_secret'],
  ['a scope without openid', set('providers[0].scope', 'profile'), 'providers[0].scope'],
  ['a parameter of the protocol among the extra ones', set('providers[0].authorization_params', { state: 'fixed' }), 'providers[0].authorization_params.state'],
  ['two providers of one name', (configuration) => void configuration.providers.push({ ...configuration.providers[0] }), 'providers[1].name'],
  ['SameSite=None spelled otherwise', set('session.cookie', { same_site: 'never' }), 'session.cookie.same_site'],
  ['a cookie name that the browser may hand to siblings', set('session.cookie', { name: 'accredit' }), 'session.cookie.name'],
  ['an idle time longer than the lifetime', all(set('session.lifetime', '1h'), set('session.idle', '2h')), 'session.idle'],
  // Rules
  ['a rule that can never match', (configuration) => void configuration.rules.push({ match: { path: '/late' }, require: 'public' }), 'rules[5].match'],
  [
    'a rule behind the same rule',
    (configuration) => void configuration.rules.splice(1, 0, { match: { path: '/' }, require: 'authenticated' }),
    'rules[1].match',
  ],
  [
    'a rule behind a wider prefix',
    (configuration) => void configuration.rules.splice(3, 0, { match: { path: '/members/list' }, require: 'public' }),
    'rules[3].match',
  ],
  ['a rule without requirement', rule({ match: { path: '/x' } }), 'rules[0].require'],
  ['a path that cannot arrive', rule({ match: { path: '/a/../b' }, require: 'public' }), 'rules[0].match.path'],
  ['a path that is relative', rule({ match: { path: 'x' }, require: 'public' }), 'rules[0].match.path'],
  ['a path with a query', rule({ match: { path: '/x?y' }, require: 'public' }), 'rules[0].match.path'],
  ['path and prefix both', rule({ match: { path: '/x', path_separated_prefix: '/x' }, require: 'public' }), 'rules[0].match'],
  ['a method in small letters', rule({ match: { path: '/x', methods: ['get'] }, require: 'public' }), 'rules[0].match.methods[0]'],
  ['an empty list of methods', rule({ match: { path: '/x', methods: [] }, require: 'public' }), 'rules[0].match.methods'],
  ['a host that is no origin', rule({ match: { host: 'other.example' }, require: 'public' }), 'rules[0].match.host'],
  ['a claim and nothing to find in it', rule({ match: { path: '/x' }, require: { claim: 'groups' } }), 'rules[0].require.any_of'],
  ['an empty any_of', rule({ match: { path: '/x' }, require: { claim: 'groups', any_of: [] } }), 'rules[0].require.any_of'],
  ['keys of a claim and values of it', rule({ match: { path: '/x' }, require: { claim: 'roles', any_of: ['x'], has_key: ['x'] } }), 'rules[0].require.has_key'],
  ['an empty separator', rule({ match: { path: '/x' }, require: { claim: 'groups', any_of: ['x'], split: '' } }), 'rules[0].require.split'],
  ['a policy that is not defined', rule({ match: { path: '/x' }, require: { policy: 'missing' } }), 'rules[0].require.policy'],
  [
    'policies that call each other',
    all(set('policies', { a: { policy: 'b' }, b: { policy: 'a' } }), rule({ match: { path: '/x' }, require: { policy: 'a' } })),
    ['policies.a', 'policies.b', 'policies.a.policy', 'policies.b.policy'],
  ],
  ['a provider that is not defined', rule({ match: { path: '/x' }, require: { provider: 'missing' } }), 'rules[0].require.provider'],
  [
    'an unknown answer to the unauthenticated',
    rule({ match: { path: '/x' }, require: 'authenticated', unauthenticated: 'ignore' }),
    'rules[0].unauthenticated',
  ],
  // Headers
  ['a header name with a space', set('claim_to_headers', [{ claim_name: 'sub', header_name: 'x user' }]), 'claim_to_headers[0].header_name'],
  ['a header that Envoy needs', set('claim_to_headers', [{ claim_name: 'sub', header_name: 'host' }]), 'claim_to_headers[0].header_name'],
  ['a pseudo-header', set('claim_to_headers', [{ claim_name: 'sub', header_name: ':path' }]), 'claim_to_headers[0].header_name'],
  [
    'one header for two claims',
    set('claim_to_headers', [
      { claim_name: 'sub', header_name: 'x-a' },
      { claim_name: 'email', header_name: 'X_A' },
    ]),
    'claim_to_headers[1].header_name',
  ],
];

/** Checks that a message names the place and the remedy, and contains no secret. */
function assertHelpful(message, path) {
  const named = [path].flat().some((one) => message.startsWith(`${one}: `));
  assert.ok(named, `names another place: ${message}`);
  assert.match(message, /expected .+; .+/, 'no expectation, or no remedy');
  for (const secret of Object.values(ENVIRONMENT)) assert.equal(message.includes(secret), false, 'a secret is told');
}

describe('a wrong configuration is refused at load, with its place and a remedy', () => {
  let answers;
  before(() => {
    answers = readInBothForms(REFUSED.map(([, change]) => change));
  });

  for (const [index, [what, , path]] of REFUSED.entries()) {
    it(`${what}: ${[path].flat()[0]}`, () => {
      for (const [form, message] of Object.entries(answers[index])) {
        assert.ok(message, `it was accepted as ${form}`);
        assertHelpful(message, path);
      }
    });
  }

  it('JSON that is not a configuration', () => {
    const texts = {
      'cut off': '{"origins": [',
      empty: '',
      'no object': '17',
      'with a name twice': '{"origins": [], "origins": []}',
      'nested without end': '['.repeat(100_000),
      'no text': '\u0000\u0001',
    };
    const answers = refusalsOf(Object.values(texts).map((text) => ({ text, environment: ENVIRONMENT })));
    for (const [index, what] of Object.keys(texts).entries()) assert.match(answers[index] ?? 'it was accepted', /expected .+; .+/, what);
  });
});

describe('Envoy does not start with a wrong configuration, and its log says why', () => {
  const [unknownField, numberForClaim, keyOfTheClient] = ['an unknown field', 'a number for a claim', 'the client secret used as a key'].map((name) =>
    REFUSED.find(([what]) => what === name),
  );

  for (const [what, change, path, wrap, form] of [
    [...unknownField, asStruct, 'Struct'],
    [...numberForClaim, asString, 'StringValue'],
    [...keyOfTheClient, asBytes, 'BytesValue'],
  ]) {
    it(`${what}, in a ${form}: the message is the reader's, and contains no secret`, async () => {
      const { code, log } = await check(change, { wrap });
      assert.equal(code, 1, 'it was accepted');
      const message = /accredit: configuration refused: (.*)/.exec(log)?.[1];
      assert.ok(message, `no message of ours in:\n${log.slice(-1500)}`);
      assertHelpful(message, path);
      assert.ok(message.startsWith(readInBothForms([change])[0].fields.split('\n')[0]), message); // The log has one line for each mistake.
      for (const secret of Object.values(ENVIRONMENT)) assert.equal(log.includes(secret), false, 'the log shows a secret');
    });
  }

  it('several mistakes: each in its own line, in the order of the reference, with their number', async () => {
    const { code, log } = await check(all(set('session.lifetime', '8'), set('origins', ['localhost:10000']), set('rulez', [])));
    assert.equal(code, 1);
    const told = [...log.matchAll(/accredit: configuration refused: (.*)/g)].map(([, line]) => line);
    assert.deepEqual(
      told.map((line) => line.split(/[: ]/)[0]),
      ['rulez', 'origins[0]', 'session.lifetime', '3'],
      log,
    );
    assert.match(told[0], /did you mean `rules`\?/);
    assert.match(told.at(-1), /^3 mistakes, one in each line above$/);
  });

  it('deeply nested JSON: it does not crash the module, although the stack of the sandbox is small', async () => {
    const { code, log } = await check(() => '['.repeat(100_000), { wrap: asString });
    assert.equal(code, 1);
    assert.match(log, /accredit: configuration refused: expected a JSON object/);
    assert.doesNotMatch(log, /panicked at|RuntimeError/);
  });

  it('no configuration at all', async () => {
    const { code, log } = await check(() => {}, { wrap: (plugin) => delete plugin.configuration });
    assert.equal(code, 1);
    assert.match(log, /accredit: configuration refused: /);
  });

  it('environment variables that Envoy does not have', async () => {
    const { code, log } = await check(() => {}, { environment: {} });
    assert.equal(code, 1);
    assert.match(log, /configuration refused: .*(OIDC_CLIENT_SECRET|ACCREDIT_KEY)/);
  });
});

describe('a right configuration is accepted', () => {
  const oneOf = (value) => ({ match: { path: `/${Math.random()}` }, require: value });

  const ACCEPTED = [
    ['as shipped', () => {}],
    ['with several origins, one of them https', set('origins', ['http://localhost:10000', 'https://app.example.com'])],
    ['with trusted origins', set('trusted_origins', ['https://front.example.com'])],
    [
      'with explicit endpoints instead of discovery',
      all(
        set('providers[0].issuer', undefined),
        set('providers[0].metadata', {
          issuer: 'http://127.0.0.1:9000',
          authorization_endpoint: 'http://127.0.0.1:9000/auth',
          token_endpoint: 'http://127.0.0.1:9000/token',
          jwks_uri: 'http://127.0.0.1:9000/jwks',
        }),
      ),
    ],
    ['with a client that has no secret', all(set('providers[0].client_secret', undefined), set('providers[0].token_endpoint_auth_method', 'none'))],
    ['with client_secret_post', set('providers[0].token_endpoint_auth_method', 'client_secret_post')],
    ['with extra authorization parameters', set('providers[0].authorization_params', { authentication_method: 'siteminder', prompt: 'login' })],
    [
      'with two keys, in base64url and hex',
      set('session.keys', [Buffer.from(newKey(), 'base64').toString('base64url'), Buffer.from(newKey(), 'base64').toString('hex')]),
    ],
    ['with lifetimes in several units', all(set('session.lifetime', '12h'), set('session.idle', '900s'))],
    [
      'with every kind of requirement',
      (configuration) =>
        void configuration.rules.unshift(
          ...[
            'public',
            'authenticated',
            { claim: ['realm_access', 'roles'], any_of: ['editor'] },
            { claim: ['https://x/roles'], any_of: ['a'] },
            { email_domain: ['example.com'] },
            { provider: 'demo' },
            { all: [{ claim: 'a', any_of: ['b'] }, { not: { claim: 'status', any_of: ['suspended'] } }] },
            { any: [{ claim: 'groups', any_of: ['y'] }, { email_domain: ['example.com'] }] },
            { claim: 'groups', any_of: ['x'], provider: 'demo' },
            { claim: 'groups', any_of: ['x'], split: '; ' },
            { claim: 'roles', has_key: ['admin'] },
            { claim: 'roles', has_key: ['admin'], within: ['17'] },
          ].map(oneOf),
        ),
    ],
    [
      'with named policies and route policies',
      all(
        set('policies', { members: { claim: 'groups', any_of: ['members'] } }),
        set('route_policies', { filter_metadata: 'accredit' }),
        rule({ match: { path: '/x' }, require: { policy: 'members' } }),
      ),
    ],
    [
      'with globs, methods and hosts',
      rule({ match: { host: 'localhost', path: '/webhooks/*', methods: ['POST'] }, require: 'authenticated', unauthenticated: 'respond' }),
    ],
    ['with headers of its own', set('claim_to_headers', [{ claim_name: ['realm_access', 'roles'], header_name: 'X-Roles' }])],
    ['with tokens forwarded', set('forward', { access_token: true, id_token: true })],
    ['with help for people without access', set('help', { text: 'Ask the desk', url: 'https://desk.example.com/' })],
    [
      'with an insecure provider that says so',
      all(
        set('providers[0].issuer', 'http://sso.example.com'),
        set('providers[0].clusters', { 'sso.example.com': 'provider' }),
        set('providers[0].allow_insecure_http', true),
      ),
    ],
  ];

  let answers;
  before(() => {
    answers = readInBothForms(ACCEPTED.map(([, change]) => change));
  });

  for (const [index, [what]] of ACCEPTED.entries()) it(what, () => assert.deepEqual(answers[index], { text: null, fields: null }));

  const everyRequirement = ACCEPTED.find(([what]) => what === 'with every kind of requirement');
  for (const [what, change, wrap, form] of [
    [...ACCEPTED[0], asBytes, 'BytesValue'],
    [...everyRequirement, asStruct, 'Struct'],
    [...everyRequirement, asString, 'StringValue'],
  ]) {
    it(`${what}, in a ${form}, by Envoy too`, async () => {
      const { code, log } = await check(change, { wrap });
      assert.equal(code, 0, log.slice(-1500));
    });
  }

  it('the short example of the configuration reference, unchanged, by Envoy too', async () => {
    const example = parse(`
      origins: [https://app.example.com]            # exact; the redirect URI follows the one asked for; another host is 421
      providers:
      - name: sso
        issuer: https://sso.example.com/realms/main # discovery
        clusters: {sso.example.com: sso}            # host of each endpoint -> Envoy cluster; nothing else is ever called
        client_id: app
        client_secret: {environment_variable: OIDC_CLIENT_SECRET}
      session: {keys: [{environment_variable: ACCREDIT_KEY}]}    # the first seals, all open
      endpoints: {login: /api/login, callback: /api/callback, logout: /api/logout, session: /api/session}
      rules:                                        # first match wins; no match = authenticated
      - match: {path_separated_prefix: /api/chat}
        require: {claim: groups, any_of: [oracle-ai-users, oracle-ai-admins]}
      - match: {path_separated_prefix: /api}
        require: authenticated
      - require: public                             # the pages themselves; identity is forwarded when there is one
    `);
    const renamed = (bootstrap) => {
      const cluster = pointCluster(bootstrap, 'provider', 9000);
      cluster.name = cluster.load_assignment.cluster_name = 'sso';
    };
    assert.deepEqual(readInBothForms([() => example]), [{ text: null, fields: null }]);
    const { code, log } = await check(() => example, { envoy: renamed });
    assert.equal(code, 0, log.slice(-1500));
  });
});

describe('a configuration given as JSON text', () => {
  let provider, application, gateway;
  before(async () => {
    provider = await Provider.start();
    application = await Application.start();
    const asText = (bootstrap) => {
      const plugin = pluginOf(bootstrap.static_resources.listeners[0]);
      asString(plugin, configurationOf(plugin));
    };
    gateway = await startGateway({ provider, application, envoy: asText });
  });

  it('signs people in like one given as a Struct', async () => {
    try {
      assert.equal((await new Visitor(gateway).signIn('/members')).status, 200);
    } finally {
      await gateway.stop();
      await provider.stop();
      await application.stop();
    }
  });
});
