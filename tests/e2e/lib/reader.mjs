// Somebody who reads a document and types its commands into a shell, in a folder with what `make wasm cli` leaves.
//
// The commands are typed as they stand in the document, except for ports, because tests use free ones, and for paths of the repository, which is elsewhere.

import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { atExit, envoyPath, ROOT, temporaryFolder, wasmPath } from './process.mjs';

/** The blocks of shell commands in the section of a document with this heading. `substitutes` has another text for each of some words in them. */
export function commandsOf(document, heading, substitutes) {
  const [, section] = readFileSync(join(ROOT, document), 'utf8').split(`\n${heading}\n`);
  if (section === undefined) throw new Error(`${document} has no heading ${heading}`);
  const blocks = [...section.split(/\n#/)[0].matchAll(/```sh\n(.+?)```/gs)].map(([, block]) => block);
  const missing = Object.keys(substitutes).filter((word) => !blocks.some((block) => block.includes(word)));
  if (missing.length > 0) throw new Error(`no command of ${heading} has ${missing}`);
  const words = new RegExp(`\\b(${Object.keys(substitutes).join('|')})\\b`, 'g');
  return blocks.map((block) => block.replace(words, (word) => substitutes[word]));
}

export class Reader {
  #shell;
  #ended;
  #lines = [];
  #withdraw;

  constructor() {
    this.folder = temporaryFolder();
    const program = (name, line) => writeFileSync(join(this.folder, name), `#!/bin/sh\nexec ${line}\n`, { mode: 0o755 });
    mkdirSync(join(this.folder, 'target/cli'), { recursive: true });
    symlinkSync(wasmPath(), join(this.folder, 'target/accredit.wasm'));
    program('target/cli/accredit', `cargo run --quiet --locked --manifest-path ${ROOT}/Cargo.toml --bin accredit -- "$@"`);
    // Two Envoys with the same id for hot restarts cannot run at the same time.
    program('target/envoy', `${envoyPath()} "$@" --use-dynamic-base-id`);
    this.#shell = spawn('sh', [], { cwd: this.folder, env: { ...process.env, ENVOY: join(this.folder, 'target/envoy') }, detached: true });
    for (const output of [this.#shell.stdout, this.#shell.stderr]) createInterface({ input: output }).on('line', (line) => this.#lines.push(line));
    this.#shell.stdin.on('error', () => {});
    this.#ended = new Promise((ended) => this.#shell.once('close', ended));
    this.#withdraw = atExit(() => this.#kill('SIGKILL'));
  }

  /** All that the shell and its commands have written. */
  get output() {
    return this.#lines.join('\n');
  }

  /** Types a command that goes on until `stop`. */
  start(command) {
    this.#shell.stdin.write(`${command.trimEnd()}\n`);
  }

  /** Types commands, and resolves with the exit code of the last one. */
  async type(commands) {
    const before = this.#lines.length;
    this.start(`${commands.trimEnd()}\necho "exit code $?"`);
    for (;;) {
      const code = this.#lines.slice(before).findLast((line) => line.startsWith('exit code '));
      if (code) return Number(code.slice('exit code '.length));
      await Promise.race([
        new Promise((more) => setTimeout(more, 50)),
        this.#ended.then(() => Promise.reject(new Error(`the shell has ended\n${this.output}`))),
      ]);
    }
  }

  /** Ends the shell, and all that was started in it. */
  async stop() {
    this.#kill('SIGTERM');
    const impatience = setTimeout(() => this.#kill('SIGKILL'), 5000);
    await this.#ended;
    clearTimeout(impatience);
    this.#withdraw();
  }

  /** The shell and its commands are a process group of their own. */
  #kill(signal) {
    try {
      process.kill(-this.#shell.pid, signal);
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
  }
}
