// MCP clients that we did not write, from the address of an MCP server alone to the call of a tool: they find the metadata, register, have a person sign in,
// and come back with a token. In front of the servers of both generations of the TypeScript SDK, and of the Python SDK.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CLIENTS } from './lib/mcp/clients.mjs';
import { DESCRIBED, REGISTERED, SCOPES } from './lib/mcp/provider.mjs';
import { onMcpStage } from './lib/mcp/stage.mjs';

const TOOLS = ['read_note', 'write_note', 'delete_note'];
const NAMES = Object.keys(CLIENTS);
/** Those that can be told the address of their metadata. */
const DESCRIBABLE = ['TypeScript SDK 1', 'TypeScript SDK 2', 'TypeScript SDK 2, auto', 'Python SDK 2', 'rmcp', 'rmcp, auto'];

/** What a header of 2026-07-28 says: some texts are encoded. */
function decoded(value) {
  const [, encoded] = /^=\?base64\?(.*)\?=$/.exec(value) ?? [];
  return encoded === undefined ? value : Buffer.from(encoded, 'base64').toString();
}

/** Checks that only requests of this person arrived, that none has a token, and that headers say the same as the bodies where the version defines them. */
function assertOnlyOf(login, server, speaks) {
  assert.ok(server.requests.length > 0);
  for (const { headers } of server.requests) assert.deepEqual([headers['x-forwarded-user'], headers.authorization], [login, undefined]);
  const calls = TOOLS.flatMap((tool) => server.calls(tool));
  for (const { request, method, params } of calls) {
    assert.equal(request.headers['mcp-protocol-version'], speaks);
    if (speaks === '2026-07-28') assert.deepEqual([request.headers['mcp-method'], decoded(request.headers['mcp-name'])], [method, params.name]);
  }
}

for (const server of ['typescript', 'typescript with sessions', 'python'])
  describe(`an MCP server by the SDK ${server}`, () => {
    const stage = onMcpStage({ server, scopes: SCOPES });
    // This one does not fall back to what the server speaks.
    const names = server === 'typescript with sessions' ? NAMES.filter((name) => CLIENTS[name].mode !== 'modern') : NAMES;

    for (const name of names)
      it(`is found and used by ${name} from its address alone, by one sign-in`, async () => {
        const { client, person } = await stage.start(name);
        await client.connect();
        assert.deepEqual(await client.list(), TOOLS);
        assert.equal(await client.call('read_note', { name: 'welcome' }), 'Welcome to the notes.');
        assert.equal(await client.call('write_note', { name: 'größe', text: 'XL' }), 'Wrote größe.');
        assert.equal(await client.call('delete_note', { name: 'größe' }), 'Deleted größe.');

        const [asked, ...more] = person.asked;
        assert.deepEqual([asked.resource, asked.code_challenge_method, more], [stage.gateway.resource, 'S256', []]);
        assert.deepEqual(
          asked.scope.split(' ').filter((scope) => scope !== 'offline_access'),
          SCOPES,
        );
        assert.equal(stage.provider.registrations.length, 1);
        assert.ok(stage.provider.grants.every(({ resource, client_id }) => resource === stage.gateway.resource && client_id === asked.client_id));
        assertOnlyOf('alice', stage.server, server === 'typescript with sessions' ? '2025-11-25' : CLIENTS[name].speaks);
      });
  });

describe('an MCP client that is registered beforehand', () => {
  const stage = onMcpStage({ scopes: SCOPES });

  for (const name of NAMES)
    it(`needs no other registration: ${name}`, async () => {
      const { client, person } = await stage.start(name, { registered: REGISTERED });
      await client.connect();
      assert.equal(await client.call('read_note', { name: 'welcome' }), 'Welcome to the notes.');
      assert.deepEqual([person.asked.map(({ client_id }) => client_id), stage.provider.registrations], [[REGISTERED.client_id], []]);
      assertOnlyOf('alice', stage.server, CLIENTS[name].speaks);
    });
});

describe('an MCP client that is known by the address of its metadata', () => {
  const stage = onMcpStage({ scopes: SCOPES, describes: true });

  for (const name of DESCRIBABLE)
    it(`needs no registration: ${name}`, async () => {
      const { client, person } = await stage.start(name, { described: DESCRIBED });
      await client.connect();
      assert.equal(await client.call('read_note', { name: 'welcome' }), 'Welcome to the notes.');
      assert.deepEqual([person.asked.map(({ client_id }) => client_id), stage.provider.registrations], [[DESCRIBED], []]);
      assertOnlyOf('alice', stage.server, CLIENTS[name].speaks);
    });
});
