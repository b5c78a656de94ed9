// A cookie jar that follows the rules of browsers as far as these tests depend on them.
//
// Like browsers, it keeps cookies by host name, whatever the port. Like Chromium, it keeps `Secure` cookies on http://localhost and http://127.0.0.1. Like
// every browser, it ignores a `__Host-` cookie without Secure, without Path=/, or with Domain, and a cookie of more than 4,096 bytes: if the filter gets this
// wrong, nobody can sign in here.

export class Jar {
  #cookies = new Map();

  /** The names in those Set-Cookie lines that a browser would ignore. */
  rejected = [];

  store(host, lines, requestPath = '/') {
    for (const line of [lines ?? []].flat()) {
      const cookie = parseSetCookie(line, requestPath);
      const key = `${host} ${cookie.path} ${cookie.name}`;
      if (!isAcceptable(cookie)) this.rejected.push(cookie.name);
      else if (cookie.expires <= Date.now()) this.#cookies.delete(key);
      else this.#cookies.set(key, { host, ...cookie });
    }
  }

  /** The cookies that a browser would send, longest path first. */
  matching(host, path = '/') {
    return [...this.#cookies.values()]
      .filter((cookie) => cookie.host === host && cookie.expires > Date.now() && pathMatches(path, cookie.path))
      .sort((a, b) => b.path.length - a.path.length);
  }

  /** The `Cookie` header; with a `SameSite` value, only with such cookies. */
  header(host, path, sameSite) {
    const fits = ({ attributes }) => sameSite === undefined || attributes?.samesite?.toLowerCase() === sameSite;
    return this.matching(host, path)
      .filter(fits)
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
  }

  names(host, path) {
    return this.matching(host, path).map(({ name }) => name);
  }

  get(host, name) {
    return [...this.#cookies.values()].find((cookie) => cookie.host === host && cookie.name === name)?.value;
  }

  set(host, name, value, path = '/') {
    this.#cookies.set(`${host} ${path} ${name}`, { host, path, name, value, expires: Infinity });
  }

  delete(host, name) {
    for (const [key, cookie] of this.#cookies) if (cookie.host === host && cookie.name === name) this.#cookies.delete(key);
  }

  clone() {
    const copy = new Jar();
    copy.#cookies = new Map(this.#cookies);
    return copy;
  }
}

/** A parsed Set-Cookie line, with the names of attributes in lower case. */
export function parseSetCookie(line, requestPath = '/') {
  const [pair, ...rest] = line.split(';').map((part) => part.trim());
  const at = pair.indexOf('=');
  const attributes = Object.fromEntries(rest.map((part) => [part.split('=')[0].toLowerCase(), part.includes('=') ? part.slice(part.indexOf('=') + 1) : true]));
  const lifetime =
    attributes['max-age'] !== undefined ? Date.now() + Number(attributes['max-age']) * 1000 : attributes.expires ? Date.parse(attributes.expires) : Infinity;
  const folder = requestPath.slice(0, requestPath.lastIndexOf('/')) || '/';
  return { name: pair.slice(0, at), value: pair.slice(at + 1), path: attributes.path ?? folder, expires: lifetime, attributes };
}

function isAcceptable({ name, value, attributes }) {
  if (name.length + value.length > 4096) return false;
  if (name.startsWith('__Host-')) return attributes.secure === true && attributes.path === '/' && attributes.domain === undefined;
  if (name.startsWith('__Secure-')) return attributes.secure === true;
  return attributes.samesite?.toLowerCase?.() !== 'none' || attributes.secure === true;
}

function pathMatches(path, cookiePath) {
  const asked = path.split('?')[0];
  return asked === cookiePath || (asked.startsWith(cookiePath) && (cookiePath.endsWith('/') || asked[cookiePath.length] === '/'));
}
