// An nginx in front of Envoy, as deploy/nginx has it: it ends TLS for https://app.example.com. And what visitors send there.

import { writeFileSync } from 'node:fs';
import https from 'node:https';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { Visitor } from './client.mjs';
import { managerOf } from './gateway.mjs';
import { Nginx } from './nginx.mjs';
import { freePort, temporaryFolder } from './process.mjs';
import { makeAuthority } from './tls.mjs';

export const HOST = 'app.example.com';
export const ORIGIN = `https://${HOST}`;
const authority = makeAuthority();
const certificate = filesOf(authority.issue(HOST));

function filesOf({ certificate, key }) {
  const folder = temporaryFolder();
  for (const [name, text] of Object.entries({ certificate, key })) writeFileSync(join(folder, name), text);
  return folder;
}

/** What Envoy's file needs behind nginx. */
export const behindNginx = (bootstrap) => void (managerOf(bootstrap.static_resources.listeners[0]).xff_num_trusted_hops = 1);

/** Starts nginx in front of an Envoy: it also knows its `port`, and its `httpPort`. */
export async function startFront(site, gateway, changes = []) {
  const [port, httpPort] = [await freePort(), await freePort()];
  const nginx = await Nginx.start(site, port, [
    ...changes,
    ['listen 80 ', `listen 127.0.0.1:${httpPort} `],
    ['listen 443 ', `listen 127.0.0.1:${port} `],
    ['127.0.0.1:10000', `127.0.0.1:${gateway.port}`],
    ['/etc/nginx/app.example.com.crt', `${certificate}/certificate`],
    ['/etc/nginx/app.example.com.key', `${certificate}/key`],
  ]);
  return Object.assign(nginx, { port, httpPort });
}

/** A new browser that reaches an origin, of any port, by this nginx. */
export function visitorAt(nginx, { origin = ORIGIN, ...options } = {}) {
  return new Visitor({ origin, ca: authority.pem, ports: { [new URL(origin).host]: nginx.port } }, options);
}

/** Sends a GET with exactly this path, and resolves with the status. */
export function get(nginx, path, { headers, ...options } = {}) {
  const where = { host: '127.0.0.1', port: nginx.port, servername: HOST, ca: authority.pem, path };
  return new Promise((done, failed) => {
    const request = https.get({ ...where, ...options, headers: { host: HOST, ...headers } }, (response) => {
      response.resume().on('end', () => done(response.statusCode));
    });
    request.on('error', failed);
  });
}

/** Opens a WebSocket with the visitor's cookies: {status, echo} or {status}. */
export function connect(nginx, visitor, path) {
  return new Promise((done, failed) => {
    const headers = { host: HOST, origin: ORIGIN, cookie: visitor.jar.header(HOST, path) };
    const socket = new WebSocket(`wss://127.0.0.1:${nginx.port}${path}`, { headers, ca: authority.pem, servername: HOST });
    socket.on('open', () => socket.send('hällo'));
    socket.on('message', (data) => (socket.terminate(), done({ status: 101, echo: String(data) })));
    socket.on('unexpected-response', (request, { statusCode }) => (request.destroy(), done({ status: statusCode })));
    socket.on('error', failed);
  });
}

/** Many groups, which make a session of eight cookies. */
export const manyGroups = () => Array.from({ length: 760 }, (_, index) => `group-${String(index).padStart(4, '0')}-of-many-people`);
