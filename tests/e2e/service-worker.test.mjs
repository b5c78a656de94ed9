// Browsers that ask twice: a service worker, with and without navigation preload, and a person who opens the page again while the code is exchanged.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { newPerson, startBrowser } from './lib/browser.mjs';
import { onStage } from './lib/stage.mjs';

const PASSES_ON = `
  self.addEventListener('install', () => self.skipWaiting());
  self.addEventListener('fetch', (event) => event.request.mode === 'navigate' && event.respondWith(fetch(event.request)));
`;
const WORKERS = {
  'a service worker': `${PASSES_ON} self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));`,
  'a service worker with navigation preload': `${PASSES_ON}
    self.addEventListener('activate', (event) =>
      event.waitUntil(self.registration.navigationPreload.enable().then(() => self.clients.claim())));`,
};

const page = (url, script = '') => `<!doctype html><title>app ${url}</title><p>app ${url}</p><script>${script}</script>`;

describe('a browser that asks twice', () => {
  let browser, script;
  const stage = onStage({
    plugin: (configuration) => {
      configuration.rules.unshift({ match: { path: '/sw.js' }, require: 'public' }, { match: { path: '/start' }, require: 'public' });
    },
  });
  before(async () => {
    browser = await startBrowser();
  });
  beforeEach(() => {
    stage.application.respond = (request, response) => {
      if (request.url === '/sw.js') return response.writeHead(200, { 'content-type': 'text/javascript', 'cache-control': 'no-store' }).end(script);
      response.writeHead(200, { 'content-type': 'text/html' }).end(page(request.url));
    };
  });
  after(() => browser?.close());

  for (const [what, source] of Object.entries(WORKERS)) {
    it(`${what} ends on the wanted page, at every one of six sign-ins`, async () => {
      script = source;
      const person = await newPerson(browser);
      const tab = await person.newPage();
      await tab.goto(`${stage.gateway.origin}/start`);
      await tab.evaluate(async () => {
        await navigator.serviceWorker.register('/sw.js');
        await navigator.serviceWorker.ready;
        if (!navigator.serviceWorker.controller) await new Promise((done) => navigator.serviceWorker.addEventListener('controllerchange', done));
      });
      for (let turn = 1; turn <= 6; turn += 1) {
        stage.provider.forget();
        stage.provider.delay.token = 150;
        const wanted = `/analytics?turn=${turn}`;
        await tab.goto(`${stage.gateway.origin}${wanted}`);
        assert.equal(await tab.title(), `app ${wanted}`, `${tab.url()}: ${(await tab.content()).slice(0, 300)}`);
        const signIns = stage.provider.count('token');
        assert.ok(signIns === 1 || signIns === 2, `${signIns} codes were sent`);
        const cookies = await person.context.cookies(stage.gateway.origin);
        // Five are kept; two requests at the same moment may each add one, until the next.
        assert.ok(cookies.filter(({ name }) => name.includes('-attempt-')).length <= 7);
        await person.context.clearCookies({ name: '__Host-accredit' });
      }
      await person.close();
    });
  }

  it('a page that is opened again while the code is exchanged is shown all the same', async () => {
    const person = await newPerson(browser);
    const tab = await person.newPage();
    stage.provider.delay.token = 1_500;
    const first = tab.goto(`${stage.gateway.origin}/analytics?first`).catch(() => undefined);
    await sleep(700);
    await tab.goto(`${stage.gateway.origin}/analytics?second`);
    await first;
    assert.equal(await tab.title(), 'app /analytics?second');
    await person.close();
  });

  it('the page before the sign-out is not shown from memory when the person goes back', async () => {
    const person = await newPerson(browser);
    const tab = await person.newPage();
    stage.application.respond = (request, response) =>
      response
        .writeHead(200, { 'content-type': 'text/html', 'cache-control': 'max-age=600' })
        .end(`${page(request.url)}<a id="out" href="/api/logout">out</a>`);
    await tab.goto(`${stage.gateway.origin}/analytics?secret`);
    await tab.locator('#out').click();
    await tab.waitForURL((url) => url.search !== '?secret');
    const mark = stage.gateway.mark();
    await tab.goBack().catch(() => undefined);
    await sleep(500);
    // The browser asked for the page again, and the gateway did not know it any more.
    const asked = stage.gateway.accessLog(mark).map(({ path, status }) => `${path} ${status}`);
    assert.ok(
      asked.some((line) => /^\/analytics.* 302$/.test(line)),
      asked.join(', '),
    );
    await person.close();
  });
});
