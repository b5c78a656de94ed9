// Accredit at OpenID providers that nobody here wrote, each with the configuration that docs/providers.md gives for it: the same promises for all of them. Where a
// provider does something differently, its entry below says so, and so does the table in docs/providers.md.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { parse } from 'yaml';
import { Visitor } from './lib/client.mjs';
import { startGateway } from './lib/gateway.mjs';
import { ROOT, eventually, freePort, sleep } from './lib/process.mjs';
import { PEOPLE, RealProvider } from './lib/real-provider.mjs';
import { assertNoPanic, assertNotTold, assertProblem, assertRefused } from './lib/stage.mjs';
import { Application } from './lib/upstream.mjs';

/** How long access tokens live, in seconds: a refresh begins after three quarters of it, and Canaille's refresh tokens end with it. */
const LIFETIME = 8;

/**
 * For each provider:
 *
 * - `section` in docs/providers.md has its configuration. `name`, `program` and `issuer` are for lib/real-provider.mjs
 * - `forms`: what a person enters on the provider's pages, one after another. `apart`: milliseconds between two sign-ins, so that they are not in the same second
 * - `alice`: what `x-forwarded-user` is for her. `signs`: the algorithm of ID tokens
 * - `bearer`: by path, what the gateway says to its access token and to its refresh token: status, reason, and what the log says. With `change`, that is a gateway
 *   with this further change of the configuration
 * - `bearerIs`: whom an access token speaks for, if that is not `alice`.
 * - `goodbye`: what a person enters at sign-out. `stays`: status and text of the provider's error page, if it ends no session
 * - `wrongSecret`: the provider's answer to a wrong client secret, and what the gateway makes of it
 * - `unregistered`: status and text of its error page for a redirect URI that is not registered
 * - `differs`: checks what the table in docs/providers.md says about its answers
 */
