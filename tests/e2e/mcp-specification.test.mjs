// What the specification of MCP asks of a protected server (Basic, Authorization and Transports), line by line, for each version that clients speak: whatever
// they send, what it asks is there before the server, which does nothing of it.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { describeWith } from './lib/differences.mjs';
import { DELETE, META, NEW, READ, call, older, onCheckedStage } from './lib/mcp/checked.mjs';
import { assertProblem } from './lib/stage.mjs';

const describe = await describeWith('mcp_compares');

const message = (method, params) => JSON.stringify({ jsonrpc: '2.0', id: 0, method, params });
const initialize = (protocolVersion) => message('initialize', { protocolVersion, capabilities: {}, clientInfo: { name: 'c', version: '1' } });

/**
 * The versions, with what their clients send: their first request, without a token; and how they call tools. Older ones name their version only after the first.
 */
const VERSIONS = [
  ...['2025-06-18', '2025-11-25'].map((version) => ({
    version,
    first: { body: initialize(version), fields: older(undefined) },
    calling: (name) => ({ body: message('tools/call', { name, arguments: {} }), fields: older(version) }),
  })),
  {
    version: NEW,
    first: { body: message('server/discover', { _meta: META }), fields: { 'Mcp-Method': 'server/discover', 'Mcp-Name': undefined } },
    calling: (name) => ({ body: call(name), fields: { 'Mcp-Name': name } }),
  },
];

const METADATA = '/.well-known/oauth-protected-resource';
const everything = `${READ} ${DELETE}`;
const having = ({ fields, ...request }, more) => ({ ...request, fields: { ...fields, ...more } });

