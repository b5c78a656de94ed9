// A front end that keeps its own token, without a browser: it asks for the provider's address, goes there, and brings the code back.

import http2 from 'node:http2';
import { Visitor } from './client.mjs';

const JSON_TYPE = { 'content-type': 'application/json' };

/** Asks for the address, and goes to the provider, which shows no form and redirects back at once: {code, state}. */
export async function authorized(visitor) {
  const told = await visitor.call('/api/authorize');
  if (told.status !== 200) throw new Error(`no address: ${told.status} ${told.reason}`);
  const back = await visitor.open(told.json().authorize_url);
  return Object.fromEntries(back.location.searchParams);
}

/** Posts to the token endpoint; content that is not a text is sent as JSON. */
export function exchange(visitor, content, options = {}) {
  const body = ['string', 'function'].includes(typeof content) ? content : JSON.stringify(content);
  return visitor.call('/api/token', { method: 'POST', body, ...options, headers: { ...JSON_TYPE, ...options.headers } });
}

/** Sends a request over HTTP/2, with each part of the body in its own DATA frame, and optional trailers. Resolves with {status, reason, body}. */
export function overHttp2(visitor, path, frames, { trailers, headers = {} } = {}) {
  const session = http2.connect(visitor.origin);
  const cookie = visitor.jar.header('localhost', path);
  const fields = { ':method': 'POST', ':path': path, origin: visitor.origin, cookie, ...JSON_TYPE, ...headers };
  return new Promise((done, failed) => {
    const stream = session.request(fields, { endStream: frames.length === 0, waitForTrailers: Boolean(trailers) });
    const answer = { body: '' };
    session.on('error', failed);
    stream.on('error', failed);
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.on('response', (head) => Object.assign(answer, { status: head[':status'], reason: head['x-accredit-reason'] }));
    stream.setEncoding('utf8').on('data', (text) => (answer.body += text));
    stream.on('end', () => {
      session.destroy();
      done(answer);
    });
    const send = ([frame, ...more]) => {
      if (frame === undefined) return;
      if (more.length === 0) return stream.end(frame);
      stream.write(frame, () => setImmediate(send, more));
    };
    send(frames);
  });
}

/** A front end on another origin: what the scripts of its page do for a visitor, and how people sign in through it. */
export class FrontEnd {
  constructor(gateway, origin) {
    Object.assign(this, { gateway, origin });
  }

  /** Calls `fetch()` in a page of the front end. */
  call(visitor, target, options = {}) {
    return visitor.call(target, { ...options, headers: { origin: this.origin, 'sec-fetch-site': 'cross-site', ...options.headers } });
  }

  exchange(visitor, content) {
    return this.call(visitor, '/api/token', { method: 'POST', headers: JSON_TYPE, body: JSON.stringify(content) });
  }

  /** Goes to the provider, through its form, and back to the page's address: {visitor, code, state, iss}. */
  async authorized(login, visitor = new Visitor(this.gateway)) {
    const told = await this.call(visitor, '/api/authorize');
    if (told.status !== 200) throw new Error(`no address: ${told.status} ${told.body}`);
    const reached = { until: (next) => next.origin === this.origin };
    let last = await visitor.follow(await visitor.open(told.json().authorize_url), reached);
    if (!last.location) last = await visitor.follow(await visitor.submit(last, { login, password: `${login}-password`, action: 'login' }), reached);
    return { visitor, ...Object.fromEntries(last.location.searchParams) };
  }

  /** Signs a person in, and resolves with the access token. */
  async tokenOf(login) {
    const { visitor, code } = await this.authorized(login);
    const answer = await this.exchange(visitor, { code });
    if (answer.status !== 200) throw new Error(`no token: ${answer.status} ${answer.body}`);
    return answer.json().access_token;
  }

  /** Sends a preflight, as a browser does for a page of this or another origin. */
  preflight(path, method, origin = this.origin) {
    const headers = { origin, 'access-control-request-method': method, 'access-control-request-headers': 'authorization,content-type' };
    return new Visitor(this.gateway).send(path, { method: 'OPTIONS', headers });
  }
}
