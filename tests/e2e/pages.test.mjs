// Every page of the filter in a real Chromium, in both languages: axe-core finds nothing in it, in light, dark and forced colours, in a small and in a large
// window; nothing stands outside of its card, and the card is in the middle.
//
// The pages of all reasons are rendered natively and served with their own headers; those that a browser can easily get come through Envoy.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import { startBrowser } from './lib/browser.mjs';
import { startDemoApplication, startDemoProvider } from './lib/demo.mjs';
import { configurationOf, newKey, pluginOf, shipped, startGateway } from './lib/gateway.mjs';
import { faultsOf, renderedPages, withAxe } from './lib/pages.mjs';
import { closeServer, freePort, listen } from './lib/process.mjs';
import { assertNoPanic } from './lib/stage.mjs';

const SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 240 40"><rect width="240" height="40" rx="8" fill="#0b8f5a"/></svg>';
const SITE = {
  name: 'Example & Söhne',
  logo: `data:image/svg+xml;base64,${Buffer.from(SVG).toString('base64')}`,
  accent: { light: '#0b6b45', dark: '#5fd6a0' },
  help: { text: 'Ask the service desk for access.', url: 'mailto:desk@example.com' },
};
const LANGUAGES = ['en', 'fr'];

/** A person with this language, and what their browser complains of (except of the statuses of pages, which are errors on purpose). */
async function personWith(browser, locale) {
  const context = await browser.newContext({ locale });
  await withAxe(context);
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => message.type() === 'error' && !/status of \d+/.test(message.text()) && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  return { page, complaints, close: () => context.close() };
}

describe('the page of every reason', () => {
  let browser, server, port, pages;

  before(async () => {
    server = http.createServer((request, response) => {
      const page = pages[Number(request.url.slice(1))];
      if (!page) return response.writeHead(404).end();
      response.writeHead(page.status, page.headers.flat()).end(page.body);
    });
    port = await listen(server);
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    if (server) await closeServer(server);
  });

  for (const [what, site] of [
    ['as it is', { diagnose: true }],
    ['with a name, a logo and a colour of the site', { site: SITE }],
  ])
    for (const language of LANGUAGES)
      it(`${what}, in ${language}`, async () => {
        const fields = { ...configurationOf(pluginOf(shipped().static_resources.listeners[0])), ...site };
        pages = renderedPages(fields, { language, environment: { OIDC_CLIENT_SECRET: 'secret', ACCREDIT_KEY: newKey() } });
        // Some reasons have one page, but for their ids at its bottom.
        const distinct = new Map(pages.map((page, index) => [page.body.replaceAll(page.reason, ''), index]));
        assert.ok(pages.length > 80 && distinct.size > 60, `${pages.length} pages, ${distinct.size} distinct`);
        const person = await personWith(browser, language);
        for (const index of distinct.values()) {
          const { reason, status } = pages[index];
          const answer = await person.page.goto(`http://127.0.0.1:${port}/${index}`);
          assert.equal(answer.status(), status, reason);
          assert.equal(await person.page.getAttribute('html', 'lang'), language, reason);
          assert.deepEqual([reason, await faultsOf(person.page), person.complaints], [reason, [], []]);
        }
        await person.close();
      });
});

describe('pages through Envoy', () => {
  let gateway, provider, application, browser;

  before(async () => {
    const chosen = await freePort();
    provider = await startDemoProvider(`http://localhost:${chosen}`);
    application = await startDemoApplication();
    const plugin = (configuration) => {
      configuration.endpoints = { ...configuration.endpoints, popup: '/api/popup' };
      Object.assign(configuration, { site: SITE, texts: { fr: { sign_out_heading: 'Voulez-vous partir ?' } } });
    };
    gateway = await startGateway({ port: chosen, provider, application, plugin });
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    await gateway?.stop();
    await provider?.stop();
    await application?.stop();
    if (gateway) assertNoPanic(gateway);
  });

  const at = (path) => `${gateway.origin}${path}`;

  async function signIn(page, login) {
    await page.getByLabel('Name').fill(login);
    await page.getByLabel('Password').fill(`${login}-password`);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  }

  /** [what is opened, its address, status, headings by language] */
  const OPENED = [
    ['a typed address of the logout endpoint', () => at('/api/logout'), 403, { en: 'Sign out?', fr: 'Voulez-vous partir ?' }],
    ['another host', () => `http://127.0.0.1:${gateway.port}/`, 421, { en: 'Not this site', fr: 'Ce n’est pas le bon site' }],
    ['an ambiguous path', () => at('/a;b'), 400, { en: 'This address is not clear', fr: 'Cette adresse n’est pas claire' }],
    [
      'a callback without its cookie',
      () => at('/api/callback?code=x&state=AAAA.BBBB'),
      400,
      { en: 'This sign-in cannot be finished', fr: 'Cette connexion ne peut pas aboutir' },
    ],
  ];
  for (const language of LANGUAGES) {
    for (const [what, address, status, headings] of OPENED)
      it(`${what} gets a page in ${language} without a fault`, async () => {
        const person = await personWith(browser, language);
        const answer = await person.page.goto(address());
        assert.deepEqual(
          [answer.status(), await answer.headerValue('content-language'), await answer.headerValue('vary')],
          [status, language, 'accept-language'],
        );
        assert.equal(await person.page.locator('h1').innerText(), headings[language]);
        const logo = await person.page.getByRole('img', { name: SITE.name }).evaluate((image) => image.complete && image.naturalWidth);
        assert.equal(logo > 0, true, 'the logo is not shown');
        assert.deepEqual([await faultsOf(person.page), person.complaints], [[], []]);
        await person.close();
      });

    it(`somebody who may not open a page gets one in ${language} without a fault, and can sign out there`, async () => {
      const person = await personWith(browser, language);
      await person.page.goto(at('/members'));
      await signIn(person.page, 'bob');
      await person.page.locator('footer').waitFor();
      assert.equal(await person.page.locator('h1').innerText(), { en: 'Access denied', fr: 'Accès refusé' }[language]);
      assert.deepEqual([await faultsOf(person.page), person.complaints], [[], []]);
      const signOut = { en: 'Sign out', fr: 'Se déconnecter' }[language];
      await person.page.getByRole('button', { name: signOut }).click();
      await person.page.waitForURL(at('/'));
      await person.close();
    });

    it(`the end of a sign-in in a popup is a page in ${language} without a fault`, async () => {
      const person = await personWith(browser, language);
      await person.page.goto(at('/'));
      const url = await person.page.evaluate(() => fetch('/api/popup').then((answer) => answer.json()));
      await person.page.goto(Object.values(url)[0]);
      await signIn(person.page, 'alice');
      await person.page.locator('footer').waitFor();
      assert.equal(await person.page.locator('h1').innerText(), { en: 'You are signed in', fr: 'Connexion réussie' }[language]);
      assert.deepEqual([await faultsOf(person.page), person.complaints], [[], []]);
      await person.close();
    });
  }
});
