// An MCP client without an SDK, for requests that an SDK would not send. It finds the provider from the address of the server alone, registers there, has a
// person sign in and allow what it asks, and sends the token that it gets.

import { createHash, randomBytes } from 'node:crypto';
import { Visitor } from '../client.mjs';

/** Where the provider sends the code; nothing listens there. */
const CALLBACK = 'http://127.0.0.1:1/callback';
export const NEWEST = '2026-07-28';
export const OLDER = '2025-11-25';

/** What each message of 2026-07-28 says about its client. */
const META = {
  'io.modelcontextprotocol/protocolVersion': NEWEST,
  'io.modelcontextprotocol/clientInfo': { name: 'agent', version: '1.0.0' },
  'io.modelcontextprotocol/clientCapabilities': {},
};

/** The parameters of a `Bearer` challenge by name. */
export const challengeOf = (line) => Object.fromEntries([...line.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));

export class Agent {
  /** `gateway` is a running gateway, `path` the server's. */
  constructor(gateway, path = '/mcp') {
    this.visitor = new Visitor(gateway);
    this.resource = `${gateway.origin}${path}`;
  }

  /** Signs in as this person from the server's address alone, for these scopes or for those that the server names. */
  async signIn(login, scope) {
    const refusal = await this.call('read_note', { name: 'welcome' });
    const challenge = challengeOf(refusal.headers['www-authenticate']);
    const { resource, authorization_servers: servers } = await json(challenge.resource_metadata);
    this.provider = await json(`${servers[0]}/.well-known/openid-configuration`);
    this.client ??= await this.#register();
    const verifier = randomBytes(32).toString('base64url');
    const code = await this.#authorize(login, { scope: scope ?? challenge.scope, resource, verifier });
    this.tokens = await json(this.provider.token_endpoint, {
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        client_id: this.client.client_id,
        code,
        redirect_uri: CALLBACK,
        code_verifier: verifier,
        resource,
      }),
    });
    return this;
  }

  #register() {
    const client = { client_name: 'Agent', redirect_uris: [CALLBACK], application_type: 'native', token_endpoint_auth_method: 'none' };
    return json(this.provider.registration_endpoint, { body: JSON.stringify(client), headers: { 'content-type': 'application/json' } });
  }

  async #authorize(login, { scope, resource, verifier }) {
    const person = new Visitor({ origin: this.provider.issuer });
    const request = new URLSearchParams({
      response_type: 'code',
      client_id: this.client.client_id,
      redirect_uri: CALLBACK,
      scope,
      resource,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    });
    const until = { until: (next) => next.href.startsWith(CALLBACK) };
    const form = await person.follow(await person.open(`${this.provider.authorization_endpoint}?${request}`), until);
    this.question = await person.follow(await person.submit(form, { login, password: `${login}-password`, action: 'login' }), until);
    const last = await person.follow(await person.submit(this.question, { action: 'allow' }), until);
    const code = last.location?.searchParams.get('code');
    if (!code) throw new Error(`no code, but ${last.status} at ${last.url}: ${last.location ?? last.body.slice(-600)}`);
    return code;
  }

  /** Calls a tool. `version` is that of the protocol, `names` the tool in the header, if it is to be another one than in the body. */
  call(tool, given, { version = NEWEST, names = tool, ...options } = {}) {
    return this.post('tools/call', { name: tool, arguments: given }, { version, names, ...options });
  }

  /** Sends a message, with the headers of its version, and with `headers` in place of those. */
  post(method, params = {}, { version = NEWEST, names, headers = {} } = {}) {
    const isNewest = version === NEWEST;
    return this.visitor.send(this.resource, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        authorization: this.tokens && `Bearer ${this.tokens.access_token}`,
        'mcp-protocol-version': version,
        'mcp-method': isNewest ? method : undefined,
        'mcp-name': isNewest ? names : undefined,
        ...headers,
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: isNewest ? { ...params, _meta: META } : params }),
    });
  }
}

/** The result of a message: of JSON, or of the only event of a stream. */
export function resultOf({ headers, body }) {
  const text = headers['content-type'].startsWith('text/event-stream') ? /^data: (.*)$/m.exec(body)[1] : body;
  return JSON.parse(text).result;
}

/** The text that a tool answers with. */
export const textOf = (answer) => resultOf(answer).content[0].text;

async function json(url, options) {
  const answer = await fetch(url, options && { method: 'POST', ...options });
  if (!answer.ok) throw new Error(`${answer.status} from ${url}: ${(await answer.text()).slice(0, 600)}`);
  return answer.json();
}
