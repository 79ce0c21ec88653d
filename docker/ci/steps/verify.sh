#!/bin/sh
# Looks whether a signer of the team stands behind the image that a spec names: verify.sh [IMAGE].
#
# Who may sign stands in PIPELINE_SIGNERS (OpenSSH's allowed signers), read from the branch that the change
# goes to: a change that brought its own signer would approve itself.
# shellcheck source=docker/ci/steps/lib.sh
. "$(dirname "$0")/lib.sh"

image=${1:-}
if [ -z "$image" ]; then
    need PIPELINE_SPEC "the spec whose image is looked at"
    tool python3
    image=$(python3 "$steps/pin.py" --read "$PIPELINE_SPEC" image) || exit $?
fi
pinned "$image" || wrong "'$image' is no image by digest"

case "${PIPELINE_SIGN:-ssh}" in
ssh) ;;
cosign)
    tool cosign
    if [ -n "$(secret PIPELINE_REGISTRY_PASSWORD)" ]; then
        tool docker
        login "$image"
    fi
    if [ -n "${PIPELINE_COSIGN_PUBLIC_KEY_FILE:-}" ]; then
        set -- --key "$PIPELINE_COSIGN_PUBLIC_KEY_FILE"
    else
        need PIPELINE_COSIGN_IDENTITY "the workflow that signs, as https://github.com/team/repo/.github/workflows/images.yml@refs/heads/main"
        need PIPELINE_COSIGN_ISSUER "who vouches for it, as https://token.actions.githubusercontent.com"
        set -- --certificate-identity "$PIPELINE_COSIGN_IDENTITY" --certificate-oidc-issuer "$PIPELINE_COSIGN_ISSUER"
    fi
    cosign verify "$@" "$image" >/dev/null
    cosign verify-attestation "$@" --type cyclonedx "$image" >/dev/null
    say "$image: signed"
    exit 0
    ;;
*) wrong "PIPELINE_SIGN=$PIPELINE_SIGN: ssh or cosign" ;;
esac

tool ssh-keygen sha256sum git
need PIPELINE_SIGNERS "the file of allowed signers, as docker/signers"
branch=${PIPELINE_BASE:-main}
place=${PIPELINE_SIGNATURES:-signatures}/${image##*@sha256:}
git show "refs/remotes/origin/$branch:$PIPELINE_SIGNERS" >"$scratch/signers" 2>/dev/null ||
    wrong "origin/$branch has no $PIPELINE_SIGNERS (fetch that branch; it names who may sign)"
for file in statement.json statement.json.sig sbom.cdx.json; do
    [ -s "$place/$file" ] || fail "$image is not signed: there is no $place/$file"
done
# Each signer in turn: the file of allowed signers decides, not the name that a signature gives itself.
ssh-keygen -Y find-principals -s "$place/statement.json.sig" -f "$scratch/signers" \
    <"$place/statement.json" >"$scratch/signer" 2>/dev/null || fail "$image: signed by nobody in $PIPELINE_SIGNERS"
signer=$(head -n 1 "$scratch/signer")
ssh-keygen -Y verify -f "$scratch/signers" -I "$signer" -n tuner-image -s "$place/statement.json.sig" \
    <"$place/statement.json" >/dev/null 2>&1 || fail "$image: the signature of $place/statement.json is wrong"
sbom=$(sha256sum <"$place/sbom.cdx.json" | cut -d ' ' -f 1)
grep -Fq "{\"image\": \"$image\", " "$place/statement.json" || fail "$place/statement.json is about another image than $image"
grep -Fq "\"sbom\": \"$sbom\"}" "$place/statement.json" || fail "$place/sbom.cdx.json is not the one that was signed"
say "$image: signed by $signer"
