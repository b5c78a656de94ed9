// Calls to a server behind Accredit where Envoy's `mcp` filter stands before it and says what the body calls (`body_checked_by: envoy_mcp_filter_before`). So
// clients of every version are let in to each tool by its scopes. Where the filter has not read a body, or is off, nobody may do more than who may do everything.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { describeWith } from './lib/differences.mjs';
import { managerOf } from './lib/gateway.mjs';
import { DELETE, NEW, READ, call, older, onCheckedStage } from './lib/mcp/checked.mjs';

const describe = await describeWith('mcp_compares');

const body = call('delete_note');
const everything = `${READ} ${DELETE}`;
const VERSIONS = ['2024-11-05', '2025-06-18', '2025-11-25', undefined];
const old = older('2025-11-25');

/** Messages that name no tool. */
const message = (method, params) => JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });

describe('a call that Envoy has read', () => {
  const stage = onCheckedStage({ before: true });

  /** Sends it, and checks that the server got it as it was. */
  const arrives = async (request) => {
    const answer = await stage.ask(request);
    assert.equal(answer.status, 200, answer.body);
    const { body: arrived, headers } = await stage.application.only('/mcp');
    assert.deepEqual([arrived, headers.authorization], [request.body ?? call('read_note'), undefined]);
    stage.application.forget();
  };

  for (const version of VERSIONS) {
    it(`by ${version ?? 'no version'} reaches each tool that its scopes allow, and no other`, async () => {
      const fields = older(version);
      await arrives({ fields });
      await arrives({ fields, body, scope: everything });
      const answer = await stage.refuses({ fields, body }, 403, 'scope_missing');
      assert.match(answer.headers['www-authenticate'], /^Bearer error="insufficient_scope".*scope="notes:read notes:delete"/);
    });
  }

  it('by an older version needs no more than reading for what every client calls', async () => {
    for (const [method, params] of [['initialize', { protocolVersion: '2025-11-25' }], ['tools/list'], ['ping'], ['prompts/get', { name: 'delete_note' }]])
      await arrives({ fields: old, body: message(method, params) });
    await arrives({ fields: old, body: JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }) });
  });

  it('is decided by its body, whatever its fields say', async () => {
    for (const version of VERSIONS) {
      const lies = { ...older(version), 'Mcp-Method': 'tools/call', 'Mcp-Name': 'read_note' };
      await stage.refuses({ body, fields: lies }, 403, 'scope_missing');
      await arrives({ fields: { ...lies, 'Mcp-Name': 'delete_note' } });
    }
  });

  it('by the newest version is refused where its fields say something else, and else decided like the others', async () => {
    for (const [fields, scope] of [
      [{}, everything],
      [{ 'Mcp-Name': 'other' }, everything],
      [{ 'Mcp-Method': 'prompts/get', 'Mcp-Name': 'delete_note' }, everything],
      [{ 'Mcp-Method': 'tools/list', 'Mcp-Name': undefined }, READ],
    ]) {
      const answer = await stage.refuses({ body, fields, scope }, 400, 'mcp_fields_invalid');
      assert.equal(JSON.parse(answer.body).error.code, -32_020);
    }
    const names = { 'Mcp-Name': 'delete_note' };
    await stage.refuses({ body, fields: names }, 403, 'scope_missing');
    await arrives({ body, fields: names, scope: everything });
    await arrives({});
  });

  it('of a stranger is refused as everywhere', async () => {
    for (const request of [{ body }, { body, fields: old }, { body: `[${body}]` }]) {
      const fields = { ...request.fields, Authorization: undefined };
      await stage.refuses({ ...request, fields }, 401, 'token_missing');
    }
  });

  it('in whatever pieces it comes is decided as a whole', async () => {
    const chunks = (...parts) => `${parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('')}0\r\n\r\n`;
    const fields = { ...old, 'Transfer-Encoding': 'chunked' };
    for (const at of [1, 10, body.indexOf('delete') + 3, body.length - 1])
      await stage.refuses({ body: chunks(body.slice(0, at), body.slice(at)), length: false, fields }, 403, 'scope_missing');
    await stage.refuses({ body: chunks(...body), length: false, fields }, 403, 'scope_missing');
    assert.equal((await stage.ask({ body: chunks(...call('read_note')), length: false, fields })).status, 200);
    assert.equal((await stage.application.only('/mcp')).body, call('read_note'));
  });
});

/** A call of read_note in which a text is another one. */
const altered = (one, other) => call('read_note').replace(one, other);
const NAME = '"name":"read_note"';

