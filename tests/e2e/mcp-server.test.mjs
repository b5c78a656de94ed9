// envoy/mcp-server.yaml as shipped: an MCP server by the TypeScript SDK, behind Envoy's mcp filter. Only the ports and origins of the file are changed. The
// provider is certified, lets clients register themselves, and has alice, who may delete notes, and bob, who may not.

import assert from 'node:assert/strict';
import { after, before, beforeEach, it } from 'node:test';
import { Visitor } from './lib/client.mjs';
import { startAgentProvider, startDemoNotes } from './lib/demo.mjs';
import { describeWith } from './lib/differences.mjs';
import { startGateway } from './lib/gateway.mjs';
import { Agent, OLDER, challengeOf, resultOf, textOf } from './lib/mcp/agent.mjs';
import { eventually, freePort } from './lib/process.mjs';
import { assertNoPanic, assertNotTold, assertProblem } from './lib/stage.mjs';

const describe = await describeWith('mcp_compares');

const ALL = 'notes:read notes:write notes:delete';

describe('an MCP server behind the shipped file', () => {
  let provider, server, gateway, metadata;
  /** Who has signed in with all scopes, and alice with that for reading alone. */
  let alice, bob, reader;

  before(async () => {
    const port = await freePort();
    provider = await startAgentProvider(`http://localhost:${port}/mcp`);
    server = await startDemoNotes();
    gateway = await startGateway({ scenario: 'mcp-server', port, provider, application: server });
    metadata = `${gateway.origin}/.well-known/oauth-protected-resource/mcp`;
    [alice, bob] = [await new Agent(gateway).signIn('alice'), await new Agent(gateway).signIn('bob')];
    reader = await new Agent(gateway).signIn('alice', 'notes:read');
  });
  beforeEach(() => {
    server.requests.length = 0;
    server.notes.set('mine', { text: 'XL', by: 'alice' });
  });
  after(async () => {
    for (const part of [gateway, server, provider]) await part?.stop();
    if (!gateway) return;
    assertNoPanic(gateway);
    assertNotTold(
      gateway,
      [alice, bob, reader].map(({ tokens }) => tokens.access_token),
    );
  });

  const assertNothingArrived = () => assert.deepEqual(server.requests, []);

  /** All scopes are named at once, because many clients ask only once for more. */
  function assertLacksScope(answer) {
    assertProblem(answer, 403, 'scope_missing');
    const challenge = challengeOf(answer.headers['www-authenticate']);
    assert.deepEqual([challenge.error, challenge.resource_metadata], ['insufficient_scope', metadata]);
    assert.deepEqual(challenge.scope.split(' ').sort(), ALL.split(' ').sort());
    assertNothingArrived();
  }

  it('tells a stranger by 401 where the metadata are, and they name the provider and the scopes', async () => {
    const answer = await new Agent(gateway).call('read_note', { name: 'welcome' });
    assertProblem(answer, 401, 'token_missing');
    assert.equal(answer.headers['www-authenticate'], `Bearer resource_metadata="${metadata}", scope="${ALL}"`);
    const document = await new Visitor(gateway).send(metadata);
    assert.deepEqual(document.json(), {
      resource: `${gateway.origin}/mcp`,
      authorization_servers: [provider.issuer],
      scopes_supported: ALL.split(' '),
      bearer_methods_supported: ['header'],
      resource_name: 'Notes',
    });
    assertNothingArrived();
  });

  it('is found from its address alone, after the person was asked what the client may do', () => {
    for (const part of [/<b>Agent<\/b>/, /<b>alice<\/b>/, /notes:read, notes:write, notes:delete/, /http:\/\/127\.0\.0\.1:1</])
      assert.match(alice.question.body, part);
    const [, claims] = alice.tokens.access_token.split('.').map((part) => part && Buffer.from(part, 'base64url').toString());
    assert.equal(JSON.parse(claims).aud, `${gateway.origin}/mcp`);
  });

  it('lets alice list, read, write and delete', async () => {
    assert.deepEqual(
      resultOf(await alice.post('tools/list')).tools.map(({ name }) => name),
      ['read_note', 'write_note', 'delete_note'],
    );
    assert.equal(textOf(await alice.call('read_note', { name: 'welcome' })), 'Welcome to the notes. (the server)');
    assert.equal(textOf(await alice.call('write_note', { name: 'mine', text: 'XXL' })), 'Wrote mine.');
    assert.deepEqual(server.notes.get('mine'), { text: 'XXL', by: 'alice' });
    assert.equal(textOf(await alice.call('delete_note', { name: 'mine' })), 'Deleted mine.');
  });

  it('lets bob read and write, but not delete, although he has every scope', async () => {
    assert.equal(textOf(await bob.call('read_note', { name: 'mine' })), 'XL (alice)');
    assert.equal(textOf(await bob.call('write_note', { name: 'of bob', text: 'M' })), 'Wrote of bob.');
    server.requests.length = 0;
    assertProblem(await bob.call('delete_note', { name: 'mine' }), 403, 'condition_failed');
    assertNothingArrived();
    assert.ok(server.notes.has('mine'));
  });

  it('lets a client do what its scopes allow, and refuses each other tool with the same bytes each time', async () => {
    assert.equal(textOf(await reader.call('read_note', { name: 'mine' })), 'XL (alice)');
    server.requests.length = 0;
    for (const tool of ['write_note', 'delete_note']) {
      const [once, again] = [await reader.call(tool, { name: 'mine', text: '' }), await reader.call(tool, { name: 'mine', text: '' })];
      assertLacksScope(once);
      assert.equal(once.headers['www-authenticate'], again.headers['www-authenticate']);
    }
  });

  it('takes a tool that no rule names for one that deletes', async () => {
    assertLacksScope(await reader.call('purge_notes', {}));
    assertProblem(await bob.call('purge_notes', {}), 403, 'condition_failed');
    assertNothingArrived();
  });

  it('lets a client of 2025-11-25 do everything with all scopes, and nothing with fewer', async () => {
    const initialize = { protocolVersion: OLDER, capabilities: {}, clientInfo: { name: 'agent', version: '1.0.0' } };
    const older = { version: OLDER };
    assert.equal(resultOf(await alice.post('initialize', initialize, older)).serverInfo.name, 'notes');
    assert.equal(textOf(await alice.call('delete_note', { name: 'mine' }, older)), 'Deleted mine.');
    server.requests.length = 0;
    for (const answer of [await reader.post('initialize', initialize, older), await reader.call('read_note', { name: 'welcome' }, older)])
      assertLacksScope(answer);
    assertProblem(await bob.call('read_note', { name: 'welcome' }, older), 403, 'condition_failed');
    assertNothingArrived();
  });

  it('refuses a body that calls another tool than the headers, and nothing of it arrives', async () => {
    for (const agent of [reader, bob, alice]) {
      const answer = await agent.call('delete_note', { name: 'mine' }, { names: 'read_note' });
      assert.deepEqual([answer.status, answer.json().error.code], [400, -32020]);
    }
    for (const [headers, status] of [
      [{ 'mcp-method': 'tools/list', 'mcp-name': undefined }, 400],
      [{ 'mcp-name': ['read_note', 'delete_note'] }, 400],
      [{ 'mcp-protocol-version': OLDER }, 403],
      [{ 'mcp-protocol-version': '2027-01-01' }, 403],
      [{ 'mcp-protocol-version': undefined }, 403],
    ])
      assert.equal((await reader.call('delete_note', { name: 'mine' }, { names: 'read_note', headers })).status, status, JSON.stringify(headers));
    assertNothingArrived();
    assert.ok(server.notes.has('mine'));
  });

  it('refuses pages of other origins', async () => {
    assertProblem(await alice.call('read_note', { name: 'mine' }, { headers: { origin: 'https://evil.example' } }), 403, 'origin_refused');
    assertNothingArrived();
  });

  it('accepts no token for another resource, and nobody elsewhere on the origin', async () => {
    const elsewhere = { authorization: `Bearer ${alice.tokens.access_token}` };
    assert.equal((await new Visitor(gateway).send('/other', { headers: elsewhere })).status, 401);
    assert.equal((await new Visitor(gateway).send('/mcpx', { headers: elsewhere })).status, 401);
    assertNothingArrived();
  });

  it('gets its own name as the host, who calls, and no token; and long bodies as a whole', async () => {
    const text = 'x'.repeat(70_000);
    assert.equal(textOf(await alice.call('write_note', { name: 'mine', text }, { headers: { 'x-forwarded-user': 'root' } })), 'Wrote mine.');
    assert.deepEqual(server.notes.get('mine'), { text, by: 'alice' });
    const [{ headers }] = server.requests;
    assert.deepEqual([headers.host, headers['x-forwarded-user'], headers.authorization], ['localhost:9100', 'alice', undefined]);
  });

  it('has a line in the access log for each call: who, and what', async () => {
    await bob.call('read_note', { name: 'a note of the log' });
    await bob.call('delete_note', { name: 'a note of the log' });
    const lines = await eventually('both are logged', () => {
      const seen = gateway.accessLog().slice(-2);
      return seen.at(-1)?.name === 'delete_note' && seen;
    });
    assert.deepEqual(
      lines.map(({ subject, calls, name, status, details }) => [subject, calls, name, status, details]),
      [
        ['bob', 'tools/call', 'read_note', 200, 'via_upstream'],
        ['bob', 'tools/call', 'delete_note', 403, 'accredit_condition_failed'],
      ],
    );
  });

  it('counts calls by outcome, with the tool as a label', async () => {
    const counted = async (outcome, tool) => {
      const sample = new RegExp(`^accredit_mcp_tool_calls_${outcome}\\{tool="${tool}"\\} (\\d+)$`, 'm');
      return Number(sample.exec(await gateway.admin('/stats/prometheus'))?.[1] ?? 0);
    };
    const [passed, refused] = [await counted('forwarded', 'read_note'), await counted('forbidden', 'write_note')];
    await reader.call('read_note', { name: 'mine' });
    await reader.call('write_note', { name: 'mine', text: '' });
    await eventually('the call is counted', async () => (await counted('forwarded', 'read_note')) === passed + 1);
    await eventually('the refusal is counted', async () => (await counted('forbidden', 'write_note')) === refused + 1);
  });

  it('limits how often one person calls, and nobody else for that', async () => {
    let answer;
    for (let calls = 0; calls < 300 && answer?.status !== 429; calls += 1) {
      answer = await bob.call('read_note', { name: 'welcome' });
      assert.ok([200, 429].includes(answer.status), answer.body);
    }
    assert.deepEqual([answer.status, answer.headers['x-ratelimit-remaining']], [429, '0']);
    server.requests.length = 0;
    assert.equal((await bob.call('write_note', { name: 'mine', text: '' })).status, 429);
    assertNothingArrived();
    assert.equal((await alice.call('read_note', { name: 'welcome' })).status, 200);
  });
});
