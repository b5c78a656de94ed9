// envoy/spa-tokens.yaml as shipped: a front end that keeps its own token. Only the ports and origins of the file are changed. The provider is certified, issues
// JWT access tokens, and has alice and bob. The tests run first without a browser, then in a real Chromium.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { newPerson, newPersonWithThirdPartyCookies, startBrowser } from './lib/browser.mjs';
import { Visitor } from './lib/client.mjs';
import { startDemoApplication, startDemoFront, startSpaProvider } from './lib/demo.mjs';
import { managerOf, newKey, startGateway } from './lib/gateway.mjs';
import { freePort } from './lib/process.mjs';
import { assertNoPanic, assertProblem, assertRefused, assertSafePage, attemptCookies } from './lib/stage.mjs';
import { Application, headerValues } from './lib/upstream.mjs';

/** Changes the front end's origin in the shipped file to this one. */
const configured = (front) => ({
  plugin: (configuration) => {
    configuration.trusted_origins = [front];
    configuration.providers[0].redirect_uri = `${front}/auth/callback`;
  },
  envoy: (bootstrap) => {
    const [host] = managerOf(bootstrap.static_resources.listeners[0]).route_config.virtual_hosts;
    host.typed_per_filter_config['envoy.filters.http.cors'].allow_origin_string_match = [{ exact: front }];
  },
});

