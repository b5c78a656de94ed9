// What MCP clients that we did not write do with their tokens: they refresh them, have people sign in again, and end with an error
// where the gateway refuses them for good.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ClientError } from './lib/mcp/client.mjs';
import { CLIENTS } from './lib/mcp/clients.mjs';
import { SCOPES } from './lib/mcp/provider.mjs';
import { onMcpStage } from './lib/mcp/stage.mjs';
import { sleep } from './lib/process.mjs';

const NAMES = Object.keys(CLIENTS);

/** How long access tokens live, in seconds, where they shall end. */
const LIFETIME = 5;

describe('the tokens of MCP clients', () => {
  const stage = onMcpStage({ scopes: SCOPES });

  const read = ({ client }) => client.call('read_note', { name: 'welcome' });
  const notes = NAMES.map(() => 'Welcome to the notes.');

  /** All clients at the same time, each with a person of its own, signed in with tokens that end soon: [{name, client, person}]. */
  async function everybody() {
    stage.provider.lifetime = LIFETIME;
    const all = await Promise.all(NAMES.map(async (name) => ({ name, ...(await stage.start(name)) })));
    assert.deepEqual(await Promise.all(all.map(async (one) => (await one.client.connect(), read(one)))), notes);
    return all;
  }

  it('are refreshed when they end, without the person, by every client', async () => {
    const all = await everybody();
    await sleep((LIFETIME + 1) * 1_000);
    assert.deepEqual(await Promise.all(all.map(read)), notes);
    for (const { name, person } of all) {
      const [{ client_id: ours }] = person.asked;
      const refreshed = stage.provider.grants.some(({ client_id, grant_type }) => client_id === ours && grant_type === 'refresh_token');
      assert.deepEqual([person.asked.length, refreshed], [1, true], name);
    }
  });

  it('end with the sign-out at the provider: then every client asks the person again, if it has not asked for offline access', async () => {
    const all = await everybody();
    await Promise.all(all.map(({ person }) => person.signOut()));
    await sleep((LIFETIME + 1) * 1_000);
    assert.deepEqual(await Promise.all(all.map(read)), notes);
    for (const { name, person } of all) {
      // Without the person's consent, the scope is ignored (OpenID Connect Core, section 11).
      const [{ scope, prompt }] = person.asked;
      const isOffline = scope.includes('offline_access') && prompt === 'consent';
      assert.equal(person.asked.length, isOffline ? 1 : 2, name);
    }
    assert.ok(all.some(({ person }) => person.asked.length === 2));
  });

  for (const name of NAMES)
    it(`that are for another audience end ${name} with an error, and nothing arrives`, async () => {
      stage.provider.audienceOf = (resource) => `${resource}/other`;
      const { client } = await stage.start(name);
      await assert.rejects(async () => (await client.connect(), await client.list()), ClientError);
      assert.ok(client.signIns <= 3, `${client.signIns} sign-ins`);
      assert.deepEqual(stage.server.requests, []);
    });

  for (const name of NAMES)
    it(`that lack a scope, because the person may not have it, end ${name} with an error, and nothing arrives`, async () => {
      const { client } = await stage.start(name, { login: 'bob' });
      await assert.rejects(async () => (await client.connect(), await client.list()), ClientError);
      assert.ok(client.signIns <= 3, `${client.signIns} sign-ins`);
      assert.deepEqual(stage.server.requests, []);
    });
});
