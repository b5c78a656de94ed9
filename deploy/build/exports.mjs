// Takes out of a module what Envoy shall not call: `node exports.mjs MODULE OUTPUT`.
//
// Envoy calls every callback that a module exports, and proxy-wasm's SDK exports all that there are. Each call goes into the VM and comes back, for every
// request, also where nothing is done there. So what Accredit does not use is not exported, and wasm-opt takes away what only led there.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import binaryen from 'binaryen';

/** All that stays. A callback that src/shell implements and that is missing here is never called. */
const KEPT = [
  // how a module is started, and what it is
  'memory',
  '_initialize',
  'proxy_abi_version_0_2_1',
  'proxy_on_memory_allocate',
  // a plugin
  'proxy_on_context_create',
  'proxy_on_configure',
  'proxy_on_tick',
  'proxy_on_http_call_response',
  // a request
  'proxy_on_request_headers',
  'proxy_on_request_body',
  'proxy_on_request_trailers',
  'proxy_on_response_headers',
  // its end
  'proxy_on_delete',
];

/** The module without all others. One that should stay and is not there is an error: it has another name now. */
export function withoutOthers(bytes) {
  const module = binaryen.readBinary(bytes);
  const names = Array.from({ length: module.getNumExports() }, (_, index) => binaryen.getExportInfo(module.getExportByIndex(index)).name);
  const missing = KEPT.filter((name) => !names.includes(name));
  if (missing.length > 0) throw new Error(`the module does not export ${missing.join(', ')}`);
  for (const name of names) if (!KEPT.includes(name)) module.removeExport(name);
  return module.emitBinary();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , input, output] = process.argv;
  writeFileSync(output, withoutOthers(readFileSync(input)));
}
