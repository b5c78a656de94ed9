// Makes thousands of credentials, each as a person or a program gets it: by signing in through the measured gateway, or from the provider. Only session JWTs
// are signed here, like one that the gateway made, because two sign-ins within a second would give the same JWT.

import { createHmac } from 'node:crypto';
import http from 'node:http';
import { sign } from '../tests/e2e/lib/misbehaving.mjs';

/** The host of every gateway, whatever its port, so that a session of one is valid at another, and requests are identical to the byte. */
export const HOST = 'localhost:18000';

const NAVIGATION = { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', 'sec-fetch-site': 'none' };
const AUDIENCE = 'orders';
const day = 86_400;
const now = () => Math.floor(Date.now() / 1000);

/** A person in so many groups; the rule requires the last one. */
export function person(groups, changes = {}) {
  const names = Array.from({ length: groups }, (_, i) => `team-${String(i + 1).padStart(3, '0')}-members`);
  return {
    sub: 'f3b1c9d2-7a64-4e0b-9c55-0d1e2f3a4b5c',
    email: 'alice.example@example.com',
    email_verified: true,
    name: 'Alice Example',
    preferred_username: 'alice',
    groups: [...names.slice(1), 'oracle-ai-users'],
    ...changes,
  };
}

export const stranger = () => person(15, { groups: ['visitors'] });

const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });

/** Sends a request; resolves with the answer, without its body. */
export function ask(port, path, headers = {}, { method = 'GET', body } = {}) {
  return new Promise((done, failed) => {
    const request = http.request({ host: '127.0.0.1', port, path, method, agent, headers: { host: HOST, ...headers } }, (response) => {
      response.resume().on('end', () => done(response));
    });
    request.on('error', failed).end(body);
  });
}

const cookiesOf = (response) => (response.headers['set-cookie'] ?? []).map((line) => line.split(';')[0]).filter((pair) => !/^[^=]+=(deleted)?$/.test(pair));

/** Signs in. The provider's redirect is made here, because only the gateway's two requests matter. */
async function signIn(port, provider, begin, user) {
  provider.user = user;
  const asked = await ask(port, begin, NAVIGATION);
  if (asked.statusCode !== 302) throw new Error(`signing in at ${begin} began with ${asked.statusCode}`);
  const query = Object.fromEntries(new URL(asked.headers.location).searchParams);
  const code = `code-${Math.random()}`;
  provider.codes.set(code, query);
  const callback = new URL(query.redirect_uri);
  callback.search = new URLSearchParams({ code, state: query.state });
  const done = await ask(port, callback.pathname + callback.search, { ...NAVIGATION, 'sec-fetch-site': 'cross-site', cookie: cookiesOf(asked).join('; ') });
  if (![302, 303].includes(done.statusCode)) throw new Error(`signing in at ${begin} ended with ${done.statusCode} ${done.headers['x-accredit-reason'] ?? ''}`);
  return cookiesOf(done);
}

/** The cookies of a new session at Accredit. */
export async function accreditSession(gateway, provider, user) {
  const cookies = await signIn(gateway.port, provider, '/api/login', user);
  // What is left of the sign-in goes after two minutes.
  return cookies.filter((pair) => !/^__Secure-|-attempt-/.test(pair)).join('; ');
}

/** So many session JWTs: one that the gateway made, and others as it would have made them for the same sign-in, each one second earlier. */
export function andEarlier(session, secret, count) {
  const [, cookie, header, payload] = /^([^=]+)=([^.]+)\.([^.]+)\.[^.;]+$/.exec(session);
  const claims = JSON.parse(Buffer.from(payload, 'base64url'));
  const earlier = (seconds) => {
    const text = JSON.stringify({ ...claims, iat: claims.iat - seconds, exp: claims.exp - seconds });
    const signed = `${header}.${Buffer.from(text).toString('base64url')}`;
    return `${cookie}=${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  };
  if (earlier(0) !== session) throw new Error('the gateway makes sessions as JWTs in another way than they are made here');
  return Array.from({ length: count }, (_, seconds) => earlier(seconds));
}

/** The cookies of a new session of Envoy's own `oauth2` filter. */
export async function nativeSession(gateway, provider, user) {
  return (await signIn(gateway.port, provider, '/fast', user)).filter((pair) => !/^Oauth(Nonce)|^CodeVerifier/.test(pair)).join('; ');
}

/** A new access token each time. */
export function accessToken(provider, user, number = 0) {
  const key = provider.standardKey;
  const claims = { iss: provider.issuer, aud: AUDIENCE, iat: now(), exp: now() + day, jti: `token-${number}`, scope: 'orders:read', ...user };
  return sign(claims, { alg: key.algorithm, kid: key.kid, typ: 'at+jwt' }, key);
}

/** Does something so many times, a few at the same time. */
export async function many(count, work) {
  const made = new Array(count);
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const mine = next;
      next += 1;
      made[mine] = await work(mine);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return made;
}

/** A text that differs from a valid credential in one character in the middle. */
export function forged(text, at = Math.floor(text.length * 0.7)) {
  return `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;
}
