// A front end on another site than the gateway: with Envoy's CORS filter before Accredit, the front end's origin as a trusted one, and a session cookie with
// `SameSite=None`. The tests use a real Chromium, because the browser enforces all of this.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { newPersonWithThirdPartyCookies } from './lib/browser.mjs';
import { startDemoProvider } from './lib/demo.mjs';
import { managerOf, startGateway } from './lib/gateway.mjs';
import { freePort } from './lib/process.mjs';
import { Application } from './lib/upstream.mjs';

/** A static page on 127.0.0.1, which is another site than localhost. */
async function startFrontEnd() {
  const server = createServer((_, response) =>
    response.setHeader('content-type', 'text/html').end('<!doctype html><title>front end</title><h1>front end</h1>'),
  );
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { origin: `http://127.0.0.1:${server.address().port}`, stop: () => new Promise((resolve) => server.close(resolve)) };
}

/** Envoy's own CORS filter, before ours: it answers preflights, and dresses our refusals too. */
function withCors(bootstrap, origin) {
  const manager = managerOf(bootstrap.static_resources.listeners[0]);
  manager.http_filters.unshift({
    name: 'envoy.filters.http.cors',
    typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors' },
  });
  for (const host of manager.route_config.virtual_hosts) {
    host.typed_per_filter_config = {
      'envoy.filters.http.cors': {
        '@type': 'type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy',
        allow_origin_string_match: [{ exact: origin }],
        allow_methods: 'GET, POST',
        allow_headers: 'content-type',
        allow_credentials: true,
      },
    };
  }
}

describe('a front end on another site', () => {
  let front, stranger, gateway, provider, application, person, page;

  before(async () => {
    const port = await freePort();
    [front, stranger] = [await startFrontEnd(), await startFrontEnd()];
    provider = await startDemoProvider(`http://localhost:${port}`);
    application = await Application.start();
    gateway = await startGateway({
      port,
      provider,
      application,
      plugin: (configuration) => void (configuration.trusted_origins = [front.origin]),
      envoy: (bootstrap) => withCors(bootstrap, front.origin),
    });
    person = await newPersonWithThirdPartyCookies();
    page = await person.newPage();
  });
  after(async () => {
    await person?.close();
    for (const part of [gateway, provider, application, front, stranger]) await part?.stop();
  });

  /** A call by a script of whatever page is open. */
  const call = (path, options = {}) =>
    page.evaluate(
      ([url, more]) =>
        fetch(url, { credentials: 'include', ...more }).then(
          async (answer) => [answer.status, await answer.text()],
          () => ['blocked'],
        ),
      [`${gateway.origin}${path}`, options],
    );

  it('reads the 401 of the gateway, which never sends a script to another site', async () => {
    await page.goto(front.origin);
    const [status, body] = await call('/api/chat');
    assert.equal(status, 401);
    assert.deepEqual([JSON.parse(body).reason, JSON.parse(body).sign_in], ['session_missing', '/api/login']);
  });

  it('signs in by navigation, and returns to its own page', async () => {
    await page.goto(`${gateway.origin}/api/login?return_to=${encodeURIComponent(`${front.origin}/chat`)}`);
    await page.getByLabel('Name').fill('alice');
    await page.getByLabel('Password').fill('alice-password');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.waitForURL(`${front.origin}/chat`);
    const cookies = await person.context.cookies(gateway.origin);
    assert.equal(cookies.find(({ name }) => name === '__Host-accredit').sameSite, 'None');
  });

  it('then calls the API with credentials, by safe and unsafe methods', async () => {
    await page.goto(front.origin);
    assert.equal((await call('/api/session'))[0], 200);
    assert.equal((await call('/api/chat'))[0], 200);
    assert.equal((await call('/api/chat', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }))[0], 200);
  });

  it('is the only one: a third site can neither read nor change anything with the same cookie', async () => {
    await page.goto(stranger.origin);
    application.forget();
    assert.deepEqual(await call('/api/chat'), ['blocked']);
    // A simple request needs no preflight: it is sent, with the cookie, and refused here.
    await call('/api/chat', { method: 'POST', mode: 'no-cors', body: 'x' });
    await call('/api/logout', { method: 'POST', mode: 'no-cors' });
    assert.deepEqual(
      application.requests.filter(({ method }) => method === 'POST'),
      [],
    );
    await page.goto(front.origin);
    assert.equal((await call('/api/session'))[0], 200, 'a third site signed somebody out');
  });

  it('signs out by script', async () => {
    const [status, body] = await call('/api/logout', { method: 'POST' });
    assert.deepEqual([status, JSON.parse(body).logout], [200, 'ok']);
    assert.equal((await call('/api/session'))[0], 401);
  });
});
