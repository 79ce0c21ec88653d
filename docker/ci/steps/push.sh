#!/bin/sh
# Pushes the built image and reads its digest back from the registry: from here on it is named by that.
# shellcheck source=docker/ci/steps/lib.sh
. "$(dirname "$0")/lib.sh"

need PIPELINE_REPOSITORY "where the image goes, as registry.example/team/digits"
tool docker
tag=$(found tag build)
built=$(found id build)
login "$PIPELINE_REPOSITORY"
docker push "$tag" >&2
image=$(docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$tag" |
    grep "^$PIPELINE_REPOSITORY@" | head -n 1)
pinned "$image" || fail "the registry gave $tag no digest: '$image'"
# By digest, so that the engine compares what it gets with it.
docker pull --quiet "$image" >/dev/null
again=$(docker image inspect --format '{{.Id}}' "$image")
[ "$again" = "$built" ] || fail "$image is $again in the registry and was built as $built"
printf '%s\n' "$image" | left image
say "$image"
printf '%s\n' "$image"
