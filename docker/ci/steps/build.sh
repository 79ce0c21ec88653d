#!/bin/sh
# Builds the image of PIPELINE_DOCKERFILE on bases that are named by digest, and labels it with its commit.
# shellcheck source=docker/ci/steps/lib.sh
. "$(dirname "$0")/lib.sh"

need PIPELINE_REPOSITORY "where the image goes, as registry.example/team/digits"
tool docker git
dockerfile=${PIPELINE_DOCKERFILE:-Dockerfile}
context=${PIPELINE_CONTEXT:-$(dirname "$dockerfile")}
[ -f "$dockerfile" ] || wrong "PIPELINE_DOCKERFILE=$dockerfile: there is no such file"
# What stands before the last slash may have a port.
case "${PIPELINE_REPOSITORY##*/}" in
*[@:]*) wrong "PIPELINE_REPOSITORY=$PIPELINE_REPOSITORY: a name without a tag; the step names the tag" ;;
esac
revision=$(git rev-parse HEAD)
# The label names a commit, so the image is built from one.
changed=$(git status --porcelain -- "$context")
[ -z "$changed" ] || wrong "$context differs from commit $revision: $(printf '%s' "$changed" | head -n 3 | tr '\n' ' ')"
tag=$PIPELINE_REPOSITORY:$(printf '%.12s' "$revision")

set -- --file "$dockerfile" --tag "$tag" --label "org.opencontainers.image.revision=$revision"
while read -r argument; do
    [ -n "$argument" ] || continue
    set -- "$@" --build-arg "$argument"
done <<ARGUMENTS
${PIPELINE_BUILD_ARGS:-}
ARGUMENTS
# shellcheck disable=SC2086 # nothing, where there are none
unpinned=$(printf '%s\n' "${PIPELINE_BUILD_ARGS:-}" | awk -f "$steps/bases.awk" - "$dockerfile")
[ -z "$unpinned" ] || wrong "$dockerfile builds on what no digest names: $unpinned; write NAME@sha256:…"
# Certificates and package index of this site; neither reaches a layer.
if [ -n "${PIPELINE_CA_FILE:-}" ]; then set -- "$@" --secret "id=ca,src=$PIPELINE_CA_FILE"; fi
if [ -n "${PIPELINE_PIP_CONFIG_FILE:-}" ]; then set -- "$@" --secret "id=pip,src=$PIPELINE_PIP_CONFIG_FILE"; fi

# An image takes minutes; a registry that is away is seen at once. One that wants a password is there.
case "$tag" in 127.*/* | localhost:*/*) insecure=--insecure ;; *) insecure= ;; esac
# shellcheck disable=SC2086 # nothing, where there is no option
asked=$(docker manifest inspect $insecure "$tag" 2>&1 >/dev/null) || case "$asked" in
*refused* | *"no such host"* | *timeout* | *"deadline exceeded"* | *unreachable* | *misbehaving*)
    wrong "the registry of $PIPELINE_REPOSITORY does not answer, nothing was built: $asked" ;;
esac

say "$tag from $dockerfile at $revision"
DOCKER_BUILDKIT=1 docker build "$@" "$context" >&2
printf '%s\n' "$tag" | left tag
docker image inspect --format '{{.Id}}' "$tag" | left id
printf '%s\n' "$revision" | left revision
