// Calls of attackers, to a server behind Accredit and Envoy's `mcp` filter: header fields that lie, come twice or are encoded twice, bodies that say something
// else than the fields, and bodies that nobody would read. With a token that may read, nothing but a reading call may reach the server.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { describeWith } from './lib/differences.mjs';
import { managerOf } from './lib/gateway.mjs';
import { DELETE, NEW, READ, call, older, onCheckedStage } from './lib/mcp/checked.mjs';
import { makeKey } from './lib/misbehaving.mjs';

const describe = await describeWith('mcp_compares');

const base64 = (text) => `=?base64?${Buffer.from(text).toString('base64')}?=`;
const body = call('delete_note');
const everything = `${READ} ${DELETE}`;
const MISMATCH = /-32020/;
const NO_CALL = /Only MCP traffic is allowed/;

/** A call of read_note, with a second value for what a text of it says, as `JSON.stringify` would not write it. */
const twice = (one, other) => call('read_note').replace(one, `${one},${other}`);

/** Header fields that lie: [what, status, reason or what Envoy says, request]. */
const FIELDS = [
  ['a name other than the body', 400, MISMATCH, { body }],
  ['a method other than the body, of calls that name nothing', 400, MISMATCH, { body, fields: { 'Mcp-Method': 'tools/list', 'Mcp-Name': undefined } }],
  ['a method other than the body, with the same name', 400, MISMATCH, { body, fields: { 'Mcp-Method': 'prompts/get', 'Mcp-Name': 'delete_note' } }],
  ['a method in other case', 400, MISMATCH, { body, fields: { 'Mcp-Method': 'Tools/Call' } }],
  ['a name in other case', 400, MISMATCH, { body, fields: { 'Mcp-Name': 'Delete_note' } }],
  ['a name with an escape of addresses', 400, MISMATCH, { body, fields: { 'Mcp-Name': '%64elete_note' } }],
  ['a name encoded twice', 400, MISMATCH, { body, fields: { 'Mcp-Name': base64(base64('delete_note')) } }],
  ['two names in one line', 400, MISMATCH, { body, fields: { 'Mcp-Name': 'read_note, delete_note' } }],
  ['a version other than the body', 400, MISMATCH, { body: body.replace(NEW, '2025-11-25') }],
  ['a huge name', 400, MISMATCH, { body, fields: { 'Mcp-Name': 'read_note'.repeat(4_000) } }],
  ['the name of the tool, of a token that may not call it', 403, 'scope_missing', { body, fields: { 'Mcp-Name': 'delete_note' } }],
  ['that name, encoded', 403, 'scope_missing', { body, fields: { 'Mcp-Name': base64('delete_note') } }],
  ['that name, between blanks', 403, 'scope_missing', { body, fields: { 'Mcp-Name': ' \t delete_note\t ' } }],
  [
    'that name, and a lie in another field of that name with _',
    400,
    'mcp_fields_invalid',
    { body, fields: { 'Mcp-Name': 'delete_note', mcp_name: 'read_note' } },
  ],
  ['the name twice, the lie first', 400, 'mcp_fields_invalid', { body, fields: { 'Mcp-Name': ['read_note', 'delete_note'] } }],
  ['the name twice, the lie last', 400, 'mcp_fields_invalid', { body, fields: { 'Mcp-Name': ['delete_note', 'read_note'] } }],
  ['the name twice, in other case', 400, 'mcp_fields_invalid', { body, fields: { 'MCP-NAME': 'delete_note' } }],
  ['the method twice', 400, 'mcp_fields_invalid', { body, fields: { 'Mcp-Method': ['tools/list', 'tools/call'] } }],
  ['the version twice, the newest first', 400, 'mcp_fields_invalid', { body, fields: { 'MCP-Protocol-Version': [NEW, '2025-11-25'] } }],
  ['the version twice, the newest last', 400, 'mcp_fields_invalid', { body, fields: { 'MCP-Protocol-Version': ['2025-11-25', NEW] } }],
  ['no name', 400, 'mcp_fields_invalid', { body, fields: { 'Mcp-Name': undefined } }],
  ['an empty name', 400, 'mcp_fields_invalid', { body, fields: { 'Mcp-Name': '' } }],
  ['a name that its connection takes away', 400, 'mcp_fields_invalid', { body, fields: { Connection: 'Mcp-Name, close' } }],
  ['no method', 400, 'mcp_fields_invalid', { body, fields: { 'Mcp-Method': undefined } }],
  ['an encoding in capitals', 400, 'mcp_fields_invalid', { body, fields: { 'Mcp-Name': base64('delete_note').replace('base64', 'BASE64') } }],
  ['an encoding of mail', 400, 'mcp_fields_invalid', { body, fields: { 'Mcp-Name': '=?utf-8?B?ZGVsZXRlX25vdGU=?=' } }],
  ['an encoding without an end', 400, 'mcp_fields_invalid', { body, fields: { 'Mcp-Name': base64('delete_note').slice(0, -2) } }],
  ['an encoding without padding', 400, 'mcp_fields_invalid', { body, fields: { 'Mcp-Name': '=?base64?ZGVsZXRlX25vdGU?=' } }],
  ['an encoding of what is no text', 400, 'mcp_fields_invalid', { body, fields: { 'Mcp-Name': '=?base64?/w==?=' } }],
  ['bytes that are no ASCII', 400, 'mcp_fields_invalid', { body, fields: { 'Mcp-Name': 'delete_not\xc3\xa9' } }],
  ['a tabulator within the name', 400, 'mcp_fields_invalid', { body, fields: { 'Mcp-Name': 'read\tnote' } }],
  ['an argument twice', 400, 'mcp_fields_invalid', { fields: { 'Mcp-Param-Region': ['eu', 'us'] } }],
];

