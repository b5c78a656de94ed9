// Removes from a module the exports that Envoy need not call: `node exports.mjs MODULE OUTPUT`.
//
// Envoy calls every callback that a module exports, and proxy-wasm's SDK exports all of them. For every request, each call enters the VM and returns, even if
// the callback does nothing. So callbacks that Accredit does not use are not exported; wasm-opt then removes the code that only they used.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import binaryen from 'binaryen';

/** The exports that are kept. A callback that src/shell implements but that is missing here is never called. */
const KEPT = [
  // the start of the module, and its ABI
  'memory',
  '_initialize',
  'proxy_abi_version_0_2_1',
  'proxy_on_memory_allocate',
  // a plugin's configuration
  'proxy_on_context_create',
  'proxy_on_configure',
  'proxy_on_tick',
  'proxy_on_http_call_response',
  // a request
  'proxy_on_request_headers',
  'proxy_on_request_body',
  'proxy_on_request_trailers',
  'proxy_on_response_headers',
  // the end of a context
  'proxy_on_delete',
];

/** The module with only these exports. If one of them is missing, it is an error, because it probably has another name now. */
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
