// An MCP client that we did not write, in a process of its own, with a person who visits every address that it shows.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Driver, commandOf } from '../driver.mjs';
import { ROOT, freePort, temporaryFolder } from '../process.mjs';

/** A command that takes longer than this, in milliseconds, is considered to hang. */
const LONGEST = 30_000;

export class McpClient {
  #driver;
  #person;
  #visits;
  #visited = 0;
  #watch;
  #answers;
  #fail;
  #failed = new Promise((_, fail) => (this.#fail = fail));

  /**
   * Starts the client of this program. It knows only the `url` of the MCP server, and what a person shows it; with `registered`, also its client ID; with
   * `described`, the address of its own metadata.
   */
  static async start({ program, packages, mode }, { url, person, registered, described }) {
    const client = new McpClient();
    const folder = temporaryFolder();
    const port = await freePort();
    client.#visits = join(folder, 'visits');
    const environment = {
      HOME: folder,
      BROWSER: join(ROOT, 'tests/e2e/mcp/browser.sh'),
      MCP_VISITS: client.#visits,
      MCP_REMOTE_CONFIG_DIR: folder,
      MCP_STORAGE_DIR: folder,
    };
    client.#person = person;
    client.#failed.catch(() => {});
    client.#driver = new Driver(commandOf(program, packages), { url, port, mode, registered, described }, { folder, environment, listens: true });
    client.#answers = createInterface({ input: client.#driver.output })[Symbol.asyncIterator]();
    client.#watch = setInterval(() => client.#visit(), 20);
    return client;
  }

  /** The addresses that the client has shown: one for each sign-in that it asked for. */
  get shown() {
    return existsSync(this.#visits) ? readFileSync(this.#visits, 'utf8').split('\n').slice(0, -1) : [];
  }

  /** Has the person visit what the client showed since the last look. */
  #visit() {
    const { shown } = this;
    for (const address of shown.slice(this.#visited)) this.#person.visit(address).catch(this.#fail);
    this.#visited = shown.length;
  }

  get signIns() {
    return this.shown.length;
  }

  connect = () => this.#do({ command: 'connect' });
  list = () => this.#do({ command: 'list' });
  call = (name, given) => this.#do({ command: 'call', name, given });

  /** Resolves with the result; the error is what the client tells its caller. */
  async #do(command) {
    this.#driver.tell(command);
    let impatience;
    const late = new Promise((resolve) => (impatience = setTimeout(resolve, LONGEST)));
    const line = await Promise.race([this.#answers.next(), late, this.#failed]).finally(() => clearTimeout(impatience));
    if (!line?.value) throw new Error(`${command.command} got no answer:\n${this.log().slice(-3000)}`);
    const { result, error } = JSON.parse(line.value);
    if (error !== undefined) throw new ClientError(error);
    return result;
  }

  log() {
    return this.#driver.log();
  }

  async stop() {
    clearInterval(this.#watch);
    await this.#driver.stop();
  }
}

/** What a client told its caller. */
export class ClientError extends Error {}