describe('a call by the newest version', () => {
  const stage = onCheckedStage();

  for (const [what, status, why, request] of FIELDS)
    it(`with ${what} reaches nothing: ${status} ${why}`, async () => {
      const answer = await stage.refuses(request, status, why);
      if (status === 400) assert.equal(JSON.parse(answer.body).error.code, -32_020);
      else assert.match(answer.headers['www-authenticate'], /^Bearer error="insufficient_scope"/);
    });

  it('reaches the server byte by byte if fields and body say the same, in plain or encoded, and by whoever may call it', async () => {
    for (const request of [{}, { fields: { 'Mcp-Name': base64('read_note') } }, { body, scope: everything, fields: { 'Mcp-Name': 'delete_note' } }]) {
      assert.equal((await stage.ask(request)).status, 200);
      assert.equal((await stage.application.only('/mcp')).body, request.body ?? call('read_note'));
      stage.application.forget();
    }
  });

  it('with a name that Envoy takes for too long reaches nothing', async () => {
    await stage.refuses({ body, fields: { 'Mcp-Name': 'x'.repeat(100_000) } }, 431, /^/);
  });

  it('over HTTP/2 with a name twice reaches nothing, whichever comes first', async () => {
    for (const names of [['read_note', 'delete_note'].toReversed(), ['read_note', 'delete_note']])
      await stage.refuses({ body, fields: { 'Mcp-Name': names } }, 400, 'mcp_fields_invalid', stage.askHttp2);
    await stage.refuses({ body }, 400, MISMATCH, stage.askHttp2);
  });
});

/** What makes servers read another text than Envoy does, of which many take JSON in any `charset`: [what, fields]. */
const SEVEN = '+AGQ-elete_note';
const RECODED = [
  ['UTF-7', { 'Content-Type': 'application/json; charset=utf-7' }],
  ['UTF-7, after another charset', { 'Content-Type': 'application/json; charset=utf-8; charset="utf-7"' }],
  ['UTF-7, in a second line', { 'Content-Type': ['application/json', 'application/json; charset=utf-7'] }],
  ['a charset that is none', { 'Content-Type': 'application/json; charset=x' }],
  ['a compression', { 'Content-Encoding': 'br' }],
  ['a compression that is none', { 'Content-Encoding': 'identity' }],
];

describe('a call whose body is said to be in', () => {
  const stage = onCheckedStage();

  for (const [what, fields] of RECODED)
    it(`${what} reaches nothing: 400 mcp_fields_invalid`, async () => {
      const request = { body: call(SEVEN), fields: { 'Mcp-Name': SEVEN, ...fields } };
      const answer = await stage.refuses(request, 400, 'mcp_fields_invalid');
      assert.equal(JSON.parse(answer.body).error.code, -32_020);
    });

  it('UTF-8 reaches the server', async () => {
    const answer = await stage.ask({ fields: { 'Content-Type': 'application/json; charset=UTF-8' } });
    assert.equal(answer.status, 200, answer.body);
  });
});

