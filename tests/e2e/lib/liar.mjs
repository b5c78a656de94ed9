// Stands between Envoys and a real Redis, and says something else than Redis, as a test tells it.

import net from 'node:net';
import { listen } from './process.mjs';

export class Liar {
  /** What is said in place of the truth, (truth, commands) => bytes or a text; both are bytes. `null` is the truth itself. */
  lie = null;
  /** How many lies were told. */
  told = 0;
  #sockets = new Set();

  static async start(redis) {
    const liar = new Liar();
    // Envoy ends its half of a connection behind the commands.
    liar.server = net.createServer({ allowHalfOpen: true }, (socket) => liar.#hear(socket, redis.port));
    liar.port = await listen(liar.server);
    return liar;
  }

  async #hear(socket, port) {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy()).on('close', () => this.#sockets.delete(socket));
    const commands = await whole(socket);
    const truth = await answerOf(port, commands);
    if (!this.lie) return socket.end(truth);
    socket.end(this.lie(truth, commands));
    this.told += 1;
  }

  stop() {
    const closed = new Promise((done) => this.server.close(done));
    for (const socket of this.#sockets) socket.destroy();
    return closed;
  }
}

/** Everything that comes from a socket. */
async function whole(socket) {
  const parts = [];
  for await (const part of socket.iterator({ destroyOnReturn: false })) parts.push(part);
  return Buffer.concat(parts);
}

/** What Redis answers. */
function answerOf(port, commands) {
  const redis = net.connect(port, '127.0.0.1');
  redis.end(commands);
  return whole(redis);
}
