// An OpenID provider for the tests, which behaves correctly until a test tells it otherwise.
//
// It has discovery, keys, authorization (it shows no form: the redirect comes at once), token, userinfo, introspection and end_session. It records all requests
// in `received`, by endpoint. It can misbehave in four ways, all of which `behave()` undoes:
//   lies       changes a value before it is sent (a claim, a header, the document, the parameters of the redirect …)
//   intercept  a test answers one endpoint itself
//   delay      answers one endpoint later
//   refuse()   accepts no connection until accept()

import { createHash, randomUUID } from 'node:crypto';
import http from 'node:http';
import { CompactSign, exportJWK, generateKeyPair } from 'jose';
import { closeServer, freePort, listen, sleep } from './process.mjs';

const PATHS = {
  '/.well-known/openid-configuration': 'discovery',
  '/keys': 'keys',
  '/authorize': 'authorize',
  '/token': 'token',
  '/userinfo': 'userinfo',
  '/introspect': 'introspection',
  '/end': 'end_session',
};

export const now = () => Math.floor(Date.now() / 1000);
const hash = (text, algorithm = 'sha256') => createHash(algorithm).update(text).digest();
/** Hash functions by the last three characters of an algorithm's name (EdDSA with Ed25519 uses SHA-512). */
const HASHES = { 256: 'sha256', 384: 'sha384', 512: 'sha512', DSA: 'sha512' };
const leftHalf = (bytes) => bytes.subarray(0, bytes.length / 2);
const pairs = new Map();

/** A signing key. Each key pair is made only once in a process, because RSA keys take long to make. */
export async function makeKey(algorithm, kid) {
  const name = `${algorithm} ${kid}`;
  if (!pairs.has(name)) pairs.set(name, await generateKeyPair(algorithm, { extractable: true }));
  const { privateKey, publicKey } = pairs.get(name);
  const published = { ...(await exportJWK(publicKey)), kid, alg: algorithm, use: 'sig' };
  return { algorithm, kid, privateKey, published };
}

/** Signs a payload, which is bytes, a text or a value, with any header. */
export async function sign(payload, header, key) {
  const bytes = payload instanceof Uint8Array ? payload : new TextEncoder().encode(typeof payload === 'string' ? payload : JSON.stringify(payload));
  return new CompactSign(bytes)
    .setProtectedHeader(header)
    .sign(key.privateKey ?? key, { crit: Object.fromEntries((header.crit ?? []).map((name) => [name, true])) });
}