/** Bodies of which it is not known what a server calls by them: [what, body, further fields]. */
const UNKNOWN = [
  ['a batch', `[${call('read_note')},${body}]`],
  ['a batch of one', `[${body}]`],
  ['more than Envoy reads', call('delete_note', { arguments: { x: 'x'.repeat(70_000) } })],
  ['more than Envoy reads, with the tool at its end', `{"x":"${'x'.repeat(70_000)}",${body.slice(1)}`],
  ['a second name that Envoy does not read', altered(NAME, `${NAME},"x":"${'x'.repeat(70_000)}","name":"delete_note"`)],
  ['no JSON', 'delete_note'],
  ['a text', '"delete_note"'],
  ['null', 'null'],
  ['half a call', body.slice(0, -3)],
  ['nothing', ''],
  ['a byte order mark', `\xef\xbb\xbf${body}`],
  ['a comment before it', `/**/${body}`],
  ['a compressed call', gzipSync(body).toString('latin1'), { 'Content-Encoding': 'gzip' }],
  ['a call that is said to be compressed', call('read_note'), { 'Content-Encoding': 'gzip' }],
  ['a second name', altered(NAME, `${NAME},"name":"delete_note"`)],
  ['a second name in other spelling', altered(NAME, String.raw`"n\u0061me":"delete_note",${NAME}`)],
  [
    'a second name, and of what Envoy tells of good calls',
    altered(NAME, `${NAME},"name":"delete_note"`).replace('{', '{"is_mcp_request":true,"status":"mcp_ok","passthrough_reason":null,'),
  ],
  ['a second method', altered('"method":"tools/call"', '"method":"tools/call","method":"tools/list"')],
  ['second parameters', `${call('read_note').slice(0, -1)},"params":{"name":"delete_note"}}`],
  ['no name', altered(NAME, '"x":1')],
  ['a name that is a number', altered(NAME, '"name":1')],
  ['a name that is an object', altered(NAME, '"name":{"x":"read_note"}')],
  ['an empty name', altered(NAME, '"name":""')],
  ['another jsonrpc', altered('"jsonrpc":"2.0"', '"jsonrpc":"1.0"')],
  ['an answer to the server', JSON.stringify({ jsonrpc: '2.0', id: 7, result: {} })],
  ['no jsonrpc', altered('"jsonrpc":"2.0",', '')],
  ['a form', 'method=tools/call', { 'Content-Type': 'application/x-www-form-urlencoded' }],
  ['the type of a text', call('read_note'), { 'Content-Type': 'text/plain' }],
  ['UTF-7', call('+AGQ-elete_note'), { 'Content-Type': 'application/json; charset=utf-7' }],
  ['no type', call('read_note'), { 'Content-Type': undefined }],
  ['an upgrade', call('read_note'), { Connection: 'Upgrade', Upgrade: 'websocket' }],
];

/** Bodies that call delete_note, though something in them says another thing. */
const DISGUISED = [
  ['a key with a dot that ends like the name', altered(NAME, '"name":"delete_note","x.name":"read_note"')],
  ['a key that is the path to the name', `${body.slice(0, -1)},"params.name":"read_note"}`],
  ['what Envoy tells of good calls', `${body.slice(0, -1)},"is_mcp_request":true,"status":"mcp_ok","params.name":"read_note"}`],
  ['a name beside the parameters', `${body.slice(0, -1)},"name":"read_note"}`],
  ['a name further in', altered(NAME, '"name":"delete_note","x":{"name":"read_note"}')],
  ['an empty key', altered(NAME, '"name":"delete_note","":"read_note"')],
  ['a result', `${body.slice(0, -1)},"result":{}}`],
  ['a result before it', `{"result":{},${body.slice(1)}`],
  ['an error', `${body.slice(0, -1)},"error":{"code":1,"message":"x"}}`],
  ['the method behind the parameters', `{"params":{"name":"delete_note"},"id":1,"method":"tools/call","jsonrpc":"2.0"}`],
  ['escapes', body.replace('delete_note', String.raw`\u0064elete\u005fnote`).replace('tools/call', String.raw`tools\/call`)],
  ['the prototype', altered(NAME, '"name":"delete_note","__proto__":{"name":"read_note"}')],
];

