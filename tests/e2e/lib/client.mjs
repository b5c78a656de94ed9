// A visitor without a browser: it sends requests over HTTP/1.1 or HTTP/2, has a cookie jar, follows redirects one by one, and fills in sign-in forms.
//
// Whatever host a URL names, the connection goes to 127.0.0.1, to the URL's port or to the port that `ports` has for the host. `open` sends what a browser
// sends when a person follows a link, `call` what it sends for a script of the page; `send` adds nothing. It follows a redirect only if a test asks for it.

import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { Jar, parseSetCookie } from './jar.mjs';

const NAVIGATION = {
  accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
  'sec-fetch-site': 'none',
  'sec-fetch-user': '?1',
};
const SCRIPT = { accept: '*/*', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', 'sec-fetch-site': 'same-origin' };

export class Visitor {
  jar = new Jar();
  #session;

  /**
   * `agent` keeps connections to the gateway open; without it, each request over HTTP/1.1 has its own connection. A gateway with TLS has `ca`, the certificate
   * of its authority. If it does not listen on the port of its origin, `ports` has its port: {'app.example.com': 15443}.
   */
  constructor(gateway, { http2: useHttp2 = false, agent = false } = {}) {
    this.origin = gateway.origin;
    this.ca = gateway.ca;
    this.ports = gateway.ports ?? {};
    this.agent = agent;
    this.useHttp2 = useHttp2;
  }

  /** Follows a link, or visits a typed address. */
  open(target, options = {}) {
    return this.send(target, { ...options, headers: { ...NAVIGATION, ...options.headers } });
  }

  /** Calls `fetch()` in a page of the gateway's own origin. Browsers send Origin with unsafe methods. */
  call(target, options = {}) {
    const origin = ['GET', 'HEAD', undefined].includes(options.method) ? {} : { origin: this.origin };
    return this.send(target, { ...options, headers: { ...SCRIPT, ...origin, ...options.headers } });
  }

  /** Sends a request with these headers and the jar's cookies, and nothing else. A header that is undefined is not sent. */
  async send(target, { method = 'GET', headers = {}, body, timeout = 15_000 } = {}) {
    const url = new URL(target, this.origin);
    const cookie = this.jar.header(url.hostname, url.pathname);
    const all = Object.fromEntries(Object.entries({ ...(cookie && { cookie }), ...headers }).filter(([, value]) => value !== undefined));
    const toGateway = url.origin === this.origin;
    const agent = toGateway && this.agent;
    const response =
      this.useHttp2 && toGateway
        ? await this.#http2(url, method, all, body, timeout)
        : await http1(url, method, all, { body, timeout, agent, ca: this.ca, port: this.#portOf(url) });
    response.url = url;
    response.cookies = [response.headers['set-cookie'] ?? []].flat().map((line) => parseSetCookie(line, url.pathname));
    this.jar.store(url.hostname, response.headers['set-cookie'], url.pathname);
    return response;
  }

  /** Follows redirects until an answer is not a redirect, or until `until` returns true for the next URL. The last answer has the `trail` of URLs. */
  async follow(response, { until = () => false, limit = 12 } = {}) {
    const trail = [response];
    let last = response;
    while (last.location && !until(last.location)) {
      if (trail.length > limit) throw new Error(`a redirect loop: ${trail.map(({ url, status }) => `${status} ${url}`).join(' → ')}`);
      last = await this.open(last.location.href, { headers: { 'sec-fetch-site': 'cross-site' } });
      trail.push(last);
    }
    last.trail = trail;
    return last;
  }

  /** Sends the first form of a page. `values` are fields by name, including a pressed button; other inputs keep the values of the page. */
  submit(page, values) {
    const { action, method, fields } = formOf(page);
    const body = new URLSearchParams({ ...fields, ...values }).toString();
    return this.open(action, {
      method,
      body,
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: action.origin, 'sec-fetch-site': 'same-origin' },
    });
  }

  /** The whole sign-in at a provider that shows no form: from a page back to that page. */
  async signIn(path = '/analytics') {
    return this.follow(await this.open(path));
  }

  /** The same at a provider that answers with a form: the browser posts it from another site, and so sends only `SameSite=None` cookies. */
  async signInByForm(path = '/analytics', page = undefined) {
    page ??= await this.follow(await this.open(path));
    const { action, fields } = formOf(page);
    const form = { 'content-type': 'application/x-www-form-urlencoded', origin: page.url.origin, 'sec-fetch-site': 'cross-site' };
    const cookie = this.jar.header(action.hostname, action.pathname, 'none');
    const posted = await this.open(action.href, {
      method: 'POST',
      body: new URLSearchParams(fields).toString(),
      headers: { ...form, cookie: cookie || undefined },
    });
    return this.follow(posted);
  }

  /** The sign-in up to the provider's redirect: resolves with the callback's URL, which was not visited yet. */
  async untilCallback(path = '/analytics') {
    const last = await this.follow(await this.open(path), { until: (next) => next.origin === this.origin && next.searchParams.has('state') });
    return last.location;
  }

  #portOf(url) {
    return this.ports[url.host] ?? url.port;
  }

  #http2(url, method, headers, body, timeout) {
    this.#session ??= http2.connect(`${url.protocol}//127.0.0.1:${this.#portOf(url)}`, { ca: this.ca, servername: url.hostname }).on('error', () => {});
    return new Promise((done, failed) => {
      const stream = this.#session.request(
        { ':method': method, ':path': url.pathname + url.search, ':authority': url.host, ...headers },
        { endStream: body === undefined },
      );
      let head;
      const parts = [];
      stream.setTimeout(timeout, () => stream.destroy(new Error(`no answer to ${method} ${url} within ${timeout} ms`)));
      stream.on('response', (received) => (head = received));
      stream.on('data', (part) => parts.push(part));
      stream.on('end', () => done(answerOf(head?.[':status'], head, parts, url)));
      stream.on('error', failed);
      if (body !== undefined) stream.end(body);
    });
  }

  close() {
    this.#session?.destroy();
  }
}

