#!/bin/sh
# Prints the folder with what checks the things that are deployed: helm, helm-unittest, helm-docs, kube-score,
# actionlint, hadolint, zizmor, gitops (our own, of the libraries of Flux and Argo CD), and the definitions of the
# Prometheus operator's objects in crds/. All are pinned in modules/ and requirements.txt, and had once for each state of
# these.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bedrock-model-map/deploy-tools
hash=$(cat "$here"/modules/*/go.mod "$here"/modules/*/go.sum "$here"/modules/*/*.go "$here/requirements.txt" | python3 -c '
import hashlib, sys
print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest()[:16])
')
tools=$cache/$hash

if ! [ -d "$tools" ]; then
    echo "deploy tools: building helm and others with Go into $tools, once: some minutes" >&2
    mkdir -p "$cache"
    building=$(mktemp -d "$cache/building.XXXXXX")
    trap 'rm -rf "$building"' EXIT
    trap 'exit 1' HUP INT TERM
    for module in actionlint gitops helm helm-docs kube-score; do
        echo "deploy tools: $module ..." >&2
        (
            cd "$here/modules/$module"
            GOFLAGS='-mod=readonly -buildvcs=false' GOWORK=off CGO_ENABLED=0 GOBIN="$building/bin" go install -trimpath \
                -ldflags '-s -w' tool
        )
    done
    mkdir "$building/bin/crds"
    (
        cd "$here/modules/prometheus-operator"
        module=github.com/prometheus-operator/prometheus-operator
        GOFLAGS=-mod=readonly GOWORK=off go mod download "$module"
        for kind in podmonitors prometheusrules; do
            cp "$(GOFLAGS=-mod=readonly GOWORK=off go list -m -f '{{.Dir}}' "$module")/example/prometheus-operator-crd/monitoring.coreos.com_$kind.yaml" "$building/bin/crds/"
        done
    )
    echo 'deploy tools: hadolint, zizmor ...' >&2
    python3 -m venv "$building/venv" >&2
    "$building/venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
        --only-binary :all: -r "$here/requirements.txt" >&2
    mv "$building/venv/bin/hadolint" "$building/venv/bin/zizmor" "$building/bin/"
    # If another run was faster, its tools are there.
    python3 -c 'import os, sys; os.rename(*sys.argv[1:])' "$building/bin" "$tools" 2>/dev/null || [ -d "$tools" ]
    rm -rf "$building"
    trap - EXIT HUP INT TERM
fi

echo "$tools"
