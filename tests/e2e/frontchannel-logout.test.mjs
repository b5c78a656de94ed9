// Front-channel logout in a real Chromium, which blocks third-party cookies: a page of the provider's shows our address in a frame, as the conformance module
// oidcc-client-test-rp-frontchannel-rpinitlogout of the OpenID Foundation does; pages of other origins may not. The provider is npm's oidc-provider, whose
// sign-out page gets the frame here, because its present version has none itself.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, afterEach, before, describe, it } from 'node:test';
import { newPerson, startBrowser } from './lib/browser.mjs';
import { Visitor } from './lib/client.mjs';
import { signInAs, startDemoProvider } from './lib/demo.mjs';
import { startGateway } from './lib/gateway.mjs';
import { closeServer, eventually, freePort, listen } from './lib/process.mjs';
import { assertNoPanic } from './lib/stage.mjs';
import { Application } from './lib/upstream.mjs';

const PATH = '/api/frontchannel_logout';

const taking = (more) => (configuration) => {
  configuration.endpoints = { ...configuration.endpoints, frontchannel_logout: PATH };
  Object.assign(configuration.providers[0], more);
};

const frame = (address) => `<!doctype html><title>Signing out</title><iframe src="${address.replaceAll('&', '&amp;')}"></iframe>`;

/** A provider whose page for signing out shows our address in a frame, with its issuer and the name of the person's session. */
async function providerFor(origin) {
  const client = {
    client_id: 'accredit-demo',
    client_secret: 'demo-secret',
    redirect_uris: [`${origin}/api/callback`],
    post_logout_redirect_uris: [`${origin}/`],
    // So that ID tokens have `sid`. Nobody listens there.
    backchannel_logout_uri: `${origin}/api/nobody`,
    backchannel_logout_session_required: true,
  };
  const logoutSource = (ctx, form) => {
    const { session, client: signedOutOf } = ctx.oidc;
    const sid = session.sidFor(signedOutOf?.clientId ?? 'accredit-demo');
    ctx.body = `${frame(`${origin}${PATH}?${new URLSearchParams({ iss: ctx.oidc.issuer, sid })}`)}${form}<button form="op.logoutForm" name="logout" value="yes">Sign out</button>`;
  };
  const configuration = { features: { backchannelLogout: { enabled: true }, rpInitiatedLogout: { enabled: true, logoutSource } } };
  return startDemoProvider(origin, { clients: [client], configuration });
}

/** A page of another origin that shows this address in a frame. */
async function startPage(address) {
  const server = http.createServer((_, response) => response.setHeader('content-type', 'text/html').end(frame(address())));
  const port = await listen(server);
  return { origin: `http://127.0.0.1:${port}`, stop: () => closeServer(server) };
}

