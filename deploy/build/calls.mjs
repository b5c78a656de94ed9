// Makes Envoy's compiler leave calls as calls: `node calls.mjs MODULE OUTPUT`.
//
// Envoy compiles a module with V8's optimizing compiler alone. In place of a call, it compiles a copy of the called function, whatever that is, until the
// copies have two to five times the size of the function that they are in (findings/envoy-wasm-compiler-inlines-again.sh): nearly three times our code, with
// the allocator in it 90 times and the text of a panic 250 times. rustc and wasm-opt have decided better what should be a copy.
//
// V8 makes 60 copies in a function at most (`InliningTree::kMaxInlinedCount`). So each function that is large enough for them begins with the call of a
// function that calls an empty one 59 times. These 60 copies have no code, and all other calls stay calls. The condition of that call is never true: a
// compiler that makes no copies, or not these, leaves it out.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const TYPES = 1;
const FUNCTIONS = 3;
const CODE = 10;

const [CONST, IF, CALL, END] = [0x41, 0x04, 0x10, 0x0b];
const NO_RESULT = 0x40;
const NO_LOCALS = 0;

/** Of smaller functions, V8 copies less than this step would add. */
const LARGE = 150;

/** An unsigned LEB128 number, as all numbers in a module are written. */
function number(value) {
  const low = value % 128;
  const rest = Math.floor(value / 128);
  return rest ? [low + 128, ...number(rest)] : [low];
}

/** Reads what a module or a part of it consists of. */
class Reader {
  constructor(bytes, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  get more() {
    return this.at < this.bytes.length;
  }

  byte() {
    if (!this.more) throw new Error('the module ends too early');
    return this.bytes[this.at++];
  }

  number() {
    const byte = this.byte();
    return byte < 128 ? byte : byte - 128 + 128 * this.number();
  }

  take(length) {
    if (this.at + length > this.bytes.length) throw new Error('the module ends too early');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** The items of a list, each read by `item`. */
  list(item) {
    return Array.from({ length: this.number() }, () => item(this));
  }
}

const sized = (bytes) => Buffer.concat([Buffer.from(number(bytes.length)), bytes]);
const list = (items) => Buffer.concat([Buffer.from(number(items.length)), ...items]);

/** The number of the type of a function without parameters and results. */
function plainType(types) {
  const all = new Reader(types).list((reader) => {
    const form = reader.byte();
    if (form !== 0x60) throw new Error('the module has a type that is no function');
    return reader.list((each) => each.byte()).length + reader.list((each) => each.byte()).length;
  });
  const plain = all.indexOf(0);
  if (plain < 0) throw new Error('the module has no type without parameters and results');
  return plain;
}

/** How many functions are imported: they have the first numbers. */
const imported = (module) => WebAssembly.Module.imports(new WebAssembly.Module(module)).filter(({ kind }) => kind === 'function').length;

/** The module with functions in which V8 leaves calls as calls. */
export function withCalls(module) {
  const reader = new Reader(module);
  const header = reader.take(8);
  const sections = [];
  while (reader.more) sections.push({ id: reader.byte(), content: reader.take(reader.number()) });
  const content = (wanted) => sections.find(({ id }) => id === wanted).content;

  const types = new Reader(content(FUNCTIONS)).list((each) => each.number());
  const bodies = new Reader(content(CODE)).list((each) => each.take(each.number()));
  const nothing = imported(module) + bodies.length;
  const copies = nothing + 1;
  const plain = plainType(content(TYPES));
  const start = Buffer.from([CONST, 0, IF, NO_RESULT, CALL, ...number(copies), END]);

  const begun = bodies.map((body) => {
    if (body.length < LARGE) return body;
    const code = new Reader(body);
    code.list((local) => [local.number(), local.byte()]);
    return Buffer.concat([body.subarray(0, code.at), start, body.subarray(code.at)]);
  });
  const added = [Buffer.from([NO_LOCALS, END]), Buffer.from([NO_LOCALS, ...Array.from({ length: 59 }, () => [CALL, ...number(nothing)]).flat(), END])];
  const changed = new Map([
    [FUNCTIONS, list([...types, plain, plain].map((type) => Buffer.from(number(type))))],
    [CODE, list([...begun, ...added].map(sized))],
  ]);
  return Buffer.concat([header, ...sections.flatMap(({ id, content: old }) => [Buffer.from([id]), sized(changed.get(id) ?? old)])]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , input, output] = process.argv;
  writeFileSync(output, withCalls(readFileSync(input)));
}
