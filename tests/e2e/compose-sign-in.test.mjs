// Signs people in through the files of deploy/compose: with the Envoy files, commands, variables and health checks of compose.yaml, in processes of this
// machine that have the containers' names and ports. lib/containers.mjs says what differs. No container engine is used.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Visitor } from './lib/client.mjs';
import { demoProject, FOLDER, interpolated, keycloakProject } from './lib/compose.mjs';
import { Deployment } from './lib/containers.mjs';
import { signInAs } from './lib/demo.mjs';
import { ROOT, closeServer, eventually, listen, temporaryFolder } from './lib/process.mjs';
import { assertNoPanic, assertProblem, assertRefused } from './lib/stage.mjs';

const SECRETS = ['client/OIDC_CLIENT_SECRET', 'gateway/ACCREDIT_KEY', 'gateway/SESSION_JWT_SECRET', 'redis/REDIS_PASSWORD'];
const FRONT = 'http://localhost:9200';
const JSON_TYPE = { 'content-type': 'application/json' };

/** `docker compose up` for a scenario, for the tests of one `describe`. Afterwards it checks that no log has a secret, and that SIGTERM ended every service. */
function onDeployment(scenario, project = demoProject) {
  const up = {};
  before(async () => (up.gateway = await Deployment.start(project(), { scenario })));
  after(async () => {
    if (!up.gateway) return;
    const { gateway } = up;
    const secrets = SECRETS.map((name) => readFileSync(join(gateway.keys, name), 'utf8').trim());
    const logs = gateway.names.map((name) => [name, gateway.log(name)]);
    const how = await gateway.stop();
    for (const [name, log] of logs)
      for (const secret of [...secrets, 'alice-password', 'bob-password', 'carol-password'])
        assert.equal(log.includes(secret), false, `${name} has told a secret`);
    assertNoPanic({ log: () => logs.find(([name]) => name === 'gateway')[1] });
    assert.deepEqual(
      Object.entries(how).filter(([, code]) => code !== 0),
      [],
      'SIGTERM is enough',
    );
  });
  return up;
}

const serve = (args, environment) =>
  spawnSync(process.execPath, ['serve.mjs', ...args], { cwd: join(ROOT, 'deploy/demo'), env: { PATH: process.env.PATH, ...environment }, encoding: 'utf8' });
const json = (body) => ({ method: 'POST', headers: JSON_TYPE, body: JSON.stringify(body) });
const form = (login) => ({ login, password: `${login}-password`, action: 'login' });
/** The options of a request as a script of the front end sends it. */
const fromFront = (options = {}) => ({ ...options, headers: { origin: FRONT, 'sec-fetch-site': 'same-site', ...options.headers } });

