// The provider in a popup: a page opens it in a new window, and gets a message about how the sign-in ended. The tests use a real Chromium, because the browser
// decides which page opened a window, which page gets a message, and whether a script may run.
//
// The front end and the page of a stranger are on 127.0.0.1, which is another site than the gateway's localhost.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { newPersonWithThirdPartyCookies } from './lib/browser.mjs';
import { startDemoProvider } from './lib/demo.mjs';
import { managerOf, startGateway } from './lib/gateway.mjs';
import { closeServer, freePort, listen } from './lib/process.mjs';
import { assertNoPanic } from './lib/stage.mjs';
import { Application } from './lib/upstream.mjs';

/** A page with a button that opens a window. It keeps all messages that it gets. */
const PAGE = `<!doctype html><title>front end</title><button>Sign in with …</button><script>
  let url, popup;
  const told = [];
  addEventListener('message', ({ data, origin, source }) => told.push({ data, origin, ours: source === popup }));
  const ask = async (from) => {
    url = (await (await fetch(from, { credentials: 'include' })).json()).authUrl;
    return url;
  };
  document.querySelector('button').onclick = () => (popup = window.open(url, '', 'width=500,height=600'));
</script>`;

async function startFrontEnd(headers = {}) {
  const server = createServer((_, response) => response.writeHead(200, { 'content-type': 'text/html', ...headers }).end(PAGE));
  return { origin: `http://127.0.0.1:${await listen(server)}`, stop: () => closeServer(server) };
}

function withCors(bootstrap, ...origins) {
  const manager = managerOf(bootstrap.static_resources.listeners[0]);
  manager.http_filters.unshift({
    name: 'envoy.filters.http.cors',
    typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors' },
  });
  for (const host of manager.route_config.virtual_hosts) {
    host.typed_per_filter_config = {
      'envoy.filters.http.cors': {
        '@type': 'type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy',
        allow_origin_string_match: origins.map((exact) => ({ exact })),
        allow_credentials: true,
      },
    };
  }
}

describe('the provider in a popup', () => {
  let front, stranger, gateway, provider, application, person, page;

  before(async () => {
    const port = await freePort();
    [front, stranger] = [await startFrontEnd({ 'cross-origin-opener-policy': 'same-origin-allow-popups' }), await startFrontEnd()];
    provider = await startDemoProvider(`http://localhost:${port}`);
    application = await Application.start();
    gateway = await startGateway({
      port,
      provider,
      application,
      plugin: (configuration) => {
        configuration.trusted_origins = [front.origin];
        configuration.endpoints = { ...configuration.endpoints, popup: '/api/popup' };
        configuration.popup = { origin: front.origin, url_member: 'authUrl', answer: { who: '{claims.sub}', odd: '</script><!--{claims.sub}' } };
      },
      envoy: (bootstrap) => withCors(bootstrap, front.origin),
    });
  });
  beforeEach(async () => {
    person = await newPersonWithThirdPartyCookies();
    page = await person.newPage();
    await page.goto(front.origin);
  });
  afterEach(() => person.close());
  after(async () => {
    for (const part of [gateway, provider, application, front, stranger]) await part?.stop();
    if (gateway) assertNoPanic(gateway);
  });

  const ask = (at = page) => at.evaluate((from) => ask(from), `${gateway.origin}/api/popup`);
  const told = (at = page) => at.evaluate(() => told);

  /** Presses the button, and resolves with the window that opens. */
  async function open(at = page) {
    const [popup] = await Promise.all([at.waitForEvent('popup'), at.getByRole('button').click()]);
    return popup;
  }

  /** Signs in in that window, which then closes itself. */
  async function signIn(popup) {
    await popup.getByLabel('Name').fill('alice');
    await popup.getByLabel('Password').fill('alice-password');
    await Promise.all([popup.waitForEvent('close'), popup.getByRole('button', { name: 'Sign in', exact: true }).click()]);
  }

  it('tells the page that opened it who signed in, closes, and leaves a session', async () => {
    assert.equal(new URL(await ask()).origin, provider.issuer);
    await signIn(await open());
    await page.waitForFunction(() => told.length > 0);
    assert.deepEqual(await told(), [{ data: { who: 'alice', odd: '</script><!--alice' }, origin: gateway.origin, ours: true }]);
    const status = await page.evaluate((url) => fetch(url, { credentials: 'include' }).then((answer) => answer.status), `${gateway.origin}/api/session`);
    assert.equal(status, 200);
    assert.deepEqual(person.complaints, []);
  });

  it('tells the page why there is no session', async () => {
    await ask();
    const popup = await open();
    await person.context.clearCookies({ name: /-attempt-/ });
    await signIn(popup);
    await page.waitForFunction(() => told.length > 0);
    assert.deepEqual(await told(), [{ data: { error: 'attempt_missing' }, origin: gateway.origin, ours: true }]);
    assert.deepEqual(
      person.complaints.filter((text) => !/status of 400/.test(text)),
      [],
    );
  });

  it('tells a page of another origin nothing, even if that page has the address', async () => {
    const url = await ask();
    await page.goto(stranger.origin);
    await assert.rejects(ask(), /Failed to fetch/, 'a stranger reads the address');
    await page.evaluate(`url = ${JSON.stringify(url)}`); // the variable of the page's script with the address for the button
    await signIn(await open());
    // A message of the popup would have arrived before this one.
    await page.evaluate(
      () =>
        new Promise((resolve) => {
          addEventListener('message', resolve);
          postMessage('the last', '*');
        }),
    );
    assert.deepEqual(
      (await told()).map(({ data }) => data),
      ['the last'],
    );
  });

  it('can be closed by the person, and the page sees that', async () => {
    await ask();
    const popup = await open();
    await popup.close();
    await page.waitForFunction(() => popup.closed);
    assert.deepEqual(await told(), []);
  });

  it('shows a readable page if no page opened it', async () => {
    const url = await ask();
    const alone = await person.newPage();
    await alone.goto(url);
    await alone.getByLabel('Name').fill('alice');
    await alone.getByLabel('Password').fill('alice-password');
    await alone.getByRole('button', { name: 'Sign in', exact: true }).click();
    await alone.getByText('You can close this window.').waitFor();
    assert.equal(new URL(alone.url()).origin, gateway.origin);
    assert.equal(await alone.locator('#message').count(), 0, 'what was to be told still stands in the page');
    assert.deepEqual(person.complaints, []);
  });
});
