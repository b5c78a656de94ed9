// The clock of one Envoy, which a test can set while Envoy runs. clock.c is what Envoy preloads for it; it needs a C compiler, as Rust does.

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../lib/process.mjs';

export class Clock {
  #file = join(temporaryFolder(), 'offset');

  constructor() {
    const library = `${this.#file}.so`;
    execFileSync('cc', ['-O2', '-shared', '-fPIC', '-o', library, fileURLToPath(new URL('clock.c', import.meta.url))]);
    writeFileSync(this.#file, Buffer.alloc(8));
    /** The environment variables of the Envoy that has this clock. */
    this.variables = { LD_PRELOAD: library, CLOCK_OFFSET: this.#file };
  }

  /** From now on it is so many seconds ahead. The bytes are written into the same file, because Envoy has mapped it. */
  set(seconds) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(seconds));
    writeFileSync(this.#file, bytes, { flag: 'r+' });
  }
}
