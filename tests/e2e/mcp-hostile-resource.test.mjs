// Attacks on what stands around the calls of a protected resource: pages of other sites, hosts and paths that look like its own, tokens that are for something
// that looks like it, credentials that come twice or in other places, and metadata that are to name somebody else.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { describeWith } from './lib/differences.mjs';
import { managerOf } from './lib/gateway.mjs';
import { PAGES, call, onCheckedStage } from './lib/mcp/checked.mjs';

const describe = await describeWith('mcp_compares');

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

/** What refuses a call by a path: Accredit, Envoy before it, or Envoy's `mcp` filter because the call lies, which without a token is never asked. */
const AMBIGUOUS = { lying: [400, 'path_ambiguous'], stranger: [400, 'path_ambiguous'] };
const MALFORMED = { lying: [400, undefined], stranger: [400, undefined] };
const COMPARED = { lying: [400, undefined], stranger: [401, 'token_missing'] };

/** Paths that could be the server's to whoever is behind: [path, what refuses it where Envoy normalises, and where it does not]. */
const PATHS = [
  ['/mcp/', COMPARED, COMPARED],
  ['/mcp/x', COMPARED, COMPARED],
  ['/mcp/.', COMPARED, AMBIGUOUS],
  ['/mcp/x/..', COMPARED, AMBIGUOUS],
  ['/./mcp', COMPARED, AMBIGUOUS],
  ['/x/../mcp', COMPARED, AMBIGUOUS],
  ['//mcp', COMPARED, AMBIGUOUS],
  ['/mcp//', COMPARED, AMBIGUOUS],
  ['/%6dcp', COMPARED, AMBIGUOUS],
  ['/mcp\\x', COMPARED, AMBIGUOUS],
  ['/%2e/mcp', COMPARED, AMBIGUOUS],
  ['/x/%2e%2e/mcp', COMPARED, AMBIGUOUS],
  ['/mcp%2f', MALFORMED, AMBIGUOUS],
  ['/mcp%2Fx', MALFORMED, AMBIGUOUS],
  ['/mcp/..%2fmcp', MALFORMED, AMBIGUOUS],
  ['/mcp%00', MALFORMED, AMBIGUOUS],
  ['/mcp#x', MALFORMED, MALFORMED],
  ['/mcp;x', AMBIGUOUS, AMBIGUOUS],
  ['/mcp/;/', AMBIGUOUS, AMBIGUOUS],
  ['/mcp%3f', AMBIGUOUS, AMBIGUOUS],
  ['/mcp%20', AMBIGUOUS, AMBIGUOUS],
  ['/mcp%252f', AMBIGUOUS, AMBIGUOUS],
];

const withoutNormalisation = (bootstrap) => {
  const manager = managerOf(bootstrap.static_resources.listeners[0]);
  Object.assign(manager, { normalize_path: false, merge_slashes: false, path_with_escaped_slashes_action: 'KEEP_UNCHANGED' });
};

for (const [how, envoy, place] of [
  ['as Envoy normalises it', () => {}, 1],
  ['as it comes', withoutNormalisation, 2],
]) {
  describe(`a lying call by another path, ${how}`, () => {
    const stage = onCheckedStage({ envoy });

    for (const { 0: target, [place]: expected } of PATHS)
      it(`${target} reaches nothing: ${expected.lying.join(' ')}`, async () => {
        const answers = [await stage.ask({ target, body: call('delete_note') }), await stage.ask({ target, fields: { Authorization: undefined } })];
        assert.deepEqual(
          answers.map(({ status, reason }) => [status, reason]),
          [expected.lying, expected.stranger],
        );
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
    it(`are nobody's for ${what}, and nothing else is: 421 host_unknown`, async () => {
      for (const target of [`${METADATA}/mcp`, METADATA, '/mcp']) {
        const { status, reason } = await get(target, { host: host(stage.gateway) });
        assert.deepEqual([status, reason], [421, 'host_unknown'], target);
      }
      await stage.nothingArrives();
    });
  }

  it("are nobody's for another host in the request line", async () => {
    assert.equal((await get(`http://evil.example${METADATA}/mcp`)).status, 421);
    await stage.nothingArrives();
  });

  for (const [path, status, reason] of [
    ['/other', 404, 'resource_unknown'],
    ['/mcp/x', 404, 'resource_unknown'],
    ['/MCP', 404, 'resource_unknown'],
    ['/mcp2', 404, 'resource_unknown'],
    ['/mcp.json', 404, 'resource_unknown'],
    ['/x/../mcp2', 404, 'resource_unknown'],
    ['/https://evil.example', 404, 'resource_unknown'],
    ['/mcp;x', 400, 'path_ambiguous'],
    ['/mcp%3fx', 400, 'path_ambiguous'],
    ['/mcp%2f', 400, undefined],
    ['%2fmcp', 400, undefined],
    ['/mcp%00', 400, undefined],
    ['/..%2f..%2fmembers', 400, undefined],
    ['/../../members', 401, 'session_missing'],
    ['//', 200, undefined],
    ['/mcp/..', 200, undefined],
    ['/%6dcp', 200, undefined],
    ['\\mcp', 200, undefined],
  ]) {
    it(`at ${path} reach no application, and name nobody else: ${status} ${reason ?? ''}`, async () => {
      const answer = await get(`${METADATA}${path}`);
      assert.deepEqual([answer.status, answer.reason], [status, reason]);
      if (status === 200) assert.equal(JSON.parse(answer.body).resource, `${stage.gateway.origin}/mcp`);
      if (status === 404) assert.equal(answer.headers['content-type'], 'application/problem+json');
      await stage.nothingArrives();
    });
  }

  it('are only read', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH'])
      assert.deepEqual(await get(`${METADATA}/mcp`, { method }).then(({ status, reason }) => [status, reason]), [405, 'method_not_allowed']);
    await stage.nothingArrives();
  });
});
