// Tokens of a real provider (npm's oidc-provider) that are no security events, where the provider is a transmitter, too: same issuer, keys and audience. So the
// signature is good, and only what kind of token it is can keep an ID token or a logout token from ending sessions.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { withBodies } from './lib/bodies.mjs';
import { Visitor } from './lib/client.mjs';
import { signInAs, startDemoProvider } from './lib/demo.mjs';
import { startGateway } from './lib/gateway.mjs';
import { eventually, freePort, sleep } from './lib/process.mjs';
import { assertNotTold, keepingParts } from './lib/stage.mjs';
import { Application } from './lib/upstream.mjs';

const PATHS = { events: '/api/security_events', logout: '/api/backchannel_logout' };

for (const typ of ['required', 'optional']) {
  describe(`a provider that is a transmitter, with typ: ${typ}`, () => {
    const { keep, stopAll } = keepingParts();
    /** The logout tokens that the provider sent, which do not arrive. */
    const kept = [];
    let provider, application, gateway;
    before(async () => {
      const port = await freePort();
      const origin = `http://localhost:${port}`;
      const client = {
        client_id: 'accredit-demo',
        client_secret: 'demo-secret',
        redirect_uris: [`${origin}/api/callback`],
        backchannel_logout_uri: `${origin}${PATHS.logout}`,
        backchannel_logout_session_required: true,
      };
      const configuration = {
        features: { backchannelLogout: { enabled: true } },
        fetch: (url, { dispatcher: _, ...options }) => {
          if (!String(url).endsWith(PATHS.logout)) return fetch(url, options);
          kept.push(new URLSearchParams(options.body.toString()).get('logout_token'));
          return new Response(null, { status: 200 });
        },
      };
      provider = keep(await startDemoProvider(origin, { clients: [client], configuration }));
      application = keep(await Application.start());
      gateway = keep(
        await startGateway({
          port,
          provider,
          application,
          plugin: (settings) => {
            const [{ name, clusters }] = settings.providers;
            settings.endpoints.security_events = PATHS.events;
            settings.transmitters = [{ issuer: provider.issuer, jwks_uri: `${provider.issuer}/jwks`, clusters, providers: [name], typ }];
            settings.forward = { id_token: true };
          },
          envoy: (bootstrap) => withBodies(bootstrap, PATHS.events),
        }),
      );
    });
    after(async () => {
      if (gateway) assertNotTold(gateway, kept);
      await stopAll();
    });

    const post = (path, type, body) => new Visitor(gateway).send(path, { method: 'POST', headers: { 'content-type': type }, body });
    const asks = async (visitor) => (await visitor.call('/analytics')).status;

    /** Checks that a token, although its signature, issuer and audience are those of an event, is refused as one, and ends nothing. */
    async function assertNoEvent(token, visitor, why) {
      const { iss, aud } = decodeJwt(token);
      assert.deepEqual([iss, [aud].flat()], [provider.issuer, ['accredit-demo']]);
      const answer = await post(PATHS.events, 'application/secevent+jwt', token);
      const { err, description, ...more } = answer.json();
      assert.deepEqual([answer.status, err, more], [400, 'invalid_request', {}], answer.body);
      assert.ok(!description.includes('typ') && !description.includes('exp'), 'nobody is told what would be accepted');
      await eventually('the log says why', () => why.test(gateway.log()));
      await sleep(300);
      assert.equal(await asks(visitor), 200);
      assert.deepEqual(
        gateway.auditLog().filter(({ event }) => event === 'security_event'),
        [],
      );
    }

    it('its real ID token is no event: 400 as RFC 8935 says, and nobody is signed out', async () => {
      const alice = await signInAs(gateway, 'alice');
      application.forget();
      assert.equal(await asks(alice), 200);
      const { 'x-forwarded-id-token': token } = application.requests.at(-1).headers;
      assert.equal(decodeJwt(token).sub, 'alice');
      await assertNoEvent(token, alice, typ === 'required' ? /expected typ secevent\+jwt, found / : /security_event_invalid/);
    });

    it('its real logout token is no event, and is good where logout tokens are taken', async () => {
      const bob = await signInAs(gateway, 'bob');
      const form = await bob.follow(await bob.open(`${provider.issuer}/session/end`));
      assert.ok((await bob.submit(form, { logout: 'yes' })).status < 400);
      await eventually('the provider has sent the token', () => kept.length > 0);
      const [token] = kept;
      assert.deepEqual([decodeJwt(token).sub, decodeProtectedHeader(token).typ], ['bob', 'logout+jwt']);
      await assertNoEvent(token, bob, /expected typ secevent\+jwt, found \\?"logout\+jwt/);
      const body = new URLSearchParams({ logout_token: token }).toString();
      assert.equal((await post(PATHS.logout, 'application/x-www-form-urlencoded', body)).status, 200);
      await eventually('bob is signed out', async () => (await asks(bob)) === 401);
    });
  });
}
