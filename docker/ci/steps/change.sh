#!/bin/sh
# Opens the change that brings the new pin: a branch, one commit, a push, and a pull or merge request where the
# platform's own way is at hand. The push uses the credentials of the checkout, or PIPELINE_PUSH_TOKEN(_FILE) to
# PIPELINE_PUSH_URL.
# shellcheck source=docker/ci/steps/lib.sh
. "$(dirname "$0")/lib.sh"

tool git
image=$(found image push)
[ -s "$out/changed" ] || wrong "$out/changed is not there: run the step pin first"
base=${PIPELINE_BASE:-main}
digest=${image##*@sha256:}
branch=${PIPELINE_BRANCH:-tuner/pin-$(printf '%.12s' "$digest")}
# fact NAME: what the build of the image wrote of it, from the list that is signed.
fact() { sed -n "/\"name\": \"tuner:$1\"/{n;s/.*\"value\": \"\([0-9a-f]\{64\}\)\".*/\1/p}" "$out/sbom.cdx.json"; }
title="Pin ${image%@*} to $(printf '%.12s' "$digest")"

token=$(secret PIPELINE_PUSH_TOKEN)
if [ -n "$token" ]; then
    printf '%s' "$token" >"$scratch/token"
    # Git asks a program, so the token stands in no argument, address or configuration.
    # shellcheck disable=SC2016 # of the program that is written
    printf '#!/bin/sh\ncase "$1" in Username*) echo "%s" ;; *) cat "%s/token" ;; esac\n' \
        "${PIPELINE_PUSH_USER:-oauth2}" "$scratch" >"$scratch/ask"
    chmod 700 "$scratch/ask"
    export GIT_ASKPASS="$scratch/ask" GIT_TERMINAL_PROMPT=0
fi

while read -r path; do git add --force -- "$path"; done <"$out/changed"
if git diff --cached --quiet; then
    say "$image is pinned already: nothing to change"
    exit 0
fi
bound="tuner token create NAME --scope work --image $image"
for name in lock files; do
    value=
    if [ -s "$out/sbom.cdx.json" ]; then value=$(fact "$name"); fi
    if [ -n "$value" ]; then bound="$bound --$name $value"; fi
done
git switch --quiet --force-create "$branch"
GIT_AUTHOR_NAME=${GIT_AUTHOR_NAME:-Tuner pipeline} GIT_COMMITTER_NAME=${GIT_COMMITTER_NAME:-Tuner pipeline} \
    GIT_AUTHOR_EMAIL=${GIT_AUTHOR_EMAIL:-pipeline@localhost} GIT_COMMITTER_EMAIL=${GIT_COMMITTER_EMAIL:-pipeline@localhost} \
    git commit --quiet --message "$title" --message "$image

Built from $(found revision build). A token for its workers:
$bound"
set --
if [ "${GITLAB_CI:-}" = true ]; then
    # GitLab makes the merge request itself, from what is pushed with it.
    set -- --push-option=merge_request.create "--push-option=merge_request.target=$base" \
        "--push-option=merge_request.title=$title" --push-option=merge_request.remove_source_branch
fi
# The branch is this digest's own: pushed again, it is the same change.
git push --quiet --force "$@" "${PIPELINE_PUSH_URL:-origin}" "HEAD:refs/heads/$branch"
printf '%s\n' "$branch" | left branch
if [ -n "${GH_TOKEN:-}" ] && have gh; then
    open=$(gh pr list --head "$branch" --state open --json url --jq '.[].url')
    if [ -z "$open" ]; then
        open=$(gh pr create --base "$base" --head "$branch" --title "$title" --body "$image")
    fi
    say "$open"
elif [ "${GITLAB_CI:-}" != true ]; then
    say "$branch is pushed; nothing here can open the request for it, so open it by hand"
fi
say "$title, on $branch"
