// Makes load with wrk, and measures the processor time of an Envoy process. It knows nothing about identity.

import { spawn } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../tests/e2e/lib/process.mjs';

const CONNECTIONS = 16;

// All requests are made before the load begins, and are then sent in turn, again and again. So the generator costs the same for one credential as for
// thousands.
const SCRIPT = `
-- wrk adds a Host of its own unless there is one in this very spelling.
local requests = {}
local at = 0
function init(args)
  at = tonumber(args[3])
  for line in io.lines(args[1]) do
    local headers = {}
    for name, value in line:gmatch("([^\\t]-): ([^\\t]*)\\t") do headers[name] = value end
    requests[#requests + 1] = wrk.format(args[4], args[2], headers, args[5])
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
`;

export class Loader {
  #folder = temporaryFolder();
  #files = new Map();
  #sent = new Map();

  constructor(wrk) {
    this.wrk = wrk;
    this.script = join(this.#folder, 'load.lua');
    writeFileSync(this.script, SCRIPT);
  }

  /** The requests of a traffic as wrk's script reads them: one line for each, with a tab after each header field. */
  #file(traffic) {
    if (!this.#files.has(traffic)) {
      const file = join(this.#folder, `${this.#files.size}.headers`);
      const line = (headers) =>
        Object.entries(headers)
          .map(([name, value]) => `${name}: ${value}\t`)
          .join('');
      writeFileSync(file, `${traffic.requests.map(line).join('\n')}\n`);
      this.#files.set(traffic, file);
    }
    return this.#files.get(traffic);
  }

  /** Sends a traffic to an Envoy for some seconds: the processor time of each request in microseconds, and what the client saw. */
  async run(envoy, traffic, seconds) {
    // Continues after the last request of the previous run; otherwise credentials that were just used, and are still remembered, would come first.
    const key = `${envoy.port} ${traffic.name}`;
    const start = (this.#sent.get(key) ?? 0) % traffic.requests.length;
    const options = [
      '-t1',
      `-c${CONNECTIONS}`,
      `-d${Math.ceil(seconds)}s`,
      '--latency',
      '-s',
      this.script,
      `http://127.0.0.1:${envoy.port}`,
      this.#file(traffic),
      traffic.path,
      start,
      traffic.method,
      ...(traffic.body ? [traffic.body] : []),
    ];
    const before = cpuNanoseconds(envoy.pid);
    const child = spawn(this.wrk, options);
    // wrk can only run for whole seconds. When it is interrupted, it reports the results so far.
    const interrupt = Number.isInteger(seconds) ? undefined : setTimeout(() => child.kill('SIGINT'), seconds * 1000);
    const output = await finished(child);
    clearTimeout(interrupt);
    const used = cpuNanoseconds(envoy.pid) - before;
    const requests = Number(/(\d+) requests in/.exec(output)?.[1] ?? 0);
    if (!requests) throw new Error(`wrk sent nothing:\n${output}`);
    this.#sent.set(key, start + requests + CONNECTIONS);
    return {
      requests,
      microseconds: used / 1000 / requests,
      perSecond: Number(/Requests\/sec:\s*([\d.]+)/.exec(output)[1]),
      p50: milliseconds(/^ +50% +(\S+)/m.exec(output)[1]),
      p99: milliseconds(/^ +99% +(\S+)/m.exec(output)[1]),
      refused: Number(/Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? 0),
      broken: /Socket errors: .*/.exec(output)?.[0],
    };
  }
}

/** The processor time that all threads of a process have used. The scheduler counts nanoseconds; /proc/PID/stat would only have steps of ten milliseconds. */
export function cpuNanoseconds(pid) {
  const used = (task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
  return readdirSync(`/proc/${pid}/task`)
    .map(used)
    .reduce((sum, nanoseconds) => sum + nanoseconds, 0);
}

/** The resident memory of a process, in bytes. */
export function residentBytes(pid) {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
}

function milliseconds(text) {
  const [, number, unit] = /^([\d.]+)(us|ms|s)$/.exec(text);
  return Number(number) * { us: 0.001, ms: 1, s: 1000 }[unit];
}

function finished(child) {
  return new Promise((done, failed) => {
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (output += text));
    child.once('error', failed);
    child.once('close', (code) => (code === 0 ? done(output) : failed(new Error(`wrk ended with ${code}:\n${output}`))));
  });
}
