// What MCP clients that we did not write do when a tool needs more scopes than they have: some ask the person again, some ask for all of them at
// once, and the others end the call with an error.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ClientError } from './lib/mcp/client.mjs';
import { SCOPES } from './lib/mcp/provider.mjs';
import { onMcpStage } from './lib/mcp/stage.mjs';

const [READ, WRITE, DELETE] = SCOPES;
const TOOLS = { write_note: [WRITE], delete_note: [DELETE] };
const plain = (scope) =>
  scope
    .split(' ')
    .filter((one) => one !== 'offline_access')
    .sort();

/**
 * Clients that say what they call, and have the person sign in again for a tool that needs more; those that do not say it, some of which ask for everything; and
 * those that end with an error.
 */
const IN_STEPS = ['TypeScript SDK 2, auto', 'Python SDK 2', 'FastMCP', 'rmcp, auto'];
const AT_ONCE = ['TypeScript SDK 2', 'rmcp'];
const OLDER = ['TypeScript SDK 1', 'Python SDK 1', 'mcp-remote'];
const NOT = { 'AI SDK': /403/, 'Inspector, modern': /auth\(\) returned AUTHORIZED without authorization code/ };

describe('a tool that needs more scopes than the server', () => {
  const stage = onMcpStage({ scopes: [READ], tools: TOOLS });

  for (const name of IN_STEPS)
    it(`has ${name} ask for them when it calls the tool, and keep those it had`, async () => {
      const { client, person } = await stage.start(name);
      await client.connect();
      assert.equal(await client.call('read_note', { name: 'welcome' }), 'Welcome to the notes.');
      assert.equal(await client.call('write_note', { name: 'a', text: 'b' }), 'Wrote a.');
      assert.equal(await client.call('delete_note', { name: 'a' }), 'Deleted a.');
      assert.equal(await client.call('read_note', { name: 'welcome' }), 'Welcome to the notes.');
      assert.deepEqual(
        person.asked.map(({ scope }) => plain(scope)),
        [[READ], [READ, WRITE], [DELETE, READ, WRITE]].map((scopes) => scopes.sort()),
      );
      assert.deepEqual(
        ['write_note', 'delete_note'].map((tool) => stage.server.calls(tool).length),
        [1, 1],
      );
    });

  for (const name of AT_ONCE)
    it(`has ${name}, which does not say what it calls, ask for all of them when it connects`, async () => {
      const { client, person } = await stage.start(name);
      await client.connect();
      assert.equal(await client.call('delete_note', { name: 'nothing' }), 'There is no note nothing.');
      assert.deepEqual(
        person.asked.map(({ scope }) => plain(scope)),
        [[READ], [...SCOPES].sort()],
      );
    });

  for (const name of OLDER)
    it(`keeps out ${name}, which neither says what it calls nor asks for more, until \`scopes\` names all of them`, async () => {
      const { client } = await stage.start(name);
      await assert.rejects(client.connect(), ClientError);
      assert.deepEqual(stage.server.requests, []);
    });

  for (const [name, says] of Object.entries(NOT))
    it(`ends the call with an error in ${name}, and does not arrive`, async () => {
      const { client, person } = await stage.start(name);
      await client.connect();
      assert.equal(await client.call('read_note', { name: 'welcome' }), 'Welcome to the notes.');
      await assert.rejects(client.call('delete_note', { name: 'welcome' }), { constructor: ClientError, message: says });
      assert.deepEqual([person.asked.length, stage.server.calls('delete_note')], [1, []]);
    });

  for (const name of IN_STEPS)
    it(`is not called by ${name} for a person who may not have the scope, and its other tools are`, async () => {
      const { client } = await stage.start(name, { login: 'bob' });
      await client.connect();
      assert.equal(await client.call('write_note', { name: 'a', text: 'b' }), 'Wrote a.');
      await assert.rejects(client.call('delete_note', { name: 'a' }), ClientError);
      assert.ok(client.signIns <= 5, `${client.signIns} sign-ins`);
      assert.deepEqual(stage.server.calls('delete_note'), []);
      assert.equal(await client.call('read_note', { name: 'welcome' }), 'Welcome to the notes.');
    });
});