describe('a body', () => {
  const stage = onCheckedStage({ before: true });

  for (const [what, sent, more] of UNKNOWN)
    it(`of ${what} may call anything`, async () => {
      const request = { body: sent, fields: { ...old, ...more } };
      await stage.refuses(request, 403, 'scope_missing');
      if (!more?.Upgrade) assert.equal((await stage.ask({ ...request, scope: everything })).status, 200);
    });

  for (const [what, sent] of DISGUISED)
    it(`that deletes with ${what} in it is not let through to who may read`, async () => {
      for (const fields of [old, older(undefined)]) await stage.refuses({ body: sent, fields }, 403, 'scope_missing');
      const answer = await stage.ask({ body: sent });
      assert.ok([400, 403].includes(answer.status), String(answer.status));
      await stage.nothingArrives();
    });

  // Envoy skips lists. A server must take no list for a name, as none does that checks what it gets.
  it('with a second name that is a list is taken for the first one', async () => {
    assert.equal((await stage.ask({ body: altered(NAME, `${NAME},"name":["delete_note"]`), fields: old })).status, 200);
    stage.application.forget();
    await stage.refuses({ body: altered(NAME, '"name":["read_note"],"name":"delete_note"'), fields: old }, 403, 'scope_missing');
  });

  it('of a call behind which another one comes at once may call anything', async () => {
    await stage.refuses({ body: `${call('read_note')}${body}`, fields: old }, 403, 'scope_missing');
    await stage.refuses({ body: `${call('read_note')}\n${body}\n`, fields: old }, 403, 'scope_missing');
  });

  it('behind which trailers come is decided like others if it is whole, and else may call anything', async () => {
    const trailers = { 'x-checksum': 'abc' };
    for (const sent of [body, `[${call('read_note')},${body}]`, body.slice(0, -3), '"delete_note"', ''])
      await stage.refuses({ body: sent, fields: old, trailers }, 403, 'scope_missing', stage.askHttp2);
    assert.equal((await stage.askHttp2({ fields: old, trailers })).status, 200);
  });
});

describe('a method that carries no call', () => {
  for (const before of [true, false]) {
    describe(before ? 'where Envoy reads bodies before' : 'where Envoy compares bodies behind', () => {
      const stage = onCheckedStage({ before });
      const accepts = { ...old, 'Content-Type': undefined, Accept: 'text/event-stream', 'Mcp-Session-Id': 'one' };

      it('needs no more than reading', async () => {
        for (const method of ['GET', 'DELETE']) {
          for (const ask of [stage.ask, stage.askHttp2]) assert.equal((await ask({ method, body: '', fields: accepts })).status, 200, method);
          assert.equal((await stage.ask({ method, body: '', length: false, fields: accepts })).status, 200, method);
        }
      });

      it('calls nothing by a body past the rules, whatever says how long that is', async () => {
        for (const method of ['GET', 'DELETE', 'OPTIONS', 'HEAD']) {
          for (const fields of [accepts, { ...accepts, 'Content-Type': 'application/json' }, { Accept: 'text/event-stream' }]) {
            for (const sent of [body, call('read_note')]) {
              await stage.refuses({ method, body: sent, fields }, 403, 'scope_missing');
              await stage.refuses({ method, body: sent, fields }, 403, 'scope_missing', stage.askHttp2);
              const chunk = `${sent.length.toString(16)}\r\n${sent}\r\n0\r\n\r\n`;
              await stage.refuses({ method, body: chunk, length: false, fields: { ...fields, 'Transfer-Encoding': 'chunked' } }, 403, 'scope_missing');
            }
          }
        }
      });
    });
  }
});

const FILTER = 'envoy.filters.http.mcp';
const override = (more) => ({ '@type': 'type.googleapis.com/envoy.extensions.filters.http.mcp.v3.McpOverride', ...more });

/** What takes the filter away: [what, change of the filters, change of the server's route]. */
const AWAY = [
  ['is missing', (filters) => filters.splice(0, 1)],
  ['is off', ([filter]) => void (filter.disabled = true)],
  ['comes behind', (filters) => filters.splice(1, 0, ...filters.splice(0, 1))],
  ['is off on the route', undefined, { '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig', disabled: true }],
  ['does nothing on the route', undefined, override({ traffic_mode: 'NOOP' })],
  ['tells nobody on the route', undefined, override({ request_storage_mode: 'FILTER_STATE' })],
  ['reads less on the route', undefined, override({ traffic_mode: 'PASS_THROUGH', max_request_body_size: 20 })],
];

for (const [what, change, configured] of AWAY) {
  describe(`a call where the filter ${what}`, () => {
    const envoy = (bootstrap) => {
      const manager = managerOf(bootstrap.static_resources.listeners[0]);
      change?.(manager.http_filters);
      if (configured) manager.route_config.virtual_hosts[0].routes[0].typed_per_filter_config = { [FILTER]: configured };
    };
    const stage = onCheckedStage({ before: true, envoy, works: { scope: everything } });

    it('may be any call, whatever its version and its fields say', async () => {
      for (const name of ['read_note', 'delete_note'])
        for (const fields of [old, { 'Mcp-Name': name }, { 'MCP-Protocol-Version': NEW, 'Mcp-Name': name }, older(undefined)]) {
          await stage.refuses({ body: call(name), fields }, 403, 'scope_missing');
          assert.equal((await stage.ask({ body: call(name), fields, scope: everything })).status, 200);
          stage.application.forget();
        }
    });
  });
}
