// The server of the demo's back ends: JSON over HTTP, by a table of routes. It refuses bodies that are too long, of another type or not JSON, before their
// own code runs.
import { createServer } from 'node:http';

const LIMIT = 16 * 1024; // the most bytes of a body

/** An answer that reports an error. Handlers throw it. */
export class Refusal extends Error {
  constructor(status, error, headers = {}) {
    super(error);
    Object.assign(this, { status, headers });
  }
}

/**
 * `routes`: [method, pattern of the path, async ({body, parts}) => [status, value]]; `parts` are the groups of the pattern, percent-decoded.
 * `port: 0` chooses a free port. `onRequest` is called for every request that arrives.
 */
export async function startService({ port, host, routes, onRequest = () => {} }) {
  const server = createServer((request, response) => {
    onRequest(request);
    answer(routes, request).then(
      ([status, value]) => send(response, status, value),
      (error) => {
        if (error instanceof Refusal) return send(response, error.status, { error: error.message }, error.headers);
        if (request.destroyed && !request.complete) return response.destroy(); // the client has gone, so there is nobody to answer
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

/** The object in a request's body. */
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
  // Leaving the loop must not close the connection, because the answer needs it.
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

/** A text of at least and at most so many characters, without control characters. */
export function text(value, name, { least = 1, most }) {
  if (typeof value !== 'string' || value.length < least || value.length > most || /\p{Cc}/u.test(value)) {
    throw new Refusal(400, `${name}: a text of ${least} to ${most} characters, without control characters`);
  }
  return value;
}

/** An e-mail address: a text that is one address, and only one, in a database and in the header of a letter. */
export function email(value) {
  const address = text(value, 'email', { most: 254 });
  if (!/^[^\s@<>()[\]\\,;:"]+@[^\s@<>()[\]\\,;:"]+$/.test(address)) throw new Refusal(400, 'email: an address, name@host');
  return address;
}
