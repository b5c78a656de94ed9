// An MCP client that is a page of a browser, on another site than the MCP server: the TypeScript SDK in a real Chromium, with Envoy's filter for CORS before
// Accredit. And what pages can do that are not listed: read the metadata, and nothing else.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { USERS } from '../../deploy/demo/provider.mjs';
import { newPerson, startBrowser } from './lib/browser.mjs';
import { Visitor } from './lib/client.mjs';
import { Driver, commandOf } from './lib/driver.mjs';
import { DESCRIBED, SCOPES } from './lib/mcp/provider.mjs';
import { challengeOf } from './lib/mcp/agent.mjs';
import { onMcpStage } from './lib/mcp/stage.mjs';
import { freePort } from './lib/process.mjs';

const NEWEST = '2026-07-28';

/** Starts a server of the page: {origin, stop}. */
async function startPages(port) {
  const driver = new Driver(commandOf('mcp/page/server.mjs'), { port });
  await driver.ready('the server of the page');
  return { origin: `http://127.0.0.1:${port}`, stop: () => driver.stop() };
}

const [listedPort, otherPort] = [await freePort(), await freePort()];

describe('an MCP client in a browser', () => {
  const stage = onMcpStage({ scopes: SCOPES, describes: true, pages: [`http://127.0.0.1:${listedPort}`] });
  const open = async (origin, query = '') => {
    const page = await person.newPage();
    await page.goto(`${origin}/${query}`);
    return page;
  };
  let browser, person, listed, other;

  before(async () => {
    browser = await startBrowser();
    [listed, other] = [await startPages(listedPort), await startPages(otherPort)];
  });
  beforeEach(async () => {
    await person?.close();
    person = await newPerson(browser);
  });
  after(async () => {
    await browser?.close();
    for (const server of [listed, other]) await server?.stop();
  });

  /** What `fetch` gives a page: the answer's status, the fields that the page may read, and the body; or that it gives none. */
  const fetchFrom = (page, url, options = {}) =>
    page.evaluate(
      async ([url, options]) => {
        try {
          const answer = await fetch(url, options);
          return { status: answer.status, type: answer.type, fields: Object.fromEntries(answer.headers), body: await answer.text() };
        } catch (error) {
          return error.name;
        }
      },
      [url, options],
    );
  const post = (more = {}) => ({
    method: 'POST',
    body: '{}',
    ...more,
    headers: { 'content-type': 'application/json', 'mcp-protocol-version': NEWEST, ...more.headers },
  });
  const metadataOf = ({ origin }) => `${origin}/.well-known/oauth-protected-resource/mcp`;

  it('finds the provider, has its person sign in, and calls a tool, from a page of a listed origin', async () => {
    const page = await open(listed.origin, `?${new URLSearchParams({ url: stage.gateway.resource, described: DESCRIBED })}`);
    await page.getByLabel('Name').fill('alice');
    await page.getByLabel('Password').fill(USERS.alice.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('button', { name: 'Yes' }).click();
    await page.waitForURL(`${listed.origin}/callback?*`);
    await page.locator('output:not(:empty)').waitFor();
    assert.equal(await page.locator('output').textContent(), 'Welcome to the notes.', person.complaints.join('\n'));
    const [{ request }] = stage.server.calls('read_note');
    const { origin, authorization, cookie, 'x-forwarded-user': user } = request.headers;
    assert.deepEqual([origin, authorization, cookie, user], [listed.origin, undefined, undefined, 'alice']);
    assert.deepEqual(stage.provider.registrations, []);
    // The first refusal, which told the page where to go, is all that the browser complains about.
    const others = person.complaints.filter((text) => !/status of (401|404|405)/.test(text));
    assert.deepEqual(others, []);
  });

  it('reads the metadata from a page of any origin, also with the version of the protocol, and never with a cookie', async () => {
    for (const { origin } of [listed, other]) {
      const page = await open(origin);
      for (const headers of [{}, { 'mcp-protocol-version': NEWEST }]) {
        const { status, body } = await fetchFrom(page, metadataOf(stage.gateway), { headers });
        assert.deepEqual([status, JSON.parse(body).resource], [200, stage.gateway.resource]);
      }
      assert.equal((await fetchFrom(page, `${metadataOf(stage.gateway)}/other`)).status, 404);
      assert.equal(await fetchFrom(page, metadataOf(stage.gateway), { credentials: 'include' }), 'TypeError');
    }
  });

  it('reads from a page of a listed origin why it is refused, and what to ask for', async () => {
    const page = await open(listed.origin);
    const { status, fields, body } = await fetchFrom(page, stage.gateway.resource, post());
    assert.deepEqual([status, JSON.parse(body).reason], [401, 'token_missing']);
    assert.deepEqual(challengeOf(fields['www-authenticate']), { resource_metadata: metadataOf(stage.gateway), scope: SCOPES.join(' ') });
    const bad = await fetchFrom(page, stage.gateway.resource, post({ headers: { authorization: 'Bearer x' } }));
    assert.deepEqual([bad.status, challengeOf(bad.fields['www-authenticate']).error], [401, 'invalid_token']);
    assert.equal(await fetchFrom(page, stage.gateway.resource, post({ credentials: 'include' })), 'TypeError', 'no page gets cookies sent');
    assert.deepEqual(stage.server.requests, []);
  });

  it('gets nothing from a page of another origin: neither an answer, nor a request to the server', async () => {
    const page = await open(other.origin);
    for (const options of [post(), post({ headers: { authorization: 'Bearer x' } }), {}, { method: 'POST', body: 'text' }, { method: 'DELETE' }])
      assert.equal(await fetchFrom(page, stage.gateway.resource, options), 'TypeError', JSON.stringify(options));
    // Sent without a question before, and refused all the same.
    const opaque = await fetchFrom(page, stage.gateway.resource, { method: 'POST', mode: 'no-cors', body: '{}' });
    assert.deepEqual([opaque.type, opaque.status, opaque.body], ['opaque', 0, '']);
    assert.deepEqual(stage.server.requests, []);
  });

  it('is allowed to send its token from a listed origin alone, and no other origin that resembles it', async () => {
    const visitor = new Visitor(stage.gateway);
    const ask = (origin) => {
      const asks = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type,mcp-protocol-version' };
      return visitor.send('/mcp', { method: 'OPTIONS', headers: { origin, ...asks } });
    };
    const allowed = await ask(listed.origin);
    assert.deepEqual([allowed.status, allowed.headers['access-control-allow-origin']], [200, listed.origin]);
    for (const name of ['authorization', 'mcp-protocol-version', 'mcp-method', 'mcp-name'])
      assert.ok(allowed.headers['access-control-allow-headers'].split(', ').includes(name), name);
    assert.equal(allowed.headers['access-control-allow-credentials'], undefined);
    const resembling = [
      other.origin,
      `${listed.origin}0`,
      listed.origin.replace('http:', 'https:'),
      `${listed.origin}.example.com`,
      listed.origin.slice(0, -1),
    ];
    for (const origin of [...resembling, 'null', '*', `${listed.origin} ${other.origin}`]) {
      const refused = await ask(origin);
      assert.deepEqual([refused.status, refused.reason, refused.headers['access-control-allow-origin']], [403, 'origin_refused', undefined], origin);
    }
    assert.deepEqual(stage.server.requests, []);
  });
});