describe('without a browser', () => {
  const front = 'https://front.example.org';
  let provider, application, gateway, key;

  before(async () => {
    key = newKey();
    provider = await startSpaProvider(front);
    application = await Application.start();
    gateway = await startGateway({ scenario: 'spa-tokens', key, provider, application, ...configured(front) });
  });
  beforeEach(() => application.forget());
  after(async () => {
    for (const part of [gateway, provider, application]) await part?.stop();
    if (gateway) assertNoPanic(gateway);
  });

  /** Calls `fetch()` in a page of the front end. */
  const call = (visitor, target, options = {}) =>
    visitor.call(target, { ...options, headers: { origin: front, 'sec-fetch-site': 'cross-site', ...options.headers } });
  const exchange = (visitor, content) =>
    call(visitor, '/api/token', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(content) });
  const bearer = (token) => ({ headers: { authorization: `Bearer ${token}` } });

  /** Goes from the page to the provider, through its form, and back to the page's address: {visitor, code, state, iss}. */
  async function signedInAtProvider(login, visitor = new Visitor(gateway)) {
    const told = await call(visitor, '/api/authorize');
    assert.equal(told.status, 200, told.body);
    const reached = { until: (next) => next.origin === front };
    let last = await visitor.follow(await visitor.open(told.json().authorize_url), reached);
    if (!last.location) last = await visitor.follow(await visitor.submit(last, { login, password: `${login}-password`, action: 'login' }), reached);
    assert.equal(last.location?.pathname, '/auth/callback', last.body);
    return { visitor, ...Object.fromEntries(last.location.searchParams) };
  }

  async function tokenOf(login) {
    const { visitor, code } = await signedInAtProvider(login);
    return (await exchange(visitor, { code })).json().access_token;
  }

  it('GET /api/authorize gives a script the address, and redirects a navigation to it', async () => {
    const visitor = new Visitor(gateway);
    const [told, led] = [await call(visitor, '/api/authorize'), await visitor.open('/api/authorize', { headers: { 'sec-fetch-site': 'cross-site' } })];
    assert.deepEqual([told.status, Object.keys(told.json()), led.status], [200, ['authorize_url'], 302]);
    for (const [answer, url] of [
      [told, new URL(told.json().authorize_url)],
      [led, led.location],
    ]) {
      assert.equal(url.href.split('?')[0], `${provider.issuer}/authorize`);
      const parameters = Object.fromEntries(url.searchParams);
      const { state, nonce, code_challenge: challenge, ...rest } = parameters;
      assert.deepEqual(rest, {
        response_type: 'code',
        client_id: 'accredit-demo',
        redirect_uri: `${front}/auth/callback`,
        scope: 'openid profile',
        code_challenge_method: 'S256',
        authentication_method: 'siteminder',
      });
      for (const value of [state, nonce, challenge]) assert.ok(value.length >= 32);
      assert.match(answer.headers['cache-control'], /no-store/);
      const [cookie] = attemptCookies(answer);
      const { samesite, secure, httponly, path } = cookie.attributes;
      assert.deepEqual([samesite, secure, httponly, path], ['None', true, true, '/']);
    }
  });

  it('POST /api/token needs only the code, and answers with the access token and its lifetime, and nothing else', async () => {
    const { visitor, code } = await signedInAtProvider('alice');
    const answer = await exchange(visitor, { code });
    assert.equal(answer.status, 200, answer.body);
    const { access_token: token, ...rest } = answer.json();
    assert.deepEqual(rest, { expires_in: 600, token_type: 'Bearer' });
    const [header, claims] = token
      .split('.')
      .slice(0, 2)
      .map((part) => JSON.parse(Buffer.from(part, 'base64url')));
    assert.deepEqual([header.alg, claims.aud, claims.iss], ['RS256', 'accredit-demo', provider.issuer]);
    assert.match(answer.headers['cache-control'], /no-store/);
    assert.deepEqual(visitor.jar.names('localhost'), [], 'the attempt is over, and there is no session');
    assert.deepEqual(application.requests, []);
  });

  it('with state and iss, it completes the sign-in that they name, even if a newer one is under way', async () => {
    const { visitor, code, state, iss } = await signedInAtProvider('alice');
    await call(visitor, '/api/authorize');
    assert.equal((await exchange(visitor, { code, state, iss })).status, 200);
    const again = await signedInAtProvider('alice', visitor);
    assertRefused(await exchange(visitor, { code: again.code, state: again.state, iss: 'https://evil.example' }), 400, 'issuer_mismatch');
  });

  it('a code that the provider refuses gets 401, as does a code of another browser, even with a sign-in under way', async () => {
    const { code } = await signedInAtProvider('alice');
    for (const stolen of ['made-up', code]) {
      const thief = new Visitor(gateway);
      await call(thief, '/api/authorize');
      const answer = await exchange(thief, { code: stolen });
      assertProblem(answer, 401, 'exchange_refused');
      assert.match(answer.headers['www-authenticate'], /^Bearer realm=/);
      assert.equal(answer.headers['access-control-allow-origin'], front, 'the page can read why');
    }
    assertProblem(await exchange(new Visitor(gateway), { code }), 400, 'attempt_missing');
  });

  it('another replica with the same key can complete a sign-in, also with discovery', async () => {
    const { plugin, envoy } = configured(front);
    const discovery = (configuration) => {
      plugin(configuration);
      configuration.origins = [gateway.origin];
      delete configuration.providers[0].metadata;
      configuration.providers[0].issuer = provider.issuer;
    };
    const replica = await startGateway({ scenario: 'spa-tokens', key, provider, application, envoy, plugin: discovery });
    try {
      const { visitor, code } = await signedInAtProvider('bob');
      // The other replica has the same origin, as behind a load balancer.
      const there = new Visitor({ origin: gateway.origin, ports: { [gateway.host]: replica.port } });
      there.jar = visitor.jar;
      const token = (await exchange(there, { code })).json().access_token;
      assert.equal((await call(there, '/api/analytics', bearer(token))).status, 200);
    } finally {
      await replica.stop();
    }
  });

  it('everything else under /api requires a valid token; a session is not enough', async () => {
    const nobody = new Visitor(gateway);
    for (const path of ['/api/chat', '/api/analytics', '/api/anything', '/api/tokens', '/api/token/x'])
      assertProblem(await call(nobody, path), 401, 'token_missing');
    assertProblem(await call(nobody, '/api/analytics', { headers: { cookie: '__Host-accredit=forged' } }), 401, 'token_missing');
    const token = await tokenOf('bob');
    assertProblem(await call(nobody, '/api/analytics', bearer(`${token.slice(0, -8)}AAAAAAAA`)), 401, 'token_invalid');
    assert.deepEqual(application.requests, []);
  });

  it('GET /api/chat is for two groups, GET /api/analytics for everybody with a token', async () => {
    for (const [login, path, status] of [
      ['alice', '/api/chat', 200],
      ['bob', '/api/chat', 403],
      ['alice', '/api/analytics', 200],
      ['bob', '/api/analytics', 200],
    ]) {
      const answer = await call(new Visitor(gateway), path, bearer(await tokenOf(login)));
      assert.deepEqual([login, path, answer.status], [login, path, status]);
      if (status === 403) assertProblem(answer, 403, 'condition_failed');
    }
    assert.deepEqual(
      application.requests.map(({ url }) => url),
      ['/api/chat', '/api/analytics', '/api/analytics'],
    );
  });

  it('the application gets preferred_username, and neither token nor cookie', async () => {
    const token = await tokenOf('bob');
    await call(new Visitor(gateway), '/api/analytics', {
      headers: { authorization: `Bearer ${token}`, 'x-forwarded-preferred-username': 'root', cookie: '__Host-accredit-attempt-AAAAAAAA=x' },
    });
    const arrived = await application.only('/api/analytics');
    assert.deepEqual(headerValues(arrived, 'x-forwarded-preferred-username'), ['bob']);
    assert.deepEqual([headerValues(arrived, 'authorization'), headerValues(arrived, 'cookie')], [[], []]);
  });

  it('a browser that navigates to a forbidden page is told so, how to ask for access, and how to use another account', async () => {
    const page = await new Visitor(gateway).open('/api/chat', bearer(await tokenOf('bob')));
    assertRefused(page, 403, 'condition_failed');
    assertSafePage(page);
    for (const part of [/access denied/i, /ask for access/i, /href="\/api\/authorize\?[^"]*prompt=login[^"]*">Use another account/])
      assert.match(page.body, part);
  });

  it('preflights are answered only for the front end, and only the front end may read answers', async () => {
    const preflight = (origin, path, method) =>
      new Visitor(gateway).send(path, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': 'authorization,content-type' },
      });
    for (const [path, method] of [
      ['/api/token', 'POST'],
      ['/api/authorize', 'GET'],
      ['/api/chat', 'GET'],
      ['/api/chat', 'POST'],
    ]) {
      const { status, headers } = await preflight(front, path, method);
      assert.deepEqual([status, headers['access-control-allow-origin'], headers['access-control-allow-credentials']], [200, front, 'true'], path);
      assert.match(headers['access-control-allow-headers'], /authorization/);
      const stranger = await preflight('https://evil.example', path, method);
      assert.notEqual(stranger.status, 200);
      assert.equal(stranger.headers['access-control-allow-origin'], undefined);
    }
    const refused = await call(new Visitor(gateway), '/api/chat');
    assert.deepEqual([refused.status, refused.headers['access-control-allow-origin']], [401, front]);
    assert.deepEqual(application.requests, []);
  });
});

