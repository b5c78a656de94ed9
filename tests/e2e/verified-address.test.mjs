// A person who enters somebody's address in their own profile is not accepted as its owner: rules and headers use only verified addresses.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { now, sign } from './lib/misbehaving.mjs';
import { assertProblem, onStage } from './lib/stage.mjs';
import { headerValues } from './lib/upstream.mjs';

const OWNER = 'owner@example.com';
/** [`email_verified` of the provider, whether the address is used, whether it is used with `dangerously_assume_verified`] */
const VERDICTS = [
  [true, true, true],
  ['true', true, true],
  [false, false, false],
  ['false', false, false],
  ['True', false, false],
  [1, false, false],
  [undefined, false, true],
];
const RULES = [
  { match: { path: '/owner' }, require: { claim: 'email', any_of: [OWNER] } },
  { match: { path: '/others' }, require: { not: { claim: 'email', any_of: ['other@example.com'] } } },
  { match: { path: '/company' }, require: { email_domain: ['example.com'] } },
  { require: 'authenticated' },
];
const ASSUMED = { dangerously_assume_verified: ['email'] };
const SIGNED = {
  form: 'jwt',
  jwt: { keys: ['a secret that services share, and long enough'], claims: ['email', 'email_verified', 'groups', 'preferred_username'] },
};

for (const [what, session, assumed] of [
  ['sealed', {}, false],
  ['sealed, assumed to be verified', {}, true],
  ['JWTs', SIGNED, false],
  ['JWTs, assumed to be verified', SIGNED, true],
]) {
  describe(`sessions that are ${what}`, () => {
    const stage = onStage({
      plugin: (configuration) => {
        configuration.rules = RULES;
        Object.assign(configuration.session, session);
        Object.assign(configuration.providers[0], { bearer: { audiences: ['api'], introspection: { when: 'opaque' } } }, assumed ? ASSUMED : {});
      },
    });

    for (const [said, counts, countsIfAssumed] of VERDICTS) {
      const good = assumed ? countsIfAssumed : counts;
      it(`an address with email_verified ${JSON.stringify(said)} ${good ? "gives access to its owner's pages" : 'gives no access'}`, async () => {
        stage.provider.user = { sub: 'mallory', email: OWNER, ...(said !== undefined && { email_verified: said }) };
        const visitor = await stage.signedIn();
        const claims = { iss: stage.provider.issuer, aud: 'api', iat: now(), exp: now() + 60, ...stage.provider.user };
        const token = await sign(claims, { alg: 'RS256', kid: 'rs-1', typ: 'JWT' }, stage.provider.standardKey);
        const opaque = `opaque-${JSON.stringify(said)}`.replaceAll('"', '~');
        stage.provider.opaqueTokens.set(opaque, { active: true, token_type: 'Bearer', ...claims });
        const asked = {
          session: (path) => visitor.call(path),
          'bearer token': (path) => stage.visitor().send(path, { headers: { authorization: `Bearer ${token}` } }),
          'introspected token': (path) => stage.visitor().send(path, { headers: { authorization: `Bearer ${opaque}` } }),
        };
        for (const [by, ask] of Object.entries(asked)) {
          for (const path of ['/owner', '/others', '/company']) {
            const answer = await ask(path);
            if (good) assert.equal(answer.status, 200, `${by} ${path} ${answer.reason}`);
            else assertProblem(answer, 403, 'condition_failed');
          }
          stage.application.forget();
          assert.equal((await ask('/page')).status, 200, by);
          assert.deepEqual(headerValues(await stage.application.only('/page'), 'x-forwarded-email'), good ? [OWNER] : [], by);
        }
      });
    }
  });
}
