// Roles and groups in a real Envoy, as providers send them: as the keys of an object (Zitadel), as one text with separators (LemonLDAP::NG), and as a list of five
// hundred, of which a session keeps what rules name.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { onStage, sessionCookies } from './lib/stage.mjs';
import { headerValues } from './lib/upstream.mjs';

const ROLES = 'urn:zitadel:iam:org:project:roles';
const rule = ([path, require]) => ({ match: { path }, require });
const claims = (stage, changed) => {
  stage.provider.lies.claims = (truth) => ({ ...truth, groups: undefined, ...changed });
};

/** The status of each of these pages for a person with these claims, and what of one header arrived with a page that everybody may see. */
async function pages(stage, changed, paths, header) {
  claims(stage, changed);
  const visitor = await stage.signedIn();
  const statuses = [];
  for (const path of paths) statuses.push((await visitor.open(path)).status);
  stage.application.forget();
  await visitor.open('/analytics');
  return [statuses, headerValues(stage.application.requests[0], header)];
}

describe('a role', () => {
  const rules = {
    '/admin': { claim: ROLES, has_key: ['admin'] },
    '/ours': { claim: ROLES, has_key: ['admin'], within: ['2871'] },
    '/others': { not: { claim: ROLES, has_key: ['admin'], within: ['2871'] } },
    '/ops': { claim: 'groups', any_of: ['ops'], split: '; ' },
    '/not-ops': { not: { claim: 'groups', any_of: ['ops'], split: '; ' } },
  };
  const stage = onStage({
    plugin: (configuration) => {
      configuration.rules = Object.entries(rules).map(rule);
      configuration.claim_to_headers = [{ claim_name: 'groups', header_name: 'x-forwarded-groups', split: '; ' }];
    },
  });

  for (const [what, changed, statuses, groups] of [
    ['of this organisation', { [ROLES]: { admin: { 2871: 'acme.example' } } }, [200, 200, 403, 403, 403], []],
    ['of another organisation', { [ROLES]: { admin: { 9302: 'evil.example' }, user: { 2871: 'acme.example' } } }, [200, 403, 200, 403, 403], []],
    ['that is empty', { [ROLES]: { admin: {} } }, [403, 403, 200, 403, 403], []],
    ['in a list, not an object', { [ROLES]: ['admin'] }, [403, 403, 403, 403, 403], []],
    ['as one of the groups in a text', { groups: 'users; ops' }, [403, 403, 403, 200, 403], ['users,ops']],
    ['as a part of a group in a text', { groups: 'users; devops' }, [403, 403, 403, 403, 200], ['users,devops']],
    ['in a text within a list', { groups: ['users; ops'] }, [403, 403, 403, 403, 200], ['users; ops']],
  ])
    it(`${what} opens its pages, and no others`, async () => {
      assert.deepEqual(await pages(stage, changed, Object.keys(rules), 'x-forwarded-groups'), [statuses, groups]);
    });
});

describe('five hundred groups', () => {
  const rules = {
    '/staff': { claim: 'groups', any_of: ['staff'] },
    '/admins': { claim: 'groups', any_of: ['admins'] },
    '/not-admins': { not: { claim: 'groups', any_of: ['admins'] } },
    '/not-staff': { not: { claim: 'groups', any_of: ['staff'] } },
  };
  const stage = onStage({
    plugin: (configuration) => {
      configuration.rules = Object.entries(rules).map(rule);
      configuration.session.groups = 'matching';
    },
  });
  const many = Array.from({ length: 499 }, (_, number) => `a-group-with-a-long-name-${number}`);

  it('fit into one cookie, decide as they would together, and arrive as those that rules name', async () => {
    const found = await pages(stage, { groups: [...many, 'staff'] }, Object.keys(rules), 'x-forwarded-groups');
    assert.deepEqual(found, [[200, 403, 200, 403], ['staff']]);
    const landing = await stage.visitor().signIn('/analytics');
    const back = landing.trail.find(({ cookies }) => sessionCookies({ cookies }).length > 0);
    assert.deepEqual(
      sessionCookies(back).map(({ name }) => name),
      ['__Host-accredit'],
    );
  });

  it('of which rules name none are an empty list, which not finds and no header has', async () => {
    assert.deepEqual(await pages(stage, { groups: many }, Object.keys(rules), 'x-forwarded-groups'), [[403, 403, 200, 200], []]);
  });
});