for (const [where, host, arrive] of [
  ['on another origin of the same site', 'localhost', async (browser) => newPerson(browser)],
  ['on another site, whose cookies the person allows', '127.0.0.1', async () => newPersonWithThirdPartyCookies()],
]) {
  describe(`in a browser, with a front end ${where}`, () => {
    let gateway, provider, application, front, origin, browser, person, page;

    before(async () => {
      const [port, frontPort] = [await freePort(), await freePort()];
      origin = `http://${host}:${frontPort}`;
      front = await startDemoFront(`http://localhost:${port}`, frontPort);
      provider = await startSpaProvider(origin);
      application = await startDemoApplication();
      gateway = await startGateway({ scenario: 'spa-tokens', port, provider, application, ...configured(origin) });
      browser = await startBrowser();
      person = await arrive(browser);
      page = await person.newPage();
    });
    after(async () => {
      await person?.close();
      await browser?.close();
      for (const part of [gateway, provider, application, front]) await part?.stop();
      if (gateway) assertNoPanic(gateway);
    });

    const press = (name) => page.getByRole('button', { name, exact: true }).click();
    const shown = (text) => page.locator('#answer', { hasText: text }).waitFor();

    async function signIn(login) {
      await press('Sign in');
      await page.waitForURL(`${provider.issuer}/**`);
      await page.getByLabel('Name').fill(login);
      await page.getByLabel('Password').fill(`${login}-password`);
      await press('Sign in');
      await page.waitForURL(`${origin}/`);
      await page.getByText('Signed in, for 10 minutes.').waitFor();
    }

    it('a call without a token gets 401; after signing in it gets an answer; no code stays in the address bar', async () => {
      await page.goto(origin);
      await press('Chat');
      await shown('401 /api/chat');
      await signIn('alice');
      assert.equal(page.url(), `${origin}/`);
      await press('Chat');
      await shown('Hello alice');
      await press('Analytics');
      await shown('"user": "alice"');
    });

    it('keeps the token in memory only, and leaves no cookie', async () => {
      const kept = await page.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length]);
      assert.deepEqual(kept, ['', 0, 0]);
      const cookies = await person.context.cookies(gateway.origin);
      assert.deepEqual(
        cookies.filter(({ name }) => name.startsWith('__Host-')),
        [],
      );
      await page.reload();
      await press('Analytics');
      await shown('401 /api/analytics');
    });

    it('bob may see the analytics, but not the chat', async () => {
      await person.context.clearCookies();
      await page.goto(origin);
      await signIn('bob');
      await press('Chat');
      await page.getByText('your account may not do this').waitFor();
      await press('Analytics');
      await shown('"user": "bob"');
    });

    it('none of this caused an error in the browser', () => {
      assert.deepEqual(
        person.complaints.filter((text) => !/status of (401|403)/.test(text)),
        [],
      );
    });
  });
}
