// A stage for hostile calls: a recording server at /mcp, and in front of it Accredit, which decides by header fields, and Envoy's `mcp` filter, which compares
// them with the body. Or the filter stands before Accredit, which then decides by the body. After each test, a good call must still work.
//
// It knows the messages of MCP as clients send them, byte for byte: what a real client would refuse to send is sent here.

import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { afterEach } from 'node:test';
import { managerOf } from '../gateway.mjs';
import { now, sign } from '../misbehaving.mjs';
import { requestText, sendRaw } from '../raw.mjs';
import { assertNoPanic, onStage } from '../stage.mjs';

export const NEW = '2026-07-28';
export const READ = 'notes:read';
export const DELETE = 'notes:delete';
export const PAGES = 'https://inspector.example.com';

const FILTER = 'envoy.filters.http.mcp';
const LIMIT = 1_048_576;
const extension = (name) => `type.googleapis.com/envoy.extensions.filters.http.mcp.v3.${name}`;

/** Adds Envoy's filter behind Accredit, on for the route of the server alone, as docs/configuration.md says. */
function addFilter(bootstrap) {
  const manager = managerOf(bootstrap.static_resources.listeners[0]);
  const typed = {
    '@type': extension('Mcp'),
    traffic_mode: 'REJECT_NO_MCP',
    attribute_source: 'VERIFY',
    max_request_body_size: LIMIT,
    max_supported_protocol_version: NEW,
    reject_duplicate_keys: true,
  };
  manager.http_filters.splice(-1, 0, { name: FILTER, disabled: true, typed_config: typed });
  const override = { '@type': extension('McpOverride'), traffic_mode: 'REJECT_NO_MCP', max_request_body_size: LIMIT, reject_duplicate_keys: true };
  const config = { '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig', config: override };
  const route = { match: { prefix: '/mcp' }, route: { cluster: 'application', timeout: '0s' }, typed_per_filter_config: { [FILTER]: config } };
  manager.route_config.virtual_hosts[0].routes.unshift(route);
}

/** Adds it before Accredit, in the same way. */
function addFilterBefore(bootstrap) {
  const manager = managerOf(bootstrap.static_resources.listeners[0]);
  const typed = { '@type': extension('Mcp'), traffic_mode: 'PASS_THROUGH', max_request_body_size: 65_536, reject_duplicate_keys: true };
  manager.http_filters.unshift({ name: FILTER, typed_config: typed });
  manager.route_config.virtual_hosts[0].routes.unshift({ match: { prefix: '/mcp' }, route: { cluster: 'application', timeout: '0s' } });
}

function protect(configuration, more) {
  configuration.providers[0].bearer = {};
  configuration.resources = [{ path: '/mcp', scopes: [READ], allowed_origins: [PAGES], ...more }];
  configuration.rules = [
    { match: { path: '/' }, require: 'public' },
    { match: { path_separated_prefix: '/mcp', mcp: { tools: ['delete_*'] } }, require: { scope: [READ, DELETE] } },
    { match: { path_separated_prefix: '/mcp' }, require: { scope: [READ] } },
    { require: 'authenticated' },
  ];
}

/** The members of a message by which MCP 2026-07-28 describes its client. */
export const META = {
  'io.modelcontextprotocol/protocolVersion': NEW,
  'io.modelcontextprotocol/clientInfo': { name: 'hostile', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};

/** A call of a tool, as a message. */
export const call = (name, more = {}) => JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {}, _meta: META, ...more } });

/** A call of read_note, and what stands in the header fields for it by the newest version. */
const FIELDS = {
  'Content-Type': 'application/json',
  Accept: 'application/json, text/event-stream',
  'MCP-Protocol-Version': NEW,
  'Mcp-Method': 'tools/call',
  'Mcp-Name': 'read_note',
};

/** What a client of an older version sends instead. */
export const older = (version) => ({ 'MCP-Protocol-Version': version, 'Mcp-Method': undefined, 'Mcp-Name': undefined });

/**
 * To be called inside `describe`. With `before`, Envoy's filter stands before Accredit. `resource` changes the resource; `envoy` the bootstrap; `works` the call
 * that must work after each test.
 */
