// Back-channel logout with a real provider (npm's oidc-provider, certified by the OpenID Foundation): whoever signs out there is signed out here, without the
// browser.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Visitor } from './lib/client.mjs';
import { signInAs, startDemoProvider } from './lib/demo.mjs';
import { startGateway } from './lib/gateway.mjs';
import { eventually, freePort } from './lib/process.mjs';
import { assertNoPanic } from './lib/stage.mjs';
import { Application } from './lib/upstream.mjs';

const PATH = '/api/backchannel_logout';

/** A provider with back-channel logout, for a gateway at this origin. `withSid`: its tokens name the session. */
async function providerFor(origin, withSid) {
  const client = {
    client_id: 'accredit-demo',
    client_secret: 'demo-secret',
    redirect_uris: [`${origin}/api/callback`],
    post_logout_redirect_uris: [`${origin}/`],
    backchannel_logout_uri: `${origin}${PATH}`,
    backchannel_logout_session_required: withSid,
  };
  // By itself, this provider posts to no address of its own machine.
  const configuration = { features: { backchannelLogout: { enabled: true } }, fetch: (url, { dispatcher: _, ...options }) => fetch(url, options) };
  return startDemoProvider(origin, { clients: [client], configuration });
}

for (const withSid of [true, false]) {
  describe(`oidc-provider with backchannel_logout_session_required: ${withSid}`, () => {
    const stage = {};
    before(async () => {
      const port = await freePort();
      stage.provider = await providerFor(`http://localhost:${port}`, withSid);
      stage.answers = [];
      stage.provider.provider.on('backchannel.success', () => stage.answers.push('taken'));
      stage.provider.provider.on('backchannel.error', (_, error) => stage.answers.push(error.message));
      stage.application = await Application.start();
      stage.gateway = await startGateway({ port, provider: stage.provider, application: stage.application, concurrency: 2 });
    });
    after(async () => {
      await stage.gateway?.stop();
      await stage.provider?.stop();
      await stage.application?.stop();
      if (stage.gateway) assertNoPanic(stage.gateway);
    });

    it('whoever signs out at the provider is signed out here, and nobody else is', async () => {
      const [alice, bob] = [await signInAs(stage.gateway, 'alice'), await signInAs(stage.gateway, 'bob')];
      assert.deepEqual([(await alice.call('/analytics')).status, (await bob.call('/analytics')).status], [200, 200]);
      const form = await alice.follow(await alice.open(`${stage.provider.issuer}/session/end`));
      const out = await alice.submit(form, { logout: 'yes' });
      assert.ok(out.status < 400, out.body);
      await eventually('the provider has posted the token', () => stage.answers.length > 0);
      assert.deepEqual(stage.answers, ['taken']);
      await eventually('both workers know it', async () =>
        (await Promise.all(Array.from({ length: 6 }, () => alice.call('/analytics')))).every(({ status }) => status === 401),
      );
      assert.equal((await bob.call('/analytics')).status, 200);
      const [line] = stage.gateway.auditLog().filter(({ event }) => event === 'backchannel_logout');
      assert.equal(line.provider_session === null, !withSid);
      assert.equal(line.subject, 'alice');
    });

    it('a later sign-in of the same person goes on', async () => {
      await new Promise((done) => setTimeout(done, 1100));
      const again = await signInAs(stage.gateway, 'alice');
      assert.equal((await again.call('/analytics')).status, 200);
    });

    it('what is no logout token of this provider is 400 and ends nothing', async () => {
      const bob = await signInAs(stage.gateway, 'bob');
      const answer = await new Visitor(stage.gateway).send(PATH, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: 'logout_token=x.y.z',
      });
      assert.deepEqual([answer.status, answer.json()], [400, { error: 'invalid_request', error_description: 'logout_token_invalid' }]);
      assert.equal((await bob.call('/analytics')).status, 200);
    });

    it('a body of up to 64 KiB is read, and a larger one refused', async () => {
      const post = (size) =>
        new Visitor(stage.gateway).send(PATH, {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: 'logout_token='.padEnd(size, 'x'),
        });
      const [fits, larger] = [await post(65_536), await post(65_537)];
      assert.deepEqual([fits.status, fits.json().error_description], [400, 'logout_token_invalid']);
      assert.equal(larger.status, 413);
    });
  });
}
