#!/usr/bin/env bash
# The demo with a cluster of kind instead of a control plane of this machine: `DEMO=kind make demo`. The operator and the
# Bedrock simulator run on this machine; of the cluster they need its API only. Afterwards nothing is left.
#
# demo-kind.sh PROGRAMS [--once]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
programs=$1
once=${2-}
cluster='bedrock-model-map-demo'

fail() { echo "demo: $1" >&2; exit 1; }

for tool in docker kind kubectl; do
    command -v "$tool" >/dev/null ||
        fail "DEMO=kind needs docker, kind and kubectl; $tool is missing. \`make demo\` without DEMO needs none of them"
done
docker info >/dev/null 2>&1 || fail "docker does not answer. Start it, or run \`make demo\` without DEMO=kind"
if kind get clusters 2>/dev/null | grep -qx "$cluster"; then
    fail "the cluster $cluster exists already. Delete it: kind delete cluster --name $cluster"
fi

folder=$(mktemp -d)
export KUBECONFIG=$folder/kubeconfig
clean_up() {
    trap - EXIT
    # shellcheck disable=SC2046 # one word for each process
    kill $(jobs -p) 2>/dev/null || true
    kind delete cluster --name "$cluster" --kubeconfig "$KUBECONFIG" || true
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

kind create cluster --name "$cluster" --kubeconfig "$KUBECONFIG" --wait 120s

: >"$folder/simulator.log"
"$programs/bedrock-simulator" --latency 50ms..300ms >"$folder/simulator.log" &
for _ in {1..100}; do
    bedrock=$(sed -n 's/^listening on //p' "$folder/simulator.log")
    [ -z "$bedrock" ] || break
    sleep 0.1
done
[ -n "$bedrock" ] || fail 'the Bedrock simulator did not start'

"$programs/bedrock-model-map" crd | kubectl apply --server-side -f -
kubectl wait --for=condition=Established --timeout=60s \
    crd/bedrockmodelmaps.bedrock.modelmap.dev crd/clusterbedrockmodelmaps.bedrock.modelmap.dev

# Nothing of the environment but PATH: no credentials and no proxy. No request leaves this machine. There is one replica,
# and a busy machine may not renew a lease in time.
env -i PATH="$PATH" KUBECONFIG="$KUBECONFIG" AWS_ENDPOINT_URL="$bedrock" AWS_EC2_METADATA_DISABLED=true \
    AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo \
    "$programs/bedrock-model-map" run --cluster-maps --leader-elect=false --log-format=pretty \
    --bind-address=127.0.0.1:0 \
    >"$folder/operator.log" 2>&1 &
operator=$!

ready() {
    kubectl wait --timeout=120s "$@" ||
        fail "$(kubectl describe cbmm,bmm -A; echo "--- end of the operator's log"; tail -n 30 "$folder/operator.log")"
}
kubectl apply -f config/samples/bedrock_v1alpha1_bedrockmodelmap.yaml
ready --for=condition=Ready bmm/claude
kubectl apply -f tools/demo/manifests/teams.yaml -f config/samples/cluster-map.yaml
ready --for='jsonpath={.status.namespaces.readyOfMatched}=3/3' cbmm/claude-everywhere

echo
kubectl get cbmm,bmm -A
echo
"$programs/bedrock-model-map" resolve claude-sonnet-4-5 --region us-east-1 claude
[ "$once" != --once ] || exit 0

cat <<TEXT

In another terminal:

  export KUBECONFIG=$KUBECONFIG
  kubectl describe bmm claude
  kubectl get configmap claude-us-east-1 -o jsonpath='{.data.invocation\.json}'
  tail -f $folder/operator.log

Ctrl-C deletes the cluster and all of it.
TEXT
wait "$operator" || fail "the operator ended; the end of its log:
$(tail -n 30 "$folder/operator.log")"
