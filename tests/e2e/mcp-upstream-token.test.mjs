// An MCP server that gets a token of the gateway's own (RFC 6749, section 4.4), in the place of the client's: real clients, a real authorization server with
// client credentials and resource indicators, and a real MCP server.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { ClientError } from './lib/mcp/client.mjs';
import { OURS, SCOPES } from './lib/mcp/provider.mjs';
import { onMcpStage } from './lib/mcp/stage.mjs';
import { eventually, sleep } from './lib/process.mjs';
import { headerValues } from './lib/upstream.mjs';

const [READ] = SCOPES;
/** The MCP server, as the authorization server knows it. */
const NOTES = 'urn:example:notes';
const CLIENTS = ['TypeScript SDK 2', 'Python SDK 2', 'rmcp, auto'];
/** How long the gateway's own tokens live, in seconds, where they shall end. */
const LIFETIME = 4;

describe('an MCP server that gets a token of the gateway itself', () => {
  const stage = onMcpStage({ scopes: SCOPES, further: [NOTES], forward: { client_credentials: { resource: NOTES, scope: [READ] } } });

  const read = (client) => client.call('read_note', { name: 'welcome' });
  const ours = () => stage.provider.grants.filter(({ client_id: id }) => id === OURS.client_id);

  /** Checks a call that arrived: its token is ours, good for the server alone, and nothing of it is the client's. */
  async function check({ rawHeaders, headers }) {
    const [line, ...more] = headerValues({ rawHeaders }, 'authorization');
    const { jwks_uri: address } = await (await fetch(`${stage.provider.issuer}/.well-known/openid-configuration`)).json();
    const keys = createLocalJWKSet(await (await fetch(address)).json());
    const token = line.replace('Bearer ', '');
    const { payload } = await jwtVerify(token, keys, { issuer: stage.provider.issuer, audience: NOTES, typ: 'at+jwt' });
    assert.deepEqual([payload.client_id, payload.aud, payload.scope, more, headers['x-forwarded-user']], [OURS.client_id, NOTES, READ, [], 'alice']);
    const others = stage.provider.tokens.filter((other) => other && other !== token);
    assert.ok(others.length > 0);
    for (const other of others) assert.ok(!JSON.stringify(rawHeaders).includes(other), "the client's token arrived");
  }

  for (const name of CLIENTS)
    it(`never sees the token of ${name}, and can verify that who calls is the gateway, for alice`, async () => {
      const { client } = await stage.start(name);
      await client.connect();
      assert.equal(await read(client), 'Welcome to the notes.');
      assert.ok(stage.server.requests.length > 1);
      for (const request of stage.server.requests) await check(request);
      assert.ok(ours().length <= 1, 'a token is used again');
      assert.ok(ours().every(({ grant_type: type, resource }) => type === 'client_credentials' && resource === NOTES));
    });
});

describe('without a token of the gateway itself', () => {
  const stage = onMcpStage({ scopes: SCOPES, further: [NOTES], forward: { client_credentials: { resource: NOTES, scope: [READ] } } });

  const read = (client) => client.call('read_note', { name: 'welcome' });
  /** The audit line of a request that was answered with this status, for this reason. */
  async function told(status, reason) {
    await eventually(`a request is answered with ${status}`, () => stage.gateway.accessLog().some((line) => line.status === status));
    return eventually(`the log tells of ${reason}`, () => stage.gateway.auditLog().find((line) => line.reason === reason));
  }

  /** A client that is connected, and whose next call needs a new token of ours. */
  async function connected(name) {
    stage.provider.lifetimeOfOurs = LIFETIME;
    const { client } = await stage.start(name);
    await client.connect();
    assert.equal(await read(client), 'Welcome to the notes.');
    stage.server.forget();
    await sleep(LIFETIME * 1_000);
    return client;
  }

  for (const name of CLIENTS)
    it(`a call of ${name} does not arrive while the authorization server is away, and arrives when that is back`, async () => {
      const client = await connected(name);
      await stage.provider.stop();
      try {
        await assert.rejects(read(client), ClientError);
        await told(503, 'upstream_token_unavailable');
        assert.deepEqual(stage.server.calls('read_note'), []);
      } finally {
        await stage.provider.comeBack();
      }
      await eventually('the call arrives', async () => (await read(client)) === 'Welcome to the notes.');
    });

  it('a call does not arrive if the authorization server refuses the token', async () => {
    const client = await connected('TypeScript SDK 2');
    stage.provider.refused = [NOTES];
    await assert.rejects(read(client), ClientError);
    assert.match((await told(403, 'upstream_token_refused')).detail, /error "invalid_target"/);
    assert.deepEqual(stage.server.calls('read_note'), []);
  });
});
