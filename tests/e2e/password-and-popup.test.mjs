// envoy/password-and-popup.yaml as shipped: a login form with a user service, and a provider in a popup. Only the ports and origins of the file are changed.
// The provider is certified; user service and mail service are the demo's. The tests run first without a browser, then in a real Chromium.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, beforeEach, describe, it } from 'node:test';
import { jwtVerify } from 'jose';
import { newPerson, startBrowser } from './lib/browser.mjs';
import { Visitor } from './lib/client.mjs';
import { forPasswordFront, startDemoApplication, startDemoMail, startDemoUsers, startPasswordFront, startPopupProvider } from './lib/demo.mjs';
import { namesOf, startGateway } from './lib/gateway.mjs';
import { closeServer, freePort, listen } from './lib/process.mjs';
import { assertNoPanic, assertNotTold, assertProblem, assertRefused, assertSafePage, attemptCookies } from './lib/stage.mjs';
import { Application, headerValues } from './lib/upstream.mjs';

const ALICE = { id: 1, email: 'alice@example.com', firstName: 'Alice', role: 'admin' };
const NAMES = namesOf('password-and-popup');
const JSON_TYPE = { 'content-type': 'application/json' };

/** Starts the gateway and all services that the shipped file needs, for a front end at this origin; `stop` ends them. */
async function startAll({ port, front, application, ...options }) {
  const origin = `http://localhost:${port}`;
  const [provider, users, mail] = [await startPopupProvider(origin, options.provider), await startDemoUsers(), await startDemoMail()];
  const gateway = await startGateway({ scenario: 'password-and-popup', port, provider, users, mail, application, ...forPasswordFront(front) });
  const stop = async () => {
    for (const part of [gateway, provider, users, mail]) await part.stop();
    assertNoPanic(gateway);
  };
  return { gateway, provider, users, mail, stop };
}

