// Requests that stay open at a gateway: of each kind that browsers and programs have. Each tells when it is over, and how.

import http from 'node:http';
import http2 from 'node:http2';
import { WebSocket } from 'ws';

/** The path at which `serveStreams` lets the application answer with a stream, and the one at which it does not answer at all. */
const EVENTS = '/members/events';
const SILENCE = '/members/silence';

/** Makes the application answer with a stream that does not end. */
export function serveStreams(application) {
  application.respond = (request, response, received) => {
    if (request.url === SILENCE) return;
    if (request.url !== EVENTS) return application.echo(response, received);
    response.writeHead(200, { 'content-type': request.headers['content-type'] ?? 'text/event-stream' });
    const beat = setInterval(() => response.write('data: beat\n\n'), 50);
    response.on('close', () => clearInterval(beat));
  };
}

/** One open request. `begun` is fulfilled once its answer has begun, or its request is sent; `over` when it has ended, by what its client sees. */
class Open {
  beats = 0;
  begun = new Promise((fulfil) => (this.begin = fulfil));
  over = new Promise((fulfil) => (this.end = fulfil));

  constructor(close) {
    this.close = close;
  }
}

function webSocket(gateway, cookie) {
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/members/socket`, { headers: { host: gateway.host, cookie, origin: gateway.origin } });
  const open = new Open(() => socket.terminate());
  const beat = setInterval(() => socket.readyState === WebSocket.OPEN && socket.send('beat'), 50);
  socket.on('message', () => {
    open.beats += 1;
    open.begin();
  });
  socket.on('error', () => {});
  socket.on('close', (code) => {
    clearInterval(beat);
    open.end(`closed with ${code}`);
  });
  return open;
}

function overHttp1(path, method) {
  return (gateway, cookie) => {
    const headers = { host: gateway.host, cookie, origin: gateway.origin };
    const request = http.request({ host: '127.0.0.1', port: gateway.port, path, method, headers, agent: false });
    const open = new Open(() => request.destroy());
    request.on('response', (response) => {
      let body = '';
      response.on('data', (data) => {
        open.beats += 1;
        body += data;
        open.begin();
      });
      response.on('end', () => open.end(`${response.statusCode} ${JSON.parse(body).reason}`));
      response.on('error', ({ code }) => open.end(`${response.statusCode}, then ${code}`));
    });
    request.on('error', ({ code }) => open.end(code));
    if (method === 'GET') request.end();
    else request.write('a beginning');
    return open;
  };
}

function overHttp2(path, fields = {}) {
  return (gateway, cookie) => {
    const connection = http2.connect(`http://127.0.0.1:${gateway.port}`);
    connection.on('error', () => {});
    const head = { ':authority': gateway.host, ':path': path, cookie, origin: gateway.origin, ...fields };
    const stream = connection.request(head);
    // The application answers once a request is complete.
    if (path === EVENTS) stream.end();
    const open = new Open(() => connection.destroy());
    let answer = '';
    stream.on('response', (headers) => (answer = [headers[':status'], headers['grpc-status'] ?? headers['x-accredit-reason']].join(' ').trim()));
    stream.on('data', () => {
      open.beats += 1;
      open.begin();
    });
    stream.on('error', () => {});
    stream.on('close', () => {
      open.end(stream.rstCode === http2.constants.NGHTTP2_NO_ERROR ? answer : `${answer}, then reset with ${stream.rstCode}`);
      connection.close();
    });
    return open;
  };
}

const GRPC = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' };

/** Each kind of open request: its name, how it is begun, whether the application answers it, and what its client sees when it is ended. */
export const KINDS = [
  ['a WebSocket', webSocket, true, 'closed with 1006'],
  ['an event stream over HTTP/1.1', overHttp1(EVENTS, 'GET'), true, '200, then ECONNRESET'],
  ['an event stream over HTTP/2', overHttp2(EVENTS), true, '200, then reset with 2'],
  ['a gRPC stream', overHttp2(EVENTS, GRPC), true, '200, then reset with 2'],
  ['an upload over HTTP/1.1', overHttp1(SILENCE, 'POST'), false, '401 session_expired'],
  ['a request without an answer over HTTP/2', overHttp2(SILENCE), false, '401 session_expired'],
  ['a gRPC call without an answer', overHttp2(SILENCE, GRPC), false, '200 16'],
];
