#!/bin/sh
# Brings everything up on a cluster of this machine (kind or k3s), runs a study there and takes it away again: the
# look that the tests of this repository cannot take, which have no cluster.
#
#   sh try.sh SERVER WORKER      images by digest; kind and k3s must be able to pull them
#   sh try.sh --render           no cluster: renders what would be applied, checks what can be checked here
#   sh try.sh --down             removes what this script has made
#
# With KEDA in the cluster (namespace keda) it tries the workers that come and go as well.
set -eu
cd "$(dirname "$0")"

cluster=tuner-try

say() { echo "try: $*"; }
refuse() {
    echo "try: $*" >&2
    exit 2
}
have() { command -v "$1" >/dev/null 2>&1; }
t() { kubectl --namespace tuner "$@"; }

# What there is to try it on: a kind of our own, k3s, or nothing. From here on kubectl knows no other cluster.
find_cluster() {
    if have kind; then
        kind get clusters 2>/dev/null | grep -qx $cluster || {
            say "making a cluster with kind"
            kind create cluster --name $cluster --wait 120s
        }
        kind export kubeconfig --name $cluster --kubeconfig "$work/kubeconfig"
        export KUBECONFIG="$work/kubeconfig"
    elif have k3s; then
        [ -r /etc/rancher/k3s/k3s.yaml ] || refuse "k3s: /etc/rancher/k3s/k3s.yaml cannot be read: is it running?"
        export KUBECONFIG=/etc/rancher/k3s/k3s.yaml
    else
        refuse "neither kind nor k3s is here; --render checks what can be checked without"
    fi
}

rendered() { kubectl kustomize overlays/try; }

render() {
    [ -d overlays/try ] || refuse "not in docker/kubernetes"
    kubectl kustomize overlays/try >"$work/all.yaml"
    for overlay in overlays/*/; do
        kubectl kustomize "$overlay" >"$work/overlay.yaml"
        say "$overlay: $(grep -c '^kind:' "$work/overlay.yaml") manifests"
        if grep -E '^ +(- )?image: ' "$work/overlay.yaml" | grep -vqE '@sha256:[0-9a-f]{64}$'; then
            refuse "$overlay: an image without digest"
        fi
    done
}

require_images() {
    if grep -q 'digest: sha256:0000000000000000' components/images/kustomization.yaml &&
        grep -q 'registry.example/tuner-worker$' components/images/kustomization.yaml; then
        refuse "no images are set: sh try.sh SERVER WORKER, each as registry.example/name@sha256:…"
    fi
}

# Waits for what a command says, so many seconds at most.
until_ok() {
    what=$1
    left=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        left=$((left - 2))
        [ $left -gt 0 ] || {
            t get pods,jobs,events >&2 || true
            refuse "$what: not in time"
        }
        sleep 2
    done
    say "$what"
}

# must_refuse WHAT CONTAINER IMAGE STATED: what the cluster must refuse, as its policy says.
must_refuse() {
    cat >"$work/pod.yaml" <<END
apiVersion: v1
kind: Pod
metadata: {name: try-refused, namespace: tuner}
spec:
  securityContext: {runAsNonRoot: true, runAsUser: 10001, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: $2
      image: $3
      env: [{name: TUNER_IMAGE, value: "$4"}]
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
END
    if kubectl create --dry-run=server --filename "$work/pod.yaml" >"$work/said" 2>&1; then
        cat "$work/said" >&2
        refuse "the cluster lets $1 in"
    fi
    grep -q 'not by digest\|TUNER_IMAGE is not' "$work/said" || {
        cat "$work/said" >&2
        refuse "$1 was refused, and not by our policy"
    }
    say "refused: $1"
}

up() {
    find_cluster
    say "namespace, policies and secrets"
    # First alone: a policy needs a moment until it is in force, and Secrets need their namespace.
    kubectl apply --filename base/namespace.yaml
    kubectl apply --filename base/admission.yaml
    sh secrets.sh
    t delete job tuner-db-upgrade --ignore-not-found
    rendered | kubectl apply --server-side --filename -
    until_ok "PostgreSQL is ready" 180 t rollout status statefulset/postgres --timeout 1s
    until_ok "Redis is ready" 120 t rollout status statefulset/redis --timeout 1s
    until_ok "both servers are ready" 300 t rollout status deployment/tuner-server --timeout 1s
    until_ok "the database is up to date" 120 t wait --for=condition=complete job/tuner-db-upgrade --timeout 1s
    until_ok "the workers run" 600 t rollout status deployment/tuner-worker --timeout 1s
    image=$(t get deployment tuner-worker --output jsonpath='{.spec.template.spec.containers[0].image}')
    must_refuse "a tag" any registry.example/tuner:1.0 registry.example/tuner:1.0
    must_refuse "an impostor" worker "$image" "registry.example/tuner@sha256:$(printf '%064d' 1)"
    study kubernetes
    server_goes
    if kubectl get crd scaledjobs.keda.sh >/dev/null 2>&1; then scaled; else say "no KEDA here: pods that come and go are not tried"; fi
    say "everything that this script knows works; sh try.sh --down takes it away"
}

# The oldest server, so that one command finds what another has left there.
a_server() { t get pods --selector app.kubernetes.io/component=server --sort-by .metadata.creationTimestamp --output jsonpath='{.items[0].metadata.name}'; }

# Runs `tuner` in a server's pod.
in_server() { t exec "$(a_server)" --container server -- env TUNER_API_URL=http://127.0.0.1:8080 tuner "$@"; }

# Whether a study has ended.
has_ended() { in_server status "try/$1" --json | grep -q '"state": *"finished"'; }

# Whether no pod of KEDA's runs.
none_runs() { [ -z "$(t get pods --selector tuner.dev/workers=scaled --field-selector status.phase=Running --output name)" ]; }

study() {
    t exec --stdin "$(a_server)" --container server -- sh -c 'mkdir -p /tmp/try && cat >/tmp/try/try.yaml' <<END
project: try
study: $1
command: [python, -c, "import sys, time; time.sleep(2); print('{\\"score\\": ' + sys.argv[1] + '}')", "{x}"]
metric: {name: score, goal: maximize}
search_space:
  x: {type: float, low: 0.0, high: 1.0}
budget: {trials: 6}
END
    in_server submit /tmp/try/try.yaml
    until_ok "the study try/$1 has ended" 600 has_ended "$1"
    in_server best "try/$1"
}

server_goes() {
    t delete pod "$(a_server)"
    until_ok "a server went, and both are ready" 300 t rollout status deployment/tuner-server --timeout 1s
}

scaled() {
    say "KEDA is here: its user, its pods in place of the workers that stay"
    sed "s/:'password'/'$(cat secrets/keda_password)'/" components/scaled-workers/grants.sql |
        t exec --stdin statefulset/postgres -- psql -q -U tuner -d tuner || say "its user was there"
    t scale deployment/tuner-worker --replicas 0
    kubectl kustomize overlays/try-scaled | kubectl apply --server-side --filename -
    study scaled
    until_ok "no pod of KEDA's is left" 300 none_runs
}

down() {
    if have kind && kind get clusters 2>/dev/null | grep -qx $cluster; then
        kind delete cluster --name $cluster
        return
    fi
    find_cluster
    rendered | kubectl delete --ignore-not-found --filename -
}

have kubectl || refuse "kubectl is missing"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case ${1:-} in
--render) render ;;
--down) down ;;
'')
    require_images
    render
    up
    ;;
*)
    [ $# = 2 ] || refuse "give the server's image and the worker's, or --render, or --down"
    sh set-images.sh "$1" "$2"
    render
    up
    ;;
esac