/** A token without signature, or with the given one: for the algorithm `none`, and for forgeries. */
export function unsigned(payload, header, signature = '') {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part(header)}.${part(payload)}.${signature}`;
}

export class Provider {
  clientId = 'accredit-demo';
  clientSecret = 'demo-secret';

  static async start() {
    const provider = new Provider();
    provider.port = await freePort();
    provider.issuer = `http://127.0.0.1:${provider.port}`;
    provider.standardKey = await makeKey('RS256', 'rs-1');
    provider.behave();
    await provider.accept();
    return provider;
  }

  /** Returns to correct behaviour, and forgets all requests. */
  behave() {
    this.user = {
      sub: 'user-1',
      email: 'user@example.com',
      email_verified: true,
      name: 'Ünser User',
      preferred_username: 'user',
      groups: ['oracle-ai-users', 'staff'],
    };
    /** Further people, by the value of the cookie `person` that their browser has for this provider. Everybody else is `user`. */
    this.people = new Map();
    this.keys = [this.standardKey];
    this.signingKey = this.standardKey;
    this.lies = {};
    this.intercept = {};
    this.delay = {};
    this.codes = new Map();
    // The lifetime of access tokens in seconds. With `rotates`, refresh tokens are issued; each can be used once, and a second use ends its whole family.
    this.lifetime = 3600;
    this.rotates = false;
    this.refreshTokens = new Map();
    this.accessTokens = new Map();
    this.opaqueTokens = new Map();
    this.faults = [];
    this.forget();
  }

  forget() {
    this.received = Object.fromEntries(Object.values(PATHS).map((endpoint) => [endpoint, []]));
  }

  count(endpoint) {
    return this.received[endpoint].length;
  }

  /** The number of refresh requests, whether they succeeded or not. */
  refreshes() {
    return this.received.token.filter(({ form }) => form.get('grant_type') === 'refresh_token').length;
  }

  async accept() {
    this.server = http.createServer((request, response) => this.#receive(request, response).catch((error) => this.#fail(response, error)));
    await listen(this.server, this.port);
  }

  /** Records an error in a test's own code, so that the test fails; a client that has gone away is no error. */
  #fail(response, error) {
    if (error.code !== 'ECONNRESET') this.faults.push(error.stack);
    response.destroy();
  }

  async refuse() {
    await this.stop();
  }

  async stop() {
    await closeServer(this.server);
  }

  async #receive(request, response) {
    const url = new URL(request.url, this.issuer);
    const endpoint = PATHS[url.pathname];
    let body = '';
    for await (const part of request) body += part;
    if (!endpoint) return answer(response, 404, { error: 'not_found' });
    const received = { method: request.method, headers: request.headers, query: url.searchParams, form: new URLSearchParams(body) };
    this.received[endpoint].push(received);
    if (this.delay[endpoint]) await sleep(this.delay[endpoint]);
    if (this.intercept[endpoint]) return this.intercept[endpoint](request, response, received);
    return this[`_${endpoint}`](response, received);
  }

  #tell(what, truth, ...more) {
    return this.lies[what] ? this.lies[what](truth, ...more) : truth;
  }

  async _discovery(response) {
    const document = {
      issuer: this.issuer,
      authorization_endpoint: `${this.issuer}/authorize`,
      token_endpoint: `${this.issuer}/token`,
      userinfo_endpoint: `${this.issuer}/userinfo`,
      introspection_endpoint: `${this.issuer}/introspect`,
      jwks_uri: `${this.issuer}/keys`,
      end_session_endpoint: `${this.issuer}/end`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256', 'PS256', 'ES256'],
      code_challenge_methods_supported: ['S256'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'none'],
    };
    answer(response, 200, await this.#tell('discovery', document));
  }

  async _keys(response) {
    answer(response, 200, await this.#tell('keys', { keys: this.keys.map(({ published }) => published) }));
  }

  async _authorize(response, { query, headers }) {
    const code = randomUUID();
    const person = this.people.get(/(?:^|; )person=([^;]*)/.exec(headers.cookie)?.[1]);
    this.codes.set(code, { ...Object.fromEntries(query), auth_time: now(), person });
    const parameters = await this.#tell('redirect', { code, state: query.get('state') }, query);
    const target = new URL(query.get('redirect_uri'));
    const present = Object.entries(parameters).filter(([, value]) => value !== undefined);
    if (query.get('response_mode') === 'form_post') {
      const inputs = present.map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`).join('');
      return answer(response, 200, `<form method="post" action="${target.href}">${inputs}</form>`, { 'content-type': 'text/html' });
    }
    for (const [name, value] of present) target.searchParams.append(name, value);
    response.writeHead(302, { location: target.href }).end();
  }

  async _token(response, received) {
    received.client = clientOf(received);
    const refreshing = received.form.get('grant_type') === 'refresh_token';
    const attempt = refreshing ? this.#spend(received.form.get('refresh_token')) : this.codes.get(received.form.get('code'));
    const wrong = this.#refusal(received, attempt, refreshing);
    if (wrong) return answer(response, wrong === 'invalid_client' ? 401 : 400, { error: wrong });
    this.codes.delete(received.form.get('code'));
    const accessToken = `access-${randomUUID()}`;
    this.accessTokens.set(accessToken, { ...(attempt.person ?? this.user) });
    const body = { access_token: accessToken, token_type: 'Bearer', expires_in: this.lifetime, id_token: await this.#idToken(attempt, accessToken) };
    if (this.rotates) {
      body.refresh_token = `refresh-${randomUUID()}`;
      this.refreshTokens.set(body.refresh_token, { ...attempt, nonce: undefined, family: attempt.family ?? {} });
    }
    const told = await this.#tell('tokens', body);
    answer(response, 200, refreshing ? await this.#tell('refreshed', told) : told, { 'cache-control': 'no-store' });
  }

  /** RFC 9700, section 4.14.2: a refresh token that is used a second time may have been stolen, so its whole family ends. */
  #spend(refreshToken) {
    const kept = this.refreshTokens.get(refreshToken);
    if (!kept || kept.family.ended) return undefined;
    kept.family.ended = kept.spent;
    kept.spent = true;
    return kept.family.ended ? undefined : { ...kept, spent: false };
  }

  /** The checks of a correct token endpoint, by RFC 6749 and RFC 7636. */
  #refusal({ client, form }, attempt, refreshing) {
    if (client.id !== this.clientId) return 'invalid_client';
    if (client.method !== 'none' && client.secret !== this.clientSecret) return 'invalid_client';
    if (refreshing) return attempt ? null : 'invalid_grant';
    if (form.get('grant_type') !== 'authorization_code') return 'unsupported_grant_type';
    if (!attempt || attempt.redirect_uri !== form.get('redirect_uri')) return 'invalid_grant';
    if (hash(form.get('code_verifier') ?? '').toString('base64url') !== attempt.code_challenge) return 'invalid_grant';
    return null;
  }

  async #idToken(attempt, accessToken) {
    const key = this.signingKey;
    const truth = {
      iss: this.issuer,
      aud: this.clientId,
      iat: now(),
      exp: now() + 300,
      nonce: attempt.nonce,
      auth_time: attempt.auth_time,
      at_hash: leftHalf(hash(accessToken, HASHES[this.signingKey.algorithm.slice(-3)])).toString('base64url'),
      ...(attempt.person ?? this.user),
    };
    const claims = await this.#tell('claims', truth);
    const header = await this.#tell('header', { alg: key.algorithm, kid: key.kid, typ: 'JWT' });
    return this.lies.idToken ? this.lies.idToken(claims, header, key) : sign(claims, header, key);
  }

  async _userinfo(response, { headers }) {
    const user = this.accessTokens.get((headers.authorization ?? '').replace(/^Bearer /i, ''));
    if (!user) return answer(response, 401, { error: 'invalid_token' });
    answer(response, 200, await this.#tell('userinfo', user));
  }

  /** RFC 7662: only a client gets an answer, and for an unknown token it says only that it is not active. */
  async _introspection(response, received) {
    received.client = clientOf(received);
    if (received.client.id !== this.clientId || received.client.secret !== this.clientSecret) return answer(response, 401, { error: 'invalid_client' });
    const known = this.opaqueTokens.get(received.form.get('token'));
    const truth = known ? { active: true, iss: this.issuer, token_type: 'Bearer', exp: now() + 300, ...known } : { active: false };
    answer(response, 200, await this.#tell('introspection', truth));
  }

  async _end_session(response, { query }) {
    const back = query.get('post_logout_redirect_uri');
    if (!back) return answer(response, 200, { signed_out: true });
    const target = new URL(back);
    if (query.has('state')) target.searchParams.set('state', query.get('state'));
    response.writeHead(302, { location: target.href }).end();
  }
}

export function answer(response, status, body, headers = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text);
}

/** How the client authenticated (RFC 6749, section 2.3.1): in Basic, name and secret are form-encoded. */
function clientOf({ headers, form }) {
  const plain = (text) => decodeURIComponent((text ?? '').replaceAll('+', ' '));
  if (headers.authorization?.startsWith('Basic ')) {
    const [id, secret] = Buffer.from(headers.authorization.slice(6), 'base64').toString().split(':');
    return { method: 'client_secret_basic', id: plain(id), secret: plain(secret) };
  }
  if (form.has('client_secret')) return { method: 'client_secret_post', id: form.get('client_id'), secret: form.get('client_secret') };
  return { method: 'none', id: form.get('client_id') };
}
