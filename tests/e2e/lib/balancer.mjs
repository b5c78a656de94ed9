// A load balancer that forwards connections, as a Kubernetes Service does: each new connection goes to the next member. It knows nothing about HTTP or TLS.

import net from 'node:net';
import { listen } from './process.mjs';

export class Balancer {
  /** The ports that take part. `given` and `open` count the connections of each: all, and those that are open. */
  members = [];
  given = new Map();
  open = new Map();
  #next = 0;
  #sockets = new Set();

  static async start(...ports) {
    const balancer = new Balancer();
    ports.forEach((port) => balancer.join(port));
    // Who has sent all, and ends his half of a connection, may still wait for an answer.
    balancer.server = net.createServer({ allowHalfOpen: true }, (socket) => balancer.#pass(socket));
    balancer.port = await listen(balancer.server);
    return balancer;
  }

  join(port) {
    this.members.push(port);
    this.given.set(port, 0);
    this.open.set(port, 0);
  }

  /** Sends no new connections to this port; open ones stay. */
  leave(port) {
    this.members = this.members.filter((member) => member !== port);
  }

  #pass(socket) {
    const port = this.members[this.#next % this.members.length];
    this.#next += 1;
    if (port === undefined) return socket.destroy();
    const count = (what, by) => what.set(port, what.get(port) + by);
    count(this.given, 1);
    count(this.open, 1);
    const member = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('close', () => count(this.open, -1));
    for (const [one, other] of [
      [socket, member],
      [member, socket],
    ]) {
      this.#sockets.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.#sockets.delete(one);
        other.end().resume(); // nobody reads what it still sends
      });
    }
  }

  stop() {
    const closed = new Promise((done) => this.server.close(done));
    this.#sockets.forEach((socket) => socket.destroy());
    return closed;
  }
}