describe('a call that does not say what it calls', () => {
  const stage = onCheckedStage();
  const lies = { 'Mcp-Method': 'tools/call', 'Mcp-Name': 'read_note' };

  for (const [what, version] of [
    ['without a version', undefined],
    ['by 2025-06-18', '2025-06-18'],
    ['by 2025-11-25', '2025-11-25'],
    ['by a version to come', '2026-07-29'],
    ['by a version that is none', 'latest'],
    ['by an empty version', ''],
    ['by two versions in one line', `${NEW}, ${NEW}`],
    ['by the newest version with more', `${NEW};q=1`],
    ['by the newest version in base64', base64(NEW)],
  ]) {
    it(`${what} deletes nothing with a token that may read, whatever its fields say`, async () => {
      for (const fields of [older(version), { ...lies, 'MCP-Protocol-Version': version }]) await stage.refuses({ body, fields }, 403, 'scope_missing');
    });
  }

  it('because a tunnel or a method of its own carries it reaches nothing, whatever its fields say', async () => {
    const tunnel = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' };
    for (const request of [
      { method: 'GET', body: '', fields: { ...older('2025-11-25'), ...tunnel, Accept: 'text/event-stream' } },
      { method: 'GET', body: '', fields: tunnel },
      { fields: tunnel },
      { method: 'PUT' },
      { method: 'PATCH' },
      { method: 'QUERY' },
    ])
      await stage.refuses(request, 403, 'scope_missing');
  });

  it('works by an older version with a token that may do everything', async () => {
    for (const version of ['2025-06-18', '2025-11-25']) assert.equal((await stage.ask({ body, scope: everything, fields: older(version) })).status, 200);
  });

  it('by a version that Envoy does not know reaches nothing even so', async () => {
    for (const version of ['2026-07-29', 'latest', `${NEW};q=1`]) await stage.refuses({ body, scope: everything, fields: older(version) }, 400, /-32022/);
  });
});

/** Bodies that say more than one call, or none that can be read: [what, reason or what Envoy says, request]. */
const BODIES = [
  ['a batch', /JSON-RPC/, { body: `[${call('read_note')},${body}]` }],
  ['a batch by a version that had batches', /JSON-RPC/, { body: `[${call('read_note')},${body}]`, scope: everything, fields: older('2025-03-26') }],
  ['a second name', /duplicate/, { body: twice('"name":"read_note"', '"name":"delete_note"') }],
  ['a second name in other spelling', /duplicate/, { body: twice('"name":"read_note"', String.raw`"n\u0061me":"delete_note"`) }],
  ['a second method', /duplicate/, { body: twice('"method":"tools/call"', '"method":"tools/list"') }],
  ['second parameters', /duplicate/, { body: `${call('read_note').slice(0, -1)},"params":{"name":"delete_note"}}` }],
  ['a text', /JSON-RPC/, { body: '"delete_note"' }],
  ['no JSON', /JSON/, { body: 'delete_note' }],
  ['half a call', /data/, { body: call('read_note').slice(0, -3) }],
  ['nothing', NO_CALL, { body: '' }],
  ['a compressed call', /data/, { body: gzipSync(body).toString('latin1') }],
  ['a byte order mark', /data/, { body: `\xef\xbb\xbf${body}` }],
  ['a comment before it', /data/, { body: `/**/${body}` }],
  ['more than Envoy reads', /data/, { body: call('read_note', { arguments: { x: 'x'.repeat(1_100_000) } }) }],
  ['a form', 'mcp_fields_invalid', { body: 'method=tools/call', fields: { 'Content-Type': 'application/x-www-form-urlencoded' } }],
  ['the type of a text', 'mcp_fields_invalid', { body, fields: { 'Content-Type': 'text/plain' } }],
  ['the type of a text, by an older version', NO_CALL, { body, scope: everything, fields: { ...older('2025-11-25'), 'Content-Type': 'text/plain' } }],
  ['no type', NO_CALL, { body, fields: { 'Content-Type': undefined } }],
  ['PUT', NO_CALL, { method: 'PUT', body, scope: everything }],
  ['QUERY', NO_CALL, { method: 'QUERY', body, scope: everything }],
  [
    'GET that is to be taken for POST',
    NO_CALL,
    { method: 'GET', body, scope: everything, fields: { Accept: 'application/json', 'X-HTTP-Method-Override': 'POST' } },
  ],
  ['a length and chunks', /^/, { body: `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`, fields: { 'Transfer-Encoding': 'chunked' } }],
  ['two lengths', /^/, { body, fields: { 'Content-Length': '3' } }],
];

