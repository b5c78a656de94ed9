// Makes Envoy's compiler leave calls as calls: `node calls.mjs MODULE OUTPUT`.
//
// Envoy compiles a module with V8's optimizing compiler alone. In place of a call, it compiles a copy of the called function, whatever that is, until the
// copies have two to five times the size of the function that they are in (findings/envoy-wasm-compiler-inlines-again.sh): nearly three times our code, with
// the allocator in it 90 times and the text of a panic 250 times. rustc and wasm-opt have decided better what should be a copy.
//
// So each large function begins with calls of fillers: functions of that size together which do nothing. V8 copies those, which costs nothing, and then has
// no room for others. The calls are behind a condition that is never true: where they are not copied, they are not made either.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const TYPES = 1;
const FUNCTIONS = 3;
const CODE = 10;

const [NOP, IF, CALL, END, CONST] = [0x01, 0x04, 0x10, 0x0b, 0x41];
const NO_RESULT = 0x40;
const NO_LOCALS = 0;

/** Of smaller functions, in bytes, V8 copies little more than the calls would add. */
const LARGE = 100;

/** The sizes of the fillers, in bytes. */
const FILLERS = [4096, 2048, 1024, 512, 256, 128, 64, 32];

/** As many bytes as a function may grow by the calls of fillers. If V8 has room for less than is computed with them, it leaves the last fillers out. */
const ADDED = 40;

/** Functions that are small to V8, in bytes, and how many times a function's own size it copies into it: LEAST if at most a quarter of all functions are
 *  small, MOST if at least half are, and in between in proportion (V8: `InliningTree::NoLiftoffBudget`). */
const SMALL = 50;
const [LEAST, MOST] = [2, 5];

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

/** How many times its own size V8 copies into a function of a module with these functions. */
function growth(bodies) {
  const small = bodies.filter(({ length }) => length < SMALL).length / bodies.length;
  return LEAST + (MOST - LEAST) * Math.min(Math.max((small - 0.25) / 0.25, 0), 1);
}

/** The sizes of the fillers that take all that V8 would copy into a function of `size` bytes. */
function fillersOf(size, times) {
  const fillers = [];
  let room = Math.floor((size + ADDED) * times);
  for (const filler of FILLERS) {
    for (; filler < room; room -= filler) fillers.push(filler);
  }
  return fillers;
}

/** The module with functions in which V8 leaves calls as calls. */
export function withCalls(module) {
  const reader = new Reader(module);
  const header = reader.take(8);
  const sections = [];
  while (reader.more) sections.push({ id: reader.byte(), content: reader.take(reader.number()) });
  const content = (wanted) => sections.find(({ id }) => id === wanted).content;

  const types = new Reader(content(FUNCTIONS)).list((each) => each.number());
  const bodies = new Reader(content(CODE)).list((each) => each.take(each.number()));
  const plain = plainType(content(TYPES));
  const times = growth(bodies);
  const first = imported(module) + bodies.length;
  const call = (filler) => [CALL, ...number(first + FILLERS.indexOf(filler))];

  const begun = bodies.map((body) => {
    if (body.length < LARGE) return body;
    const code = new Reader(body);
    code.list((local) => [local.number(), local.byte()]);
    const start = [CONST, 0, IF, NO_RESULT, ...fillersOf(body.length, times).flatMap(call), END];
    return Buffer.concat([body.subarray(0, code.at), Buffer.from(start), body.subarray(code.at)]);
  });
  const fillers = FILLERS.map((size) => Buffer.from([NO_LOCALS, ...Array.from({ length: size - 2 }, () => NOP), END]));
  const changed = new Map([
    [FUNCTIONS, list([...types, ...fillers.map(() => plain)].map((type) => Buffer.from(number(type))))],
    [CODE, list([...begun, ...fillers].map(sized))],
  ]);
  return Buffer.concat([header, ...sections.flatMap(({ id, content: old }) => [Buffer.from([id]), sized(changed.get(id) ?? old)])]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , input, output] = process.argv;
  writeFileSync(output, withCalls(readFileSync(input)));
}
