// How the demo's back ends speak: JSON over HTTP by a table of routes. What is too long, of another type or no JSON ends here, before any of their lines.
import { createServer } from 'node:http';

const LIMIT = 16 * 1024; // bytes of a body

/** An answer that is not the one that was hoped for, thrown from wherever it is found. */
export class Refusal extends Error {
  constructor(status, error, headers = {}) {
    super(error);
    Object.assign(this, { status, headers });
  }
}

/**
 * `routes`: [method, pattern of the path, async ({body, parts}) => [status, value]]; `parts` are what the pattern's groups found, percent-decoded.
 * `port: 0` takes a free one. `onRequest` sees every request that arrives.
 */
export async function startService({ port, host, routes, onRequest = () => {} }) {
  const server = createServer((request, response) => {
    onRequest(request);
    answer(routes, request).then(
      ([status, value]) => send(response, status, value),
      (error) => {
        if (error instanceof Refusal) return send(response, error.status, { error: error.message }, error.headers);
        if (request.destroyed && !request.complete) return response.destroy(); // it was given up; there is nobody to answer
        console.error(error);
        send(response, 500, { error: 'this service failed' });
      },
    );
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  return {
    port: server.address().port,
    url: `http://${host}:${server.address().port}`,
    server,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}

async function answer(routes, request) {
  const path = request.url.split('?', 1)[0];
  const here = routes.filter(([, pattern]) => pattern.test(path));
  if (here.length === 0) throw new Refusal(404, 'there is nothing here');
  const route = here.find(([method]) => method === request.method);
  if (!route) throw new Refusal(405, 'not by this method', { allow: here.map(([method]) => method).join(', ') });
  const [method, pattern, work] = route;
  return work({ body: method === 'POST' ? await json(request) : undefined, parts: pattern.exec(path).slice(1).map(decoded) });
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Refusal(400, 'the path is not percent-encoded UTF-8');
  }
}

/** The object that a body holds. */
async function json(request) {
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0].trim().toLowerCase();
  if (type !== 'application/json') throw new Refusal(415, 'send application/json');
  const text = await bounded(request);
  let value;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
  } catch {
    /* refused below */
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new Refusal(400, 'send one JSON object');
  return value;
}

async function bounded(request) {
  const tooLong = () => new Refusal(413, `at most ${LIMIT} bytes`, { connection: 'close' });
  if (Number(request.headers['content-length'] ?? 0) > LIMIT) throw tooLong();
  const parts = [];
  let length = 0;
  // Leaving the loop must not cut the connection that the answer takes.
  for await (const part of request.iterator({ destroyOnReturn: false })) {
    if ((length += part.length) > LIMIT) throw tooLong();
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function send(response, status, value, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', ...headers });
  response.end(`${JSON.stringify(value)}\n`);
}

/** A text of this many characters, without control characters. */
export function text(value, name, { least = 1, most }) {
  if (typeof value !== 'string' || value.length < least || value.length > most || /\p{Cc}/u.test(value)) {
    throw new Refusal(400, `${name}: a text of ${least} to ${most} characters, without control characters`);
  }
  return value;
}

/** What may stand as one address, and only one, in a database and in a letter's head. */
export function email(value) {
  const address = text(value, 'email', { most: 254 });
  if (!/^[^\s@<>()[\]\\,;:"]+@[^\s@<>()[\]\\,;:"]+$/.test(address)) throw new Refusal(400, 'email: an address, name@host');
  return address;
}