describe('front-channel logout in a browser', () => {
  const stage = {};
  let person;
  before(async () => {
    const port = await freePort();
    stage.provider = await providerFor(`http://localhost:${port}`);
    stage.application = await Application.start();
    stage.gateway = await startGateway({ port, provider: stage.provider, application: stage.application, plugin: taking({}), concurrency: 2 });
    stage.browser = await startBrowser();
  });
  afterEach(async () => {
    await person?.close();
    person = undefined;
  });
  after(async () => {
    await stage.browser?.close();
    await stage.gateway?.stop();
    await stage.provider?.stop();
    await stage.application?.stop();
    if (stage.gateway) assertNoPanic(stage.gateway);
  });

  const at = (path) => `${stage.gateway.origin}${path}`;
  const lines = () => stage.gateway.auditLog().filter(({ event }) => event === 'frontchannel_logout');

  async function arrive() {
    person = await newPerson(stage.browser);
    const page = await person.newPage();
    await page.goto(at('/analytics'));
    await page.getByLabel('Name').fill('alice');
    await page.getByLabel('Password').fill('alice-password');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.waitForURL(at('/analytics'));
    return page;
  }

  /** The status of a request of this browser's, by a script of our own page. */
  const status = (page) => page.evaluate(async () => (await fetch('/analytics')).status);

  it("the provider's sign-out page ends the session in a frame that brings no cookie, and nobody else's", async () => {
    const [page, bob] = [await arrive(), await signInAs(stage.gateway, 'bob')];
    assert.notEqual(new URL(stage.provider.issuer).hostname, new URL(stage.gateway.origin).hostname, 'the provider is another site');
    const second = await person.newPage();
    const framed = second.waitForResponse((response) => response.url().startsWith(at(PATH)));
    await second.goto(`${stage.provider.issuer}/session/end`);
    const answer = await framed;
    const headers = await answer.allHeaders();
    assert.deepEqual([answer.status(), headers['cache-control'], headers['x-frame-options'], headers['set-cookie']], [200, 'no-store', undefined, undefined]);
    assert.equal(headers['content-security-policy'], `default-src 'none'; frame-ancestors ${stage.provider.issuer}`);
    assert.equal((await answer.request().allHeaders()).cookie, undefined, 'the frame brings no cookie');
    await eventually('the session has ended in both workers', async () =>
      (await Promise.all([1, 2, 3, 4].map(() => status(page)))).every((one) => one === 401),
    );
    assert.equal((await bob.call('/analytics')).status, 200);
    assert.deepEqual(
      person.complaints.filter((text) => /frame|policy/i.test(text)),
      [],
    );
    const [line] = lines();
    assert.deepEqual([line.ended, typeof line.provider_session], [true, 'string']);
  });

  it('a page of another origin cannot show the answer, and what it makes up ends no session', async () => {
    const page = await arrive();
    const stranger = await startPage(() => `${at(PATH)}?sid=made-up`);
    try {
      const before = lines().length;
      const second = await person.newPage();
      await second.goto(stranger.origin);
      await eventually('the browser has refused the frame', () => person.complaints.some((text) => /frame-ancestors/i.test(text)));
      await eventually('it was opened all the same', () => lines().length > before);
      assert.equal(await status(page), 200);
    } finally {
      await stranger.stop();
    }
  });

  it('whoever opens it in a tab, with all cookies, stays signed in', async () => {
    const page = await arrive();
    const second = await person.newPage();
    const answer = await second.goto(`${at(PATH)}?sid=made-up`);
    assert.deepEqual([answer.status(), (await answer.allHeaders())['set-cookie']], [200, undefined]);
    assert.equal(await status(page), 200);
  });

  it('what names no session of this provider is 400, another method is 405', async () => {
    const visitor = new Visitor(stage.gateway);
    for (const query of ['', '?sid=', '?sid=a&sid=b', '?sid=a&iss=https://evil.example', '?sid=%FF', `?sid=${'x'.repeat(2049)}`]) {
      const answer = await visitor.call(`${PATH}${query}`);
      assert.deepEqual([answer.status, answer.headers['x-accredit-reason']], [400, 'query_malformed'], query);
    }
    assert.equal((await visitor.call(`${PATH}?sid=a`, { method: 'POST', headers: { origin: stage.gateway.origin } })).status, 405);
  });

  it('of a flood of made-up sids from one address 60 count at once, and all answers are the same', async () => {
    const visitor = new Visitor(stage.gateway);
    const names = ['accredit_frontchannel_logout', 'accredit_frontchannel_logout_over_rate'];
    const counters = () => Promise.all(names.map((name) => stage.gateway.counter(name)));
    const [bob, before] = [await signInAs(stage.gateway, 'bob'), await counters()];
    const [answers, inFrame] = [[], { headers: { 'sec-fetch-dest': 'iframe' } }];
    for (let round = 0; round < 20; round++) {
      answers.push(...(await Promise.all(Array.from({ length: 100 }, (_, number) => visitor.call(`${PATH}?sid=made-up-${round}-${number}`, inFrame)))));
    }
    const told = new Set(
      answers.map(({ status: code, body, headers: { date: _, ...headers } }) =>
        JSON.stringify([code, body, headers['content-security-policy'], headers['cache-control'], headers['x-accredit-reason'] ?? null]),
      ),
    );
    assert.equal(told.size, 1, [...told].join('\n'));
    const [counted, over] = (await counters()).map((number, index) => number - before[index]);
    assert.equal(counted + over, answers.length);
    // The frames of the tests before came from the same address.
    assert.ok(counted >= 1 && counted <= 61, `${counted} count`);
    assert.equal((await bob.call('/analytics')).status, 200);
  });

  it("after that flood, a browser behind the same address is still signed out by the provider's own page, which it names as Referer", async () => {
    const visitor = new Visitor(stage.gateway);
    const over = () => stage.gateway.counter('accredit_frontchannel_logout_over_rate');
    const before = await over();
    for (let number = 0; number < 70; number++) await visitor.call(`${PATH}?sid=more-${number}`, { headers: { 'sec-fetch-dest': 'iframe' } });
    assert.ok((await over()) > before, 'this address has used up what any page may do');
    const page = await arrive();
    const second = await person.newPage();
    const framed = second.waitForRequest((request) => request.url().startsWith(at(PATH)));
    await second.goto(`${stage.provider.issuer}/session/end`);
    assert.equal((await (await framed).allHeaders()).referer, `${stage.provider.issuer}/`);
    await eventually('the session has ended', async () => (await status(page)) === 401);
  });
});

describe('front-channel logout for a page whose origin is written', () => {
  const stage = {};
  before(async () => {
    const port = await freePort();
    stage.page = await startPage(() => `${stage.gateway.origin}${PATH}?sid=x`);
    stage.provider = await providerFor(`http://localhost:${port}`);
    stage.application = await Application.start();
    const plugin = taking({ frame_ancestors: [stage.page.origin] });
    stage.gateway = await startGateway({ port, provider: stage.provider, application: stage.application, plugin });
    stage.browser = await startBrowser();
  });
  after(async () => {
    await stage.browser?.close();
    for (const part of [stage.gateway, stage.provider, stage.application, stage.page]) await part?.stop();
  });

  it('that page can show it in a frame', async () => {
    const person = await newPerson(stage.browser);
    const page = await person.newPage();
    await page.goto(stage.page.origin);
    const address = `${stage.gateway.origin}${PATH}`;
    await eventually('the frame has the answer', () => page.frames().some((frame) => frame.url().startsWith(address)));
    assert.deepEqual(person.complaints, []);
    await person.close();
  });
});
