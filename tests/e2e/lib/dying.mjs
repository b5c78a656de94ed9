// The module under test with one addition: a request with the header `x-accredit-die` stops its virtual machine, as a panic would.
//
// It is made from the tested module itself, by a function that is called before the one that Envoy calls for a request's headers. So the rest is the shipped
// module, byte for byte, and nothing is compiled again.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import binaryen from '../../../deploy/build/node_modules/binaryen/index.js';
import { temporaryFolder, wasmPath } from './process.mjs';

const CALLBACK = 'proxy_on_request_headers';
const HEADER = Buffer.from('x-accredit-die');

/** Two addresses in the first kilobyte, which the module does not use (deploy/build/wasm.sh): for the header's name, and for the host's answer. */
const [NAME, FOUND] = [64, 128];

/** Writes such a module, and returns its path. */
export function dyingWasmPath() {
  const path = join(temporaryFolder(), 'accredit-dies.wasm');
  writeFileSync(path, withDeath(readFileSync(wasmPath())));
  return path;
}

function withDeath(bytes) {
  const module = binaryen.readBinary(bytes);
  const functions = Array.from({ length: module.getNumFunctions() }, (_, index) => binaryen.getFunctionInfo(module.getFunctionByIndex(index)));
  const ask = 'header_of_the_request';
  module.addFunctionImport(ask, 'env', 'proxy_get_header_map_value', binaryen.createType(Array(5).fill(binaryen.i32)), binaryen.i32);
  const asked = binaryen.getExportInfo(module.getExport(CALLBACK)).value;
  const { params, results } = functions.find(({ name }) => name === asked);

  const { i32 } = module;
  const write = [...HEADER].map((byte, index) => i32.store8(0, 1, i32.const(NAME + index), i32.const(byte)));
  const requestHeaders = i32.const(0);
  const answer = module.call(ask, [requestHeaders, i32.const(NAME), i32.const(HEADER.length), i32.const(FOUND), i32.const(FOUND + 4)], binaryen.i32);
  const forward = binaryen.expandType(params).map((type, index) => module.local.get(index, type));
  const isThere = i32.eqz(answer); // the host's status: 0 is "found"
  module.addFunction(
    'dies',
    params,
    results,
    [],
    module.block(null, [...write, module.if(isThere, module.unreachable()), module.call(asked, forward, results)], results),
  );
  module.removeExport(CALLBACK);
  module.addFunctionExport('dies', CALLBACK);
  const made = Buffer.from(module.emitBinary());
  if (!WebAssembly.validate(made)) throw new Error('the module that dies on demand is not valid');
  return made;
}