/** One HTTP/1.1 request; without an agent, on its own connection. `body` is a text, or a function that writes to the request and ends it. */
function http1(url, method, headers, { body, timeout, agent, ca, port }) {
  // Node sets content-length by itself only for methods that usually have a body.
  const length = typeof body === 'string' ? { 'content-length': String(Buffer.byteLength(body)) } : {};
  return new Promise((done, failed) => {
    const tls = url.protocol === 'https:' && { ca, servername: url.hostname };
    const options = {
      host: '127.0.0.1',
      port,
      method,
      path: url.pathname + url.search,
      headers: { host: url.host, ...length, ...headers },
      agent,
      maxHeaderSize: 256 * 1024,
      ...tls,
    };
    const request = (tls ? https : http).request(options, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => done(answerOf(response.statusCode, response.headers, parts, url)));
      response.on('error', failed);
    });
    request.setTimeout(timeout, () => request.destroy(new Error(`no answer to ${method} ${url} within ${timeout} ms`)));
    request.on('error', failed);
    if (typeof body === 'function') body(request);
    else request.end(body);
  });
}

function answerOf(status, headers, parts, url) {
  const body = Buffer.concat(parts).toString();
  return {
    status,
    headers,
    body,
    reason: headers['x-accredit-reason'],
    location: headers.location === undefined ? undefined : new URL(headers.location, url),
    json: () => JSON.parse(body),
  };
}

function formOf(page) {
  const form = /<form\b([^>]*)>([\s\S]*?)<\/form>/i.exec(page.body);
  if (!form) throw new Error(`no form on ${page.url} (${page.status}):\n${page.body.slice(0, 500)}`);
  const attribute = (tag, name) => new RegExp(`\\b${name}\\s*=\\s*"([^"]*)"`, 'i').exec(tag)?.[1]?.replaceAll('&amp;', '&');
  const inputs = [...form[2].matchAll(/<input\b[^>]*>/gi)].map(([tag]) => [attribute(tag, 'name'), attribute(tag, 'value') ?? '']);
  return {
    action: new URL(attribute(form[1], 'action') ?? page.url, page.url),
    method: (attribute(form[1], 'method') ?? 'get').toUpperCase(),
    fields: Object.fromEntries(inputs.filter(([name]) => name)),
  };
}
