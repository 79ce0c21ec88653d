#!/bin/sh
# Writes into components/images which images run, by digest: what `docker push` printed, or CI.
#
#   sh set-images.sh SERVER WORKER [WORKER-WITH-CUDA]     each as registry.example/name@sha256:…
set -eu
cd "$(dirname "$0")"

refuse() {
    echo "set-images: $*" >&2
    exit 2
}
[ $# -ge 2 ] && [ $# -le 3 ] || refuse "give the server's image and the worker's, each as registry.example/name@sha256:…"
for image in "$@"; do
    printf '%s\n' "$image" | grep -Eqx '[A-Za-z0-9][A-Za-z0-9./:_-]*@sha256:[0-9a-f]{64}' ||
        refuse "$image: must be named by its digest, as registry.example/name@sha256:… ('docker buildx imagetools inspect NAME:TAG' says it)"
    case $image in *sha256:0000000000000000*) refuse "$image: that digest stands for none" ;; esac
done

# One entry: the name in the manifests, and what it stands for.
entry() {
    name=${2%@*}
    # A tag beside a digest says nothing.
    case ${name##*/} in *:*) name=${name%:*} ;; esac
    printf '  - name: %s\n    newName: %s\n    digest: %s\n' "$1" "$name" "${2#*@}"
}
file=components/images/kustomization.yaml
{
    sed '/^images:/q' $file
    entry tuner-server "$1"
    entry tuner-worker "$2"
    entry tuner-worker-gpu "${3:-$2}"
} >$file.new
mv $file.new $file
echo "set-images: wrote docker/kubernetes/$file"
