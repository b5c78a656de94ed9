// Attacks on what stands around the calls of a protected resource: pages of other sites, hosts and paths that look like its own, tokens that are for something
// that looks like it, credentials that come twice or in other places, and metadata that are to name somebody else.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { managerOf } from './lib/gateway.mjs';
import { PAGES, call, onCheckedStage } from './lib/mcp/checked.mjs';

const METADATA = '/.well-known/oauth-protected-resource';
const PREFLIGHT = { method: 'OPTIONS', body: '' };
const asks = { 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'authorization, mcp-name' };

describe('a page of another site', () => {
  const stage = onCheckedStage();

  for (const [what, origin] of [
    ['nobody', () => 'null'],
    ['an empty text', () => ''],
    ['another site', () => 'http://evil.example'],
    ['another port', () => 'http://localhost:1'],
    ['no port', () => 'http://localhost'],
    ['another scheme', ({ origin: own }) => own.replace('http', 'https')],
    ['another name of the same machine', ({ port }) => `http://127.0.0.1:${port}`],
    ['a name with a dot at its end', ({ port }) => `http://localhost.:${port}`],
    ['a host that begins alike', ({ origin: own }) => `${own}.evil.example`],
    ['a host that ends alike', ({ host }) => `http://evil${host}`],
    ['a user with the name of the host', ({ origin: own }) => `${own}@evil.example`],
    ['a slash at its end', ({ origin: own }) => `${own}/`],
    ['two in one line', ({ origin: own }) => `${own}, http://evil.example`],
    ['two, its own last', ({ origin: own }) => ['http://evil.example', own]],
    ['two, both its own', ({ origin: own }) => [own, own]],
    ['an allowed one by another scheme', () => PAGES.replace('https', 'http')],
    ['an allowed one at another port', () => `${PAGES}:8443`],
    ['a site that begins like an allowed one', () => `${PAGES}.evil.example`],
    ['a file', () => 'file://'],
  ]) {
    it(`whose Origin is ${what} is refused, with a good token, without one, and in its preflight`, async () => {
      const fields = { Origin: origin(stage.gateway) };
      await stage.refuses({ fields }, 403, 'origin_refused');
      await stage.refuses({ fields: { ...fields, Authorization: undefined } }, 403, 'origin_refused');
      const answer = await stage.refuses({ ...PREFLIGHT, fields: { ...fields, ...asks, Authorization: undefined } }, 403, 'origin_refused');
      assert.equal(answer.headers['access-control-allow-origin'], undefined);
    });
  }

  it('that is allowed, and one of its own, need a token like everybody', async () => {
    for (const Origin of [PAGES, stage.gateway.origin]) {
      await stage.refuses({ fields: { Origin, Authorization: undefined } }, 401, 'token_missing');
      await stage.refuses({ ...PREFLIGHT, fields: { Origin, ...asks, Authorization: undefined } }, 401, 'token_missing');
      assert.equal((await stage.ask({ fields: { Origin } })).status, 200);
      stage.application.forget();
    }
  });
});

/** Audiences that look like `resource`. */
const ALIKE = [
  ['another resource that begins alike', (resource) => `${resource}2`],
  ['a resource below', (resource) => `${resource}/notes`],
  ['a slash at its end', (resource) => `${resource}/`],
  ['the whole origin', (resource) => new URL(resource).origin],
  ['the whole origin with a slash', (resource) => `${new URL(resource).origin}/`],
  ['the path alone', () => '/mcp'],
  ['another path', (resource) => resource.replace('/mcp', '/other')],
  ['capitals in the path', (resource) => resource.replace('/mcp', '/MCP')],
  ['capitals in the host', (resource) => resource.replace('localhost', 'LOCALHOST')],
  ['an escape in the path', (resource) => resource.replace('/mcp', '/%6dcp')],
  ['a doubled slash', (resource) => resource.replace('/mcp', '//mcp')],
  ['dots', (resource) => resource.replace('/mcp', '/./mcp')],
  ['another scheme', (resource) => resource.replace('http:', 'https:')],
  ['another port', (resource) => resource.replace(/:\d+/, ':1')],
  ['a query', (resource) => `${resource}?`],
  ['a fragment', (resource) => `${resource}#`],
  ['a blank at its end', (resource) => `${resource} `],
  ['two in one text', (resource) => `${resource} https://evil.example`],
  ['another gateway of the same provider', () => 'accredit-demo'],
  ['a list without it', (resource) => [`${resource}2`, 'accredit-demo']],
  ['a list in a list', (resource) => [[resource]]],
  ['an object', (resource) => ({ [resource]: true })],
  ['an empty list', () => []],
  ['nothing', () => null],
  ['none', () => undefined],
];

