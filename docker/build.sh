#!/bin/sh
# Builds an image with all that its labels state, and pushes it where it is asked to:
#
#   sh docker/build.sh worker FLAVOUR TAG [--push] [OPTIONS OF docker build]     flavours: cpu gpu plain jax torch
#   sh docker/build.sh coordinator TAG [--push] [OPTIONS OF docker build]
#
# BASE_IMAGE in the environment replaces the pinned base. The last line is the image by digest (with --push)
# or its id. What cannot work is said before anything is built: no engine, no lock, a registry that is away.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'build: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 2
}
usage() { fail "usage: build.sh worker FLAVOUR TAG | coordinator TAG, then --push and options of docker build"; }

[ $# -ge 2 ] || usage
kind=$1
case "$kind" in
worker)
    [ $# -ge 3 ] || usage
    lock=requirements-worker-$2.lock
    [ -f "$lock" ] || fail "there is no flavour $2: $(ls requirements-worker-*.lock |
        sed 's/requirements-worker-\(.*\).lock/\1/' | paste -sd ' ')"
    shift
    ;;
coordinator) lock=requirements-server.lock ;;
*) usage ;;
esac
tag=$2
shift 2
push=
for option; do
    shift
    if [ "$option" = --push ]; then push=yes; else set -- "$@" "$option"; fi
done

docker version >/dev/null 2>&1 ||
    fail "no container engine answers: $(docker version 2>&1 | tail -n 1)"
if [ -n "$push" ]; then
    # "There is no such image", or "not for you", is the answer of a registry that is there.
    case "$tag" in 127.*/* | localhost:*/*) insecure=--insecure ;; *) insecure= ;; esac
    # shellcheck disable=SC2086 # nothing, where there is no option
    said=$(docker manifest inspect $insecure "$tag" 2>&1 >/dev/null) || case "$said" in
    *"no such manifest"* | *"manifest unknown"* | *"not found"* | *denied* | *unauthorized*) ;;
    *) fail "the registry of $tag does not answer, nothing was built: $said" ;;
    esac
fi

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
if [ "$revision" != unknown ] && [ -n "$(git status --porcelain --untracked-files=no)" ]; then
    revision=$revision-changed
fi
[ -z "${BASE_IMAGE:-}" ] || set -- --build-arg "BASE_IMAGE=$BASE_IMAGE" "$@"
say "$kind of $lock, version $version, revision $revision"
DOCKER_BUILDKIT=1 docker build --file "docker/$kind.Dockerfile" --tag "$tag" \
    --build-arg "LOCK=$lock" --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
    --build-arg "LOCK_SHA256=$(sha256sum "$lock" | cut -d ' ' -f 1)" "$@" . >&2 ||
    fail "no image was made; what stopped it stands above (a base that cannot be had is replaced by BASE_IMAGE)"
if [ -z "$push" ]; then
    docker image inspect --format '{{.Id}}' "$tag"
    exit 0
fi
docker push "$tag" >&2
# Of several registries that an image was pushed to, this one.
name=${tag%:*}
docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$tag" | grep "^$name@"