describe('docker compose up', () => {
  const up = onDeployment(undefined);

  it('signs alice in at the provider, over the real redirects, and back to the page that she wanted', async () => {
    const alice = await signInAs(up.gateway, 'alice', { path: '/members' });
    assert.deepEqual([alice.landing.status, alice.landing.url.href], [200, 'http://localhost:10000/members']);
    assert.ok(alice.landing.trail.some(({ url }) => url.href.startsWith('http://127.0.0.1:9000/')));
    assert.match(alice.landing.body, /alice@example\.com/);
    const { headers } = (await alice.call('/api/headers')).json();
    assert.deepEqual([headers['x-forwarded-preferred-username'], headers['x-forwarded-groups']], ['alice', 'oracle-ai-users,staff']);
    up.alice = alice;
  });

  it('refuses bob a page that his groups do not allow, and ignores identity headers of clients', async () => {
    const bob = await signInAs(up.gateway, 'bob', { path: '/members' });
    assertRefused(bob.landing, 403, 'condition_failed');
    assert.equal((await bob.open('/analytics')).status, 200);
    assertProblem(await new Visitor(up.gateway).call('/api/chat', { headers: { 'x-forwarded-user': 'root' } }), 401, 'session_missing');
  });

  it('signs out at the provider too', async () => {
    const out = await up.alice.call('/api/logout', { method: 'POST' });
    assert.match(out.json().end_session_url, /^http:\/\/127\.0\.0\.1:9000\//);
    assertProblem(await up.alice.call('/api/chat'), 401, 'session_missing');
  });

  it('has told Redis that her session has ended, where other gateways would read it', async () => {
    const counted = async (name) => Number(/: (\d+)$/m.exec(await (await fetch(`http://127.0.0.1:9901/stats?filter=${name}$`)).text())?.[1] ?? 0);
    await eventually('it was announced', async () => (await counted('accredit_revocations_announced')) === 1);
    assert.equal(await counted('accredit_revocations_unavailable'), 0);
    assert.ok((await counted('accredit_revocations_current_timestamp_seconds')) > 0);
  });

  it('has only healthy services, and a front end that redirects to the gateway', async () => {
    const { services } = demoProject();
    for (const name of Object.keys(services).filter((each) => services[each].healthcheck)) assert.ok(up.gateway.healthy(name), name);
    const { location } = await new Visitor({ origin: FRONT }).open('/');
    assert.equal(location.href, 'http://localhost:10000/');
  });

  it('has found its services by their names', () => {
    assert.deepEqual(
      ['provider', 'application', 'redis'].filter((name) => !up.gateway.asked.has(name)),
      [],
    );
  });

  it('lets other containers read the counters of the gateway, but not stop it', async () => {
    const admin = (path, method = 'GET') => fetch(`http://127.0.0.1:9901${path}`, { method }).then(({ status }) => status);
    assert.equal(await admin('/stats?filter=accredit'), 200);
    for (const path of ['/quitquitquit', '/healthcheck/fail', '/logging', '/reset_counters', '/drain_listeners'])
      assert.equal(await admin(path, 'POST'), 403, path);
    for (const path of ['/', '/config_dump', '/server_info', '/certs', '/clusters']) assert.equal(await admin(path), 403, path);
  });

  it('has its secrets in files that only owner and group can read, and in no argument of a process', () => {
    for (const name of SECRETS) {
      const path = join(up.gateway.keys, name);
      assert.deepEqual([name, statSync(path).mode & 0o777], [name, 0o440]);
      const secret = readFileSync(path, 'utf8').trim();
      assert.equal(Buffer.from(secret, 'base64').length, 32);
      for (const service of up.gateway.names.filter((each) => each !== 'keys'))
        assert.equal(readFileSync(`/proc/${up.gateway.pid(service)}/cmdline`, 'utf8').includes(secret), false, service);
    }
    const known = (service) => readFileSync(`/proc/${up.gateway.pid(service)}/environ`, 'utf8');
    for (const service of ['application', 'users', 'mail', 'front', 'provider', 'redis'])
      assert.doesNotMatch(known(service), /OIDC_CLIENT_SECRET|ACCREDIT_KEY|SESSION_JWT_SECRET/, service);
    for (const service of ['application', 'users', 'mail', 'front', 'provider']) assert.doesNotMatch(known(service), /REDIS_PASSWORD/, service);
    assert.match(known('gateway'), /ACCREDIT_KEY=/);
  });
});

describe('SCENARIO=password-and-popup docker compose up', () => {
  const up = onDeployment('password-and-popup');
  const logIn = (email, password) => new Visitor(up.gateway).call('/api/auth/login', fromFront(json({ email, password })));
  const bearer = (token) => fromFront({ headers: { authorization: `Bearer ${token}` } });

  it('signs alice in by the password that the user service knows, and passes her role to the application', async () => {
    const answer = await logIn('alice@example.com', 'alice-password');
    assert.equal(answer.status, 200, answer.body);
    const { headers } = (await new Visitor(up.gateway).call('/api/headers', bearer(answer.json().token))).json();
    assert.deepEqual([headers['x-forwarded-user'], headers['x-forwarded-role'], headers.authorization], ['1', 'admin', undefined]);
    assert.equal((await new Visitor(up.gateway).call('/api/analytics', bearer(answer.json().token))).status, 200);
  });

  it('refuses bob pages for admins, and refuses a wrong password', async () => {
    const { token } = (await logIn('bob@example.com', 'bob-password')).json();
    assertProblem(await new Visitor(up.gateway).call('/api/analytics', bearer(token)), 403, 'condition_failed');
    assert.equal((await logIn('bob@example.com', 'alice-password')).status, 401);
  });

  it('creates an account for carol, who comes from the provider, and sends her one letter', async () => {
    const visitor = new Visitor(up.gateway);
    const { authUrl } = (await visitor.call('/api/auth/google/url', fromFront())).json();
    const page = await visitor.follow(await visitor.submit(await visitor.follow(await visitor.open(authUrl)), form('carol')));
    assert.equal(page.status, 200, page.body);
    const { origin, message } = JSON.parse(/<script type="application\/json"[^>]*>(.*?)<\/script>/s.exec(page.body)[1]);
    assert.deepEqual([origin, message.user], [FRONT, { id: 3, email: 'carol@example.com', firstName: 'Carol', role: 'user' }]);
    const [letter, ...more] = await eventually('her letter is there', () => {
      const found = readdirSync(join(up.gateway.mail, 'new')).map((name) => readFileSync(join(up.gateway.mail, 'new', name), 'utf8'));
      return found.length > 0 && found;
    });
    assert.deepEqual(more, []);
    assert.match(letter, /^To: Carol <carol@example\.com>$/m);
  });

  it('serves the front end that has the form', async () => {
    const page = await new Visitor({ origin: FRONT }).open('/');
    assert.deepEqual([page.status, page.body.includes('id="login"')], [200, true]);
  });
});

describe('SCENARIO=google-session docker compose up', () => {
  const up = onDeployment('google-session');

  it('signs alice in; the session says who she is', async () => {
    const alice = await signInAs(up.gateway, 'alice', { path: '/chat' });
    assert.equal(alice.landing.status, 200);
    assert.equal((await alice.call('/api/user')).json().email, 'alice@example.com');
    assertProblem(await new Visitor(up.gateway).call('/api/protected'), 401, 'session_missing');
  });
});

describe('SCENARIO=spa-tokens docker compose up', () => {
  const up = onDeployment('spa-tokens');

  it('gives the front end a token for alice, which is accepted for the chat, and one for bob, which is not', async () => {
    for (const [login, status] of [
      ['alice', 200],
      ['bob', 403],
    ]) {
      const visitor = new Visitor(up.gateway);
      const told = await visitor.call('/api/authorize', fromFront());
      const back = await visitor.follow(await visitor.submit(await visitor.follow(await visitor.open(told.json().authorize_url)), form(login)), {
        until: ({ origin }) => origin === FRONT,
      });
      const { code, state, iss } = Object.fromEntries(back.location.searchParams);
      const answer = await visitor.call('/api/token', fromFront(json({ code, state, iss })));
      assert.equal(answer.status, 200, answer.body);
      const called = await visitor.call('/api/chat', fromFront({ headers: { authorization: `Bearer ${answer.json().access_token}` } }));
      assert.equal(called.status, status, called.body);
    }
  });
});

describe('SCENARIO=login-microservices docker compose up', () => {
  const up = onDeployment('login-microservices');

  it('gives alice a token for her password, and passes her identity to services', async () => {
    const { access_token: token } = (await new Visitor(up.gateway).send('/login', json({ username: 'alice', password: 'alice-password' }))).json();
    const { headers } = (await new Visitor(up.gateway).send('/api/headers', { headers: { authorization: `Bearer ${token}` } })).json();
    assert.deepEqual([headers['x-forwarded-user'], headers['x-forwarded-role']], ['1', 'admin']);
    assertProblem(await new Visitor(up.gateway).send('/api/headers'), 401, 'token_missing');
  });
});

describe('docker compose up with compose.keycloak.yaml, without Keycloak', () => {
  const up = {};
  const ISSUER = 'http://127.0.0.1:9000/realms/accredit';
  const {
    provider: {
      healthcheck: {
        test: [, ...health],
      },
    },
  } = keycloakProject().services;
  const healthy = () =>
    new Promise((done) =>
      spawn(
        health[0],
        health.slice(1).map((word) => interpolated(word)),
        { stdio: 'ignore' },
      ).once('exit', (code) => done(code === 0)),
    );

  before(async () => {
    up.keys = temporaryFolder();
    assert.equal(serve(['keys'], { KEYS: up.keys }).status, 0);
    up.gateway = await Deployment.start(keycloakProject(), { keys: up.keys, without: ['provider'] });
  });
  after(async () => {
    await up.gateway?.stop();
    await up.provider?.close();
  });

  it('is not healthy before the realm is there', async () => assert.equal(await healthy(), false));

  it("signs alice in at a provider that has Keycloak's paths, and the client, the scopes and the people of the realm file", async () => {
    up.provider = await startLikeKeycloak(
      ISSUER,
      JSON.parse(readFileSync(join(ROOT, FOLDER, 'keycloak/realm.json'), 'utf8')),
      readFileSync(join(up.keys, 'client/OIDC_CLIENT_SECRET'), 'utf8').trim(),
    );
    assert.equal(await healthy(), true);
    const alice = await signInAs(up.gateway, 'alice', { path: '/members' });
    assert.deepEqual([alice.landing.status, alice.landing.url.pathname], [200, '/members'], alice.landing.body);
    assert.ok(alice.landing.trail.some(({ url }) => url.pathname.startsWith('/realms/accredit/')));
    assertRefused((await signInAs(up.gateway, 'bob', { path: '/members' })).landing, 403, 'condition_failed');
    const out = (await alice.call('/api/logout', { method: 'POST' })).json().end_session_url;
    assert.ok(out.startsWith(`${ISSUER}/protocol/openid-connect/logout`), out);
    const page = await alice.follow(await alice.submit(await alice.open(out), { logout: 'yes' }));
    assert.equal(page.url.href, 'http://localhost:10000/', 'the realm allows to come back there');
  });
});

/** The demo's provider with the client and the people of a realm file, at Keycloak's paths. It replaces Keycloak, which cannot be started here. */
async function startLikeKeycloak(issuer, { clients: [client], users }, secret) {
  const { startProvider } = await import('../../deploy/demo/provider.mjs');
  const people = Object.fromEntries(
    users.map(({ username, email, groups, credentials: [{ value }] }) => [
      username,
      { password: value, claims: { email, email_verified: true, preferred_username: username, groups: groups.map((group) => group.slice(1)) } },
    ]),
  );
  const at = (name) => `/protocol/openid-connect/${name}`;
  const provider = await startProvider({
    issuer,
    clients: [
      {
        client_id: client.clientId,
        client_secret: client.secret.replace('${OIDC_CLIENT_SECRET}', secret),
        redirect_uris: client.redirectUris,
        post_logout_redirect_uris: client.attributes['post.logout.redirect.uris'].split('##'),
        grant_types: ['authorization_code', 'refresh_token'],
      },
    ],
    users: people,
    configuration: {
      routes: { authorization: at('auth'), token: at('token'), jwks: at('certs'), userinfo: at('userinfo'), end_session: at('logout') },
      scopes: ['openid', ...client.defaultClientScopes, ...client.optionalClientScopes],
    },
  });
  const prefix = new URL(issuer).pathname;
  const [answer] = provider.server.listeners('request');
  provider.server.removeAllListeners('request').on('request', (request, response) => {
    if (request.url.startsWith(`${prefix}/`)) Object.assign(request, { originalUrl: request.url, url: request.url.slice(prefix.length) });
    answer(request, response);
  });
  return provider;
}

describe('docker compose up where a port is taken', () => {
  it('ends with an error message before anything is started', async () => {
    const server = createServer();
    await listen(server, 9301);
    try {
      await assert.rejects(
        Deployment.start(demoProject()),
        /port 9301 cannot be had \(EADDRINUSE\): .* end "make demo" or "docker compose", then run it again/,
      );
    } finally {
      await closeServer(server);
    }
  });
});

describe('the secrets of a deployment', () => {
  const withKeys = (KEYS, ...command) =>
    spawnSync('sh', [join(ROOT, FOLDER, 'with-keys.sh'), ...command], { env: { PATH: process.env.PATH, KEYS }, encoding: 'utf8' });

  it('are made once, are different each time, and are not printed', () => {
    const [KEYS, other] = [temporaryFolder(), temporaryFolder()];
    const first = serve(['keys'], { KEYS });
    const made = SECRETS.map((name) => readFileSync(join(KEYS, name), 'utf8'));
    assert.deepEqual([first.status, new Set(made).size], [0, SECRETS.length]);
    for (const secret of made) assert.equal((first.stdout + first.stderr).includes(secret.trim()), false);
    assert.deepEqual([serve(['keys'], { KEYS }).stdout, SECRETS.map((name) => readFileSync(join(KEYS, name), 'utf8'))], ['', made]);
    serve(['keys'], { KEYS: other });
    for (const name of SECRETS) assert.equal(made.includes(readFileSync(join(other, name), 'utf8')), false);
  });

  it('reach a command completely, by its environment', () => {
    const KEYS = temporaryFolder();
    serve(['keys'], { KEYS });
    const all = SECRETS.map((name) => `process.env.${name.split('/').at(-1)}`).join(' + ');
    const { stdout } = withKeys(KEYS, process.execPath, '-p', all);
    assert.equal(stdout.trim(), SECRETS.map((name) => readFileSync(join(KEYS, name), 'utf8').trim()).join(''));
  });

  it('must exist, or gateway and provider do not start', () => {
    const KEYS = temporaryFolder();
    const gateway = withKeys(KEYS, 'echo', 'started');
    assert.deepEqual([gateway.status, gateway.stdout], [1, '']);
    assert.match(gateway.stderr, /cannot be read; the service "keys" makes it/);
    const provider = serve(['provider'], { KEYS });
    assert.equal(provider.status, 1);
    assert.match(provider.stderr, /holds no secret/);
  });

  it('are not needed to see the error message for an unknown scenario or service', () => {
    assert.match(serve(['users'], { SCENARIO: 'nobody' }).stderr, /there is no scenario nobody; there are: bff, /);
    assert.match(serve(['gateway'], {}).stderr, /there is no service gateway; there are: keys, provider, /);
    for (const words of [
      ['application', '--help'],
      ['users', '-h'],
      ['mail', '--healthy', '--help'],
      ['keys', '--healthy'],
      ['keys', '--help'],
    ]) {
      const { status, stdout, stderr } = serve(words, { KEYS: temporaryFolder() });
      assert.deepEqual([status, stdout], [1, ''], words.join(' '));
      assert.match(stderr, /^accredit: expected nothing.* after \w+, found -/);
    }
    assert.equal(serve(['application', '--healthy'], {}).status, 1, 'nothing listens, so it is not healthy');
  });
});
