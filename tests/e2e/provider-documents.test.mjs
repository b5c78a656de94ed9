// Discovery documents that lack endpoints, or name some that must not be used: they stop only what needs them, and endpoints that are written beside the issuer
// are used instead. Unit tests show what each document means; here it is shown in a real Envoy, with a provider that counts who was asked.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertProblem, assertRefused, onStage } from './lib/stage.mjs';

const accept = (configuration) => {
  configuration.providers[0].bearer = { audiences: ['orders'], introspection: {} };
  configuration.sign_in = { wait: '1s' };
};
const document = (changes) => (provider) => (provider.lies.discovery = (truth) => ({ ...truth, ...changes }));
const opaque = (provider) => void provider.opaqueTokens.set('good', { sub: 'robot', aud: 'orders' });
const bearer = { headers: { authorization: 'Bearer good' } };

describe('a discovery document without introspection_endpoint, as of django-oauth-toolkit', () => {
  const withoutIt = (provider) => [document({ introspection_endpoint: undefined }), opaque].forEach((prepare) => prepare(provider));

  describe('that the configuration does not write either', () => {
    const stage = onStage({ plugin: accept, prepare: withoutIt });

    it('stops opaque tokens with 503 introspection_unavailable, and not people, and the log says what to write', async () => {
      assertProblem(await stage.visitor().call('/analytics', bearer), 503, 'introspection_unavailable');
      assert.equal(stage.provider.count('introspection'), 0);
      assert.equal((await stage.visitor().signIn('/analytics')).status, 200);
      assert.match(stage.gateway.log(), /write metadata: \{introspection_endpoint: URL\} beside issuer","event":"endpoint_unusable"/);
    });
  });

  describe('that the configuration writes beside issuer', () => {
    const plugin = (configuration) => {
      accept(configuration);
      const [provider] = configuration.providers;
      provider.metadata = { introspection_endpoint: `${provider.issuer}/introspect` };
    };
    const stage = onStage({ plugin, prepare: withoutIt });

    it('is no obstacle for opaque tokens', async () => {
      assert.equal((await stage.visitor().call('/analytics', bearer)).status, 200);
      assert.equal(stage.provider.count('introspection'), 1);
      assert.equal((await stage.visitor().signIn('/analytics')).status, 200);
      assert.doesNotMatch(stage.gateway.log(), /endpoint_unusable/);
    });
  });
});

describe('a discovery document with endpoints that nobody needs', () => {
  const odd = { userinfo_endpoint: 'http://elsewhere.example/me', introspection_endpoint: '', end_session_endpoint: 7 };
  const stage = onStage({ prepare: document(odd) });

  it('signs people in, whatever these are, and each has a line', async () => {
    assert.equal((await stage.visitor().signIn('/analytics')).status, 200);
    for (const name of Object.keys(odd)) assert.match(stage.gateway.log(), new RegExp(`"detail":"${name}[^}]*"event":"endpoint_unusable"`));
  });
});

describe('a discovery document with a token endpoint on a host without cluster', () => {
  const stage = onStage({ plugin: accept, prepare: document({ token_endpoint: 'https://evil.example/token' }) });

  it('sends nobody to the provider, calls nobody, and leaves the public pages alone', async () => {
    assertRefused(await stage.visitor().open('/analytics'), 503, 'metadata_unavailable');
    assert.equal(stage.provider.count('authorize'), 0);
    assert.equal((await stage.visitor().open('/')).status, 200);
    assert.match(stage.gateway.log(), /"detail":"token_endpoint: no cluster is listed for evil\.example/);
  });
});