const PROVIDERS = [
  {
    section: 'Canaille',
    name: 'canaille',
    program: 'run_canaille.py',
    forms: ({ login, password }) => [{ login }, { password }, { answer: 'accept' }],
    // Its access tokens have nothing random in them: a second one for the same person in the same second is the same, which its database refuses (500).
    apart: 1_100,
    alice: /^alice$/,
    signs: 'RS512',
    bearer: { '/every-token': { access: [200], refresh: [401, 'token_invalid', /its issuer is none of those/] } },
    wrongSecret: { status: 401, error: 'invalid_client', reason: 'client_authentication_failed' },
    unregistered: [400, /Bad request\s+The request you made is invalid/],
    differs({ idToken, introspected, refreshed }) {
      assert.ok([idToken.auth_time, introspected.exp, introspected.iat].every((time) => time > 0 && !Number.isInteger(time)));
      assert.deepEqual([idToken.email_verified, refreshed.id_token], [undefined, undefined]);
    },
  },
  {
    section: 'Django OAuth Toolkit',
    name: 'django-oauth-toolkit',
    program: 'run_django_oauth_toolkit.py',
    issuer: (origin) => `${origin}/o`,
    forms: ({ login, password }) => [{ username: login, password }, { allow: 'Authorize' }],
    alice: /^1$/,
    signs: 'RS256',
    bearer: { '/every-token': { access: [200], refresh: [401, 'token_invalid', /not active/] } },
    // Its introspection says who it is by username alone.
    bearerIs: /^username:alice$/,
    goodbye: [{ allow: 'Confirm' }],
    wrongSecret: { status: 401, error: 'invalid_client', reason: 'client_authentication_failed' },
    unregistered: [400, /Mismatching redirect URI/],
    introspection: (issuer) => `${issuer}/introspect/`,
    differs({ discovery, idToken, introspected, refreshed }) {
      assert.equal(discovery.introspection_endpoint, undefined);
      assert.deepEqual(Object.keys(introspected).sort(), ['active', 'client_id', 'exp', 'scope', 'username']);
      assert.deepEqual([introspected.username, idToken.sub], ['alice', '1']);
      assert.ok(refreshed.id_token);
    },
  },
  {
    section: 'idpyoidc',
    name: 'idpyoidc',
    program: 'run_idpyoidc.py',
    forms: ({ login, password }) => [{ username: login, password }],
    alice: /^[0-9a-f]{64}$/,
    signs: 'RS256',
    // Its refresh tokens are JWTs like its access tokens, for the same audience; only token_class tells them apart.
    bearer: { '/every-token': { access: [200], refresh: [401, 'token_invalid', /this is a refresh token/] } },
    // Its end-session endpoint fails on every request.
    stays: [400, /"error_description": "'token'"/],
    wrongSecret: { status: 400, error: 'invalid_request', reason: 'token_request_refused' },
    unregistered: [400, /Doesn't match any registered uris/],
    differs({ idToken, introspected, introspectedRefresh, refreshed }) {
      assert.ok(idToken.sid.length > 255 && Array.isArray(idToken.scope));
      assert.equal(idToken.at_hash, undefined);
      assert.deepEqual([introspected.aud, introspectedRefresh.active, introspectedRefresh.token_type], [['app'], true, undefined]);
      assert.ok(refreshed.id_token);
    },
  },
  {
    section: 'Better Auth',
    name: 'better-auth',
    program: 'run-better-auth.mjs',
    issuer: (origin) => `${origin}/api/auth`,
    forms: ({ email, password }) => [{ email, password }, { accept: 'true' }],
    alice: /^\w{32}$/,
    signs: 'EdDSA',
    bearer: {
      // Its introspection answers without aud.
      change: ({ providers: [ours] }) => void (ours.bearer = { audiences: ['app'], introspection: { allow_missing_audience: true } }),
      '/every-token': { access: [200], refresh: [401, 'token_invalid', /not active/] },
    },
    wrongSecret: { status: 401, error: 'invalid_client', reason: 'client_authentication_failed' },
    unregistered: [200, /invalid_redirect/],
    differs({ idToken, introspected, introspectedRefresh, userinfo }) {
      assert.deepEqual([idToken.name, idToken.email, idToken.at_hash.length], [undefined, undefined, 43]);
      assert.deepEqual([userinfo.name, userinfo.email, userinfo.email_verified], ['Alice Adams', 'alice@example.com', false]);
      assert.deepEqual([introspected.aud, introspected.token_type], [undefined, 'Bearer']);
      // Without token_type_hint, its introspection calls a refresh token the same.
      assert.deepEqual([introspectedRefresh.active, introspectedRefresh.token_type], [true, 'Bearer']);
    },
  },
];

/** The configuration of the plugin in this section of docs/providers.md. */
function documented(section) {
  const text = readFileSync(join(ROOT, 'docs/providers.md'), 'utf8');
  const [, block] = text.split(`\n## ${section}\n`)[1]?.match(/```yaml\n([\s\S]*?)```/) ?? [];
  assert.ok(block, `docs/providers.md has no configuration for ${section}`);
  return parse(block);
}

/** A part of a JWT: 0 is the header, 1 the claims. */
const partOf = (token, index) => JSON.parse(Buffer.from(token.split('.')[index], 'base64url'));

for (const what of PROVIDERS) {
  describe(`${what.name}, with the configuration in docs/providers.md`, () => {
    let application, provider, gateway, registered;

    /** A gateway by the documentation's configuration. Different are the addresses, which are those of this machine; userinfo is asked; people sign out at the
     *  provider too; and the application gets the access token, with which the session then ends, and has a path where every token is accepted. */
    const start = (port, { change = () => {}, ...options } = {}) =>
      startGateway({
        port,
        provider,
        application,
        plugin: (shipped) => {
          const configuration = documented(what.section);
          const [ours] = configuration.providers;
          for (const [name, endpoint] of Object.entries(ours.metadata ?? {})) ours.metadata[name] = endpoint.replace(ours.issuer, provider.issuer);
          Object.assign(ours, { issuer: provider.issuer, clusters: shipped.providers[0].clusters, userinfo: true });
          configuration.rules.unshift({ match: { path: '/every-token' }, require: 'authenticated' });
          Object.assign(configuration, { origins: shipped.origins, forward: { access_token: true }, logout: { provider: true } });
          change(configuration, provider.issuer);
          return configuration;
        },
        ...options,
      });

    /** A gateway for one test. */
    async function during(port, options, test) {
      const other = await start(port, options);
      try {
        await test(other);
      } finally {
        await other.stop();
      }
      assertNoPanic(other);
    }

    before(async () => {
      registered = [await freePort(), await freePort()];
      application = await Application.start();
      const { client_id } = documented(what.section).providers[0];
      provider = await RealProvider.start(what, { client_id, lifetime: LIFETIME, origins: registered.map((port) => `http://localhost:${port}`) });
      gateway = await start(registered[0]);
    });
    beforeEach(() => application.forget());
    after(async () => {
      for (const part of [gateway, provider, application]) await part?.stop();
      if (!gateway) return;
      assertNoPanic(gateway);
      const tokens = provider.grants().flatMap(({ access_token, refresh_token, id_token }) => [access_token, refresh_token, id_token]);
      assertNotTold(gateway, [provider.clientSecret, ...tokens]);
    });

    const atProvider = ({ url }) => url.origin === new URL(provider.issuer).origin;
    const asked = (path) => provider.calls.filter((call) => call.path.includes(path));

    /** A new browser, and the page where it is after this person has signed in. */
    async function signIn(login, { at = gateway, path = '/analytics' } = {}) {
      if (what.apart) await sleep(what.apart);
      const visitor = new Visitor(at);
      let page = await visitor.follow(await visitor.open(path));
      for (const fields of what.forms({ login, ...PEOPLE[login] })) {
        // Providers remember a consent, and do not ask again.
        const asksForThem = atProvider(page) && Object.keys(fields).every((name) => page.body.includes(`name="${name}"`));
        if (asksForThem) page = await visitor.follow(await visitor.submit(page, fields));
      }
      return { visitor, page };
    }

    /** The same, and the headers that the application got. */
    async function signedIn(login, options) {
      const { visitor, page } = await signIn(login, options);
      assert.equal(page.status, 200, `${page.reason} at ${page.url}: ${gateway.auditLog().at(-1)?.detail}`);
      return { visitor, headers: page.json().headers };
    }

    it('is found by its discovery document, and a person is sent there with PKCE, state and nonce', async () => {
      const { location } = await new Visitor(gateway).open('/api/login');
      const { authorization_endpoint } = JSON.parse(asked('/.well-known/openid-configuration')[0].answer);
      assert.equal(location.origin + location.pathname, authorization_endpoint);
      const { redirect_uri, code_challenge_method, code_challenge, state, nonce } = Object.fromEntries(location.searchParams);
      assert.deepEqual([redirect_uri, code_challenge_method], [`${gateway.origin}/api/callback`, 'S256']);
      assert.ok(code_challenge && state && nonce);
    });

    it('signs a person in, and the application gets who it is', async () => {
      const { headers } = await signedIn('alice');
      assert.match(headers['x-forwarded-user'], what.alice);
      assert.equal(headers['x-forwarded-preferred-username'], 'alice');
      assert.deepEqual(headers['x-forwarded-groups'].split(',').sort(), ['admins', 'staff']);
      assert.equal(partOf(provider.grants().at(-1).id_token, 0).alg, what.signs);
    });

    it('says in which groups a person is, and a rule decides by them', async () => {
      assert.equal((await signedIn('alice', { path: '/admin/x' })).headers['x-forwarded-preferred-username'], 'alice');
      application.forget();
      const { visitor, page } = await signIn('bob', { path: '/admin/x' });
      assertRefused(page, 403, 'condition_failed');
      assert.deepEqual(application.requests, []);
      assert.equal((await visitor.open('/analytics')).json().headers['x-forwarded-groups'], 'staff');
    });

    it('is asked for userinfo', async () => {
      const before = asked('userinfo').length;
      await signedIn('bob');
      const [{ status, answer, headers }] = asked('userinfo').slice(before);
      assert.deepEqual([status, headers.authorization], [200, `Bearer ${provider.grants().at(-1).access_token}`]);
      const { preferred_username, groups, email } = JSON.parse(answer);
      assert.deepEqual([preferred_username, groups, email], ['bob', ['staff'], PEOPLE.bob.email]);
    });

    it('gives new tokens for a refresh token, twice in a row, and each time another refresh token', async () => {
      const { visitor, headers } = await signedIn('alice');
      const seen = new Set([headers['x-forwarded-access-token']]);
      let last;
      await eventually(
        'the session has got new tokens twice',
        async () => {
          last = await visitor.open('/analytics');
          assert.equal(last.status, 200, last.reason);
          return seen.add(last.json().headers['x-forwarded-access-token']).size === 3;
        },
        { within: 30_000, every: 250 },
      );
      const [first, second, third] = provider.grants().slice(-3);
      assert.equal(new Set([first, second, third].map(({ refresh_token: token }) => token)).size, 3);
      const spent = asked('token').map(({ form }) => form.get('refresh_token'));
      assert.deepEqual(spent.slice(-2), [first.refresh_token, second.refresh_token]);
      const who = ({ 'x-forwarded-user': user, 'x-forwarded-groups': groups }) => ({ user, groups });
      assert.deepEqual(who(last.json().headers), who(headers));
    });

    it('issues tokens, of which the gateway takes those that it can prove', async () => {
      await signedIn('alice');
      const { access_token: access, refresh_token: refresh } = provider.grants().at(-1);
      const { change, ...paths } = what.bearer;
      const check = async (at) => {
        for (const [path, kinds] of Object.entries(paths))
          for (const [kind, token] of Object.entries({ access, refresh })) {
            const [status, reason, said] = kinds[kind];
            const answer = await new Visitor(at).call(path, { headers: { authorization: `Bearer ${token}` } });
            assert.deepEqual([answer.status, answer.reason], [status, reason], `the ${kind} token: ${at.auditLog().at(-1)?.detail}`);
            if (status === 200) assert.match(answer.json().headers['x-forwarded-user'], what.bearerIs ?? what.alice);
            else {
              assertProblem(answer, status, reason);
              assert.match(at.auditLog().at(-1).detail, said);
            }
          }
        assert.ok(asked('introspect').length > 0, 'the provider was not asked about them');
      };
      if (change) await during(await freePort(), { change }, check);
      else await check(gateway);
    });

    it(`${what.stays ? 'does not sign' : 'signs'} a person out at the provider, beside the session at the gateway`, async () => {
      const { visitor } = await signedIn('alice');
      const home = `${gateway.origin}/`;
      const until = ({ href }) => href === home;
      const leave = { method: 'POST', headers: { origin: gateway.origin, 'sec-fetch-site': 'same-origin' } };
      let page = await visitor.follow(await visitor.open('/api/logout', leave), { until });
      for (const fields of what.goodbye ?? []) page = await visitor.follow(await visitor.submit(page, fields), { until });
      assert.ok(page.trail.every(({ reason }) => reason === undefined));
      assertProblem(await visitor.call('/analytics'), 401, 'session_missing');
      if (what.stays) {
        const [status, says] = what.stays;
        assert.deepEqual([page.status, atProvider(page)], [status, true]);
        return assert.match(page.body, says);
      }
      assert.equal(page.location?.href, home, page.body.slice(0, 300));
      const again = await visitor.follow(await visitor.open('/analytics'));
      assert.ok(atProvider(again), String(again.url));
      const [first] = what.forms({ login: 'alice', ...PEOPLE.alice });
      for (const name of Object.keys(first)) assert.ok(again.body.includes(`name="${name}"`), `it does not ask for ${name}`);
    });

    it('refuses a wrong client secret, and the log says so', async () => {
      await during(registered[1], { environment: { OIDC_CLIENT_SECRET: 'not-the-secret' } }, async (other) => {
        const { page } = await signIn('alice', { at: other });
        const { status, error, reason } = what.wrongSecret;
        assertRefused(page, 502, reason);
        const { status: answered, answer } = asked('token').at(-1);
        assert.deepEqual([answered, JSON.parse(answer).error], [status, error]);
        const line = other.auditLog().at(-1);
        assert.deepEqual([line.event, line.reason], ['sign_in_failed', reason]);
        assert.match(line.detail, new RegExp(`status ${status}, error "${error}"`));
        if (reason === 'client_authentication_failed') assert.match(line.detail, /client_secret_basic was tried: check it, client_id and client_secret$/);
        assertNotTold(other, ['not-the-secret']);
      });
    });

    it('shows an error page if the redirect URI is not registered, and the log has the one that was sent', async () => {
      const change = (configuration) => void (configuration.endpoints = { callback: '/not/registered' });
      const port = await freePort();
      await during(port, { change }, async (stranger) => {
        const { page } = await signIn('alice', { at: stranger });
        const [status, says] = what.unregistered;
        assert.deepEqual([page.status, atProvider(page)], [status, true], `${page.url} ${page.body.slice(0, 300)}`);
        assert.match(page.body.replace(/<[^>]*>/g, ''), says);
        const [line, ...more] = stranger.auditLog();
        assert.deepEqual([line.event, line.redirect_uri, more], ['sign_in_begun', `http://localhost:${port}/not/registered`, []]);
      });
    });

    it('answers as the table in docs/providers.md says', async () => {
      await signedIn('alice');
      const { access_token: access, refresh_token: refresh, id_token: idToken } = provider.grants().at(-1);
      const discovery = JSON.parse(asked('/.well-known/openid-configuration')[0].answer);
      const headers = {
        authorization: `Basic ${Buffer.from(`app:${provider.clientSecret}`).toString('base64')}`,
        'content-type': 'application/x-www-form-urlencoded',
      };
      const post = async (url, form) => {
        const answer = await new Visitor(gateway).send(url, { method: 'POST', headers, body: new URLSearchParams(form).toString() });
        assert.equal(answer.status, 200, answer.body);
        return answer.json();
      };
      const introspection = what.introspection?.(provider.issuer) ?? discovery.introspection_endpoint;
      if (what.apart) await sleep(what.apart);
      what.differs({
        discovery,
        idToken: partOf(idToken, 1),
        userinfo: JSON.parse(asked('userinfo').at(-1).answer),
        introspected: await post(introspection, { token: access }),
        introspectedRefresh: await post(introspection, { token: refresh }),
        refreshed: await post(discovery.token_endpoint, { grant_type: 'refresh_token', refresh_token: refresh }),
      });
    });
  });
}