describe('without a browser', () => {
  const front = 'https://front.example.org';
  let all, gateway, users, mail, application;
  const tokens = [];

  before(async () => {
    application = await Application.start();
    all = await startAll({ port: await freePort(), front, application });
    ({ gateway, users, mail } = all);
  });
  beforeEach(() => {
    application.forget();
    users.requests.length = 0;
    mail.requests.length = 0;
  });
  after(async () => {
    if (gateway) assertNotTold(gateway, [...tokens, 'alice-password', 'bob-password', gateway.jwtSecret]);
    await all?.stop();
    await application?.stop();
  });

  /** Calls `fetch()` in a page of the front end. */
  const call = (visitor, target, options = {}) =>
    visitor.call(target, { ...options, headers: { origin: front, 'sec-fetch-site': 'cross-site', ...options.headers } });
  const logIn = (email, password, visitor = new Visitor(gateway)) =>
    call(visitor, '/api/auth/login', { method: 'POST', headers: JSON_TYPE, body: JSON.stringify({ email, password }) });
  const bearer = (token) => ({ headers: { authorization: `Bearer ${token}` } });

  async function claimsOf(token) {
    tokens.push(token);
    const { payload, protectedHeader } = await jwtVerify(token, new TextEncoder().encode(gateway.jwtSecret), { issuer: NAMES.iss, audience: NAMES.aud });
    assert.deepEqual(protectedHeader, { alg: 'HS256', typ: 'JWT' });
    return payload;
  }

  it('POST /api/auth/login answers with message, token and user, and with nothing else; the token is valid for an hour', async () => {
    const visitor = new Visitor(gateway);
    const answer = await logIn('alice@example.com', 'alice-password', visitor);
    assert.equal(answer.status, 200, answer.body);
    const { token, ...rest } = answer.json();
    assert.deepEqual(rest, { message: 'Connexion réussie', user: ALICE });
    const { iat, exp, ...claims } = await claimsOf(token);
    assert.deepEqual(claims, {
      ...NAMES,
      origin: gateway.origin,
      sub: '1',
      idp: 'password',
      userId: 1,
      email: 'alice@example.com',
      email_verified: true,
      role: 'admin',
    });
    assert.equal(exp - iat, 3600);
    assert.match(answer.headers['cache-control'], /no-store/);
    assert.deepEqual(answer.cookies, []);
    assert.deepEqual([users.requests, application.requests], [['POST /api/users/verify'], []]);
  });

  it('a wrong password and an unknown person get the same bytes, and cause the same calls', async () => {
    const answers = [];
    for (const email of ['bob@example.com', 'nobody@example.com']) {
      users.requests.length = 0;
      const { status, body, reason, headers } = await logIn(email, 'wrong');
      const { date, 'x-request-id': id, ...others } = headers;
      answers.push({ status, body, reason, others, calls: [...users.requests] });
    }
    assert.deepEqual(answers[0], answers[1]);
    assert.deepEqual([answers[0].status, JSON.parse(answers[0].body), answers[0].reason], [401, { message: 'Wrong name or password' }, 'credentials_refused']);
    assert.deepEqual(answers[0].calls, ['POST /api/users/verify']);
  });

  it('after five failures of one account, even the right password gets 429 with Retry-After, and the user service is not asked', async () => {
    for (let failure = 0; failure < 5; failure += 1) assert.equal((await logIn('dora@example.com', 'wrong')).status, 401);
    users.requests.length = 0;
    const answer = await logIn('DORA@example.com', 'right');
    assertProblem(answer, 429, 'too_many_failures');
    assert.ok(Number(answer.headers['retry-after']) > 0);
    assert.equal(answer.headers['access-control-allow-origin'], front);
    assert.deepEqual(users.requests, []);
    assert.equal((await logIn('bob@example.com', 'bob-password')).status, 200, 'others are not locked out');
  });

  it('GET /api/auth/google/url gives the front end the address for the popup', async () => {
    const told = await call(new Visitor(gateway), '/api/auth/google/url');
    assert.deepEqual([told.status, Object.keys(told.json())], [200, ['authUrl']]);
    const url = new URL(told.json().authUrl);
    const { state, nonce, code_challenge: challenge, ...rest } = Object.fromEntries(url.searchParams);
    assert.deepEqual(rest, {
      response_type: 'code',
      client_id: 'accredit-demo',
      redirect_uri: `${gateway.origin}/api/auth/google/callback`,
      scope: 'openid email profile',
      code_challenge_method: 'S256',
      prompt: 'select_account',
    });
    for (const value of [state, nonce, challenge]) assert.ok(value.length >= 32);
    const [cookie] = attemptCookies(told);
    assert.deepEqual([cookie.attributes.samesite, cookie.attributes.secure, cookie.attributes.httponly], ['None', true, true]);
  });

  it('the callback ends in a page that posts a message only to the front end, and leaves no cookie', async () => {
    const visitor = new Visitor(gateway);
    const { authUrl } = (await call(visitor, '/api/auth/google/url')).json();
    const form = await visitor.follow(await visitor.open(authUrl));
    const page = await visitor.follow(await visitor.submit(form, { login: 'alice', password: 'alice-password', action: 'login' }));
    assert.equal(page.status, 200, page.body);
    assertSafePage(page);
    assert.match(page.headers['content-security-policy'], /script-src 'sha256-/);
    assert.match(page.headers['cache-control'], /no-store/);
    assert.notEqual(page.headers['cross-origin-opener-policy'], 'same-origin');
    const { origin, message } = JSON.parse(/<script type="application\/json"[^>]*>(.*?)<\/script>/s.exec(page.body)[1]);
    const { token, ...rest } = message;
    assert.deepEqual([origin, rest], [front, { user: ALICE }]);
    const { sub, userId } = await claimsOf(token);
    assert.deepEqual([sub, userId], ['1', 1]);
    assert.deepEqual(visitor.jar.names('localhost'), []);
    assert.deepEqual([users.requests, mail.requests], [['GET /api/users/email/alice%40example.com'], []]);
  });

  it('everything else requires a token; the application gets the identity and no token', async () => {
    for (const path of ['/api/headers', '/api/analytics', '/api/auth', '/api/auth/google'])
      assertProblem(await call(new Visitor(gateway), path), 401, 'token_missing');
    const { token } = (await logIn('bob@example.com', 'bob-password')).json();
    assert.equal((await call(new Visitor(gateway), '/api/orders', bearer(token))).status, 200);
    const arrived = await application.only('/api/orders');
    assert.deepEqual(
      ['user', 'email', 'role'].map((name) => headerValues(arrived, `x-forwarded-${name}`)),
      [['2'], ['bob@example.com'], ['user']],
    );
    assert.deepEqual(headerValues(arrived, 'authorization'), []);
    assertProblem(await call(new Visitor(gateway), '/api/analytics', bearer(token)), 403, 'condition_failed');
    assert.equal((await new Visitor(gateway).open('/')).status, 200);
  });

  it('preflights are answered only for the front end; a page of another site can use neither way to sign in', async () => {
    const preflight = (origin, path, method) =>
      new Visitor(gateway).send(path, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': 'authorization,content-type' },
      });
    for (const [path, method] of [
      ['/api/auth/login', 'POST'],
      ['/api/auth/google/url', 'GET'],
      ['/api/headers', 'GET'],
    ]) {
      const { status, headers } = await preflight(front, path, method);
      assert.deepEqual([status, headers['access-control-allow-origin'], headers['access-control-allow-credentials']], [200, front, 'true'], path);
      assert.notEqual((await preflight('https://evil.example', path, method)).status, 200);
    }
    const fromElsewhere = { headers: { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' } };
    assertRefused(await new Visitor(gateway).call('/api/auth/google/url', fromElsewhere), 403, 'cross_site');
    const login = { method: 'POST', body: '{"email":"bob@example.com","password":"bob-password"}', headers: { ...JSON_TYPE, ...fromElsewhere.headers } };
    assertRefused(await new Visitor(gateway).call('/api/auth/login', login), 403, 'cross_site');
    assert.deepEqual([users.requests, application.requests], [[], []]);
  });
});

describe('in a browser', () => {
  let all, gateway, users, mail, provider, application, front, origin, stranger, browser, person, page;

  before(async () => {
    const [port, frontPort] = [await freePort(), await freePort()];
    origin = `http://localhost:${frontPort}`;
    front = await startPasswordFront(`http://localhost:${port}`, frontPort);
    application = await startDemoApplication();
    const { VISITORS } = await import('../../deploy/demo/provider.mjs');
    // A person who has entered alice's address at the provider, and has not proved that it is theirs.
    const mallory = { password: 'mallory-password', claims: { ...VISITORS.alice.claims, preferred_username: 'mallory', email_verified: false } };
    all = await startAll({ port, front: origin, application, provider: { users: { ...VISITORS, mallory } } });
    ({ gateway, users, mail, provider } = all);
    stranger = http.createServer((_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><p>Another origin</p>'));
    stranger.origin = `http://127.0.0.1:${await listen(stranger)}`;
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    await all?.stop();
    for (const part of [front, application]) await part?.stop();
    if (stranger) await closeServer(stranger);
  });
  beforeEach(async () => {
    await person?.close();
    person = await newPerson(browser);
    page = await person.newPage();
    await page.goto(origin);
    mail.requests.length = 0;
  });

  const press = (name, where = page) => where.getByRole('button', { name, exact: true }).click();
  const status = (text) => page.locator('#status', { hasText: text }).waitFor();
  const inside = () => page.getByRole('button', { name: 'Sign out' }).waitFor();
  const answered = (text) => page.locator('#answer', { hasText: text }).waitFor();
  const kept = () => page.evaluate(() => JSON.parse(sessionStorage.getItem('signed-in')));
  const rows = (email) => users.rows().filter((row) => row.email === email);

  async function logIn(email, password) {
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password').fill(password);
    await press('Sign in');
  }

  async function openPopup() {
    const opened = page.waitForEvent('popup');
    await press('Sign in with the provider');
    const popup = await opened;
    await popup.waitForURL(`${provider.issuer}/**`);
    return popup;
  }

  async function fillIn(popup, login) {
    await popup.getByLabel('Name').fill(login);
    await popup.getByLabel('Password').fill(`${login}-password`);
    const closed = popup.waitForEvent('close');
    await press('Sign in', popup);
    await closed;
  }

  it('alice signs in by password, the application gets her identity, and no cookie is left', async () => {
    await logIn('alice@example.com', 'alice-password');
    await inside();
    assert.deepEqual((await kept()).user, ALICE);
    await press('What the application is told');
    await answered('"x-forwarded-user": "1"');
    await press('Analytics, for admins');
    await answered('200 /api/analytics');
    const cookies = await person.context.cookies(gateway.origin);
    assert.deepEqual(
      cookies.filter(({ name }) => /accredit|token/.test(name)),
      [],
    );
  });

  it('bob may not see the analytics', async () => {
    await logIn('bob@example.com', 'bob-password');
    await inside();
    await press('Analytics, for admins');
    await status('your account may not do this');
  });

  it('a wrong password shows the configured words, until there were too many', async () => {
    for (let failure = 0; failure < 5; failure += 1) {
      const answer = page.waitForResponse(`${gateway.origin}/api/auth/login`);
      await logIn('guessed@example.com', `guess ${failure}`);
      assert.equal((await answer).status(), 401);
      await status('Wrong name or password');
    }
    await logIn('guessed@example.com', 'guess 5');
    await status(/Too many attempts.*30 seconds/);
    assert.equal(await kept(), null);
  });

  it('alice signs in by popup: she is the same person as by password, and no account is created', async () => {
    const people = users.rows().length;
    await fillIn(await openPopup(), 'alice');
    await inside();
    assert.deepEqual((await kept()).user, ALICE);
    await press('What the application is told');
    await answered('"x-forwarded-user": "1"');
    assert.deepEqual([users.rows().length, mail.requests], [people, []]);
    const cookies = await person.context.cookies(gateway.origin);
    assert.deepEqual(
      cookies.filter(({ name }) => /accredit|token/.test(name)),
      [],
    );
  });

  it('carol comes for the first time: one account, one letter; when she comes again, no further ones', async () => {
    assert.deepEqual(rows('carol@example.com'), []);
    for (let visit = 0; visit < 2; visit += 1) {
      await fillIn(await openPopup(), 'carol');
      await inside();
      const [row, ...others] = rows('carol@example.com');
      assert.deepEqual([row.first_name, row.last_name, row.role, others], ['Carol', 'Clark', 'user', []]);
      assert.deepEqual((await kept()).user, { id: row.id, email: 'carol@example.com', firstName: 'Carol', role: 'user' });
      await press('What the application is told');
      await answered(`"x-forwarded-user": "${row.id}"`);
      const [letter, ...more] = mail.letters();
      assert.match(letter, /^To: Carol <carol@example\.com>$/m);
      assert.deepEqual([more, mail.requests], [[], ['POST /api/mail/send-welcome']]);
      await press('Sign out');
    }
  });

  it('a popup that the person closes only ends the wait', async () => {
    const popup = await openPopup();
    await popup.close();
    await status('The window was closed before the sign-in was done.');
    assert.equal(await kept(), null);
    await fillIn(await openPopup(), 'alice');
    await inside();
  });

  it('the page is told if a sign-in is cancelled at the provider', async () => {
    const popup = await openPopup();
    const closed = popup.waitForEvent('close');
    await press('Cancel', popup);
    await closed;
    await status('The sign-in was cancelled.');
    assert.equal(await kept(), null);
  });

  it('an address that the provider has not verified finds no account', async () => {
    const before = users.requests.length;
    await fillIn(await openPopup(), 'mallory');
    await status('Your e-mail address is not verified at the provider.');
    assert.deepEqual([await kept(), users.requests.slice(before)], [null, []]);
  });

  it('a page on another origin that opens the popup receives no message, and cannot get the address', async () => {
    const { authUrl } = await page.evaluate(async (at) => (await fetch(`${at}/api/auth/google/url`, { credentials: 'include' })).json(), gateway.origin);
    await page.goto(stranger.origin);
    const read = await page.evaluate(
      (at) =>
        fetch(`${at}/api/auth/google/url`, { credentials: 'include' }).then(
          () => 'read',
          () => 'refused',
        ),
      gateway.origin,
    );
    assert.equal(read, 'refused');
    await page.evaluate(() => {
      window.received = [];
      addEventListener('message', ({ data }) => window.received.push(data));
    });
    const opened = page.waitForEvent('popup');
    await page.evaluate((url) => {
      open(url);
    }, authUrl);
    users.requests.length = 0;
    await fillIn(await opened, 'alice');
    assert.deepEqual(users.requests, ['GET /api/users/email/alice%40example.com'], 'it came as far as the page that tells');
    // A message of the popup would have arrived before this one.
    const received = await page.evaluate(
      () =>
        new Promise((done) => {
          addEventListener('message', () => done(window.received));
          postMessage('the last', '*');
        }),
    );
    assert.deepEqual(received, ['the last']);
  });
});
