// The application behind the gateway. It records every request that reaches it, so that a test can show that none arrived before a decision.
//
// It answers each request with what it received, as JSON, and echoes WebSocket messages. A test can replace the answer.

import http from 'node:http';
import { WebSocketServer } from 'ws';
import { closeServer, eventually, listen } from './process.mjs';

export class Application {
  /** What arrived, in order: {method, url, headers, rawHeaders, body, trailers, complete, upgrade}. */
  requests = [];
  /** A test may set this function, (request, response, received) => …, which then answers, itself or by a later `echo`. */
  respond = null;

  static async start(port = 0) {
    const application = new Application();
    application.server = http.createServer({ maxHeaderSize: 256 * 1024 }, (request, response) => application.#receive(request, response));
    application.sockets = new WebSocketServer({ noServer: true });
    application.server.on('upgrade', (request, socket, head) => application.#upgrade(request, socket, head));
    application.port = await listen(application.server, port);
    return application;
  }

  #record(request, upgrade) {
    const received = {
      method: request.method,
      url: request.url,
      headers: request.headers,
      rawHeaders: request.rawHeaders,
      body: '',
      trailers: {},
      complete: false,
      upgrade,
    };
    this.requests.push(received);
    return received;
  }

  #receive(request, response) {
    const received = this.#record(request, false);
    request.setEncoding('latin1').on('data', (text) => (received.body += text));
    request.on('end', () => {
      received.trailers = request.trailers;
      received.complete = true;
      if (this.respond) return this.respond(request, response, received);
      this.echo(response, received);
    });
  }

  echo(response, received) {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ application: true, ...received }));
  }

  #upgrade(request, socket, head) {
    this.#record(request, true);
    this.sockets.handleUpgrade(request, socket, head, (connection) => connection.on('message', (data, binary) => connection.send(data, { binary })));
  }

  /** The requests for this path, with any query. */
  arrived(path) {
    return this.requests.filter(({ url }) => url === path || url.startsWith(`${path}?`));
  }

  forget() {
    this.requests.length = 0;
    this.respond = null;
  }

  /** The only request for this path; waits until its body is complete. */
  async only(path) {
    await eventually(
      `one request for ${path} is complete at the application`,
      () => this.arrived(path).length === 1 && (this.arrived(path)[0].complete || this.arrived(path)[0].upgrade),
    );
    return this.arrived(path)[0];
  }

  stop() {
    for (const client of this.sockets.clients) client.terminate();
    return closeServer(this.server);
  }
}

/** All values of a header in a request, in any spelling of its name: with `_` for `-`, and in any case. */
export function headerValues(received, name) {
  const plain = (text) => text.toLowerCase().replaceAll('_', '-');
  const found = [];
  for (let i = 0; i < received.rawHeaders.length; i += 2) if (plain(received.rawHeaders[i]) === plain(name)) found.push(received.rawHeaders[i + 1]);
  return found;
}