for (const { version, first, calling } of VERSIONS) {
  describe(`by MCP ${version}`, () => {
    const stage = onCheckedStage();
    const resource = () => `${stage.gateway.origin}/mcp`;
    /** A refusal with a challenge, whose parameters it returns. */
    const challenged = async (request, status, reason) => {
      const answer = await stage.refuses(request, status, reason);
      assertProblem({ ...answer, json: () => JSON.parse(answer.body) }, status, reason);
      assert.equal(answer.headers.location, undefined);
      const line = answer.headers['www-authenticate'];
      assert.match(line, /^Bearer \w+="[^"]*"(, \w+="[^"]*")*$/);
      return Object.fromEntries([...line.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
    };
    const stranger = (request) => having(request, { Authorization: undefined });

    it('a first request without a token is told where the metadata are, and which scopes to ask for', async () => {
      const told = await challenged(stranger(first), 401, 'token_missing');
      assert.deepEqual(told, { resource_metadata: `${stage.gateway.origin}${METADATA}/mcp`, scope: READ });
      for (const method of ['GET', 'DELETE'])
        assert.deepEqual(await challenged(having({ method, body: '' }, { ...older(version), Authorization: undefined }), 401, 'token_missing'), told);
    });

    it('the metadata are there, and at the root, whatever version asks for them: with the authorization server and the resource', async () => {
      for (const target of [`${METADATA}/mcp`, METADATA])
        for (const named of [version, undefined, '2024-11-05']) {
          const answer = await stage.ask({ method: 'GET', target, body: '', fields: { ...older(named), Authorization: undefined } });
          assert.deepEqual([answer.status, answer.headers['content-type']], [200, 'application/json']);
          const { resource: identifier, authorization_servers } = JSON.parse(answer.body);
          assert.deepEqual([identifier, authorization_servers], [resource(), [stage.provider.issuer]]);
        }
      await stage.nothingArrives();
    });

    it('a token with too few scopes is told all of them at once, with the metadata, in the same bytes each time', async () => {
      const request = calling('delete_note');
      const told = await challenged(request, 403, 'scope_missing');
      assert.deepEqual([told.error, told.scope, told.resource_metadata], ['insufficient_scope', everything, `${stage.gateway.origin}${METADATA}/mcp`]);
      assert.deepEqual(await challenged(request, 403, 'scope_missing'), told);
    });

    it('a token that is for another resource is bad, as is every bad one, and a good one is not passed on', async () => {
      for (const [aud, exp, reason] of [
        [`${resource()}/other`, undefined, 'token_invalid'],
        [resource(), 1, 'token_expired'],
      ]) {
        const Authorization = `Bearer ${await stage.token({ aud, ...(exp && { exp }) })}`;
        const told = await challenged(having(calling('read_note'), { Authorization }), 401, reason);
        assert.deepEqual([told.error, told.scope, told.resource_metadata], ['invalid_token', READ, `${stage.gateway.origin}${METADATA}/mcp`]);
      }
      const request = calling('read_note');
      assert.equal((await stage.ask({ ...request, scope: everything })).status, 200);
      const { headers, body } = await stage.application.only('/mcp');
      assert.deepEqual([headers.authorization, headers['x-forwarded-access-token'], body], [undefined, undefined, request.body]);
    });

    it('a token in the query or a malformed one is a bad request', async () => {
      const target = `/mcp?access_token=${await stage.token()}`;
      for (const request of [{ ...stranger(first), target }, { ...calling('read_note'), target }, having(first, { Authorization: 'Bearer a, Bearer b' })])
        await stage.refuses(request, 400, 'token_ambiguous');
    });

    it('a page of another site is forbidden, before anything else', async () => {
      for (const request of [first, stranger(first), calling('read_note')])
        await stage.refuses(having(request, { Origin: 'https://evil.example' }), 403, 'origin_refused');
    });

    it('every request stands for itself: nothing is to come before a call, and the name of a session makes nobody', async () => {
      const request = { ...calling('read_note'), scope: everything };
      for (const fields of [{}, { 'Mcp-Session-Id': 'of-somebody' }]) assert.equal((await stage.ask(having(request, fields))).status, 200);
      stage.application.forget();
      await challenged(stranger(having(request, { 'Mcp-Session-Id': 'of-somebody' })), 401, 'token_missing');
    });

    if (version === NEW) {
      it('a POST without the fields that this version demands is a bad request, once its token was accepted', async () => {
        for (const missing of ['Mcp-Method', 'Mcp-Name']) {
          const request = having(calling('read_note'), { [missing]: undefined });
          assert.equal(JSON.parse((await stage.refuses(request, 400, 'mcp_fields_invalid')).body).error.code, -32_020);
          await challenged(stranger(request), 401, 'token_missing');
        }
      });

      it('each message that a client sends passes: what names nothing needs no name, and resources are named by their address', async () => {
        const uri = 'file:///notes/größe';
        for (const [method, params, name] of [
          ['server/discover', {}],
          ['tools/list', {}],
          ['resources/read', { uri }, `=?base64?${Buffer.from(uri).toString('base64')}?=`],
          ['prompts/get', { name: 'summary' }, 'summary'],
          ['subscriptions/listen', {}],
        ]) {
          const body = Buffer.from(message(method, { ...params, _meta: META })).toString('latin1');
          const answer = await stage.ask({ body, fields: { 'Mcp-Method': method, 'Mcp-Name': name } });
          assert.equal(answer.status, 200, `${method}: ${answer.body}`);
        }
      });
    } else {
      it('a POST that does not say what it calls meets every rule that it could fall under, and what carries no call is decided by its path', async () => {
        await stage.refuses(calling('read_note'), 403, 'scope_missing');
        await stage.refuses({ ...calling('read_note'), scope: DELETE }, 403, 'scope_missing');
        for (const request of [first, calling('read_note'), calling('delete_note')])
          assert.equal((await stage.ask({ ...request, scope: everything })).status, 200);
        for (const [method, Accept] of [
          ['GET', 'text/event-stream'],
          ['DELETE', '*/*'],
        ])
          assert.equal((await stage.ask({ method, body: '', fields: { ...older(version), Accept, 'Mcp-Session-Id': 'x' } })).status, 200, method);
      });
    }
  });
}

describe('a server that refuses older versions', () => {
  const stage = onCheckedStage({ resource: { older_versions: 'refuse' } });

  for (const { version, first, calling } of VERSIONS)
    it(version === NEW ? `takes ${version}` : `tells clients of ${version} which it takes, once their token was accepted`, async () => {
      for (const request of [first, calling('read_note')]) {
        await stage.refuses(having(request, { Authorization: undefined }), 401, 'token_missing');
        if (version === NEW) {
          assert.equal((await stage.ask(request)).status, 200);
          stage.application.forget();
          continue;
        }
        const { code, data } = JSON.parse((await stage.refuses(request, 400, 'mcp_version_refused')).body).error;
        assert.deepEqual([code, data], [-32_022, { supported: [NEW], requested: request === first ? null : version }]);
      }
    });
});
