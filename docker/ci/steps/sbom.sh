#!/bin/sh
# Lists what the pushed image holds, Python's and Debian's packages, as CycloneDX JSON: the image says it itself.
# shellcheck source=docker/ci/steps/lib.sh
. "$(dirname "$0")/lib.sh"

tool docker
image=$(found image push)
docker run --rm --interactive --network none --read-only --cap-drop ALL --security-opt no-new-privileges \
    --user 65534:65534 --entrypoint python3 "$image" -I - "$image" <"$steps/sbom.py" >"$scratch/sbom" ||
    fail "$image cannot say what it holds"
left sbom.cdx.json <"$scratch/sbom"
say "$(grep -c '"purl": "pkg:[pd]' "$out/sbom.cdx.json") packages in $out/sbom.cdx.json"
