// OpenID providers that nobody here wrote, each in a process of its own: tests/e2e/providers has a driver for each, which sets it up with the people, the groups
// and the client of a test. Their packages are fetched once, in pinned versions (deploy/build/python.sh, and this folder's package-lock.json).
//
// Browsers visit the provider itself, at its issuer. The gateway's calls pass a recorder, which changes nothing: so a test sees what the provider really answers.

import { randomBytes } from 'node:crypto';
import http from 'node:http';
import { Driver, commandOf } from './driver.mjs';
import { closeServer, freePort, listen, temporaryFolder } from './process.mjs';

export const PEOPLE = {
  alice: { name: 'Alice Adams', email: 'alice@example.com', password: 'alice-password-1', groups: ['admins', 'staff'] },
  bob: { name: 'Bob Brown', email: 'bob@example.com', password: 'bob-password-2', groups: ['staff'] },
};

export class RealProvider {
  #driver;
  #recorder;

  /** What the gateway asked, in order: {path, method, headers, form, status, answer}; `answer` is a text. */
  calls = [];

  /**
   * `name` is that of the driver, `program` its file. The client may come back to these origins. Access tokens are valid for `lifetime` seconds. Whatever else is
   * in `settings` is passed to the driver.
   */
  static async start({ name, program, issuer = (origin) => origin }, { origins, lifetime = 3_600, ...settings }) {
    const provider = new RealProvider();
    const own = await freePort();
    const folder = temporaryFolder();
    provider.clientSecret = randomBytes(24).toString('hex');
    provider.issuer = issuer(`http://127.0.0.1:${own}`);
    const asked = {
      port: own,
      issuer: provider.issuer,
      folder,
      random: randomBytes(32).toString('hex'),
      people: PEOPLE,
      client_id: 'accredit-demo',
      client_secret: provider.clientSecret,
      redirect_uris: origins.map((origin) => `${origin}/api/callback`),
      post_logout_redirect_uris: origins.map((origin) => `${origin}/`),
      lifetime,
      ...settings,
    };
    provider.#driver = new Driver(commandOf(`providers/${program}`, `providers/${name}.txt`), asked, { folder });
    provider.#recorder = http.createServer((request, response) => void provider.#record(own, request, response));
    provider.port = await listen(provider.#recorder, await freePort());
    try {
      await provider.#driver.ready(name);
    } catch (error) {
      await closeServer(provider.#recorder);
      throw error;
    }
    return provider;
  }

  /** What the provider wrote. */
  log() {
    return this.#driver.log();
  }

  async #record(port, request, response) {
    const body = await textOf(request);
    const { method, url: path, headers } = request;
    const call = { method, path, headers, form: new URLSearchParams(body) };
    this.calls.push(call);
    const asked = http.request({ host: '127.0.0.1', port, method, path, headers, agent: false }, async (answered) => {
      call.status = answered.statusCode;
      call.answer = await textOf(answered);
      delete answered.headers['transfer-encoding'];
      delete answered.headers.connection;
      response.writeHead(answered.statusCode, answered.headers).end(call.answer, 'latin1');
    });
    asked.once('error', () => response.destroy());
    asked.end(body, 'latin1');
  }

  /** The answers of the token endpoint with status 200, as objects. */
  grants() {
    return this.calls.filter(({ form, status }) => form.has('grant_type') && status === 200).map(({ answer }) => JSON.parse(answer));
  }

  async stop() {
    await closeServer(this.#recorder);
    await this.#driver.stop();
  }
}

async function textOf(stream) {
  let text = '';
  for await (const part of stream.setEncoding('latin1')) text += part;
  return text;
}
