#!/bin/sh
# Signs the digest together with its list of contents. PIPELINE_SIGN chooses how:
#
#   ssh     a key of OpenSSH's, as commits are signed with: in PIPELINE_SIGNING_KEY(_FILE)
#   cosign  cosign, with the identity of the CI job (OIDC), or with the key in PIPELINE_COSIGN_KEY_FILE
#
# shellcheck source=docker/ci/steps/lib.sh
. "$(dirname "$0")/lib.sh"

image=$(found image push)
revision=$(found revision build)
tool sha256sum
[ -s "$out/sbom.cdx.json" ] || wrong "$out/sbom.cdx.json is not there: run the step sbom first"
sbom=$(sha256sum <"$out/sbom.cdx.json" | cut -d ' ' -f 1)
# One line, so that the same facts are the same bytes.
printf '{"image": "%s", "revision": "%s", "sbom": "%s"}\n' "$image" "$revision" "$sbom" | left statement.json
rm -f "$out/statement.json.sig"

case "${PIPELINE_SIGN:-ssh}" in
ssh)
    tool ssh-keygen
    (umask 077 && secret PIPELINE_SIGNING_KEY >"$scratch/key")
    [ -s "$scratch/key" ] || wrong "PIPELINE_SIGNING_KEY_FILE is not set: the private key that images are signed with (docs/ci.md)"
    # OpenSSH refuses a key whose last line was cut, as CI variables do.
    tail -c 1 "$scratch/key" | grep -q '^$' || printf '\n' >>"$scratch/key"
    ssh-keygen -q -Y sign -f "$scratch/key" -n tuner-image <"$out/statement.json" >"$scratch/sig" 2>"$scratch/said" ||
        fail "ssh-keygen cannot sign: $(head -n 1 "$scratch/said")"
    left statement.json.sig <"$scratch/sig"
    ;;
cosign)
    tool cosign
    login "$image"
    set -- --yes
    if [ -n "${PIPELINE_COSIGN_KEY_FILE:-}" ]; then set -- "$@" --key "$PIPELINE_COSIGN_KEY_FILE"; fi
    cosign sign "$@" "$image"
    cosign attest "$@" --type cyclonedx --predicate "$out/sbom.cdx.json" "$image"
    ;;
*) wrong "PIPELINE_SIGN=$PIPELINE_SIGN: ssh or cosign" ;;
esac
say "$image"