export function onCheckedStage({ before = false, resource = {}, envoy = () => {}, works = {} } = {}) {
  const checked = { body_checked_by: before ? 'envoy_mcp_filter_before' : 'envoy_mcp_filter', ...resource };
  const stage = onStage({
    plugin: (configuration) => protect(configuration, checked),
    envoy: (bootstrap) => ((before ? addFilterBefore : addFilter)(bootstrap), envoy(bootstrap)),
  });

  /** A token with these claims; by default one that may read. */
  stage.token = (changes = {}) => {
    const [key] = stage.provider.keys;
    const claims = { iss: stage.provider.issuer, sub: 'robot', aud: `${stage.gateway.origin}/mcp`, exp: now() + 300, scope: READ, ...changes };
    return sign(claims, { alg: 'RS256', kid: key.kid }, key);
  };

  /** The fields of a request: those of a call of read_note with a token that may read, with these changes. A list is for several lines, undefined for none. */
  const fieldsOf = async ({ fields = {}, scope = READ }) => {
    const authorization = { Authorization: `Bearer ${await stage.token({ scope })}` };
    const all = Object.entries({ ...authorization, ...FIELDS, ...fields });
    return all.flatMap(([name, value]) => [value].flat().map((each) => [name, each])).filter(([, value]) => value !== undefined);
  };

  /** Sends one over HTTP/1.1. `length: false` leaves Content-Length to `fields`. */
  stage.ask = async ({ method = 'POST', target = '/mcp', host = stage.gateway.host, body = call('read_note'), length = true, ...rest }) => {
    const lines = (await fieldsOf(rest)).map(([name, value]) => `${name}: ${value}`);
    if (length) lines.push(`Content-Length: ${Buffer.byteLength(body, 'latin1')}`);
    return sendRaw(stage.gateway.port, requestText(method, target, host, lines, body));
  };

  /** Sends one over HTTP/2, with these trailers if there are any. */
  stage.askHttp2 = async ({ method = 'POST', target = '/mcp', body = call('read_note'), trailers, ...rest }) => {
    const session = http2.connect(stage.gateway.origin).on('error', () => {});
    const headers = { ':method': method, ':path': target };
    for (const [name, value] of await fieldsOf(rest)) headers[name.toLowerCase()] = [headers[name.toLowerCase()] ?? [], value].flat();
    // Node takes a list of one for several where only one is allowed.
    for (const [name, value] of Object.entries(headers)) if (Array.isArray(value) && value.length === 1) [headers[name]] = value;
    try {
      return await new Promise((done, failed) => {
        const isAlone = body === '' && trailers === undefined;
        const stream = session.request(headers, { waitForTrailers: trailers !== undefined, endStream: isAlone });
        const parts = [];
        let head = {};
        stream.setTimeout(10_000, () => stream.destroy(new Error('no answer within 10 s')));
        stream.on('wantTrailers', () => stream.sendTrailers(trailers));
        stream.on('response', (received) => (head = received));
        stream.on('data', (part) => parts.push(part));
        stream.on('error', failed);
        stream.on('close', () =>
          done({ status: head[':status'] ?? 0, reason: head['x-accredit-reason'], headers: head, body: Buffer.concat(parts).toString() }),
        );
        if (!isAlone) stream.end(body);
      });
    } finally {
      session.destroy();
    }
  };

  /** Asks, and checks that it is refused with this status and reason, or by Envoy with this in the body, and that nothing reaches the server. */
  stage.refuses = async (request, status, why, ask = stage.ask) => {
    const answer = await ask(request);
    const told = why instanceof RegExp ? [answer.status, answer.reason, why.test(answer.body)] : [answer.status, answer.reason, true];
    assert.deepEqual(told, [status, why instanceof RegExp ? undefined : why, true], answer.body.slice(0, 400));
    await stage.nothingArrives();
    return answer;
  };

  /** Checks that nothing has reached the server: a good call that follows is the first. */
  stage.nothingArrives = async () => {
    await stage.works();
    assert.deepEqual(
      stage.application.requests.map(({ method, url, body }) => [method, url, body]),
      [['POST', '/mcp?after', call('read_note')]],
    );
    stage.application.forget();
  };

  stage.works = async () => assert.equal((await stage.ask({ target: '/mcp?after', ...works })).status, 200, 'a good call no longer works');

  afterEach(async () => {
    stage.application.forget();
    await stage.works();
    assertNoPanic(stage.gateway);
  });
  return stage;
}
