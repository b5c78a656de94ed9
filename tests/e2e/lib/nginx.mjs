// One nginx: the files of deploy/nginx as shipped, in a temporary folder that is like /etc/nginx, started as an ordinary process and stopped by its process id.
//
// A test changes the shipped texts by replacements, for example of ports. Each text must be in the files, so that a test never tests less than it says.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { ROOT, atExit, eventually, temporaryFolder } from './process.mjs';

let program;
/** The path of an nginx. deploy/build/nginx.sh finds or fetches it. */
const nginxPath = () => (program ??= execFileSync(join(ROOT, 'deploy/build/nginx.sh'), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim());

export class Nginx {
  #child;
  #exited;
  #withdraw;

  /** Starts nginx with a site of deploy/nginx, and resolves when it listens on `port`. `changes` are pairs of texts: what is in the files, and what replaces it. */
  static async start(site, port, changes) {
    const nginx = new Nginx();
    nginx.folder = folderWith(site, changes);
    nginx.#spawn();
    try {
      await eventually('nginx listens', () => nginx.#isReady(port), { every: 20 });
    } catch (error) {
      await nginx.stop();
      throw new Error(`${error.message}\n--- its log ---\n${nginx.log()}`);
    }
    return nginx;
  }

  #spawn() {
    const output = openSync(join(this.folder, 'error.log'), 'a');
    this.#child = spawn(nginxPath(), optionsFor(this.folder), { stdio: ['ignore', output, output] });
    closeSync(output);
    this.#exited = new Promise((exited) => this.#child.once('exit', exited));
    // The main process ends its workers when it is asked to end; after SIGKILL they would stay.
    this.#withdraw = atExit(() => this.#child.kill('SIGTERM'));
  }

  #isReady(port) {
    if (!this.running) throw Object.assign(new Error('it has ended'), { final: true });
    return new Promise((answer) => {
      const socket = net.connect(port, '127.0.0.1', () => (socket.destroy(), answer(true)));
      socket.on('error', () => answer(false));
    });
  }

  get running() {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The error log, on level info. */
  log() {
    return readFileSync(join(this.folder, 'error.log'), 'utf8');
  }

  /** The access log. */
  accessLog() {
    return readFileSync(join(this.folder, 'access.log'), 'utf8');
  }

  async stop() {
    if (this.running) this.#child.kill('SIGTERM');
    await this.#exited;
    this.#withdraw();
  }
}

/** What `nginx -t` says about a site: {code, log}. */
export function check(site, changes) {
  const { status, stderr } = spawnSync(nginxPath(), [...optionsFor(folderWith(site, changes)), '-t'], { encoding: 'utf8' });
  return { code: status, log: stderr };
}

const optionsFor = (folder) => ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'];

/** A folder with the site, the snippet, and a main file that puts everything which nginx writes into this folder. */
function folderWith(site, changes) {
  const folder = temporaryFolder();
  const shipped = ['snippets/accredit.conf', site].map((name) => [name, readFileSync(join(ROOT, 'deploy/nginx', name), 'utf8')]);
  for (const [text] of changes) if (!shipped.some(([, whole]) => whole.includes(text))) throw new Error(`deploy/nginx/${site} and its snippet have no ${text}`);
  for (const name of ['snippets', 'conf.d', 'temporary']) mkdirSync(join(folder, name));
  for (const [name, whole] of shipped) {
    const changed = changes.reduce((now, [text, by]) => now.replaceAll(text, by), whole).replaceAll('/var/log/nginx/', `${folder}/`);
    writeFileSync(join(folder, name.includes('/') ? name : `conf.d/${name}`), changed);
  }
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/temporary/${kind};`);
  // Workers of root would otherwise be of another user, who cannot read this folder.
  const user = process.getuid() === 0 ? 'user root root;' : '';
  writeFileSync(
    join(folder, 'nginx.conf'),
    `${user} daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr info;
     events { worker_connections 256; }
     http { access_log off; ${kinds.join(' ')} include conf.d/*.conf; }`,
  );
  return folder;
}