describe('a token', () => {
  const stage = onCheckedStage();
  const resource = () => `${stage.gateway.origin}/mcp`;
  const bearer = async (changes) => `Bearer ${await stage.token(changes)}`;

  for (const [what, aud] of ALIKE)
    it(`for ${what} is for something else`, async () => {
      const answer = await stage.refuses({ fields: { Authorization: await bearer({ aud: aud(resource()) }) } }, 401, 'token_invalid');
      assert.match(answer.headers['www-authenticate'], /^Bearer error="invalid_token".*resource_metadata="http/);
    });

  for (const [what, status, reason, request] of [
    ['twice', 400, 'token_ambiguous', async () => ({ fields: { Authorization: [await bearer(), await bearer()] } })],
    ['twice in one line', 400, 'token_ambiguous', async () => ({ fields: { Authorization: `${await bearer()}, ${await bearer()}` } })],
    ['behind another scheme', 400, 'token_ambiguous', async () => ({ fields: { Authorization: `Basic eDp5, ${await bearer()}` } })],
    ['behind a tabulator', 400, 'token_ambiguous', async () => ({ fields: { Authorization: (await bearer()).replace(' ', '\t') } })],
    ['beside a second line of another scheme', 400, 'token_ambiguous', async () => ({ fields: { Authorization: ['Basic eDp5', await bearer()] } })],
    ['in the query beside the field', 400, 'token_ambiguous', async () => ({ target: `/mcp?access_token=${await stage.token()}` })],
    [
      'in the query with an escape',
      400,
      'token_ambiguous',
      async () => ({ target: `/mcp?access%5Ftoken=${await stage.token()}`, fields: { Authorization: undefined } }),
    ],
    ['in the query alone', 400, 'token_ambiguous', async () => ({ target: `/mcp?access_token=${await stage.token()}`, fields: { Authorization: undefined } })],
    ['for a proxy', 401, 'token_missing', async () => ({ fields: { Authorization: undefined, 'Proxy-Authorization': await bearer() } })],
    [
      'in a field of other gateways',
      401,
      'token_missing',
      async () => ({ fields: { Authorization: undefined, 'X-Forwarded-Access-Token': await stage.token() } }),
    ],
    ['in a cookie', 401, 'token_missing', async () => ({ fields: { Authorization: undefined, Cookie: `access_token=${await stage.token()}` } })],
    ['of another scheme', 401, 'token_missing', () => ({ fields: { Authorization: 'Basic eDp5' } })],
    ['without a text', 401, 'token_invalid', () => ({ fields: { Authorization: 'Bearer' } })],
    ['that its connection takes away', 401, 'token_missing', () => ({ fields: { Connection: 'authorization, close' } })],
    ['of another issuer', 401, 'token_invalid', async () => ({ fields: { Authorization: await bearer({ iss: 'https://evil.example' }) } })],
    ['that has expired', 401, 'token_expired', async () => ({ fields: { Authorization: await bearer({ exp: 1 }) } })],
    ['whose scopes are a list of lists', 403, 'scope_missing', async () => ({ fields: { Authorization: await bearer({ scope: [['notes:read']] }) } })],
    ['whose scope begins alike', 403, 'scope_missing', async () => ({ fields: { Authorization: await bearer({ scope: 'notes:read2 NOTES:READ notes' }) } })],
  ]) {
    it(`${what}: ${status} ${reason}`, async () => {
      const sent = await request();
      const answer = await stage.refuses(sent, status, reason);
      assert.equal(answer.headers['set-cookie'], undefined);
    });
  }

  it('is needed also by who is signed in: a session makes nobody here, and its cookie goes no further', async () => {
    const visitor = await stage.signedIn();
    const Cookie = visitor.jar.header('localhost', '/mcp');
    assert.match(Cookie, /__Host-accredit=/);
    await stage.refuses({ fields: { Authorization: undefined, Cookie } }, 401, 'token_missing');
    await stage.refuses({ method: 'GET', body: '', fields: { Authorization: undefined, Cookie, Accept: 'text/html' } }, 401, 'token_missing');
    assert.equal((await stage.ask({ fields: { Cookie } })).status, 200);
    const { headers } = await stage.application.only('/mcp');
    assert.deepEqual([headers.cookie, headers.authorization, headers['x-forwarded-user']], [undefined, undefined, 'robot']);
  });

  it('for the resource opens nothing else on the same site', async () => {
    for (const target of ['/analytics', '/mcp2', '/MCP']) assert.equal((await stage.ask({ target })).status, 401, target);
    await stage.nothingArrives();
  });
});

/** Paths that could be read as the server's by whoever is behind: with a lying call, none may arrive. */
const PATHS = [
  '/mcp/',
  '/mcp/x',
  '/mcp/.',
  '/mcp/x/..',
  '/./mcp',
  '/x/../mcp',
  '//mcp',
  '/mcp//',
  '/%6dcp',
  '/mcp%2f',
  '/mcp%2Fx',
  '/mcp;x',
  '/mcp/;/',
  '/mcp%3f',
  '/mcp%00',
  '/mcp%20',
  '/mcp\\x',
  '/%2e/mcp',
  '/x/%2e%2e/mcp',
  '/mcp#x',
  '/mcp/..%2fmcp',
  '/mcp%252f',
]; // prettier-ignore

const withoutNormalisation = (bootstrap) => {
  const manager = managerOf(bootstrap.static_resources.listeners[0]);
  Object.assign(manager, { normalize_path: false, merge_slashes: false, path_with_escaped_slashes_action: 'KEEP_UNCHANGED' });
};

for (const [how, envoy] of [
  ['as Envoy normalises it', () => {}],
  ['as it comes', withoutNormalisation],
]) {
  describe(`a lying call by another path, ${how}`, () => {
    const stage = onCheckedStage({ envoy });

    for (const target of PATHS)
      it(`${target} reaches nothing`, async () => {
        const answer = await stage.ask({ target, body: call('delete_note') });
        assert.ok([400, 401, 403, 307].includes(answer.status), `${answer.status} ${answer.reason}`);
        await stage.nothingArrives();
        await stage.ask({ target, fields: { Authorization: undefined } }).then(({ status }) => assert.ok([400, 401, 307].includes(status), String(status)));
        await stage.nothingArrives();
      });
  });
}

describe('the metadata', () => {
  const stage = onCheckedStage();
  const without = { Authorization: undefined };
  const get = (target, { fields = {}, ...more } = {}) => stage.ask({ method: 'GET', target, body: '', fields: { ...without, ...fields }, ...more });

  it('are the same for everybody, and name the resource by its origin whatever a request brings', async () => {
    const { body, headers } = await get(`${METADATA}/mcp`);
    assert.deepEqual(JSON.parse(body), {
      resource: `${stage.gateway.origin}/mcp`,
      authorization_servers: [stage.provider.issuer],
      scopes_supported: ['notes:read'],
      bearer_methods_supported: ['header'],
    });
    assert.deepEqual([headers['set-cookie'], headers['access-control-allow-origin']], [undefined, '*']);
    const evil = { 'X-Forwarded-Host': 'evil.example', Forwarded: 'host=evil.example', 'X-Forwarded-Proto': 'https', 'X-Forwarded-Prefix': '/x' };
    for (const fields of [evil, { Origin: 'null' }, { Authorization: 'Bearer x' }, { Cookie: '__Host-accredit=x' }, { 'X-Envoy-Original-Path': '/x' }])
      for (const target of [`${METADATA}/mcp`, `${METADATA}/mcp/`, `${METADATA}/mcp?resource=https://evil.example`, METADATA])
        assert.deepEqual((({ status, body: told }) => [status, told])(await get(target, { fields })), [200, body], `${target} ${JSON.stringify(fields)}`);
    await stage.nothingArrives();
  });

  it('are named in each challenge by the same address whatever a request brings', async () => {
    const told = [];
    for (const fields of [{}, { 'X-Forwarded-Host': 'evil.example' }, { 'X-Forwarded-Proto': 'https' }, { 'X-Envoy-Original-Path': '/' }])
      told.push((await stage.refuses({ fields: { ...fields, ...without } }, 401, 'token_missing')).headers['www-authenticate']);
    assert.deepEqual([...new Set(told)], [`Bearer resource_metadata="${stage.gateway.origin}${METADATA}/mcp", scope="notes:read"`]);
  });

  for (const [what, host] of [
    ['another host', () => 'evil.example'],
    ['another port', () => 'localhost:1'],
    ['no port', () => 'localhost'],
    ['a host that begins alike', ({ host: own }) => `${own}.evil.example`],
    ['the address of the machine', ({ port }) => `127.0.0.1:${port}`],
    ['a dot behind the name', ({ port }) => `localhost.:${port}`],
    ['a user before it', ({ host: own }) => `evil@${own}`],
  ]) {
    it(`are nobody's for ${what}`, async () => {
      for (const target of [`${METADATA}/mcp`, METADATA, '/mcp']) {
        const answer = await get(target, { host: host(stage.gateway) });
        assert.ok([400, 421].includes(answer.status), `${answer.status} ${answer.reason}`);
        assert.ok([undefined, 'host_unknown', 'host_missing'].includes(answer.reason), answer.reason);
      }
      await stage.nothingArrives();
    });
  }

  it("are nobody's for another host in the request line", async () => {
    assert.equal((await get(`http://evil.example${METADATA}/mcp`)).status, 421);
    await stage.nothingArrives();
  });

  for (const path of [
    '/other',
    '/mcp/x',
    '/MCP',
    '/mcp2',
    '//',
    '/mcp/..',
    '/x/../mcp2',
    '/%6dcp',
    '/mcp%2f',
    '/mcp;x',
    '/mcp%00',
    '/..%2f..%2fmembers',
    '/../../members',
    '%2fmcp',
    '/mcp%3fx',
    '/mcp.json',
    '/https://evil.example',
    '\\mcp',
  ]) // prettier-ignore
    it(`at ${path} reach no application, and name nobody else`, async () => {
      const answer = await get(`${METADATA}${path}`);
      const own = answer.status === 200 && JSON.parse(answer.body).resource === `${stage.gateway.origin}/mcp`;
      assert.ok(own || [400, 401, 404, 307].includes(answer.status), `${answer.status} ${answer.reason}`);
      if (answer.status === 404) assert.deepEqual([answer.reason, answer.headers['content-type']], ['resource_unknown', 'application/problem+json']);
      await stage.nothingArrives();
    });

  it('are only read', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH'])
      assert.deepEqual(await get(`${METADATA}/mcp`, { method }).then(({ status, reason }) => [status, reason]), [405, 'method_not_allowed']);
    await stage.nothingArrives();
  });
});