describe('a body', () => {
  const stage = onCheckedStage();

  for (const [what, why, request] of BODIES) it(`of ${what} reaches nothing: 400 ${why}`, () => stage.refuses(request, 400, why));

  const chunks = (...parts) => `${parts.map((part) => `${part.length.toString(16)};x=y\r\n${part}\r\n`).join('')}0\r\n\r\n`;
  const chunked = { 'Transfer-Encoding': 'chunked' };

  it('that lies reaches nothing in whatever pieces it comes', async () => {
    for (const at of [1, 10, body.indexOf('delete') + 3, body.length - 1])
      await stage.refuses({ body: chunks(body.slice(0, at), body.slice(at)), length: false, fields: chunked }, 400, MISMATCH);
    await stage.refuses({ body: chunks(...body), length: false, fields: chunked }, 400, MISMATCH);
  });

  for (const coding of ['gzip, chunked', 'chunked, chunked', 'identity', 'xchunked', 'chunked;x'])
    it(`with the transfer coding ${coding} reaches nothing`, async () => {
      const answer = await stage.ask({ body: chunks(body), length: false, fields: { 'Transfer-Encoding': coding } });
      assert.ok([400, 501].includes(answer.status), String(answer.status));
      await stage.nothingArrives();
    });

  it('with what proxies may take for another way or another method reaches the server without it', async () => {
    const names = ['X-HTTP-Method-Override', 'X-Forwarded-Host', 'X-Original-URL', 'X-Rewrite-URL', 'X-Envoy-Original-Path'];
    const fields = Object.fromEntries(names.map((name) => [name, '/other']));
    assert.equal((await stage.ask({ fields: { ...fields, 'X-Forwarded-User': 'root', Cookie: '__Host-accredit=x; theirs=1' } })).status, 200);
    const { headers } = await stage.application.only('/mcp');
    assert.deepEqual(
      names.filter((name) => headers[name.toLowerCase()] !== undefined),
      [],
    );
    assert.deepEqual([headers['x-forwarded-user'], headers.authorization, headers.cookie], ['robot', undefined, 'theirs=1']);
  });
});

describe('trailers, behind which the filter reads no body', () => {
  const stage = onCheckedStage({
    envoy: (bootstrap) => void (managerOf(bootstrap.static_resources.listeners[0]).http_protocol_options = { enable_trailers: true }),
  });
  const old = older('2025-11-25');

  for (const [what, request] of [
    ['a batch', { body: `[${call('read_note')},${body}]` }],
    ['a batch by an older version', { body: `[${call('read_note')},${body}]`, scope: everything, fields: old }],
    ['half a call', { body: body.slice(0, -3) }],
    ['a text', { body: '"delete_note"' }],
    ['nothing', { body: '' }],
  ]) {
    it(`let ${what} reach nothing over HTTP/2`, async () => {
      const answer = await stage.refuses({ ...request, trailers: { 'x-checksum': 'abc' } }, 400, 'mcp_fields_invalid', stage.askHttp2);
      assert.deepEqual(JSON.parse(answer.body), {
        jsonrpc: '2.0',
        id: null,
        error: { code: -32_020, message: "trailers came, behind which Envoy's mcp filter would not read the body" },
      });
    });

    it(`let ${what} reach nothing over HTTP/1.1, where Envoy is told to read them`, async () => {
      const size = request.body.length;
      const chunk = size > 0 ? `${size.toString(16)}\r\n${request.body}\r\n` : '';
      const fields = { ...request.fields, 'Transfer-Encoding': 'chunked', Trailer: 'X-Checksum' };
      await stage.refuses({ ...request, fields, body: `${chunk}0\r\nX-Checksum: abc\r\n\r\n`, length: false }, 400, 'mcp_fields_invalid');
    });
  }

  it('let nothing pass either that came whole while Accredit waited for the keys of the provider', async () => {
    stage.provider.keys.unshift(await makeKey('RS256', 'published-later'));
    stage.provider.delay.keys = 300;
    const request = { body: `[${call('read_note')},${body}]`, trailers: { 'x-checksum': 'abc' } };
    await stage.refuses(request, 400, 'mcp_fields_invalid', stage.askHttp2);
    assert.equal(stage.provider.count('keys'), 1);
  });

  it('do not let a lying call pass, and are refused behind a good one', async () => {
    assert.equal((await stage.askHttp2({ body, trailers: { 'x-checksum': 'abc' } })).status, 400);
    await stage.nothingArrives();
    assert.equal((await stage.askHttp2({ trailers: { 'x-checksum': 'abc' } })).status, 400);
  });

  it('are welcome where no resource is', async () => {
    assert.equal((await stage.askHttp2({ method: 'POST', target: '/', trailers: { 'x-checksum': 'abc' } })).status, 200);
  });
});
