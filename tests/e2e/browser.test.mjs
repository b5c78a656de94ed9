// The gateway in a real Chromium, with the demo's provider and its form, and the demo's application and its pages.
//
// No page of the gateway or of the demo may cause errors in the browser: policy violations and script errors fail the tests.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, afterEach, before, describe, it } from 'node:test';
import { newPerson, startBrowser } from './lib/browser.mjs';
import { startDemoApplication, startDemoProvider } from './lib/demo.mjs';
import { startGateway } from './lib/gateway.mjs';
import { closeServer, freePort, listen } from './lib/process.mjs';
import { assertNoPanic } from './lib/stage.mjs';

describe('in a browser', () => {
  let gateway, provider, application, browser, person;

  before(async () => {
    const port = await freePort();
    provider = await startDemoProvider(`http://localhost:${port}`);
    application = await startDemoApplication();
    gateway = await startGateway({ port, provider, application });
    browser = await startBrowser();
  });
  afterEach(async () => {
    await person?.close();
    person = undefined;
  });
  after(async () => {
    await browser?.close();
    await gateway?.stop();
    await provider?.stop();
    await application?.stop();
    if (gateway) assertNoPanic(gateway);
  });

  const arrive = async () => (person = await newPerson(browser)).newPage();
  const at = (path) => `${gateway.origin}${path}`;
  const pathOf = (page) => new URL(page.url()).pathname;
  /** Ignores what the browser itself logs about an error status; that is not an error of a page. */
  const complaints = () => person.complaints.filter((text) => !/status of (401|403)/.test(text));

  async function fillIn(page, login) {
    await page.getByLabel('Name').fill(login);
    await page.getByLabel('Password').fill(`${login}-password`);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  }

  async function signIn(page, login, path = '/analytics') {
    await page.goto(at(path));
    assert.equal(new URL(page.url()).origin, provider.issuer, `the provider asks, not ${page.url()}`);
    await fillIn(page, login);
    await page.waitForURL(at(path));
  }

  it('a protected page leads to the provider and back, and shows who came', async () => {
    const page = await arrive();
    await signIn(page, 'alice', '/analytics?from=mail');
    assert.match(await page.locator('main').innerText(), /you are alice/);
    assert.equal(page.url(), at('/analytics?from=mail'));
    const cookies = await person.context.cookies(gateway.origin);
    const session = cookies.find(({ name }) => name === '__Host-accredit');
    assert.deepEqual([session.httpOnly, session.secure, session.sameSite, session.path], [true, true, 'Lax', '/']);
    assert.equal(await page.evaluate(() => document.cookie), '', 'a script sees a cookie');
    assert.deepEqual(complaints(), []);
  });

  it("alice sees the members' page and talks to the chat", async () => {
    const page = await arrive();
    await signIn(page, 'alice', '/members');
    assert.match(await page.locator('main').innerText(), /oracle-ai-users/);
    await page.goto(at('/chat'));
    await page.getByLabel('Message').fill('good day');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('You said: good day').waitFor();
    assert.deepEqual(complaints(), []);
  });

  it('bob sees a page that says why he may not, and can sign in again as alice', async () => {
    const page = await arrive();
    await signIn(page, 'bob');
    const response = await page.goto(at('/members'));
    assert.equal(response.status(), 403);
    const text = await page.locator('body').innerText();
    assert.match(text, /access denied/i);
    assert.match(text, /ask for access/i);
    assert.deepEqual(complaints(), []);
    await page
      .getByRole('link', { name: /another account/i })
      .or(page.getByRole('button', { name: /another account/i }))
      .click();
    await page.waitForURL((url) => url.origin === provider.issuer);
    await fillIn(page, 'alice');
    await page.waitForURL(at('/members'));
    assert.match(await page.locator('main').innerText(), /alice@example\.com/);
    assert.deepEqual(complaints(), []);
  });

  it('the public chat page says "sign in" to a stranger, and answers after signing in there', async () => {
    const page = await arrive();
    await page.goto(at('/chat'));
    await page.locator('#sign-in').click();
    await page.waitForURL((url) => url.origin === provider.issuer);
    await fillIn(page, 'alice');
    await page.waitForURL(at('/chat'));
    await page.getByText('Hello alice').waitFor();
    assert.deepEqual(complaints(), []);
  });

  it('two tabs sign in at the same time, and each returns to its own page', async () => {
    const first = await arrive();
    const second = await person.newPage();
    await Promise.all([first.goto(at('/analytics?tab=1')), second.goto(at('/members?tab=2'))]);
    await fillIn(first, 'alice');
    await first.waitForURL(at('/analytics?tab=1'));
    await fillIn(second, 'alice');
    await second.waitForURL(at('/members?tab=2'));
    await first.reload();
    assert.equal(first.url(), at('/analytics?tab=1'));
    const names = (await person.context.cookies(gateway.origin)).map(({ name }) => name);
    const attempts = (await person.context.cookies(gateway.origin)).filter(({ name }) => name.includes('attempt'));
    assert.ok(names.includes('__Host-accredit'));
    assert.ok(
      attempts.every(({ expires }) => expires <= Date.now() / 1_000 + 120),
      'what is left of a sign-in goes after two minutes',
    );
    assert.deepEqual(complaints(), []);
  });

  it('of six tabs the first to sign in finds a link to its own page, and the link leads there', async () => {
    const tabs = [await arrive()];
    while (tabs.length < 6) tabs.push(await person.newPage());
    for (const [index, tab] of tabs.entries()) await tab.goto(at(`/analytics?tab=${index + 1}`));
    const [first] = tabs;
    await fillIn(first, 'alice');
    await first.waitForURL((url) => url.pathname === '/api/callback');
    assert.match(await first.locator('h1').innerText(), /cannot be finished/);
    await first.getByRole('link', { name: 'Try again' }).click();
    await first.waitForURL((url) => url.origin === provider.issuer || url.pathname === '/analytics');
    if (new URL(first.url()).origin === provider.issuer) await fillIn(first, 'alice');
    await first.waitForURL(at('/analytics?tab=1'));
    assert.match(await first.locator('main').innerText(), /you are alice/);
    assert.deepEqual(
      complaints().filter((text) => !/status of 400/.test(text)),
      [],
    );
  });

  it('going back to the callback after signing in does no harm', async () => {
    const page = await arrive();
    let callback;
    page.on('request', (request) => request.url().includes('/api/callback?') && (callback = request.url()));
    await signIn(page, 'alice');
    await page.goto(callback);
    await page.goto(at('/analytics'));
    assert.match(await page.locator('main').innerText(), /you are alice/);
    assert.deepEqual(
      complaints().filter((text) => !/status of 400/.test(text)),
      [],
    );
  });

  it('a cancelled sign-in ends on a page that says so and offers another try', async () => {
    const page = await arrive();
    await page.goto(at('/analytics'));
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.waitForURL((url) => url.pathname === '/api/callback');
    assert.equal(await page.locator('h1').count(), 1);
    await page
      .getByRole('link', { name: /again|sign in/i })
      .first()
      .click();
    await page.waitForURL((url) => url.origin === provider.issuer);
    await fillIn(page, 'alice');
    await page.waitForURL((url) => url.origin === gateway.origin && ['/', '/analytics'].includes(url.pathname));
    await page.getByRole('button', { name: 'Sign out' }).waitFor();
    assert.deepEqual(complaints(), []);
  });

  it('signing out by the button ends the session here and at the provider', async () => {
    const page = await arrive();
    await signIn(page, 'alice');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL(at('/'));
    assert.match(await page.locator('main').innerText(), /not signed in/);
    assert.equal((await page.request.get(at('/api/chat'))).status(), 401);
    await page.goto(at('/analytics'));
    assert.equal(new URL(page.url()).origin, provider.issuer);
    await page.getByLabel('Password').waitFor();
    assert.deepEqual(complaints(), []);
  });

  it('signing out by script ends the session, too', async () => {
    const page = await arrive();
    await signIn(page, 'alice', '/members');
    await page.goto(at('/chat'));
    await page.getByRole('button', { name: 'Sign out by script' }).click();
    await page.waitForURL(at('/'));
    assert.match(await page.locator('main').innerText(), /not signed in/);
    assert.deepEqual(complaints(), []);
  });

  it('a site that a person typed into the address bar cannot end the session by a redirect to sign-out; the button on the page ends it', async () => {
    const page = await arrive();
    await signIn(page, 'alice');
    const elsewhere = http.createServer((_, response) => response.writeHead(302, { location: at('/api/logout') }).end());
    try {
      await page.goto(`http://127.0.0.1:${await listen(elsewhere)}/`);
    } finally {
      await closeServer(elsewhere);
    }
    assert.equal(pathOf(page), '/api/logout');
    const other = await person.context.newPage();
    await other.goto(at('/analytics'));
    assert.match(await other.locator('main').innerText(), /you are alice/, 'the session was ended from elsewhere');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL(at('/'));
    assert.match(await page.locator('main').innerText(), /not signed in/);
  });

  it('a page of another site can neither sign people out, nor post in their name, nor frame a page of the gateway', async () => {
    const page = await arrive();
    await signIn(page, 'alice');
    await page.goto(`${provider.issuer}/nothing-here`);
    for (const [method, path] of [
      ['POST', '/api/logout'],
      ['GET', '/api/logout'],
      ['POST', '/api/chat'],
    ]) {
      await page.evaluate(([verb, url]) => fetch(url, { method: verb, mode: 'no-cors', credentials: 'include' }).catch(() => {}), [method, at(path)]);
    }
    const submitted = page.waitForURL((url) => url.href.startsWith(gateway.origin));
    await page.evaluate((url) => {
      const form = Object.assign(document.createElement('form'), { method: 'post', action: url });
      document.body.append(form);
      form.submit();
    }, at('/api/logout'));
    await submitted;
    assert.equal(pathOf(page), '/api/logout');
    await page.goto(at('/analytics'));
    assert.match(await page.locator('main').innerText(), /you are alice/, 'the session was ended from elsewhere');
  });
});
