// Sends bytes that no well-behaved client would send: paths that Node would normalize, bytes that it would refuse, and floods of headers.

import net from 'node:net';

/** Sends bytes (a text is encoded as latin1) and resolves with the first answer, or with {status: 0} if the peer closed without one. */
export function sendRaw(port, bytes, { timeout = 10_000 } = {}) {
  return new Promise((done, failed) => {
    const socket = net.connect(port, '127.0.0.1');
    const parts = [];
    const finish = () => {
      socket.destroy();
      done(parse(Buffer.concat(parts).toString('latin1')));
    };
    socket.setTimeout(timeout, () => {
      socket.destroy();
      failed(new Error(`no answer within ${timeout} ms to ${JSON.stringify(bytes.slice(0, 120))}`));
    });
    socket.on('connect', () => socket.write(Buffer.from(bytes, 'latin1')));
    socket.on('data', (part) => {
      parts.push(part);
      if (isComplete(Buffer.concat(parts).toString('latin1'))) finish();
    });
    socket.on('close', finish);
    socket.on('error', (error) => (parts.length > 0 || error.code === 'ECONNRESET' || error.code === 'EPIPE' ? finish() : failed(error)));
  });
}

/** A request as text. Header lines are used exactly as given, neither checked nor encoded. */
export function requestText(method, target, host, lines = [], body = '') {
  return [`${method} ${target} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...lines, '', body].join('\r\n');
}

function isComplete(text) {
  const { status, headers, body } = parse(text);
  return status >= 200 && headers['content-length'] !== undefined && body.length >= Number(headers['content-length']);
}

function parse(text) {
  const end = text.indexOf('\r\n\r\n');
  const [statusLine, ...lines] = text.slice(0, Math.max(end, 0)).split('\r\n');
  const headers = {};
  for (const line of lines) headers[line.slice(0, line.indexOf(':')).toLowerCase()] = line.slice(line.indexOf(':') + 1).trim();
  return {
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1] ?? 0),
    headers,
    reason: headers['x-accredit-reason'],
    body: end < 0 ? '' : text.slice(end + 4),
  };
}
