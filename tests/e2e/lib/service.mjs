// A service that the gateway calls, as for `accounts` and `notify`: it records requests, and misbehaves when a test tells it to.
//
// It is the recording application, with a test's own answers, and with faults that are the same for every service.

import { listen } from './process.mjs';
import { Application } from './upstream.mjs';

/** A text in the answers of a misbehaving service, so that a test can check where it must not appear. */
export const MARK = 'only-the-service-says-this';

/** Starts a service that answers by `honest(request, response, received)` until a test changes `respond`; `behave()` undoes everything. */
export async function startService(honest) {
  const service = await Application.start();
  service.behave = async () => {
    service.forget();
    service.respond = honest;
    if (!service.server.listening) await listen(service.server, service.port);
  };
  const connections = new Set();
  service.server.on('connection', (socket) => connections.add(socket.on('close', () => connections.delete(socket))));
  /** Gives this one answer, then accepts no more connections, and closes all others, even those that Envoy has not used. */
  service.answerAndDie = (request, response, status, body) => {
    service.server.close();
    for (const socket of connections) if (socket !== request.socket) socket.destroy();
    response.writeHead(status, { 'content-type': 'application/json', connection: 'close' }).end(body);
  };
  await service.behave();
  return service;
}

/** Gives the same answer to every request. */
export const always =
  (status, body, type = 'application/json') =>
  (_, response) => {
    response
      .writeHead(status, { 'content-type': type, 'x-powered-by': MARK })
      .end(typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));
  };

export const hang = () => {};
export const reset = (request) => request.socket.resetAndDestroy();
const raw = (text) => (request) => request.socket.end(text);

const USER = { id: 1, email: 'alice@example.com', role: 'admin', note: MARK };
const STACK = `Error: ${MARK}\n    at query (/srv/users/database.js:12:7)\n    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)`;
const MEGABYTES = 3 * 1024 * 1024;

/** Faults: [what the service does, the status and the reason that the visitor then gets, a function that makes the service do it]. */
export const FAULTS = [
  ['accepts no connection', 502, 'accounts_unreachable', (service) => service.stop()],
  ['is killed while it is asked', 502, 'accounts_unreachable', (service) => void (service.respond = () => service.stop())],
  ['resets the connection', 502, 'accounts_unreachable', (service) => void (service.respond = reset)],
  ['resets the connection in the middle of its answer', 502, 'accounts_unreachable', (service) => void (service.respond = resetInTheMiddle)],
  ['hangs', 504, 'accounts_timeout', (service) => void (service.respond = hang)],
  ['says 504', 504, 'accounts_timeout', (service) => void (service.respond = always(504, USER))],
  ['says 500 with a stack trace', 502, 'accounts_unreachable', (service) => void (service.respond = always(500, STACK, 'text/plain'))],
  ['says 500 with a user', 502, 'accounts_unreachable', (service) => void (service.respond = always(500, USER))],
  ['does not speak HTTP', 502, 'accounts_unreachable', (service) => void (service.respond = raw(`${MARK}\r\n\r\n`))],
  [
    'says 3 MB of headers',
    502,
    'accounts_unreachable',
    (service) => void (service.respond = raw(`HTTP/1.1 200 OK\r\nx-mark: ${MARK}${'x'.repeat(MEGABYTES)}\r\n\r\n`)),
  ],
  ['says 418 with a user', 502, 'accounts_malformed', (service) => void (service.respond = always(418, USER))],
  ['sends elsewhere', 502, 'accounts_malformed', (service) => void (service.respond = elsewhere)],
  ['says HTML with 200', 502, 'accounts_malformed', (service) => void (service.respond = always(200, `<!doctype html><p>${MARK}`, 'text/html'))],
  ['says nothing with 200', 502, 'accounts_malformed', (service) => void (service.respond = always(200, ''))],
  ['says a list', 502, 'accounts_malformed', (service) => void (service.respond = always(200, [USER]))],
  ['says a user without the subject', 502, 'accounts_malformed', (service) => void (service.respond = always(200, { ...USER, id: undefined }))],
  ['says half a user', 502, 'accounts_malformed', (service) => void (service.respond = always(200, JSON.stringify(USER).slice(0, -1)))],
  ['says a user twice', 502, 'accounts_malformed', (service) => void (service.respond = always(200, `{"id":1,"note":"${MARK}","id":2}`))],
  [
    'says a user who is no UTF-8',
    502,
    'accounts_malformed',
    (service) => void (service.respond = always(200, Buffer.from(`{"id":1,"note":"${MARK}\xff"}`, 'latin1'))),
  ],
  [
    'says a deep nest',
    502,
    'accounts_malformed',
    (service) => void (service.respond = always(200, `{"id":1,"note":"${MARK}","a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`)),
  ],
  ['says 3 MB of JSON', 502, 'accounts_malformed', (service) => void (service.respond = always(200, LARGE.json))],
  ['says 3 MB of rubbish', 502, 'accounts_malformed', (service) => void (service.respond = always(200, LARGE.rubbish))],
  ['says 3 MB of rubbish with 500', 502, 'accounts_unreachable', (service) => void (service.respond = always(500, LARGE.rubbish))],
];

/** Texts of three megabytes: a user as JSON, and rubbish that is not JSON. Both contain the mark. */
export const LARGE = {
  json: JSON.stringify({ ...USER, pad: 'x'.repeat(MEGABYTES) }),
  rubbish: Buffer.alloc(MEGABYTES, `${MARK}\x00\xff{"id":1}`, 'latin1'),
};

function resetInTheMiddle(request, response) {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
  response.write(JSON.stringify(USER), () => request.socket.resetAndDestroy());
}

function elsewhere(request, response) {
  response.writeHead(307, { location: `http://${request.headers.host}/${MARK}`, 'content-type': 'application/json' }).end(JSON.stringify(USER));
}
